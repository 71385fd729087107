"""The brake on guessing: counts of what failed, by account, by network address, and by the two together.

Nobody can keep a bearer out for good. Guesses at an account from everywhere close it to the addresses that have
guessed, and in the end to addresses it was never opened from; an address it was opened from in the last month
answers to its own failures alone. Application passwords, Pro Santé Connect and certificates, which no guess
reaches, do not pass here.
"""

from __future__ import annotations

import asyncio
import hashlib
import ipaddress
from collections import Counter, deque
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from sqlalchemy import BigInteger, Column, Integer, String, Table, bindparam, delete, insert, select, update

from foundation.database import metadata
from foundation.prepared import run

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping

    from sqlalchemy import Connection

    from foundation.clock import Clock
    from foundation.database import Database, UnitOfWork

signin_failure = Table(
    "signin_failure",
    metadata,
    Column("key", String(64), primary_key=True),
    Column("failures", Integer, nullable=False),
    Column("last_at", BigInteger, nullable=False, index=True),
    Column("account", String(64), nullable=True, index=True),
    sqlite_with_rowid=False,
)
"""Failures of the last quarter of an hour, under hashes: what was typed may be somebody's secret."""

signin_place = Table(
    "signin_place",
    metadata,
    Column("key", String(64), primary_key=True),
    Column("last_at", BigInteger, nullable=False, index=True),
    sqlite_with_rowid=False,
)
"""From which network addresses an account was opened in the last month, account and address under one hash."""

LOCK_MILLIS = 15 * 60 * 1000
FAILURES_OF_A_PAIR = 5
"""One network address against one account: a person mistypes less often, a guesser does not."""
FAILURES_OF_AN_ACCOUNT = 20
"""All the world against one account; from then on an address gets one guess, and only one."""
MOST_FAILURES_OF_AN_ACCOUNT = 100
"""From then on only addresses that the account was opened from are heard (NIST SP 800-63B §5.2.2)."""
FAILURES_OF_A_PEER = 100
"""One network address against all accounts: a hospital stands behind a single one."""
KNOWN_MILLIS = 30 * 24 * 3600 * 1000
_NOTE_AGAIN_MILLIS = 24 * 3600 * 1000
_DELAYS = (0.5, 1.0, 2.0, 4.0)
"""Seconds that each further failure of a pair waits for its answer."""

_FAILURES = select(signin_failure.c.key, signin_failure.c.failures, signin_failure.c.last_at).where(
    signin_failure.c.key.in_([bindparam(kind) for kind in ("pair", "account", "peer")])
)
_PLACE = select(signin_place.c.last_at).where(signin_place.c.key == bindparam("name"))
_COUNT = (
    update(signin_failure)
    .where(signin_failure.c.key == bindparam("name"))
    .values(failures=bindparam("count"), last_at=bindparam("at"))
)
_INSERT = insert(signin_failure)
_FORGET = delete(signin_failure).where(signin_failure.c.key == bindparam("name"))
_FORGET_ACCOUNT = delete(signin_failure).where(signin_failure.c.account == bindparam("name"))
_EXPIRE = delete(signin_failure).where(signin_failure.c.last_at < bindparam("before"))
_SEEN_AGAIN = (
    update(signin_place).where(signin_place.c.key == bindparam("name")).values(last_at=bindparam("at"))
)
_SEEN = insert(signin_place)
_EXPIRE_PLACES = delete(signin_place).where(signin_place.c.last_at < bindparam("before"))


class _Kind(StrEnum):
    PAIR = "pair"
    ACCOUNT = "account"
    PEER = "peer"


@dataclass(slots=True)
class Attempt:
    """One attempt that is heard; it counts as failed until it is released."""

    keys: Mapping[_Kind, str]
    place: str
    failures: int
    """Of this account from this address, in the last quarter of an hour."""
    known_at: int | None
    """When the account was last noted to be opened from this address."""


class Brake:
    """One for all doors of a process; failures are counted for all processes, attempts under way for this one."""

    def __init__(
        self, database: Database, clock: Clock, *, pause: Callable[[float], Awaitable[object]] = asyncio.sleep
    ) -> None:
        self._database = database
        self._clock = clock
        self._pause = pause
        self._under_way: Counter[str] = Counter()
        self._waiting: dict[str, deque[asyncio.Future[None]]] = {}

    async def begin(self, account: str, peer: str) -> Attempt | None:
        """An attempt on an account (any text) from a network address; None when it is not heard.

        It waits while those under way could still make it one too many: a mail program opens several connections
        at once, and each of them is right. Every attempt that is given is to be ended by `failed` or `release`.
        """
        keys = _keys(account, peer)
        place = _hashed("place", account, _network(peer))
        while True:
            counted, known_at = self._database.read_now(
                lambda connection: self._look(connection, keys, place)
            )
            barring = _barring(counted, is_known=known_at is not None)
            if barring is not None:
                self._wake(keys.values())  # it will free nothing for who waits behind it
                return None
            under_way = {kind: counted[kind] + self._under_way[key] for kind, key in keys.items()}
            barring = _barring(under_way, is_known=known_at is not None)
            if barring is None:
                self._under_way.update(keys.values())
                return Attempt(keys, place, counted[_Kind.PAIR], known_at)
            await self._turn(keys[barring])

    def release(self, attempt: Attempt) -> None:
        """The attempt is over and was no failure."""
        for key in attempt.keys.values():
            self._under_way[key] -= 1
            if self._under_way[key] <= 0:
                del self._under_way[key]
        self._wake(attempt.keys.values())

    async def _turn(self, key: str) -> None:
        waiting: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        queue = self._waiting.setdefault(key, deque())
        queue.append(waiting)
        try:
            await waiting
        except BaseException:
            if waiting.done() and not waiting.cancelled():
                self._wake((key,))
            raise
        finally:
            if waiting in queue:
                queue.remove(waiting)
            if not queue and self._waiting.get(key) is queue:  # another may stand there by now
                del self._waiting[key]

    def _wake(self, keys: Iterable[str]) -> None:
        """Lets the first that waits for each key look again."""
        for key in keys:
            queue = self._waiting.get(key, ())
            while queue:
                waiting = queue.popleft()
                if not waiting.done():
                    waiting.set_result(None)
                    break

    def _look(
        self, connection: Connection, keys: Mapping[_Kind, str], place: str
    ) -> tuple[dict[_Kind, int], int | None]:
        now = self._clock.millis()
        counted = _failures(connection, keys, now)
        seen = run(connection, _PLACE, {"name": place}).first()
        known_at = seen.last_at if seen is not None and now - seen.last_at < KNOWN_MILLIS else None
        return {kind: counted.get(key, 0) for kind, key in keys.items()}, known_at

    async def failed(self, attempt: Attempt, trace: Callable[[UnitOfWork], None]) -> None:
        """Counts a failure, with its row in the trail, and returns when it may be told: later each time."""
        try:
            failures = await self._database.write(lambda uow: self._count(uow, attempt, trace))
        finally:
            self.release(attempt)
        await self._pause(_DELAYS[min(failures, len(_DELAYS)) - 1])

    def succeeded(self, uow: UnitOfWork, attempt: Attempt) -> None:
        """Forgets the failures of the pair and knows the address from now on; the other counts stay.

        The right password of one person must not buy more guesses at another's.
        """
        now = self._clock.millis()
        if attempt.failures:
            uow.run(_FORGET, {"name": attempt.keys[_Kind.PAIR]})
        if attempt.known_at is not None and now - attempt.known_at < _NOTE_AGAIN_MILLIS:
            return
        if not uow.run(_SEEN_AGAIN, {"name": attempt.place, "at": now}).rowcount:
            uow.run(_EXPIRE_PLACES, {"before": now - KNOWN_MILLIS})
            uow.run(_SEEN, {"key": attempt.place, "last_at": now})

    def _count(self, uow: UnitOfWork, attempt: Attempt, trace: Callable[[UnitOfWork], None]) -> int:
        now = self._clock.millis()
        uow.run(_EXPIRE, {"before": now - LOCK_MILLIS})
        known = _failures(uow.connection, attempt.keys, now)
        for kind, key in attempt.keys.items():
            if key in known:
                uow.run(_COUNT, {"name": key, "count": known[key] + 1, "at": now})
            else:
                account = None if kind is _Kind.PEER else attempt.keys[_Kind.ACCOUNT]
                uow.run(_INSERT, {"key": key, "failures": 1, "last_at": now, "account": account})
        trace(uow)
        return known.get(attempt.keys[_Kind.PAIR], 0) + 1


def second_factor_of(owner_id: int) -> str:
    """The account that guesses at a bearer's second factor count against: with its space, no login spells it."""
    return f" second factor of {owner_id}"


def forget(uow: UnitOfWork, account: str) -> bool:
    """Lets every address try an account again: the operator has spoken to the bearer. Whether anything was counted."""
    return uow.run(_FORGET_ACCOUNT, {"name": _hashed(_Kind.ACCOUNT, account)}).rowcount > 0


def _barring(failures: Mapping[_Kind, int], *, is_known: bool) -> _Kind | None:
    """Which count keeps an attempt from being heard; None when it is heard."""
    if failures[_Kind.PAIR] >= FAILURES_OF_A_PAIR:
        return _Kind.PAIR
    if is_known:
        return None
    if failures[_Kind.PEER] >= FAILURES_OF_A_PEER:
        return _Kind.PEER
    account = failures[_Kind.ACCOUNT]
    if account >= MOST_FAILURES_OF_AN_ACCOUNT or (account >= FAILURES_OF_AN_ACCOUNT and failures[_Kind.PAIR]):
        return _Kind.ACCOUNT
    return None


def _network(peer: str) -> str:
    """One client's address; of IPv6 the /64, inside which a client has as many as it likes."""
    try:
        address = ipaddress.ip_address(peer.partition("%")[0])
    except ValueError:
        return peer
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return str(address.ipv4_mapped)
        return str(ipaddress.ip_network((address, 64), strict=False))
    return str(address)


def _keys(account: str, peer: str) -> dict[_Kind, str]:
    network = _network(peer)
    return {
        _Kind.PAIR: _hashed(_Kind.PAIR, account, network),
        _Kind.ACCOUNT: _hashed(_Kind.ACCOUNT, account),
        _Kind.PEER: _hashed(_Kind.PEER, network),
    }


def _hashed(*words: str) -> str:
    return hashlib.sha256("\0".join(words).encode(errors="surrogatepass")).hexdigest()


def _failures(connection: Connection, keys: Mapping[_Kind, str], now: int) -> dict[str, int]:
    rows = run(connection, _FAILURES, {kind.value: key for kind, key in keys.items()})
    return {row.key: row.failures for row in rows if row.last_at >= now - LOCK_MILLIS}
