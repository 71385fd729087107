"""One client's connection: admission, TLS, whole messages in, flow control both ways, time."""

from __future__ import annotations

import asyncio
import ssl
from collections import deque
from contextlib import suppress
from enum import StrEnum
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol, cast

from directory.ldap import messages
from directory.ldap.ber import Malformed, message_length
from foundation.log import get_logger
from foundation.tls import TlsLayer

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from directory.ldap.context import LdapContext

log = get_logger(__name__)

HIGH_WATER: Final = 256 * 1024
"""Octets waiting to be sent before a session stops producing more."""
_HANDSHAKE_OCTETS: Final = 64 * 1024
_FAREWELL_SECONDS: Final = 10.0
_LINGER_SECONDS: Final = 2.0  # that a client has to take in why TLS failed


class Security(StrEnum):
    """How a listener is protected."""

    STARTTLS = "starttls"
    IMPLICIT_TLS = "implicit-tls"


class Disconnected(Exception):
    """The client is gone, or was cut off."""


class ShuttingDown(Exception):
    """The server is closing."""


class TimedOut(Exception):
    """The client asked nothing for too long."""


class Waiting(NamedTuple):
    """A request that has come whole."""

    number: int
    octets: bytes


class Host(Protocol):
    """The server as its connections see it."""

    @property
    def handshakes(self) -> Executor:
        """Does the arithmetic of TLS handshakes."""
        ...

    def enter(self, connection: Connection) -> bytes | None:
        """Counts a connection in; where there is no room, what it is told instead."""
        ...

    def leave(self, connection: Connection) -> None:
        """Counts a connection out when nothing of it is left; again is harmless."""
        ...

    async def serve(self, connection: Connection) -> None:
        """Holds the conversation; raises Disconnected."""
        ...


class Connection(asyncio.Protocol):
    """The stream side of a session. What is for the session is called by its one task.

    An AbandonRequest never waits behind what it abandons: it takes a waiting request away at once, and tells
    the session of the one it works on by `is_abandoned`.
    """

    def __init__(self, context: LdapContext, security: Security, host: Host) -> None:
        self.security = security
        self.peer = ""
        self.task: asyncio.Task[None] | None = None
        self.message_limit = context.limits.message_bytes_before_bind
        """Octets of the largest message that is read."""
        self.is_abandoned = False
        """Whether the client has abandoned the request that `next_request` gave last."""
        self._context = context
        self._limits = context.limits
        self._host = host
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._tls: TlsLayer | None = None
        self._buffer = bytearray()
        self._requests: deque[Waiting] = deque()
        self._held = 0  # octets of the requests that wait
        self._current = 0
        self._fault: Malformed | None = None
        self._readable: asyncio.Future[None] | None = None
        self._writable: asyncio.Future[None] | None = None
        self._is_shaking_hands = False
        self._is_paused = False
        self._is_writing_paused = False
        self._is_shutting_down = False
        self._has_ended = False  # the client sends no more
        self._is_lost = False  # nothing can be said any more
        self._is_deaf = False  # what comes is not looked at any more
        self._has_said_all = False
        self._is_over = False  # the session has ended
        self._farewell: asyncio.TimerHandle | None = None

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Admits the client or turns it away: a handshake that is still to come is counted as well."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's are no subclass
        self._transport.set_write_buffer_limits(high=HIGH_WATER)
        peername = transport.get_extra_info("peername")
        self.peer = str(peername[0]) if isinstance(peername, tuple) else "local"
        refusal = self._host.enter(self)
        if refusal is None:
            if self.security is Security.IMPLICIT_TLS:
                self._begin_tls()  # before anything comes
            self.task = self._loop.create_task(self._run())
            return
        if self.security is not Security.IMPLICIT_TLS:
            self._transport.write(refusal)
        self._transport.close()

    async def _run(self) -> None:
        try:
            if self.security is Security.IMPLICIT_TLS:
                await self._secure()
            await self._host.serve(self)
        except Disconnected:
            pass
        finally:
            self._is_over = self._is_deaf = True
            self._end()

    def data_received(self, data: bytes) -> None:
        if self._is_deaf or self._has_ended:
            return
        if self._tls is None or self._is_shaking_hands:
            self._take_in(data)
        elif not self._is_lost:
            self._decrypt(data)

    def eof_received(self) -> bool:
        # What was asked before the end is still answered.
        self._has_ended = True
        self._wake(self._readable)
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        self._is_lost = True
        self.is_abandoned = True
        self._transport = None
        self._wake(self._readable)
        self._wake(self._writable)
        if self._farewell is not None:
            self._farewell.cancel()
        if self._is_over:
            self._host.leave(self)

    def pause_writing(self) -> None:
        self._is_writing_paused = True

    def resume_writing(self) -> None:
        self._is_writing_paused = False
        self._wake(self._writable)
        self._resume()

    # For the session

    @property
    def is_encrypted(self) -> bool:
        """True behind TLS."""
        return self._tls is not None and not self._is_shaking_hands

    @property
    def peer_certificate(self) -> bytes | None:
        """The client's certificate (DER) that the context has verified; None when it showed none."""
        return self._tls.certificate if self._tls is not None else None

    async def next_request(self, seconds: float) -> Waiting:
        """The next request, within `seconds`. Raises Malformed, TimedOut, Disconnected, ShuttingDown."""
        if self._is_shutting_down:
            raise ShuttingDown
        if not self._requests:
            await self._more(self._loop.time() + seconds)
        request = self._requests.popleft()
        self._held -= len(request.octets)
        self._current, self.is_abandoned = request.number, False
        self._cut()
        return request

    def write(self, data: bytes) -> None:
        """Hands octets to the transport; raises Disconnected when the client is gone."""
        if self._is_lost or self._transport is None:
            raise Disconnected
        if self._tls is not None and not self._is_shaking_hands:
            try:
                data = self._tls.encrypt(data)
            except ssl.SSLError as error:
                self.abort()
                raise Disconnected from error
        self._transport.write(data)

    async def drain(self) -> None:
        """Waits while more than HIGH_WATER octets wait to be sent; cuts a client that does not read."""
        while self._is_writing_paused:
            if self._is_lost:
                raise Disconnected
            self._writable = self._loop.create_future()
            try:
                async with asyncio.timeout(self._limits.stalled_seconds):
                    await self._writable
            except TimeoutError:
                self.abort()
                raise Disconnected from None
            finally:
                self._writable = None

    @property
    def has_more(self) -> bool:
        """Whether the client sent something behind the request that `next_request` gave last."""
        return bool(self._requests or self._buffer or self._fault)

    async def start_tls(self, response: bytes) -> None:
        """Says `response`, the last in the clear, and takes up TLS; raises Disconnected when the handshake fails."""
        self._begin_tls()  # before the client can answer
        assert self._transport is not None
        self._transport.write(response)
        await self._secure()

    async def end(self, farewell: bytes) -> None:
        """Says the last words to a client that may still be sending; raises Disconnected."""
        self.write(farewell)
        if self._tls is not None and self._transport is not None:
            self._transport.write(self._tls.close())
        await self._linger()
        raise Disconnected

    def shut_down(self) -> None:
        """Makes the session stop at its next wait for the client."""
        self._is_shutting_down = True
        self._wake(self._readable)

    def abort(self) -> None:
        """Drops the connection and what waits to be sent."""
        self._is_lost = True
        if self._transport is not None:
            self._transport.abort()

    # TLS

    def _begin_tls(self) -> None:
        assert self._context.tls is not None
        self._tls = TlsLayer(self._context.tls)
        self._is_shaking_hands = True

    async def _secure(self) -> None:
        tls = self._tls
        assert tls is not None
        try:
            async with asyncio.timeout(self._limits.handshake_seconds):
                await self._shake_hands(tls)
        except ssl.SSLError as error:
            log.info("ldap.tls_failed", kind=error.reason)
            self._answer(tls)
            await self._linger()
            raise Disconnected from error
        except (TimeoutError, ShuttingDown) as error:
            self.abort()
            raise Disconnected from error
        self._is_shaking_hands = False
        waiting, self._buffer = bytes(self._buffer), bytearray()
        self._decrypt(waiting)  # came while the handshake was thought about
        self._resume()

    async def _shake_hands(self, tls: TlsLayer) -> None:
        is_done = False
        while not is_done:
            while not self._buffer:
                await self._wait()
            octets, self._buffer = bytes(self._buffer), bytearray()
            self._resume()
            # A millisecond of arithmetic, outside the interpreter's lock: the other processor does it.
            is_done = await self._loop.run_in_executor(self._host.handshakes, tls.shake_hands, octets)
            self._answer(tls)

    def _answer(self, tls: TlsLayer) -> None:
        """Sends what the protocol itself has to say: handshakes, alerts, changes of keys."""
        octets = tls.pending()
        if octets and self._transport is not None and not self._is_lost:
            self._transport.write(octets)
            if self._is_writing_paused:
                # Who makes TLS answer and reads no answers is not read from either.
                self._pause()

    async def _linger(self) -> None:
        """Lets the client read what it was told: closed with octets unread, the connection would be reset under it."""
        self._is_deaf = self._has_said_all = True
        self._fault = None
        self._requests.clear()
        self._held = 0
        self._buffer.clear()
        if self._transport is None or self._is_lost:
            return
        self._transport.write_eof()
        self._resume()
        with suppress(Disconnected, ShuttingDown, TimeoutError):
            async with asyncio.timeout(_LINGER_SECONDS):
                await self._wait()

    def _decrypt(self, octets: bytes) -> None:
        tls = self._tls
        assert tls is not None
        try:
            content, is_over = tls.decrypt(octets)
        except ssl.SSLError as error:
            log.info("ldap.tls_broken", kind=error.reason)
            self._answer(tls)
            self._is_lost = True
            if self._transport is not None:
                self._transport.close()  # and not abort: the alert has to go out
            self._wake(self._readable)
            self._wake(self._writable)
            return
        self._answer(tls)
        if is_over:
            self._has_ended = True
        if content or is_over:
            self._take_in(content)

    # Requests

    def _take_in(self, content: bytes) -> None:
        self._buffer += content
        if self._is_shaking_hands:
            if len(self._buffer) > _HANDSHAKE_OCTETS:
                self._pause()
        else:
            self._cut()
        self._wake(self._readable)

    def _cut(self) -> None:
        """Takes the requests that have come whole out of the buffer, as many as may wait."""
        start = 0
        try:
            while len(self._requests) < self._limits.pending and self._held < self.message_limit:
                header = bytes(self._buffer[start : start + 6])
                length = message_length(header, self.message_limit)
                if self._fault is not None or length is None or len(self._buffer) - start < length:
                    break
                self._queue(bytes(self._buffer[start : start + length]))
                start += length
            else:
                self._pause()
        except Malformed as fault:
            self._fault = fault
        del self._buffer[:start]
        if self._fault is not None:
            self._buffer.clear()
            self._pause()
        elif not self._is_full:
            self._resume()

    def _queue(self, octets: bytes) -> None:
        number, tag, _ = messages.head(octets)
        if tag != messages.ABANDON:
            self._requests.append(Waiting(number, octets))
            self._held += len(octets)
            return
        abandoned = messages.read_abandon(octets)
        if abandoned == self._current:
            self.is_abandoned = True
        for waiting in self._requests:
            if waiting.number == abandoned:
                self._requests.remove(waiting)
                self._held -= len(waiting.octets)
                return

    @property
    def _is_full(self) -> bool:
        return len(self._requests) >= self._limits.pending or self._held >= self.message_limit

    # Inside

    async def _more(self, due: float) -> None:
        """Waits for a whole request."""
        try:
            async with asyncio.timeout_at(due):
                while not self._requests:
                    if self._fault is not None:
                        raise self._fault
                    await self._wait()
        except TimeoutError:
            raise TimedOut from None

    async def _wait(self) -> None:
        if self._is_lost or self._has_ended:
            raise Disconnected
        if self._is_shutting_down:
            raise ShuttingDown
        self._readable = self._loop.create_future()
        try:
            await self._readable
        finally:
            self._readable = None

    def _pause(self) -> None:
        if self._transport is not None and not self._is_paused and not self._is_lost:
            self._is_paused = True
            self._transport.pause_reading()

    def _resume(self) -> None:
        if not self._is_paused or self._is_lost or self._transport is None:
            return
        if self._fault is not None or (self._tls is not None and self._is_writing_paused):
            return
        if self._is_full or len(self._buffer) > max(self.message_limit, _HANDSHAKE_OCTETS):
            return
        self._is_paused = False
        self._transport.resume_reading()

    def _end(self) -> None:
        transport = self._transport
        if transport is None:
            self._host.leave(self)
            return
        if not (self._is_lost or transport.is_closing()):
            if self._tls is not None and not (self._is_shaking_hands or self._has_said_all):
                transport.write(self._tls.close())
            transport.close()
        # Closing waits for the client to read what is left: not for ever.
        self._farewell = self._loop.call_later(_FAREWELL_SECONDS, self.abort)

    @staticmethod
    def _wake(future: asyncio.Future[None] | None) -> None:
        if future is not None and not future.done():
            future.set_result(None)
