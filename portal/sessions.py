"""Sessions of the portal: a random token in a cookie, its hash in a table, and the form token derived from it."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from sqlalchemy import and_, bindparam, delete, insert, or_, select, update

from portal import pocket
from portal.devices import UNKNOWN, Device
from portal.tables import portal_session

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import Connection, Row
    from starlette.responses import Response

    from foundation.database import UnitOfWork

COOKIE = "__Host-vaguemestre"
ABSOLUTE_MS = 12 * 3600 * 1000
IDLE_MS = 30 * 60 * 1000
_TOUCH_MS = 60 * 1000
_TOKEN_LENGTH = 43  # 32 bytes in unpadded base64url

_COLUMNS = (
    portal_session.c.public_id,
    portal_session.c.owner_id,
    portal_session.c.person_id,
    portal_session.c.strength,
    portal_session.c.credential,
    portal_session.c.agent,
    portal_session.c.peer,
    portal_session.c.created_at,
    portal_session.c.seen_at,
    portal_session.c.pocket,
)
_IS_THIS = portal_session.c.token_hash == bindparam("hash")
# Of a delegate's session the bearer is the delegate, not the structure whose box is open.
_IS_THEIRS = or_(
    portal_session.c.person_id == bindparam("bearer"),
    and_(portal_session.c.person_id.is_(None), portal_session.c.owner_id == bindparam("bearer")),
)
_FIND = select(*_COLUMNS).where(_IS_THIS)
_POCKET = select(portal_session.c.pocket).where(_IS_THIS)
_LIST = (
    select(*_COLUMNS)
    .where(_IS_THEIRS, portal_session.c.created_at > bindparam("oldest"))
    .where(portal_session.c.seen_at > bindparam("idle"))
    .order_by(portal_session.c.seen_at.desc(), portal_session.c.public_id)
)
_TOUCH = (
    update(portal_session)
    .where(_IS_THIS, portal_session.c.seen_at < bindparam("now"))
    .values(seen_at=bindparam("now"))
)
_INSERT = insert(portal_session)
_CHANGE = update(portal_session).where(_IS_THIS)
_END = delete(portal_session).where(_IS_THIS)
_END_ALL = delete(portal_session).where(_IS_THEIRS)
_END_OTHERS = _END_ALL.where(portal_session.c.token_hash != bindparam("kept"))
_END_ONE = _END_ALL.where(portal_session.c.public_id == bindparam("public"))
_PRUNE = delete(portal_session).where(
    (portal_session.c.created_at <= bindparam("oldest")) | (portal_session.c.seen_at <= bindparam("idle"))
)


class Strength(StrEnum):
    """What a session was opened with."""

    PASSWORD = "password"  # noqa: S105 - the name of a means
    TOTP = "totp"
    """Password and second factor."""
    PSC = "psc"
    """Pro Santé Connect."""

    @property
    def is_strong(self) -> bool:
        """Whether two factors were shown."""
        return self is not Strength.PASSWORD


@dataclass(frozen=True, slots=True)
class Entry:
    """A live session as its person sees it in a list. Times are epoch milliseconds."""

    id: str
    owner_id: int
    person_id: int | None
    strength: Strength
    device: Device
    created_at: int
    seen_at: int


@dataclass(frozen=True, slots=True)
class Session:
    """A live session. Times are epoch milliseconds.

    `owner_id` is whose box is open, `person_id` the own box of a delegate who opened it. `credential` is a digest
    of the password that opened it, empty where none did.
    """

    token: str = field(repr=False)
    owner_id: int
    created_at: int
    seen_at: int
    id: str = ""
    person_id: int | None = None
    strength: Strength = Strength.PASSWORD
    credential: bytes = field(default=b"", repr=False)
    device: Device = UNKNOWN
    sealed: bytes | None = field(default=None, repr=False)

    @property
    def token_hash(self) -> str:
        """The name of the session inside the house."""
        return hash_of(self.token)

    @property
    def bearer_id(self) -> int:
        """The box whose password or owner opened the session."""
        return self.person_id if self.person_id is not None else self.owner_id

    @property
    def form_token(self) -> str:
        """The secret that every form of this session carries; another site can neither read nor guess it."""
        return form_token_of(self.token)

    @property
    def pocket(self) -> dict[str, Any]:
        """What the session kept between two pages, when it was read."""
        return pocket.unseal(self.token, self.sealed)

    def owns_form(self, token: str) -> bool:
        """Whether a posted form was made by one of this session's pages."""
        return hmac.compare_digest(self.form_token.encode(), token.encode(errors="replace"))

    def wants_touch(self, now: int) -> bool:
        """Whether `seen_at` is old enough to be worth a write."""
        return now - self.seen_at >= _TOUCH_MS


def begin(
    uow: UnitOfWork,
    owner_id: int,
    now: int,
    *,
    strength: Strength = Strength.PASSWORD,
    device: Device = UNKNOWN,
    credential: bytes = b"",
    content: Mapping[str, Any] | None = None,
) -> Session:
    """A new session with a token nobody has seen; sessions past their time are swept on the way."""
    token = new_token()
    session = Session(
        token,
        owner_id,
        now,
        now,
        id=secrets.token_urlsafe(12),
        strength=strength,
        credential=credential,
        device=device,
        sealed=pocket.seal(token, content or {}),
    )
    uow.execute(_PRUNE, {"oldest": now - ABSOLUTE_MS, "idle": now - IDLE_MS})
    uow.execute(
        _INSERT,
        {
            "token_hash": session.token_hash,
            "public_id": session.id,
            "owner_id": owner_id,
            "person_id": None,
            "strength": strength.value,
            "credential": credential,
            "agent": device.agent,
            "peer": device.peer,
            "created_at": now,
            "seen_at": now,
            "pocket": session.sealed,
        },
    )
    return session


# ref: IE.58
def find(connection: Connection, token: str | None, now: int) -> Session | None:
    """The session of a cookie; None when unknown, 12 hours old, or 30 minutes unused."""
    if token is None or len(token) != _TOKEN_LENGTH:
        return None
    row = connection.execute(_FIND, {"hash": hash_of(token)}).first()
    if row is None or now - row.created_at >= ABSOLUTE_MS or now - row.seen_at >= IDLE_MS:
        return None
    return Session(
        token,
        row.owner_id,
        row.created_at,
        row.seen_at,
        row.public_id,
        row.person_id,
        Strength(row.strength),
        row.credential,
        Device(row.agent, row.peer),
        row.pocket,
    )


def list_of(connection: Connection, bearer_id: int, now: int) -> list[Entry]:
    """The live sessions of a person, the last used first."""
    rows = connection.execute(
        _LIST, {"bearer": bearer_id, "oldest": now - ABSOLUTE_MS, "idle": now - IDLE_MS}
    )
    return [_entry(row) for row in rows]


def touch(uow: UnitOfWork, session: Session, now: int) -> None:
    """Notes that the person is still there."""
    uow.execute(_TOUCH, {"hash": session.token_hash, "now": now})


def renew(uow: UnitOfWork, session: Session, **changed: Any) -> Session | None:
    """The session under a new token, with other fields of `Session`; None when it has ended in the meantime.

    Whoever knew the old token, or a form made with it, has nothing any more.
    """
    token = new_token()
    renewed = replace(session, token=token, sealed=pocket.seal(token, session.pocket), **changed)
    values = {
        "token_hash": renewed.token_hash,
        "owner_id": renewed.owner_id,
        "person_id": renewed.person_id,
        "strength": renewed.strength.value,
        "credential": renewed.credential,
        "pocket": renewed.sealed,
    }
    found = uow.execute(_CHANGE.values(**values), {"hash": session.token_hash}).rowcount
    return renewed if found else None


def pocket_of(connection: Connection, session: Session) -> dict[str, Any]:
    """What the session keeps by now; empty when it has ended."""
    return pocket.unseal(session.token, connection.execute(_POCKET, {"hash": session.token_hash}).scalar())


def fill_pocket(uow: UnitOfWork, session: Session, content: Mapping[str, Any]) -> None:
    """Replaces what the session keeps between two pages (JSON values)."""
    uow.execute(_CHANGE.values(pocket=pocket.seal(session.token, content)), {"hash": session.token_hash})


def end(uow: UnitOfWork, token: str) -> None:
    """Ends the session of a token, if there is one."""
    uow.execute(_END, {"hash": hash_of(token)})


def end_all(uow: UnitOfWork, bearer_id: int) -> None:
    """Ends every session of a person: a changed password, a closed box."""
    uow.execute(_END_ALL, {"bearer": bearer_id})


def end_others(uow: UnitOfWork, session: Session) -> None:
    """Ends every session of the same person but this one."""
    uow.execute(_END_OTHERS, {"bearer": session.bearer_id, "kept": session.token_hash})


def end_one(uow: UnitOfWork, bearer_id: int, public_id: str) -> bool:
    """Ends one session of a person by its public id; False where they have none of that id."""
    return uow.execute(_END_ONE, {"bearer": bearer_id, "public": public_id}).rowcount > 0


def set_cookie(response: Response, session: Session) -> None:
    """Hands the token to the browser (RFC 6265bis §4.1.3.2: `__Host-` pins it to this host and to HTTPS)."""
    response.set_cookie(COOKIE, session.token, path="/", secure=True, httponly=True, samesite="lax")


def drop_cookie(response: Response) -> None:
    """Tells the browser to forget the token."""
    response.delete_cookie(COOKIE, path="/", secure=True, httponly=True, samesite="lax")


def new_token() -> str:
    """256 random bits for a cookie."""
    return secrets.token_urlsafe(32)


def hash_of(token: str) -> str:
    """The name under which a table knows a token."""
    return hashlib.sha256(token.encode(errors="replace")).hexdigest()


def form_token_of(token: str) -> str:
    """The form token that belongs to a cookie's token."""
    return hmac.new(token.encode(errors="replace"), b"form", hashlib.sha256).hexdigest()


def _entry(row: Row[*tuple[Any, ...]]) -> Entry:
    return Entry(
        row.public_id,
        row.owner_id,
        row.person_id,
        Strength(row.strength),
        Device(row.agent, row.peer),
        row.created_at,
        row.seen_at,
    )
