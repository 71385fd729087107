"""The times of a token (RFC 7519 §4.1.4 to §4.1.6)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from directory.psc.faults import TokenFault

if TYPE_CHECKING:
    from collections.abc import Mapping

LEEWAY = 60_000
"""Milliseconds that the provider's clock may be ahead of ours."""
END_LEEWAY = 5_000
"""Milliseconds that a token holds past its end: it lives four minutes, and its holder renews it before."""
_LATEST = 2**40
_MILLIS = 1000


def instant(claims: Mapping[str, Any], name: str) -> int | None:
    """A NumericDate (seconds) as epoch milliseconds; None when it is missing or no such number."""
    value = claims.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= _LATEST:
        return None
    return int(value * _MILLIS)


def validity_fault(claims: Mapping[str, Any], now: int) -> TokenFault | None:
    """What is wrong with `exp`, which is required, `nbf` or `iat` at `now`, epoch milliseconds."""
    expires = instant(claims, "exp")
    starts = [instant(claims, name) for name in ("nbf", "iat") if name in claims]
    if expires is None:
        return TokenFault.MALFORMED
    if now >= expires + END_LEEWAY:
        return TokenFault.EXPIRED
    for start in starts:
        if start is None:
            return TokenFault.MALFORMED
        if start > now + LEEWAY:
            return TokenFault.NOT_YET
    return None
