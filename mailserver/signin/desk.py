"""Signing in with the password of a box: slow for who guesses, quick for who knows."""

from __future__ import annotations

import asyncio
import hashlib
from typing import TYPE_CHECKING

from sqlalchemy import BigInteger, Column, Integer, String, Table, bindparam, delete, insert, select, update

from directory.bals import BalState, bal_of, find_bal
from foundation import trail
from foundation.database import metadata
from foundation.identifiers import Address
from foundation.passwords import PasswordMemory
from mailserver.envelope import Principal, Refused
from mailserver.refusals import ACCOUNT_SUSPENDED, LOCKED_OUT, WRONG_PASSWORD

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from sqlalchemy import Connection

    from directory.bals import Bal
    from foundation.clock import Clock
    from foundation.database import Database, UnitOfWork
    from mailserver.refusals import Refusal

signin_failure = Table(
    "signin_failure",
    metadata,
    Column("key", String(64), primary_key=True),
    Column("failures", Integer, nullable=False),
    Column("last_at", BigInteger, nullable=False, index=True),
    sqlite_with_rowid=False,
)
"""Wrong passwords of the last quarter of an hour, under hashes: what was typed may be somebody's secret."""

LOCK_MILLIS = 15 * 60 * 1000
FAILURES_OF_A_PAIR = 5
"""One network address against one account: a person mistypes less often, a guesser does not."""
FAILURES_OF_AN_ACCOUNT = 20
"""All the world against one account."""
FAILURES_OF_A_PEER = 100
"""One network address against all accounts: a hospital stands behind a single one."""
_LIMITS: Mapping[str, int] = {
    "pair": FAILURES_OF_A_PAIR,
    "account": FAILURES_OF_AN_ACCOUNT,
    "peer": FAILURES_OF_A_PEER,
}
_DELAYS = (0.5, 1.0, 2.0, 4.0)
"""Seconds that each further wrong password of a pair waits for its answer."""
_MAX_LOGIN = 320

_FAILURES = select(signin_failure.c.key, signin_failure.c.failures, signin_failure.c.last_at).where(
    signin_failure.c.key.in_(bindparam("keys", expanding=True))
)
_COUNT = (
    update(signin_failure)
    .where(signin_failure.c.key == bindparam("name"))
    .values(failures=bindparam("count"), last_at=bindparam("at"))
)
_INSERT = insert(signin_failure)
_FORGET = delete(signin_failure).where(signin_failure.c.key.in_(bindparam("keys", expanding=True)))
_EXPIRE = delete(signin_failure).where(signin_failure.c.last_at < bindparam("before"))


class SignIn:
    """Checks passwords for every listener of one process; failures are counted for all processes."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        *,
        pause: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        self._database = database
        self._clock = clock
        self._pause = pause
        self._passwords = PasswordMemory()

    def __repr__(self) -> str:
        return "SignIn(...)"

    async def check(self, login: str, password: str, *, peer: str) -> Principal | Refused:
        """The principal of a box, or why not. `login` is its address; `peer` the client's network address.

        An account that does not exist, is closed or has no password takes as long as a wrong password, and is
        locked as one.
        """
        address = login.strip().lower()
        keys = _keys(address, peer)
        now = self._clock.millis()
        counted, box = self._database.read_now(
            lambda connection: (_failures(connection, keys, now), _find(connection, address))
        )
        if any(counted.get(keys[kind], 0) >= limit for kind, limit in _LIMITS.items()):
            # No trail row here: a locked guesser must not be able to make the trail grow.
            return Refused(LOCKED_OUT)
        stored = box.password_hash if box is not None and box.state is not BalState.CLOSED else None
        if not await self._passwords.verify(stored, password) or box is None:
            return await self._wrong(box, keys)
        if box.state is BalState.SUSPENDED:
            await self._database.write(lambda uow: self._trace(uow, box, ACCOUNT_SUSPENDED))
            return Refused(ACCOUNT_SUSPENDED)
        await self._database.write(lambda uow: self._right(uow, box, keys, counted))
        return Principal(box.owner_id, box.address, box.idnat, box.name, _credential(box))

    def still_holds(self, principal: Principal) -> bool:
        """Whether the box may still sign in, with the password it had: a long session asks now and then."""
        box = self._database.read_now(lambda connection: bal_of(connection, principal.owner_id))
        return box is not None and box.may_sign_in and _credential(box) == principal.credential

    async def _wrong(self, box: Bal | None, keys: Mapping[str, str]) -> Refused:
        failures = await self._database.write(lambda uow: self._count(uow, box, keys))
        await self._pause(_DELAYS[min(failures, len(_DELAYS)) - 1])
        return Refused(WRONG_PASSWORD)

    def _count(self, uow: UnitOfWork, box: Bal | None, keys: Mapping[str, str]) -> int:
        """Counts one wrong password under each key; returns the failures of the pair."""
        now = self._clock.millis()
        uow.execute(_EXPIRE, {"before": now - LOCK_MILLIS})
        known = _failures(uow.connection, keys, now)
        for key in keys.values():
            if key in known:
                uow.execute(_COUNT, {"name": key, "count": known[key] + 1, "at": now})
            else:
                uow.execute(_INSERT, {"key": key, "failures": 1, "last_at": now})
        self._trace(uow, box, WRONG_PASSWORD)
        return known.get(keys["pair"], 0) + 1

    def _right(self, uow: UnitOfWork, box: Bal, keys: Mapping[str, str], counted: Mapping[str, int]) -> None:
        cleared = tuple(keys[kind] for kind in ("pair", "account") if keys[kind] in counted)
        if cleared:
            uow.execute(_FORGET, {"keys": cleared})
        trail.append(
            uow,
            "signin.accepted",
            actor=f"bal:{box.owner_id}",
            subject=f"bal:{box.owner_id}",
            outcome="accepted",
            clock=self._clock,
        )

    def _trace(self, uow: UnitOfWork, box: Bal | None, refusal: Refusal) -> None:
        trail.append(
            uow,
            "signin.refused",
            actor="peer",
            subject=f"bal:{box.owner_id}" if box is not None else "unknown",
            outcome=refusal.code,
            clock=self._clock,
        )


def _credential(box: Bal) -> bytes:
    return hashlib.sha256((box.password_hash or "").encode()).digest()


def _find(connection: Connection, address: str) -> Bal | None:
    parsed = Address.parse(address) if len(address) <= _MAX_LOGIN else None
    return find_bal(connection, str(parsed)) if parsed is not None else None


def _keys(address: str, peer: str) -> dict[str, str]:
    return {
        "pair": _hashed("pair", address, peer),
        "account": _hashed("account", address),
        "peer": _hashed("peer", peer),
    }


def _hashed(*words: str) -> str:
    return hashlib.sha256("\0".join(words).encode(errors="surrogatepass")).hexdigest()


def _failures(connection: Connection, keys: Mapping[str, str], now: int) -> dict[str, int]:
    rows = connection.execute(_FAILURES, {"keys": tuple(keys.values())})
    return {row.key: row.failures for row in rows if row.last_at >= now - LOCK_MILLIS}
