"""An LDAP load client: Thunderbird's searches over open connections, written once, answers counted."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from benchmarks.load import Failed
from benchmarks.target import HOST
from directory.ldap import ber, messages
from directory.ldap.names import SUFFIX

if TYPE_CHECKING:
    from collections.abc import Sequence

_LIMIT = 100  # entries that Thunderbird asks for
_DONE = messages.RESPONSES[messages.SEARCH]
_SIZE_LIMIT_EXCEEDED = 4
_PATIENCE = 60
_LONGEST_HEADER = 13  # of a message up to the code of its result


def thunderbird(typed: str) -> bytes:
    """`(|(cn=*%v1*%v2-*)(mail=*%v*)(givenName=*%v1*)(sn=*%v*))`, all user attributes, a hundred entries."""
    first, _, rest = typed.partition(" ")
    items = (
        _substrings("cn", first, rest),
        _substrings("mail", typed),
        _substrings("givenName", first),
        _substrings("sn", typed),
    )
    operation = (
        ber.string(SUFFIX),
        ber.integer(2, ber.ENUMERATED),
        ber.integer(0, ber.ENUMERATED),
        ber.integer(_LIMIT),
        ber.integer(0),
        ber.element(ber.BOOLEAN, b"\0"),
        ber.constructed(0xA1, items),
        ber.element(ber.SEQUENCE, b""),
    )
    request = ber.constructed(messages.SEARCH, operation)
    return ber.constructed(ber.SEQUENCE, (ber.integer(1), request))


def _substrings(attribute: str, *parts: str) -> bytes:
    listed = ber.constructed(ber.SEQUENCE, (ber.string(part, 0x81) for part in parts if part))
    return ber.constructed(0xA4, (ber.string(attribute), listed))


def _length(octets: bytearray, position: int) -> tuple[int, int]:
    """The octets of a message, and where its operation begins; the message is ours, and so numbered 1."""
    first = octets[position + 1]
    if first < 0x80:
        return first + 2, position + 5
    count = first - 0x80
    content = int.from_bytes(octets[position + 2 : position + 2 + count], "big")
    return content + 2 + count, position + 5 + count


def _judge(code: int) -> None:
    if code not in (0, _SIZE_LIMIT_EXCEEDED):
        raise Failed(f"a search came to {code}")


def _names(answer: bytes) -> list[bytes]:
    """The names of the entries in an answer, in the order of the alphabet."""
    names = []
    messages_left = ber.Reader(answer)
    while not messages_left.is_at_end:
        message = messages_left.enter(ber.SEQUENCE)
        message.integer()
        if message.peek() != _DONE:
            names.append(message.enter(message.peek()).octets().lower())
    return sorted(names)


class Searcher:
    """One open connection that searches, one search after the other."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def connect(cls, port: int) -> Searcher:
        return cls(*await asyncio.open_connection(HOST, port, limit=1 << 22))

    async def search(self, request: bytes) -> bytes:
        """The answer as it came. Raises Failed, and TimeoutError."""
        self._writer.write(request)
        held = bytearray()
        position = 0
        async with asyncio.timeout(_PATIENCE):
            while True:
                octets = await self._reader.read(1 << 18)
                if not octets:
                    raise Failed("the LDAP server hung up")
                held += octets
                while len(held) - position > _LONGEST_HEADER:
                    length, start = _length(held, position)
                    if len(held) - position < length:
                        break
                    if held[start] == _DONE:
                        _judge(held[start + 4])
                        return bytes(held)
                    position += length

    async def close(self) -> None:
        self._writer.close()
        await self._writer.wait_closed()


async def _run(port: int, clients: int, requests: Sequence[bytes], seconds: float) -> list[float]:
    durations: list[float] = []
    until = time.monotonic() + seconds

    async def one(number: int) -> None:
        searcher = await Searcher.connect(port)
        place = number * len(requests) // clients  # nobody asks at once what a neighbour has just asked
        while (began := time.monotonic()) < until:
            await searcher.search(requests[place % len(requests)])
            durations.append(time.monotonic() - began)
            place += 1
        await searcher.close()

    await asyncio.gather(*(one(number) for number in range(clients)))
    return durations


def load(port: int, clients: int, requests: Sequence[bytes], seconds: float) -> list[float]:
    """How long each search took, in seconds, while so many clients searched without a pause. Raises Failed."""
    try:
        return asyncio.run(_run(port, clients, requests, seconds))
    except (TimeoutError, ber.Malformed) as error:
        raise Failed(f"LDAP: {error or 'no answer'}") from error


def found(port: int, requests: Sequence[bytes]) -> list[list[bytes]]:
    """The names that each search finds, in order of the alphabet. Raises Failed."""

    async def ask() -> list[list[bytes]]:
        searcher = await Searcher.connect(port)
        names = [_names(await searcher.search(each)) for each in requests]
        await searcher.close()
        return names

    return asyncio.run(ask())
