"""FETCH (RFC 9051 §6.4.5, RFC 7162, RFC 9394): arrays and stored renderings go out as they are."""

from __future__ import annotations

import asyncio
from bisect import bisect_right
from contextlib import closing
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from mailserver.imap.chosen import Chosen, choose, cut
from mailserver.imap.commands.fetch_bodies import Bodies
from mailserver.imap.fetch_plan import plan_for
from mailserver.imap.grammar import fetch as grammar
from mailserver.imap.grammar.commands import Numbering
from mailserver.imap.grammar.sequence import format_uid_set
from mailserver.imap.rendered_items import Made
from mailserver.imap.replies import Reply, bad, ok
from mailserver.imap.session import Session, Sync
from mailserver.store.images import vanished_since
from mailserver.store.messages import Column, read_messages

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection

    from mailserver.imap.fetch_plan import FetchPlan
    from mailserver.imap.grammar import commands as c
    from mailserver.imap.grammar.sequence import SequenceSet
    from mailserver.store.selection import UidBatch

_LINES_AT_ONCE = 2000
"""Responses from arrays alone, made before others get a turn: about a millisecond."""
_TEXTS_AT_ONCE = 500
"""Responses with envelopes and the like."""
_BODIES_AT_ONCE = 100
_ON_LOOP_MESSAGES = 100
"""So few rows are read and rendered at once; more of them in a reader thread."""
_KEPT_FROM = 100
"""From so many messages on an answer is kept."""
_ANSWER_BYTES = 4 * 1024 * 1024
"""Stored octets rendered in one go: a sender may have written envelopes of megabytes."""


async def fetch(session: Session, command: c.Fetch) -> Reply:
    folder, modifiers = session.folder, command.modifiers
    since = modifiers.changed_since
    if modifiers.tells_vanished and not session.dialect.tells_vanished:
        return bad("QRESYNC was not enabled")
    # The messages are those the client knows ("*"); they are read as they are now, and places stay.
    slices = folder.slices(command.numbering, command.messages)
    await session.tell(Sync.NO_EXPUNGES)
    attributes = _attributes(session, command)
    plan = plan_for(attributes, session.dialect, session.context.zone)
    if modifiers.window is not None:
        slices = cut(slices, modifiers.window.slice(sum(stop - start for start, stop in slices)))
    if modifiers.tells_vanished and since is not None:
        await _tell_vanished(session, command.messages, since)
    if plan.is_of_uids and since is None:
        await _tell_uids(session, plan, slices)
        return ok("FETCH completed")
    bodies = Bodies(session, plan) if plan.reads_bodies else None
    size = _BODIES_AT_ONCE if bodies else _TEXTS_AT_ONCE if plan.lasting else _LINES_AT_ONCE
    missing = 0
    is_first = True
    for chosen, gone in choose(folder, slices, size):
        if not is_first:
            await asyncio.sleep(0)
        is_first = False
        if since is not None:
            chosen = chosen.changed_since(since)
        else:
            missing += gone
        if not chosen:
            continue
        if bodies is not None:
            missing += await bodies.tell(chosen)
        elif plan.lasting:
            missing += await _tell_texts(session, plan, chosen)
        else:
            session.send(_lines(session, plan, chosen))
        await session.connection.drain()
    if bodies is not None and (refused := bodies.refusal()) is not None:
        return refused
    if missing:
        return ok("Some messages were expunged meanwhile", "EXPUNGEISSUED")
    return ok("FETCH completed")


def _lines(session: Session, plan: FetchPlan, chosen: Chosen) -> list[bytes]:
    """Responses without a text; what every client of a folder asks for when it opens it is kept while it holds."""
    folder, derived, flags = session.folder, session.shared.derived, chosen.image.flags
    if len(chosen) < _KEPT_FROM or folder.recent_ranges or not isinstance(chosen.places, range):
        return plan.lines(chosen, folder, None)
    what = (plan.shape, chosen.places.start, chosen.places.stop, folder.place.viewer)
    kept: bytes | None = derived.get(folder.folder_id, what, flags)
    if kept is None:
        kept = b"".join(plan.lines(chosen, folder, None))
        # An image that differs in anything has other octets of flags, if only as an object.
        derived.keep(folder.folder_id, what, flags, kept, len(kept))
    return [kept]


def _attributes(session: Session, command: c.Fetch) -> tuple[grammar.FetchAttribute, ...]:
    """What is told beside what was asked for; who asks for modification sequences is told them from now on."""
    attributes = command.attributes
    if command.numbering is Numbering.UID and grammar.UID not in attributes:
        attributes += (grammar.UID,)
    tells_modseq = command.modifiers.changed_since is not None or grammar.MODSEQ in attributes
    if tells_modseq and not session.dialect.tells_modseq:
        session.dialect = replace(session.dialect, tells_modseq=True)
    if tells_modseq or (session.dialect.tells_modseq and grammar.FLAGS in attributes):
        attributes += (grammar.MODSEQ,)
    return attributes


async def _tell_vanished(session: Session, asked: SequenceSet, since: int) -> None:
    """Those of the UIDs asked for that are gone (RFC 7162 §3.2.6); not what this client still has to be told."""
    folder = session.folder
    gone = await session.context.database.read(
        partial(vanished_since, folder_id=folder.folder_id, modseq=since)
    )
    if asked.is_saved or not gone:
        return
    # "*" is the last message, though later ones may be gone.
    last = max(gone[-1], folder.uids[-1] if folder.uids else 0)
    positions = asked.uid_positions([*gone, last + 1])
    told = [
        gone[position]
        for start, stop in positions
        for position in range(start, min(stop, len(gone)))
        if folder.number_of(gone[position]) is None
    ]
    if told:
        session.send([b"* VANISHED (EARLIER) " + format_uid_set(told) + b"\r\n"])


async def _tell_uids(session: Session, plan: FetchPlan, slices: Sequence[tuple[int, int]]) -> None:
    """Known without a look: also of messages that another session has expunged meanwhile."""
    folder = session.folder
    for start, stop in slices:
        for first in range(start, stop, _LINES_AT_ONCE):
            last = min(first + _LINES_AT_ONCE, stop)
            known = Chosen(folder.image, range(first + 1, last + 1), (), folder.uids[first:last])
            session.send(plan.lines(known, folder, None))
            await session.connection.drain()
            await asyncio.sleep(0)


async def _tell_texts(session: Session, plan: FetchPlan, chosen: Chosen) -> int:
    """Responses with what never changes; how many messages were not there."""
    folder, rendered = session.folder, session.shared.rendered
    texts = rendered.find(folder.folder_id, plan.items, chosen.uids)
    missing = 0
    while None in texts:
        waiting = [position for position, text in enumerate(texts) if text is None]
        made = await _made(session, plan, chosen, waiting)
        rendered.keep(folder.folder_id, plan.items, made.final)
        for position in waiting:
            texts[position] = made.texts.get(chosen.uids[position])
        if made.last is None:
            break
        stop = bisect_right(chosen.uids, made.last)
        missing += _send(session, plan, chosen.part(0, stop), texts[:stop])
        await session.connection.drain()
        chosen, texts = chosen.part(stop, len(chosen)), texts[stop:]
    return missing + _send(session, plan, chosen, texts)


def _send(session: Session, plan: FetchPlan, chosen: Chosen, texts: Sequence[bytes | None]) -> int:
    there = [text for text in texts if text is not None]
    if len(there) < len(texts):
        chosen = chosen.only([position for position, text in enumerate(texts) if text is not None])
    session.send(plan.lines(chosen, session.folder, there))
    return len(texts) - len(there)


async def _made(session: Session, plan: FetchPlan, chosen: Chosen, waiting: Sequence[int]) -> Made:
    if plan.columns == (Column.RECEIVED_AT,):
        made = Made()
        received = chosen.column(chosen.image.received)
        for position in waiting:
            uid = chosen.uids[position]
            made.add(uid, plan.text((uid, received[position])), is_final=True)
        return made
    read = partial(_read, session.folder.folder_id, plan, chosen.batch(waiting))
    database = session.context.database
    return database.read_now(read) if len(waiting) <= _ON_LOOP_MESSAGES else await database.read(read)


def _read(folder_id: int, plan: FetchPlan, batch: UidBatch, connection: Connection) -> Made:
    made = Made()
    octets = 0
    with closing(read_messages(connection, folder_id, batch, plan.columns)) as rows:
        for row in rows:
            text = plan.text(row)
            made.add(row[0], text, is_final=plan.is_final(row))
            octets += len(text)
            if octets > _ANSWER_BYTES:
                made.last = row[0]
                break
    return made
