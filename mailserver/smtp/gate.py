"""What an SMTP conversation asks of the house behind it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from certs.peers import Peer

if TYPE_CHECKING:
    import ssl
    from collections.abc import Awaitable, Callable, Hashable, Sequence

    from certs.peers import PeerFault
    from mailserver.envelope import Accepted, Envelope, Principal, Refused
    from mailserver.refusals import Refusal
    from mailserver.sasl.mechanisms import Mechanism


@dataclass(slots=True)
class Client:
    """Who speaks, as far as the conversation has shown it."""

    peer: str
    listener: str
    helo: str = ""
    is_extended: bool = False  # said EHLO
    is_secured: bool = False
    certificate: bytes | None = field(default=None, repr=False)  # DER, of a TLS client that showed one
    principal: Principal | None = None
    judged: Peer | PeerFault | None = field(
        default=None, repr=False
    )  # what the gate found about the certificate
    speaks_for: frozenset[str] | None = field(default=None, repr=False)  # domains it is listed for, at MAIL
    host: str | None = None  # common name of the certificate

    @property
    def holders(self) -> tuple[Hashable, ...]:
        """On whose behalf memory is held: the network address and, of a peer, the name in its certificate."""
        return (self.peer, self.judged.name) if isinstance(self.judged, Peer) else (self.peer,)

    def protocol_word(self, *, utf8: bool) -> str:
        """The `with` word of Received (RFC 3848, RFC 6531 §4.3)."""
        if not self.is_extended:
            return "SMTP"
        word = "UTF8SMTP" if utf8 else "ESMTP"
        if self.is_secured:
            word += "S"
        if self.principal is not None:
            word += "A"
        return word


class Gate(Protocol):
    """Decides and delivers. Whatever it raises becomes `451 4.3.0` with a reference."""

    def mechanisms(self, client: Client) -> Sequence[Mechanism]:
        """What this client may sign in with, in the order in which it is announced."""
        ...

    async def sign_in(
        self,
        client: Client,
        mechanism: Mechanism,
        initial: bytes | None,
        ask: Callable[[bytes], Awaitable[bytes]],
    ) -> Principal | Refused:
        """Conduct a SASL exchange (mailserver.sasl); raises what it and `ask` raise."""
        ...

    async def handshake_failed(self, client: Client, error: ssl.SSLError) -> None:
        """TLS did not come about; the client has had its alert and the connection is over."""
        ...

    async def sender(self, client: Client, sender: str) -> Refusal | None: ...

    async def recipient(self, client: Client, sender: str, recipient: str) -> Refusal | None: ...

    async def deliver(self, client: Client, envelope: Envelope) -> Accepted | Refused:
        """Return only when the message is on disk for every recipient. Never cancelled by a lost client."""
        ...

    async def acknowledged(self, accepted: Accepted) -> None:
        """The 250 for this message was written to the client."""
        ...
