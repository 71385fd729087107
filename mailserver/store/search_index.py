"""What is searched of mails: their texts, kept beside them, and an index of the texts by trigrams.

A text is written in the transaction of its mail, and goes with it. The index only narrows down which texts have to be
compared, so it may lag: mails are added to it some at a time, which costs a third of adding each by itself, and until
then their texts are compared without it. On SQLite it is an FTS5 table without content. Its rows are numbered by owner
and mail: the mails of one box lie together in it, and what others have does not slow its searches (200 boxes of 500
mails: 0.3 to 1.7 ms a word, 3 to 24 ms with an owner's token in the text). On PostgreSQL, which is not served yet, an
index of pg_trgm on the texts takes its place.
"""

from __future__ import annotations

import json
from enum import IntFlag
from typing import TYPE_CHECKING

import zstandard
from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    and_,
    bindparam,
    column,
    event,
    func,
    insert,
    select,
    table,
    text,
    update,
)

from foundation.database import metadata
from foundation.prepared import run
from mailserver.store.tables import mail, message

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sqlalchemy import Connection

    from foundation.database import UnitOfWork
    from foundation.mime.search_text import SearchText


class Lack(IntFlag):
    """What is still missing of a text that is kept."""

    INDEX = 1
    """It is not in the index yet."""
    REST = 2
    """It was too long to keep: what is not found in it may be in the message."""
    TEXT = 4
    """Nothing was kept: the mail came before texts were."""


mail_text = Table(
    "mail_text",
    metadata,
    Column("mail_id", ForeignKey("mail.id", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    Column("owner_id", BigInteger, nullable=False),
    Column("lacks", Integer, nullable=False),
    Column("head", String, nullable=False),
    Column("body", LargeBinary, nullable=False),  # UTF-8, zstd
)
"""The searched text of a mail, as `foundation.mime.search_text` folds it."""
_LACKING = text("lacks > 0")
Index(
    "mail_text_lacking", mail_text.c.owner_id, mail_text.c.mail_id,
    sqlite_where=_LACKING, postgresql_where=_LACKING,
)  # fmt: skip

_MAIL_BITS = 40
_CREATE_INDEX = """
    CREATE VIRTUAL TABLE mail_index USING fts5
        (text, tokenize='trigram case_sensitive 1', detail=none, content='', contentless_delete=1)
"""
# A trigger, since a mail also goes with its owner, by the database alone.
_CREATE_TRIGGER = """
    CREATE TRIGGER mail_text_leaves AFTER DELETE ON mail_text WHEN old.lacks & 1 = 0
    BEGIN DELETE FROM mail_index WHERE rowid = (old.owner_id << 40) | old.mail_id; END
"""


@event.listens_for(mail_text, "after_create")
def _create_index(_table: Table, connection: Connection, **_names: object) -> None:
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql(_CREATE_INDEX)
        connection.exec_driver_sql(_CREATE_TRIGGER)


_INDEX = table("mail_index", column("rowid"), column("text"), column("mail_index"))
_INSERT = insert(mail_text)
_TEXT_OF = select(*mail_text.c).where(mail_text.c.mail_id == bindparam("mail"))
_INSERT_INDEX = insert(_INDEX)
_REPLACE = (
    update(mail_text)
    .where(mail_text.c.mail_id == bindparam("mail"), mail_text.c.lacks.op("&")(int(Lack.TEXT)) != 0)
    .values(lacks=bindparam("lacks_"), head=bindparam("head_"), body=bindparam("body_"))
)
_IN_INDEX = (
    update(mail_text)
    .where(mail_text.c.mail_id == bindparam("mail"))
    .values(lacks=mail_text.c.lacks.op("&")(~int(Lack.INDEX)))
)
_WAITING = (
    select(mail_text.c.owner_id, mail_text.c.mail_id, mail_text.c.head, mail_text.c.body)
    .where(text("lacks > 0"), mail_text.c.lacks.op("&")(int(Lack.INDEX | Lack.TEXT)) == int(Lack.INDEX))
    .order_by(mail_text.c.owner_id, mail_text.c.mail_id)
    .limit(bindparam("most"))
)
_LACKING_OF_OWNER = select(mail_text.c.mail_id, mail_text.c.lacks).where(
    mail_text.c.owner_id == bindparam("owner"), text("lacks > 0")
)
_WITHOUT_TEXT = (
    select(mail.c.id, mail.c.owner_id, mail.c.blob_id)
    .join(mail_text, mail_text.c.mail_id == mail.c.id)
    .where(text("lacks > 0"), mail_text.c.lacks.op("&")(int(Lack.TEXT)) != 0)
    .order_by(mail_text.c.owner_id, mail_text.c.mail_id)
    .limit(bindparam("most"))
)
_WITHOUT_TEXT_OF_OWNER = _WITHOUT_TEXT.where(mail_text.c.owner_id == bindparam("owner"))
_WITH_TRIGRAMS = select(_INDEX.c.rowid - bindparam("base", type_=BigInteger)).where(
    _INDEX.c.mail_index.op("MATCH")(bindparam("words", type_=String)),
    _INDEX.c.rowid.between(bindparam("first", type_=BigInteger), bindparam("last", type_=BigInteger)),
)
_NAMED = func.json_each(bindparam("mails")).table_valued("value")
_IS_NAMED = mail_text.c.mail_id.in_(select(_NAMED.c.value))
_HEADS = select(mail_text.c.mail_id, mail_text.c.head).where(
    _IS_NAMED, func.instr(mail_text.c.head, bindparam("needle")) > 0
)
_BODIES = select(mail_text.c.mail_id, mail_text.c.body).where(_IS_NAMED)
_WHOLE = select(mail_text.c.mail_id, mail_text.c.head, mail_text.c.body).where(_IS_NAMED)
_BLOBS = select(mail.c.id, mail.c.blob_id).where(mail.c.id.in_(select(_NAMED.c.value)))
_LISTED = (
    select(message.c.uid, message.c.mail_id)
    .where(and_(message.c.folder_id == bindparam("in_folder"), message.c.uid <= bindparam("last")))
    .order_by(message.c.uid)
    .subquery()
)
_MAILS = select(func.json_group_array(_LISTED.c.uid), func.json_group_array(_LISTED.c.mail_id))


def keep_text(uow: UnitOfWork, owner_id: int, mail_id: int, searched: SearchText) -> None:
    """Keeps the text of a new mail; the index takes it up later."""
    uow.run(
        _INSERT,
        {
            "mail_id": mail_id,
            "owner_id": owner_id,
            "lacks": int(_lacks(searched)),
            "head": searched.head,
            "body": _packed(searched.body),
        },
    )


def copy_text(uow: UnitOfWork, mail_id: int, new_id: int, owner_id: int) -> None:
    """Keeps the text of a mail for its copy in another box; the index takes it up later, as that of a new one."""
    row = uow.run(_TEXT_OF, {"mail": mail_id}).first()
    if row is not None:
        lacks = row.lacks | int(Lack.INDEX)
        uow.run(_INSERT, row._asdict() | {"mail_id": new_id, "owner_id": owner_id, "lacks": lacks})


def replace_text(uow: UnitOfWork, mail_id: int, searched: SearchText) -> bool:
    """Keeps the text of a mail that has none (Lack.TEXT); False where it has one, or is gone."""
    replaced = uow.run(
        _REPLACE,
        {
            "mail": mail_id,
            "lacks_": int(_lacks(searched)),
            "head_": searched.head,
            "body_": _packed(searched.body),
        },
    )
    return replaced.rowcount > 0


def index_texts(uow: UnitOfWork, least: int, most: int) -> int:
    """Adds texts to the index, at most `most`; none while fewer than `least` wait. Returns how many."""
    rows = uow.run(_WAITING, {"most": most}).tuples()
    if len(rows) < least:
        return 0
    decompressor = zstandard.ZstdDecompressor()
    # In the order of their rows, or each would be written to the disk by itself.
    uow.run_each(
        _INSERT_INDEX,
        [
            {
                "rowid": (owner_id << _MAIL_BITS) | mail_id,
                "text": f"{head}\n{decompressor.decompress(body).decode()}",
            }
            for owner_id, mail_id, head, body in rows
        ],
    )
    uow.run_each(_IN_INDEX, [{"mail": row[1]} for row in rows])
    return len(rows)


def are_texts_waiting(connection: Connection, least: int) -> bool:
    """Whether at least so many texts are not in the index."""
    return len(run(connection, _WAITING, {"most": least}).tuples()) >= least


def mails_without_text(
    connection: Connection, most: int, owner_id: int | None = None
) -> list[tuple[int, int, int]]:
    """(mail, owner, blob) of mails of which nothing was kept, the oldest of each owner first."""
    if owner_id is None:
        rows = run(connection, _WITHOUT_TEXT, {"most": most})
    else:
        rows = run(connection, _WITHOUT_TEXT_OF_OWNER, {"most": most, "owner": owner_id})
    return [(mail_id, owner, blob_id) for mail_id, owner, blob_id in rows]


def lacking(connection: Connection, owner_id: int) -> dict[int, Lack]:
    """The mails of an owner whose texts lack something."""
    return {
        mail_id: Lack(lacks) for mail_id, lacks in run(connection, _LACKING_OF_OWNER, {"owner": owner_id})
    }


def mails_with(connection: Connection, owner_id: int, trigrams: Iterable[str]) -> list[int]:
    """The indexed mails of an owner whose texts have all these trigrams, anywhere."""
    words = " AND ".join('"' + trigram.replace('"', '""') + '"' for trigram in trigrams)
    base = owner_id << _MAIL_BITS
    names = {"words": words, "base": base, "first": base, "last": base + (1 << _MAIL_BITS) - 1}
    return [mail_id for (mail_id,) in run(connection, _WITH_TRIGRAMS, names).tuples()]


def heads_with(connection: Connection, mails: Sequence[int], needle: str) -> list[tuple[int, str]]:
    """(mail, head) of those of the mails whose head has the folded needle, anywhere."""
    names = {"mails": json.dumps(mails), "needle": needle}
    return [(mail_id, head) for mail_id, head in run(connection, _HEADS, names).tuples()]


def bodies(connection: Connection, mails: Sequence[int]) -> list[tuple[int, bytes]]:
    """(mail, body in UTF-8)"""
    decompress = zstandard.ZstdDecompressor().decompress
    rows = run(connection, _BODIES, {"mails": json.dumps(mails)}).tuples()
    return [(mail_id, decompress(body)) for mail_id, body in rows]


def whole_texts(connection: Connection, mails: Sequence[int]) -> list[tuple[int, str, bytes]]:
    """(mail, head, body in UTF-8)"""
    decompress = zstandard.ZstdDecompressor().decompress
    rows = run(connection, _WHOLE, {"mails": json.dumps(mails)}).tuples()
    return [(mail_id, head, decompress(body)) for mail_id, head, body in rows]


def blobs(connection: Connection, mails: Sequence[int]) -> list[tuple[int, int]]:
    """(mail, blob)"""
    return [
        (mail_id, blob) for mail_id, blob in run(connection, _BLOBS, {"mails": json.dumps(mails)}).tuples()
    ]


def mails_of(connection: Connection, folder_id: int, uids: Sequence[int]) -> list[int]:
    """The mail of each of these UIDs, ascending, the messages of a folder; 0 for those that are gone."""
    if not uids:
        return []
    found = run(connection, _MAILS, {"in_folder": folder_id, "last": uids[-1]}).tuples()[0]
    present, mails = map(json.loads, found)
    if len(present) == len(uids):
        return list(mails)
    known = dict(zip(present, mails, strict=True))
    return [known.get(uid, 0) for uid in uids]


def _lacks(searched: SearchText) -> Lack:
    is_complete = searched.is_head_complete and searched.is_body_complete
    return Lack.INDEX if is_complete else Lack.INDEX | Lack.REST


def _packed(body: str) -> bytes:
    return zstandard.ZstdCompressor().compress(body.encode())
