"""SELECT, EXAMINE, CLOSE, UNSELECT, and coming back with QRESYNC (RFC 9051 §6.3.2-3, §6.4.1-2; RFC 7162)."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from mailserver.imap.commands.expunge import expunge_deleted
from mailserver.imap.grammar.sequence import format_uid_set
from mailserver.imap.permission import Action, require
from mailserver.imap.replies import MISSING, Reply, bad, ok
from mailserver.imap.selected import SelectedFolder
from mailserver.store.folders import look_up_folder
from mailserver.store.images import vanished_since
from mailserver.store.rights import Right

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mailserver.imap.grammar import commands as c
    from mailserver.imap.grammar.opening import Examine, Opening, Resync, Select
    from mailserver.imap.session import Session
    from mailserver.store.rights import Place

_WRITING = frozenset({Right.SEEN, Right.WRITE, Right.INSERT, Right.DELETE_MESSAGES, Right.EXPUNGE})
"""With any of them a folder is not opened read-only (RFC 4314 §4)."""
_LINES_AT_ONCE = 500


async def select(session: Session, command: Select) -> Reply:
    return await _open(session, command, is_read_only=False)


async def examine(session: Session, command: Examine) -> Reply:
    return await _open(session, command, is_read_only=True)


async def _open(session: Session, command: Opening, *, is_read_only: bool) -> Reply:
    if command.resync is not None and not session.dialect.tells_vanished:
        return bad("QRESYNC was not enabled")
    if session.selected is not None:
        session.selected = None
        session.send([b"* OK [CLOSED] The other mailbox is closed\r\n"])
    if command.with_condstore:
        session.dialect = replace(session.dialect, tells_modseq=True)
    place = session.locate(command.mailbox)
    if place is None:
        return MISSING
    if refused := require(place, Action.OPEN):
        return refused
    selected = await _selected(
        session, command.mailbox, place, is_read_only=is_read_only or not place.rights & _WRITING
    )
    if selected is None:
        return MISSING
    session.selected = selected
    session.send(_lines(session, selected))
    if command.resync is not None and command.resync.uidvalidity == selected.uidvalidity:
        await _resync(session, selected, command.resync)
    name = "EXAMINE" if is_read_only else "SELECT"
    return ok(f"{name} completed", "READ-ONLY" if selected.is_read_only else "READ-WRITE")


async def _selected(
    session: Session, name: str, place: Place, *, is_read_only: bool
) -> SelectedFolder | None:
    database = session.context.database
    folder = look_up_folder(database, place.owner_id, place.name)
    image = None if folder is None else await session.shared.images.current(folder.id, place.viewer)
    if folder is None or image is None:
        return None
    selected = SelectedFolder(name, place, folder, image, is_read_only=is_read_only)
    if not session.dialect.is_rev2 and image.state.recent_uid < image.state.uidnext:
        if is_read_only:
            selected.see_recent()
        else:
            await selected.claim_recent(database)
    return selected


def _lines(session: Session, selected: SelectedFolder) -> list[bytes]:
    image, dialect = selected.image, session.dialect
    lines = [
        selected.flags_line(),
        selected.permanent_flags_line(),
        b"* %d EXISTS\r\n" % len(selected.uids),
    ]
    if dialect.is_rev2:
        lines.append(b'* LIST () "/" %b\r\n' % session.mailbox(selected.name))
    else:
        lines.append(b"* %d RECENT\r\n" % selected.recent_count)
        if (first_unseen := image.first_unseen) is not None and not dialect.is_uid_only:
            lines.append(b"* OK [UNSEEN %d] First unseen message\r\n" % (first_unseen + 1))
    lines.append(b"* OK [UIDVALIDITY %d] UIDs are valid\r\n" % selected.uidvalidity)
    lines.append(b"* OK [UIDNEXT %d] Next UID\r\n" % image.state.uidnext)
    lines.append(b"* OK [HIGHESTMODSEQ %d] Highest\r\n" % image.modseq)
    lines.append(b"* OK [MAILBOXID (F%d)] Same under any name\r\n" % selected.folder_id)
    return lines


async def _resync(session: Session, selected: SelectedFolder, resync: Resync) -> None:
    """What changed since the client was last here, and nothing else (RFC 7162 §3.2.5.1)."""
    image, known = selected.image, resync.known_uids
    gone = await session.context.database.read(
        partial(vanished_since, folder_id=selected.folder_id, modseq=resync.modseq)
    )
    if known is not None:
        gone = [gone[place] for start, stop in known.uid_positions(gone) for place in range(start, stop)]
    if gone:
        session.send([b"* VANISHED (EARLIER) " + format_uid_set(gone) + b"\r\n"])
    slices = [(0, len(image.uids))] if known is None else known.uid_positions(image.uids)
    changed = list(_changed_since(selected, resync.modseq, slices))
    for start in range(0, len(changed), _LINES_AT_ONCE):
        part = changed[start : start + _LINES_AT_ONCE]
        session.send(selected.fetch_lines(part, session.dialect, with_uid=True))
        await session.connection.drain()


def _changed_since(selected: SelectedFolder, modseq: int, slices: Iterable[tuple[int, int]]) -> Iterable[int]:
    uids, modseqs = selected.image.uids, selected.image.modseqs
    for start, stop in slices:
        for place in range(start, stop):
            if modseqs[place] > modseq:
                yield uids[place]


async def close(session: Session, command: c.Close) -> Reply:
    """Removes the messages with \\Deleted without a word about them."""
    folder = session.folder
    if not folder.is_read_only and require(folder.place, Action.EXPUNGE) is None:
        await expunge_deleted(session, [(0, len(folder.uids))])
    session.selected = None
    return ok("CLOSE completed")


async def unselect(session: Session, command: c.Unselect) -> Reply:
    session.selected = None
    return ok("UNSELECT completed")
