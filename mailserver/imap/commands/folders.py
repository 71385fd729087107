"""CREATE, DELETE, RENAME, SUBSCRIBE and UNSUBSCRIBE (RFC 9051 §6.3.4-8)."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from mailserver.imap.permission import Action, require
from mailserver.imap.replies import MISSING, NO_PERMISSION, Reply, no, ok
from mailserver.store import folders, subscriptions
from mailserver.store.append import SPECIAL_FOLDERS
from mailserver.store.folders import FolderRefusal

if TYPE_CHECKING:
    from mailserver.imap.grammar import commands as c
    from mailserver.imap.session import Session

_USES = {use.upper(): use for _, use in SPECIAL_FOLDERS if use is not None}
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
    """RFC 9051 §6.3.4; with a use of RFC 6154 where one is given."""
    if any(use not in _USES for use in command.uses) or len(command.uses) > 1:
        return no("A mailbox has one of the uses that are known", "USEATTR")
    place = session.locate(command.mailbox)
    if place is None:
        # Among the boxes of others there is nothing of one's own; what there is, is not told either.
        return NO_PERMISSION
    if refused := require(place, Action.CREATE):
        return refused
    unit = partial(
        folders.create_folder,
        owner_id=place.owner_id,
        name=place.name,
        uidvalidities=_uidvalidities(session, place.name),
        now=session.context.clock.millis(),
        special_use=_USES[command.uses[0]] if command.uses else None,
    )
    made = await session.context.database.write(unit)
    if isinstance(made, FolderRefusal):
        return _REFUSALS[made]
    return ok("CREATE completed", f"MAILBOXID (F{made})")


def _uidvalidities(session: Session, name: str) -> list[int]:
    """A number for each level, since a level may later bear the name of another (RFC 9051 §2.3.1.1)."""
    levels = min(name.count(folders.SEPARATOR), folders.MAX_LEVELS) + 1
    return [session.shared.next_uidvalidity() for _ in range(levels)]


async def delete(session: Session, command: c.Delete) -> Reply:
    place = session.locate(command.mailbox)
    if place is None:
        return MISSING
    if refused := require(place, Action.DELETE):
        return refused
    unit = partial(
        folders.delete_folder, vault=session.context.vault, owner_id=place.owner_id, name=place.name
    )
    failed = await session.context.database.write(unit)
    if failed is None and session.selected is not None and session.selected.place == place:
        session.selected = None
    return _outcome(failed, "DELETE completed")


async def rename(session: Session, command: c.Rename) -> Reply:
    source, target = session.locate(command.source), session.locate(command.target)
    if source is None:
        return MISSING
    if target is None:
        return NO_PERMISSION
    if refused := require(source, Action.RENAME) or require(target, Action.RENAME_BELOW):
        return refused
    if source.owner_id != target.owner_id:
        return no("A mailbox stays in its box", "CANNOT")
    unit = partial(
        folders.rename_folder,
        owner_id=source.owner_id,
        name=source.name,
        new_name=target.name,
        uidvalidities=_uidvalidities(session, target.name),
        now=session.context.clock.millis(),
    )
    return _outcome(await session.context.database.write(unit), "RENAME completed")


async def subscribe(session: Session, command: c.Subscribe) -> Reply:
    """Also to a name that no mailbox has yet (RFC 9051 §6.3.7)."""
    name = command.mailbox.removesuffix(folders.SEPARATOR)
    place = session.locate(name)
    if place is None:
        return MISSING
    if not folders.name_is_possible(place.name):
        return _REFUSALS[FolderRefusal.BAD_NAME]
    unit = partial(subscriptions.subscribe, owner_id=session.owner_id, names=[name])
    if not await session.context.database.write(unit):
        return no("Too many subscriptions", "LIMIT")
    return ok("SUBSCRIBE completed")


async def unsubscribe(session: Session, command: c.Unsubscribe) -> Reply:
    unit = partial(subscriptions.unsubscribe, owner_id=session.owner_id, name=command.mailbox)
    await session.context.database.write(unit)
    return ok("UNSUBSCRIBE completed")
