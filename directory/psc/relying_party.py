"""Signs professionals in by Pro Santé Connect: authorization code with PKCE (OpenID Connect Core §3.1, RFC 7636)."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from base64 import urlsafe_b64encode
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from directory.psc.claims import Professional
from directory.psc.faults import SignInFault, TokenFault
from directory.psc.https import Request, Unreachable
from directory.psc.jose import read
from directory.psc.strict_json import parse_object
from directory.psc.validity import validity_fault
from foundation.log import get_logger

if TYPE_CHECKING:
    from collections.abc import Mapping

    from directory.psc.https import Response
    from directory.psc.jose import Jws
    from directory.psc.provider import PscProvider
    from foundation.clock import Clock
    from foundation.settings import PscSettings

SCOPE = "openid scope_all"
ACR_VALUES = "eidas1"
"""What Pro Santé Connect demands in a request; what suffices here is `psc.acr`."""
LOGOUT_EVENT = "http://schemas.openid.net/event/backchannel-logout"
_NAME_ID = "SubjectNameID"
_SIGNED = ("sub", "sid", "acr", _NAME_ID)
_LONGEST_ID = 255
_LARGEST_CODE = 2048
_LARGEST_USERINFO = 64 * 1024
_ERRORS = frozenset(
    {
        "invalid_request",
        "invalid_client",
        "unauthorized_client",
        "unsupported_grant_type",
        "invalid_scope",
        "invalid_grant",
    }
)
"""RFC 6749 §5.2: other text of the provider does not go to the log."""
_TYPES_OF_ID = frozenset({"", "jwt"})
_OK, _BAD_REQUEST = 200, 400

_log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Begun:
    """A request on its way: where the browser is sent, and what must be kept for its return, secret and for this
    browser alone: `state`, `nonce` and the PKCE `verifier`.
    """

    url: str = field(repr=False)
    state: str = field(repr=False)
    nonce: str = field(repr=False)
    verifier: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class SignedIn:
    """Who signed in, and the ID token, which serves once more as the hint when they sign out."""

    professional: Professional
    id_token: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class LoggedOut:
    """Whose session ends at the provider: `session` (sid) alone, or without one all of `subject` (sub)."""

    subject: str
    session: str


class RelyingParty:
    """This operator as a client of the provider."""

    def __init__(self, provider: PscProvider, settings: PscSettings, clock: Clock) -> None:
        self._provider = provider
        self._client_id = settings.client_id
        self._acr = frozenset(settings.acr)
        self._clock = clock

    async def begin(self, redirect_uri: str) -> Begun | SignInFault:
        """A new request, or UNAVAILABLE. `redirect_uri` is registered at the provider.

        A session the person has at the provider already is used: `prompt` is not sent.
        """
        try:
            endpoint = (await self._provider.metadata()).authorization
        except Unreachable as error:
            return _unavailable("authorization", error)
        if endpoint is None:
            return SignInFault.UNAVAILABLE
        state, nonce, verifier = (secrets.token_urlsafe(32) for _ in range(3))
        query = {
            "response_type": "code",
            "client_id": self._client_id,
            "redirect_uri": redirect_uri,
            "scope": SCOPE,
            "acr_values": ACR_VALUES,
            "state": state,
            "nonce": nonce,
            "code_challenge": _challenge(verifier),
            "code_challenge_method": "S256",
        }
        return Begun(_with_query(endpoint, query), state, nonce, verifier)

    async def finish(
        self, begun: Begun, code: str, redirect_uri: str, *, issuer: str | None = None
    ) -> SignedIn | SignInFault:
        """Exchanges the code for the professional. `issuer` is the answer's `iss` (RFC 9207), None without one.

        The caller has compared the answer's `state` with `begun.state` of the same browser, and uses `begun` once.
        """
        try:
            metadata = await self._provider.metadata()
            if issuer != self._provider.issuer and (issuer is not None or metadata.names_itself):
                return SignInFault.WRONG_ISSUER
            if not 0 < len(code) <= _LARGEST_CODE or not code.isascii():
                return SignInFault.CODE_REFUSED
            if metadata.token is None or metadata.userinfo is None:
                raise Unreachable("Pro Santé Connect names no token or userinfo endpoint.")
            form = {
                "grant_type": "authorization_code",
                "code": code,
                "redirect_uri": redirect_uri,
                "code_verifier": begun.verifier,
            }
            answer = await self._provider.ask_as_client(metadata.token, form)
            given = parse_object(answer.body)
            if answer.status == _BAD_REQUEST and given is not None and given.get("error") == "invalid_grant":
                return SignInFault.CODE_REFUSED
            access_token, id_token = _tokens(metadata.token.url, answer.status, given)
            claims = await self._identity(id_token, begun.nonce, access_token)
            if isinstance(claims, SignInFault):
                return claims
            told = await self._userinfo(metadata.userinfo, access_token)
        except Unreachable as error:
            return _unavailable("sign-in", error)
        # Told over TLS only, the userinfo must be about whom the signed ID token names (OpenID Connect Core §5.3.2).
        signed = {name: claims[name] for name in _SIGNED if name in claims}
        if told.get("sub") != signed["sub"] or {**signed, **told}.get(_NAME_ID) != {**told, **signed}.get(
            _NAME_ID
        ):
            return SignInFault.WRONG_SUBJECT
        professional = Professional.from_claims({**told, **signed})
        return SignInFault.NO_SUBJECT if professional is None else SignedIn(professional, id_token)

    async def logout_url(self, after: str, *, id_token: str | None = None) -> str | None:
        """Where the browser signs out of Pro Santé Connect, to come back to `after`, which is registered there
        (RP-Initiated Logout 1.0 §2); None when the provider has no such place or cannot be reached.
        """
        try:
            endpoint = (await self._provider.metadata()).end_session
        except Unreachable:
            return None
        if endpoint is None:
            return None
        query = {"client_id": self._client_id, "post_logout_redirect_uri": after}
        return _with_query(endpoint, query | ({"id_token_hint": id_token} if id_token is not None else {}))

    async def logged_out(self, logout_token: str) -> LoggedOut | TokenFault:
        """Whose sessions a logout token ends (Back-Channel Logout 1.0 §2.6). Ending them twice does no harm, so a
        token may come again until it expires.
        """
        token = read(logout_token)
        if token is None:
            return TokenFault.MALFORMED
        fault = await self._fault(token)
        if fault is not None:
            return fault
        events, nonce = token.claims.get("events"), token.claims.get("nonce")
        if (
            not isinstance(events, dict)
            or not isinstance(events.get(LOGOUT_EVENT), dict)
            or nonce is not None
        ):
            return TokenFault.WRONG_TYPE
        subject, session = (_id(token.claims.get(name)) for name in ("sub", "sid"))
        return LoggedOut(subject, session) if subject or session else TokenFault.NO_SUBJECT

    async def _identity(self, text: str, nonce: str, access_token: str) -> Mapping[str, Any] | SignInFault:
        """The claims of an ID token (OpenID Connect Core §3.1.3.7)."""
        token = read(text)
        fault = TokenFault.MALFORMED if token is None else await self._fault(token)
        if fault is TokenFault.UNAVAILABLE:
            return SignInFault.UNAVAILABLE
        if token is None or fault is not None:
            _log.warning("psc.id_token_refused", fault=str(fault))
            return SignInFault.BAD_IDENTITY
        claims = token.claims
        is_id = token.typ in _TYPES_OF_ID and claims.get("typ", "ID") == "ID"
        subject = claims.get("sub")
        if not is_id or not isinstance(subject, str) or not subject or not _matches(token, access_token):
            return SignInFault.BAD_IDENTITY
        if not _same(claims.get("nonce"), nonce):
            return SignInFault.WRONG_NONCE
        acr = claims.get("acr")
        if not isinstance(acr, str) or acr not in self._acr:
            return SignInFault.WEAK_ACR
        return claims

    async def _fault(self, token: Jws) -> TokenFault | None:
        """What is wrong with a token that the provider addressed to this client."""
        fault = await self._provider.verify(token) or validity_fault(token.claims, self._clock.millis())
        if fault is not None:
            return fault
        audience, party = token.claims.get("aud"), token.claims.get("azp")
        audiences = audience if isinstance(audience, list) else [audience]
        is_ours = self._client_id in audiences and party in (
            (self._client_id,) if len(audiences) > 1 else (self._client_id, None)
        )
        return None if is_ours else TokenFault.WRONG_AUDIENCE

    async def _userinfo(self, url: str, access_token: str) -> Mapping[str, Any]:
        """The claims of the userinfo endpoint, as JSON or as a signed token. Raises Unreachable."""
        headers = {
            "Authorization": f"Bearer {access_token}",
            "Accept": "application/json, application/jwt;q=0.5",
        }
        answer = await self._provider.ask(Request(url, headers))
        claims = (
            await self._signed(answer)
            if answer.media_type == "application/jwt"
            else parse_object(answer.body)
        )
        if answer.status != _OK or claims is None:
            raise Unreachable(f"{url} answers {answer.status} and no claims.")
        return claims

    async def _signed(self, answer: Response) -> Mapping[str, Any] | None:
        token = read(answer.body.decode("ascii", "replace").strip(), largest=_LARGEST_USERINFO)
        if token is None or await self._provider.verify(token) is not None:
            return None
        audience = token.claims.get("aud", self._client_id)
        is_ours = self._client_id in (audience if isinstance(audience, list) else [audience])
        return token.claims if is_ours else None


def _tokens(url: str, status: int, given: Mapping[str, Any] | None) -> tuple[str, str]:
    """The access token and the ID token of an answer (RFC 6749 §5.1). Raises Unreachable."""
    if status != _OK or given is None:
        # As a rule the client's name, secret or certificate is wrong, which is the operator's to mend.
        error = str((given or {}).get("error"))
        raise Unreachable(f"{url} answers {status}{f' ({error})' if error in _ERRORS else ''}.")
    access_token, id_token, kind = (given.get(name) for name in ("access_token", "id_token", "token_type"))
    is_bearer = isinstance(kind, str) and kind.lower() == "bearer"
    if not isinstance(access_token, str) or not isinstance(id_token, str) or not is_bearer:
        raise Unreachable(f"{url} gives no access token and ID token.")
    if not access_token.isascii() or not access_token.isprintable() or " " in access_token:
        raise Unreachable(f"{url} gives an access token that no header can carry.")
    return access_token, id_token


def _challenge(verifier: str) -> str:
    return urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()


def _with_query(url: str, query: Mapping[str, str]) -> str:
    return f"{url}{'&' if '?' in url else '?'}{urlencode(query)}"


def _same(found: Any, expected: str) -> bool:
    return isinstance(found, str) and found.isascii() and hmac.compare_digest(found, expected)


def _id(value: Any) -> str:
    return value if isinstance(value, str) and len(value) <= _LONGEST_ID and value.isprintable() else ""


def _matches(token: Jws, access_token: str) -> bool:
    """Whether `at_hash`, where there is one, is the access token's (OpenID Connect Core §3.1.3.6)."""
    if "at_hash" not in token.claims:
        return True
    digest = hashlib.new(f"sha{token.alg[-3:]}", access_token.encode()).digest()
    expected = urlsafe_b64encode(digest[: len(digest) // 2]).rstrip(b"=").decode()
    return _same(token.claims["at_hash"], expected)


def _unavailable(wanted: str, error: Unreachable) -> SignInFault:
    _log.warning("psc.unreachable", wanted=wanted, reason=str(error))
    return SignInFault.UNAVAILABLE
