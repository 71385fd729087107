"""Who was given which rights: delegations of whole boxes, and the access lists of single folders (RFC 4314 §2).

A delegation holds for every folder of a box, those that are yet to be made included; an entry of a folder stands in
its place there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKey,
    Index,
    String,
    Table,
    bindparam,
    delete,
    insert,
    select,
)

from directory.bals import BalType, bal
from foundation.database import metadata
from foundation.prepared import run
from mailserver.store.rights import Right, rights_of, rights_text
from mailserver.store.tables import folder

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from foundation.database import UnitOfWork
    from mailserver.store.folders import Folder

MAX_MEMBERS = 500
"""Entries of one access list, and members of one box."""
DELEGATED = frozenset({BalType.ORG, BalType.CAB, BalType.APP})
"""Boxes of a structure: the operator says who opens them. A personal box is shared by its bearer alone."""

delegation = Table(
    "delegation",
    metadata,
    Column("owner_id", ForeignKey("vault_owner.id", ondelete="CASCADE"), primary_key=True),
    Column("member_id", ForeignKey("vault_owner.id", ondelete="CASCADE"), primary_key=True),
    Column("rights", String(16), nullable=False),
    Column("granted_at", BigInteger, nullable=False),
    Index("delegation_by_member", "member_id"),
    sqlite_with_rowid=False,
)
"""What a member may do in every folder of a box."""

folder_access = Table(
    "folder_access",
    metadata,
    Column("folder_id", ForeignKey("folder.id", ondelete="CASCADE"), primary_key=True),
    Column("member_id", ForeignKey("vault_owner.id", ondelete="CASCADE"), primary_key=True),
    Column("rights", String(16), nullable=False),
    Index("folder_access_by_member", "member_id"),
    sqlite_with_rowid=False,
)
"""What a member may do in one folder, whatever the delegation says; empty: nothing."""

_MEMBERS = (
    select(bal.c.owner_id, bal.c.address, delegation.c.rights)
    .join(delegation, delegation.c.member_id == bal.c.owner_id)
    .where(delegation.c.owner_id == bindparam("owner"))
    .order_by(bal.c.address)
)
_ENTRIES = (
    select(bal.c.owner_id, bal.c.address, folder_access.c.rights)
    .join(folder_access, folder_access.c.member_id == bal.c.owner_id)
    .where(folder_access.c.folder_id == bindparam("in_folder"))
)
_ENTRIES_OF = select(folder_access.c.member_id, folder_access.c.rights).where(
    folder_access.c.folder_id == bindparam("in_folder")
)
_DELEGATED_RIGHTS = select(delegation.c.rights).where(
    delegation.c.owner_id == bindparam("owner"), delegation.c.member_id == bindparam("member")
)
_INSERT_DELEGATION = insert(delegation)
_DELETE_DELEGATION = delete(delegation).where(
    delegation.c.owner_id == bindparam("owner"), delegation.c.member_id == bindparam("member")
)
_INSERT_ENTRY = insert(folder_access)
_DELETE_ENTRY = delete(folder_access).where(
    folder_access.c.folder_id == bindparam("in_folder"), folder_access.c.member_id == bindparam("member")
)
_DELETE_ENTRIES_IN_BOX = delete(folder_access).where(
    folder_access.c.member_id == bindparam("member"),
    folder_access.c.folder_id.in_(select(folder.c.id).where(folder.c.owner_id == bindparam("owner"))),
)


class TooManyMembers(Exception):
    """An access list would have more than MAX_MEMBERS entries."""


@dataclass(frozen=True, slots=True)
class Member:
    """Somebody who may open a box or a folder of another."""

    owner_id: int
    address: str
    rights: frozenset[Right]


def members(connection: Connection, owner_id: int) -> list[Member]:
    """Who may open a whole box, by address."""
    rows = run(connection, _MEMBERS, {"owner": owner_id})
    return [Member(id_, address, rights_of(text)) for id_, address, text in rows]


def access_list(connection: Connection, of: Folder) -> list[Member]:
    """Who but its owner may do anything in a folder, by address."""
    found = {member.owner_id: member for member in members(connection, of.owner_id)}
    for id_, address, text in run(connection, _ENTRIES, {"in_folder": of.id}):
        found[id_] = Member(id_, address, rights_of(text))
    listed = [member for member in found.values() if member.rights]
    return sorted(listed, key=lambda member: member.address)


def grant(uow: UnitOfWork, owner_id: int, member_id: int, rights: frozenset[Right], *, now: int) -> None:
    """Opens a whole box to a member; what single folders said of them is forgotten. `now` is epoch ms.

    Raises TooManyMembers.
    """
    revoke(uow, owner_id, member_id)
    if len(members(uow.connection, owner_id)) >= MAX_MEMBERS:
        raise TooManyMembers
    row = {"owner_id": owner_id, "member_id": member_id, "rights": rights_text(rights), "granted_at": now}
    uow.run(_INSERT_DELEGATION, row)


def revoke(uow: UnitOfWork, owner_id: int, member_id: int) -> bool:
    """Closes every folder of a box to a member; False where none was open."""
    names = {"owner": owner_id, "member": member_id}
    gone = uow.run(_DELETE_DELEGATION, names).rowcount + uow.run(_DELETE_ENTRIES_IN_BOX, names).rowcount
    uow.publish(f"owner:{member_id}")
    return gone > 0


def set_access(uow: UnitOfWork, of: Folder, member_id: int, rights: frozenset[Right]) -> None:
    """Says what a member may do in one folder (RFC 4314 §3.1); none is said as well. Raises TooManyMembers."""
    uow.run(_DELETE_ENTRY, {"in_folder": of.id, "member": member_id})
    row = uow.run(_DELEGATED_RIGHTS, {"owner": of.owner_id, "member": member_id}).first()
    if rights != rights_of(row.rights if row is not None else ""):
        if len(uow.run(_ENTRIES_OF, {"in_folder": of.id}).tuples()) >= MAX_MEMBERS:
            raise TooManyMembers
        entry = {"folder_id": of.id, "member_id": member_id, "rights": rights_text(rights)}
        uow.run(_INSERT_ENTRY, entry)
    uow.publish(f"owner:{member_id}")


def inherit(uow: UnitOfWork, parent_id: int, child_id: int) -> None:
    """Gives a new folder the access list of the one above it (RFC 4314 §4, CREATE)."""
    entries = uow.run(_ENTRIES_OF, {"in_folder": parent_id}).tuples()
    uow.run_each(
        _INSERT_ENTRY,
        [{"folder_id": child_id, "member_id": member_id, "rights": text} for member_id, text in entries],
    )
