"""How a session runs a search program: on the event loop, or in visits to the database that leave room for others."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from mailserver.imap.grammar.search_keys import HeaderKey, TextKey
from mailserver.imap.masks import full
from mailserver.imap.replies import Reply, bad, no
from mailserver.imap.search_plan import Cost, SearchPlan, cost_of, leaves
from mailserver.imap.text_search import Compared, OutOfTime, TextSearch
from mailserver.store.search_index import mails_of

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Sequence

    from sqlalchemy import Connection

    from mailserver.imap.grammar.search import Program
    from mailserver.imap.session import Session

T = TypeVar("T")

CHARSETS = ("US-ASCII", "UTF-8")
_ON_LOOP_MESSAGES = 10_000
_VISIT_SECONDS = 0.2
_PROGRESS_SECONDS = 1.0
"""How often a client is told that a search goes on (RFC 9585 §4.1)."""


def refusal(session: Session, program: Program) -> Reply | None:
    """Why a program is not run, or None; whether a MODSEQ is in it is taken note of (RFC 7162 §3.1)."""
    if program.charset is not None and program.charset not in CHARSETS:
        return no("Unknown charset", f"BADCHARSET ({' '.join(CHARSETS)})")
    if program.names_numbers and session.dialect.is_uid_only:
        return bad("Message numbers are not used in this session", "UIDREQUIRED")
    if program.names_modseq:
        session.dialect = replace(session.dialect, tells_modseq=True)
    return None


async def find(session: Session, program: Program) -> int:
    """The places of `session.folder.image` whose messages pass, as a set of `masks`."""
    folder, context = session.folder, session.context
    plan = SearchPlan(folder, context.zone, context.clock.millis())
    cost = cost_of(program.key)
    if cost is Cost.IMAGE:
        return await aside(session, partial(plan.passing, program.key), times=program.keys)
    await complete(session)
    if cost is Cost.ROWS:
        return await context.database.read(lambda connection: plan.passing(program.key, connection))
    kept, uids = session.shared.derived, folder.image.uids
    mails = await derived(session, "mails", partial(mails_of, folder_id=folder.folder_id, uids=uids), 40)
    keys = list(leaves(program.key))
    known = {
        key: Compared(*found)
        for key in keys
        if isinstance(key, TextKey | HeaderKey)
        and (found := kept.get_of_beginning(folder.folder_id, key, uids)) is not None
    }
    plan.texts = texts = TextSearch(context.vault, folder.place.owner_id, mails, known)
    everything = full(len(uids))
    if all(cost_of(key) is Cost.IMAGE or (key in known and known[key].tested == everything) for key in keys):
        return await aside(session, partial(plan.passing, program.key), times=program.keys)
    told_at = time.monotonic()
    places: int | None = None
    while places is None:
        # One visit at a time, so that a long search does not keep short ones waiting.
        async with session.shared.body_searches:
            places = await context.database.read(partial(_visit, plan, texts, program))
        if places is None and time.monotonic() - told_at >= _PROGRESS_SECONDS:
            told_at = time.monotonic()
            progress = f'* OK [INPROGRESS ("{session.tag}" {texts.steps} NIL)] Still searching\r\n'
            session.send([progress.encode("ascii")])
            await session.connection.drain()
    for key, compared in texts.compared.items():
        size = 2 * len(uids) + len(key.text)
        kept.keep(folder.folder_id, key, uids, (compared.tested, compared.found), size)
    return places


async def aside(session: Session, work: Callable[[], T], times: int = 1) -> T:
    """Does work on every message of the open folder, so many times; in a thread where that is much."""
    if len(session.folder.image.uids) * times <= _ON_LOOP_MESSAGES:
        return work()
    return await asyncio.to_thread(work)


async def complete(session: Session) -> None:
    """Sees to it that the mails of the open folder's owner can be searched and sorted."""
    if not session.shared.indexing.are_old_mails_read:
        await session.shared.indexing.read_old_mails(session.folder.place.owner_id)


def _visit(plan: SearchPlan, texts: TextSearch, program: Program, connection: Connection) -> int | None:
    texts.deadline = time.monotonic() + _VISIT_SECONDS
    try:
        return plan.passing(program.key, connection)
    except OutOfTime:
        return None


async def derived(
    session: Session, what: Hashable, work_out: Callable[[Connection], Any], octets_each: int
) -> Any:
    """What is kept of the open folder under this name, worked out in a query where it is not."""
    folder_id, uids = session.folder.folder_id, session.folder.image.uids
    kept = session.shared.derived.get(folder_id, what, uids)
    if kept is None:
        kept = await session.context.database.read(work_out)
        session.shared.derived.keep(folder_id, what, uids, kept, len(uids) * octets_each)
    return kept


def numbers_of(session: Session, uids: Sequence[int]) -> Sequence[int]:
    """The sequence numbers of the messages of the image by place; the client knows all of them."""
    folder = session.folder
    if folder.uids is uids:
        return range(1, len(uids) + 1)
    return [number for uid in uids if (number := folder.number_of(uid)) is not None]
