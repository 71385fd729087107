"""What an attempt can come to, in the words of the refusal table."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import TYPE_CHECKING

from certs.trust import PeerFault
from mailserver.outbound.replies import Garbled
from mailserver.refusals import (
    CERTIFICATE_EXPIRED,
    CERTIFICATE_NOT_LISTED,
    CERTIFICATE_REVOKED,
    CERTIFICATE_UNTRUSTED,
    CERTIFICATE_USAGE,
    DOMAIN_NOT_OF_PEER,
    NO_CERTIFICATE,
    PEER_DEFERRED,
    PEER_REFUSED,
    PEER_WITHOUT_TLS,
    REVOCATION_UNKNOWN,
    Refusal,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from mailserver.outbound.replies import Reply

REFUSAL_OF: Mapping[PeerFault, Refusal] = MappingProxyType(
    {
        PeerFault.NO_CERTIFICATE: NO_CERTIFICATE,
        PeerFault.UNTRUSTED: CERTIFICATE_UNTRUSTED,
        PeerFault.EXPIRED: CERTIFICATE_EXPIRED,
        PeerFault.REVOKED: CERTIFICATE_REVOKED,
        PeerFault.REVOCATION_UNKNOWN: REVOCATION_UNKNOWN,
        PeerFault.WRONG_USAGE: CERTIFICATE_USAGE,
    }
)
"""What each fault of a server's certificate is called."""

OF_TRUST = frozenset({*REFUSAL_OF.values(), PEER_WITHOUT_TLS, CERTIFICATE_NOT_LISTED, DOMAIN_NOT_OF_PEER})
"""Causes that `outbound.untrusted` decides on."""


@dataclass(frozen=True, slots=True)
class Failure:
    """Why something was not delivered. `reply` is what the peer said, or what we saw, in harmless ASCII."""

    refusal: Refusal
    reply: str | None = None
    at_once: bool = False
    """Too many recipients in one transaction (RFC 5321 §4.5.3.1.10): the others go in the next one."""


class Unreached(Exception):
    """No connection that may carry mail; the failure says why."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.refusal.code)
        self.failure = failure


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a server did with one message: a failure for each address it did not take, None for those it took."""

    results: Mapping[str, Failure | None] = field(repr=False)
    server: str | None = None
    confirms: bool = False
    """Whether the server tells the sender itself when the message arrives (RFC 3461)."""
    is_lost: bool = False
    """The connection broke; `results` say so for those it had not decided on."""
    is_unheard: bool = False
    """It broke before a word was said about this message, as one does that was idle too long."""

    @classmethod
    def same(cls, addresses: Iterable[str], failure: Failure, server: str | None = None) -> Outcome:
        """One failure for everybody."""
        return cls(dict.fromkeys(addresses, failure), server)

    def with_failures_as(self, failure: Failure) -> Outcome:
        """The same, with one failure for everybody who was not reached."""
        return replace(
            self, results={who: failure if was else None for who, was in self.results.items()}, is_lost=False
        )


def failure_of(reply: Reply) -> Failure | None:
    """What a reply to a command means: None where it was done. Raises Garbled for one that no command has."""
    if reply.is_positive:
        return None
    if reply.code < 400:
        raise Garbled(f"the reply {reply.code} fits no command")
    if reply.is_permanent:
        return Failure(PEER_REFUSED, reply.text)
    return Failure(PEER_DEFERRED, reply.text)
