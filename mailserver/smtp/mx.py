"""The gate of the espace de confiance: who may bring mail from another operator, and in whose name.

A certificate outside the authorities or the dates fails the TLS handshake; all else about it is judged here and
answered at MAIL, with a code. The list is looked at anew for each message, so a change of it counts at once.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from certs.trust import PeerFault, fault_of_handshake
from mailserver.envelope import Refused
from mailserver.refusals import (
    AUTHOR_NOT_OF_PEER,
    CERTIFICATE_EXPIRED,
    CERTIFICATE_NOT_LISTED,
    CERTIFICATE_REVOKED,
    CERTIFICATE_UNTRUSTED,
    CERTIFICATE_USAGE,
    DOMAIN_NOT_OF_PEER,
    FROM_NOT_OWNED,
    NO_CERTIFICATE,
    NOT_SIGNED_IN,
    RELAY_DENIED,
    REVOCATION_UNKNOWN,
    SENDER_DOMAIN_NOT_LISTED,
    TLS_REQUIRED,
    TOO_MANY_MESSAGES,
)
from mailserver.smtp.grammar import domain_to_ascii
from mailserver.smtp.peer_trail import PeerTrail
from mailserver.smtp.rates import Rates

if TYPE_CHECKING:
    import ssl
    from collections.abc import Awaitable, Callable, Mapping

    from certs.trust import TrustSpace
    from foundation.clock import Clock
    from foundation.database import Database
    from foundation.metrics import Metrics
    from mailserver.delivery.router import Router
    from mailserver.envelope import Accepted, Envelope, Principal
    from mailserver.refusals import Refusal
    from mailserver.rules import Rules
    from mailserver.sasl.mechanisms import Mechanism
    from mailserver.smtp.gate import Client

_FAULTS: Final[Mapping[PeerFault, Refusal]] = MappingProxyType(
    {
        PeerFault.NO_CERTIFICATE: NO_CERTIFICATE,
        PeerFault.UNTRUSTED: CERTIFICATE_UNTRUSTED,
        PeerFault.EXPIRED: CERTIFICATE_EXPIRED,
        PeerFault.REVOKED: CERTIFICATE_REVOKED,
        PeerFault.REVOCATION_UNKNOWN: REVOCATION_UNKNOWN,
        PeerFault.WRONG_USAGE: CERTIFICATE_USAGE,
    }
)
_MATTERS_OF_TRUST: Final = frozenset({RELAY_DENIED, AUTHOR_NOT_OF_PEER, FROM_NOT_OWNED})
"""What is written into the trail when a recipient or the content is refused."""


class MxGate:
    """For the operators of the liste blanche, each in the name of its own domains (Réf#1)."""

    def __init__(
        self,
        trust: TrustSpace,
        rules: Rules,
        router: Router,
        database: Database,
        clock: Clock,
        metrics: Metrics,
        *,
        rates: Rates | None = None,
    ) -> None:
        self._trust = trust
        self._rules = rules
        self._router = router
        self._metrics = metrics
        self._trail = PeerTrail(database, clock, metrics)
        self._rates = rates if rates is not None else Rates(0)

    def mechanisms(self, client: Client) -> tuple[Mechanism, ...]:
        """None: the certificate says who speaks."""
        return ()

    async def sign_in(
        self,
        client: Client,
        mechanism: Mechanism,
        initial: bytes | None,
        ask: Callable[[bytes], Awaitable[bytes]],
    ) -> Principal | Refused:
        """Not here."""
        return Refused(NOT_SIGNED_IN)

    async def handshake_failed(self, client: Client, error: ssl.SSLError) -> None:
        """A certificate that OpenSSL refused; a client that merely left is nobody's fault."""
        fault = fault_of_handshake(error)
        if fault is not None:
            await self._trail.refused(client, _FAULTS[fault])

    # ref: F09
    async def sender(self, client: Client, sender: str) -> Refusal | None:
        """Whether the peer may write in the name of this domain; "" (null) is for every listed peer."""
        domain = sender.rpartition("@")[2]
        refusal = await self._judge(client, sender, domain)
        if refusal is not None:
            await self._trail.refused(client, refusal, domain=domain, name=_name(client))
        return refusal

    async def recipient(self, client: Client, sender: str, recipient: str) -> Refusal | None:
        """Whether the recipient has a box here that this sender may write to; nothing is relayed."""
        refusal = await self._rules.recipient(None, sender, recipient)
        if refusal is not None:
            await self._note(client, refusal, sender)
        return refusal

    async def deliver(self, client: Client, envelope: Envelope) -> Accepted | Refused:
        """One durable transaction for all recipients; the router holds From against the peer's domains."""
        answer = await self._router.deliver(envelope)
        if isinstance(answer, Refused):
            await self._note(client, answer.refusal, envelope.sender)
        else:
            self._metrics.accepted(client.listener)
        return answer

    async def acknowledged(self, accepted: Accepted) -> None:
        """The 250 went out."""
        await self._router.acknowledged(accepted)

    # ref: F04
    async def _judge(self, client: Client, sender: str, domain: str) -> Refusal | None:
        if not client.is_secured:
            return TLS_REQUIRED
        await self._trust.refresh()
        peer = client.judged = self._trust.judge_client(client.certificate)
        if isinstance(peer, PeerFault):
            return _FAULTS[peer]
        if not peer.domains:
            return CERTIFICATE_NOT_LISTED
        if sender and domain not in peer.domains:
            return self._foreign(sender, domain)
        if not self._rates.take(str(peer.name)):
            return TOO_MANY_MESSAGES
        client.speaks_for = peer.domains
        client.host = domain_to_ascii(peer.common_name)
        return None

    def _foreign(self, sender: str, domain: str) -> Refusal:
        """Why a domain that the certificate is not listed for is refused: ours, another's, or nobody's."""
        ours = self._rules.sender(None, sender)
        if ours is not None:
            return ours
        return DOMAIN_NOT_OF_PEER if domain in self._trust.white_list else SENDER_DOMAIN_NOT_LISTED

    async def _note(self, client: Client, refusal: Refusal, sender: str) -> None:
        if refusal in _MATTERS_OF_TRUST:
            domain = sender.rpartition("@")[2]
            await self._trail.refused(client, refusal, domain=domain, name=_name(client))
        else:
            self._trail.count(client, refusal)


def _name(client: Client) -> str:
    judged = client.judged
    return "" if judged is None or isinstance(judged, PeerFault) else str(judged.name)
