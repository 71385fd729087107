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
    Integer,
    String,
    Table,
    bindparam,
    insert,
    or_,
    select,
    update,
)

from foundation.clock import from_millis, to_millis, to_paris
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
    Column("version", Integer, nullable=False, server_default="1"),
    Column("changed_at", BigInteger, nullable=False, server_default="0"),  # when `state` last changed
    Column("reason", String(200)),  # why it is suspended or closed
    Column("last_sign_in_at", BigInteger),
    Column("kept_at", BigInteger),  # when somebody last opposed the suspension for inactivity
    Column("warned_at", BigInteger),  # when the bearer was told of that suspension
    Index("bal_by_idnat", "idnat"),
)
"""A closed box keeps its row: its address is never given to somebody else.

`version` grows with each change by an operator, so that two who change a box at once notice each other.
"""

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
    bal.c.version,
    bal.c.changed_at,
    bal.c.reason,
    bal.c.last_sign_in_at,
    bal.c.kept_at,
    bal.c.warned_at,
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
_SIGNED_IN = (
    update(bal)
    .where(
        bal.c.owner_id == bindparam("owner"),
        or_(bal.c.last_sign_in_at.is_(None), bal.c.last_sign_in_at < bindparam("before")),
    )
    .values(last_sign_in_at=bindparam("at"), warned_at=None)
)

DAY_MILLIS = 24 * 3600 * 1000
LONGEST_REASON = 200
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
    """A box cannot be made or changed; the text is one sentence for the operator, `french` the one of the pages."""

    def __init__(self, sentence: str, french: str = "Cette action n’est pas possible.") -> None:
        super().__init__(sentence)
        self.french = french


class BalChanged(BalRefused):
    """Somebody else has changed the box since it was read."""


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
    version: int = field(default=1, compare=False)
    changed_at: int = 0
    reason: str | None = field(default=None, repr=False)
    last_sign_in_at: int | None = field(default=None, compare=False)
    kept_at: int | None = field(default=None, compare=False)
    warned_at: int | None = field(default=None, compare=False)

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
        raise BalRefused(f"{address} is not a mail address.", "Ce n’est pas une adresse de messagerie.")
    canonical = str(parsed)
    if type not in set(BalType):
        raise BalRefused(f"{type} is not a type of mailbox: PER, ORG, APP or CAB.")
    name = _named(name)
    existing = find_bal(uow.connection, canonical)
    if existing is not None:
        state = "existed and was closed" if existing.state is BalState.CLOSED else "exists already"
        raise BalRefused(
            f"The mailbox {canonical} {state}.",
            "Cette adresse est, ou a été, celle d’une boîte : elle n’est pas donnée deux fois.",
        )
    made = Bal(
        owner_id=vault.create_owner(uow),
        address=canonical,
        type=BalType(type),
        name=name,
        idnat=idnat or None,
        state=BalState.ACTIVE,
        password_hash=password_hash,
        red_list=red_list,
        created_at=now,
        changed_at=now,
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
            "version": made.version,
            "changed_at": made.changed_at,
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
def set_state(
    uow: UnitOfWork, address: str, state: BalState, now: int, *, reason: str = "", version: int | None = None
) -> Bal:
    """Suspends, resumes or closes a box, with the `reason` where one is given.

    Raises BalRefused when it does not exist or is closed for good, BalChanged when it has another `version` by now.
    """
    current = _existing(uow, address, version)
    if current.state is BalState.CLOSED and state is not BalState.CLOSED:
        raise BalRefused(
            f"The mailbox {current.address} is closed: it does not open again.",
            "Cette boîte est fermée : elle ne s’ouvre plus.",
        )
    if len(reason) > LONGEST_REASON:
        raise BalRefused(
            f"A reason has at most {LONGEST_REASON} characters.",
            f"Un motif a au plus {LONGEST_REASON} caractères.",
        )
    if state is current.state:
        return current
    return _change(
        uow,
        current,
        state=state.value,
        changed_at=now,
        closed_at=now if state is BalState.CLOSED else None,
        reason=reason.strip() or None,
        warned_at=None,
    )


def set_password(uow: UnitOfWork, address: str, password_hash: str | None) -> Bal:
    """Gives a box another password, or none. Raises BalRefused when there is no such box."""
    return _change(uow, _existing(uow, address), password_hash=password_hash)


# ref: F40
def set_red_list(uow: UnitOfWork, address: str, *, red_list: bool, version: int | None = None) -> Bal:
    """Notes whether a box is on the red list (liste rouge); `directory.own.set_red_list` tells the directory as well.

    Raises BalRefused when there is no such box, BalChanged when it has another `version` by now.
    """
    return _change(uow, _existing(uow, address, version), red_list=red_list)


def set_name(
    uow: UnitOfWork, address: str, name: str, idnat: str | None, *, version: int | None = None
) -> Bal:
    """Gives a box another name, and its bearer's identifier. Raises BalRefused, BalChanged."""
    return _change(uow, _existing(uow, address, version), name=_named(name), idnat=idnat or None)


def note_sign_in(uow: UnitOfWork, owner_id: int, now: int) -> None:
    """Remembers that a box was signed in to, once a day of Paris; it opposes a suspension for inactivity."""
    midnight = to_paris(from_millis(now)).replace(hour=0, minute=0, second=0, microsecond=0)
    uow.run(_SIGNED_IN, {"owner": owner_id, "at": now, "before": to_millis(midnight)})


def keep(uow: UnitOfWork, address: str, now: int) -> Bal:
    """Opposes the suspension of a box for inactivity: a year begins anew. Raises BalRefused."""
    current = _existing(uow, address)
    if current.state is not BalState.ACTIVE:
        raise BalRefused(
            f"The mailbox {current.address} is {current.state.value}.", "Cette boîte n’est pas en service."
        )
    return _change(uow, current, kept_at=now, warned_at=None)


def note_warning(uow: UnitOfWork, current: Bal, now: int) -> None:
    """Remembers that the bearer is told of a suspension for inactivity."""
    _change(uow, current, warned_at=now)


def search_bals(
    connection: Connection, words: str, *, state: BalState | None = None, after: str = "", limit: int = 50
) -> list[Bal]:
    """The boxes whose address, name or bearer's identifier holds `words`, by address, those behind `after`."""
    held = [column.contains(words, autoescape=True) for column in (bal.c.address, bal.c.name, bal.c.idnat)]
    wanted = select(*_COLUMNS).where(or_(*held), bal.c.address > after.lower())
    if state is not None:
        wanted = wanted.where(bal.c.state == state.value)
    return [_bal(row) for row in connection.execute(wanted.order_by(bal.c.address).limit(limit))]


def in_chunks(values: Iterable[str]) -> Iterator[list[str]]:
    """Distinct values in sorted lists short enough for one IN."""
    ordered = sorted(set(values))
    for start in range(0, len(ordered), CHUNK):
        yield ordered[start : start + CHUNK]


def _existing(uow: UnitOfWork, address: str, version: int | None = None) -> Bal:
    found = find_bal(uow.connection, address)
    if found is None:
        raise BalRefused(f"There is no mailbox {address}.")
    if version is not None and version != found.version:
        raise BalChanged(
            f"The mailbox {found.address} was changed by somebody else meanwhile.",
            "Quelqu’un d’autre a changé cette boîte entre-temps : voici ce qu’elle est maintenant.",
        )
    return found


def _named(name: str) -> str:
    if not name.strip() or len(name) > 255:
        raise BalRefused(
            "The name of a mailbox has 1 to 255 characters.", "Donnez un nom, de 255 caractères au plus."
        )
    return name.strip()


def _change(uow: UnitOfWork, current: Bal, **values: Any) -> Bal:
    values["version"] = current.version + 1
    uow.execute(update(bal).where(bal.c.owner_id == current.owner_id).values(**values))
    changed = bal_of(uow.connection, current.owner_id)
    assert changed is not None
    return changed


def _bal(row: Iterable[Any]) -> Bal:
    owner_id, address, kind, name, idnat, state, password_hash, red_list, *rest = row
    return Bal(
        owner_id, address, BalType(kind), name, idnat, BalState(state), password_hash, bool(red_list), *rest
    )
