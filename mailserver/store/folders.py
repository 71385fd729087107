"""Folders of an owner: finding, listing, making, deleting and renaming them (RFC 3501 §6.3)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from sqlalchemy import bindparam, delete, func, insert, select, update

from foundation.prepared import run
from mailserver.store import quota
from mailserver.store.acl import inherit
from mailserver.store.append import INBOX, SPECIAL_FOLDERS
from mailserver.store.expunge import note_vanished, release_unused_mails
from mailserver.store.tables import folder, message

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection

    from foundation.database import Database, UnitOfWork
    from foundation.vault import Vault

SEPARATOR = "/"
_KEPT = frozenset(name for name, _ in SPECIAL_FOLDERS)
"""Folders that delivery and the pages rely on: they keep their names."""
MAX_NAME = 255
MAX_LEVELS = 20
MAX_FOLDERS = 5000


@dataclass(frozen=True, slots=True)
class Folder:
    """One mailbox in the sense of IMAP."""

    id: int
    owner_id: int
    name: str
    special_use: str | None
    uidvalidity: int
    uidnext: int
    modseq: int
    recent_uid: int


class FolderRefusal(StrEnum):
    """Why a folder could not be made, deleted or renamed."""

    BAD_NAME = "bad name"
    EXISTS = "exists"
    IS_SPECIAL = "is special"
    MISSING = "missing"
    HAS_CHILDREN = "has children"
    TOO_MANY = "too many"


FOLDER_COLUMNS = (
    folder.c.id,
    folder.c.owner_id,
    folder.c.name,
    folder.c.special_use,
    folder.c.uidvalidity,
    folder.c.uidnext,
    folder.c.modseq,
    folder.c.recent_uid,
)
"""Of a `Folder`, in its order."""
_BY_NAME = select(*FOLDER_COLUMNS).where(
    folder.c.owner_id == bindparam("owner"), folder.c.name == bindparam("name_")
)
_ALL = select(*FOLDER_COLUMNS).where(folder.c.owner_id == bindparam("owner")).order_by(folder.c.name)
_MAILS_OF = select(message.c.mail_id, message.c.size).where(message.c.folder_id == bindparam("in_folder"))
_COUNT = select(func.count()).select_from(folder).where(folder.c.owner_id == bindparam("owner"))
_INSERT = insert(folder)
_UIDS_OF = select(message.c.uid).where(message.c.folder_id == bindparam("in_folder"))
_EMPTY = delete(message).where(message.c.folder_id == bindparam("in_folder"))
_DELETE = delete(folder).where(folder.c.id == bindparam("in_folder"))
_RENAME = update(folder).where(folder.c.id == bindparam("in_folder")).values(name=bindparam("new_name"))
_TAKE_MESSAGES = (
    update(message).where(message.c.folder_id == bindparam("in_folder")).values(folder_id=bindparam("target"))
)
_CONTINUE_FROM = (
    update(folder)
    .where(folder.c.id == bindparam("in_folder"))
    .values(
        uidnext=bindparam("next_uid"), modseq=bindparam("next_modseq"), recent_uid=bindparam("next_recent")
    )
)


def highest_uidvalidity(connection: Connection) -> int:
    """The highest UIDVALIDITY of any folder; 0 where there is none."""
    return connection.execute(select(func.max(folder.c.uidvalidity))).scalar() or 0


def find_folder(connection: Connection, owner_id: int, name: str) -> Folder | None:
    """The owner's folder of that exact name."""
    row = run(connection, _BY_NAME, {"owner": owner_id, "name_": name}).first()
    return None if row is None else Folder(*row)


def look_up_folder(database: Database, owner_id: int, name: str) -> Folder | None:
    """As `find_folder`, on the event loop."""
    row = database.look_up(_BY_NAME, {"owner": owner_id, "name_": name})
    return None if row is None else Folder(*row)


def list_folders(connection: Connection, owner_id: int) -> list[Folder]:
    """Every folder of the owner, by name."""
    return [Folder(*row) for row in run(connection, _ALL, {"owner": owner_id})]


def name_is_possible(name: str) -> bool:
    """Whether a folder may have this name: bounded, printable, no empty level, no wildcard."""
    levels = name.split(SEPARATOR)
    return (
        0 < len(name) <= MAX_NAME
        and len(levels) <= MAX_LEVELS
        # A client that mirrors folders as directories would climb with "..".
        and all(level.strip(" ") and level not in {".", ".."} for level in levels)
        and name.isprintable()
        and not any(character in "*%" for character in name)
    )


def create_folder(
    uow: UnitOfWork,
    owner_id: int,
    name: str,
    *,
    uidvalidities: Sequence[int],
    now: int,
    special_use: str | None = None,
) -> int | FolderRefusal:
    """Makes a folder and the levels above it that are missing; its id.

    `uidvalidities` are numbers no folder has had, one for each level.
    """
    name = name.removesuffix(SEPARATOR)
    if not name_is_possible(name):
        return FolderRefusal.BAD_NAME
    levels = (*ancestors(name), name)
    there = [find_folder(uow.connection, owner_id, level) for level in levels]
    names = {found.name: found.id for found in there if found is not None}
    if name in names:
        return FolderRefusal.EXISTS
    missing = [level for level in levels if level not in names]
    if uow.run(_COUNT, {"owner": owner_id}).tuples()[0][0] + len(missing) > MAX_FOLDERS:
        return FolderRefusal.TOO_MANY
    id_ = 0
    for level, uidvalidity in zip(missing, uidvalidities, strict=False):
        use = special_use if level == name else None
        id_ = names[level] = uow.run(_INSERT, _new_row(owner_id, level, uidvalidity, now, use)).inserted_id
        parent_id = names.get(level.rpartition(SEPARATOR)[0])
        if parent_id is not None:
            inherit(uow, parent_id, id_)
    uow.publish(f"owner:{owner_id}")
    return id_


def _new_row(owner_id: int, name: str, uidvalidity: int, now: int, special_use: str | None) -> dict[str, Any]:
    return {
        "owner_id": owner_id,
        "name": name,
        "special_use": special_use,
        "uidvalidity": uidvalidity,
        "uidnext": 1,
        "modseq": 1,
        "recent_uid": 1,
        "created_at": now,
    }


def ancestors(name: str) -> list[str]:
    """The levels above a name, the highest first."""
    levels = name.split(SEPARATOR)
    return [SEPARATOR.join(levels[:count]) for count in range(1, len(levels))]


def delete_folder(uow: UnitOfWork, vault: Vault, owner_id: int, name: str) -> FolderRefusal | None:
    """Deletes a folder and its messages; folders below it stay. The folders of every box stay for good."""
    found = find_folder(uow.connection, owner_id, name)
    if found is None:
        below = any(f.name.startswith(name + SEPARATOR) for f in list_folders(uow.connection, owner_id))
        return FolderRefusal.HAS_CHILDREN if below else FolderRefusal.MISSING
    if name in _KEPT:
        return FolderRefusal.IS_SPECIAL
    mails = uow.execute(_MAILS_OF, {"in_folder": found.id}).all()
    uow.execute(_EMPTY, {"in_folder": found.id})
    uow.execute(_DELETE, {"in_folder": found.id})
    quota.count(uow, owner_id, -sum(row.size for row in mails), -len(mails))
    release_unused_mails(uow, vault, owner_id, [row.mail_id for row in mails])
    uow.publish(f"folder:{found.id}")
    uow.publish(f"owner:{owner_id}")
    return None


def rename_folder(
    uow: UnitOfWork, owner_id: int, name: str, new_name: str, *, uidvalidities: Sequence[int], now: int
) -> FolderRefusal | None:
    """Renames a folder and those below it. Renaming INBOX moves its messages and leaves it empty (§6.3.6).

    `uidvalidities` are numbers no folder has had, one for each level of the new name.
    """
    new_name = new_name.removesuffix(SEPARATOR)
    if not name_is_possible(new_name):
        return FolderRefusal.BAD_NAME
    folders = {found.name: found for found in list_folders(uow.connection, owner_id)}
    if new_name in folders:
        return FolderRefusal.EXISTS
    if name == INBOX:
        made = create_folder(uow, owner_id, new_name, uidvalidities=uidvalidities, now=now)
        if isinstance(made, FolderRefusal):
            return made
        _move_inbox(uow, folders[INBOX], made)
        return None
    moving = [f for f in folders.values() if f.name == name or f.name.startswith(name + SEPARATOR)]
    if not moving:
        return FolderRefusal.MISSING
    if name in _KEPT:
        return FolderRefusal.IS_SPECIAL
    if new_name.startswith(name + SEPARATOR):
        return FolderRefusal.BAD_NAME
    renamed = {found.id: new_name + found.name[len(name) :] for found in moving}
    if not all(name_is_possible(target) for target in renamed.values()):
        return FolderRefusal.BAD_NAME
    if any(target in folders for target in renamed.values()):
        return FolderRefusal.EXISTS
    missing = [level for level in ancestors(new_name) if level not in folders]
    if missing:
        rows = zip(missing, uidvalidities, strict=False)
        uow.run_each(_INSERT, [_new_row(owner_id, level, number, now, None) for level, number in rows])
    uow.execute(_RENAME, [{"in_folder": id_, "new_name": target} for id_, target in renamed.items()])
    uow.publish(f"owner:{owner_id}")
    return None


def _move_inbox(uow: UnitOfWork, inbox: Folder, target_id: int) -> None:
    modseq = inbox.modseq + 1
    note_vanished(uow, inbox.id, uow.execute(_UIDS_OF, {"in_folder": inbox.id}).scalars().all(), modseq)
    uow.execute(_TAKE_MESSAGES, {"in_folder": inbox.id, "target": target_id})
    uow.execute(
        _CONTINUE_FROM,
        [
            {
                "in_folder": target_id,
                "next_uid": inbox.uidnext,
                "next_modseq": modseq,
                "next_recent": inbox.recent_uid,
            },
            {
                "in_folder": inbox.id,
                "next_uid": inbox.uidnext,
                "next_modseq": modseq,
                "next_recent": inbox.uidnext,
            },
        ],
    )
    uow.publish(f"folder:{inbox.id}")
    uow.publish(f"owner:{inbox.owner_id}")
