"""The mailboxes (BAL) this operator hosts: their table, their life, and the look-ups of delivery and sign-in."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Protocol

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    String,
    Table,
    bindparam,
    insert,
    select,
    update,
)

from foundation.database import metadata
from foundation.identifiers import Address
from foundation.prepared import run
from foundation.vault import vault_owner

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from sqlalchemy import Connection

    from foundation.database import UnitOfWork

bal = Table(
    "bal",
    metadata,
    Column("owner_id", ForeignKey(vault_owner.c.id), primary_key=True, autoincrement=False),
    Column("address", String(320), nullable=False, unique=True),  # lower case
    Column("type", String(3), nullable=False),
    Column("name", String(255), nullable=False),
    Column("idnat", String(64)),
    Column("state", String(16), nullable=False),
    Column("password_hash", String(255)),  # none: signs in by certificate or by Pro Santé Connect only
    Column("red_list", Boolean, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("closed_at", BigInteger),
    Index("bal_by_idnat", "idnat"),
)
"""A closed box keeps its row: its address is never given to somebody else."""

_COLUMNS = (
    bal.c.owner_id,
    bal.c.address,
    bal.c.type,
    bal.c.name,
    bal.c.idnat,
    bal.c.state,
    bal.c.password_hash,
    bal.c.red_list,
    bal.c.created_at,
    bal.c.closed_at,
)
_BY_ADDRESS = select(*_COLUMNS).where(bal.c.address == bindparam("address"))
_BY_OWNER = select(*_COLUMNS).where(bal.c.owner_id == bindparam("owner"))
_BY_IDNAT = select(*_COLUMNS).where(bal.c.idnat == bindparam("idnat")).order_by(bal.c.address)
_BY_ADDRESSES = select(*_COLUMNS).where(bal.c.address.in_(bindparam("addresses", expanding=True)))
_AFTER = (
    select(*_COLUMNS)
    .where(bal.c.address > bindparam("after"))
    .order_by(bal.c.address)
    .limit(bindparam("limit"))
)
_INSERT = insert(bal)

CHUNK = 500
"""Values in one IN list: below every engine's bound on parameters."""


class BalType(StrEnum):
    """TRE_R257-TypeBAL; address and type of a box never change."""

    PER = "PER"
    """Of one person."""
    ORG = "ORG"
    """Of a service or team of a structure."""
    APP = "APP"
    """Of a software of a structure."""
    CAB = "CAB"
    """Of a practice."""


class BalState(StrEnum):
    """The life of a box: a suspended one can come back, a closed one cannot."""

    ACTIVE = "active"
    SUSPENDED = "suspended"
    CLOSED = "closed"


class CreatesOwner(Protocol):
    """What makes the key of a new owner (foundation.vault)."""

    def create_owner(self, uow: UnitOfWork) -> int: ...


class BalRefused(Exception):
    """A box cannot be made or changed; the text is one sentence for the operator."""


@dataclass(frozen=True, slots=True)
class Bal:
    """A hosted mailbox. `idnat` is the bearer's national identifier (8 + RPPS, 1 + FINESS, 3 + SIRET);
    times are epoch milliseconds. `password_hash` is None for a box that no password opens.
    """

    owner_id: int
    address: str
    type: BalType
    name: str
    idnat: str | None
    state: BalState
    password_hash: str | None = field(repr=False)
    red_list: bool
    created_at: int
    closed_at: int | None = None

    @property
    def may_sign_in(self) -> bool:
        return self.state is BalState.ACTIVE


def add_bal(
    uow: UnitOfWork,
    vault: CreatesOwner,
    *,
    address: str,
    type: BalType | str,
    name: str,
    idnat: str | None,
    password_hash: str | None,
    now: int,
    red_list: bool = False,
) -> Bal:
    """Makes an active box with a key of its own.

    Raises BalRefused when the address is malformed, exists, or existed: an address is never given twice.
    """
    parsed = Address.parse(address)
    if parsed is None:
        raise BalRefused(f"{address} is not a mail address.")
    canonical = str(parsed)
    if type not in set(BalType):
        raise BalRefused(f"{type} is not a type of mailbox: PER, ORG, APP or CAB.")
    if not name.strip() or len(name) > 255:
        raise BalRefused("The name of a mailbox has 1 to 255 characters.")
    existing = find_bal(uow.connection, canonical)
    if existing is not None:
        state = "existed and was closed" if existing.state is BalState.CLOSED else "exists already"
        raise BalRefused(f"The mailbox {canonical} {state}.")
    made = Bal(
        owner_id=vault.create_owner(uow),
        address=canonical,
        type=BalType(type),
        name=name.strip(),
        idnat=idnat or None,
        state=BalState.ACTIVE,
        password_hash=password_hash,
        red_list=red_list,
        created_at=now,
    )
    uow.execute(
        _INSERT,
        {
            "owner_id": made.owner_id,
            "address": made.address,
            "type": made.type.value,
            "name": made.name,
            "idnat": made.idnat,
            "state": made.state.value,
            "password_hash": made.password_hash,
            "red_list": made.red_list,
            "created_at": made.created_at,
            "closed_at": None,
        },
    )
    return made


def find_bal(connection: Connection, address: str) -> Bal | None:
    """The box of an address in any case, whatever its state."""
    row = run(connection, _BY_ADDRESS, {"address": address.lower()}).first()
    return _bal(row) if row is not None else None


def find_bals(connection: Connection, addresses: Iterable[str]) -> dict[str, Bal]:
    """The boxes among `addresses`, by lower-case address."""
    found: dict[str, Bal] = {}
    for some in in_chunks({address.lower() for address in addresses}):
        for row in connection.execute(_BY_ADDRESSES, {"addresses": some}):
            found[row.address] = _bal(row)
    return found


def bal_of(connection: Connection, owner_id: int) -> Bal | None:
    """The box of an owner id."""
    row = run(connection, _BY_OWNER, {"owner": owner_id}).first()
    return _bal(row) if row is not None else None


def bals_of(connection: Connection, idnat: str) -> list[Bal]:
    """The boxes of one bearer, by address."""
    return [_bal(row) for row in run(connection, _BY_IDNAT, {"idnat": idnat})]


def list_bals(connection: Connection, *, after: str = "", limit: int = 1000) -> list[Bal]:
    """At most `limit` boxes in the order of their addresses, those behind `after`."""
    return [_bal(row) for row in connection.execute(_AFTER, {"after": after.lower(), "limit": limit})]


# ref: F39
def set_state(uow: UnitOfWork, address: str, state: BalState, now: int) -> Bal:
    """Suspends, resumes or closes a box. Raises BalRefused when it does not exist or is closed for good."""
    current = _existing(uow, address)
    if current.state is BalState.CLOSED and state is not BalState.CLOSED:
        raise BalRefused(f"The mailbox {current.address} is closed: it does not open again.")
    closed_at = now if state is BalState.CLOSED and current.closed_at is None else current.closed_at
    return _change(uow, current, state=state.value, closed_at=closed_at)


def set_password(uow: UnitOfWork, address: str, password_hash: str | None) -> Bal:
    """Gives a box another password, or none. Raises BalRefused when there is no such box."""
    return _change(uow, _existing(uow, address), password_hash=password_hash)


# ref: F40
def set_red_list(uow: UnitOfWork, address: str, *, red_list: bool) -> Bal:
    """Takes a box out of the directory or shows it there; it receives either way (liste rouge)."""
    return _change(uow, _existing(uow, address), red_list=red_list)


def in_chunks(values: Iterable[str]) -> Iterator[list[str]]:
    """Distinct values in sorted lists short enough for one IN."""
    ordered = sorted(set(values))
    for start in range(0, len(ordered), CHUNK):
        yield ordered[start : start + CHUNK]


def _existing(uow: UnitOfWork, address: str) -> Bal:
    found = find_bal(uow.connection, address)
    if found is None:
        raise BalRefused(f"There is no mailbox {address}.")
    return found


def _change(uow: UnitOfWork, current: Bal, **values: Any) -> Bal:
    uow.execute(update(bal).where(bal.c.owner_id == current.owner_id).values(**values))
    changed = bal_of(uow.connection, current.owner_id)
    assert changed is not None
    return changed


def _bal(row: Iterable[Any]) -> Bal:
    owner_id, address, kind, name, idnat, state, password_hash, red_list, created_at, closed_at = row
    return Bal(
        owner_id,
        address,
        BalType(kind),
        name,
        idnat,
        BalState(state),
        password_hash,
        bool(red_list),
        created_at,
        closed_at,
    )
