"""The LDAP server: listeners, the count of connections, the threads that search, and an orderly end.

server = LdapServer(context)
await server.listen("127.0.0.1", 389, Security.STARTTLS)
await server.listen("127.0.0.1", 636, Security.IMPLICIT_TLS)
...
await server.close()
"""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from directory.ldap import messages, paging
from directory.ldap.answers import Answers
from directory.ldap.binding import mechanisms
from directory.ldap.connection import Connection, Disconnected, Security
from directory.ldap.names import SUBSCHEMA, SUFFIX
from directory.ldap.results import Refused, ResultCode
from directory.ldap.search import answer
from directory.ldap.session import Session
from foundation.crowd import Crowd
from foundation.log import get_logger

if TYPE_CHECKING:
    from collections.abc import Mapping

    from directory.annuaire.view import View
    from directory.ldap.context import LdapContext
    from directory.ldap.search import Answer, Plan

__all__ = ["LdapServer", "Security"]

log = get_logger(__name__)

_BACKLOG = 1024
_HANDSHAKES = 2  # at once
_QUICK_SEARCHES = 2
_SLOW_SEARCHES = 1
_CLOSING_SECONDS = 10.0
_FEATURES = (
    "1.3.6.1.4.1.4203.1.5.1",  # all operational attributes, "+" (RFC 3673)
    "1.3.6.1.4.1.4203.1.5.3",  # absolute True and False filters (RFC 4526)
)


class Shared:
    """What the sessions of a server have in common."""

    def __init__(self, context: LdapContext) -> None:
        self.context = context
        self._quick = ThreadPoolExecutor(_QUICK_SEARCHES, "ldap-search")
        self._slow = ThreadPoolExecutor(_SLOW_SEARCHES, "ldap-slow-search")
        self._slow_waiting = 0
        self.answers = Answers(context.limits.kept_bytes)

    async def search_quickly(self, plan: Plan, view: View) -> Answer:
        """A search that an index answers, in a thread. Raises what `search.answer` raises."""
        return await asyncio.get_running_loop().run_in_executor(self._quick, answer, plan, view)

    async def search_patiently(self, plan: Plan, view: View) -> Answer:
        """A search that no index helps, in a thread where it delays its like only.

        Raises what `search.answer` raises, and Refused when too many of them wait.
        """
        loop = asyncio.get_running_loop()
        if self._slow_waiting >= self.context.limits.waiting_searches:
            raise Refused(ResultCode.BUSY, "Too many long searches wait")
        self._slow_waiting += 1
        future = self._slow.submit(answer, plan, view)
        # Counted until it has ended, not until somebody has stopped waiting for it.
        future.add_done_callback(lambda _: loop.call_soon_threadsafe(self._slow_ended))
        return await asyncio.wrap_future(future)

    def _slow_ended(self) -> None:
        self._slow_waiting -= 1

    def root(self, connection: Connection) -> Mapping[str, tuple[str, ...]]:
        """The root DSE (RFC 4512 §5.1) as this client may use the server."""
        can_start_tls = self.context.tls is not None and not connection.is_encrypted
        return {
            "objectClass": ("top",),
            "namingContexts": (SUFFIX,),
            "subschemaSubentry": (SUBSCHEMA,),
            "supportedLDAPVersion": ("3",),
            "supportedControl": (paging.OID,),
            "supportedExtension": (messages.WHO_AM_I, *((messages.START_TLS,) if can_start_tls else ())),
            "supportedFeatures": _FEATURES,
            "supportedSASLMechanisms": mechanisms(connection, self.context),
            "vendorName": ("Vaguemestre",),
        }

    def close(self) -> None:
        """Searches that are under way end by themselves."""
        for pool in (self._quick, self._slow):
            pool.shutdown(wait=False, cancel_futures=True)


# ref: ECO.3.1.4
class LdapServer:
    """All LDAP listeners of a process. Made and used in one event loop."""

    def __init__(self, context: LdapContext) -> None:
        self.context = context
        self._shared = Shared(context)
        self._servers: list[asyncio.Server] = []
        self._connections: set[Connection] = set()
        self._empty = asyncio.Event()
        self._empty.set()
        self._is_closing = False
        self._crowd = Crowd(context.limits.connections, context.limits.connections_per_address)
        self.handshakes = ThreadPoolExecutor(_HANDSHAKES, "ldap-handshake")

    async def listen(self, host: str, port: int, security: Security) -> int:
        """Opens a listener and returns its port (0 asks for a free one)."""
        if security is Security.IMPLICIT_TLS and self.context.tls is None:
            raise ValueError("implicit TLS needs a certificate")
        server = await asyncio.get_running_loop().create_server(
            lambda: Connection(self.context, security, self), host, port, backlog=_BACKLOG
        )
        self._servers.append(server)
        bound: int = server.sockets[0].getsockname()[1]
        return bound

    @property
    def connections(self) -> int:
        """Clients that are connected now, those in a handshake included."""
        return len(self._connections)

    # For connections

    def enter(self, connection: Connection) -> bytes | None:
        """Counts a connection in; where there is no room, the farewell instead."""
        if self._is_closing:
            return messages.notice_of_disconnection(ResultCode.UNAVAILABLE, "The server is closing")
        if not self._crowd.enter(connection.peer):
            log.warning("ldap.too_many_connections")
            whose = "" if self._crowd.is_full else " from this address"
            return messages.notice_of_disconnection(ResultCode.BUSY, f"Too many connections{whose}")
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

    async def serve(self, connection: Connection) -> None:
        """Holds the conversation; raises Disconnected."""
        try:
            await Session(self._shared, connection).run()
        except Disconnected:
            raise
        except Exception as error:
            log.error("ldap.session_failed", error=type(error).__name__)
            await connection.end(messages.notice_of_disconnection(ResultCode.OTHER, "Internal error"))

    async def close(self) -> None:
        """Stops listening, lets every request in progress finish, tells everybody."""
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
        self._shared.close()
        self.handshakes.shutdown(wait=False)
