"""Signed tokens (JWS, RFC 7515) and the keys that verify them (JWK, RFC 7517): asymmetric signatures alone."""

from __future__ import annotations

import re
from base64 import urlsafe_b64decode
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

from joserfc.errors import JoseError
from joserfc.jwk import ECKey, RSAKey
from joserfc.jws import JWSRegistry, deserialize_compact

from directory.psc.strict_json import parse_object

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

Key: TypeAlias = RSAKey | ECKey

ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512")
"""Neither `none` nor HMAC: with HS256 the published key itself would be the secret (RFC 8725 §2.1)."""
LARGEST_TOKEN = 12 * 1024
LARGEST_HEADER = 512
_MOST_KEYS = 64
_LONGEST_KID = 256
_RSA_BITS = range(2048, 4097)
_LONGEST_MODULUS, _LONGEST_EXPONENT = 700, 8
_SEGMENT = re.compile(r"[A-Za-z0-9_-]+")
_PUBLIC = ("kty", "kid", "use", "alg", "n", "e", "crv", "x", "y")
_REGISTRY = JWSRegistry(algorithms=ALGORITHMS, strict_check_header=False)


@dataclass(frozen=True, slots=True)
class Jws:
    """A token whose signature is not verified yet: nothing in it is to be believed."""

    text: str = field(repr=False)
    alg: str
    kid: str | None
    typ: str
    claims: Mapping[str, Any] = field(repr=False)


def read(token: str, *, largest: int = LARGEST_TOKEN) -> Jws | None:
    """A token in compact serialization (RFC 7515 §3.1); None when it is none, or larger than `largest`.

    Extensions (`crit`, `b64`) are not understood, so such a token is none.
    """
    if len(token) > largest:
        return None
    segments = token.split(".", 3)
    if len(segments) != 3 or len(segments[0]) > LARGEST_HEADER:
        return None
    header, claims = (_object(segment) for segment in segments[:2])
    if header is None or claims is None or not _is_base64url(segments[2], least=0):
        return None
    alg, kid, typ = header.get("alg"), header.get("kid"), header.get("typ", "")
    if not isinstance(alg, str) or not isinstance(typ, str) or "crit" in header or "b64" in header:
        return None
    if kid is not None and (not isinstance(kid, str) or len(kid) > _LONGEST_KID):
        return None
    return Jws(token, alg, kid, typ.lower().removeprefix("application/"), claims)


def is_signed_by(token: Jws, keys: Iterable[Key]) -> bool:
    """Whether one of the keys, meant for the token's algorithm, made its signature."""
    return any(_verifies(token, key) for key in keys)


def public_keys(document: Mapping[str, Any]) -> Iterator[Key]:
    """The usable keys of a JWK Set: RSA of 2048 to 4096 bits and EC keys, named, for signatures.

    Others are passed over (RFC 7517 §5); so is a key whose private part is published.
    """
    listed = document.get("keys")
    for entry in listed[:_MOST_KEYS] if isinstance(listed, list) else ():
        if isinstance(entry, dict) and _is_for_signatures(entry):
            key = _imported({name: entry[name] for name in _PUBLIC if name in entry})
            if key is not None:
                yield key


def _verifies(token: Jws, key: Key) -> bool:
    try:
        # Refuses other algorithms than ALGORITHMS, and a key of another type, use or `alg` than the token's.
        deserialize_compact(token.text, key, registry=_REGISTRY)
    except (JoseError, ValueError):
        return False
    return True


def _object(segment: str) -> dict[str, Any] | None:
    return parse_object(_decoded(segment)) if _is_base64url(segment, least=1) else None


def _is_base64url(segment: str, *, least: int) -> bool:
    return (
        len(segment) >= least and len(segment) % 4 != 1 and (not segment or bool(_SEGMENT.fullmatch(segment)))
    )


def _decoded(segment: str) -> bytes:
    return urlsafe_b64decode(segment + "=" * (-len(segment) % 4))


def _is_for_signatures(entry: Mapping[str, Any]) -> bool:
    kid, operations = entry.get("kid"), entry.get("key_ops", ["verify"])
    return (
        isinstance(kid, str)
        and 0 < len(kid) <= _LONGEST_KID
        and entry.get("use", "sig") == "sig"
        and isinstance(operations, list)
        and "verify" in operations
        and entry.get("alg", ALGORITHMS[0]) in ALGORITHMS
        and "d" not in entry
    )


def _imported(entry: dict[str, Any]) -> Key | None:
    try:
        if entry.get("kty") == "RSA":
            return RSAKey.import_key(entry) if _is_sound_rsa(entry) else None
        return ECKey.import_key(entry) if entry.get("kty") == "EC" else None
    except (JoseError, ValueError, TypeError, KeyError):
        return None


def _is_sound_rsa(entry: Mapping[str, Any]) -> bool:
    modulus, exponent = entry.get("n"), entry.get("e")
    return (
        isinstance(modulus, str)
        and isinstance(exponent, str)
        and len(modulus) <= _LONGEST_MODULUS
        and len(exponent) <= _LONGEST_EXPONENT  # verifying takes time with each bit of it
        and _is_base64url(modulus, least=1)
        and int.from_bytes(_decoded(modulus), "big").bit_length() in _RSA_BITS
    )
