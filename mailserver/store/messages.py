"""Reading what is stored of messages: any columns of many messages in one query."""

from __future__ import annotations

from enum import StrEnum
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from foundation.prepared import run
from mailserver.store.mail_keys import mail_key
from mailserver.store.selection import PerBatch, UidBatch
from mailserver.store.tables import mail, message

if TYPE_CHECKING:
    from collections.abc import Generator

    from sqlalchemy import Connection, Select, Table


class Column(StrEnum):
    """What can be read of a message beside its UID."""

    FLAGS = "flags"
    KEYWORDS = "keywords"
    RECEIVED_AT = "received_at"
    SAVED_AT = "saved_at"
    MODSEQ = "modseq"
    MAIL_ID = "mail_id"
    SIZE = "size"
    SENT_AT = "sent_at"
    SUBJECT = "subject"
    ENVELOPE = "envelope"
    BODY = "body"
    BODYSTRUCTURE = "bodystructure"
    PARTS = "parts"
    BLOB_ID = "blob_id"
    THREAD_ID = "thread_id"
    PREVIEW = "preview"


_OF_MESSAGE = frozenset(Column) & set(message.c.keys())
_OF_KEYS = frozenset({Column.THREAD_ID, Column.PREVIEW})


def _table_of(column: Column) -> Table:
    if column in _OF_MESSAGE:
        return message
    return mail_key if column in _OF_KEYS else mail


@lru_cache(maxsize=128)
def _statement(columns: tuple[Column, ...]) -> PerBatch[Select[Any]]:
    query = select(message.c.uid, *(_table_of(column).c[column.value] for column in columns))
    query = query.select_from(message)
    if any(_table_of(column) is mail for column in columns):
        query = query.join(mail, mail.c.id == message.c.mail_id)
    if not _OF_KEYS.isdisjoint(columns):
        # What was delivered before there were keys gets them a little later.
        query = query.outerjoin(mail_key, mail_key.c.mail_id == message.c.mail_id)
    return PerBatch(lambda chosen: query.where(chosen).order_by(message.c.uid))


def read_messages(
    connection: Connection, folder_id: int, batch: UidBatch, columns: tuple[Column, ...]
) -> Generator[Any, None, None]:
    """Rows of (uid, *columns) of the messages of a batch that are there, by UID; one is in memory at a time."""
    statement, names = _statement(columns).bind(folder_id, batch)
    return run(connection, statement, names).stream()
