"""A stored message as it goes over the wire after DATA: what only we knew taken off, dots doubled, nothing else touched."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from mailserver.refusals import BARE_LINE_END, NUL_IN_MESSAGE, Refusal

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

_PIECE = 256 * 1024
_RETURN_PATH = re.compile(rb"return-path[ \t]*:[^\r\n]*\r\n(?:[ \t][^\r\n]*\r\n)*", re.IGNORECASE)


class Unsendable(Exception):
    """The content must not go out: another server could see two messages in it."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.code)
        self.refusal = refusal


def length_of_return_path(start: bytes) -> int:
    """Octets of the Return-Path at the top, which the last server writes and nobody sends on (RFC 5321 §4.4)."""
    found = _RETURN_PATH.match(start)
    return found.end() if found is not None else 0


def header_of(start: bytes) -> bytes:
    """The header section in the first octets of a message, as much of it as is there, with its last line end."""
    end = start.find(b"\r\n\r\n")
    return start[: end + 2] if end >= 0 else start


class Stuffing:
    """Doubles the dots that begin a line (RFC 5321 §4.5.2), block by block, and lets no bare CR or LF through."""

    __slots__ = ("_at_line_start", "_held")

    def __init__(self) -> None:
        self._at_line_start = True
        self._held = b""
        """A CR whose LF may be in the next block."""

    def add(self, block: bytes) -> bytes:
        """The next octets for the wire. Raises Unsendable before anything odd is in them."""
        data = self._held + block if self._held else block
        if data.endswith(b"\r"):
            data, self._held = data[:-1], b"\r"
        else:
            self._held = b""
        if not data:
            return b""
        line_ends = data.count(b"\r\n")
        if data.count(b"\n") != line_ends or data.count(b"\r") != line_ends:
            raise Unsendable(BARE_LINE_END)
        if b"\0" in data:
            raise Unsendable(NUL_IN_MESSAGE)
        stuffed = data.replace(b"\r\n.", b"\r\n..")
        if self._at_line_start and data.startswith(b"."):
            stuffed = b"." + stuffed
        self._at_line_start = data.endswith(b"\n")
        return stuffed

    def end(self) -> bytes:
        """What ends the content: the dot alone on its line, and before it the line end that the last line lacks."""
        if self._held:
            raise Unsendable(BARE_LINE_END)
        return b".\r\n" if self._at_line_start else b"\r\n.\r\n"


class Body:
    """The content of one message, without its Return-Path: the first octets at hand, the others when they are due.

    `size` is the whole length of what will be sent, before any dot is doubled.
    """

    __slots__ = ("_rest", "size", "start")

    def __init__(self, start: bytes, stored: int, rest: AsyncIterator[bytes] | None = None) -> None:
        taken = length_of_return_path(start)
        self.start = start[taken:]
        self.size = stored - taken
        self._rest = rest

    async def blocks(self) -> AsyncIterator[bytes]:
        """Every octet, once, in blocks that are quickly looked through."""
        for piece in _pieces(self.start):
            yield piece
        if self._rest is not None:
            async for block in self._rest:
                for piece in _pieces(block):
                    yield piece


def _pieces(block: bytes) -> Iterator[bytes]:
    if len(block) <= _PIECE:
        yield block
    else:
        for start in range(0, len(block), _PIECE):
            yield block[start : start + _PIECE]
