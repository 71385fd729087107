"""The gates of those who sign in: rules, rates, delivery."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from mailserver.envelope import Refused
from mailserver.refusals import ACCOUNT_SUSPENDED, TOO_MANY_MESSAGES
from mailserver.sasl.mechanisms import Exchange, Visitor, offered
from mailserver.signin.application import Scope

if TYPE_CHECKING:
    import ssl
    from collections.abc import Awaitable, Callable

    from foundation.metrics import Metrics
    from mailserver.delivery.router import Router
    from mailserver.envelope import Accepted, Envelope, Principal
    from mailserver.refusals import Refusal
    from mailserver.rules import Rules
    from mailserver.sasl.mechanisms import Doors, Mechanism
    from mailserver.smtp.gate import Client
    from mailserver.smtp.rates import Rates

# 535 belongs to AUTH; 550 is what a client shows at MAIL (RFC 5321 §4.3.2, RFC 4954 §6).
_SUSPENDED = replace(ACCOUNT_SUSPENDED, reply=550)


class SubmissionGate:
    """For people and software that sign in with a box of this operator (RFC 6409)."""

    def __init__(
        self,
        sign_in: Doors,
        rules: Rules,
        router: Router,
        *,
        rates: Rates | None = None,
        metrics: Metrics | None = None,
        endpoint: bytes | None = None,
    ) -> None:
        """`endpoint` is this server's channel binding (mailserver.sasl.scram)."""
        self._sign_in = sign_in
        self._rules = rules
        self._router = router
        self._rates = rates
        self._metrics = metrics
        self._endpoint = endpoint

    def mechanisms(self, client: Client) -> tuple[Mechanism, ...]:
        """What the house takes; what needs TLS only there."""
        return offered(self._sign_in, self._visitor(client))

    async def sign_in(
        self,
        client: Client,
        mechanism: Mechanism,
        initial: bytes | None,
        ask: Callable[[bytes], Awaitable[bytes]],
    ) -> Principal | Refused:
        """Conduct the exchange; slow, and counted, when a password is wrong."""
        exchange = Exchange(self._sign_in, self._visitor(client), ask, initial)
        answer = await exchange.conduct(mechanism)
        if isinstance(answer, Refused):
            self._count(client.listener, answer.refusal)
        return answer

    def _visitor(self, client: Client) -> Visitor:
        endpoint = self._endpoint if client.is_secured else None
        return Visitor(client.peer, Scope.SMTP, client.certificate, endpoint)

    async def handshake_failed(self, client: Client, error: ssl.SSLError) -> None:
        """Of no consequence: the client was told by its alert, and no box was named."""

    async def sender(self, client: Client, sender: str) -> Refusal | None:
        """Whether this client may use the reverse-path, and send one more message in this minute."""
        principal = client.principal
        ended = self._sign_in.ended(principal) if principal is not None else None
        if ended is not None:
            return self._count(client.listener, _SUSPENDED if ended is ACCOUNT_SUSPENDED else ended)
        refusal = self._rules.sender(principal, sender)
        if refusal is None and principal is not None and self._rates is not None:
            refusal = None if self._rates.take(principal.address) else TOO_MANY_MESSAGES
        return self._count(client.listener, refusal)

    async def recipient(self, client: Client, sender: str, recipient: str) -> Refusal | None:
        """Whether this sender may write to the recipient."""
        refusal = await self._rules.recipient(client.principal, sender, recipient)
        return self._count(client.listener, refusal)

    async def deliver(self, client: Client, envelope: Envelope) -> Accepted | Refused:
        """One durable transaction for all recipients."""
        answer = await self._router.deliver(envelope)
        if isinstance(answer, Refused):
            self._count(client.listener, answer.refusal)
        elif self._metrics is not None:
            self._metrics.accepted(client.listener)
        return answer

    async def acknowledged(self, accepted: Accepted) -> None:
        """The 250 went out."""
        await self._router.acknowledged(accepted)

    def _count(self, listener: str, refusal: Refusal | None) -> Refusal | None:
        if refusal is not None and self._metrics is not None:
            self._metrics.refused(listener, refusal.code)
        return refusal


class AnySenderGate(SubmissionGate):
    """Sandbox: every client passes for a listed peer that may write in the name of any domain."""

    async def sender(self, client: Client, sender: str) -> Refusal | None:
        """Every reverse-path is believed."""
        return None
