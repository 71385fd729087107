"""The IMAP server: listeners, the count of connections, and an orderly end.

    server = ImapServer(context)
    await server.listen("127.0.0.1", 143, Security.STARTTLS)
    await server.listen("127.0.0.1", 993, Security.IMPLICIT_TLS)
    ...
    await server.close()

`server.protocol(Security.STARTTLS)` makes one connection for `loop.create_server`, where the caller listens itself;
TLS is the connection's own, so without `ssl=`.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING

from foundation.crowd import Crowd
from foundation.log import get_logger
from mailserver.imap.commands.table import handlers
from mailserver.imap.connection import Connection, Disconnected, Security
from mailserver.imap.foreign import follow
from mailserver.imap.indexing import Indexing
from mailserver.imap.replies import bye
from mailserver.imap.session import Session, Shared
from mailserver.store.images import FolderImages

if TYPE_CHECKING:
    from mailserver.imap.context import ImapContext

__all__ = ["ImapServer", "Security"]

log = get_logger(__name__)

_BACKLOG = 1024
_HANDSHAKES = 2  # at once
_CLOSING_SECONDS = 10.0


class ImapServer:
    """All IMAP listeners of a process. Made and used in one event loop."""

    def __init__(self, context: ImapContext) -> None:
        self.context = context
        self._shared = Shared(
            context,
            handlers(),
            asyncio.Semaphore(context.limits.body_searches),
            FolderImages(context.database, context.events),
            Indexing(context.database, context.vault),
        )
        self._servers: list[asyncio.Server] = []
        self._connections: set[Connection] = set()
        self._empty = asyncio.Event()
        self._empty.set()
        self._is_closing = False
        self._working: list[asyncio.Task[None]] = []
        limits = context.limits
        self._crowd = Crowd(limits.connections, limits.connections_per_peer)
        self._persons = Crowd(limits.connections, limits.connections_per_person)
        # Its own threads: a flood of handshakes must not hold up what else is computed beside the loop.
        self.handshakes = ThreadPoolExecutor(_HANDSHAKES, "imap-handshake")

    async def listen(self, host: str, port: int, security: Security) -> int:
        """Opens a listener and returns its port (0 asks for a free one)."""
        if security is Security.IMPLICIT_TLS and self.context.tls is None:
            raise ValueError("implicit TLS needs a certificate")
        server = await asyncio.get_running_loop().create_server(
            partial(self.protocol, security), host, port, backlog=_BACKLOG
        )
        self._servers.append(server)
        if not self._working:
            context = self.context
            following = follow(context.database, self._shared.images, context.events)
            self._working = [asyncio.create_task(work) for work in (following, self._shared.indexing.run())]
        bound: int = server.sockets[0].getsockname()[1]
        return bound

    def protocol(self, security: Security) -> Connection:
        """One connection, for `loop.create_server`."""
        return Connection(self.context, security, self)

    @property
    def connections(self) -> int:
        """Clients that are connected now, those in a handshake included."""
        return len(self._connections)

    # For connections

    def enter(self, connection: Connection) -> bytes | None:
        """Counts a connection in; where there is no room, the farewell instead (RFC 5530 §3)."""
        if self._is_closing:
            return bye("[UNAVAILABLE] The server is closing")
        if not self._crowd.enter(connection.peer):
            log.warning("imap.too_many_connections")
            if self._crowd.is_full:
                return bye("[UNAVAILABLE] Too many connections")
            return bye("[LIMIT] Too many connections from this address")
        self._connections.add(connection)
        self._empty.clear()
        return None

    def leave(self, connection: Connection) -> None:
        """Counts a connection out; again is harmless."""
        if connection not in self._connections:
            return
        self._connections.discard(connection)
        self._crowd.leave(connection.peer)
        if not self._connections:
            self._empty.set()

    def enter_person(self, owner_id: int) -> bool:
        """Counts a connection that signed in; False, and not counted, when its mailbox has enough of them."""
        return self._persons.enter(owner_id)

    def leave_person(self, owner_id: int) -> None:
        """Counts out a connection that `enter_person` counted in."""
        self._persons.leave(owner_id)

    async def serve(self, connection: Connection) -> None:
        """Holds the conversation; raises Disconnected."""
        try:
            await Session(self._shared, connection).run()
        except Disconnected:
            raise
        except Exception as error:
            log.error("imap.session_failed", error=type(error).__name__)
            connection.write(bye("Internal error"))

    async def close(self) -> None:
        """Stops listening, lets every command in progress finish, says BYE to everybody."""
        self._is_closing = True
        for server in self._servers:
            server.close()
        for connection in tuple(self._connections):
            connection.shut_down()
        try:
            async with asyncio.timeout(_CLOSING_SECONDS):
                await self._empty.wait()
        except TimeoutError:
            for connection in tuple(self._connections):
                connection.abort()
                if connection.task is not None:
                    connection.task.cancel()
            await self._empty.wait()
        for server in self._servers:
            await server.wait_closed()
        for work in self._working:
            work.cancel()
        if self._working:
            await asyncio.wait(self._working)
        self.handshakes.shutdown(wait=False)
