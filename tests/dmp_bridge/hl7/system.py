"""A hospital's system: a real MLLP listener that keeps what it gets and answers as a test tells it to."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from dmp_bridge.hl7 import er7

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator, Callable


class HospitalSystem:
    """`answers` is asked for each message; None closes the connection without a word."""

    def __init__(self) -> None:
        self.port = 0
        self.messages: list[er7.Message] = []
        self.connections = 0
        self.answers: Callable[[er7.Message], bytes | None] = accept

    @property
    def numbers(self) -> list[str]:
        return [each.header.get(10) for each in self.messages]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while True:
                frame = await reader.readuntil(b"\x1c\r")
                assert frame[:1] == b"\x0b"
                self.messages.append(er7.read(frame[1:-2]))
                said = self.answers(self.messages[-1])
                if said is None:
                    return
                writer.write(said)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        finally:
            writer.close()

    @asynccontextmanager
    async def listening(
        self, port: int = 0, tls: ssl.SSLContext | None = None
    ) -> AsyncIterator[HospitalSystem]:
        server = await asyncio.start_server(self.serve, "127.0.0.1", port, ssl=tls, limit=1 << 22)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()
            await server.wait_closed()


def framed(text: str) -> bytes:
    return b"\x0b" + text.encode() + b"\x1c\r"


def answer(message: er7.Message, code: str, error: str = "", *, number: str | None = None) -> bytes:
    """An acknowledgement as the profile writes it; `error` is an ERR segment."""
    head = message.header
    text = (
        f"MSH|^~\\&|{head.get(5)}|{head.get(6)}|{head.get(3)}|{head.get(4)}|202603131454||ACK^{head.get(9, 2)}^ACK"
        f"|R1|P|2.6|||||FRA|UNICODE UTF-8\rMSA|{code}|{number or head.get(10)}\r"
    )
    return framed(text + (f"{error}\r" if error else ""))


def accept(message: er7.Message) -> bytes:
    return answer(message, "AA")
