"""What a client is told of messages whose body is gone, and that the others are answered all the same."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from tests.mailserver.imap.conftest import SIMPLE

if TYPE_CHECKING:
    from pathlib import Path

    from mailserver.store.append import Appended
    from tests.mailserver.imap.conftest import Imap

LARGE = SIMPLE + os.urandom(400_000).hex().encode() + b"\r\n"
SECTIONS = [
    "BODY.PEEK[]",
    "BODY.PEEK[]<0.10>",
    "(UID BODY.PEEK[HEADER.FIELDS (SUBJECT)])",
    "(BODY.PEEK[TEXT] FLAGS)",
]


async def expunged_meanwhile(imap: Imap, lost: Appended) -> None:
    """The blob is released and the row still seen, as between the two reads of a FETCH."""
    from sqlalchemy import select

    from mailserver.store.tables import mail

    blob_id = imap.database.read_now(
        lambda connection: connection.execute(
            select(mail.c.blob_id).where(mail.c.id == lost.mail_id)
        ).scalar_one()
    )
    await imap.database.write(lambda uow: imap.vault.release(uow, imap.owner(), blob_id))
    await imap.vault.settle()


@pytest.mark.parametrize("section", SECTIONS)
@pytest.mark.parametrize("message", [SIMPLE, LARGE], ids=["small", "large"])
async def test_a_message_that_is_expunged_during_a_fetch_is_left_out(
    imap: Imap, message: bytes, section: str
) -> None:
    for number in range(3):
        appended = await imap.deliver(message + b"%d\r\n" % number)
        if number == 1:
            lost = appended
    await expunged_meanwhile(imap, lost)
    client = await imap.selected()
    lines = await client.command(f"FETCH 1:3 {section}")
    assert lines[-1] == "OK [EXPUNGEISSUED] Some messages were expunged meanwhile"
    assert [line.split()[1] for line in lines if line.startswith("* ")] == ["1", "3"]
    assert (await client.command("NOOP"))[-1].startswith("OK")


@pytest.mark.parametrize("section", SECTIONS)
async def test_a_damaged_body_is_told_and_stops_no_other(imap: Imap, tmp_path: Path, section: str) -> None:
    await imap.deliver(SIMPLE)
    before = set((tmp_path / "vault").glob("*/*"))
    await imap.deliver(LARGE)
    [file] = set((tmp_path / "vault").glob("*/*")) - before
    file.unlink()
    await imap.deliver(SIMPLE + b"last\r\n")
    client = await imap.selected()
    lines = await client.command(f"FETCH 1:* {section}")
    assert lines[-1] == "NO [UNAVAILABLE] The bodies of 1 messages are damaged"
    assert [line.split()[1] for line in lines if line.startswith("* ")] == ["1", "3"]
    assert (await client.command("SEARCH TEXT last"))[:1] == ["* SEARCH 3"]
    assert (await client.command("FETCH 2 (FLAGS ENVELOPE)"))[-1].startswith("OK")


async def test_a_command_that_cannot_be_parsed_is_answered_under_its_tag(imap: Imap) -> None:
    client = await imap.connect()
    await client.send("z1 ((((\r\n")
    assert (await client.line()).startswith("z1 BAD")


@pytest.mark.parametrize("name", ["..", "../../x", "a/../b", "."])
async def test_a_folder_cannot_be_named_like_a_step_up(imap: Imap, name: str) -> None:
    client = await imap.signed_in()
    assert (await client.command(f"CREATE {name}"))[-1].startswith("NO")
