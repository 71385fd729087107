"""A TLS client that decides itself which octets of the wire go out, and when."""

from __future__ import annotations

import asyncio
import ssl
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_SECONDS = 10


class Wire:
    """TLS over a plain connection: `seal` makes records, `send` sends octets."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, context: ssl.SSLContext
    ) -> None:
        self.reader = reader
        self.writer = writer
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self.tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname="localhost")
        self._heard = bytearray()
        self.is_over = False
        """The server said by close_notify that nothing follows."""

    @classmethod
    async def open(cls, port: int, context: ssl.SSLContext) -> Wire:
        return cls(*await asyncio.open_connection("127.0.0.1", port), context)

    async def send(self, octets: bytes) -> None:
        self.writer.write(octets)
        await self.writer.drain()

    def seal(self, content: bytes) -> bytes:
        """The records that hold this content."""
        view = memoryview(content)
        while view:
            view = view[self.tls.write(view) :]
        return self._outgoing.read()

    def farewell(self) -> bytes:
        """The record of close_notify."""
        with suppress(ssl.SSLError):
            self.tls.unwrap()
        return self._outgoing.read()

    def hello(self) -> bytes:
        """The first flight of the handshake."""
        with suppress(ssl.SSLWantReadError):
            self.tls.do_handshake()
        return self._outgoing.read()

    async def finish(self, *, slowly: bool = False) -> bytes:
        """Goes on until the handshake is done; the last flight of TLS 1.3, not yet sent."""
        while True:
            try:
                self.tls.do_handshake()
            except ssl.SSLWantReadError:
                await self.trickle(self._outgoing.read(), slowly=slowly)
                await self._hear()
            else:
                return self._outgoing.read()

    async def shake_hands(self, *, slowly: bool = False) -> None:
        await self.trickle(self.hello(), slowly=slowly)
        await self.trickle(await self.finish(slowly=slowly), slowly=slowly)

    async def trickle(self, octets: bytes, *, slowly: bool) -> None:
        step = 1 if slowly else len(octets) or 1
        for start in range(0, len(octets), step):
            await self.send(octets[start : start + step])
            await asyncio.sleep(0)

    async def _hear(self) -> None:
        async with asyncio.timeout(_SECONDS):
            octets = await self.reader.read(65_536)
        if not octets:
            raise EOFError
        self._incoming.write(octets)

    async def line(self) -> bytes:
        """The next line; raises EOFError."""
        while b"\n" not in self._heard:
            if not await self._more():
                raise EOFError
        line, _, rest = bytes(self._heard).partition(b"\n")
        self._heard[:] = rest
        return line.removesuffix(b"\r")

    async def until(self, is_last: Callable[[bytes], bool]) -> list[bytes]:
        lines = [await self.line()]
        while not is_last(lines[-1]):
            lines.append(await self.line())
        return lines

    async def rest(self) -> bytes:
        """All that is said until the end of the connection."""
        while await self._more():
            pass
        return bytes(self._heard)

    async def _more(self) -> bool:
        while True:
            try:
                content = self.tls.read(65_536)
            except ssl.SSLWantReadError:
                try:
                    await self._hear()
                except (EOFError, ConnectionError):
                    return False
            except ssl.SSLZeroReturnError:
                self.is_over = True
                return False
            else:
                self.is_over = not content
                self._heard += content
                return bool(content)

    def close(self) -> None:
        self.writer.close()


async def until(condition: Callable[[], bool]) -> None:
    """Lets the server work until something holds; the test's own time-out ends a wait in vain."""
    while not condition():
        turn = asyncio.get_running_loop().create_future()
        await asyncio.wait([turn], timeout=0.005)
