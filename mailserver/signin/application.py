"""Application passwords: one for each mail program or software, drawn here, shown once, ended one by one.

They hold 140 random bits, so their digest is stored without stretching and is found by an index.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKey,
    Index,
    LargeBinary,
    String,
    Table,
    bindparam,
    delete,
    insert,
    select,
    update,
)

from foundation.database import identity, metadata
from foundation.prepared import run
from mailserver.signin import spoken

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlalchemy import Connection

    from foundation.database import UnitOfWork

MOST_LIVE = 32
"""Application passwords of one box that hold at the same time."""
LONGEST_NAME = 64
_GROUPS = 7
_KEPT_MS = 90 * 24 * 3600 * 1000
"""How long one that ended is still listed."""
_NOTE_MS = 3600 * 1000
_NOTE_OTHER_PEER_MS = 60 * 1000

application_password = Table(
    "application_password",
    metadata,
    identity("id"),
    Column("owner_id", ForeignKey("vault_owner.id", ondelete="CASCADE"), nullable=False),
    Column("name", String(LONGEST_NAME), nullable=False),
    Column("scopes", String(32), nullable=False),
    Column("digest", LargeBinary(32), nullable=False, unique=True),
    Column("created_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger),
    Column("revoked_at", BigInteger),
    Column("last_used_at", BigInteger),
    Column("last_peer", String(64)),
    Index("application_password_by_owner", "owner_id"),
)


class Scope(StrEnum):
    """A protocol that an application password opens."""

    IMAP = "imap"
    SMTP = "smtp"
    LDAP = "ldap"


USUAL_SCOPES = frozenset({Scope.IMAP, Scope.SMTP})
"""What one opens where nothing else is asked for: mail, and not the directory, which no LDAP door serves."""


class ApplicationRefused(Exception):
    """No application password is made; the text is one French sentence for its bearer."""


@dataclass(frozen=True, slots=True)
class ApplicationPassword:
    """One application password, without its secret. Times are epoch ms, UTC; None: never."""

    id: int
    owner_id: int
    name: str
    scopes: frozenset[Scope]
    created_at: int
    expires_at: int | None
    revoked_at: int | None = None
    last_used_at: int | None = None
    last_peer: str | None = None

    def holds(self, now: int) -> bool:
        """Whether it neither ended nor was revoked."""
        return self.revoked_at is None and (self.expires_at is None or now < self.expires_at)


_COLUMNS = (
    application_password.c.id,
    application_password.c.owner_id,
    application_password.c.name,
    application_password.c.scopes,
    application_password.c.created_at,
    application_password.c.expires_at,
    application_password.c.revoked_at,
    application_password.c.last_used_at,
    application_password.c.last_peer,
)
_OWNED = application_password.c.owner_id == bindparam("owner")
_NUMBERED = application_password.c.id == bindparam("number")
_NOT_REVOKED = application_password.c.revoked_at.is_(None)
_FIND = select(*_COLUMNS).where(application_password.c.digest == bindparam("digest"), _OWNED)
_OF_ID = select(*_COLUMNS).where(_NUMBERED)
_LIST = select(*_COLUMNS).where(_OWNED).order_by(application_password.c.id)
_INSERT = insert(application_password)
_REVOKE = (
    update(application_password).where(_NUMBERED, _OWNED, _NOT_REVOKED).values(revoked_at=bindparam("at"))
)
_REVOKE_ALL = update(application_password).where(_OWNED, _NOT_REVOKED).values(revoked_at=bindparam("at"))
_NOTE = (
    update(application_password)
    .where(_NUMBERED)
    .values(last_used_at=bindparam("at"), last_peer=bindparam("peer"))
)
_PRUNE = delete(application_password).where(
    _OWNED,
    (application_password.c.revoked_at < bindparam("before"))
    | (application_password.c.expires_at < bindparam("before")),
)


def make(
    uow: UnitOfWork,
    owner_id: int,
    *,
    name: str,
    scopes: Iterable[Scope],
    now: int,
    expires_at: int | None,
) -> tuple[ApplicationPassword, str]:
    """A new application password and its secret, which is told nowhere else. Raises ApplicationRefused."""
    label = " ".join(name.split())
    if not label or len(label) > LONGEST_NAME or not label.isprintable():
        raise ApplicationRefused(
            f"Donnez un nom de 1 à {LONGEST_NAME} caractères à ce mot de passe d'application."
        )
    wanted = frozenset(scopes)
    if not wanted:
        raise ApplicationRefused("Choisissez au moins un usage : réception, envoi ou annuaire.")
    if expires_at is not None and expires_at <= now:
        raise ApplicationRefused("La date de fin est déjà passée.")
    uow.run(_PRUNE, {"owner": owner_id, "before": now - _KEPT_MS})
    if sum(1 for each in list_of(uow.connection, owner_id) if each.holds(now)) >= MOST_LIVE:
        raise ApplicationRefused(
            f"Cette boîte a déjà {MOST_LIVE} mots de passe d'application : révoquez ceux qui ne servent plus."
        )
    plain = spoken.draw(_GROUPS)
    made = ApplicationPassword(0, owner_id, label, wanted, now, expires_at)
    row = {
        "owner_id": owner_id,
        "name": label,
        "scopes": " ".join(sorted(wanted)),
        "digest": _digest(owner_id, plain),
        "created_at": now,
        "expires_at": expires_at,
    }
    return replace(made, id=uow.run(_INSERT, row).inserted_id), plain


def find(connection: Connection, owner_id: int, plain: str) -> ApplicationPassword | None:
    """The application password of a box that was typed, also one that holds no more; its scopes are not looked at."""
    row = run(connection, _FIND, {"digest": _digest(owner_id, plain), "owner": owner_id}).first()
    return _made(row) if row is not None else None


def list_of(connection: Connection, owner_id: int) -> list[ApplicationPassword]:
    """Those of a box, oldest first; those that ended are listed for another 90 days or longer."""
    return [_made(row) for row in run(connection, _LIST, {"owner": owner_id})]


def still_holds(connection: Connection, id: int, now: int) -> bool:
    """Whether what a session began with neither ended nor was revoked since."""
    row = run(connection, _OF_ID, {"number": id}).first()
    return row is not None and _made(row).holds(now)


def revoke(uow: UnitOfWork, owner_id: int, id: int, now: int) -> bool:
    """Ends one; False where the box has none of this number that was not revoked before."""
    return uow.run(_REVOKE, {"number": id, "owner": owner_id, "at": now}).rowcount > 0


def revoke_all(uow: UnitOfWork, owner_id: int, now: int) -> int:
    """Ends all those of a box; returns how many."""
    return uow.run(_REVOKE_ALL, {"owner": owner_id, "at": now}).rowcount


def wants_note(found: ApplicationPassword, peer: str, now: int) -> bool:
    """Whether a use is worth a write: once an hour, and once a minute where network addresses alternate."""
    if found.last_used_at is None:
        return True
    pause = _NOTE_MS if found.last_peer == _peer(peer) else _NOTE_OTHER_PEER_MS
    return now - found.last_used_at >= pause


def note_use(uow: UnitOfWork, id: int, peer: str, now: int) -> None:
    """Writes when and from which network address it was used last."""
    uow.run(_NOTE, {"number": id, "at": now, "peer": _peer(peer)})


def _peer(peer: str) -> str:
    return peer[:64]


def _digest(owner_id: int, plain: str) -> bytes:
    words = f"application password\0{owner_id}\0{spoken.plain_of(plain)}"
    return hashlib.sha256(words.encode(errors="surrogatepass")).digest()


def _made(row: Any) -> ApplicationPassword:
    scopes = frozenset(Scope(word) for word in row.scopes.split())
    return ApplicationPassword(
        row.id,
        row.owner_id,
        row.name,
        scopes,
        row.created_at,
        row.expires_at,
        row.revoked_at,
        row.last_used_at,
        row.last_peer,
    )
