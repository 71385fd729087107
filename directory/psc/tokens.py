"""Checks access tokens of Pro Santé Connect that open mail (RFC 7519, RFC 7662, RFC 8705)."""

from __future__ import annotations

import hashlib
import hmac
import re
from base64 import urlsafe_b64encode
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from directory.psc.claims import Professional
from directory.psc.faults import TokenFault
from directory.psc.https import Unreachable
from directory.psc.jose import LARGEST_TOKEN, read
from directory.psc.strict_json import parse_object
from directory.psc.validity import instant, validity_fault
from foundation.log import get_logger

if TYPE_CHECKING:
    from collections.abc import Mapping

    from directory.psc.provider import PscProvider
    from foundation.clock import Clock
    from foundation.settings import PscSettings

_TOKEN = re.compile(r"[A-Za-z0-9._~+/-]+=*")
"""b64token of RFC 6750 §2.1."""
_ACCESS_HEADER = "at+jwt"
_ACCESS_CLAIM = "bearer"
_OK = 200

_log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Access:
    """Whose token it is; `idnat` is the SubjectNameID, `expires_at` epoch milliseconds."""

    idnat: str
    expires_at: int
    professional: Professional = field(repr=False)


# ref: F50
class TokenCheck:
    """Says whose access token this is, or what is wrong with it.

    A token that is not bound may be presented as often as its holder wants until it ends: a mail client opens
    several connections and opens them again, each with the same token, so a second use is no sign of theft. Its
    short life and the listeners' TLS are what protects it. A token bound to a certificate (`cnf`) opens nothing
    without that certificate. Nothing about a token is kept between two checks.
    """

    def __init__(self, provider: PscProvider, settings: PscSettings, clock: Clock) -> None:
        self._provider = provider
        self._asks_each_time = settings.validation == "introspection"
        self._parties = frozenset({settings.client_id, *settings.authorized_parties}) - {""}
        self._acr = frozenset(settings.acr)
        self._clock = clock

    async def check(self, token: str, *, certificate: bytes | None = None) -> Access | TokenFault:
        """`certificate` is the DER of the one the client showed in this connection's handshake, if any.

        Never raises for what a token holds. Waits when its key is not known yet, 20 seconds at most.
        """
        # ref: ECO.1.2.1
        claims = await (self._introspected(token) if self._asks_each_time else self._signed(token))
        if isinstance(claims, TokenFault):
            return claims
        return self._judge(claims, certificate)

    async def _signed(self, token: str) -> Mapping[str, Any] | TokenFault:
        signed = read(token)
        if signed is None:
            return TokenFault.MALFORMED
        fault = await self._provider.verify(signed)
        if fault is not None:
            return fault
        # An ID token is signed by the same keys, for the same client: only the type tells them apart.
        if signed.typ != _ACCESS_HEADER and not _is_bearer(signed.claims.get("typ")):
            return TokenFault.WRONG_TYPE
        return signed.claims

    async def _introspected(self, token: str) -> Mapping[str, Any] | TokenFault:
        if len(token) > LARGEST_TOKEN or not _TOKEN.fullmatch(token):
            return TokenFault.MALFORMED
        try:
            endpoint = (await self._provider.metadata()).introspection
            if endpoint is None:
                raise Unreachable("Pro Santé Connect offers no introspection.")
            form = {"token": token, "token_type_hint": "access_token"}
            answer = await self._provider.ask_as_client(endpoint, form)
            claims = parse_object(answer.body) if answer.status == _OK else None
            if claims is None:
                raise Unreachable(f"{endpoint.url} answers {answer.status} and no JSON object.")
        except Unreachable as error:
            _log.warning("psc.unreachable", wanted="introspection", reason=str(error))
            return TokenFault.UNAVAILABLE
        if claims.get("active") is not True:
            return TokenFault.REVOKED
        if claims.get("iss", self._provider.issuer) != self._provider.issuer:
            return TokenFault.WRONG_ISSUER
        if not _is_bearer(claims.get("typ", claims.get("token_type"))):
            return TokenFault.WRONG_TYPE
        return claims

    def _judge(self, claims: Mapping[str, Any], certificate: bytes | None) -> Access | TokenFault:
        fault = validity_fault(claims, self._clock.millis())
        if fault is not None:
            return fault
        if not _parties(claims) & self._parties:
            return TokenFault.WRONG_AUDIENCE
        acr = claims.get("acr")
        if not isinstance(acr, str) or acr not in self._acr:
            return TokenFault.WEAK_ACR
        if not _is_bound_to(claims, certificate):
            return TokenFault.NOT_BOUND
        professional, expires = Professional.from_claims(claims), instant(claims, "exp")
        if professional is None or expires is None:
            return TokenFault.NO_SUBJECT
        return Access(professional.idnat, expires, professional)


def thumbprint(certificate: bytes) -> str:
    """`x5t#S256` of a certificate in DER (RFC 8705 §3.1)."""
    return urlsafe_b64encode(hashlib.sha256(certificate).digest()).rstrip(b"=").decode()


def _is_bearer(kind: Any) -> bool:
    return isinstance(kind, str) and kind.lower() == _ACCESS_CLAIM


def _parties(claims: Mapping[str, Any]) -> frozenset[str]:
    """The client a token was issued to; where neither `azp` nor `client_id` tells it, its audience."""
    for name in ("azp", "client_id"):
        if name in claims:
            return frozenset({claims[name]}) if isinstance(claims[name], str) else frozenset()
    audience = claims.get("aud")
    audiences = audience if isinstance(audience, list) else [audience]
    return frozenset(each for each in audiences if isinstance(each, str))


def _is_bound_to(claims: Mapping[str, Any], certificate: bytes | None) -> bool:
    """Whether a token is free to use, or bound to this certificate; a binding of another kind cannot be checked."""
    if "cnf" not in claims:
        return True
    confirmation = claims["cnf"]
    if certificate is None or not isinstance(confirmation, dict) or set(confirmation) != {"x5t#S256"}:
        return False
    expected = confirmation["x5t#S256"]
    return (
        isinstance(expected, str)
        and expected.isascii()
        and hmac.compare_digest(expected.rstrip("="), thumbprint(certificate))
    )
