"""Access and ID tokens as Pro Santé Connect (a Keycloak) makes them, and the reading of one's own."""

from __future__ import annotations

import base64
import hashlib
import secrets
from typing import TYPE_CHECKING, Any

from joserfc import jwt
from joserfc.errors import JoseError

from vaguemestre.psc.issuer import ACCESS_SECONDS, ACR, ALGORITHMS, Algorithm
from vaguemestre.psc.people import claims_of

if TYPE_CHECKING:
    from foundation.clock import Clock
    from vaguemestre.fictive import Professional
    from vaguemestre.psc.grants import Session
    from vaguemestre.psc.keys import SigningKeys

_LONGEST = 16 * 1024


class Mint:
    """Makes the tokens of one issuer."""

    def __init__(self, issuer: str, keys: SigningKeys, clock: Clock) -> None:
        self.issuer = issuer
        self._keys = keys
        self._clock = clock

    def now(self) -> int:
        """Seconds since the epoch, as tokens tell time (NumericDate, RFC 7519 §2)."""
        return self._clock.millis() // 1000

    def access_token(
        self,
        professional: Professional,
        session: Session,
        *,
        lifetime: int = ACCESS_SECONDS,
        thumbprint: str | None = None,
        algorithm: Algorithm = Algorithm.RS256,
    ) -> str:
        """An access token for so many seconds; bound to a certificate by its `thumbprint` (RFC 8705 §3.1)."""
        claims = {
            **self._frame(session, "Bearer", lifetime),
            "scope": session.scope,
            **claims_of(professional, session.scope),
        }
        if thumbprint is not None:
            claims["cnf"] = {"x5t#S256": thumbprint}
        return self._signed(claims, algorithm)

    def id_token(self, professional: Professional, session: Session, access_token: str) -> str:
        """An ID token that names the access token beside it (OpenID Connect Core §3.1.3.6)."""
        claims = {
            **self._frame(session, "ID", ACCESS_SECONDS),
            "aud": session.client_id,
            "at_hash": at_hash(access_token),
            **claims_of(professional, "openid"),
        }
        return self._signed(claims, Algorithm.RS256)

    def read(self, token: str) -> dict[str, Any] | None:
        """The claims of a token of this issuer whatever its end; None for anything else."""
        if len(token) > _LONGEST or not token.isascii() or token.count(".") != 2:
            return None
        try:
            claims = jwt.decode(token, self._keys.verifying(), algorithms=ALGORITHMS).claims
        except (JoseError, ValueError, TypeError, RecursionError):
            return None
        return claims if claims.get("iss") == self.issuer else None

    def _frame(self, session: Session, kind: str, lifetime: int) -> dict[str, Any]:
        now = self.now()
        frame: dict[str, Any] = {
            "exp": now + lifetime,
            "iat": min(now, now + lifetime - 1),
            "auth_time": session.auth_time,
            "jti": secrets.token_urlsafe(16),
            "iss": self.issuer,
            "typ": kind,
            "azp": session.client_id,
            "session_state": session.sid,
            "sid": session.sid,
            "acr": ACR,
        }
        if session.nonce is not None:
            frame["nonce"] = session.nonce
        return frame

    def _signed(self, claims: dict[str, Any], algorithm: Algorithm) -> str:
        key = self._keys.signing(algorithm)
        header = {"alg": algorithm.value, "typ": "JWT", "kid": key.kid}
        return jwt.encode(header, claims, key, algorithms=[algorithm.value])


def at_hash(access_token: str) -> str:
    """The left half of the access token's SHA-256, for algorithms that end in 256."""
    return _base64url(hashlib.sha256(access_token.encode()).digest()[:16])


def certificate_thumbprint(der: bytes) -> str:
    """x5t#S256 of a certificate (RFC 8705 §3.1)."""
    return _base64url(hashlib.sha256(der).digest())


def challenge_of(verifier: str) -> str:
    """The S256 challenge of a PKCE verifier (RFC 7636 §4.2)."""
    return _base64url(hashlib.sha256(verifier.encode()).digest())


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
