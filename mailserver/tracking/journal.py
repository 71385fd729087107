"""Writes what happens to a message, for its sender, in the transaction that makes it true."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sqlalchemy import bindparam, func, insert, select, update

from directory.bals import bal
from mailserver.tracking import months
from mailserver.tracking.tables import Awaited, tracked_message, tracked_recipient

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from foundation.database import UnitOfWork
    from foundation.mime.mss_headers import MssHeader, Outcome

_M = tracked_message.c
_R = tracked_recipient.c

_INSERT = insert(tracked_message)
_INSERT_RECIPIENT = insert(tracked_recipient)
_ID = select(_M.id).where(_M.queue_id == bindparam("queue")).limit(1)
_OF = (_R.message_id == bindparam("key"), _R.address == bindparam("who"))
_ACCEPTED = (
    update(tracked_recipient)
    .where(*_OF)
    .values(
        accepted_at=func.coalesce(_R.accepted_at, bindparam("at")),
        server=bindparam("by"),
        code=None,
        reply=None,
        awaits=_R.awaits.op("&")(bindparam("still")),
    )
)
_DELAYED = (
    update(tracked_recipient)
    .where(*_OF)
    .values(delayed_at=bindparam("at"), code=bindparam("cause"), reply=bindparam("said"))
)
_FAILED = (
    update(tracked_recipient)
    .where(*_OF, _R.failed_at.is_(None))
    .values(
        failed_at=bindparam("at"),
        code=bindparam("cause"),
        reply=bindparam("said"),
        awaits=int(Awaited.NOTHING),
    )
)
_IN_RECORD = (_R.message_id == bindparam("key"), _R.box_id == bindparam("box"))
_FILED = (
    update(tracked_recipient)
    .where(*_IN_RECORD)
    .values(filed_at=func.coalesce(_R.filed_at, bindparam("at")), awaits=int(Awaited.NOTHING))
)
_REFUSED = (
    update(tracked_recipient)
    .where(*_IN_RECORD)
    .values(
        refused_at=func.coalesce(_R.refused_at, bindparam("at")),
        record_code=bindparam("cause"),
        awaits=int(Awaited.NOTHING),
    )
)
_COUNTED = (
    select(_M.id, _M.received_at, _M.nil, _M.judged, bal.c.address, bal.c.type)
    .join(bal, bal.c.owner_id == _M.owner_id)
    .where(_M.id == bindparam("key"))
)
_JUDGED = update(tracked_message).where(_M.id == bindparam("key")).values(judged=1)


@dataclass(frozen=True, slots=True)
class Submitted:
    """A message that a box, or a patient, handed in. Times are epoch ms; `due_at` where an answer was asked for."""

    owner_id: int
    queue_id: str
    message_id: str | None
    envid: str | None
    subject: str = field(repr=False)
    size: int
    received_at: int
    checked_at: int
    nil: str
    judged: bool
    due_at: int | None
    sent_by: int | None = None
    """The owner of the box of who handed it in, where it is in the name of another."""


@dataclass(frozen=True, slots=True)
class Addressee:
    """One recipient as the transaction of the delivery leaves it. `box_id` is the owner of a box that is here."""

    address: str = field(repr=False)
    box_id: int | None = None
    awaits: Awaited = Awaited.NOTHING
    queued_at: int | None = None
    delivered_at: int | None = None
    failed_at: int | None = None
    code: str | None = None


@dataclass(frozen=True, slots=True)
class Setback:
    """A recipient who was not reached, with the code of the refusal and the words of the other server."""

    address: str = field(repr=False)
    code: str | None
    reply: str | None = field(default=None, repr=False)


def submitted(uow: UnitOfWork, message: Submitted, addressees: Sequence[Addressee]) -> None:
    """A message is on disk, delivered or queued."""
    key = uow.run(
        _INSERT,
        {
            "owner_id": message.owner_id,
            "queue_id": message.queue_id,
            "message_id": message.message_id,
            "envid": message.envid,
            "subject": message.subject,
            "size": message.size,
            "received_at": message.received_at,
            "checked_at": message.checked_at,
            "nil": message.nil,
            "judged": int(message.judged),
            "due_at": message.due_at,
            "sent_by": message.sent_by,
        },
    ).inserted_id
    uow.run_each(
        _INSERT_RECIPIENT,
        [
            {
                "message_id": key,
                "address": each.address[:320],
                "box_id": each.box_id,
                "awaits": int(each.awaits),
                "queued_at": each.queued_at,
                "delivered_at": each.delivered_at,
                "failed_at": each.failed_at,
                "code": each.code,
            }
            for each in addressees
        ],
    )


def accepted(
    uow: UnitOfWork, queue_id: str, addresses: Iterable[str], server: str | None, at: int, *, confirms: bool
) -> None:
    """Another operator took the message; one that does not confirm will say no more (RFC 3461 §5.2.2)."""
    key = _key(uow, queue_id)
    if key is None:
        return
    still = int(Awaited.DELIVERY | Awaited.DISPOSITION if confirms else Awaited.DISPOSITION)
    by = server[:255] if server is not None else None
    uow.run_each(
        _ACCEPTED,
        [{"key": key, "who": address, "at": at, "by": by, "still": still} for address in addresses],
    )


def delayed(uow: UnitOfWork, queue_id: str, setbacks: Iterable[Setback], at: int) -> None:
    """The message could not be brought to these now."""
    key = _key(uow, queue_id)
    if key is not None:
        uow.run_each(_DELAYED, [_values(key, each, at) for each in setbacks])


def failed(uow: UnitOfWork, queue_id: str, setbacks: Iterable[Setback], at: int) -> None:
    """The message will not reach these; each is counted once."""
    key = _key(uow, queue_id)
    if key is not None:
        failed_of(uow, key, setbacks, at)


def failed_of(uow: UnitOfWork, key: int, setbacks: Iterable[Setback], at: int) -> None:
    """As `failed`, by the message's row."""
    count = sum(uow.run(_FAILED, _values(key, each, at)).rowcount for each in setbacks)
    row = uow.run(_COUNTED, {"key": key}).first() if count else None
    if row is not None:
        months.count_bounced(uow, row.received_at, _domain(row.address), row.type, row.nil, count)


def recorded(uow: UnitOfWork, queue_id: str, box_id: int, refused: str | None, at: int) -> None:
    """The record of a patient here took the documents, or refused one with this code."""
    key = _key(uow, queue_id)
    if key is None:
        return
    names: dict[str, int | str] = {"key": key, "box": box_id, "at": at}
    if refused is None:
        uow.run(_FILED, names)
    else:
        uow.run(_REFUSED, {**names, "cause": refused})


def judged(uow: UnitOfWork, queue_id: str, outcomes: Mapping[MssHeader, Outcome]) -> bool:
    """Counts what the X-MSS fields were worth beside the documents, once a message; whether it was counted now."""
    key = _key(uow, queue_id)
    row = uow.run(_COUNTED, {"key": key}).first() if key is not None else None
    if row is None or row.judged:
        return False
    uow.run(_JUDGED, {"key": row.id})
    months.count_outcomes(uow, row.received_at, _domain(row.address), row.type, row.nil, outcomes)
    return True


def _key(uow: UnitOfWork, queue_id: str) -> int | None:
    row = uow.run(_ID, {"queue": queue_id}).first()
    return row.id if row is not None else None


def _values(key: int, setback: Setback, at: int) -> dict[str, int | str | None]:
    said = setback.reply[:512] if setback.reply is not None else None
    return {"key": key, "who": setback.address, "at": at, "cause": setback.code, "said": said}


def _domain(address: str) -> str:
    return address.rpartition("@")[2]
