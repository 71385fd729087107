"""One client's connection: admission, TLS, flow control both ways, time; lends itself to a session as lines and literals."""

from __future__ import annotations

import asyncio
import math
import socket
import ssl
from contextlib import suppress
from enum import StrEnum
from typing import TYPE_CHECKING, Final, Protocol, cast

from foundation.log import get_logger
from mailserver.imap.incoming import Incoming
from mailserver.tls import TlsLayer

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from mailserver.imap.context import ImapContext

log = get_logger(__name__)

HIGH_WATER: Final = 256 * 1024
"""Octets waiting to be sent before a session stops producing more, and waiting to be read before reading pauses."""
_HANDSHAKE_OCTETS: Final = 16 * 1024  # waiting to be read before reading pauses, during a handshake
_FAREWELL_SECONDS: Final = 30.0
_LINGER_SECONDS: Final = 2.0  # that a client has to take in why TLS failed
_QUICK_ACK: Final[int | None] = getattr(socket, "TCP_QUICKACK", None)


class Security(StrEnum):
    """How a listener is protected. PLAIN allows sign-in without TLS: only for a sandbox on loopback."""

    STARTTLS = "starttls"
    IMPLICIT_TLS = "implicit-tls"
    PLAIN = "plain"


class Disconnected(Exception):
    """The client is gone, or was cut off."""


class ShuttingDown(Exception):
    """The server is closing; a session that waits for its client should say goodbye."""


class TimedOut(Exception):
    """The client let the `deadline` pass."""


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

    def enter_person(self, owner_id: int) -> bool:
        """Counts a signed-in connection in; False when this mailbox has enough."""
        ...

    def leave_person(self, owner_id: int) -> None:
        """Counts out what was counted in."""
        ...

    async def serve(self, connection: Connection) -> None:
        """Holds the conversation."""
        ...


class Connection(asyncio.Protocol):
    """The stream side of a session. All methods are for the one task that runs the session.

    A session reads its commands so, without a task, a timer or a context of its own for each:

        connection.deadline = loop.time() + limits.idle_seconds
        line = connection.take_line(limit)
        if line is None:
            line = await connection.next_line(limit)
    """

    __slots__ = (
        "_context",
        "_due",
        "_has_ended",
        "_host",
        "_incoming",
        "_is_in_literal",
        "_is_lost",
        "_is_nudged",
        "_is_over",
        "_is_paused",
        "_is_shaking_hands",
        "_is_shutting_down",
        "_is_writing_paused",
        "_loop",
        "_owner_id",
        "_read_limit",
        "_readable",
        "_timer",
        "_tls",
        "_transport",
        "_writable",
        "deadline",
        "peer",
        "security",
        "task",
    )

    def __init__(self, context: ImapContext, security: Security, host: Host) -> None:
        self.security = security
        self.peer = ""
        self.deadline = math.inf
        """When `next_line` and `wait` raise TimedOut, in the loop's time. Read when a wait begins."""
        self.task: asyncio.Task[None] | None = None
        self._context = context
        self._host = host
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._tls: TlsLayer | None = None
        self._incoming = Incoming()
        self._readable: asyncio.Future[None] | None = None
        self._writable: asyncio.Future[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._due = math.inf
        self._read_limit = HIGH_WATER
        self._owner_id: int | None = None
        self._is_shaking_hands = False
        self._is_in_literal = False
        self._is_paused = False
        self._is_writing_paused = False
        self._is_nudged = False
        self._is_shutting_down = False
        self._has_ended = False  # the client sends no more
        self._is_lost = False  # nothing can be said any more
        self._is_over = False  # the session has ended

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Admits the client or turns it away: a handshake that is still to come is counted as well."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's are no subclass
        self._transport.set_write_buffer_limits(high=HIGH_WATER)
        peername = transport.get_extra_info("peername")
        self.peer = str(peername[0]) if isinstance(peername, tuple) else "local"
        refusal = self._host.enter(self)
        if refusal is None:
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
            self._is_over = True
            self._end()

    def data_received(self, data: bytes) -> None:
        if self._tls is None or self._is_shaking_hands:
            self._take_in(data)
        elif not (self._has_ended or self._is_lost):
            self._decrypt(data)

    def eof_received(self) -> bool:
        # What was sent before the end is still answered.
        self._has_ended = True
        self._wake(self._readable)
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        self._is_lost = True
        self._transport = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._wake(self._readable)
        self._wake(self._writable)
        if self._is_over:
            self._depart()

    def pause_writing(self) -> None:
        self._is_writing_paused = True

    def resume_writing(self) -> None:
        self._is_writing_paused = False
        self._wake(self._writable)
        if self._tls is not None:
            self._resume()

    # For the session

    @property
    def is_encrypted(self) -> bool:
        """True behind TLS."""
        return self._tls is not None and not self._is_shaking_hands

    @property
    def peer_certificate(self) -> bytes | None:
        """The client's certificate (DER) that the context has verified; None when it showed none."""
        return self._tls.certificate if self._tls is not None and not self._is_shaking_hands else None

    @property
    def has_waiting_input(self) -> bool:
        """True when the client sent more than was read."""
        return len(self._incoming) > 0

    def enter_person(self, owner_id: int) -> bool:
        """Counts this connection for the mailbox that signs in, until it ends or `leave_person`.

        False when the mailbox has `connections_per_person` already: to be answered NO [LIMIT] (RFC 5530 §3).
        """
        self.leave_person()
        if not self._host.enter_person(owner_id):
            return False
        self._owner_id = owner_id
        return True

    def leave_person(self) -> None:
        """Nobody is signed in any more (UNAUTHENTICATE)."""
        if self._owner_id is not None:
            self._host.leave_person(self._owner_id)
            self._owner_id = None

    def write(self, data: bytes) -> None:
        """Hands octets to the transport; raises Disconnected when the client is gone."""
        if self._is_lost or self._transport is None:
            raise Disconnected
        if self._tls is not None:
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
                async with asyncio.timeout(self._context.limits.stalled_seconds):
                    await self._writable
            except TimeoutError:
                self.abort()
                raise Disconnected from None
            finally:
                self._writable = None

    def take_line(self, limit: int) -> bytes | None:
        """The next line without its line end when it is there already, else None; raises LineTooLong."""
        line = self._incoming.take_line(limit)
        if self._is_paused and line is not None:
            self._resume()
        return line

    async def next_line(self, limit: int) -> bytes:
        """The next line without its line end; raises LineTooLong, TimedOut, Disconnected, ShuttingDown."""
        while (line := self.take_line(limit)) is None:
            await self._more(self.deadline)
        return line

    async def wait(self) -> None:
        """Returns when the client sent something, or after a `nudge`; raises TimedOut, Disconnected, ShuttingDown.

        Whoever waits for a line and for something else (IDLE) asks `take_line` first.
        """
        if not self._is_nudged:
            await self._more(self.deadline)
        self._is_nudged = False

    def nudge(self) -> None:
        """Ends the `wait` of the session, or its next one."""
        self._is_nudged = True
        self._wake(self._readable)

    async def read_exactly(self, count: int) -> bytes:
        """The next `count` octets; cuts a client that stops sending, or sends too slowly."""
        self._read_limit = count + HIGH_WATER
        self._resume()
        self._begin_literal()
        patience = self._patience(count)
        try:
            while (data := self._incoming.take(count)) is None:
                await self._more_of_literal(patience)
        finally:
            self._read_limit = HIGH_WATER
            self._is_in_literal = False
        self._resume()
        return data

    async def discard(self, count: int) -> None:
        """Reads `count` octets and forgets them."""
        self._begin_literal()
        patience = self._patience(count)
        try:
            while True:
                count -= self._incoming.drop(count)
                self._resume()
                if not count:
                    return
                await self._more_of_literal(patience)
        finally:
            self._is_in_literal = False

    # ref: ECO.1.0.2
    async def start_tls(self) -> None:
        """Takes up TLS after the answer to STARTTLS has been written; raises Disconnected when the handshake fails.

        What was sent in the clear behind STARTTLS ends the connection (RFC 3501 §6.2.1, CVE-2011-0411).
        """
        if self.has_waiting_input:
            self.abort()
            raise Disconnected
        await self._secure()

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

    # TLS

    async def _secure(self) -> None:
        assert self._context.tls is not None
        self._tls = tls = TlsLayer(self._context.tls)
        self._is_shaking_hands = True
        self._read_limit = _HANDSHAKE_OCTETS
        try:
            await self._shake_hands(tls)
        except ssl.SSLError as error:
            log.info("imap.tls_failed", kind=error.reason)
            self._answer(tls)
            await self._linger()
            raise Disconnected from error
        except (ShuttingDown, TimedOut) as error:
            self.abort()
            raise Disconnected from error
        self._is_shaking_hands = False
        self._read_limit = HIGH_WATER
        # Came while the handshake was thought about.
        self._decrypt(self._incoming.take_some(len(self._incoming)))
        self._resume()

    async def _shake_hands(self, tls: TlsLayer) -> None:
        due = self._loop.time() + self._context.limits.handshake_seconds
        is_done = False
        while not is_done:
            while not (octets := self._incoming.take_some(_HANDSHAKE_OCTETS)):
                await self._more(due)
            began = self._loop.time()
            # A millisecond of arithmetic, outside the interpreter's lock: the other processor does it.
            is_done = await self._loop.run_in_executor(self._host.handshakes, tls.shake_hands, octets)
            self._answer(tls)
            due += self._loop.time() - began  # our time, not the client's

    def _answer(self, tls: TlsLayer) -> None:
        """Sends what the protocol itself has to say: handshakes, alerts, changes of keys."""
        octets = tls.pending()
        if not octets or self._transport is None or self._is_lost:
            return
        self._transport.write(octets)
        if self._is_writing_paused:
            # Who makes TLS answer and reads no answers is not read from either.
            self.pause_input()

    async def _linger(self) -> None:
        """Lets the client read its alert: closed with octets unread, the connection would be reset under it."""
        if self._transport is None or self._is_lost:
            return
        self._transport.write_eof()
        due = self._loop.time() + _LINGER_SECONDS
        with suppress(Disconnected, ShuttingDown, TimedOut):
            while True:
                self._incoming.drop(len(self._incoming))
                await self._more(due)

    def _decrypt(self, octets: bytes) -> None:
        tls = self._tls
        assert tls is not None
        try:
            content, is_over = tls.decrypt(octets)
        except ssl.SSLError as error:
            log.info("imap.tls_broken", kind=error.reason)
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

    # Inside

    def _take_in(self, content: bytes) -> None:
        self._incoming.feed(content)
        if len(self._incoming) > self._read_limit:
            self.pause_input()
        if self._is_in_literal:
            self._acknowledge_quickly()
        self._wake(self._readable)

    def _end(self) -> None:
        transport = self._transport
        if transport is None:
            self._depart()
            return
        if not (self._is_lost or transport.is_closing()):
            if self._tls is not None and not self._is_shaking_hands:
                transport.write(self._tls.close())
            transport.close()
        # Closing waits for the client to read what is left: not for ever.
        self._expect_by(self._loop.time() + _FAREWELL_SECONDS)

    def _depart(self) -> None:
        self.leave_person()
        self._host.leave(self)

    def _begin_literal(self) -> None:
        # A client that sends a literal in two writes otherwise waits 40 ms for our delayed ACK. The kernel
        # forgets the wish when it sends: it is repeated while octets of the literal come in.
        self._is_in_literal = True
        self._acknowledge_quickly()

    def _acknowledge_quickly(self) -> None:
        if _QUICK_ACK is None or self._transport is None:
            return
        connection = self._transport.get_extra_info("socket")
        if connection is not None:
            with suppress(OSError):
                connection.setsockopt(socket.IPPROTO_TCP, _QUICK_ACK, 1)

    def _patience(self, count: int) -> float:
        """When `count` octets have to be there."""
        limits = self._context.limits
        return self._loop.time() + limits.stalled_seconds + count / limits.literal_bytes_per_second

    async def _more_of_literal(self, patience: float) -> None:
        stalled = self._loop.time() + self._context.limits.stalled_seconds
        try:
            await self._more(min(stalled, patience))
        except TimedOut:
            self.abort()
            raise Disconnected from None

    async def _more(self, due: float) -> None:
        if self._is_lost or self._has_ended:
            raise Disconnected
        if self._is_shutting_down:
            raise ShuttingDown
        self._resume()
        self._readable = self._loop.create_future()
        self._expect_by(due)
        try:
            await self._readable
        finally:
            self._readable = None

    def _resume(self) -> None:
        if not self._is_paused or self._transport is None or len(self._incoming) > self._read_limit:
            return
        if self._tls is not None and self._is_writing_paused:
            return
        self._is_paused = False
        if not self._is_lost:
            self._transport.resume_reading()

    # Time: one timer for all waits, which is set anew when it fires, or when something is due before that.

    def _expect_by(self, due: float) -> None:
        self._due = due
        timer = self._timer
        if timer is not None:
            if timer.when() <= due:
                return
            timer.cancel()
            self._timer = None
        if due < math.inf:
            self._timer = self._loop.call_at(due, self._look_at_the_clock)

    def _look_at_the_clock(self) -> None:
        self._timer = None
        waiting = self._readable
        if not self._is_over and (waiting is None or waiting.done()):
            return
        if self._loop.time() < self._due:
            self._expect_by(self._due)
        elif self._is_over:
            self.abort()
        elif waiting is not None:
            waiting.set_exception(TimedOut())

    @staticmethod
    def _wake(future: asyncio.Future[None] | None) -> None:
        if future is not None and not future.done():
            future.set_result(None)
