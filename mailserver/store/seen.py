"""\\Seen of each person: in boxes that say so, what a member has read is not read for the others.

The box's own sign-in keeps the flag of the message; a member has a row for each message they have seen.
"""

from __future__ import annotations

import json
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKey,
    ForeignKeyConstraint,
    Table,
    and_,
    bindparam,
    delete,
    exists,
    func,
    insert,
    select,
    update,
)

from foundation.database import metadata
from foundation.prepared import run
from mailserver.store.acl import delegation, folder_access
from mailserver.store.selection import PerBatch
from mailserver.store.tables import Flag, folder, message

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sqlalchemy import Connection

    from foundation.database import UnitOfWork
    from mailserver.store.selection import UidBatch


class Whose(StrEnum):
    """The two ways of a box to keep \\Seen."""

    SHARED = "shared"
    """What one has read is read for all."""
    PERSONAL = "personal"
    """Each member has their own."""


personal_seen = Table(
    "personal_seen",
    metadata,
    Column("owner_id", ForeignKey("vault_owner.id", ondelete="CASCADE"), primary_key=True),
    sqlite_with_rowid=False,
)
"""The boxes in which \\Seen is each person's own."""

seen = Table(
    "seen",
    metadata,
    Column("folder_id", BigInteger, primary_key=True, autoincrement=False),
    Column("uid", BigInteger, primary_key=True, autoincrement=False),
    Column("person_id", ForeignKey("vault_owner.id", ondelete="CASCADE"), primary_key=True),
    # With the message goes what was known of it, and it follows where INBOX is renamed.
    ForeignKeyConstraint(
        ["folder_id", "uid"],
        ["message.folder_id", "message.uid"],
        ondelete="CASCADE",
        onupdate="CASCADE",
    ),
    sqlite_with_rowid=False,
)
"""A member of such a box has seen a message."""

_PERSON: Any = bindparam("person", type_=seen.c.person_id.type)
_OF_THE_PERSON = and_(seen.c.folder_id == bindparam("in_folder"), seen.c.person_id == bindparam("person"))
_HAS_SEEN = exists().where(
    seen.c.folder_id == message.c.folder_id,
    seen.c.uid == message.c.uid,
    seen.c.person_id == bindparam("person"),
)
_IS_SEEN = message.c.flags.op("&")(int(Flag.SEEN)) != 0
_NAMED = func.json_each(bindparam("uids_")).table_valued("value")

_IS_PERSONAL = select(personal_seen.c.owner_id).where(personal_seen.c.owner_id == bindparam("owner"))
_MAKE_PERSONAL = insert(personal_seen)
_MAKE_SHARED = delete(personal_seen).where(personal_seen.c.owner_id == bindparam("owner"))
_FOLDERS = select(folder.c.id, folder.c.modseq).where(folder.c.owner_id == bindparam("owner"))
_MEMBERS = (
    select(delegation.c.member_id)
    .where(delegation.c.owner_id == bindparam("owner"))
    .union(
        select(folder_access.c.member_id)
        .join(folder, folder.c.id == folder_access.c.folder_id)
        .where(folder.c.owner_id == bindparam("owner"))
    )
)
_START = insert(seen).from_select(
    ["folder_id", "uid", "person_id"],
    select(message.c.folder_id, message.c.uid, _PERSON)
    .join(folder, folder.c.id == message.c.folder_id)
    .where(folder.c.owner_id == bindparam("owner"), _IS_SEEN, ~_HAS_SEEN),
)
_KEEP_FOR_ALL = (
    update(message)
    .where(
        message.c.folder_id == bindparam("in_folder"),
        ~_IS_SEEN,
        exists().where(seen.c.folder_id == message.c.folder_id, seen.c.uid == message.c.uid),
    )
    .values(flags=message.c.flags.op("|")(int(Flag.SEEN)))
)
_TELL_OF_READ = (
    update(message)
    .where(
        message.c.folder_id == bindparam("in_folder"),
        exists().where(seen.c.folder_id == message.c.folder_id, seen.c.uid == message.c.uid),
    )
    .values(modseq=bindparam("next_modseq"))
)
_ADVANCE = update(folder).where(folder.c.id == bindparam("in_folder")).values(modseq=bindparam("next_modseq"))
_FORGET = delete(seen).where(seen.c.folder_id == bindparam("in_folder"))

_ALL = select(seen.c.uid).where(_OF_THE_PERSON)
_SOME = _ALL.where(seen.c.uid.in_(select(_NAMED.c.value)))
_PAIRS = select(seen.c.uid, seen.c.person_id).where(
    seen.c.folder_id == bindparam("in_folder"), seen.c.uid.in_(select(_NAMED.c.value))
)
_INSERT = insert(seen)
_TOUCH_UNSEEN = PerBatch(
    lambda chosen: update(message).where(chosen, ~_HAS_SEEN).values(modseq=bindparam("next_modseq"))
)
_TOUCH_SEEN = PerBatch(
    lambda chosen: update(message).where(chosen, _HAS_SEEN).values(modseq=bindparam("next_modseq"))
)
_MARK = PerBatch(
    lambda chosen: insert(seen).from_select(
        ["folder_id", "uid", "person_id"],
        select(message.c.folder_id, message.c.uid, _PERSON).where(chosen, ~_HAS_SEEN),
    )
)
_UNMARK = PerBatch(
    lambda chosen: delete(seen).where(_OF_THE_PERSON, seen.c.uid.in_(select(message.c.uid).where(chosen)))
)


def is_personal(connection: Connection, owner_id: int) -> bool:
    """Whether each member of this box has a \\Seen of their own."""
    return run(connection, _IS_PERSONAL, {"owner": owner_id}).first() is not None


def make_personal(uow: UnitOfWork, owner_id: int) -> None:
    """From now on members mark for themselves; each begins with what is marked now."""
    if is_personal(uow.connection, owner_id):
        return
    uow.run(_MAKE_PERSONAL, {"owner_id": owner_id})
    for (member_id,) in uow.execute(_MEMBERS, {"owner": owner_id}).all():
        begin(uow, owner_id, member_id)
        uow.publish(f"owner:{member_id}")


def begin(uow: UnitOfWork, owner_id: int, person_id: int) -> None:
    """A person's own \\Seen begins with the flags as the box itself has them."""
    uow.execute(_START, {"owner": owner_id, "person": person_id})


def make_shared(uow: UnitOfWork, owner_id: int) -> None:
    """From now on \\Seen is one for all: what any member has read is read."""
    if not is_personal(uow.connection, owner_id):
        return
    uow.run(_MAKE_SHARED, {"owner": owner_id})
    for folder_id, modseq in uow.run(_FOLDERS, {"owner": owner_id}).tuples():
        names = {"in_folder": folder_id, "next_modseq": modseq + 1}
        uow.run(_TELL_OF_READ, names)
        uow.run(_ADVANCE, names)
        uow.run(_KEEP_FOR_ALL, {"in_folder": folder_id})
        uow.run(_FORGET, {"in_folder": folder_id})
        uow.publish(f"folder:{folder_id}")


def seen_by(
    connection: Connection, folder_id: int, person_id: int, uids: Sequence[int] | None = None
) -> list[int]:
    """The UIDs that a person has seen, among `uids` or in the whole folder, in no order."""
    names: dict[str, Any] = {"in_folder": folder_id, "person": person_id}
    if uids is None:
        return [uid for (uid,) in run(connection, _ALL, names).tuples()]
    return [uid for (uid,) in run(connection, _SOME, names | {"uids_": json.dumps(list(uids))}).tuples()]


def mark(uow: UnitOfWork, folder_id: int, batch: UidBatch, person_id: int, *, next_modseq: int) -> int:
    """A person has seen these messages; those that were new to them get the modification sequence. How many."""
    touching, names = _TOUCH_UNSEEN.bind(folder_id, batch)
    names |= {"person": person_id}
    touched = uow.execute(touching, names | {"next_modseq": next_modseq}).rowcount
    if touched:
        uow.execute(_MARK.bind(folder_id, batch)[0], names)
    return touched


def unmark(uow: UnitOfWork, folder_id: int, batch: UidBatch, person_id: int, *, next_modseq: int) -> int:
    """As `mark`, for messages that are to be new again."""
    touching, names = _TOUCH_SEEN.bind(folder_id, batch)
    names |= {"person": person_id}
    touched = uow.execute(touching, names | {"next_modseq": next_modseq}).rowcount
    if touched:
        uow.execute(_UNMARK.bind(folder_id, batch)[0], names)
    return touched


def note_seen(uow: UnitOfWork, folder_id: int, person_id: int, uids: Iterable[int]) -> None:
    """Messages that just came into the folder come as seen by a person."""
    uow.run_each(_INSERT, [{"folder_id": folder_id, "uid": uid, "person_id": person_id} for uid in uids])


def copy_seen(
    uow: UnitOfWork, source_id: int, sources: Sequence[int], target_id: int, targets: Sequence[int]
) -> None:
    """Copies are seen by whoever has seen what they are copies of: one UID of `targets` for each of `sources`."""
    new = dict(zip(sources, targets, strict=True))
    pairs = uow.run(_PAIRS, {"in_folder": source_id, "uids_": json.dumps(list(sources))}).tuples()
    uow.run_each(
        _INSERT,
        [{"folder_id": target_id, "uid": new[uid], "person_id": person_id} for uid, person_id in pairs],
    )
