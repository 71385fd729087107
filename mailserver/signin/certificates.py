"""Which client certificate opens which box: bound by the distinguished name of its subject."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKey,
    Index,
    LargeBinary,
    String,
    Table,
    UniqueConstraint,
    bindparam,
    delete,
    insert,
    select,
)

from certs.names import LONGEST_TEXT, DistinguishedName
from foundation.database import identity, metadata
from foundation.prepared import run

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from foundation.database import UnitOfWork

MOST_NAMES = 32
"""Certificates bound to one box."""

bal_certificate = Table(
    "bal_certificate",
    metadata,
    identity("id"),
    Column("owner_id", ForeignKey("vault_owner.id", ondelete="CASCADE"), nullable=False),
    Column("dn", String(LONGEST_TEXT), nullable=False),
    Column("name_key", LargeBinary(32), nullable=False),
    Column("created_at", BigInteger, nullable=False),
    UniqueConstraint("name_key", "owner_id"),
    Index("bal_certificate_by_owner", "owner_id"),
)
"""`name_key` is the same for two names that DistinguishedName takes for equal."""

_COLUMNS = (
    bal_certificate.c.id,
    bal_certificate.c.owner_id,
    bal_certificate.c.dn,
    bal_certificate.c.created_at,
)
_OWNED = bal_certificate.c.owner_id == bindparam("owner")
_NAMED = bal_certificate.c.name_key == bindparam("key")
_LIST = select(*_COLUMNS).where(_OWNED).order_by(bal_certificate.c.id)
_FIND = select(*_COLUMNS).where(_NAMED, _OWNED)
_OWNERS = select(bal_certificate.c.owner_id).where(_NAMED).order_by(bal_certificate.c.owner_id)
_OF_ID = select(bal_certificate.c.id).where(bal_certificate.c.id == bindparam("number"))
_INSERT = insert(bal_certificate)
_DELETE = delete(bal_certificate).where(_NAMED, _OWNED)


class CertificateRefused(Exception):
    """A certificate is not bound; the text is one sentence for the operator."""


@dataclass(frozen=True, slots=True)
class Binding:
    """One name that opens a box. `created_at` is epoch ms."""

    id: int
    owner_id: int
    dn: str
    created_at: int


def add(uow: UnitOfWork, owner_id: int, dn: DistinguishedName, now: int) -> Binding:
    """Lets certificates of this subject open a box; the binding there is where they do already.

    Raises CertificateRefused where the box has MOST_NAMES, or the name is too long to be kept.
    """
    known = find(uow.connection, owner_id, dn)
    if known is not None:
        return known
    if len(list_of(uow.connection, owner_id)) >= MOST_NAMES:
        raise CertificateRefused(f"{MOST_NAMES} certificates open this mailbox already.")
    text = str(dn)
    if len(text) > LONGEST_TEXT:
        raise CertificateRefused(f"The name of this certificate is longer than {LONGEST_TEXT} characters.")
    row = {"owner_id": owner_id, "dn": text, "name_key": _key(dn), "created_at": now}
    return Binding(uow.run(_INSERT, row).inserted_id, owner_id, text, now)


def remove(uow: UnitOfWork, owner_id: int, dn: DistinguishedName) -> bool:
    """Ends it; False where the name did not open this box."""
    return uow.run(_DELETE, {"key": _key(dn), "owner": owner_id}).rowcount > 0


def list_of(connection: Connection, owner_id: int) -> list[Binding]:
    """The names that open a box, oldest first."""
    return [_binding(row) for row in run(connection, _LIST, {"owner": owner_id})]


def find(connection: Connection, owner_id: int, dn: DistinguishedName) -> Binding | None:
    """By which binding a certificate of this subject opens the box."""
    row = run(connection, _FIND, {"key": _key(dn), "owner": owner_id}).first()
    return _binding(row) if row is not None else None


def owners_of(connection: Connection, dn: DistinguishedName) -> list[int]:
    """The boxes that a certificate of this subject opens."""
    return [row.owner_id for row in run(connection, _OWNERS, {"key": _key(dn)})]


def still_holds(connection: Connection, id: int) -> bool:
    """Whether a binding that a session began with is still there."""
    return run(connection, _OF_ID, {"number": id}).first() is not None


def _key(dn: DistinguishedName) -> bytes:
    return hashlib.sha256(json.dumps(dn.canonical).encode()).digest()


def _binding(row: Any) -> Binding:
    return Binding(row.id, row.owner_id, row.dn, row.created_at)
