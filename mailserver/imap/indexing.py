"""Keeps what is searched and sorted complete: mails from before it was kept are read, texts come into the index."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING

from foundation.log import get_logger
from foundation.mime.scanner import scan
from foundation.vault import BlobDamaged, BlobNotFound
from mailserver.imap.structure import render
from mailserver.store.mail_keys import keep_keys
from mailserver.store.search_index import (
    are_texts_waiting,
    index_texts,
    mails_without_text,
    replace_text,
)

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from foundation.database import Database, UnitOfWork
    from foundation.vault import Vault
    from mailserver.imap.structure import Rendering

log = get_logger(__name__)

EVERY_SECONDS = 1.0
TEXTS_AT_ONCE = 50
"""Texts that come into the index in one transaction, about 15 ms in which nobody else writes.

Fewer wait until there are so many: to compare them without the index costs half a millisecond.
"""
_READ_AT_ONCE = 25
_REST_SECONDS = 0.02
"""Between two readings of old mails that nobody waits for."""


class Indexing:
    """The work of one process on texts and keys."""

    def __init__(self, database: Database, vault: Vault) -> None:
        self._database = database
        self._vault = vault
        self.are_old_mails_read = False
        """True once no mail is left that came before texts and keys were kept."""

    async def run(self) -> None:
        """Reads old mails, then adds texts to the index as they come, until it is cancelled."""
        while True:
            try:
                if not self.are_old_mails_read:
                    await self.read_old_mails()
                while await self.add_to_index():
                    continue
            except Exception as error:
                log.error("imap.indexing_failed", error=type(error).__name__)
            await asyncio.sleep(EVERY_SECONDS)

    async def add_to_index(self) -> int:
        """Adds waiting texts to the index when there are enough of them; returns how many."""
        if not self._database.read_now(partial(are_texts_waiting, least=TEXTS_AT_ONCE)):
            return 0
        return await self._database.write(partial(index_texts, least=TEXTS_AT_ONCE, most=TEXTS_AT_ONCE))

    async def read_old_mails(self, owner_id: int | None = None) -> None:
        """Keeps texts and keys of the mails that have none, of one owner or of all."""
        read = 0
        while found := await self._database.read(partial(self._read, owner_id=owner_id)):
            await self._database.write(partial(_keep, found=found))
            if read // 1000 < (read + len(found)) // 1000:
                log.info("imap.old_mails_read", mails=read + len(found))
            read += len(found)
            if owner_id is None:
                await asyncio.sleep(_REST_SECONDS)
        if owner_id is None:
            self.are_old_mails_read = True

    def _read(self, connection: Connection, owner_id: int | None) -> list[tuple[int, int, Rendering]]:
        found = []
        for mail_id, owner, blob_id in mails_without_text(connection, _READ_AT_ONCE, owner_id):
            try:
                message = self._vault.open_now(connection, owner, blob_id)
            except (BlobNotFound, BlobDamaged):
                message = b""  # what cannot be read holds no text; FETCH says that it is damaged
            found.append((mail_id, owner, render(message, scan(message))))
        return found


def _keep(uow: UnitOfWork, found: list[tuple[int, int, Rendering]]) -> None:
    for mail_id, owner_id, rendering in found:
        # Somebody who searched may have been quicker.
        if replace_text(uow, mail_id, rendering.search_text):
            keep_keys(uow, owner_id, mail_id, rendering)
