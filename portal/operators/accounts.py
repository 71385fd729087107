"""Who may sign in to the operator pages: names, passwords, second factors.

An operator is an owner of the vault without a box, so that sessions and second factors are those of everybody.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sqlalchemy import BigInteger, Column, ForeignKey, String, Table, bindparam, insert, select, update

from foundation import trail
from foundation.database import metadata
from foundation.identifiers import Ins
from foundation.prepared import run
from mailserver.signin import second_factor
from portal.sessions import end_all

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from directory.bals import CreatesOwner
    from foundation.clock import Clock
    from foundation.database import UnitOfWork

operator_account = Table(
    "operator_account",
    metadata,
    Column(
        "owner_id", ForeignKey("vault_owner.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    ),
    Column("username", String(64), nullable=False, unique=True),  # lower case
    Column("password_hash", String(255), nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("removed_at", BigInteger),
)
"""A name that was removed stays: the trail tells what its holder did, and nobody else gets it."""

_USERNAME = re.compile(r"[a-z][a-z0-9._-]{1,63}")
_COLUMNS = (
    operator_account.c.owner_id,
    operator_account.c.username,
    operator_account.c.password_hash,
    operator_account.c.created_at,
    operator_account.c.removed_at,
)
_BY_NAME = select(*_COLUMNS).where(operator_account.c.username == bindparam("named"))
_BY_OWNER = select(*_COLUMNS).where(operator_account.c.owner_id == bindparam("owner"))


class OperatorRefused(Exception):
    """An operator cannot be added or changed; the text is one sentence."""


@dataclass(frozen=True, slots=True)
class OperatorAccount:
    """Somebody who looks after the mailboxes. Times are epoch milliseconds."""

    owner_id: int
    username: str
    password_hash: str = field(repr=False)
    created_at: int
    removed_at: int | None = None

    @property
    def may_sign_in(self) -> bool:
        return self.removed_at is None

    @property
    def actor(self) -> str:
        """Who it is, as the trail names them."""
        return f"operator:{self.owner_id}"


def is_username(text: str) -> bool:
    """Whether a text can be the name of an operator: neither an address nor an INS is."""
    return _USERNAME.fullmatch(text) is not None and Ins.parse(text) is None


def add_operator(
    uow: UnitOfWork, vault: CreatesOwner, clock: Clock, username: str, password_hash: str
) -> OperatorAccount:
    """A new operator. Raises OperatorRefused."""
    name = username.lower()
    if not is_username(name):
        raise OperatorRefused(
            "The name of an operator has 2 to 64 small letters, digits, dots and dashes, a letter first, and is no INS."
        )
    if find_operator(uow.connection, name) is not None:
        raise OperatorRefused(f"The name {name} is or was an operator's.")
    made = OperatorAccount(vault.create_owner(uow), name, password_hash, clock.millis())
    uow.execute(
        insert(operator_account),
        {
            "owner_id": made.owner_id,
            "username": made.username,
            "password_hash": made.password_hash,
            "created_at": made.created_at,
        },
    )
    _trace(uow, clock, "operator.added", made, "ok")
    return made


def find_operator(connection: Connection, username: str) -> OperatorAccount | None:
    """The operator of a name in any case, removed ones too."""
    row = run(connection, _BY_NAME, {"named": username.lower()}).first()
    return _account(row) if row is not None else None


def operator_of(connection: Connection, owner_id: int) -> OperatorAccount | None:
    """The operator of an owner id, removed ones too."""
    row = run(connection, _BY_OWNER, {"owner": owner_id}).first()
    return _account(row) if row is not None else None


def list_operators(connection: Connection) -> list[OperatorAccount]:
    """Every operator, removed ones too, by name."""
    return [_account(row) for row in connection.execute(select(*_COLUMNS).order_by("username"))]


def set_operator_password(
    uow: UnitOfWork, clock: Clock, username: str, password_hash: str
) -> OperatorAccount:
    """Gives an operator another password, ends their sessions and takes their second factor away.

    Raises OperatorRefused.
    """
    found = _existing(uow, username)
    _change(uow, found, password_hash=password_hash)
    second_factor.remove(uow, found.owner_id)
    end_all(uow, found.owner_id)
    _trace(uow, clock, "operator.password", found, "changed")
    return found


def remove_operator(uow: UnitOfWork, clock: Clock, username: str) -> OperatorAccount:
    """Lets an operator sign in no more. Raises OperatorRefused."""
    found = _existing(uow, username)
    _change(uow, found, removed_at=clock.millis())
    end_all(uow, found.owner_id)
    _trace(uow, clock, "operator.removed", found, "ok")
    return found


def _existing(uow: UnitOfWork, username: str) -> OperatorAccount:
    found = find_operator(uow.connection, username)
    if found is None or not found.may_sign_in:
        raise OperatorRefused(f"There is no operator {username}.")
    return found


def _change(uow: UnitOfWork, account: OperatorAccount, **values: Any) -> None:
    uow.execute(
        update(operator_account).where(operator_account.c.owner_id == account.owner_id).values(values)
    )


def _trace(uow: UnitOfWork, clock: Clock, action: str, account: OperatorAccount, outcome: str) -> None:
    trail.append(uow, action, actor="operator", subject=account.actor, outcome=outcome, clock=clock)


def _account(row: Any) -> OperatorAccount:
    return OperatorAccount(row.owner_id, row.username, row.password_hash, row.created_at, row.removed_at)
