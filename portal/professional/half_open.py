"""Half-open sessions: the password was right and the second factor is awaited. They open nothing else."""

from __future__ import annotations

import hmac
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sqlalchemy import bindparam, delete, insert, select, update

from directory.bals import bal_of
from portal.professional.visit import credential_of
from portal.sessions import form_token_of, hash_of, new_token
from portal.tables import portal_half_open

if TYPE_CHECKING:
    from sqlalchemy import Connection
    from starlette.responses import Response

    from directory.bals import Bal
    from foundation.database import UnitOfWork

COOKIE = "__Host-vaguemestre-code"
LIFE_MS = 5 * 60 * 1000
TRIES = 5
"""Codes that one right password lets somebody try."""

_IS_THIS = portal_half_open.c.token_hash == bindparam("hash")
_IS_LIVE = portal_half_open.c.created_at > bindparam("oldest")
_FIND = select(portal_half_open.c.owner_id, portal_half_open.c.credential).where(_IS_THIS, _IS_LIVE)
_INSERT = insert(portal_half_open)
_COUNT = (
    update(portal_half_open)
    .where(_IS_THIS, _IS_LIVE, portal_half_open.c.tries < TRIES)
    .values(tries=portal_half_open.c.tries + 1)
    .returning(portal_half_open.c.tries)
)
_END = delete(portal_half_open).where(_IS_THIS)
_PRUNE = delete(portal_half_open).where(portal_half_open.c.created_at <= bindparam("oldest"))


@dataclass(frozen=True, slots=True)
class HalfOpen:
    """Somebody who gave the password of `bal`."""

    token: str = field(repr=False)
    bal: Bal

    @property
    def form_token(self) -> str:
        """The secret that the form for the code carries."""
        return form_token_of(self.token)

    def owns_form(self, token: str) -> bool:
        """Whether a posted form was made by the page of this half-open session."""
        return hmac.compare_digest(self.form_token.encode(), token.encode(errors="replace"))


def begin(uow: UnitOfWork, bal: Bal, now: int) -> HalfOpen:
    """A half-open session of five minutes (`now`: epoch ms)."""
    half_open = HalfOpen(new_token(), bal)
    uow.execute(_PRUNE, {"oldest": now - LIFE_MS})
    uow.execute(
        _INSERT,
        {
            "token_hash": hash_of(half_open.token),
            "owner_id": bal.owner_id,
            "credential": credential_of(bal),
            "tries": 0,
            "created_at": now,
        },
    )
    return half_open


def find(connection: Connection, token: str | None, now: int) -> HalfOpen | None:
    """The half-open session of a cookie; None when it is over, its box is shut, or its password another by now."""
    if token is None:
        return None
    row = connection.execute(_FIND, {"hash": hash_of(token), "oldest": now - LIFE_MS}).first()
    bal = bal_of(connection, row.owner_id) if row is not None else None
    if row is None or bal is None or not bal.may_sign_in or row.credential != credential_of(bal):
        return None
    return HalfOpen(token, bal)


def count_try(uow: UnitOfWork, half_open: HalfOpen, now: int) -> int | None:
    """Counts a code before it is judged, so that guesses in parallel count too; None: none is heard any more."""
    names = {"hash": hash_of(half_open.token), "oldest": now - LIFE_MS}
    row = uow.execute(_COUNT, names).first()
    return row.tries if row is not None else None


def end(uow: UnitOfWork, token: str) -> None:
    """Ends the half-open session of a token, if there is one."""
    uow.execute(_END, {"hash": hash_of(token)})


def set_cookie(response: Response, half_open: HalfOpen) -> None:
    """Hands the token to the browser, beside the cookie of a session and never in its place."""
    response.set_cookie(
        COOKIE,
        half_open.token,
        max_age=LIFE_MS // 1000,
        path="/",
        secure=True,
        httponly=True,
        samesite="strict",
    )


def drop_cookie(response: Response) -> None:
    """Tells the browser to forget the token."""
    response.delete_cookie(COOKIE, path="/", secure=True, httponly=True, samesite="strict")
