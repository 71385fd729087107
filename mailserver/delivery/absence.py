"""Who is away, from when to when, what is answered meanwhile, and who was told already (RFC 3834, RFC 5230)."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKey,
    LargeBinary,
    Table,
    Text,
    bindparam,
    delete,
    insert,
    select,
)

from foundation.database import metadata
from foundation.prepared import run

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from foundation.database import UnitOfWork

LARGEST_TEXT = 4096
"""Octets of UTF-8."""
LONGEST_MS = 366 * 24 * 3600 * 1000
TOLD_MS = 7 * 24 * 3600 * 1000
"""One sender is told once in seven days (RFC 5230 §4.1, the default of `:days`)."""

absence_table = Table(
    "absence",
    metadata,
    Column("owner_id", ForeignKey("vault_owner.id", ondelete="CASCADE"), primary_key=True),
    Column("starts_at", BigInteger, nullable=False),
    Column("ends_at", BigInteger, nullable=False),
    Column("text", Text, nullable=False),
    Column("set_at", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)
absence_told = Table(
    "absence_told",
    metadata,
    Column("owner_id", ForeignKey("vault_owner.id", ondelete="CASCADE"), primary_key=True),
    Column("sender", LargeBinary(32), primary_key=True),
    Column("told_at", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)
"""Senders that were told of the present absence, under hashes."""

_OF = absence_table.c.owner_id == bindparam("owner")
_TOLD_OF = absence_told.c.owner_id == bindparam("owner")
_FIND = select(
    absence_table.c.starts_at, absence_table.c.ends_at, absence_table.c.text, absence_table.c.set_at
).where(_OF)
_INSERT = insert(absence_table)
_DELETE = delete(absence_table).where(_OF)
_FORGET = delete(absence_told).where(_TOLD_OF)
_EXPIRE = delete(absence_told).where(_TOLD_OF, absence_told.c.told_at <= bindparam("before"))
_TOLD = select(absence_told.c.told_at).where(_TOLD_OF, absence_told.c.sender == bindparam("digest"))
_TELL = insert(absence_told)


class AbsenceRefused(Exception):
    """An absence is not taken; the text is one French sentence for the bearer."""


class Period(NamedTuple):
    """When somebody is away: from the first instant on and before the second, epoch ms."""

    starts_at: int
    ends_at: int

    def holds(self, at: int) -> bool:
        return self.starts_at <= at < self.ends_at


@dataclass(frozen=True, slots=True)
class Absence:
    """One absence of the bearer of a box. Times are epoch ms; `set_at` tells one from the next."""

    period: Period
    text: str = field(repr=False)
    set_at: int


def announce(uow: UnitOfWork, owner_id: int, period: Period, text: str, now: int) -> Absence:
    """Sets the absence of a box in place of an earlier one; everybody is told anew. Raises AbsenceRefused."""
    words = "\n".join(text.splitlines()).strip()
    if not words or len(words.encode(errors="replace")) > LARGEST_TEXT:
        raise AbsenceRefused(f"Le message d'absence a de 1 à {LARGEST_TEXT} octets.")
    if not all(each.isprintable() or each in "\n\t" for each in words):
        raise AbsenceRefused("Le message d'absence contient un caractère qui ne s'affiche pas.")
    if not period.starts_at < period.ends_at:
        raise AbsenceRefused("La fin de l'absence est avant son début.")
    if period.ends_at <= now:
        raise AbsenceRefused("Cette absence est déjà terminée.")
    if period.ends_at - max(period.starts_at, now) > LONGEST_MS:
        raise AbsenceRefused("Une absence dure un an au plus.")
    end(uow, owner_id)
    row = {
        "owner_id": owner_id,
        "starts_at": period.starts_at,
        "ends_at": period.ends_at,
        "text": words,
        "set_at": now,
    }
    uow.run(_INSERT, row)
    return Absence(period, words, now)


def end(uow: UnitOfWork, owner_id: int) -> bool:
    """Ends the absence of a box; False where there was none."""
    uow.run(_FORGET, {"owner": owner_id})
    return uow.run(_DELETE, {"owner": owner_id}).rowcount > 0


def find(connection: Connection, owner_id: int) -> Absence | None:
    """The absence that was set last, also one that is over or yet to come."""
    row = run(connection, _FIND, {"owner": owner_id}).first()
    return Absence(Period(row.starts_at, row.ends_at), row.text, row.set_at) if row is not None else None


def is_to_be_told(uow: UnitOfWork, owner_id: int, sender: str, now: int) -> bool:
    """Whether a sender was not told in the last seven days; notes that it is now."""
    names = {"owner": owner_id, "digest": hashlib.sha256(sender.lower().encode()).digest()}
    uow.run(_EXPIRE, {"owner": owner_id, "before": now - TOLD_MS})
    if uow.run(_TOLD, names).first() is not None:
        return False
    uow.run(_TELL, {"owner_id": owner_id, "sender": names["digest"], "told_at": now})
    return True
