"""Which answers of patients were already taken: a form that is handed in twice makes one message."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKey,
    Index,
    LargeBinary,
    Table,
    bindparam,
    delete,
    insert,
    select,
)

from foundation.database import metadata

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection

    from foundation.database import UnitOfWork
    from mailserver.uploads import Upload

KEPT_MS = 24 * 3600 * 1000
"""Longer than a session lives: a form of an ended session is refused anyway."""

patient_answer = Table(
    "patient_answer",
    metadata,
    Column("owner_id", ForeignKey("vault_owner.id", ondelete="CASCADE"), primary_key=True),
    Column("form_hash", LargeBinary(32), primary_key=True),
    Column("at", BigInteger, nullable=False),
    Index("patient_answer_by_age", "at"),
)
"""The answers taken of late, by the form that brought them."""

_FIND = select(patient_answer.c.at).where(
    patient_answer.c.owner_id == bindparam("owner"), patient_answer.c.form_hash == bindparam("hash")
)
_PRUNE = delete(patient_answer).where(patient_answer.c.at <= bindparam("before"))
_INSERT = insert(patient_answer)


class TakenBefore(Exception):
    """Raised inside the transaction of a delivery: the very same form came before."""


def form_hash(nonce: str, conversation_id: int, text: str, attachments: Sequence[Upload]) -> bytes:
    """What tells a form that came twice from another one.

    The content counts too: somebody who goes back and writes other words means another message.
    """
    digest = hashlib.sha256()
    for words in (nonce, str(conversation_id), text):
        digest.update(hashlib.sha256(words.encode("utf-8", "replace")).digest())
    for each in attachments:
        digest.update(hashlib.sha256(each.filename.encode("utf-8", "replace")).digest())
        digest.update(hashlib.sha256(each.data).digest())
    return digest.digest()


def was_taken(connection: Connection, owner_id: int, form: bytes) -> bool:
    """Whether an answer of this form is on disk."""
    return connection.execute(_FIND, {"owner": owner_id, "hash": form}).first() is not None


def take(uow: UnitOfWork, owner_id: int, form: bytes, now: int) -> None:
    """Notes the form in the transaction that delivers its answer; raises TakenBefore."""
    uow.execute(_PRUNE, {"before": now - KEPT_MS})
    if was_taken(uow.connection, owner_id, form):
        raise TakenBefore
    uow.execute(_INSERT, {"owner_id": owner_id, "form_hash": form, "at": now})
