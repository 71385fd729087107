"""What a sender, or the operator, sees of messages that were sent: their states, in the order of time."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import ColumnElement, and_, bindparam, exists, or_, select

from directory.bals import bal
from foundation.clock import from_millis, to_paris
from mailserver.tracking.tables import tracked_message, tracked_recipient

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlalchemy import Connection

PAGE: Final = 50
_MAX_ID: Final = 998

_M = tracked_message.c
_R = tracked_recipient.c
_PERSON = bal.alias("person")
_MESSAGE = select(
    _M.id,
    _M.owner_id,
    _M.queue_id,
    _M.message_id,
    _M.subject,
    _M.size,
    _M.received_at,
    _M.checked_at,
    _M.alerted_at,
    bal.c.address.label("sender"),
    _PERSON.c.address.label("sent_by"),
)
_MESSAGE = _MESSAGE.outerjoin(bal, bal.c.owner_id == _M.owner_id).outerjoin(
    _PERSON, _PERSON.c.owner_id == _M.sent_by
)
_RECIPIENTS = (
    select(tracked_recipient)
    .where(_R.message_id.in_(bindparam("keys", expanding=True)))
    .order_by(_R.message_id, _R.address)
)


class Stage(StrEnum):
    """How far a message has come for one recipient; later members outweigh earlier ones."""

    RECEIVED = "received"
    CHECKED = "checked"
    QUEUED = "queued"
    DELAYED = "delayed"
    ACCEPTED = "accepted"
    """By the server of another operator."""
    DELIVERED = "delivered"
    FILED = "filed"
    """Taken into the record of the patient or the structure."""
    READ = "read"
    REFUSED = "refused"
    """By the record; `record_code` is 900 to 906."""
    FAILED = "failed"


class Filter(StrEnum):
    """Which messages a list shows."""

    ALL = "tous"
    WAITING = "en-attente"
    """Somebody has it neither in a box nor on another operator's server, and it has not failed; or an answer that
    was asked for has not come.
    """
    PROBLEM = "problemes"
    """Failed or refused for somebody, or nothing came back in time."""
    READ = "lus"
    """Read, or filed, for somebody."""


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened; `at` is epoch ms."""

    stage: Stage
    at: int


@dataclass(frozen=True, slots=True)
class Recipient:
    """What became of a message for one recipient."""

    address: str = field(repr=False)
    stage: Stage
    events: tuple[Event, ...]
    is_awaited: bool
    """Whether an answer that was asked for has not come."""
    server: str | None
    code: str | None
    """Why late, or why not: of the table of refusals."""
    reply: str | None = field(repr=False)
    """What the other server said."""
    record_code: str | None


@dataclass(frozen=True, slots=True)
class Message:
    """A message that a box sent. `sender`, in whose name, is None for a patient's answer. Times are epoch ms."""

    id: int
    owner_id: int
    queue_id: str
    message_id: str | None
    subject: str = field(repr=False)
    size: int
    received_at: int
    checked_at: int
    alerted_at: int | None
    """When nothing had come back in time; the alert stands while a recipient is awaited."""
    sender: str | None = field(repr=False)
    sent_by: str | None = field(repr=False)
    """The box of the person who sent it, where it is in the name of another."""
    recipients: tuple[Recipient, ...]

    @property
    def is_alert(self) -> bool:
        """Whether an answer is still missing after its time."""
        return self.alerted_at is not None and any(each.is_awaited for each in self.recipients)


_TIMES: Final = (
    (Stage.QUEUED, "queued_at"),
    (Stage.DELAYED, "delayed_at"),
    (Stage.ACCEPTED, "accepted_at"),
    (Stage.DELIVERED, "delivered_at"),
    (Stage.FILED, "filed_at"),
    (Stage.READ, "read_at"),
    (Stage.REFUSED, "refused_at"),
    (Stage.FAILED, "failed_at"),
)


# ref: SC.MSS/UX.37
def find(connection: Connection, name: str, owner_id: int | None = None) -> list[Message]:
    """The messages of a box by queue id or Message-ID, newest first; of every box where `owner_id` is None.

    Its own are those in its name, and those that its bearer sent in the name of another.
    The angle brackets of a Message-ID may be left out.
    """
    if not 0 < len(name) <= _MAX_ID:
        return []
    bare = name.removeprefix("<").removesuffix(">")
    statement = _MESSAGE.where(or_(_M.queue_id == name, _M.message_id == f"<{bare}>"))
    if owner_id is not None:
        statement = statement.where(or_(_M.owner_id == owner_id, _M.sent_by == owner_id))
    return _messages(connection, connection.execute(statement.order_by(_M.id.desc()).limit(PAGE)))


def by_row(connection: Connection, key: int) -> Message | None:
    """One message by its row."""
    return next(iter(_messages(connection, connection.execute(_MESSAGE.where(_M.id == key)))), None)


def list_sent(
    connection: Connection, owner_id: int, shown: Filter = Filter.ALL, *, before: int | None = None
) -> list[Message]:
    """The newest messages of a box as `find` knows them, at most PAGE; `before` is the row to go on from."""
    statement = _MESSAGE.order_by(_M.id.desc()).limit(PAGE)
    if before is not None:
        statement = statement.where(_M.id < before)
    if shown is not Filter.ALL:
        statement = statement.where(_SHOWN[shown])
    # Two queries: each reads its index in order and stops, which one with OR could not.
    rows = [
        row
        for column in (_M.owner_id, _M.sent_by)
        for row in connection.execute(statement.where(column == owner_id))
    ]
    return _messages(connection, sorted(rows, key=lambda row: -row.id)[:PAGE])


def as_json(message: Message) -> dict[str, Any]:
    """A message as programs read it; times are RFC 3339 with the offset of Paris (ECO.4.1.2). No subject."""
    return {
        "id": message.queue_id,
        "message_id": message.message_id,
        "from": message.sender,
        "sent_by": message.sent_by,
        "size": message.size,
        "alert": _time(message.alerted_at) if message.is_alert and message.alerted_at is not None else None,
        "events": [
            {"event": Stage.RECEIVED.value, "at": _time(message.received_at)},
            {"event": Stage.CHECKED.value, "at": _time(message.checked_at)},
        ],
        "recipients": [
            {
                "address": each.address,
                "state": each.stage.value,
                "awaited": each.is_awaited,
                "events": [{"event": event.stage.value, "at": _time(event.at)} for event in each.events],
                "server": each.server,
                "code": each.code,
                "reply": each.reply,
                "record_code": each.record_code,
            }
            for each in message.recipients
        ],
    }


def _time(millis: int) -> str:
    return to_paris(from_millis(millis)).isoformat(timespec="milliseconds")


def _any(*conditions: ColumnElement[bool]) -> ColumnElement[bool]:
    return exists().where(_R.message_id == _M.id, *conditions)


_SHOWN: Final = {
    Filter.WAITING: _any(
        or_(and_(_R.accepted_at.is_(None), _R.delivered_at.is_(None), _R.failed_at.is_(None)), _R.awaits > 0)
    ),
    Filter.PROBLEM: or_(
        _any(or_(_R.failed_at.is_not(None), _R.refused_at.is_not(None))),
        and_(_M.alerted_at.is_not(None), _any(_R.awaits > 0)),
    ),
    Filter.READ: _any(or_(_R.read_at.is_not(None), _R.filed_at.is_not(None))),
}


def _messages(connection: Connection, rows: Iterable[Any]) -> list[Message]:
    found = list(rows)
    recipients: dict[int, list[Recipient]] = {row.id: [] for row in found}
    for each in connection.execute(_RECIPIENTS, {"keys": list(recipients)}) if found else ():
        recipients[each.message_id].append(_recipient(each))
    return [Message(**row._mapping, recipients=tuple(recipients[row.id])) for row in found]


def _recipient(row: Any) -> Recipient:
    events = [Event(stage, at) for stage, name in _TIMES if (at := getattr(row, name)) is not None]
    stage = max((event.stage for event in events), key=list(Stage).index, default=Stage.CHECKED)
    return Recipient(
        row.address,
        stage,
        tuple(sorted(events, key=lambda event: event.at)),
        bool(row.awaits),
        row.server,
        row.code,
        row.reply,
        row.record_code,
    )
