"""STORE (RFC 9051 §6.4.6), and only where nobody was faster (RFC 7162 §3.1.3)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from mailserver.imap import flags
from mailserver.imap.grammar.commands import Numbering, StoreMode
from mailserver.imap.grammar.sequence import format_uid_set
from mailserver.imap.permission import changeable_flags, may_change_keywords
from mailserver.imap.replies import NO_PERMISSION, READ_ONLY, Reply, no, ok
from mailserver.imap.session import Session, Sync
from mailserver.store.flags import ALL_FLAGS, Change, FlagChange, TooManyKeywords, change_flags
from mailserver.store.selection import batches

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mailserver.imap.grammar import commands as c
    from mailserver.store.rights import Place

_CHANGES = {
    StoreMode.REPLACE: Change.REPLACE,
    StoreMode.ADD: Change.ADD,
    StoreMode.REMOVE: Change.REMOVE,
}


async def store(session: Session, command: c.Store) -> Reply:
    folder = session.folder
    slices = folder.slices(command.numbering, command.messages)
    if folder.is_read_only:
        return READ_ONLY
    change = _permitted(command, folder.place)
    if change is None:
        return NO_PERMISSION
    if command.unchanged_since is not None and not session.dialect.tells_modseq:
        session.dialect = replace(session.dialect, tells_modseq=True)
    chosen = list(batches(folder.uids, slices))
    try:
        changed = await session.context.database.write(
            lambda uow: change_flags(
                uow,
                folder.folder_id,
                chosen,
                change,
                unchanged_since=command.unchanged_since,
                viewer=folder.place.viewer,
                known=folder.image.modseq if command.silent else None,
            )
        )
    except TooManyKeywords:
        return no("Too many keywords on one message", "LIMIT")
    uids = [message.uid for message in changed.messages]
    # What others changed meanwhile is told, SILENT or not (RFC 9051 §6.4.6): the client could not know of it.
    folder.was_told(set(uids).difference(changed.unknown), changed.modseq)
    await session.tell(Sync.NO_EXPUNGES)
    _tell(session, command, uids, changed.modified)
    code = f"MODIFIED {_numbers(session, command, changed.modified)}" if changed.modified else None
    if len(uids) + len(changed.modified) < sum(stop - start for start, stop in slices):
        # Of two codes the client needs the one that nothing else tells.
        return ok("Some messages were expunged meanwhile", code or "EXPUNGEISSUED")
    return ok("STORE completed", code)


def _permitted(command: c.Store, place: Place) -> FlagChange | None:
    """What of the change the rights allow; None where that is nothing (RFC 4314 §4)."""
    named = flags.bits(command.flags.system)
    allowed = changeable_flags(place)
    change = FlagChange(_CHANGES[command.mode], named, command.flags.keywords)
    if allowed == ALL_FLAGS:
        return change
    has_keywords = may_change_keywords(place)
    asks = command.mode is StoreMode.REPLACE or named & allowed or (command.flags.keywords and has_keywords)
    if not asks or not allowed:
        return None
    keywords = command.flags.keywords if has_keywords else ()
    return replace(change, flags=named & allowed, keywords=keywords, mask=allowed, has_keywords=has_keywords)


def _tell(session: Session, command: c.Store, stored: list[int], modified: Iterable[int]) -> None:
    folder, dialect = session.folder, session.dialect
    with_uid = command.numbering is Numbering.UID
    if not command.silent:
        session.send(folder.fetch_lines(sorted([*stored, *modified]), dialect, with_uid=with_uid))
        return
    # Its own change is the one thing that a client which counts modification sequences has to hear of.
    if dialect.tells_modseq:
        session.send(_modseq_lines(session, stored, with_uid=with_uid or dialect.tells_vanished))
    session.send(folder.fetch_lines(modified, dialect, with_uid=with_uid))


def _modseq_lines(session: Session, uids: Iterable[int], *, with_uid: bool) -> Iterable[bytes]:
    folder = session.folder
    for uid in uids:
        number, place = folder.number_of(uid), folder.image.place_of(uid)
        if number is not None and place is not None:
            head = folder.head(number, uid, session.dialect, with_uid=with_uid)
            yield head + b"MODSEQ (%d))\r\n" % folder.image.modseqs[place]


def _numbers(session: Session, command: c.Store, uids: Iterable[int]) -> str:
    numbers = uids
    if command.numbering is Numbering.SEQUENCE:
        numbers = [number for uid in uids if (number := session.folder.number_of(uid)) is not None]
    return format_uid_set(numbers).decode("ascii")
