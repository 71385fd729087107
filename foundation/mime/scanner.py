"""A whole message in memory is cut into its parts in one pass over its bytes, whatever those bytes are."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Final

from foundation.mime.bodies import TooLarge, decode_body, decode_text
from foundation.mime.content import MAX_BOUNDARY_BYTES, MESSAGE, OPAQUE, TEXT, Content, read_content
from foundation.mime.fields import split_fields, unfold
from foundation.mime.parameters import decode_parameters
from foundation.mime.parts import Part
from foundation.mime.transfer import IDENTITY
from foundation.mime.words import decode_words

__all__ = [
    "DEFAULT",
    "Part",
    "ScanLimits",
    "TooLarge",
    "decode_body",
    "decode_text",
    "header",
    "headers",
    "scan",
]

_BLANK_LINE: Final = re.compile(rb"\n\r?\n")
_CR: Final = 0x0D


@dataclass(frozen=True, slots=True)
class ScanLimits:
    """How much structure is looked for; what lies beyond is one opaque part (application/octet-stream)."""

    depth: int = 100
    """Multiparts and messages inside one another."""
    parts: int = 10_000
    header_bytes: int = 2 * 1024 * 1024
    """All headers of all parts together."""
    dash_lines: int = 300_000
    """Lines that begin with "--" and have to be compared with the boundaries in force."""


DEFAULT: Final = ScanLimits()


def scan(message: bytes | memoryview, limits: ScanLimits = DEFAULT) -> Part:
    """The structure of a message (RFC 5322, RFC 2045, RFC 2046). Never raises; time is linear in the message.

    Lenient where mail is: lines may end in LF, a closing boundary may be missing, and a multipart in which no
    boundary is found has one text part that holds all its body, so that nothing is hidden from the reader.
    """
    return _Scan(bytes(message), limits).run()


def headers(message: bytes, start: int, end: int) -> list[tuple[bytes, bytes]]:
    """The fields of the header block `message[start:end]`: names and values as written (values still folded)."""
    return split_fields(message[start : min(end, start + DEFAULT.header_bytes)])


def header(message: bytes, part: Part, name: str) -> str | None:
    """The first field of this name in the part's header as text: unfolded, encoded words decoded (RFC 2047)."""
    wanted = name.lower().encode("ascii", "replace")
    for found, value in headers(message, part.header_start, part.body_start):
        if found.lower() == wanted:
            return decode_words(unfold(value))
    return None


class _Node:
    """A part while its end is not known."""

    __slots__ = (
        "body_start", "boundary", "children", "content", "depth", "end", "header_start", "is_message",
        "is_multipart", "lines", "lines_before", "number", "parent", "scope",
    )  # fmt: skip

    def __init__(self, parent: _Node | None, header_start: int, body_start: int, content: Content) -> None:
        self.parent = parent
        self.header_start = header_start
        self.body_start = self.end = body_start
        self.content = content
        self.is_multipart = content.is_multipart
        self.is_message = content.is_message
        self.depth: int = parent.depth + 1 if parent is not None else 0
        self.children = 0
        self.boundary: bytes | None = None
        self.lines = self.lines_before = 0
        self.number, self.scope = self._place()

    def _place(self) -> tuple[str, str]:
        """The part number, and what stands before the numbers of the parts below (RFC 9051 §6.4.5.1)."""
        parent = self.parent
        if parent is None:
            return "", "1." if self.is_message else ""
        if parent.is_message and self.is_multipart:
            return f"{parent.scope}TEXT", parent.scope
        parent.children += 1
        number = f"{parent.scope}{parent.children}"
        return number, f"{number}."


class _Delimiter:
    __slots__ = ("closes", "end", "owner", "start")

    def __init__(self, start: int, end: int, owner: _Node, *, closes: bool) -> None:
        self.start = start  # of the line feed before the two dashes
        self.end = end  # the line feed after the line, or the end of the message
        self.owner = owner
        self.closes = closes


class _Scan:
    def __init__(self, message: bytes, limits: ScanLimits) -> None:
        self._message = message
        self._size = len(message)
        self._limits = limits
        self._nodes: list[_Node] = []  # parents before children
        self._open: list[_Node] = []
        self._boundaries: dict[bytes, _Node] = {}
        self._needle = b"\n--"
        self._position = 0
        self._counted_to = 0
        self._lines = 0
        self._blank = self._blank_end = -1
        self._header_bytes_left = limits.header_bytes
        self._dash_lines_left = limits.dash_lines
        self._full = False

    def run(self) -> Part:
        self._begin(0, None)
        while not self._full:
            delimiter = self._find_delimiter(self._position, self._size)
            if delimiter is None:
                break
            cut = delimiter.start
            if cut and self._message[cut - 1] == _CR:
                cut -= 1
            self._close_down_to(delimiter.owner, cut)
            if delimiter.closes:
                self._retire(delimiter.owner)
                self._position = delimiter.end
            else:
                self._begin(min(delimiter.end + 1, self._size), delimiter.owner)
        self._close_down_to(None, self._size)
        return self._freeze()

    def _begin(self, start: int, parent: _Node | None) -> None:
        """Open the part whose header starts here, and the messages that begin with its body."""
        while True:
            node = self._read_header(start, parent)
            self._nodes.append(node)
            self._open.append(node)
            node.lines_before = self._lines_to(node.body_start)
            self._position = max(node.body_start - 1, 0)
            if node.is_multipart:
                self._enter(node)
            if self._full or not node.is_message:
                return
            start, parent = node.body_start, node

    def _read_header(self, start: int, parent: _Node | None) -> _Node:
        if len(self._nodes) + 1 >= self._limits.parts:
            self._full = True
            return _Node(parent, start, start, OPAQUE)
        body_start = self._end_of_header(start)
        if body_start is None:  # more header than we read
            self._full = True
            return _Node(parent, start, self._end_of_long_header(start) if parent is None else start, OPAQUE)
        self._header_bytes_left -= body_start - start
        digest = parent is not None and parent.is_multipart and parent.content.subtype == "digest"
        content = read_content(self._message[start:body_start], MESSAGE if digest else TEXT)
        depth = parent.depth + 1 if parent is not None else 0
        # An encoded message or multipart is against RFC 2046 §5.1; nothing can be found in it without decoding.
        if content.holds_parts and (depth >= self._limits.depth or content.encoding not in IDENTITY):
            content = replace(content, media_type=OPAQUE.media_type, subtype=OPAQUE.subtype)
        return _Node(parent, start, body_start, content)

    def _end_of_header(self, start: int) -> int | None:
        """Where the body starts: after the empty line, or at a delimiter that comes before it."""
        message = self._message
        if start == 0 and message[:1] == b"\n":
            return 1
        if start == 0 and message[:2] == b"\r\n":
            return 2
        at = max(start - 1, 0)
        limit = min(self._size, start + self._header_bytes_left)
        if self._blank < at:
            # The empty line found last is kept: parts without one must not each search the message to its end.
            match = _BLANK_LINE.search(message, at, limit)
            if match is not None:
                self._blank, self._blank_end = match.span()
            elif limit == self._size:
                self._blank = self._blank_end = self._size
        known = self._blank >= at
        early = self._find_delimiter(at, min(self._blank + 1, self._size) if known else limit)
        if early is not None:
            return max(early.start + 1, start)
        return self._blank_end if known else None

    def _end_of_long_header(self, start: int) -> int:
        ends = (self._message.find(blank, start) + len(blank) for blank in (b"\n\r\n", b"\n\n"))
        return min((end for end in ends if end > 2), default=self._size)

    def _find_delimiter(self, start: int, end: int) -> _Delimiter | None:
        """The next line that delimits a part of any open multipart (RFC 2046 §5.1.1)."""
        if not self._boundaries:
            return None
        message, needle = self._message, self._needle
        at = message.find(needle, start, end)
        while at >= 0:
            self._dash_lines_left -= 1
            if self._dash_lines_left < 0:
                return None
            limit = min(at + MAX_BOUNDARY_BYTES + 10, self._size)
            line_end = message.find(b"\n", at + 3, limit)
            if line_end < 0 and limit == self._size:
                line_end = limit
            if line_end >= 0:
                line = message[at + 3 : line_end].rstrip(b" \t\r")
                owner = self._boundaries.get(line)
                if owner is not None:
                    return _Delimiter(at, line_end, owner, closes=False)
                if line.endswith(b"--") and (owner := self._boundaries.get(line[:-2])) is not None:
                    return _Delimiter(at, line_end, owner, closes=True)
            at = message.find(needle, at + 1, end)
        return None

    def _enter(self, node: _Node) -> None:
        boundary = node.content.boundary()
        if boundary is not None and boundary not in self._boundaries:
            node.boundary = boundary
            self._boundaries[boundary] = node
            self._choose_needle()

    def _retire(self, node: _Node) -> None:
        if node.boundary is not None:
            del self._boundaries[node.boundary]
            node.boundary = None
            self._choose_needle()

    def _choose_needle(self) -> None:
        """With one boundary in force (the usual case) the long needle lets bytes.find skip most of the message."""
        self._needle = b"\n--" + (next(iter(self._boundaries)) if len(self._boundaries) == 1 else b"")

    def _close_down_to(self, owner: _Node | None, cut: int) -> None:
        while self._open and self._open[-1] is not owner:
            node = self._open.pop()
            cut = max(cut, node.body_start)
            node.end = cut
            node.lines = self._lines_to(cut) - node.lines_before
            self._retire(node)
            if node.is_multipart and not node.children:
                only = _Node(node, node.body_start, node.body_start, TEXT)
                only.end, only.lines = node.end, node.lines
                self._nodes.append(only)

    def _lines_to(self, position: int) -> int:
        """Line feeds before a position; positions are asked in rising order, so each octet is looked at once."""
        if position > self._counted_to:
            self._lines += self._message.count(b"\n", self._counted_to, position)
            self._counted_to = position
        return self._lines

    def _freeze(self) -> Part:
        below: dict[_Node | None, list[Part]] = {}
        for node in reversed(self._nodes):
            children = below.pop(node, [])
            children.reverse()
            below.setdefault(node.parent, []).append(_part(node, tuple(children)))
        return below[None][0]


def _part(node: _Node, children: tuple[Part, ...]) -> Part:
    content = node.content
    return Part(
        node.number,
        node.header_start,
        node.body_start,
        node.end,
        content.media_type,
        content.subtype,
        decode_parameters(content.parameters),
        content.encoding,
        content.disposition,
        decode_parameters(content.disposition_parameters),
        content.content_id,
        content.description,
        content.language,
        content.location,
        content.md5,
        node.lines,
        children,
        content.parameters,
        content.disposition_parameters,
    )
