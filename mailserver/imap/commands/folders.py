"""CREATE, DELETE, RENAME, SUBSCRIBE, UNSUBSCRIBE and STATUS (RFC 3501 §6.3)."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from mailserver.imap.grammar import render
from mailserver.imap.grammar.commands import StatusItem
from mailserver.imap.replies import MISSING, Reply, no, ok
from mailserver.store import folders
from mailserver.store.folders import FolderRefusal, FolderStatus

if TYPE_CHECKING:
    from mailserver.imap.grammar import commands as c
    from mailserver.imap.session import Session

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
    owner_id, name = session.owner_id, command.mailbox
    found = session.context.database.read_now(lambda conn: folders.folder_status(conn, owner_id, name))
    if found is None:
        return MISSING
    values = " ".join(f"{item} {_value(found, item, session)}" for item in command.items)
    session.send([b"* STATUS " + render.mailbox(name) + f" ({values})\r\n".encode("ascii")])
    return ok("STATUS completed")


def _value(found: FolderStatus, item: StatusItem, session: Session) -> int:
    if item is StatusItem.APPENDLIMIT:
        return session.limits.message_bytes
    value: int = getattr(found, item.value.lower())
    return value
