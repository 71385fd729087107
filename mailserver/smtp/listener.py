"""Opens the ports of the SMTP server, and closes them without cutting a delivery."""

from __future__ import annotations

import asyncio
import logging
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from mailserver.smtp.census import Census
from mailserver.smtp.protocol import SmtpProtocol

if TYPE_CHECKING:
    import ssl

    from mailserver.smtp.budget import MemoryBudget
    from mailserver.smtp.gate import Gate
    from mailserver.smtp.policy import ListenerPolicy

BACKLOG = 1024
_HANDSHAKES = 2  # at once


class Listener:
    """One open port and the conversations on it."""

    def __init__(self, server: asyncio.Server, census: Census, handshakes: ThreadPoolExecutor) -> None:
        self._server = server
        self._census = census
        self._handshakes = handshakes
        self.port: int = server.sockets[0].getsockname()[1]
        """The port that was bound, also when 0 was asked for."""

    @property
    def connections(self) -> int:
        """Conversations that are open now."""
        return len(self._census)

    async def close(self, grace: float = 30.0) -> None:
        """Accept nobody any more, let open transactions finish.

        Idle clients get 421 at once. Who still sends a message has `grace` seconds; a delivery that has begun
        is waited for however long it takes, since it may be on disk already.
        """
        self._server.close()
        await self._census.close(grace)
        self._handshakes.shutdown(wait=False)


async def listen(
    policy: ListenerPolicy,
    gate: Gate,
    budget: MemoryBudget,
    *,
    host: str,
    port: int,
    tls: ssl.SSLContext | None = None,
) -> Listener:
    """Serve in clear, offering STARTTLS when there is a context (RFC 3207). Raises OSError when it cannot bind."""
    return await _open(policy, gate, budget, (host, port), starttls=tls, implicit=None)


async def listen_tls(
    policy: ListenerPolicy,
    gate: Gate,
    budget: MemoryBudget,
    *,
    host: str,
    port: int,
    tls: ssl.SSLContext,
) -> Listener:
    """Serve under TLS from the first octet (RFC 8314 §3.3). Raises OSError when it cannot bind."""
    return await _open(policy, gate, budget, (host, port), starttls=None, implicit=tls)


async def _open(
    policy: ListenerPolicy,
    gate: Gate,
    budget: MemoryBudget,
    address: tuple[str, int],
    *,
    starttls: ssl.SSLContext | None,
    implicit: ssl.SSLContext | None,
) -> Listener:
    # aiosmtpd logs each command with its addresses at INFO, and those name patients.
    logging.getLogger("mail.log").setLevel(logging.ERROR)
    loop = asyncio.get_running_loop()
    census = Census(policy.limits)

    # Its own threads: a flood of handshakes must not hold up what else is computed beside the loop.
    handshakes = ThreadPoolExecutor(_HANDSHAKES, "smtp-handshake")

    def conversation() -> SmtpProtocol:
        return SmtpProtocol(
            policy, gate, census, budget, loop, starttls=starttls, implicit=implicit, handshakes=handshakes
        )

    server = await loop.create_server(conversation, *address, backlog=BACKLOG)
    return Listener(server, census, handshakes)
