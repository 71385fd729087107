"""Another operator's server, as good or as evil as a test wants it, on a real socket with a real certificate.

Every answer can be replaced: by a text, or by a coroutine function of the session and the line, which may do
anything and gives the reply (None: it has said all there is to say). "GREETING" and "END" stand for the first reply
of a connection and the last one of a message.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

EXTENSIONS = ("PIPELINING", "SIZE 50000000", "8BITMIME", "SMTPUTF8", "DSN", "ENHANCEDSTATUSCODES")
Answer = str | Callable[["Session", str], Awaitable[str | None]]


@dataclass(frozen=True)
class Heard:
    """A command line, and whether it came under TLS."""

    line: str
    is_tls: bool
    connection: int


@dataclass(frozen=True)
class Received:
    """A message that was accepted; `raw` as on the wire up to the dot, `content` without its dot-stuffing."""

    mail: str
    rcpt: tuple[str, ...]
    raw: bytes
    connection: int

    @property
    def content(self) -> bytes:
        lines = self.raw.split(b"\r\n")
        return b"\r\n".join(line[1:] if line.startswith(b".") else line for line in lines)


@dataclass
class Peer:
    """A server on a free port of the loopback."""

    context: ssl.SSLContext | None
    answers: dict[str, Answer] = field(default_factory=dict)
    extensions: tuple[str, ...] = EXTENSIONS
    tls_extensions: tuple[str, ...] | None = None
    heard: list[Heard] = field(default_factory=list)
    received: list[Received] = field(default_factory=list)
    connections: int = 0
    open_connections: int = 0
    most_open: int = 0
    port: int = 0
    arrival: asyncio.Condition = field(default_factory=asyncio.Condition)
    _sessions: set[asyncio.Task[None]] = field(default_factory=set)

    @classmethod
    @contextlib.asynccontextmanager
    async def open(
        cls,
        context: ssl.SSLContext | None,
        *,
        extensions: tuple[str, ...] = EXTENSIONS,
        tls_extensions: tuple[str, ...] | None = None,
        **answers: Answer,
    ) -> AsyncIterator[Self]:
        peer = cls(context, dict(answers), extensions, tls_extensions)
        server = await asyncio.start_server(peer._accept, "127.0.0.1", 0, limit=64 * 1024 * 1024)
        peer.port = server.sockets[0].getsockname()[1]
        try:
            yield peer
        finally:
            server.close()
            for session in tuple(peer._sessions):
                session.cancel()
            await asyncio.gather(*peer._sessions, return_exceptions=True)

    def lines(self, verb: str) -> list[str]:
        return [heard.line for heard in self.heard if heard.line.upper().startswith(verb)]

    async def has(self, number: int) -> None:
        """Waits until so many messages were accepted."""
        async with asyncio.timeout(60), self.arrival:
            await self.arrival.wait_for(lambda: len(self.received) >= number)

    async def has_connections(self, number: int) -> None:
        """Waits until so many connections were made."""
        async with asyncio.timeout(60), self.arrival:
            await self.arrival.wait_for(lambda: self.connections >= number)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._sessions.add(task)
        self.connections += 1
        self.open_connections += 1
        self.most_open = max(self.most_open, self.open_connections)
        async with self.arrival:
            self.arrival.notify_all()
        session = Session(self, reader, writer, self.connections)
        try:
            await session.run()
        except (OSError, EOFError, ssl.SSLError, asyncio.CancelledError):
            pass
        finally:
            self.open_connections -= 1
            self._sessions.discard(task)
            writer.transport.abort()


class Session:
    """One connection to the peer."""

    def __init__(
        self, peer: Peer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int
    ) -> None:
        self.peer = peer
        self.reader = reader
        self.writer = writer
        self.number = number
        self.is_tls = False
        self.mail = ""
        self.rcpt: list[str] = []

    async def say(self, text: str | bytes) -> None:
        self.writer.write(text if isinstance(text, bytes) else text.encode() + b"\r\n")
        await self.writer.drain()

    def hang_up(self) -> None:
        self.writer.transport.abort()

    async def run(self) -> None:
        await self.answer("GREETING", "", "220 mail.example ESMTP")
        while line := (await self.reader.readline()).decode().removesuffix("\r\n"):
            verb = line.split(" ")[0].upper()
            self.peer.heard.append(Heard(line, self.is_tls, self.number))
            match verb:
                case "EHLO":
                    offered = self.peer.extensions
                    if self.is_tls:
                        offered = self.peer.tls_extensions or offered
                    elif self.peer.context is not None:
                        offered = (*offered, "STARTTLS")
                    words = ["mail.example", *offered]
                    default = "\r\n".join(f"250-{word}" for word in words[:-1]) + f"\r\n250 {words[-1]}"
                    await self.answer("EHLO", line, default.removeprefix("\r\n"))
                case "STARTTLS":
                    await self.answer(verb, line, "220 2.0.0 go")
                    if "STARTTLS" not in self.peer.answers:
                        await self.start_tls()
                case "MAIL":
                    self.mail, self.rcpt = "", []
                    if await self.answer(verb, line, "250 2.1.0 ok"):
                        self.mail = line
                case "RCPT" if not self.mail:
                    await self.say("503 5.5.1 MAIL first")
                case "RCPT":
                    if await self.answer(verb, line, "250 2.1.5 ok"):
                        self.rcpt.append(line)
                case "DATA":
                    if "DATA" in self.peer.answers or self.rcpt:
                        if await self.answer(verb, line, "354 go"):
                            await self.take()
                    else:
                        await self.say("554 5.5.1 no valid recipients")
                case "QUIT":
                    await self.answer(verb, line, "221 2.0.0 bye")
                    return
                case _:
                    await self.answer(verb, line, "250 2.0.0 ok")

    async def answer(self, verb: str, line: str, default: str) -> bool:
        """Answers as the test wants, else as one does; whether that was a yes."""
        wanted = self.peer.answers.get(verb, default)
        reply = wanted if isinstance(wanted, str) else await wanted(self, line)
        if reply is not None:
            await self.say(reply)
        return reply is not None and reply[0] in "23"

    async def start_tls(self) -> None:
        assert self.peer.context is not None
        await self.writer.start_tls(self.peer.context)
        self.is_tls = True

    async def content(self) -> bytes:
        """Everything up to the dot."""
        first = await self.reader.readexactly(3)
        if first == b".\r\n":
            return b""
        raw = first + await self.reader.readuntil(b"\r\n.\r\n")
        return raw[:-3]

    async def take(self) -> None:
        raw = await self.content()
        if await self.answer("END", "", "250 2.0.0 queued"):
            await self.keep(raw)

    async def keep(self, raw: bytes) -> None:
        async with self.peer.arrival:
            self.peer.received.append(Received(self.mail, tuple(self.rcpt), raw, self.number))
            self.peer.arrival.notify_all()
