"""The words of the provider that others need before it runs: where it is, its clients, scopes and algorithms."""

from __future__ import annotations

from enum import StrEnum

BASE = "/psc"
WELL_KNOWN = ("wallet-openid-configuration", "openid-configuration")
"""The name Pro Santé Connect has for its metadata, and the usual one (OpenID Connect Discovery §4)."""
PORTAL = "vaguemestre"
SOFTWARE = "lps-bac-a-sable"
ALL_CLAIMS = "scope_all"
"""The scope that opens every claim."""
SCOPES = ("openid", ALL_CLAIMS)
ACR = "eidas1"
ACCESS_SECONDS = 240


class Algorithm(StrEnum):
    """What tokens are signed with (RFC 7518 §3.1); Pro Santé Connect signs with RS256 unless asked otherwise."""

    RS256 = "RS256"
    ES256 = "ES256"


ALGORITHMS = tuple(algorithm.value for algorithm in Algorithm)


def issuer_at(address: str) -> str:
    """The issuer behind an HTTPS listener, host:port."""
    return f"https://{address}{BASE}"


def discovery_of(issuer: str) -> str:
    """Where the metadata of an issuer lie."""
    return f"{issuer}/.well-known/{WELL_KNOWN[0]}"
