"""The web server inside our own loop: uvicorn without its signals, on a bound socket, with bounded connections."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from typing import TYPE_CHECKING, Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from foundation.crowd import Crowd

if TYPE_CHECKING:
    import ssl
    from collections.abc import Coroutine, Generator

    from starlette.types import ASGIApp

HEAD_SECONDS = 20.0
"""How long a TLS handshake may take, and then the head of a request."""
_GRACE_SECONDS = 3
"""For what is being answered when the server is to stop."""
_GOODBYE_SECONDS = 0.1
_BACKLOG = 1024
_SHUTDOWN_SECONDS = 5.0
_ACCEPT_PAUSE_SECONDS = 0.1


class _Connection(HttpToolsProtocol):
    """One connection behind TLS; the head of each request has to come within a time."""

    def __init__(self, leave: _Leave, head_seconds: float, **parts: Any) -> None:
        super().__init__(**parts)
        self._leave = leave
        self._head_seconds = head_seconds
        self._deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._certificate = client_certificate(transport)
        self._expect_head()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        # Beside the names of the ASGI TLS extension, which knows PEM alone: everybody here judges the DER.
        self.scope["extensions"] = {"tls": {"client_certificate": self._certificate}}

    def data_received(self, data: bytes) -> None:
        # Every octet between two requests counts: uvicorn takes an empty line for a sign of life.
        if self._deadline is None and (self.cycle is None or self.cycle.response_complete):
            self._expect_head()
        super().data_received(data)

    def on_headers_complete(self) -> None:
        self._cancel()
        super().on_headers_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        self._cancel()
        self._leave()
        super().connection_lost(exc)

    def shutdown(self) -> None:
        super().shutdown()
        if self.transport.is_closing() and not self.transport.get_write_buffer_size():
            # A client that waits for nothing reads nothing: it never answers that TLS ends, and need not (RFC 8446 §6.1).
            self.loop.call_later(_GOODBYE_SECONDS, self.transport.abort)

    def _expect_head(self) -> None:
        self._deadline = self.loop.call_later(self._head_seconds, self.transport.abort)

    def _cancel(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None


def client_certificate(transport: asyncio.Transport) -> bytes | None:
    """The certificate (DER) the client showed and the handshake accepted; None when it showed none."""
    connection = transport.get_extra_info("ssl_object")
    shown: bytes | None = connection.getpeercert(binary_form=True) if connection is not None else None
    return shown


class _Leave:
    """Takes a connection out of the count, once."""

    __slots__ = ("_address", "_crowd")

    def __init__(self, crowd: Crowd, address: str) -> None:
        self._crowd: Crowd | None = crowd
        self._address = address

    def __call__(self) -> None:
        if self._crowd is not None:
            self._crowd.leave(self._address)
            self._crowd = None


class _Server(uvicorn.Server):
    """Stops when its owner says so; the process's signals belong to the operator as a whole."""

    def __init__(
        self, config: uvicorn.Config, tls: ssl.SSLContext, crowd: Crowd, head_seconds: float
    ) -> None:
        super().__init__(config)
        self.crowd = crowd
        self._tls = tls
        self._head_seconds = head_seconds
        self._tasks: set[asyncio.Task[None]] = set()

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await self.lifespan.startup()
        self.servers = []
        for each in sockets or ():
            each.listen(_BACKLOG)
            each.setblocking(False)  # noqa: FBT003 - the socket module's own way
            self._begin(self._accept_forever(each))
        self.started = True

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await super().shutdown(sockets)

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _accept_forever(self, listening: socket.socket) -> None:
        """Counts each connection before TLS: a handshake that never ends holds a socket too."""
        loop = asyncio.get_running_loop()
        while True:
            try:
                accepted, peer = await loop.sock_accept(listening)
            except OSError:
                # No file left for one more, or the client is gone already.
                await asyncio.sleep(_ACCEPT_PAUSE_SECONDS)
                continue
            address = str(peer[0])
            if not self.crowd.enter(address):
                accepted.close()
                continue
            self._begin(self._handshake(accepted, _Leave(self.crowd, address)))

    async def _handshake(self, accepted: socket.socket, leave: _Leave) -> None:
        connection = _Connection(
            leave,
            self._head_seconds,
            config=self.config,
            server_state=self.server_state,
            app_state=self.lifespan.state,
        )
        try:
            accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            await asyncio.get_running_loop().connect_accepted_socket(
                lambda: connection,
                accepted,
                ssl=self._tls,
                ssl_handshake_timeout=self._head_seconds,
                ssl_shutdown_timeout=_SHUTDOWN_SECONDS,
            )
        except OSError:  # also ssl.SSLError and a time-out: no word of it, the other side knows
            leave()
            accepted.close()
        except BaseException:
            leave()
            accepted.close()
            raise


class WebServer:
    """HTTPS on one address; `connections` bounds them all, `connections_per_address` those of one client."""

    def __init__(
        self,
        application: ASGIApp,
        tls: ssl.SSLContext,
        host: str,
        port: int,
        *,
        connections: int,
        connections_per_address: int,
        head_seconds: float = HEAD_SECONDS,
    ) -> None:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._socket = socket.socket(family, socket.SOCK_STREAM)
        try:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self._socket.bind((host, port))
        except OSError:
            self._socket.close()
            raise
        config = uvicorn.Config(
            application,
            http="httptools",
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_keep_alive=15,
            timeout_graceful_shutdown=_GRACE_SECONDS,
        )
        config.load()
        self._server = _Server(config, tls, Crowd(connections, connections_per_address), head_seconds)
        self._task: asyncio.Task[None] | None = None

    @property
    def port(self) -> int:
        """The port that was bound, also when 0 was asked for."""
        port: int = self._socket.getsockname()[1]
        return port

    async def start(self) -> None:
        """Returns when connections are accepted."""
        self._task = asyncio.create_task(self._server.serve(sockets=[self._socket]), name="web")
        while not self._server.started:
            if self._task.done():
                await self._task
                raise RuntimeError("the web server stopped before it started")
            await asyncio.sleep(0.005)

    async def close(self) -> None:
        """Answers what was asked, then stops; streams are cut after a few seconds."""
        self._server.should_exit = True
        if self._task is not None:
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        self._socket.close()
