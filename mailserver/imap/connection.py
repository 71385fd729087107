"""One client's connection: transport, TLS, flow control both ways; lends itself to a session as lines and literals."""

from __future__ import annotations

import asyncio
import socket
from contextlib import suppress
from enum import StrEnum
from typing import TYPE_CHECKING, cast

from mailserver.imap.incoming import Incoming

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from typing import Any

    from mailserver.imap.context import ImapContext

HIGH_WATER = 256 * 1024
"""Octets waiting to be sent before a session stops producing more, and waiting to be read before reading pauses."""
_HANDSHAKE_SECONDS = 20.0
_FAREWELL_SECONDS = 30.0


class Security(StrEnum):
    """How a listener is protected. PLAIN allows sign-in without TLS: only for a sandbox on loopback."""

    STARTTLS = "starttls"
    IMPLICIT_TLS = "implicit-tls"
    PLAIN = "plain"


class Disconnected(Exception):
    """The client is gone, or was cut off."""


class ShuttingDown(Exception):
    """The server is closing; a session that waits for its client should say goodbye."""


class Connection(asyncio.Protocol):
    """The stream side of a session. All methods are for the one task that runs the session."""

    def __init__(
        self,
        context: ImapContext,
        security: Security,
        session: Callable[[Connection], Coroutine[Any, Any, None]],
    ) -> None:
        self.security = security
        self.peer = ""
        self._context = context
        self._session = session
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._incoming = Incoming()
        self._readable: asyncio.Future[None] | None = None
        self._writable: asyncio.Future[None] | None = None
        self._read_limit = HIGH_WATER
        self._is_paused = False
        self._is_writing_paused = False
        self._has_ended = False
        self._is_lost = False
        self._is_shutting_down = False
        self._late_abort: asyncio.TimerHandle | None = None
        self.task: asyncio.Task[None] | None = None

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._use(cast("asyncio.Transport", transport))
        peername = transport.get_extra_info("peername")
        self.peer = str(peername[0]) if isinstance(peername, tuple) else "local"
        self.task = self._loop.create_task(self._run())

    async def _run(self) -> None:
        try:
            await self._session(self)
        except Disconnected:
            pass
        finally:
            if self._transport is not None:
                self._transport.close()
                if not self._is_lost:
                    # Closing waits for the client to read what is left: not for ever.
                    self._late_abort = self._loop.call_later(_FAREWELL_SECONDS, self._transport.abort)

    def data_received(self, data: bytes) -> None:
        self._incoming.feed(data)
        if len(self._incoming) > self._read_limit and not self._is_paused and self._transport is not None:
            self._is_paused = True
            self._transport.pause_reading()
        self._wake(self._readable)

    def eof_received(self) -> bool:
        # What was sent before the end is still answered; TLS cannot be half closed.
        self._has_ended = True
        self._wake(self._readable)
        return not self.is_encrypted

    def connection_lost(self, exc: Exception | None) -> None:
        self._is_lost = True
        if self._late_abort is not None:
            self._late_abort.cancel()
        self._wake(self._readable)
        self._wake(self._writable)

    def pause_writing(self) -> None:
        self._is_writing_paused = True

    def resume_writing(self) -> None:
        self._is_writing_paused = False
        self._wake(self._writable)

    # For the session

    @property
    def is_encrypted(self) -> bool:
        """True behind TLS."""
        return self._transport is not None and self._transport.get_extra_info("ssl_object") is not None

    @property
    def has_waiting_input(self) -> bool:
        """True when the client sent more than was read."""
        return len(self._incoming) > 0

    def write(self, data: bytes) -> None:
        """Hands octets to the transport; raises Disconnected when the client is gone."""
        if self._is_lost or self._transport is None:
            raise Disconnected
        self._transport.write(data)

    async def drain(self) -> None:
        """Waits while more than HIGH_WATER octets wait to be sent; cuts a client that does not read."""
        while self._is_writing_paused:
            if self._is_lost:
                raise Disconnected
            self._writable = self._loop.create_future()
            try:
                async with asyncio.timeout(self._context.limits.stalled_seconds):
                    await self._writable
            except TimeoutError:
                self.abort()
                raise Disconnected from None
            finally:
                self._writable = None

    async def read_line(self, limit: int) -> bytes:
        """The next line without its line end; raises LineTooLong, Disconnected, ShuttingDown."""
        while (line := self._incoming.take_line(limit)) is None:
            await self._more()
        self._resume()
        return line

    async def read_exactly(self, count: int) -> bytes:
        """The next `count` octets; cuts a client that stops sending."""
        self._acknowledge_quickly()
        self._read_limit = count + HIGH_WATER
        self._resume()
        try:
            while (data := self._incoming.take(count)) is None:
                await self._more_before(self._context.limits.stalled_seconds)
        finally:
            self._read_limit = HIGH_WATER
        self._resume()
        return data

    async def discard(self, count: int) -> None:
        """Reads `count` octets and forgets them."""
        while True:
            count -= self._incoming.drop(count)
            self._resume()
            if not count:
                return
            await self._more_before(self._context.limits.stalled_seconds)

    async def start_tls(self) -> None:
        """Takes up TLS after the answer to STARTTLS has been written; raises Disconnected when the handshake fails."""
        assert self._transport is not None
        assert self._context.tls is not None
        try:
            transport = await self._loop.start_tls(
                self._transport,
                self,
                self._context.tls,
                server_side=True,
                ssl_handshake_timeout=_HANDSHAKE_SECONDS,
            )
        except (OSError, TimeoutError) as error:  # ssl.SSLError is an OSError
            self.abort()
            raise Disconnected from error
        if transport is None or self._is_lost:
            raise Disconnected
        self._use(transport)

    def pause_input(self) -> None:
        """Reads nothing more from the network until `start_tls` takes over."""
        if self._transport is not None and not self._is_paused:
            self._is_paused = True
            self._transport.pause_reading()

    def shut_down(self) -> None:
        """Makes the session stop at its next wait for the client."""
        self._is_shutting_down = True
        self._wake(self._readable)

    def abort(self) -> None:
        """Drops the connection and what waits to be sent."""
        self._is_lost = True
        if self._transport is not None:
            self._transport.abort()

    # Inside

    def _use(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._is_paused = False
        transport.set_write_buffer_limits(high=HIGH_WATER)
        connection = transport.get_extra_info("socket")
        if connection is not None:
            with suppress(OSError):
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def _acknowledge_quickly(self) -> None:
        # A client that sends a literal in two writes otherwise waits 40 ms for our delayed ACK.
        quick_ack = getattr(socket, "TCP_QUICKACK", None)
        connection = self._transport.get_extra_info("socket") if self._transport is not None else None
        if quick_ack is not None and connection is not None:
            with suppress(OSError):
                connection.setsockopt(socket.IPPROTO_TCP, quick_ack, 1)

    async def _more(self) -> None:
        if self._is_lost or self._has_ended:
            raise Disconnected
        if self._is_shutting_down:
            raise ShuttingDown
        self._resume()
        self._readable = self._loop.create_future()
        try:
            await self._readable
        finally:
            self._readable = None

    async def _more_before(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._more()
        except TimeoutError:
            self.abort()
            raise Disconnected from None

    def _resume(self) -> None:
        if self._is_paused and len(self._incoming) <= self._read_limit and self._transport is not None:
            self._is_paused = False
            if not self._is_lost:
                self._transport.resume_reading()

    @staticmethod
    def _wake(future: asyncio.Future[None] | None) -> None:
        if future is not None and not future.done():
            future.set_result(None)
