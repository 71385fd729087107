"""What SORT and THREAD compare of mails, and the thread each belongs to (RFC 5256, RFC 8474), worked out at delivery."""

from __future__ import annotations

import json
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKey,
    Index,
    Integer,
    String,
    Table,
    bindparam,
    func,
    insert,
    select,
)

from foundation.database import metadata
from foundation.prepared import run
from mailserver.store.tables import mail, message

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection, Select
    from sqlalchemy.sql import ColumnElement

    from foundation.database import UnitOfWork
    from mailserver.imap.structure import Rendering

mail_key = Table(
    "mail_key",
    metadata,
    Column("mail_id", ForeignKey("mail.id", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    Column("thread_id", BigInteger, nullable=False),
    Column("sent_at", BigInteger),
    Column("sent_day", Integer),  # as its writer saw it on the calendar: days of date.toordinal()
    Column("is_reply", Integer, nullable=False),
    Column("base_subject", String, nullable=False),
    Column("from_", String, nullable=False),
    Column("to_", String, nullable=False),
    Column("cc", String, nullable=False),
    Column("display_from", String, nullable=False),
    Column("display_to", String, nullable=False),
    Column("message_id", String, nullable=False),
    Column("references_", String, nullable=False),
    Column("preview", String, nullable=False),
    Index("mail_key_by_thread", "thread_id"),
)
"""Keys as `mailserver.imap.sort_keys` and `threads` make them: texts compare by code point, "" is absent."""

_MOST_RELATIVES = 100
_INSERT = insert(mail_key)
_KEYS_OF = select(*mail_key.c).where(mail_key.c.mail_id == bindparam("mail"))
_NAMES = func.json_each(bindparam("names")).table_valued("value")
_RELATIVES = (
    select(mail_key.c.thread_id)
    .join(mail, mail.c.id == mail_key.c.mail_id)
    .where(mail.c.owner_id == bindparam("owner"), mail.c.message_id.in_(select(_NAMES.c.value)))
    .limit(_MOST_RELATIVES)
    .subquery()
)
_THREAD = select(func.min(_RELATIVES.c.thread_id))
_SENT = func.coalesce(mail_key.c.sent_at, message.c.received_at)
_IN_FOLDER = message.c.folder_id == bindparam("in_folder")
_WITH_KEYS = message.outerjoin(mail_key, mail_key.c.mail_id == message.c.mail_id)
_COLUMNS: dict[str, ColumnElement[Any]] = {
    "ARRIVAL": message.c.received_at,
    "CC": mail_key.c.cc,
    "DATE": _SENT,
    "DISPLAYFROM": mail_key.c.display_from,
    "DISPLAYTO": mail_key.c.display_to,
    "FROM": mail_key.c.from_,
    "SIZE": message.c.size,
    "SUBJECT": mail_key.c.base_subject,
    "TO": mail_key.c.to_,
}
"""By the names of RFC 5256 §3 and RFC 5957."""
_CHOSEN = func.json_each(bindparam("uids")).table_valued("value")
_THREAD_ROWS = (
    select(
        message.c.uid,
        _SENT,
        func.coalesce(mail_key.c.message_id, ""),
        func.coalesce(mail_key.c.references_, ""),
        func.coalesce(mail_key.c.base_subject, ""),
        func.coalesce(mail_key.c.is_reply, 0),
    )
    .select_from(_WITH_KEYS)
    .where(_IN_FOLDER, message.c.uid.in_(select(_CHOSEN.c.value)))
    .order_by(message.c.uid)
)
_SAVED = select(message.c.uid).where(
    _IN_FOLDER, message.c.saved_at >= bindparam("first"), message.c.saved_at < bindparam("after")
)
_SENT_ON = (
    select(message.c.uid)
    .select_from(_WITH_KEYS)
    .where(_IN_FOLDER, mail_key.c.sent_day >= bindparam("first"), mail_key.c.sent_day < bindparam("after"))
)
_OF_MAIL = select(message.c.uid).where(_IN_FOLDER, message.c.mail_id == bindparam("mail"))
_OF_THREAD = (
    select(message.c.uid)
    .join(mail_key, mail_key.c.mail_id == message.c.mail_id)
    .where(_IN_FOLDER, mail_key.c.thread_id == bindparam("thread"))
)


def keep_keys(uow: UnitOfWork, owner_id: int, mail_id: int, rendering: Rendering) -> None:
    """Keeps the keys of a mail. Its thread is that of a mail it refers to, the oldest where they differ, or its own."""
    keys, threading = rendering.sort_keys, rendering.thread_keys
    names = set(rendering.references)
    if rendering.in_reply_to is not None:
        names.add(rendering.in_reply_to)
    thread_id = None
    if names:
        [(thread_id,)] = uow.run(_THREAD, {"owner": owner_id, "names": json.dumps(sorted(names))}).tuples()
    uow.run(
        _INSERT,
        {
            "mail_id": mail_id,
            "thread_id": mail_id if thread_id is None else thread_id,
            "sent_at": rendering.sent_at,
            "sent_day": rendering.sent_day,
            "is_reply": int(threading.is_reply),
            "base_subject": keys.base_subject,
            "from_": keys.from_,
            "to_": keys.to,
            "cc": keys.cc,
            "display_from": keys.display_from,
            "display_to": keys.display_to,
            "message_id": threading.message_id,
            "references_": threading.references,
            "preview": rendering.preview,
        },
    )


def copy_keys(uow: UnitOfWork, mail_id: int, new_id: int, owner_id: int) -> None:
    """Keeps the keys of a mail for its copy in another box, where it joins the thread of what it refers to."""
    row = uow.run(_KEYS_OF, {"mail": mail_id}).first()
    if row is None:
        return
    thread_id = None
    if row.references_:
        names = json.dumps([f"<{name}>" for name in row.references_.split(" ")])
        [(thread_id,)] = uow.run(_THREAD, {"owner": owner_id, "names": names}).tuples()
    uow.run(
        _INSERT,
        row._asdict() | {"mail_id": new_id, "thread_id": new_id if thread_id is None else thread_id},
    )


def sorted_uids(connection: Connection, folder_id: int, criteria: tuple[tuple[str, bool], ...]) -> list[int]:
    """The messages of a folder in the order of (key, is reverse) criteria; those that are alike by UID."""
    [(found,)] = run(connection, _ordered(criteria), {"in_folder": folder_id}).tuples()
    uids: list[int] = json.loads(found)
    return uids


@lru_cache(maxsize=64)
def _ordered(criteria: tuple[tuple[str, bool], ...]) -> Select[Any]:
    order = [_COLUMNS[key].desc() if is_reverse else _COLUMNS[key].asc() for key, is_reverse in criteria]
    listed = select(message.c.uid).select_from(_WITH_KEYS).where(_IN_FOLDER).order_by(*order, message.c.uid)
    return select(func.json_group_array(listed.subquery().c.uid))


def thread_rows(connection: Connection, folder_id: int, uids: Sequence[int]) -> list[tuple[Any, ...]]:
    """(uid, sent or received, message id, references, base subject, is reply) of those that are there, by UID."""
    return run(connection, _THREAD_ROWS, {"in_folder": folder_id, "uids": json.dumps(list(uids))}).tuples()


def uids_saved(connection: Connection, folder_id: int, first: int, after: int) -> list[int]:
    """Messages that came into the folder from `first` until before `after`, in epoch ms."""
    return _uids(connection, _SAVED, {"in_folder": folder_id, "first": first, "after": after})


def uids_sent(connection: Connection, folder_id: int, first: int, after: int) -> list[int]:
    """Messages whose Date field says a day from `first` until before `after`, as ordinals."""
    return _uids(connection, _SENT_ON, {"in_folder": folder_id, "first": first, "after": after})


def uids_of_mail(connection: Connection, folder_id: int, mail_id: int) -> list[int]:
    """The messages that are this mail."""
    return _uids(connection, _OF_MAIL, {"in_folder": folder_id, "mail": mail_id})


def uids_of_thread(connection: Connection, folder_id: int, thread_id: int) -> list[int]:
    """The messages of a thread."""
    return _uids(connection, _OF_THREAD, {"in_folder": folder_id, "thread": thread_id})


def _uids(connection: Connection, statement: Select[Any], names: dict[str, int]) -> list[int]:
    return [uid for (uid,) in run(connection, statement, names).tuples()]
