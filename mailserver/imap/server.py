"""The IMAP server: listeners, the count of connections, and an orderly end.

    server = ImapServer(context)
    await server.listen("127.0.0.1", 143, Security.STARTTLS)
    await server.listen("127.0.0.1", 993, Security.IMPLICIT_TLS)
    ...
    await server.close()

`server.protocol(Security.STARTTLS)` makes one connection for `loop.create_server`, where the caller listens itself
(for Security.IMPLICIT_TLS with `ssl=context.tls`).
"""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING

from foundation.crowd import Crowd
from foundation.log import get_logger
from mailserver.imap.commands.table import handlers
from mailserver.imap.connection import Connection, Disconnected, Security
from mailserver.imap.replies import bye
from mailserver.imap.session import Session, Shared
from mailserver.store.images import FolderImages

if TYPE_CHECKING:
    from mailserver.imap.context import ImapContext

__all__ = ["ImapServer", "Security"]

log = get_logger(__name__)

_BACKLOG = 1024
_CLOSING_SECONDS = 10.0


class ImapServer:
    """All IMAP listeners of a process. Made and used in one event loop."""

    def __init__(self, context: ImapContext) -> None:
        self.context = context
        self._shared = Shared(
            context,
            handlers(),
            asyncio.Semaphore(context.limits.body_searches),
            FolderImages(context.database),
        )
        self._servers: list[asyncio.Server] = []
        self._connections: set[Connection] = set()
        self._crowd = Crowd(context.limits.connections, context.limits.connections_per_peer)

    async def listen(self, host: str, port: int, security: Security) -> int:
        """Opens a listener and returns its port (0 asks for a free one)."""
        tls = self.context.tls if security is Security.IMPLICIT_TLS else None
        if security is Security.IMPLICIT_TLS and tls is None:
            raise ValueError("implicit TLS needs a certificate")
        server = await asyncio.get_running_loop().create_server(
            partial(self.protocol, security), host, port, ssl=tls, backlog=_BACKLOG
        )
        self._servers.append(server)
        bound: int = server.sockets[0].getsockname()[1]
        return bound

    def protocol(self, security: Security) -> Connection:
        """One connection, for `loop.create_server`."""
        return Connection(self.context, security, self._serve)

    @property
    def connections(self) -> int:
        """Clients that are connected now."""
        return len(self._connections)

    async def _serve(self, connection: Connection) -> None:
        if not self._crowd.enter(connection.peer):
            connection.write(bye("Too many connections"))
            return
        self._connections.add(connection)
        try:
            await Session(self._shared, connection).run()
        except Disconnected:
            return
        except Exception as error:
            log.error("imap.session_failed", error=type(error).__name__)
            connection.write(bye("Internal error"))
        finally:
            self._connections.discard(connection)
            self._crowd.leave(connection.peer)

    async def close(self) -> None:
        """Stops listening, lets every command in progress finish, says BYE to everybody."""
        for server in self._servers:
            server.close()
        tasks = []
        for connection in tuple(self._connections):
            connection.shut_down()
            if connection.task is not None:
                tasks.append(connection.task)
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=_CLOSING_SECONDS)
            for task in late:
                task.cancel()
            if late:
                await asyncio.wait(late)
        for connection in tuple(self._connections):
            connection.abort()
        for server in self._servers:
            await server.wait_closed()
