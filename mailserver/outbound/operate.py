"""What an operator may see of the queue and do to it, also from another process than the one that sends.

A list shows no address: who writes to whom is looked up for one message at a time.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, select, update

from foundation import trail
from mailserver.outbound.queue import TOPIC
from mailserver.outbound.tables import (
    Stage,
    outbound_delivery,
    outbound_domain,
    outbound_message,
    outbound_recipient,
)

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement, Connection

    from foundation.clock import Clock
    from foundation.database import UnitOfWork

_D = outbound_delivery.c
_M = outbound_message.c
_R = outbound_recipient.c
_O = outbound_domain.c

_RECIPIENTS = (
    select(func.count())
    .select_from(outbound_recipient)
    .where(_R.message_id == _D.message_id, _R.domain == _D.domain)
    .scalar_subquery()
)
_QUEUED = (
    select(
        _M.queue_id,
        _D.domain,
        _M.origin,
        _M.arrived_at,
        _M.size,
        _RECIPIENTS.label("recipients"),
        _D.attempts,
        _D.stage,
        _D.claimed_by,
        _D.next_at,
        _D.code,
        _D.reply,
        _O.next_at.label("domain_next_at"),
        _O.failures,
        _O.code.label("domain_code"),
        _O.reply.label("domain_reply"),
        _M.sender,
        _D.message_id,
    )
    .join(outbound_message, _M.id == _D.message_id)
    .join(outbound_domain, _O.domain == _D.domain)
    .order_by(_M.arrived_at, _M.id, _D.domain)
)


@dataclass(frozen=True, slots=True)
class Queued:
    """A message on its way to one domain. Times are epoch ms; `next_at` is when it may be tried next."""

    queue_id: str
    domain: str
    origin: str
    state: str
    """sending, waiting, warned (and waiting), dropped (and its sender not told yet)."""
    arrived_at: int
    size: int
    recipients: int
    attempts: int
    next_at: int
    code: str | None
    """The last cause, its own or that of the domain."""
    reply: str | None = field(repr=False)
    sender: str = field(repr=False)
    message_id: int


@dataclass(frozen=True, slots=True)
class QueuedRecipient:
    """Somebody who still waits for a message, and why where that is a matter of this one alone."""

    address: str = field(repr=False)
    domain: str
    code: str | None
    reply: str | None = field(repr=False)


def list_queued(connection: Connection, *, domain: str | None = None, limit: int = 10_000) -> list[Queued]:
    """What waits, oldest first; for one domain where that is given."""
    statement = _QUEUED.limit(limit)
    if domain is not None:
        statement = statement.where(_D.domain == domain)
    return [_queued(row) for row in connection.execute(statement)]


def find_queued(connection: Connection, queue_id: str) -> list[Queued]:
    """One message, once for each domain it still waits for; empty when it is not there (any more)."""
    return [_queued(row) for row in connection.execute(_QUEUED.where(_M.queue_id == queue_id))]


def recipients_of(connection: Connection, queue_id: str) -> list[QueuedRecipient]:
    """Who still waits for a message."""
    statement = (
        select(_R.address, _R.domain, _R.code, _R.reply)
        .join(outbound_message, _M.id == _R.message_id)
        .where(_M.queue_id == queue_id)
        .order_by(_R.domain, _R.address)
    )
    return [QueuedRecipient(*row) for row in connection.execute(statement)]


def retry_message(uow: UnitOfWork, queue_id: str, clock: Clock) -> int:
    """Lets one message be tried now, for each of its domains; how many that are."""
    mine = _D.message_id.in_(select(_M.id).where(_M.queue_id == queue_id))
    domains = set(uow.execute(select(_D.domain).where(mine)).scalars())
    return _retry(uow, mine, _O.domain.in_(domains), f"queue:{queue_id}", clock) if domains else 0


def retry_domain(uow: UnitOfWork, domain: str, clock: Clock) -> int:
    """Lets everything for a domain be tried now; how many messages that are."""
    return _retry(uow, _D.domain == domain, _O.domain == domain, "queue:domain", clock, domain=domain)


def retry_all(uow: UnitOfWork, clock: Clock) -> int:
    """Lets everything be tried now; how many that are, counted once for each domain."""
    return _retry(uow, _D.message_id.is_not(None), _O.domain.is_not(None), "queue:all", clock)


def mark_dropped(uow: UnitOfWork, queue_id: str, clock: Clock) -> list[tuple[int, str]]:
    """Takes a message out, for every domain it still waits for; what is on the wire at this moment may still arrive.

    The keys are for `Sweeper.drop`, which tells the sender. A dispatcher that runs does it too.
    """
    ids = select(_M.id).where(_M.queue_id == queue_id)
    keys = [tuple(row) for row in uow.execute(select(_D.message_id, _D.domain).where(_D.message_id.in_(ids)))]
    if keys:
        uow.execute(update(outbound_delivery).where(_D.message_id.in_(ids)).values(stage=int(Stage.DROPPED)))
        _trace(uow, "queue.dropped", f"queue:{queue_id}", len(keys), clock)
        uow.publish(TOPIC)
    return [(int(message_id), str(domain)) for message_id, domain in keys]


def _retry(
    uow: UnitOfWork,
    which: ColumnElement[bool],
    whose: ColumnElement[bool],
    subject: str,
    clock: Clock,
    domain: str | None = None,
) -> int:
    found = uow.execute(
        update(outbound_delivery).where(which, _D.stage != int(Stage.DROPPED)).values(next_at=0)
    )
    uow.execute(update(outbound_domain).where(whose).values(next_at=0, failures=0))
    if found.rowcount:
        _trace(uow, "queue.retried", subject, found.rowcount, clock, domain)
        uow.publish(TOPIC)
    return found.rowcount


def _trace(
    uow: UnitOfWork, action: str, subject: str, count: int, clock: Clock, domain: str | None = None
) -> None:
    detail: dict[str, str | int | bool | None] = {"deliveries": count}
    if domain is not None:
        detail["domain"] = domain
    trail.append(uow, action, actor="operator", subject=subject, outcome="ok", detail=detail, clock=clock)


def _queued(row: Any) -> Queued:
    stage = Stage(row.stage)
    if stage is Stage.DROPPED:
        state = "dropped"
    elif row.claimed_by is not None:
        state = "sending"
    else:
        state = stage.name.lower()
    return Queued(
        queue_id=row.queue_id,
        domain=row.domain,
        origin=row.origin,
        state=state,
        arrived_at=row.arrived_at,
        size=row.size,
        recipients=row.recipients,
        attempts=row.attempts,
        next_at=max(row.next_at, row.domain_next_at),
        code=row.code or row.domain_code,
        reply=row.reply if row.code else row.domain_reply,
        sender=row.sender,
        message_id=row.message_id,
    )
