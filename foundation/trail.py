"""The audit trail: append-only rows, each sealed with the hash of the one before.

A row tells who did what to what and how it ended, by ids: no INS, name, subject or body. Changing, removing
or reordering a row breaks the chain from there on; `verify` says where. Cutting rows off the end is seen only
by whoever kept a later hash, which is why `show` prints it.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import BigInteger, Column, Index, String, Table, insert, select

from foundation.clock import SystemClock
from foundation.database import identity, metadata

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from sqlalchemy import Connection

    from foundation.clock import Clock
    from foundation.database import UnitOfWork

trail = Table(
    "trail",
    metadata,
    identity("seq"),
    Column("at", BigInteger, nullable=False),
    Column("action", String(64), nullable=False),
    Column("actor", String(64), nullable=False),
    Column("subject", String(64), nullable=False),
    Column("outcome", String(64), nullable=False),
    Column("detail", String, nullable=False),
    Column("hash", String(64), nullable=False),
    Index("trail_by_subject", "subject"),
)

_INSERT = insert(trail)
_LAST = select(trail.c.seq, trail.c.hash).order_by(trail.c.seq.desc()).limit(1)
_ORIGIN = "0" * 64
_TAIL = "trail.tail"
_CLOCK = SystemClock()


@dataclass(frozen=True, slots=True)
class TrailRow:
    """One thing that happened. `at` is epoch milliseconds, UTC; `detail` is a flat JSON object."""

    seq: int
    at: int
    action: str
    actor: str
    subject: str
    outcome: str
    detail: str
    hash: str


@dataclass(frozen=True, slots=True)
class Verified:
    """The chain is whole: how many rows, and the hash to keep elsewhere."""

    rows: int
    last_hash: str


@dataclass(frozen=True, slots=True)
class Broken:
    """The chain does not hold from the row `seq` on."""

    seq: int
    reason: str


# ref: ECO.4.1.1, F42
def append(
    uow: UnitOfWork,
    action: str,
    *,
    actor: str,
    subject: str,
    outcome: str,
    detail: Mapping[str, str | int | bool | None] | None = None,
    clock: Clock = _CLOCK,
) -> None:
    """Adds a row in the caller's transaction: what is done and its trace are one.

    `action` is a dotted word (`message.delivered`), `actor` and `subject` are `kind:id` (`bal:12`, `mail:33`).
    """
    tail = uow.memo.get(_TAIL)
    if tail is None:
        row = uow.run(_LAST, {}).first()
        tail = (row.seq, row.hash) if row is not None else (0, _ORIGIN)
    seq, previous = tail[0] + 1, tail[1]
    at = clock.millis()
    text = json.dumps(detail or {}, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    digest = _digest(previous, seq, at, action, actor, subject, outcome, text)
    uow.run(
        _INSERT,
        {
            "seq": seq,
            "at": at,
            "action": action,
            "actor": actor,
            "subject": subject,
            "outcome": outcome,
            "detail": text,
            "hash": digest,
        },
    )
    uow.memo[_TAIL] = (seq, digest)


def _digest(previous: str, seq: int, at: int, *words: str) -> str:
    content = json.dumps([previous, seq, at, *words], ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(content.encode()).hexdigest()


def rows(connection: Connection, *, after: int = 0, limit: int | None = None) -> Iterator[TrailRow]:
    """The rows after `after`, oldest first."""
    statement = select(trail).where(trail.c.seq > after).order_by(trail.c.seq)
    if limit is not None:
        statement = statement.limit(limit)
    for row in connection.execute(statement.execution_options(yield_per=1000)):
        yield TrailRow(*row)


def last_rows(connection: Connection, limit: int) -> list[TrailRow]:
    """The `limit` newest rows, oldest first."""
    statement = select(trail).order_by(trail.c.seq.desc()).limit(limit)
    return [TrailRow(*row) for row in connection.execute(statement)][::-1]


def verify(connection: Connection) -> Verified | Broken:
    """Walks the whole chain and recomputes each hash."""
    previous, expected = _ORIGIN, 1
    for row in rows(connection):
        if row.seq != expected:
            return Broken(expected, f"row {expected} is missing")
        digest = _digest(
            previous, row.seq, row.at, row.action, row.actor, row.subject, row.outcome, row.detail
        )
        if digest != row.hash:
            return Broken(row.seq, f"row {row.seq} was changed, or the one before it")
        previous, expected = digest, expected + 1
    return Verified(expected - 1, previous)
