"""SELECT, EXAMINE, CLOSE, UNSELECT (RFC 3501 §6.3.1-2, §6.4.2; RFC 3691)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mailserver.imap.commands.expunge import expunge_deleted
from mailserver.imap.replies import MISSING, Reply, ok
from mailserver.imap.selected import SelectedFolder
from mailserver.store.folders import find_folder
from mailserver.store.view import FolderView, view_folder

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from mailserver.imap.grammar import commands as c
    from mailserver.imap.session import Session
    from mailserver.store.folders import Folder


async def select(session: Session, command: c.Select) -> Reply:
    return await _open(session, command.mailbox, is_read_only=False)


async def examine(session: Session, command: c.Examine) -> Reply:
    return await _open(session, command.mailbox, is_read_only=True)


async def _open(session: Session, name: str, *, is_read_only: bool) -> Reply:
    session.selected = None
    owner_id = session.owner_id
    database = session.context.database

    def query(connection: Connection) -> tuple[Folder, FolderView] | None:
        folder = find_folder(connection, owner_id, name)
        view = None if folder is None else view_folder(connection, folder.id)
        return None if folder is None or view is None else (folder, view)

    found = await database.read(query)
    if found is None:
        return MISSING
    folder, view = found
    selected = SelectedFolder(folder, view, is_read_only=is_read_only)
    if not is_read_only and view.recent_uid < view.uidnext:
        await selected.claim_recent(database)
    session.selected = selected
    session.send(_lines(selected, view))
    if is_read_only:
        return ok("EXAMINE completed", "READ-ONLY")
    return ok("SELECT completed", "READ-WRITE")


def _lines(selected: SelectedFolder, view: FolderView) -> list[bytes]:
    lines = [
        selected.flags_line(),
        selected.permanent_flags_line(),
        b"* %d EXISTS\r\n" % len(selected.uids),
        b"* %d RECENT\r\n" % selected.recent_count,
    ]
    if view.first_unseen is not None:
        number = selected.number_of(view.first_unseen)
        lines.append(b"* OK [UNSEEN %d] First unseen message\r\n" % (number or 1))
    lines.append(b"* OK [UIDVALIDITY %d] UIDs are valid\r\n" % selected.uidvalidity)
    lines.append(b"* OK [UIDNEXT %d] Next UID\r\n" % selected.uidnext)
    return lines


async def close(session: Session, command: c.Close) -> Reply:
    """Removes the messages with \\Deleted without a word about them."""
    if not session.folder.is_read_only:
        await expunge_deleted(session, [(0, len(session.folder.uids))])
    session.selected = None
    return ok("CLOSE completed")


async def unselect(session: Session, command: c.Unselect) -> Reply:
    session.selected = None
    return ok("UNSELECT completed")
