"""Reading what is stored of messages: any columns of many messages in one query."""

from __future__ import annotations

from enum import StrEnum
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from mailserver.store.selection import PerBatch, UidBatch
from mailserver.store.tables import mail, message

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Connection, Row, Select


class Column(StrEnum):
    """What can be read of a message beside its UID."""

    FLAGS = "flags"
    KEYWORDS = "keywords"
    RECEIVED_AT = "received_at"
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


_IN_MEMORY = 64

_OF_MESSAGE = frozenset({Column.FLAGS, Column.KEYWORDS, Column.RECEIVED_AT, Column.MODSEQ, Column.MAIL_ID})


@lru_cache(maxsize=128)
def _statement(columns: tuple[Column, ...]) -> PerBatch[Select[Any]]:
    chosen_columns = [
        message.c[column.value] if column in _OF_MESSAGE else mail.c[column.value] for column in columns
    ]
    query = select(message.c.uid, *chosen_columns)
    if not _OF_MESSAGE.issuperset(columns):
        query = query.join(mail, mail.c.id == message.c.mail_id)
    return PerBatch(lambda chosen: query.where(chosen).order_by(message.c.uid))


def read_messages(
    connection: Connection, folder_id: int, batch: UidBatch, columns: tuple[Column, ...]
) -> Iterator[Row[Any]]:
    """Rows of (uid, *columns) of the messages of a batch that are there, by UID; few are in memory at one time."""
    statement, names = _statement(columns).bind(folder_id, batch)
    with connection.execute(statement, names) as result:
        for rows in result.partitions(_IN_MEMORY):
            yield from rows
