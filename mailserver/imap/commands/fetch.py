"""FETCH (RFC 3501 §6.4.5): what is stored as rendered goes out as it is; bodies are read only where asked for."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from mailserver.imap.fetch_plan import FetchPlan
from mailserver.imap.grammar import fetch as grammar
from mailserver.imap.grammar.commands import Numbering
from mailserver.imap.replies import Reply, ok
from mailserver.store.flags import Change, FlagChange, change_flags
from mailserver.store.messages import read_messages
from mailserver.store.selection import UidBatch, batches
from mailserver.store.tables import Flag

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sqlalchemy import Connection, Row

    from mailserver.imap.grammar import commands as c
    from mailserver.imap.session import Session

_ON_LOOP_MESSAGES = 32
"""So few rows are read and rendered at once; more of them in a reader thread."""
_GROUP_BYTES = 256 * 1024
"""Bodies read in one go; a message that is larger than this is streamed."""
_SEEN = FlagChange(Change.ADD, int(Flag.SEEN))


async def fetch(session: Session, command: c.Fetch) -> Reply:
    folder = session.folder
    slices = folder.slices(command.numbering, command.messages)
    attributes = command.attributes
    if command.numbering is Numbering.UID and grammar.UID not in attributes:
        attributes = (grammar.UID, *attributes)
    if attributes == (grammar.UID,):
        # Known without a look: also of messages that another session has expunged meanwhile.
        session.send(_uid_lines(folder.uids, slices))
        return ok("FETCH completed")
    wanted = sum(stop - start for start, stop in slices)
    plan = FetchPlan(attributes, folder, session.context.zone)
    found = 0
    for batch in batches(folder.uids, slices):
        if plan.reads_bodies:
            found += await _bodies(session, plan, batch)
        else:
            found += await _stored(session, plan, batch, wanted)
        await session.connection.drain()
    if found < wanted:
        return ok("Some messages were expunged meanwhile", "EXPUNGEISSUED")
    return ok("FETCH completed")


def _uid_lines(uids: Sequence[int], slices: list[tuple[int, int]]) -> Iterator[bytes]:
    for start, stop in slices:
        for position in range(start, stop):
            yield b"* %d FETCH (UID %d)\r\n" % (position + 1, uids[position])


async def _stored(session: Session, plan: FetchPlan, batch: UidBatch, wanted: int) -> int:
    folder_id = session.folder.folder_id

    def query(connection: Connection) -> tuple[int, set[str], bytes]:
        rows = read_messages(connection, folder_id, batch, plan.columns)
        return len(rows), plan.keywords(rows), b"".join([plan.line(row) for row in rows])

    database = session.context.database
    if wanted <= _ON_LOOP_MESSAGES:
        count, keywords, lines = database.read_now(query)
    else:
        count, keywords, lines = await database.read(query)
    session.send([*session.folder.announce(keywords), lines])
    return count


async def _bodies(session: Session, plan: FetchPlan, batch: UidBatch) -> int:
    folder_id = session.folder.folder_id
    rows = await session.context.database.read(
        lambda connection: read_messages(connection, folder_id, batch, plan.columns)
    )
    session.send(session.folder.announce(plan.keywords(rows)))
    if plan.sets_seen and not session.folder.is_read_only:
        await _set_seen(session, plan, rows)
    for group in _groups(plan, rows):
        if len(group) == 1 and plan.size(group[0]) > _GROUP_BYTES:
            await _stream(session, plan, group[0])
        else:
            lines = partial(_lines, session, plan, group)
            if sum(plan.size(row) for row in group) <= _GROUP_BYTES // 8:
                session.send([session.context.database.read_now(lines)])
            else:
                session.send([await session.context.database.read(lines)])
        await session.connection.drain()
    return len(rows)


def _groups(plan: FetchPlan, rows: Sequence[Row[Any]]) -> Iterator[list[Row[Any]]]:
    group: list[Row[Any]] = []
    size = 0
    for row in rows:
        if group and size + plan.size(row) > _GROUP_BYTES:
            yield group
            group, size = [], 0
        group.append(row)
        size += plan.size(row)
    if group:
        yield group


def _lines(session: Session, plan: FetchPlan, rows: list[Row[Any]], connection: Connection) -> bytes:
    vault, owner_id = session.context.vault, session.owner_id
    return b"".join([plan.line(row, vault.open_now(connection, owner_id, plan.blob_id(row))) for row in rows])


async def _set_seen(session: Session, plan: FetchPlan, rows: Sequence[Row[Any]]) -> None:
    folder = session.folder
    unseen = tuple(row.uid for row in rows if not row.flags & Flag.SEEN)
    if not unseen:
        return
    chosen = [UidBatch(unseen[0], unseen[-1], unseen)]
    changed = await session.context.database.write(
        lambda uow: change_flags(uow, folder.folder_id, chosen, _SEEN)
    )
    folder.wrote(changed.modseq_before, changed.modseq)
    plan.now_seen = frozenset(unseen)


async def _stream(session: Session, plan: FetchPlan, row: Row[Any]) -> None:
    """One large message: the octets of a section go from the vault to the client a chunk at a time."""
    vault, owner_id, blob_id = session.context.vault, session.owner_id, plan.blob_id(row)
    connection = session.connection
    connection.write(plan.head(row))
    separator = b""
    for attribute in plan.attributes_of(row):
        connection.write(separator)
        separator = b" "
        piece = plan.piece(row, attribute)
        if isinstance(piece, bytes):
            connection.write(piece)
            continue
        chunks = vault.stream(owner_id, blob_id, piece.start, piece.length)
        if piece.is_filtered:
            header = b"".join([chunk async for chunk in chunks])
            connection.write(plan.filtered(attribute, header))
            continue
        connection.write(attribute.label + b" {%d}\r\n" % piece.length)
        try:
            async for chunk in chunks:
                connection.write(chunk)
                await connection.drain()
        except Exception:
            # The literal was announced and cannot be finished: nothing true can follow on this connection.
            connection.abort()
            raise
    connection.write(b")\r\n")
