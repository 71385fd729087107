"""SELECT, EXAMINE, CLOSE, UNSELECT (RFC 3501 §6.3.1-2, §6.4.2; RFC 3691)."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from mailserver.imap.commands.expunge import expunge_deleted
from mailserver.imap.replies import MISSING, Reply, ok
from mailserver.imap.selected import SelectedFolder
from mailserver.store.folders import find_folder

if TYPE_CHECKING:
    from mailserver.imap.grammar import commands as c
    from mailserver.imap.session import Session


async def select(session: Session, command: c.Select) -> Reply:
    return await _open(session, command.mailbox, is_read_only=False)


async def examine(session: Session, command: c.Examine) -> Reply:
    return await _open(session, command.mailbox, is_read_only=True)


async def _open(session: Session, name: str, *, is_read_only: bool) -> Reply:
    session.selected = None
    database = session.context.database
    place = session.locate(name)
    if place is None:
        return MISSING
    folder = database.read_now(partial(find_folder, owner_id=place.owner_id, name=place.name))
    image = None if folder is None else await session.shared.images.current(folder.id)
    if folder is None or image is None:
        return MISSING
    selected = SelectedFolder(name, place, folder, image, is_read_only=is_read_only)
    if not is_read_only and not session.dialect.is_rev2 and image.state.recent_uid < image.state.uidnext:
        await selected.claim_recent(database)
    session.selected = selected
    session.send(_lines(session, selected))
    if is_read_only:
        return ok("EXAMINE completed", "READ-ONLY")
    return ok("SELECT completed", "READ-WRITE")


def _lines(session: Session, selected: SelectedFolder) -> list[bytes]:
    image = selected.image
    lines = [
        selected.flags_line(),
        selected.permanent_flags_line(),
        b"* %d EXISTS\r\n" % len(selected.uids),
    ]
    if not session.dialect.is_rev2:
        lines.append(b"* %d RECENT\r\n" % selected.recent_count)
        if (first_unseen := image.first_unseen) is not None:
            lines.append(b"* OK [UNSEEN %d] First unseen message\r\n" % (first_unseen + 1))
    lines.append(b"* OK [UIDVALIDITY %d] UIDs are valid\r\n" % selected.uidvalidity)
    lines.append(b"* OK [UIDNEXT %d] Next UID\r\n" % image.state.uidnext)
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
