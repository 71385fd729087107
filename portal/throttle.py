"""The brake on guessing passwords: attempts are counted before they are judged, by account and network address."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import bindparam, delete, insert, select, update

from portal.tables import portal_attempt

if TYPE_CHECKING:
    from foundation.database import UnitOfWork

WINDOW_MS = 15 * 60 * 1000
ATTEMPTS_OF_A_PAIR = 5
"""One network address against one account: a person mistypes less often, a guesser does not."""
ATTEMPTS_ON_AN_ACCOUNT = 20
"""All the world against one account."""
ATTEMPTS_OF_AN_ADDRESS = 100
"""One network address against all accounts: a hospital stands behind a single one."""
_LIMITS = (ATTEMPTS_OF_A_PAIR, ATTEMPTS_ON_AN_ACCOUNT, ATTEMPTS_OF_AN_ADDRESS)
_PAUSES = (0.5, 1.0, 2.0, 4.0)

_FIND = select(portal_attempt.c.attempts, portal_attempt.c.since_at).where(
    portal_attempt.c.key_hash == bindparam("key")
)
_INSERT = insert(portal_attempt)
_COUNT = (
    update(portal_attempt)
    .where(portal_attempt.c.key_hash == bindparam("key"))
    .values(attempts=portal_attempt.c.attempts + 1)
)
_UNCOUNT = (
    update(portal_attempt)
    .where(portal_attempt.c.key_hash == bindparam("key"), portal_attempt.c.attempts > 0)
    .values(attempts=portal_attempt.c.attempts - 1)
)
_FORGET = delete(portal_attempt).where(portal_attempt.c.key_hash == bindparam("key"))
_PRUNE = delete(portal_attempt).where(portal_attempt.c.since_at <= bindparam("before"))


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt that is heard; `number` counts it among those of its account from its address."""

    keys: tuple[str, str, str]
    number: int

    @property
    def pause_seconds(self) -> float:
        """How long the answer to a wrong password is held back."""
        return _PAUSES[min(self.number, len(_PAUSES)) - 1]


@dataclass(frozen=True, slots=True)
class LockedOut:
    """Too many attempts; the next one is heard in `seconds`."""

    seconds: int


def begin(uow: UnitOfWork, account: str, address: str, now: int) -> Attempt | LockedOut:
    """Counts an attempt as failed until `succeeded` says otherwise, so that guesses in parallel count too.

    An account that does not exist is counted like any other: being locked out tells nothing.
    """
    uow.execute(_PRUNE, {"before": now - WINDOW_MS})
    keys = (_key("pair", account, address), _key("account", account), _key("address", address))
    rows = [uow.execute(_FIND, {"key": key}).first() for key in keys]
    for row, limit in zip(rows, _LIMITS, strict=True):
        if row is not None and row.attempts >= limit:
            return LockedOut(max(1, (row.since_at + WINDOW_MS - now + 999) // 1000))
    for key, row in zip(keys, rows, strict=True):
        if row is None:
            uow.execute(_INSERT, {"key_hash": key, "attempts": 1, "since_at": now})
        else:
            uow.execute(_COUNT, {"key": key})
    return Attempt(keys, rows[0].attempts + 1 if rows[0] is not None else 1)


def succeeded(uow: UnitOfWork, attempt: Attempt) -> None:
    """Forgets the failures of the pair, and takes this attempt off the other two counts.

    They keep the rest: the right password of one person must not buy more guesses to another.
    """
    pair, account, address = attempt.keys
    uow.execute(_FORGET, {"key": pair})
    uow.execute(_UNCOUNT, {"key": account})
    uow.execute(_UNCOUNT, {"key": address})


def _key(*words: str) -> str:
    return hashlib.sha256("\0".join(words).encode(errors="replace")).hexdigest()
