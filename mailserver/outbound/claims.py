"""Finds work in the queue and marks whose it is: what is due for a domain, what is too old, what a crash left behind."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sqlalchemy import and_, bindparam, delete, exists, func, or_, select, update

from foundation.prepared import run
from foundation.trail import trail
from mailserver.envelope import RecipientDsn
from mailserver.outbound.queue import RemoteRecipient
from mailserver.outbound.tables import (
    Stage,
    outbound_delivery,
    outbound_domain,
    outbound_message,
    outbound_recipient,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlalchemy import Connection

    from foundation.database import UnitOfWork

_D = outbound_delivery.c
_M = outbound_message.c
_R = outbound_recipient.c
_SWEPT = 50

_COLUMNS = (
    _D.message_id,
    _D.domain,
    _D.attempts,
    _D.stage,
    _D.code,
    _D.reply,
    _M.queue_id,
    _M.sender,
    _M.blob_id,
    _M.size,
    _M.arrived_at,
    _M.ret,
    _M.envid,
    _M.utf8,
)
_WAITING = select(*_COLUMNS).join(outbound_message, _M.id == _D.message_id).where(_D.claimed_by.is_(None))
_DUE = (
    _WAITING.where(_D.domain == bindparam("of"), _D.next_at <= bindparam("now"), _D.stage < Stage.DROPPED)
    .order_by(_D.next_at, _D.message_id)
    .limit(2)
)
_ONE = _WAITING.where(_D.message_id == bindparam("key"), _D.domain == bindparam("of"))
_RECIPIENTS = select(_R.address, _R.notify, _R.orcpt, _R.code, _R.reply).where(
    _R.message_id == bindparam("key"), _R.domain == bindparam("of")
)
_CLAIM = (
    update(outbound_delivery)
    .where(_D.message_id == bindparam("key"), _D.domain == bindparam("of"))
    .values(claimed_by=bindparam("by"))
)
_RECLAIM = update(outbound_delivery).where(_D.claimed_by == bindparam("by")).values(claimed_by=None)
_RELEASE = (
    update(outbound_delivery)
    .where(_D.message_id == bindparam("key"), _D.domain == bindparam("of"), _D.claimed_by == bindparam("by"))
    .values(claimed_by=None)
)

_EARLIEST = (
    select(func.min(_D.next_at))
    .where(_D.claimed_by.is_(None), _D.domain == outbound_domain.c.domain)
    .scalar_subquery()
)
_DESTINATIONS = select(
    outbound_domain.c.domain, outbound_domain.c.next_at, outbound_domain.c.failures, _EARLIEST
)
_FORGET = delete(outbound_domain).where(
    outbound_domain.c.next_at <= bindparam("now"),
    ~exists().where(_D.claimed_by.is_(None), _D.domain == outbound_domain.c.domain),
    outbound_domain.c.domain.not_in(select(_D.domain).where(_D.claimed_by > "")),
)

_CAUSE = select(outbound_domain.c.code, outbound_domain.c.reply).where(
    outbound_domain.c.domain == bindparam("of")
)

_TRIED = select(func.max(trail.c.at)).where(
    trail.c.subject == bindparam("subject"),
    trail.c.action == "message.deferred",
    trail.c.detail.contains(bindparam("where")),
)

# A message whose turn is now gets its turn first, however old it is: the service may have been down for days.
_NOT_DUE = or_(_D.next_at > bindparam("now"), outbound_domain.c.next_at > bindparam("now_again"))
_OLD = (
    select(_D.message_id, _D.domain)
    .join(outbound_domain, outbound_domain.c.domain == _D.domain)
    .where(_D.claimed_by.is_(None))
    .limit(_SWEPT)
)
_DROPPED = _OLD.where(_D.stage == Stage.DROPPED)
_EXPIRED = _OLD.where(
    or_(
        and_(_D.stage == Stage.WAITING, _D.arrived_at <= bindparam("expiry")),
        and_(_D.stage == Stage.WARNED, _D.arrived_at <= bindparam("expiry_again")),
    ),
    _NOT_DUE,
)
_LATE = _OLD.where(
    _D.stage == Stage.WAITING,
    _D.arrived_at <= bindparam("warning"),
    _D.arrived_at > bindparam("expiry"),
    _NOT_DUE,
)


@dataclass(frozen=True, slots=True)
class Waiting:
    """A recipient who is still to be reached, and why not yet where that is a matter of this one alone."""

    recipient: RemoteRecipient
    code: str | None = None
    reply: str | None = None


@dataclass(frozen=True, slots=True)
class Claimed:
    """A message on its way to one domain, in the hands of one process. Times are epoch ms."""

    message_id: int
    domain: str
    attempts: int
    stage: Stage
    code: str | None
    reply: str | None = field(repr=False)
    queue_id: str
    sender: str = field(repr=False)
    blob_id: int
    size: int
    arrived_at: int
    ret: str | None
    envid: str | None
    utf8: bool
    waiting: tuple[Waiting, ...] = field(repr=False)

    @property
    def recipients(self) -> tuple[RemoteRecipient, ...]:
        return tuple(each.recipient for each in self.waiting)

    @property
    def addresses(self) -> tuple[str, ...]:
        return tuple(each.recipient.address for each in self.waiting)


@dataclass(frozen=True, slots=True)
class Claim:
    """What is to be sent next for a domain, and whether more is due there."""

    claimed: Claimed | None
    has_more: bool


@dataclass(frozen=True, slots=True)
class Destination:
    """A domain of the queue. `not_before` is the end of its backoff, `earliest` when its first message is due."""

    domain: str
    not_before: int
    failures: int
    earliest: int | None


@dataclass(frozen=True, slots=True)
class Overdue:
    """Messages on which to decide without another attempt, as (message, domain)."""

    dropped: tuple[tuple[int, str], ...]
    expired: tuple[tuple[int, str], ...]
    late: tuple[tuple[int, str], ...]


def claim_next(uow: UnitOfWork, domain: str, name: str, now: int) -> Claim:
    """Claims the message for `domain` that has been due longest."""
    rows = list(uow.run(_DUE, {"of": domain, "now": now}))
    if not rows:
        return Claim(None, has_more=False)
    return Claim(_claim(uow, rows[0], name), has_more=len(rows) > 1)


def claim_these(uow: UnitOfWork, keys: Iterable[tuple[int, str]], name: str) -> list[Claimed]:
    """Claims those of `keys` that nobody has claimed or settled meanwhile."""
    found = []
    for message_id, domain in keys:
        row = uow.run(_ONE, {"key": message_id, "of": domain}).first()
        if row is not None:
            found.append(_claim(uow, row, name))
    return found


def cause_of_domain(uow: UnitOfWork, domain: str) -> tuple[str | None, str | None]:
    """Code and reply of the last failure to reach a domain at all."""
    row = uow.run(_CAUSE, {"of": domain}).first()
    return (row.code, row.reply) if row is not None else (None, None)


def tried_at(connection: Connection, claimed: Claimed) -> int | None:
    """When a message was last tried for its domain, by the trail; None: others found the domain out of reach."""
    names = {"subject": f"queue:{claimed.queue_id}", "where": f'"domain":"{claimed.domain}"'}
    at: int | None = connection.execute(_TRIED, names).scalar()
    return at


def release(uow: UnitOfWork, claimed: Claimed, name: str) -> None:
    """Puts back what was not tried; it counts as no attempt."""
    uow.run(_RELEASE, {"key": claimed.message_id, "of": claimed.domain, "by": name})


def reclaim(uow: UnitOfWork, name: str) -> None:
    """Puts back what a dead process of this name had in hand."""
    uow.run(_RECLAIM, {"by": name})


def forget_idle_domains(uow: UnitOfWork, now: int) -> None:
    """Removes domains for which nothing waits."""
    uow.run(_FORGET, {"now": now})


def destinations(connection: Connection) -> list[Destination]:
    """Every domain of the queue, in one query that looks at one message of each."""
    return [Destination(*row) for row in run(connection, _DESTINATIONS, {})]


def overdue(connection: Connection, now: int, *, warning: int, expiry: int) -> Overdue:
    """What arrived up to `warning` or `expiry` and is not to be tried now, some fifty of each kind at a time."""
    times = {"now": now, "now_again": now, "expiry": expiry}
    return Overdue(
        _keys(run(connection, _DROPPED, {})),
        _keys(run(connection, _EXPIRED, {**times, "expiry_again": expiry})),
        _keys(run(connection, _LATE, {**times, "warning": warning})),
    )


def _keys(rows: Iterable[Any]) -> tuple[tuple[int, str], ...]:
    return tuple((row[0], row[1]) for row in rows)


def _claim(uow: UnitOfWork, row: Any, name: str) -> Claimed:
    uow.run(_CLAIM, {"key": row.message_id, "of": row.domain, "by": name})
    return claimed_of(uow, row)


def claimed_of(uow: UnitOfWork, row: Any) -> Claimed:
    """The message of a row with its recipients."""
    waiting = tuple(
        Waiting(
            RemoteRecipient(
                each.address,
                row.domain,
                RecipientDsn(frozenset(filter(None, each.notify.split(","))), each.orcpt),
            ),
            each.code,
            each.reply,
        )
        for each in uow.run(_RECIPIENTS, {"key": row.message_id, "of": row.domain})
    )
    return Claimed(
        message_id=row.message_id,
        domain=row.domain,
        attempts=row.attempts,
        stage=Stage(row.stage),
        code=row.code,
        reply=row.reply,
        queue_id=row.queue_id,
        sender=row.sender,
        blob_id=row.blob_id,
        size=row.size,
        arrived_at=row.arrived_at,
        ret=row.ret,
        envid=row.envid,
        utf8=bool(row.utf8),
        waiting=waiting,
    )
