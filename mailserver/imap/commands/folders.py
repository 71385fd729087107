"""CREATE, DELETE, RENAME, SUBSCRIBE, UNSUBSCRIBE and STATUS (RFC 3501 §6.3)."""

from __future__ import annotations

from bisect import bisect_left
from functools import partial
from typing import TYPE_CHECKING

from mailserver.imap.grammar.commands import StatusItem
from mailserver.imap.replies import MISSING, Reply, no, ok
from mailserver.store import folders
from mailserver.store.folders import FolderRefusal

if TYPE_CHECKING:
    from mailserver.imap.grammar import commands as c
    from mailserver.imap.session import Session
    from mailserver.store.folders import Folder
    from mailserver.store.images import FolderImage

_REFUSALS = {
    FolderRefusal.BAD_NAME: no("No mailbox can have that name", "CANNOT"),
    FolderRefusal.EXISTS: no("Mailbox already exists", "ALREADYEXISTS"),
    FolderRefusal.IS_SPECIAL: no("This mailbox stays as it is", "CANNOT"),
    FolderRefusal.MISSING: MISSING,
    FolderRefusal.HAS_CHILDREN: no("Mailbox has children and cannot be selected", "HASCHILDREN"),
    FolderRefusal.TOO_MANY: no("Too many mailboxes", "LIMIT"),
}


def _outcome(refused: FolderRefusal | None, done: str) -> Reply:
    return ok(done) if refused is None else _REFUSALS[refused]


async def create(session: Session, command: c.Create) -> Reply:
    unit = partial(
        folders.create_folder,
        owner_id=session.owner_id,
        name=command.mailbox,
        uidvalidity=session.shared.next_uidvalidity(),
        now=session.context.clock.millis(),
    )
    return _outcome(await session.context.database.write(unit), "CREATE completed")


async def delete(session: Session, command: c.Delete) -> Reply:
    unit = partial(
        folders.delete_folder, vault=session.context.vault, owner_id=session.owner_id, name=command.mailbox
    )
    refused = await session.context.database.write(unit)
    if refused is None and session.selected is not None and session.selected.name == command.mailbox:
        session.selected = None
    return _outcome(refused, "DELETE completed")


async def rename(session: Session, command: c.Rename) -> Reply:
    unit = partial(
        folders.rename_folder,
        owner_id=session.owner_id,
        name=command.source,
        new_name=command.target,
        uidvalidity=session.shared.next_uidvalidity(),
        now=session.context.clock.millis(),
    )
    return _outcome(await session.context.database.write(unit), "RENAME completed")


async def subscribe(session: Session, command: c.Subscribe) -> Reply:
    unit = partial(folders.subscribe, owner_id=session.owner_id, name=command.mailbox)
    return ok("SUBSCRIBE completed") if await session.context.database.write(unit) else MISSING


async def unsubscribe(session: Session, command: c.Unsubscribe) -> Reply:
    unit = partial(folders.unsubscribe, owner_id=session.owner_id, name=command.mailbox)
    return ok("UNSUBSCRIBE completed") if await session.context.database.write(unit) else MISSING


async def status(session: Session, command: c.Status) -> Reply:
    place = session.locate(command.mailbox)
    if place is None:
        return MISSING
    folder = session.context.database.read_now(
        partial(folders.find_folder, owner_id=place.owner_id, name=place.name)
    )
    image = None if folder is None else await session.shared.images.current(folder.id)
    if folder is None or image is None:
        return MISSING
    values = " ".join(f"{item} {_value(session, folder, image, item)}" for item in command.items)
    session.send([b"* STATUS " + session.mailbox(command.mailbox) + f" ({values})\r\n".encode("ascii")])
    return ok("STATUS completed")


def _value(session: Session, folder: Folder, image: FolderImage, item: StatusItem) -> int:
    match item:
        case StatusItem.MESSAGES:
            return len(image.uids)
        case StatusItem.UNSEEN:
            return image.unseen
        case StatusItem.RECENT:
            return len(image.uids) - bisect_left(image.uids, image.state.recent_uid)
        case StatusItem.UIDNEXT:
            return image.state.uidnext
        case StatusItem.UIDVALIDITY:
            return folder.uidvalidity
        case StatusItem.APPENDLIMIT:
            return session.limits.message_bytes
