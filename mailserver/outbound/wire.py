"""A connection to another operator's server: commands out, replies in, each reply held against what it answers.

The server is a stranger. A reply counts only when a command is waiting for one, and the last reply of a message only
when every octet of it has left: a server that says 250 before it read the content has taken nothing.
"""

from __future__ import annotations

import asyncio
import ssl
from collections import deque
from typing import TYPE_CHECKING, cast

from mailserver.outbound.replies import Garbled, Reply, ReplyReader
from mailserver.outbound.tls import ClientTls

if TYPE_CHECKING:
    from collections.abc import Callable

_HIGH_WATER = 64 * 1024
_PIECE = 64 * 1024
_LINGER_SECONDS = 5.0


class Lost(Exception):
    """The connection is gone, or the server fell silent; the text says which."""


class Closing(Exception):
    """The server said, of its own accord, that it does not go on (RFC 5321 §3.8)."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(str(reply.code))
        self.reply = reply


class Wire(asyncio.Protocol):
    """One connection. Every method that waits raises Lost, Closing or Garbled, and after that the connection is dead."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport
        self._reader = ReplyReader()
        self._replies: deque[Reply] = deque()
        self._due = 1  # the greeting
        self._is_last_due = False
        self._fault: Exception | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._is_paused = False
        self._tls: ClientTls | None = None
        self._is_shaking = False

    # What the event loop tells

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._transport.set_write_buffer_limits(_HIGH_WATER)

    def data_received(self, data: bytes) -> None:
        if self._fault is not None:
            return
        try:
            if self._tls is None:
                self._take(data)
            elif self._is_shaking:
                self._shake(self._tls, data)
            else:
                plain, is_over = self._tls.decrypt(data)
                self._take(plain)
                if is_over:
                    self._fail(Lost("the server closed the connection"))
        except (Garbled, Closing, ssl.SSLError) as fault:
            self._fail(fault)

    def eof_received(self) -> bool:
        self._fail(Lost("the server closed the connection"))
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        words = "the connection broke" if exc is not None else "the server closed the connection"
        self._fail(Lost(words))

    def pause_writing(self) -> None:
        self._is_paused = True

    def resume_writing(self) -> None:
        self._is_paused = False
        self._wake()

    # What a conversation does

    async def reply(self, seconds: float) -> Reply:
        """The next reply; however it drips, it must be whole within `seconds`."""
        if not self._replies:
            await self._until(lambda: bool(self._replies), seconds)
        return self._replies.popleft()

    def command(self, lines: bytes, replies: int = 1) -> None:
        """Sends command lines, to which so many replies are due."""
        self._check()
        if not self._due and not self._reader.is_between_replies:
            raise self._fail(Garbled("a reply began before its command"))
        self._due += replies
        self._write(lines)

    async def content(self, block: bytes, seconds: float) -> None:
        """Sends octets of a message, a piece at a time; each must find room within `seconds`."""
        for start in range(0, len(block), _PIECE):
            self._check()
            self._write(block[start : start + _PIECE])
            if self._is_paused:
                await self._until(lambda: not self._is_paused, seconds)

    def end_of_content(self, octets: bytes) -> None:
        """Sends the last octets of a message; its reply is due from now on, and early while any is unsent."""
        self.command(octets)
        self._is_last_due = True

    async def start_tls(self, context: ssl.SSLContext, host: str, seconds: float) -> None:
        """Shakes hands; what came in clear before that must have been read to the last octet.

        Raises also SSLError; the server has then been told.
        """
        self._check()
        if self._replies or not self._reader.is_between_replies:
            raise self._fail(Garbled("octets behind the reply to STARTTLS, before TLS"))
        self._tls = tls = ClientTls(context, host)
        self._is_shaking = True
        self._transport.write(tls.greet())
        await self._until(lambda: not self._is_shaking, seconds)

    @property
    def certificate(self) -> bytes | None:
        """The server's certificate (DER)."""
        return self._tls.certificate if self._tls is not None else None

    @property
    def fault(self) -> Exception | None:
        """Why nothing more can be said here."""
        return self._fault

    def close(self) -> None:
        """Hangs up; what is unsent is not sent."""
        if self._fault is None:
            self._fault = Lost("the connection was closed")
        self._transport.abort()
        self._wake()

    def end(self) -> None:
        """Says under TLS that no more follows, and hangs up."""
        if self._fault is None and self._tls is not None:
            self._transport.write(self._tls.close())
        self._fail(Lost("the connection was closed"))

    # Inside

    def _take(self, data: bytes) -> None:
        for reply in self._reader.feed(data):
            if not self._due:
                if reply.code >= 400:
                    raise Closing(reply)
                raise Garbled("a reply came before its command")
            if self._is_last_due:
                if self._transport.get_write_buffer_size():
                    raise Garbled("a reply came before the end of the message")
                self._is_last_due = False
            self._due -= 1
            self._replies.append(reply)
        if self._replies:
            self._wake()

    def _shake(self, tls: ClientTls, data: bytes) -> None:
        try:
            done = tls.shake_hands(data)
        finally:
            self._transport.write(tls.pending())
        if done:
            self._is_shaking = False
            self._wake()
            self.data_received(b"")  # what came with the end of the handshake

    def _write(self, octets: bytes) -> None:
        if self._tls is not None:
            octets = self._tls.encrypt(octets)
        self._transport.write(octets)

    async def _until(self, is_done: Callable[[], bool], seconds: float) -> None:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(seconds):
                while not is_done():
                    self._check()
                    self._waiter = loop.create_future()
                    await self._waiter
        except TimeoutError:
            raise self._fail(Lost("the server did not answer in time")) from None
        finally:
            self._waiter = None

    def _check(self) -> None:
        if self._fault is not None:
            raise self._fault

    def _fail(self, fault: Exception) -> Exception:
        if self._fault is None:
            self._fault = fault
            # The alert that was written may still go out; a server that does not take it is not waited for.
            self._transport.close()
            asyncio.get_running_loop().call_later(_LINGER_SECONDS, self._transport.abort)
            self._wake()
        return self._fault

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
