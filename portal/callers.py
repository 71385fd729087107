"""Who calls an interface for programs: a professional with a session, a box by its password, or a PSC token.

A password goes as in RFC 7617, and is judged and braked as at submission; a token as in RFC 6750, with the box it is
for in the field `X-Bal`: without it, the bearer's own where that is one.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from starlette.responses import JSONResponse

from mailserver.envelope import Refused
from mailserver.refusals import (
    LOCKED_OUT,
    NOT_SIGNED_IN,
    TOKEN_REFUSED,
    TOKEN_UNVERIFIABLE,
    WRONG_PASSWORD,
    Refusal,
)
from mailserver.signin.application import Scope
from mailserver.store.rights import Right
from portal import sessions
from portal.devices import peer_of
from portal.pages import check_origin

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request
    from starlette.responses import Response

    from mailserver.envelope import Principal
    from portal.context import PortalContext

BOX_HEADER: Final = "x-bal"
_MAX_CREDENTIALS: Final = 8 * 1024
"""Octets of Authorization; an access token has about two thousand."""
_CHALLENGE: Final = 'Basic realm="Vaguemestre", charset="UTF-8", Bearer realm="Vaguemestre"'
_INVALID: Final = 'Bearer realm="Vaguemestre", error="invalid_token"'
_STATUSES: Final[Mapping[Refusal, HTTPStatus]] = {
    NOT_SIGNED_IN: HTTPStatus.UNAUTHORIZED,
    WRONG_PASSWORD: HTTPStatus.UNAUTHORIZED,
    TOKEN_REFUSED: HTTPStatus.UNAUTHORIZED,
    LOCKED_OUT: HTTPStatus.TOO_MANY_REQUESTS,
    TOKEN_UNVERIFIABLE: HTTPStatus.SERVICE_UNAVAILABLE,
}
"""Any other refusal is of somebody who is known and may not: 403."""
_SAFE: Final = frozenset({"GET", "HEAD"})


@dataclass(frozen=True, slots=True)
class Caller:
    """The box on whose behalf something is asked."""

    owner_id: int
    address: str = field(repr=False)


class Callers:
    """Tells who calls, for one portal."""

    def __init__(self, context: PortalContext) -> None:
        self._context = context

    async def identify(self, request: Request) -> Caller | Response:
        """Who calls, or the answer that says why nobody does.

        Where Authorization is there it counts alone. Raises 403 for a request that another site made a browser
        with a session send.
        """
        written = request.headers.get("authorization")
        if written is None:
            return self._by_session(request)
        scheme, _, credentials = written.partition(" ")
        credentials = credentials.strip()
        if len(credentials) > _MAX_CREDENTIALS:
            return refusal_response(NOT_SIGNED_IN)
        match scheme.lower():
            case "basic":
                answer = await self._by_password(credentials, peer_of(request))
            case "bearer":
                answer = await self._context.sign_in.token(
                    request.headers.get(BOX_HEADER, ""),
                    credentials,
                    peer=peer_of(request),
                    certificate=None,
                    scope=Scope.SMTP,
                )
            case _:
                answer = Refused(NOT_SIGNED_IN)
        if isinstance(answer, Refused):
            return refusal_response(answer.refusal)
        if not answer.rights >= {Right.LOOKUP, Right.READ}:
            return refusal_response(TOKEN_REFUSED)
        return Caller(answer.owner_id, answer.address)

    def _by_session(self, request: Request) -> Caller | Response:
        visit = self._context.professional(request.cookies.get(sessions.COOKIE))
        if visit is None:
            return refusal_response(NOT_SIGNED_IN)
        if request.method not in _SAFE:
            check_origin(request)
        return Caller(visit.owner_id, visit.bal.address)

    async def _by_password(self, credentials: str, peer: str) -> Principal | Refused:
        try:
            decoded = base64.b64decode(credentials, validate=True).decode()
        except (binascii.Error, UnicodeDecodeError, ValueError):
            return Refused(NOT_SIGNED_IN)
        login, _, password = decoded.partition(":")
        return await self._context.sign_in.password(login, password, peer=peer, scope=Scope.SMTP)


def refusal_response(refusal: Refusal, status: int | None = None) -> JSONResponse:
    """A refusal of the table as JSON: `code`, `message` and `advice`, the last two in French."""
    status = status or _STATUSES.get(refusal, HTTPStatus.FORBIDDEN)
    headers = {}
    if status == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = _INVALID if refusal is TOKEN_REFUSED else _CHALLENGE
    elif status in (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE):
        headers["Retry-After"] = "900" if refusal is LOCKED_OUT else "60"
    body = {"code": refusal.code, "message": refusal.sentence, "advice": refusal.advice}
    return JSONResponse(body, status, headers)
