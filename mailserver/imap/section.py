"""A body section (`BODY[1.2.MIME]`) is found in the stored message by offsets kept from its delivery (RFC 9051 §6.4.5.1)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, StrEnum
from struct import Struct
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

    from foundation.mime.scanner import Part

_NODE: Final = Struct("<BBIIII")  # kind, encoding, header start, body start, end, number of children
_VERSION: Final = b"\x01"


class SectionText(StrEnum):
    """What of a part is asked for; HEADER.FIELDS and HEADER.FIELDS.NOT filter the slice of HEADER."""

    BODY = ""
    HEADER = "HEADER"
    TEXT = "TEXT"
    MIME = "MIME"


class _Kind(IntEnum):
    LEAF = 0
    MULTIPART = 1
    MESSAGE = 2


class Encoding(IntEnum):
    """The transfer encoding of a part's body, for BINARY (RFC 9051 §6.4.5.2)."""

    IDENTITY = 0
    BASE64 = 1
    QUOTED_PRINTABLE = 2
    UNKNOWN = 3


_ENCODINGS: Final = (
    ("7bit", Encoding.IDENTITY),
    ("8bit", Encoding.IDENTITY),
    ("binary", Encoding.IDENTITY),
    ("base64", Encoding.BASE64),
    ("quoted-printable", Encoding.QUOTED_PRINTABLE),
)


@dataclass(frozen=True, slots=True)
class Slice:
    """Octets `[start, end)` of the stored message."""

    start: int
    end: int

    def partial(self, origin: int, count: int) -> Slice:
        """`<origin.count>` of this slice; empty when it begins past the end (RFC 9051 §6.4.5)."""
        start = min(self.start + origin, self.end)
        return Slice(start, min(start + count, self.end))

    def __len__(self) -> int:
        return self.end - self.start


class _Node(NamedTuple):
    kind: int
    encoding: int
    header_start: int
    body_start: int
    end: int
    children: int
    """How many."""


class PartIndex:
    """The offsets of every part of one message. Built by `load_parts`."""

    __slots__ = ("_below", "_rows")

    def __init__(self, rows: memoryview) -> None:
        self._rows = rows
        self._below: list[list[int]] | None = None

    def _node(self, index: int) -> _Node:
        return _Node(*_NODE.unpack_from(self._rows, index * _NODE.size))

    def _children(self, index: int) -> list[int]:
        """Worked out when a part number is asked for: most sections are of the message itself."""
        if self._below is None:
            self._below = _children_of(self._rows)
        return self._below[index]

    def locate(self, numbers: Sequence[int], text: SectionText = SectionText.BODY) -> Slice | None:
        """The slice of a section; None when the message has no such section.

        `locate(())` is the whole message, `locate((), HEADER)` its header with the empty line, `locate((1, 2), MIME)`
        the header of part 1.2; HEADER and TEXT below a part number need a message/rfc822 part.
        """
        if not numbers:
            if text is SectionText.MIME:
                return None
            return _slice(self._node(0), text)
        index = self._part(numbers)
        if index is None:
            return None
        node = self._node(index)
        if text is SectionText.BODY:
            return Slice(node.body_start, node.end)
        if text is SectionText.MIME:
            return Slice(node.header_start, node.body_start)
        return _slice(self._node(self._children(index)[0]), text) if node.kind == _Kind.MESSAGE else None

    def encoding(self, numbers: Sequence[int]) -> Encoding | None:
        """The transfer encoding of a part; None when there is no such part, or it has parts below it."""
        if not numbers:
            return Encoding.IDENTITY
        index = self._part(numbers)
        if index is None or (node := self._node(index)).kind != _Kind.LEAF:
            return None
        return Encoding(node.encoding)

    def _part(self, numbers: Sequence[int]) -> int | None:
        message: int | None = 0  # a message whose parts the next number counts
        index = 0
        for number in numbers:
            if message is not None and self._node(message).kind != _Kind.MULTIPART:
                if number != 1:
                    return None
                index = message  # part 1 of a message that is no multipart is its body
            else:
                holder = message if message is not None else index
                children = self._children(holder)
                if self._node(holder).kind != _Kind.MULTIPART or not 0 < number <= len(children):
                    return None
                index = children[number - 1]
            message = self._children(index)[0] if self._node(index).kind == _Kind.MESSAGE else None
        return index


def dump_parts(root: Part) -> bytes:
    """The index of a scanned message in a compact form for the store: 18 octets for each part."""
    encodings = dict(_ENCODINGS)
    rows = [_VERSION]
    for part in root.walk():
        if part.is_multipart:
            kind = _Kind.MULTIPART
        elif part.children:
            kind = _Kind.MESSAGE
        else:
            kind = _Kind.LEAF
        encoding = encodings.get(part.encoding, Encoding.UNKNOWN)
        rows.append(
            _NODE.pack(kind, encoding, part.header_start, part.body_start, part.end, len(part.children))
        )
    return b"".join(rows)


def load_parts(parts: bytes) -> PartIndex:
    """The index that `dump_parts` wrote."""
    if parts[:1] != _VERSION:
        raise ValueError("this part index was written by another version")
    return PartIndex(memoryview(parts)[1:])


def _children_of(rows: memoryview) -> list[list[int]]:
    """The places of the parts below each part, parents before children."""
    counts = [row[5] for row in _NODE.iter_unpack(rows)]
    children: list[list[int]] = [[] for _ in counts]
    waiting: list[tuple[int, int]] = []  # parts whose children are still to come, and how many
    for index, count in enumerate(counts):
        if waiting:
            parent, left = waiting.pop()
            children[parent].append(index)
            if left > 1:
                waiting.append((parent, left - 1))
        if count:
            waiting.append((index, count))
    return children


def _slice(message: _Node, text: SectionText) -> Slice:
    if text is SectionText.HEADER:
        return Slice(message.header_start, message.body_start)
    if text is SectionText.TEXT:
        return Slice(message.body_start, message.end)
    return Slice(message.header_start, message.end)
