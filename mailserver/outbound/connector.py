"""From a domain to a connection that may carry its mail: host after host, until one is whom the liste blanche names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from certs.trust import PeerFault
from mailserver.outbound.client import Conversation
from mailserver.outbound.outcome import REFUSAL_OF, Failure, Unreached
from mailserver.refusals import (
    CERTIFICATE_NOT_LISTED,
    DOMAIN_NOT_OF_PEER,
    DOMAIN_NOT_REACHABLE,
    NO_MAIL_SERVER,
    UNREACHABLE,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from certs.trust import Peer, TrustSpace
    from mailserver.outbound.client import Patience
    from mailserver.outbound.resolver import Resolver

_MOST_TRIES = 8


@dataclass(frozen=True, slots=True)
class Link:
    """A connection to a server, and who that server is."""

    conversation: Conversation
    peer: Peer


class Connector:
    """Opens connections for one operator."""

    def __init__(self, trust: TrustSpace, resolver: Resolver, hostname: str, patience: Patience) -> None:
        self._trust = trust
        self._resolver = resolver
        self._hostname = hostname
        self._patience = patience

    async def refresh(self) -> None:
        """Takes up what changed in the trust space; before each message."""
        await self._trust.refresh()

    def reachable(self, domain: str) -> Failure | None:
        """Why nobody at all may be given mail for `domain`."""
        return None if domain in self._trust.white_list else Failure(DOMAIN_NOT_REACHABLE)

    # ref: F09
    def judge(self, domain: str, conversation: Conversation) -> Peer | Failure:
        """Who the server is, or why it may not be given mail for `domain`; by the lists and the date of now."""
        peer = self._trust.judge_server(conversation.certificate)
        if isinstance(peer, PeerFault):
            return Failure(REFUSAL_OF[peer])
        white_list = self._trust.white_list
        if white_list.lists(domain, peer.name):
            return peer
        return Failure(DOMAIN_NOT_OF_PEER if white_list.lists_name(peer.name) else CERTIFICATE_NOT_LISTED)

    async def open(self, domain: str) -> Link:
        """A connection to the first server of `domain` that is there and is the right one. Raises Unreached."""
        hosts = await self._resolver.find(domain, self._trust.route_of(domain))
        if isinstance(hosts, Failure):
            raise Unreached(hosts)
        failures: list[Failure] = []
        for host in hosts[:_MOST_TRIES]:
            try:
                conversation = await Conversation.open(
                    host.address,
                    host.port,
                    server=host.name,
                    hostname=self._hostname,
                    context=self._trust.client_context(),
                    patience=self._patience,
                )
            except Unreached as unreached:
                failures.append(unreached.failure)
                continue
            peer = self.judge(domain, conversation)
            if not isinstance(peer, Failure):
                return Link(conversation, peer)
            await conversation.leave()
            failures.append(peer)
        raise Unreached(_summed_up(failures))


def _summed_up(failures: Sequence[Failure]) -> Failure:
    """One cause for several servers: as long as one of them may be right later, nothing is final."""
    if not failures:
        return Failure(NO_MAIL_SERVER)
    temporary = [failure for failure in failures if failure.refusal.is_temporary]
    telling = [failure for failure in temporary if failure.refusal is not UNREACHABLE]
    return (telling or temporary or failures)[0]
