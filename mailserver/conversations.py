"""The patient's side of mail: messages threaded into conversations, and who may still be answered.

Only a professional begins an exchange and only a professional ends one (Mon espace santé, ENS v1.3 §7): by
`X-MSS-MES: FIN` on a message, or by a message whose subject is exactly `[FIN]`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    String,
    Table,
    and_,
    bindparam,
    func,
    insert,
    or_,
    select,
    update,
)

from directory.correspondents import Correspondent, correspondent, correspondents
from foundation.database import identity, metadata
from mailserver.refusals import (
    EXCHANGE_ENDED,
    PATIENT_MAY_NOT_BEGIN,
    REPLY_NOT_ALLOWED,
    UNKNOWN_CONVERSATION,
    Refusal,
)
from mailserver.store.tables import mail

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from directory.annuaire.view import View
    from foundation.database import UnitOfWork

conversation_table = Table(
    "conversation",
    metadata,
    identity("id"),
    Column("owner_id", ForeignKey("vault_owner.id", ondelete="CASCADE"), nullable=False),
    Column("counterpart", String(320), nullable=False),
    Column("subject", String(998), nullable=False),
    Column("thread_key", String(998), nullable=False),
    Column("ended_by", String(320)),
    Column("ending", String(16)),
    Column("last_at", BigInteger, nullable=False),
    Column("unread", Integer, nullable=False),
    Index("conversation_by_owner", "owner_id", "last_at"),
    Index("conversation_by_thread", "owner_id", "counterpart", "thread_key"),
)
conversation_item = Table(
    "conversation_item",
    metadata,
    Column("conversation_id", ForeignKey("conversation.id", ondelete="CASCADE"), primary_key=True),
    Column("mail_id", ForeignKey("mail.id", ondelete="CASCADE"), primary_key=True),
    Column("owner_id", BigInteger, nullable=False),
    Column("direction", String(4), nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("can_reply", Boolean, nullable=False),
    Column("message_id", String(998)),
    Index("conversation_item_by_message_id", "owner_id", "message_id"),
)

_STRUCTURED = re.compile(r"XDM/1\.0/DDM\+?\s*")
_REPLY_WORD = re.compile(r"(?:re|ré|rép|tr|fw|fwd)\s?:\s*", re.IGNORECASE)
_REPLACEMENT = re.compile(r"\[annule et remplace\]\s*", re.IGNORECASE)
_MAX_PREFIXES = 16
_MAX_REFERENCES = 50
_UNTITLED = "(sans objet)"

_c = conversation_table.c
_i = conversation_item.c

_BY_REFERENCES = (
    select(_c.id)
    .join(conversation_item, _i.conversation_id == _c.id)
    .where(
        _i.owner_id == bindparam("owner"),
        _i.message_id.in_(bindparam("references", expanding=True)),
        _c.counterpart == bindparam("counterpart_"),
    )
    .order_by(_i.at.desc())
    .limit(1)
)
_BY_SUBJECT = (
    select(_c.id)
    .where(
        _c.owner_id == bindparam("owner"),
        _c.counterpart == bindparam("counterpart_"),
        _c.thread_key == bindparam("key"),
    )
    .order_by(_c.last_at.desc())
    .limit(1)
)
_LATEST_WITH = (
    select(_c.id)
    .where(_c.owner_id == bindparam("owner"), _c.counterpart == bindparam("counterpart_"))
    .order_by(_c.last_at.desc())
    .limit(1)
)
_INSERT = insert(conversation_table)
_INSERT_ITEM = insert(conversation_item)
_RECEIVE = (
    update(conversation_table)
    .where(_c.id == bindparam("conversation"))
    .values(
        last_at=bindparam("at_"),
        unread=_c.unread + 1,
        ended_by=bindparam("by"),
        ending=bindparam("how"),
    )
)
_END_ALL = (
    update(conversation_table)
    .where(_c.owner_id == bindparam("owner"), _c.counterpart == bindparam("counterpart_"))
    .values(ended_by=bindparam("counterpart_"), ending="exchange")
)
_SENT = update(conversation_table).where(_c.id == bindparam("conversation")).values(last_at=bindparam("at_"))
_STATE = select(_c.ended_by, _c.ending).where(
    _c.id == bindparam("conversation"), _c.owner_id == bindparam("owner")
)
_STATES_WITH = select(_c.ending).where(
    _c.owner_id == bindparam("owner"), _c.counterpart == bindparam("counterpart_")
)
_SENT_AS = (
    select(_i.conversation_id)
    .where(
        _i.owner_id == bindparam("owner"),
        _i.message_id == bindparam("message_id_"),
        _i.direction == "out",
    )
    .limit(1)
)
_NOTICED = (
    update(conversation_table)
    .where(_c.id == bindparam("conversation"))
    .values(last_at=bindparam("at_"), unread=_c.unread + 1)
)
_MARK_READ = (
    update(conversation_table)
    .where(_c.id == bindparam("conversation"), _c.owner_id == bindparam("owner"), _c.unread > 0)
    .values(unread=0)
)


class Ending(StrEnum):
    """How a professional closed the door: on one message, or on everything before it."""

    MESSAGE = "message"
    EXCHANGE = "exchange"


class Direction(StrEnum):
    """Seen from the patient."""

    IN = "in"
    OUT = "out"
    NOTICE = "note"
    """What the mail system says of a message that the patient sent."""


@dataclass(frozen=True, slots=True)
class Received:
    """A message that a patient got, as far as conversations care.

    `counterpart` is the box an answer goes to; `references` are message ids, oldest first; `at` is epoch ms.
    """

    mail_id: int
    counterpart: str
    subject: str = field(repr=False)
    message_id: str | None
    references: tuple[str, ...]
    at: int
    ending: Ending | None = None
    is_automatic: bool = False
    """A program answered in the professional's place: that opens no door again."""


@dataclass(frozen=True, slots=True)
class Item:
    """One message of a conversation. `subject` has no structured prefix; the body is the vault's `blob_id`."""

    mail_id: int
    blob_id: int
    direction: Direction
    at: int
    can_reply: bool
    message_id: str | None
    subject: str = field(repr=False)
    size: int


@dataclass(frozen=True, slots=True)
class Conversation:
    """One exchange with one counterpart. `items` are oldest first, and empty in a list of conversations."""

    id: int
    counterpart: Correspondent
    subject: str = field(repr=False)
    ended_by: str | None
    ending: Ending | None
    last_at: int
    unread: int
    items: tuple[Item, ...] = ()


# ref: ECO.3.1.3
def shown_subject(subject: str) -> str:
    """A subject as a person reads it: without `XDM/1.0/DDM+` (ECO.3.1.3), wherever reply words left it."""
    prefixes, rest = _split_prefixes(subject)
    kept = "".join(prefix for prefix in prefixes if not _STRUCTURED.fullmatch(prefix))
    return " ".join((kept + rest).split()) or _UNTITLED


def thread_key(subject: str) -> str:
    """What two subjects of one exchange have in common: the words after every prefix, in one case."""
    _, rest = _split_prefixes(subject)
    return " ".join(rest.split()).casefold()[:998]


def _split_prefixes(subject: str) -> tuple[list[str], str]:
    rest = subject[:4096].strip()
    prefixes: list[str] = []
    for _ in range(_MAX_PREFIXES):
        match = _STRUCTURED.match(rest) or _REPLY_WORD.match(rest) or _REPLACEMENT.match(rest)
        if match is None:
            break
        prefixes.append(match.group())
        rest = rest[match.end() :]
    return prefixes, rest


def _title(subject: str) -> str:
    prefixes, rest = _split_prefixes(subject)
    kept = "".join(prefix for prefix in prefixes if _REPLACEMENT.fullmatch(prefix))
    return (" ".join((kept + rest).split()) or _UNTITLED)[:998]


# ref: F30
def receive(uow: UnitOfWork, owner_id: int, received: Received) -> int:
    """Puts a delivered message into its conversation, in the delivery's transaction; returns the conversation."""
    names = {"owner": owner_id, "counterpart_": received.counterpart}
    if received.ending is Ending.EXCHANGE:
        uow.execute(_END_ALL, names)
    found = _find(uow, owner_id, received)
    ended_by = received.counterpart if received.ending is not None else None
    if found is None:
        result = uow.execute(
            _INSERT,
            {
                "owner_id": owner_id,
                "counterpart": received.counterpart,
                "subject": _title(received.subject),
                "thread_key": thread_key(received.subject),
                "ended_by": ended_by,
                "ending": received.ending,
                "last_at": received.at,
                "unread": 1,
            },
        )
        assert result.inserted_primary_key is not None
        found = int(result.inserted_primary_key[0])
    elif received.is_automatic:
        uow.execute(_NOTICED, {"conversation": found, "at_": received.at})
    else:
        # An ordinary message opens the door again: ended_by and ending become NULL.
        uow.execute(
            _RECEIVE,
            {"conversation": found, "at_": received.at, "by": ended_by, "how": received.ending},
        )
    _add_item(uow, owner_id, found, received, Direction.IN)
    return found


def _find(uow: UnitOfWork, owner_id: int, received: Received) -> int | None:
    names = {"owner": owner_id, "counterpart_": received.counterpart}
    found: int | None = None
    if received.references:
        references = received.references[-_MAX_REFERENCES:]
        found = uow.execute(_BY_REFERENCES, {**names, "references": references}).scalar()
    if found is None and received.ending is Ending.EXCHANGE:
        # « [FIN] » is no subject of its own: it closes what was said last.
        return uow.execute(_LATEST_WITH, names).scalar()
    if found is None:
        found = uow.execute(_BY_SUBJECT, {**names, "key": thread_key(received.subject)}).scalar()
    return found


def _add_item(
    uow: UnitOfWork, owner_id: int, conversation_id: int, received: Received, direction: Direction
) -> None:
    uow.execute(
        _INSERT_ITEM,
        {
            "conversation_id": conversation_id,
            "mail_id": received.mail_id,
            "owner_id": owner_id,
            "direction": direction,
            "at": received.at,
            "can_reply": direction is Direction.IN and received.ending is None,
            "message_id": received.message_id,
        },
    )


def add_sent(uow: UnitOfWork, owner_id: int, conversation_id: int, sent: Received) -> None:
    """Adds the patient's own message to a conversation, in the transaction that delivers it."""
    uow.execute(_SENT, {"conversation": conversation_id, "at_": sent.at})
    _add_item(uow, owner_id, conversation_id, sent, Direction.OUT)


def add_notice(uow: UnitOfWork, owner_id: int, mail_id: int, about: str, at: int) -> None:
    """Shows a report in the conversation of the message it is about; who may answer stays as it was.

    `about` is the message id. A report on what is in no conversation of this patient is shown in none.
    """
    found = uow.execute(_SENT_AS, {"owner": owner_id, "message_id_": about}).scalar()
    if found is None:
        return
    uow.execute(_NOTICED, {"conversation": found, "at_": at})
    _add_item(uow, owner_id, found, Received(mail_id, "", "", None, (), at), Direction.NOTICE)


def may_reply(connection: Connection, owner_id: int, conversation_id: int) -> Refusal | None:
    """None when the patient may answer in this conversation, else why not."""
    row = connection.execute(_STATE, {"conversation": conversation_id, "owner": owner_id}).first()
    return UNKNOWN_CONVERSATION if row is None else _closed(row.ending)


def may_write_to(connection: Connection, owner_id: int, counterpart: str) -> Refusal | None:
    """None when that professional has written to the patient and left at least one exchange open."""
    endings = (
        connection.execute(_STATES_WITH, {"owner": owner_id, "counterpart_": counterpart}).scalars().all()
    )
    if not endings:
        return PATIENT_MAY_NOT_BEGIN
    if None in endings:
        return None
    return EXCHANGE_ENDED if Ending.EXCHANGE in endings else REPLY_NOT_ALLOWED


def _closed(ending: str | None) -> Refusal | None:
    if ending is None:
        return None
    return REPLY_NOT_ALLOWED if ending == Ending.MESSAGE else EXCHANGE_ENDED


def mark_read(uow: UnitOfWork, owner_id: int, conversation_id: int) -> None:
    """The patient has seen the conversation."""
    if uow.execute(_MARK_READ, {"conversation": conversation_id, "owner": owner_id}).rowcount:
        uow.publish(f"owner:{owner_id}")


def unread_count(connection: Connection, owner_id: int) -> int:
    """Unread messages over all conversations of a patient."""
    total = connection.execute(select(func.sum(_c.unread)).where(_c.owner_id == owner_id)).scalar()
    return int(total or 0)


def list_conversations(
    connection: Connection,
    owner_id: int,
    *,
    limit: int = 50,
    before: int | None = None,
    view: View | None = None,
) -> list[Conversation]:
    """The newest conversations first; `before` is the id of the last one already shown.

    `view` tells who the counterparts are.
    """
    statement = select(conversation_table).where(_c.owner_id == owner_id)
    if before is not None:
        shown = connection.execute(
            select(_c.last_at).where(_c.id == before, _c.owner_id == owner_id)
        ).scalar()
        if shown is None:
            return []
        statement = statement.where(or_(_c.last_at < shown, and_(_c.last_at == shown, _c.id < before)))
    rows = connection.execute(statement.order_by(_c.last_at.desc(), _c.id.desc()).limit(limit)).all()
    people = correspondents(connection, view, {row.counterpart for row in rows})
    return [
        Conversation(
            row.id,
            people[row.counterpart],
            row.subject,
            row.ended_by,
            Ending(row.ending) if row.ending is not None else None,
            row.last_at,
            row.unread,
        )
        for row in rows
    ]


def conversation(
    connection: Connection, owner_id: int, conversation_id: int, *, view: View | None = None
) -> Conversation | None:
    """One conversation with its messages, oldest first; None when this patient has none of that id."""
    row = connection.execute(
        select(conversation_table).where(_c.id == conversation_id, _c.owner_id == owner_id)
    ).first()
    if row is None:
        return None
    items = connection.execute(
        select(
            _i.mail_id,
            mail.c.blob_id,
            _i.direction,
            _i.at,
            _i.can_reply,
            _i.message_id,
            mail.c.subject,
            mail.c.size,
        )
        .join(mail, mail.c.id == _i.mail_id)
        .where(_i.conversation_id == conversation_id)
        .order_by(_i.at, _i.mail_id)
    ).all()
    return Conversation(
        row.id,
        correspondent(connection, view, row.counterpart),
        row.subject,
        row.ended_by,
        Ending(row.ending) if row.ending is not None else None,
        row.last_at,
        row.unread,
        tuple(
            Item(
                item.mail_id,
                item.blob_id,
                Direction(item.direction),
                item.at,
                item.can_reply,
                item.message_id,
                shown_subject(item.subject),
                item.size,
            )
            for item in items
        ),
    )


@dataclass(frozen=True, slots=True)
class Basis:
    """What an answer builds on: to whom, the subject as received, and the message ids, oldest first.

    `in_reply_to` is the newest message that the patient received.
    """

    counterpart: str
    subject: str = field(repr=False)
    in_reply_to: str | None
    references: tuple[str, ...]


def basis_of(connection: Connection, owner_id: int, conversation_id: int) -> Basis | None:
    """The basis of an answer (RFC 5322 §3.6.4); None when this patient has no such conversation."""
    row = connection.execute(
        select(_c.counterpart, _c.subject).where(_c.id == conversation_id, _c.owner_id == owner_id)
    ).first()
    if row is None:
        return None
    items = connection.execute(
        select(_i.message_id, _i.direction, mail.c.subject)
        .join(mail, mail.c.id == _i.mail_id)
        .where(_i.conversation_id == conversation_id)
        .order_by(_i.at.desc(), _i.mail_id.desc())
        .limit(_MAX_REFERENCES)
    ).all()
    received = [item for item in items if item.direction == Direction.IN]
    ids = [item.message_id for item in reversed(items) if item.message_id is not None]
    return Basis(
        row.counterpart,
        received[0].subject if received else row.subject,
        received[0].message_id if received else None,
        tuple(ids),
    )
