"""A client that says exactly what a test writes, and hears whole responses with their literals."""

from __future__ import annotations

import asyncio
import re
from contextlib import suppress

_LITERAL = re.compile(r"\{(\d+)\}$")


class Client:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self._count = 0

    @classmethod
    async def connect(cls, port: int) -> Client:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=64 * 1024 * 1024)
        return cls(reader, writer)

    async def send(self, data: str | bytes) -> None:
        self.writer.write(data.encode("utf-8") if isinstance(data, str) else data)
        await self.writer.drain()

    async def line(self) -> str:
        """The next line; empty at the end of the connection."""
        async with asyncio.timeout(10):
            return (await self.reader.readline()).decode("utf-8", "replace").removesuffix("\r\n")

    async def response(self) -> str:
        """The next response, literals written out after their announcement."""
        text = await self.line()
        while found := _LITERAL.search(text):
            async with asyncio.timeout(10):
                literal = await self.reader.readexactly(int(found.group(1)))
            text += "\n" + literal.decode("utf-8", "replace")
            text += await self.line()
        return text

    async def command(self, text: str | bytes) -> list[str]:
        """Sends a command under a new tag; all responses, the tagged one last and without its tag."""
        self._count += 1
        tag = f"t{self._count}"
        data = text.encode("utf-8") if isinstance(text, str) else text
        await self.send(tag.encode() + b" " + data + b"\r\n")
        return await self.until(tag)

    async def until(self, tag: str) -> list[str]:
        responses: list[str] = []
        while True:
            response = await self.response()
            if response.startswith(f"{tag} "):
                responses.append(response.removeprefix(f"{tag} "))
                return responses
            if not response:
                raise AssertionError(f"connection ended; heard {responses}")
            responses.append(response)

    async def is_closed(self) -> bool:
        async with asyncio.timeout(10):
            with suppress(ConnectionError):
                while await self.reader.read(65536):
                    pass
        return True

    async def close(self) -> None:
        self.writer.close()
        with suppress(ConnectionError, asyncio.CancelledError):
            await self.writer.wait_closed()
