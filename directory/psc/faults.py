"""Why a token or a sign-in by Pro Santé Connect is refused: words for callers, never text for a person."""

from __future__ import annotations

from enum import StrEnum


class TokenFault(StrEnum):
    """What is wrong with a token; only UNAVAILABLE says nothing about the token and may be tried again."""

    MALFORMED = "malformed"
    BAD_SIGNATURE = "bad_signature"
    """Not signed by a published key with an asymmetric algorithm."""
    WRONG_TYPE = "wrong_type"
    """Another kind of token: an ID token is no access token."""
    EXPIRED = "expired"
    NOT_YET = "not_yet"
    WRONG_ISSUER = "wrong_issuer"
    WRONG_AUDIENCE = "wrong_audience"
    """Issued to a client that is not known here."""
    WEAK_ACR = "weak_acr"
    NOT_BOUND = "not_bound"
    """Bound to a certificate that was not shown, or to something that cannot be checked (RFC 8705 §3)."""
    REVOKED = "revoked"
    NO_SUBJECT = "no_subject"
    UNAVAILABLE = "unavailable"
    """The provider cannot be reached, or does not answer as it should: a temporary failure."""


class SignInFault(StrEnum):
    """Why an authorization code did not lead to a professional."""

    WRONG_ISSUER = "wrong_issuer"
    """The answer comes from another provider than the one that was asked (RFC 9207)."""
    CODE_REFUSED = "code_refused"
    """The provider does not take the code: used already, expired, or not this client's."""
    BAD_IDENTITY = "bad_identity"
    """The ID token is not signed by the provider, for this client, now."""
    WRONG_NONCE = "wrong_nonce"
    """The ID token answers another request."""
    WEAK_ACR = "weak_acr"
    WRONG_SUBJECT = "wrong_subject"
    """The userinfo is about somebody else than the ID token."""
    NO_SUBJECT = "no_subject"
    UNAVAILABLE = "unavailable"
