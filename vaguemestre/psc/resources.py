"""What is asked with a token in the hand: userinfo, introspection, revocation, sign-out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from starlette.responses import JSONResponse, RedirectResponse, Response

from vaguemestre.psc.messages import (
    OAuthError,
    answered,
    authenticated,
    browser_parameters,
    form_parameters,
    required,
)
from vaguemestre.psc.people import claims_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request

    from vaguemestre.fictive import Professional
    from vaguemestre.psc.clients import Client, Clients
    from vaguemestre.psc.grants import Grants
    from vaguemestre.psc.pages import PscPages
    from vaguemestre.psc.tokens import Mint

_INVALID = 'Bearer realm="psc", error="invalid_token"'


class Resources:
    """`userinfo`, `token/introspect`, `revoke` and `logout`."""

    def __init__(
        self,
        mint: Mint,
        clients: Clients,
        people: Mapping[str, Professional],
        grants: Grants,
        pages: PscPages,
    ) -> None:
        self._mint = mint
        self._clients = clients
        self._people = people
        self._grants = grants
        self._pages = pages

    def _live(self, token: str) -> dict[str, Any] | None:
        """The claims of an access token that holds at this moment."""
        claims = self._mint.read(token)
        if claims is None or claims["typ"] != "Bearer" or claims["exp"] <= self._mint.now():
            return None
        if self._grants.is_ended(claims["sid"]) or self._grants.is_revoked(claims["jti"]):
            return None
        return claims if claims["SubjectNameID"] in self._people else None

    async def userinfo(self, request: Request) -> Response:
        """The claims of whoever an access token is for (OpenID Connect Core §5.3)."""
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            return Response(status_code=401, headers={"WWW-Authenticate": 'Bearer realm="psc"'})
        claims = self._live(token.strip())
        if claims is None:
            refusal = {"error": "invalid_token", "error_description": "the token does not hold"}
            return JSONResponse(refusal, 401, headers={"WWW-Authenticate": _INVALID})
        return answered(claims_of(self._people[claims["SubjectNameID"]], claims["scope"]))

    async def introspect(self, request: Request) -> Response:
        """Whether a token holds, and what is in it (RFC 7662)."""
        parameters = await form_parameters(request)
        authenticated(request, parameters, self._clients)
        token = required(parameters, "token")
        claims = self._live(token)
        if claims is not None:
            shown = {"username": claims["preferred_username"], "client_id": claims["azp"]}
            return answered({**claims, **shown, "token_type": "Bearer", "active": True})
        session = self._grants.find_refresh_token(token)
        if session is not None:
            shown = {"username": session.username, "client_id": session.client_id, "scope": session.scope}
            return answered({**shown, "sid": session.sid, "typ": "Refresh", "active": True})
        return answered({"active": False})

    async def revoke(self, request: Request) -> Response:
        """Ends an access token, or with a refresh token its whole session (RFC 7009)."""
        parameters = await form_parameters(request)
        client = authenticated(request, parameters, self._clients)
        token = required(parameters, "token")
        claims = self._live(token)
        session = self._grants.find_refresh_token(token)
        if claims is not None:
            _own(client, claims["azp"])
            self._grants.revoke(claims["jti"], claims["exp"] - self._mint.now())
        elif session is not None:
            _own(client, session.client_id)
            self._grants.end(session.sid)
        return Response(status_code=200)

    async def logout(self, request: Request) -> Response:
        """Ends the session of an ID token and sends its bearer back (RP-Initiated Logout 1.0 §2)."""
        try:
            parameters = await browser_parameters(request)
            client = self._leaving(parameters)
        except OAuthError as error:
            return self._pages.refused(error)
        after = parameters.get("post_logout_redirect_uri")
        if after is None or client is None:
            return self._pages.signed_out()
        if not client.may_leave_to(after):
            refusal = "L’adresse de retour (post_logout_redirect_uri) n’est pas permise à ce logiciel."
            return self._pages.refused(OAuthError("invalid_request", refusal))
        state = parameters.get("state")
        query = "" if state is None else ("&" if "?" in after else "?") + urlencode({"state": state})
        return RedirectResponse(after + query, 303)

    def _leaving(self, parameters: Mapping[str, str]) -> Client | None:
        """The client whose session ends; without an ID token there is none to end. Raises OAuthError."""
        hint, client_id = parameters.get("id_token_hint"), parameters.get("client_id")
        if hint is None:
            return self._clients.find(client_id or "")
        claims = self._mint.read(hint)  # one that has expired serves, too
        if claims is None or claims["typ"] != "ID" or client_id not in (None, claims["aud"]):
            raise OAuthError("invalid_request", "Le jeton d’identité (id_token_hint) n’est pas valable.")
        self._grants.end(claims["sid"])
        return self._clients.find(claims["aud"])


def _own(client: Client, client_id: str) -> None:
    if client.id != client_id:
        raise OAuthError("invalid_grant", "the token was issued to another client")
