"""What a session sees of a folder: all UIDs at once, then what changed since (RFC 3501 §5.2)."""

from __future__ import annotations

from array import array
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import bindparam, func, select, update

from mailserver.store.flags import MessageFlags
from mailserver.store.tables import Flag, folder, message

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from foundation.database import UnitOfWork

_UIDS = select(message.c.uid).where(message.c.folder_id == bindparam("in_folder")).order_by(message.c.uid)
_FIRST_UNSEEN = select(func.min(message.c.uid)).where(
    message.c.folder_id == bindparam("in_folder"), message.c.flags.op("&")(int(Flag.SEEN)) == 0
)
_KEYWORDS = (
    select(message.c.keywords)
    .where(message.c.folder_id == bindparam("in_folder"), message.c.keywords != "")
    .distinct()
)
_STATE = select(folder.c.modseq, folder.c.uidnext, folder.c.recent_uid).where(
    folder.c.id == bindparam("in_folder")
)
_COUNT = select(func.count()).select_from(message).where(message.c.folder_id == bindparam("in_folder"))
_CHANGED = (
    select(message.c.uid, message.c.flags, message.c.keywords)
    .where(message.c.folder_id == bindparam("in_folder"), message.c.modseq > bindparam("known"))
    .order_by(message.c.uid)
)
_CLAIM = update(folder).where(folder.c.id == bindparam("in_folder")).values(recent_uid=folder.c.uidnext)


@dataclass(frozen=True, slots=True)
class FolderView:
    """A folder as it was in one snapshot."""

    modseq: int
    uidnext: int
    recent_uid: int
    uids: array[int]
    first_unseen: int | None
    keywords: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class FolderChanges:
    """What a snapshot holds beyond modification sequence `known`: changed and new messages, and how many are there."""

    modseq: int
    uidnext: int
    recent_uid: int
    count: int
    messages: tuple[MessageFlags, ...]


@dataclass(frozen=True, slots=True)
class FolderState:
    """The three numbers that tell whether anything happened."""

    modseq: int
    uidnext: int
    recent_uid: int


def view_folder(connection: Connection, folder_id: int) -> FolderView | None:
    """All of a folder that SELECT tells; None when it was deleted."""
    state = folder_state(connection, folder_id)
    if state is None:
        return None
    names = {"in_folder": folder_id}
    return FolderView(
        state.modseq,
        state.uidnext,
        state.recent_uid,
        read_uids(connection, folder_id),
        connection.execute(_FIRST_UNSEEN, names).scalar(),
        tuple(connection.execute(_KEYWORDS, names).scalars()),
    )


def read_uids(connection: Connection, folder_id: int) -> array[int]:
    """Every UID of a folder, ascending."""
    return array("I", connection.execute(_UIDS, {"in_folder": folder_id}).scalars().all())


def folder_state(connection: Connection, folder_id: int) -> FolderState | None:
    """A quick look-up by key; None when the folder was deleted."""
    row = connection.execute(_STATE, {"in_folder": folder_id}).first()
    return None if row is None else FolderState(*row)


def folder_changes(connection: Connection, folder_id: int, known: int) -> FolderChanges | None:
    """What changed after modification sequence `known`; None when the folder was deleted."""
    state = folder_state(connection, folder_id)
    if state is None:
        return None
    names = {"in_folder": folder_id}
    count: int = connection.execute(_COUNT, names).scalar() or 0
    rows = connection.execute(_CHANGED, names | {"known": known}).all()
    return FolderChanges(
        state.modseq, state.uidnext, state.recent_uid, count, tuple(MessageFlags(*row) for row in rows)
    )


def claim_recent(uow: UnitOfWork, folder_id: int) -> tuple[int, int]:
    """Takes the messages that no session was told are \\Recent: UIDs from the first number up to, not with, the second."""
    state = folder_state(uow.connection, folder_id)
    if state is None or state.recent_uid >= state.uidnext:
        return 0, 0
    uow.execute(_CLAIM, {"in_folder": folder_id})
    return state.recent_uid, state.uidnext
