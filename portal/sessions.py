"""Sessions of the portal: a random token in a cookie, its hash in a table, and the form token derived from it."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sqlalchemy import bindparam, delete, insert, select, update

from portal.tables import portal_session

if TYPE_CHECKING:
    from sqlalchemy import Connection
    from starlette.responses import Response

    from foundation.database import UnitOfWork

COOKIE = "__Host-vaguemestre"
ABSOLUTE_MS = 12 * 3600 * 1000
IDLE_MS = 30 * 60 * 1000
_TOUCH_MS = 60 * 1000
_TOKEN_LENGTH = 43  # 32 bytes in unpadded base64url

_FIND = select(portal_session.c.owner_id, portal_session.c.created_at, portal_session.c.seen_at).where(
    portal_session.c.token_hash == bindparam("hash")
)
_TOUCH = (
    update(portal_session)
    .where(portal_session.c.token_hash == bindparam("hash"), portal_session.c.seen_at < bindparam("now"))
    .values(seen_at=bindparam("now"))
)
_INSERT = insert(portal_session)
_END = delete(portal_session).where(portal_session.c.token_hash == bindparam("hash"))
_END_ALL = delete(portal_session).where(portal_session.c.owner_id == bindparam("owner"))
_PRUNE = delete(portal_session).where(
    (portal_session.c.created_at <= bindparam("oldest")) | (portal_session.c.seen_at <= bindparam("idle"))
)


@dataclass(frozen=True, slots=True)
class Session:
    """A live session. Times are epoch milliseconds."""

    token: str = field(repr=False)
    owner_id: int
    created_at: int
    seen_at: int

    @property
    def token_hash(self) -> str:
        """The name of the session inside the house."""
        return _hash(self.token)

    @property
    def form_token(self) -> str:
        """The secret that every form of this session carries; another site can neither read nor guess it."""
        return hmac.new(self.token.encode(), b"form", hashlib.sha256).hexdigest()

    def owns_form(self, token: str) -> bool:
        """Whether a posted form was made by one of this session's pages."""
        return hmac.compare_digest(self.form_token.encode(), token.encode(errors="replace"))

    def wants_touch(self, now: int) -> bool:
        """Whether `seen_at` is old enough to be worth a write."""
        return now - self.seen_at >= _TOUCH_MS


def begin(uow: UnitOfWork, owner_id: int, now: int) -> Session:
    """A new session with a token nobody has seen; sessions past their time are swept on the way."""
    session = Session(secrets.token_urlsafe(32), owner_id, now, now)
    uow.execute(_PRUNE, {"oldest": now - ABSOLUTE_MS, "idle": now - IDLE_MS})
    uow.execute(
        _INSERT,
        {"token_hash": session.token_hash, "owner_id": owner_id, "created_at": now, "seen_at": now},
    )
    return session


def find(connection: Connection, token: str | None, now: int) -> Session | None:
    """The session of a cookie; None when unknown, 12 hours old, or 30 minutes unused."""
    if token is None or len(token) != _TOKEN_LENGTH:
        return None
    row = connection.execute(_FIND, {"hash": _hash(token)}).first()
    if row is None or now - row.created_at >= ABSOLUTE_MS or now - row.seen_at >= IDLE_MS:
        return None
    return Session(token, row.owner_id, row.created_at, row.seen_at)


def touch(uow: UnitOfWork, session: Session, now: int) -> None:
    """Notes that the person is still there."""
    uow.execute(_TOUCH, {"hash": session.token_hash, "now": now})


def end(uow: UnitOfWork, token: str) -> None:
    """Ends the session of a token, if there is one."""
    uow.execute(_END, {"hash": _hash(token)})


def end_all(uow: UnitOfWork, owner_id: int) -> None:
    """Ends every session of an owner: a changed password, a closed box."""
    uow.execute(_END_ALL, {"owner": owner_id})


def set_cookie(response: Response, session: Session) -> None:
    """Hands the token to the browser (RFC 6265bis §4.1.3.2: `__Host-` pins it to this host and to HTTPS)."""
    response.set_cookie(COOKIE, session.token, path="/", secure=True, httponly=True, samesite="lax")


def drop_cookie(response: Response) -> None:
    """Tells the browser to forget the token."""
    response.delete_cookie(COOKIE, path="/", secure=True, httponly=True, samesite="lax")


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode(errors="replace")).hexdigest()
