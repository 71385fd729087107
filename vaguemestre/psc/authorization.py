"""The authorization endpoint: a page on which one chooses who one is, and the code that says so."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from starlette.responses import RedirectResponse

from portal.pages import check_origin
from vaguemestre.psc.clients import origin_of
from vaguemestre.psc.grants import Code
from vaguemestre.psc.issuer import SCOPES
from vaguemestre.psc.messages import OAuthError, browser_parameters

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request
    from starlette.responses import Response

    from vaguemestre.fictive import Professional
    from vaguemestre.psc.clients import Client, Clients
    from vaguemestre.psc.grants import Grants
    from vaguemestre.psc.pages import PscPages

PAGE_FIELDS = ("username", "decision")
"""What the page adds to the parameters of the request, which it hands back as they came."""
_CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}")
_DENIED = "refuser"


@dataclass(frozen=True, slots=True)
class _Asked:
    """A request that may be answered by a redirect."""

    client: Client
    redirect_uri: str
    state: str | None
    issuer: str

    def back(self, values: Mapping[str, str]) -> Response:
        """Sends the browser back (RFC 6749 §4.1.2, `iss` as RFC 9207)."""
        state = {} if self.state is None else {"state": self.state}
        query = urlencode({**values, **state, "iss": self.issuer})
        return RedirectResponse(self.redirect_uri + ("&" if "?" in self.redirect_uri else "?") + query, 303)


class AuthorizationEndpoint:
    """`/psc/protocol/openid-connect/auth` by GET and POST (OpenID Connect Core §3.1.2.1)."""

    def __init__(
        self,
        issuer: str,
        clients: Clients,
        people: Mapping[str, Professional],
        grants: Grants,
        pages: PscPages,
    ) -> None:
        self._issuer = issuer
        self._clients = clients
        self._people = people
        self._grants = grants
        self._pages = pages

    async def answer(self, request: Request) -> Response:
        """The page, a redirect with a code or an error, or a page that says why there is none."""
        try:
            parameters = await browser_parameters(request)
            asked = self._asked(parameters)
        except OAuthError as error:
            return self._pages.refused(error)
        try:
            scope, challenge = _checked(parameters)
        except OAuthError as error:
            return asked.back({"error": error.code, "error_description": error.description})
        if request.method != "POST" or not any(name in parameters for name in PAGE_FIELDS):
            return await self._page(asked, parameters)
        check_origin(request)
        if parameters.get("decision") == _DENIED:
            return asked.back({"error": "access_denied", "error_description": "the professional refused"})
        username = parameters.get("username", "")
        if username not in self._people:
            return await self._page(
                asked, parameters, refusal="Choisissez un professionnel de la liste.", status=400
            )
        session = self._grants.begin(username, asked.client.id, scope, parameters.get("nonce"))
        code = self._grants.new_code(Code(session, asked.redirect_uri, challenge))
        return asked.back({"code": code, "session_state": session.sid})

    def _asked(self, parameters: Mapping[str, str]) -> _Asked:
        """Raises OAuthError where nobody may be sent anywhere (RFC 6749 §4.1.2.1)."""
        client = self._clients.find(parameters.get("client_id", ""))
        if client is None:
            raise OAuthError("invalid_client", "Ce logiciel (client_id) n’est pas connu ici.")
        redirect_uri = parameters.get("redirect_uri", "")
        if not client.may_return_to(redirect_uri):
            raise OAuthError(
                "invalid_request", "L’adresse de retour (redirect_uri) n’est pas permise à ce logiciel."
            )
        return _Asked(client, redirect_uri, parameters.get("state"), self._issuer)

    async def _page(
        self, asked: _Asked, parameters: Mapping[str, str], *, refusal: str = "", status: int = 200
    ) -> Response:
        hidden = {name: value for name, value in parameters.items() if name not in PAGE_FIELDS}
        page = await self._pages.choice(
            asked.client.id, hidden, parameters.get("login_hint", ""), refusal=refusal, status=status
        )
        # Browsers hold the redirect that answers a form to `form-action`, too.
        origin = origin_of(asked.redirect_uri)
        page.headers["Content-Security-Policy"] = (
            "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; "
            f"frame-ancestors 'none'; form-action 'self' {origin}"
        )
        return page


def _checked(parameters: Mapping[str, str]) -> tuple[str, str | None]:
    """The scope granted and the PKCE challenge. Raises OAuthError, to be told by a redirect."""
    for name in ("request", "request_uri"):
        if name in parameters:
            raise OAuthError(f"{name}_not_supported", f"{name} is not supported")
    if parameters.get("response_type") != "code":
        raise OAuthError("unsupported_response_type", "response_type has to be code")
    if parameters.get("response_mode", "query") != "query":
        raise OAuthError("invalid_request", "response_mode has to be query")
    if parameters.get("prompt") == "none":
        raise OAuthError("login_required", "nobody stays signed in here: the choice is always asked for")
    return granted_scope(parameters.get("scope", "")), _challenge(parameters)


def granted_scope(asked: str) -> str:
    """The scopes served among those asked for, unknown ones left out (OpenID Connect Core §3.1.2.1)."""
    scopes = [scope for scope in SCOPES if scope in asked.split(" ")]
    if "openid" not in scopes:
        raise OAuthError("invalid_scope", "scope has to contain openid")
    return " ".join(scopes)


def _challenge(parameters: Mapping[str, str]) -> str | None:
    challenge = parameters.get("code_challenge")
    if challenge is None:
        if "code_challenge_method" in parameters:
            raise OAuthError("invalid_request", "code_challenge is missing")
        return None
    # RFC 7636 §4.3: without a method it would be plain.
    if parameters.get("code_challenge_method") != "S256":
        raise OAuthError("invalid_request", "code_challenge_method has to be S256")
    if not _CHALLENGE.fullmatch(challenge):
        raise OAuthError("invalid_request", "code_challenge is no S256 challenge")
    return challenge
