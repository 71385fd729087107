"""Asks clamd whether bytes hold malware, by its INSTREAM command (clamd(8)); its word is taken within a bounded time."""

from __future__ import annotations

import asyncio
from enum import StrEnum
from typing import TYPE_CHECKING

from foundation.log import get_logger

if TYPE_CHECKING:
    from asyncio import StreamReader, StreamWriter

_log = get_logger(__name__)

_UNIX = "unix:"
_CHUNK = 256 * 1024
_LONGEST_ANSWER = 4096


class ScannerUnavailable(Exception):
    """clamd gave no verdict in time; nothing may be filed until it does."""


class ScanVerdict(StrEnum):
    """What clamd says of a stream."""

    CLEAN = "clean"
    INFECTED = "infected"
    TOO_LARGE = "too-large"
    """Past its StreamMaxLength: nobody can tell."""


# ref: DMP-F39
class Clamd:
    """One clamd at ``unix:/path`` or ``host:port``; each question is a connection of its own."""

    def __init__(self, address: str, *, seconds: float) -> None:
        self._address = address
        self._seconds = seconds

    async def scan(self, data: bytes) -> ScanVerdict:
        """The verdict on ``data``. Raises ScannerUnavailable."""
        try:
            async with asyncio.timeout(self._seconds):
                return await self._ask(data)
        except (OSError, EOFError, asyncio.LimitOverrunError, ValueError) as error:
            _log.warning("clamd gave no verdict", error=type(error).__name__)
            raise ScannerUnavailable("clamd gave no verdict") from None

    async def _ask(self, data: bytes) -> ScanVerdict:
        reader, writer = await self._connect()
        try:
            try:
                writer.write(b"zINSTREAM\0")
                for start in range(0, len(data), _CHUNK):
                    piece = data[start : start + _CHUNK]
                    writer.write(len(piece).to_bytes(4, "big") + piece)
                    await writer.drain()
                writer.write(bytes(4))
                await writer.drain()
            except ConnectionError:
                # It closes a stream that is too long while we still write; what it said before tells why.
                pass
            answer = await reader.readuntil(b"\0")
        finally:
            writer.close()
        return _verdict(answer[:-1])

    async def _connect(self) -> tuple[StreamReader, StreamWriter]:
        if self._address.startswith(_UNIX):
            path = self._address.removeprefix(_UNIX)
            return await asyncio.open_unix_connection(path, limit=_LONGEST_ANSWER)
        host, _, port = self._address.rpartition(":")
        return await asyncio.open_connection(host.strip("[]"), int(port), limit=_LONGEST_ANSWER)


def _verdict(answer: bytes) -> ScanVerdict:
    if answer == b"stream: OK":
        return ScanVerdict.CLEAN
    if answer.startswith(b"stream: ") and answer.endswith(b" FOUND"):
        return ScanVerdict.INFECTED
    if b"size limit exceeded" in answer:
        return ScanVerdict.TOO_LARGE
    raise ValueError("not an answer of clamd")
