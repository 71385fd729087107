"""The correspondents of a box: whom it has written to and heard from of late, and those its bearer keeps."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import BigInteger, Column, ForeignKey, String, Table, bindparam, delete, func, insert, select

from foundation.database import metadata
from foundation.identifiers import Address
from foundation.prepared import run
from mailserver.store.tables import folder, mail, message
from mailserver.tracking.tables import tracked_message, tracked_recipient

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from foundation.database import UnitOfWork

favourite_correspondent = Table(
    "favourite_correspondent",
    metadata,
    Column("owner_id", ForeignKey("vault_owner.id", ondelete="CASCADE"), primary_key=True),
    Column("address", String(320), primary_key=True),
    Column("added_at", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

MOST_FAVOURITES = 500
MOST_RECENT = 50
_LOOKED_AT = 300
"""Messages of each direction that are looked at for recent correspondents."""

_OF_OWNER = favourite_correspondent.c.owner_id == bindparam("owner")
_FAVOURITES = select(favourite_correspondent.c.address).where(_OF_OWNER)
_COUNT = select(func.count()).select_from(favourite_correspondent).where(_OF_OWNER)
_FIND = _FAVOURITES.where(favourite_correspondent.c.address == bindparam("named"))
_ADD = insert(favourite_correspondent)
_REMOVE = delete(favourite_correspondent).where(
    _OF_OWNER, favourite_correspondent.c.address == bindparam("named")
)
_SENT = (
    select(tracked_recipient.c.address, tracked_message.c.received_at)
    .join(tracked_message, tracked_message.c.id == tracked_recipient.c.message_id)
    .where(tracked_message.c.owner_id == bindparam("owner"))
    .order_by(tracked_message.c.id.desc())
    .limit(_LOOKED_AT)
)
_RECEIVED = (
    select(mail.c.envelope, message.c.received_at)
    .select_from(folder)
    .join(message, message.c.folder_id == folder.c.id)
    .join(mail, mail.c.id == message.c.mail_id)
    .where(folder.c.owner_id == bindparam("owner"), folder.c.name == "INBOX")
    .order_by(message.c.uid.desc())
    .limit(_LOOKED_AT)
)


class TooManyFavourites(Exception):
    """A box keeps MOST_FAVOURITES correspondents already."""


@dataclass(frozen=True, slots=True)
class Correspondent:
    """Somebody a box has to do with. `last_at` is when it last wrote to or heard from them, epoch ms; 0: of old."""

    address: str
    last_at: int
    is_favourite: bool


def correspondents(connection: Connection, owner_id: int, *, apart_from: str) -> list[Correspondent]:
    """The correspondents a box keeps, by address, then the recent others, the last first.

    Nobody of the domain `apart_from` is among the others: the address of a patient is their INS.
    """
    kept = {row.address for row in run(connection, _FAVOURITES, {"owner": owner_id})}
    recent = recent_addresses(connection, owner_id)
    favourites = [
        Correspondent(address, recent.get(address, 0), is_favourite=True) for address in sorted(kept)
    ]
    others = [
        Correspondent(address, at, is_favourite=False)
        for address, at in recent.items()
        if address not in kept and not _is_apart(address, apart_from)
    ]
    return favourites + others[:MOST_RECENT]


def recent_addresses(connection: Connection, owner_id: int) -> dict[str, int]:
    """Whom a box wrote to or heard from in its last messages, and when last (epoch ms), the last first."""
    found: dict[str, int] = {}
    for row in run(connection, _SENT, {"owner": owner_id}):
        found[row.address] = max(found.get(row.address, 0), row.received_at)
    for row in run(connection, _RECEIVED, {"owner": owner_id}):
        author = author_of(row.envelope)
        if author is not None:
            found[author] = max(found.get(author, 0), row.received_at)
    return dict(sorted(found.items(), key=lambda each: -each[1]))


def is_kept(connection: Connection, owner_id: int, address: str) -> bool:
    """Whether a box keeps a correspondent."""
    return run(connection, _FIND, {"owner": owner_id, "named": address}).first() is not None


def keep(uow: UnitOfWork, owner_id: int, address: str, now: int) -> None:
    """Keeps a correspondent; one that is kept already stays. Raises TooManyFavourites."""
    address = address.lower()
    drop(uow, owner_id, address)
    if uow.execute(_COUNT, {"owner": owner_id}).scalar_one() >= MOST_FAVOURITES:
        raise TooManyFavourites
    uow.run(_ADD, {"owner_id": owner_id, "address": address, "added_at": now})


def drop(uow: UnitOfWork, owner_id: int, address: str) -> bool:
    """Keeps a correspondent no longer; False where it was not kept."""
    return uow.run(_REMOVE, {"owner": owner_id, "named": address.lower()}).rowcount > 0


def _is_apart(address: str, domain: str) -> bool:
    local, _, its_domain = address.rpartition("@")
    return its_domain == domain.lower() or local == "mailer-daemon"


# One character class with one repetition each: nothing here can backtrack.
_QUOTED = re.compile(rb'"((?:[^"\\]|\\.)*+)"', re.DOTALL)
_LITERAL = re.compile(rb"\{([0-9]{1,9})\}\r\n")


def author_of(envelope: bytes) -> str | None:
    """The first address of From in a stored ENVELOPE, in lower case; None where there is no whole one."""
    position = envelope.find(b"(") + 1
    for _ in ("date", "subject"):
        position = _string(envelope, position)[1] + 1
    if not envelope.startswith(b"((", position):
        return None
    position += 2
    parts: list[bytes | None] = []
    for _ in ("name", "route", "mailbox", "host"):
        value, position = _string(envelope, position)
        parts.append(value)
        position += 1
    local, host = parts[2:]
    if not local or not host:
        return None
    address = Address.parse(f"{local.decode(errors='replace')}@{host.decode(errors='replace')}")
    return str(address) if address is not None else None


def _string(data: bytes, position: int) -> tuple[bytes | None, int]:
    """The nstring (RFC 9051 §9) at a position, and where it ends."""
    quoted = _QUOTED.match(data, position)
    if quoted is not None:
        return re.sub(rb"\\(.)", rb"\1", quoted[1]), quoted.end()
    literal = _LITERAL.match(data, position)
    if literal is not None:
        end = literal.end() + int(literal[1])
        return data[literal.end() : end], end
    return None, position + len(b"NIL")
