"""What this operator publishes itself, and hides: said by address, it goes before what the extracts say."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from msgspec.structs import asdict, replace
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Index,
    Integer,
    String,
    Table,
    bindparam,
    func,
    insert,
    select,
    update,
)

from directory.annuaire.model import Mailbox
from directory.bals import BalType
from foundation.database import metadata

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from foundation.database import UnitOfWork

published_mailbox = Table(
    "published_mailbox",
    metadata,
    Column("address", String(320), primary_key=True),  # lower case
    Column("type", String(3), nullable=False),
    Column("digital", Boolean, nullable=False),
    Column("idnat", String(64)),
    Column("person_id_type", String(2)),
    Column("person_id", String(64)),
    Column("civility", String(20)),
    Column("last_name", String(100)),
    Column("first_name", String(100)),
    Column("category_code", String(10)),
    Column("category", String(100)),
    Column("profession_code", String(10)),
    Column("profession", String(150)),
    Column("skill_code", String(20)),
    Column("skill", String(200)),
    Column("structure_id_type", String(2)),
    Column("structure_id", String(64)),
    Column("structure", String(255)),
    Column("structure_sign", String(255)),
    Column("service", String(255)),
    Column("location", String(255)),
    Column("distribution", String(255)),
    Column("street_number", String(20)),
    Column("street_repeat", String(20)),
    Column("street_type", String(50)),
    Column("street_name", String(255)),
    Column("locality", String(255)),
    Column("routing", String(255)),
    Column("postal_code", String(10)),
    Column("department", String(10)),
    Column("country", String(10)),
    Column("updated_at", BigInteger, nullable=False),
    Column("description", String(255)),
    Column("responsible", String(255)),
    Column("phone", String(40)),
    Column("rank", Integer),
    Column("standing", String(16), nullable=False),
    Column("version", BigInteger, nullable=False),
    Index("published_mailbox_by_version", "version"),
    Index("published_mailbox_by_idnat", "idnat"),
    Index("published_mailbox_by_structure", "structure_id"),
)
"""`version` rises with each change of any row: who keeps a copy asks for what is newer. No row is deleted."""

_COLUMNS = [published_mailbox.c[name] for name in Mailbox.__struct_fields__]
_ALL = (*_COLUMNS, published_mailbox.c.standing, published_mailbox.c.version)
_BY_ADDRESS = select(*_ALL).where(published_mailbox.c.address == bindparam("address"))
_BY_IDNAT = (
    select(*_ALL).where(published_mailbox.c.idnat == bindparam("id")).order_by(published_mailbox.c.address)
)
_BY_STRUCTURE = (
    select(*_ALL)
    .where(published_mailbox.c.structure_id == bindparam("id"))
    .order_by(published_mailbox.c.address)
)
_AFTER = (
    select(*_ALL)
    .where(published_mailbox.c.version > bindparam("version"))
    .order_by(published_mailbox.c.version)
    .limit(bindparam("limit"))
)
LATEST_VERSION = select(func.max(published_mailbox.c.version))


class Standing(StrEnum):
    """Whether a mailbox is seen; every standing goes before the extract that still lists the address."""

    SHOWN = "shown"
    RED_LIST = "red_list"
    """Receives, and is found by nobody (liste rouge)."""
    SUSPENDED = "suspended"
    REMOVED = "removed"


@dataclass(frozen=True, slots=True)
class Published:
    """A mailbox as this operator publishes it, and how it stands."""

    mailbox: Mailbox = field(repr=False)
    standing: Standing
    version: int


# ref: F40
def publish(uow: UnitOfWork, mailbox: Mailbox, standing: Standing, now: int) -> Published:
    """Says all of a mailbox, new or known; searches of every process see it after the commit.

    `updated_at` becomes `now`. The address is taken in lower case.
    """
    mailbox = replace(mailbox, address=mailbox.address.lower(), updated_at=now)
    made = Published(mailbox, standing, _next_version(uow))
    values = {
        **asdict(mailbox),
        "type": mailbox.type.value,
        "standing": standing.value,
        "version": made.version,
    }
    if published(uow.connection, mailbox.address) is None:
        uow.execute(insert(published_mailbox), values)
    else:
        uow.execute(
            update(published_mailbox).where(published_mailbox.c.address == mailbox.address).values(values)
        )
    return made


def set_standing(uow: UnitOfWork, address: str, standing: Standing, now: int) -> bool:
    """Shows or hides a mailbox of which the rest stays; False when none was published at the address."""
    changed = uow.execute(
        update(published_mailbox)
        .where(published_mailbox.c.address == address.lower())
        .values(standing=standing.value, version=_next_version(uow), updated_at=now)
    )
    return changed.rowcount > 0


def published(connection: Connection, address: str) -> Published | None:
    """What is published at an address in any case, whatever its standing."""
    row = connection.execute(_BY_ADDRESS, {"address": address.lower()}).first()
    return _published(tuple(row)) if row is not None else None


def published_of_person(connection: Connection, idnat: str) -> list[Published]:
    """The mailboxes published for a person, whatever their standing, by address."""
    return [_published(tuple(row)) for row in connection.execute(_BY_IDNAT, {"id": idnat})]


def published_of_structure(connection: Connection, structure_id: str) -> list[Published]:
    """The mailboxes published for a structure (IdNat_Struct), whatever their standing, by address."""
    return [_published(tuple(row)) for row in connection.execute(_BY_STRUCTURE, {"id": structure_id})]


def published_after(connection: Connection, version: int, limit: int) -> list[Published]:
    """At most `limit` of what changed since `version`, in the order of the changes."""
    return [
        _published(tuple(row)) for row in connection.execute(_AFTER, {"version": version, "limit": limit})
    ]


def _next_version(uow: UnitOfWork) -> int:
    return (uow.execute(LATEST_VERSION).scalar() or 0) + 1


def _published(row: tuple[Any, ...]) -> Published:
    address, kind, digital, *others, standing, version = row
    return Published(
        Mailbox(address, BalType(kind), bool(digital), *others), Standing(standing), int(version)
    )
