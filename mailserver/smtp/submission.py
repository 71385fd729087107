"""The gates that stand between SMTP conversations and this operator: sign-in, rules, delivery."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mailserver.delivery.router import Router
    from mailserver.envelope import Accepted, Envelope, Principal, Refused
    from mailserver.refusals import Refusal
    from mailserver.rules import Rules
    from mailserver.signin import SignIn
    from mailserver.smtp.gate import Client


class SubmissionGate:
    """For people and software that sign in with a box of this operator (RFC 6409)."""

    def __init__(self, sign_in: SignIn, rules: Rules, router: Router) -> None:
        self._sign_in = sign_in
        self._rules = rules
        self._router = router

    async def sign_in(self, client: Client, login: str, password: str) -> Principal | Refused:
        """Check a password; slow, and counted, when it is wrong."""
        return await self._sign_in.check(login, password, peer=client.peer)

    async def sender(self, client: Client, sender: str) -> Refusal | None:
        """Whether this client may use the reverse-path."""
        return self._rules.sender(client.principal, sender)

    async def recipient(self, client: Client, sender: str, recipient: str) -> Refusal | None:
        """Whether this sender may write to the recipient."""
        return await self._rules.recipient(client.principal, sender, recipient)

    async def deliver(self, envelope: Envelope) -> Accepted | Refused:
        """One durable transaction for all recipients."""
        return await self._router.deliver(envelope)

    async def acknowledged(self, accepted: Accepted) -> None:
        """The 250 went out."""
        await self._router.acknowledged(accepted)


class AnySenderGate(SubmissionGate):
    """Sandbox: every client passes for a listed peer that may write in the name of any domain."""

    async def sender(self, client: Client, sender: str) -> Refusal | None:
        """Every reverse-path is believed."""
        return None
