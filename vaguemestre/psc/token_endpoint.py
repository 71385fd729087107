"""The token endpoint and the start of CIBA: a code, a refresh token or a confirmed request becomes tokens."""

from __future__ import annotations

import hmac
import re
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from vaguemestre.psc.authorization import granted_scope
from vaguemestre.psc.grants import CONFIRM_SECONDS, REFRESH_SECONDS, Answer
from vaguemestre.psc.issuer import ACCESS_SECONDS
from vaguemestre.psc.messages import OAuthError, answered, authenticated, form_parameters, required
from vaguemestre.psc.tokens import certificate_thumbprint, challenge_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request
    from starlette.responses import Response

    from foundation.clock import Clock
    from vaguemestre.fictive import Professional
    from vaguemestre.psc.clients import Client, Clients
    from vaguemestre.psc.grants import Grants, Session
    from vaguemestre.psc.tokens import Mint

CIBA = "urn:openid:params:grant-type:ciba"
GRANT_TYPES = ("authorization_code", "refresh_token", CIBA)
_VERIFIER = re.compile(r"[A-Za-z0-9._~-]{43,128}")
_MESSAGE = re.compile(r"[^\x00-\x1f\x7f-\x9f]{1,64}")
_SLOWER_SECONDS = 5


class TokenEndpoint:
    """`token` and `ext/ciba/auth`."""

    def __init__(
        self,
        mint: Mint,
        clients: Clients,
        people: Mapping[str, Professional],
        grants: Grants,
        clock: Clock,
    ) -> None:
        self._mint = mint
        self._clients = clients
        self._people = people
        self._grants = grants
        self._clock = clock

    async def token(self, request: Request) -> Response:
        """Tokens for a grant (RFC 6749 §3.2)."""
        parameters = await form_parameters(request)
        client = authenticated(request, parameters, self._clients)
        grant = required(parameters, "grant_type")
        if grant not in GRANT_TYPES:
            raise OAuthError("unsupported_grant_type", "grant_type is not served here")
        thumbprint = _thumbprint(parameters.get("client_certificate"))
        if grant == "authorization_code":
            session = self._by_code(client, parameters)
        elif grant == "refresh_token":
            session = self._by_refresh_token(client, parameters)
        else:
            session = self._by_request(client, parameters)
        return self._tokens(session, thumbprint)

    def _by_code(self, client: Client, parameters: Mapping[str, str]) -> Session:
        code = self._grants.spend_code(required(parameters, "code"))
        if code is None or code.session.client_id != client.id:
            raise OAuthError("invalid_grant", "the code is unknown, used, or older than a minute")
        if parameters.get("redirect_uri") != code.redirect_uri:
            raise OAuthError("invalid_grant", "redirect_uri is not that of the authorization request")
        verifier = parameters.get("code_verifier")
        if code.challenge is None:
            # RFC 9700 §2.1.1: somebody took the challenge away.
            if verifier is not None:
                raise OAuthError("invalid_grant", "the authorization request had no code_challenge")
        elif (
            verifier is None
            or not _VERIFIER.fullmatch(verifier)
            or not hmac.compare_digest(challenge_of(verifier), code.challenge)
        ):
            raise OAuthError("invalid_grant", "code_verifier does not fit the code_challenge")
        return code.session

    def _by_refresh_token(self, client: Client, parameters: Mapping[str, str]) -> Session:
        session = self._grants.spend_refresh_token(required(parameters, "refresh_token"), client.id)
        if session is None:
            raise OAuthError("invalid_grant", "the refresh token is unknown, used, or its session has ended")
        asked = parameters.get("scope", session.scope).split()
        if not set(asked) <= set(session.scope.split()):
            raise OAuthError("invalid_scope", "scope goes beyond what was granted")
        return session

    def _by_request(self, client: Client, parameters: Mapping[str, str]) -> Session:
        waiting = self._grants.waiting(required(parameters, "auth_req_id"))
        if waiting is None or waiting.client_id != client.id:
            raise OAuthError("invalid_grant", "the request is unknown, or was answered already")
        now = self._clock.millis()
        if waiting.answer is Answer.DENIED:
            self._grants.forget(waiting)
            raise OAuthError("access_denied", "the professional refused")
        if waiting.until <= now:
            raise OAuthError("expired_token", "the professional did not answer in time")
        if waiting.answer is Answer.PENDING:
            too_soon = now < waiting.polled_at + 1000 * waiting.interval
            waiting.polled_at = now
            if too_soon:
                # CIBA Core §11: for this and all later questions.
                waiting.interval += _SLOWER_SECONDS
                raise OAuthError("slow_down", "the client asks too often")
            raise OAuthError("authorization_pending", "the professional has not answered yet")
        self._grants.forget(waiting)
        return self._grants.begin(waiting.username, client.id, waiting.scope)

    def _tokens(self, session: Session, thumbprint: str | None) -> Response:
        professional = self._people[session.username]
        access = self._mint.access_token(professional, session, thumbprint=thumbprint)
        return answered(
            {
                "access_token": access,
                "expires_in": ACCESS_SECONDS,
                "refresh_expires_in": REFRESH_SECONDS,
                "refresh_token": self._grants.new_refresh_token(session),
                "token_type": "Bearer",
                "id_token": self._mint.id_token(professional, session, access),
                "not-before-policy": 0,
                "session_state": session.sid,
                "scope": session.scope,
            }
        )

    async def ask(self, request: Request) -> Response:
        """A CIBA request in poll mode (CIBA Core §7.1); the professional answers it at `/psc/ciba`."""
        parameters = await form_parameters(request)
        client = authenticated(request, parameters, self._clients)
        scope = granted_scope(parameters.get("scope", ""))
        if "login_hint_token" in parameters or "id_token_hint" in parameters:
            raise OAuthError("invalid_request", "the professional is named by login_hint alone")
        username = required(parameters, "login_hint")
        if username not in self._people:
            raise OAuthError("unknown_user_id", "login_hint names nobody here")
        message = parameters.get("binding_message", "")
        if message and not _MESSAGE.fullmatch(message):
            raise OAuthError(
                "invalid_binding_message", "binding_message has 64 characters at most, on one line"
            )
        waiting = self._grants.wait_for(username, client.id, scope, message)
        return answered(
            {"auth_req_id": waiting.id, "expires_in": CONFIRM_SECONDS, "interval": waiting.interval}
        )


def _thumbprint(certificate: str | None) -> str | None:
    """Of the certificate that stands for the one of mutual TLS; PEM."""
    if certificate is None:
        return None
    return pem_thumbprint(certificate.encode())


def pem_thumbprint(pem: bytes) -> str:
    """x5t#S256 of the first certificate of a PEM. Raises OAuthError."""
    try:
        found = x509.load_pem_x509_certificate(pem)
    except ValueError as error:
        raise OAuthError("invalid_request", "client_certificate is no certificate in PEM") from error
    return certificate_thumbprint(found.public_bytes(Encoding.DER))
