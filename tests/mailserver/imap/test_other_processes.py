"""What another process commits is told to the clients of this one (within a second, without a command of theirs)."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.mailserver.imap.conftest import Imap

_SETS_A_FLAG = """
import asyncio, sys
from foundation.database import Database
from mailserver.store.flags import Change, FlagChange, change_flags
from mailserver.store.selection import UidBatch
import vaguemestre.schema

async def main() -> None:
    database = await Database.open(sys.argv[1])
    change = FlagChange(Change.ADD, 4)
    await database.write(lambda uow: change_flags(uow, int(sys.argv[2]), [UidBatch(1, 1)], change))
    await database.close()

asyncio.run(main())
"""


async def test_an_idle_client_hears_of_a_flag_that_another_process_set(imap: Imap, tmp_path: object) -> None:
    placed = await imap.deliver()
    client = await imap.selected()
    await client.send("a IDLE\r\n")
    assert await client.line() == "+ idling"
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", _SETS_A_FLAG, f"sqlite:///{tmp_path}/test.db", str(placed.folder_id)
    )
    assert await process.wait() == 0
    async with asyncio.timeout(5):
        assert await client.line() == "* 1 FETCH (FLAGS (\\Flagged \\Recent))"


async def test_our_own_changes_leave_nothing_to_find(imap: Imap) -> None:
    await imap.deliver()
    client = await imap.selected()
    await imap.deliver()
    await client.command("NOOP")
    images = imap.server._shared.images
    assert await images.outdated() == []
    await imap.deliver()
    assert len(await images.outdated()) == 1
