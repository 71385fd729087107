"""SEARCH (RFC 3501 §6.4.4)."""

from __future__ import annotations

import asyncio
from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from foundation.vault import BlobDamaged, BlobNotFound
from mailserver.imap.grammar.commands import Numbering
from mailserver.imap.replies import Reply, ok
from mailserver.imap.search_plan import Candidate, Cost, SearchPlan, SearchTest, first_cut
from mailserver.store.messages import read_messages
from mailserver.store.selection import UidBatch, batches

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sqlalchemy import Connection

    from mailserver.imap.grammar import commands as c
    from mailserver.imap.session import Session

_BODIES_AT_ONCE = 50
"""Messages whose bodies are searched in one visit to a reader thread."""

_ON_LOOP_MESSAGES = 2000


@dataclass(frozen=True, slots=True)
class _Numbered:
    uid: int


async def search(session: Session, command: c.Search) -> Reply:
    folder = session.folder
    test = SearchPlan(folder, session.context.zone).test(command.key)
    slices = first_cut(folder, command.key)
    found: list[int] = []
    if test.cost is Cost.NUMBERS:
        if len(folder.uids) > _ON_LOOP_MESSAGES:
            found = await asyncio.to_thread(_numbered, folder.uids, slices, test)
        else:
            found = _numbered(folder.uids, slices, test)
    else:
        for batch in batches(folder.uids, slices):
            found += await _search_batch(session, test, batch)
    numbers = found
    if command.numbering is Numbering.SEQUENCE:
        numbers = [number for uid in found if (number := folder.number_of(uid)) is not None]
    session.send([b"* SEARCH" + "".join(f" {number}" for number in numbers).encode("ascii") + b"\r\n"])
    return ok("SEARCH completed")


async def _search_batch(session: Session, test: SearchTest, batch: UidBatch) -> list[int]:
    if test.cost is not Cost.BODY:
        return await session.context.database.read(lambda conn: _passing(session, test, batch, conn))
    found: list[int] = []
    async with session.shared.body_searches:
        for part in _parts(session, batch):
            found += await session.context.database.read(
                lambda conn, part=part: _passing(session, test, part, conn)  # type: ignore[misc]
            )
    return found


def _numbered(uids: Sequence[int], slices: list[tuple[int, int]], test: SearchTest) -> list[int]:
    return [
        uid
        for start, stop in slices
        for uid in uids[start:stop]
        if test.passes(Candidate(_Numbered(uid), _no_body))
    ]


def _parts(session: Session, batch: UidBatch) -> Iterator[UidBatch]:
    uids = batch.uids
    if uids is None:
        known = session.folder.uids
        uids = tuple(known[bisect_left(known, batch.low) : bisect_right(known, batch.high)])
    for start in range(0, len(uids), _BODIES_AT_ONCE):
        part = uids[start : start + _BODIES_AT_ONCE]
        yield UidBatch(part[0], part[-1], part)


def _passing(session: Session, test: SearchTest, batch: UidBatch, connection: Connection) -> list[int]:
    vault, owner_id = session.context.vault, session.owner_id

    def open_body(row: Any) -> bytes:
        try:
            return vault.open_now(connection, owner_id, row.blob_id)
        except (BlobNotFound, BlobDamaged):
            return b""  # what cannot be read holds no text; FETCH says that it is damaged

    rows = read_messages(connection, session.folder.folder_id, batch, tuple(sorted(test.columns)))
    return [row.uid for row in rows if test.passes(Candidate(row, open_body))]


def _no_body(row: Any) -> bytes:
    raise AssertionError("no body is read for this test")
