"""FETCH (RFC 3501 §6.4.5): what is stored as rendered goes out as it is; bodies are read only where asked for."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from foundation.log import get_logger
from foundation.vault import BlobDamaged, BlobNotFound
from mailserver.imap.fetch_plan import FetchPlan
from mailserver.imap.grammar import fetch as grammar
from mailserver.imap.grammar.commands import Numbering
from mailserver.imap.replies import Reply, no, ok
from mailserver.store.flags import Change, FlagChange, change_flags
from mailserver.store.messages import read_messages
from mailserver.store.selection import BATCH, UidBatch, batches
from mailserver.store.tables import Flag

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sqlalchemy import Connection, Row

    from mailserver.imap.connection import Connection as ClientConnection
    from mailserver.imap.grammar import commands as c
    from mailserver.imap.session import Session

log = get_logger(__name__)

_ON_LOOP_MESSAGES = 32
"""So few rows are read and rendered at once; more of them in a reader thread."""
_GROUP_BYTES = 256 * 1024
"""Octets of bodies rendered in one go; one message that makes more than this is streamed."""
_ANSWER_BYTES = 4 * 1024 * 1024
"""Stored octets rendered in one go: a sender may have written envelopes of megabytes."""
_BODY_BATCH = 100
_SEEN = FlagChange(Change.ADD, int(Flag.SEEN))


async def fetch(session: Session, command: c.Fetch) -> Reply:
    folder = session.folder
    slices = folder.slices(command.numbering, command.messages)
    attributes = command.attributes
    if command.numbering is Numbering.UID and grammar.UID not in attributes:
        attributes = (grammar.UID, *attributes)
    if attributes == (grammar.UID,):
        # Known without a look: also of messages that another session has expunged meanwhile.
        for start, stop in slices:
            for first in range(start, stop, BATCH):
                session.send(_uid_lines(folder.uids, first, min(first + BATCH, stop)))
                await session.connection.drain()
                await asyncio.sleep(0)
        return ok("FETCH completed")
    wanted = sum(stop - start for start, stop in slices)
    plan = FetchPlan(attributes, folder, session.context.zone)
    found = damaged = 0
    for batch in batches(folder.uids, slices, _BODY_BATCH if plan.reads_bodies else BATCH):
        if plan.reads_bodies:
            read = await _bodies(session, plan, batch)
            found, damaged = found + read.found, damaged + read.damaged
        else:
            found += await _stored(session, plan, batch, wanted)
    if damaged:
        return no(f"The bodies of {damaged} messages are damaged", "UNAVAILABLE")
    if found < wanted:
        return ok("Some messages were expunged meanwhile", "EXPUNGEISSUED")
    return ok("FETCH completed")


def _uid_lines(uids: Sequence[int], start: int, stop: int) -> Iterator[bytes]:
    for position in range(start, stop):
        yield b"* %d FETCH (UID %d)\r\n" % (position + 1, uids[position])


async def _stored(session: Session, plan: FetchPlan, batch: UidBatch, wanted: int) -> int:
    folder_id = session.folder.folder_id

    def query(connection: Connection, batch: UidBatch) -> _Rendered:
        rendered = _Rendered()
        for row in read_messages(connection, folder_id, batch, plan.columns):
            rendered.add(plan.keywords(row), plan.line(row))
            if rendered.size > _ANSWER_BYTES:
                rendered.rest = batch.after(row.uid)
                break
        return rendered

    database = session.context.database
    count = 0
    rest: UidBatch | None = batch
    while rest is not None:
        read = partial(query, batch=rest)
        rendered = database.read_now(read) if wanted <= _ON_LOOP_MESSAGES else await database.read(read)
        session.send([*session.folder.announce(rendered.keywords), *rendered.lines])
        await session.connection.drain()
        count += len(rendered.lines)
        rest = rendered.rest
    return count


@dataclass(slots=True)
class _Rendered:
    """FETCH responses, and what of the batch is still to come."""

    keywords: set[str] = field(default_factory=set)
    lines: list[bytes] = field(default_factory=list)
    size: int = 0
    rest: UidBatch | None = None

    def add(self, keywords: str, line: bytes) -> None:
        if keywords:
            self.keywords.add(keywords)
        self.lines.append(line)
        self.size += len(line)


@dataclass(slots=True)
class _Bodies:
    """How many messages were answered, and how many could not be because the vault has no true body for them."""

    found: int = 0
    damaged: int = 0

    def missed(self, session: Session, error: BlobDamaged | BlobNotFound, uid: int) -> None:
        """Another session expunged the message meanwhile, or its body is lost: the others are answered."""
        if isinstance(error, BlobDamaged):
            self.damaged += 1
            log.error("imap.body_damaged", folder=session.folder.folder_id, uid=uid)


async def _bodies(session: Session, plan: FetchPlan, batch: UidBatch) -> _Bodies:
    folder_id = session.folder.folder_id
    rows = await session.context.database.read(
        lambda connection: list(read_messages(connection, folder_id, batch, plan.columns))
    )
    session.send(session.folder.announce({plan.keywords(row) for row in rows}))
    if plan.sets_seen and not session.folder.is_read_only:
        await _set_seen(session, plan, rows)
    answered = _Bodies()
    for group in _groups(plan, rows):
        if len(group) == 1 and plan.weight(group[0]) > _GROUP_BYTES:
            await _stream(session, plan, group[0], answered)
        else:
            lines = partial(_lines, session, plan, group, answered)
            if sum(plan.weight(row) for row in group) <= _GROUP_BYTES // 8:
                session.send([session.context.database.read_now(lines)])
            else:
                session.send([await session.context.database.read(lines)])
        await session.connection.drain()
    return answered


def _groups(plan: FetchPlan, rows: Sequence[Row[Any]]) -> Iterator[list[Row[Any]]]:
    group: list[Row[Any]] = []
    size = 0
    for row in rows:
        if group and size + plan.weight(row) > _GROUP_BYTES:
            yield group
            group, size = [], 0
        group.append(row)
        size += plan.weight(row)
    if group:
        yield group


def _lines(
    session: Session, plan: FetchPlan, rows: list[Row[Any]], answered: _Bodies, connection: Connection
) -> bytes:
    vault, owner_id = session.context.vault, session.owner_id
    lines = []
    for row in rows:
        try:
            lines.append(plan.line(row, vault.open_now(connection, owner_id, plan.blob_id(row))))
            answered.found += 1
        except (BlobDamaged, BlobNotFound) as error:
            answered.missed(session, error, row[0])
    return b"".join(lines)


async def _set_seen(session: Session, plan: FetchPlan, rows: Sequence[Row[Any]]) -> None:
    folder = session.folder
    unseen = tuple(row.uid for row in rows if not row.flags & Flag.SEEN)
    if not unseen:
        return
    chosen = [UidBatch(unseen[0], unseen[-1], unseen)]
    changed = await session.context.database.write(
        lambda uow: change_flags(uow, folder.folder_id, chosen, _SEEN)
    )
    folder.was_told(unseen, changed.modseq)
    plan.now_seen = frozenset(unseen)


async def _stream(session: Session, plan: FetchPlan, row: Row[Any], answered: _Bodies) -> None:
    """One large message: the octets of a section go from the vault to the client a chunk at a time.

    Nothing is written before the vault has shown that it has the body.
    """
    vault, owner_id, blob_id = session.context.vault, session.owner_id, plan.blob_id(row)
    connection = session.connection
    held: bytes | None = plan.head(row)
    separator = b""
    for attribute in plan.attributes_of(row):
        ready = (held or b"") + separator
        separator = b" "
        piece = plan.piece(row, attribute)
        if isinstance(piece, bytes):
            held = _hold(connection, held, ready + piece)
            continue
        chunks = vault.stream(owner_id, blob_id, piece.start, piece.length)
        try:
            if piece.is_filtered:
                header = b"".join([chunk async for chunk in chunks])
                held = _hold(connection, held, ready + plan.filtered(attribute, header))
                continue
            first = await anext(chunks, b"")
            connection.write(ready + attribute.label + b" {%d}\r\n" % piece.length + first)
            held = None
            async for chunk in chunks:
                connection.write(chunk)
                await connection.drain()
        except Exception as error:
            if held is not None and isinstance(error, BlobDamaged | BlobNotFound):
                answered.missed(session, error, row[0])
                return
            # A literal was announced and cannot be finished: nothing true can follow on this connection.
            connection.abort()
            raise
    connection.write((held or b"") + b")\r\n")
    answered.found += 1


def _hold(connection: ClientConnection, held: bytes | None, octets: bytes) -> bytes | None:
    """Keeps what is to be written while nothing of the response went out; else writes it."""
    if held is not None:
        return octets
    connection.write(octets)
    return None
