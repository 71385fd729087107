"""BER as LDAP restricts it (RFC 4511 §5.1): definite lengths, one octet of tag; nothing is read twice or recursively."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

BOOLEAN: Final = 0x01
INTEGER: Final = 0x02
OCTET_STRING: Final = 0x04
ENUMERATED: Final = 0x0A
SEQUENCE: Final = 0x30
SET: Final = 0x31

_LONG_TAG = 0x1F
_LONG_FORM = 0x80
_LENGTH_OCTETS = 4  # what any client writes, Microsoft's always
_INTEGER_OCTETS = 4
_HEADER_OCTETS = 2 + _LENGTH_OCTETS


class Malformed(Exception):
    """Octets that are no LDAP message; the text is one sentence."""


def message_length(octets: bytes | bytearray, limit: int) -> int | None:
    """How many octets the message at the beginning of `octets` has, its header included.

    None while the header has not come whole. Raises Malformed for what is no SEQUENCE of a definite length,
    or one of more than `limit` octets.
    """
    if not octets:
        return None
    if octets[0] != SEQUENCE:
        raise Malformed("An LDAP message is a SEQUENCE.")
    header = bytes(octets[:_HEADER_OCTETS])
    if len(header) < 2:
        return None
    more = header[1] - _LONG_FORM
    if more <= _LENGTH_OCTETS and len(header) < 2 + more:
        return None
    start, length = _length(header, 1, len(header))
    if start + length > limit:
        raise Malformed(f"A message has at most {limit} octets here.")
    return start + length


def _length(octets: bytes, position: int, end: int) -> tuple[int, int]:
    """Where the content begins, and its length."""
    if position >= end:
        raise Malformed("An element ends within its header.")
    first = octets[position]
    position += 1
    if first < _LONG_FORM:
        return position, first
    count = first - _LONG_FORM
    if count == 0:
        raise Malformed("LDAP has definite lengths only.")
    if count > _LENGTH_OCTETS:
        raise Malformed("A length has at most four octets here.")
    if position + count > end:
        raise Malformed("An element ends within its header.")
    return position + count, int.from_bytes(octets[position : position + count], "big")


class Reader:
    """The elements of a constructed value, one after another; each method takes the next. All raise Malformed."""

    __slots__ = ("_end", "_octets", "_position")

    def __init__(self, octets: bytes, position: int = 0, end: int | None = None) -> None:
        self._octets = octets
        self._position = position
        self._end = len(octets) if end is None else end

    @property
    def is_at_end(self) -> bool:
        return self._position >= self._end

    def peek(self) -> int:
        """The tag of the next element; 0 where none follows."""
        return 0 if self.is_at_end else self._octets[self._position]

    @property
    def rest(self) -> bytes:
        """The elements that are not taken yet, as they came."""
        return self._octets[self._position : self._end]

    def take(self) -> tuple[int, bytes]:
        """Tag and content of the next element, whatever it is."""
        tag, start, end = self._next()
        return tag, self._octets[start:end]

    def enter(self, tag: int) -> Reader:
        """The elements within the next element."""
        start, end = self._expect(tag)
        return Reader(self._octets, start, end)

    def octets(self, tag: int = OCTET_STRING) -> bytes:
        start, end = self._expect(tag)
        return self._octets[start:end]

    def text(self, tag: int = OCTET_STRING) -> str:
        """An LDAPString; what is not UTF-8 becomes a name that nothing has."""
        return self.octets(tag).decode(errors="replace")

    def integer(self, tag: int = INTEGER) -> int:
        """Of at most four octets, as all of LDAP's."""
        start, end = self._expect(tag)
        if not 1 <= end - start <= _INTEGER_OCTETS:
            raise Malformed("An integer has one to four octets here.")
        return int.from_bytes(self._octets[start:end], "big", signed=True)

    def boolean(self, tag: int = BOOLEAN) -> bool:
        start, end = self._expect(tag)
        if end - start != 1:
            raise Malformed("A boolean has one octet.")
        return self._octets[start] != 0

    def _expect(self, tag: int) -> tuple[int, int]:
        found, start, end = self._next()
        if found != tag:
            raise Malformed(f"An element has the tag {found:#04x} where {tag:#04x} belongs.")
        return start, end

    def _next(self) -> tuple[int, int, int]:
        if self.is_at_end:
            raise Malformed("An element is missing.")
        tag = self._octets[self._position]
        if tag & _LONG_TAG == _LONG_TAG:
            raise Malformed("LDAP has tags of one octet only.")
        start, length = _length(self._octets, self._position + 1, self._end)
        end = start + length
        if end > self._end:
            raise Malformed("An element is longer than what it stands in.")
        self._position = end
        return tag, start, end


def element(tag: int, content: bytes) -> bytes:
    """An element with the shortest header."""
    length = len(content)
    if length < _LONG_FORM:
        return bytes((tag, length)) + content
    if length <= 0xFF:
        return bytes((tag, 0x81, length)) + content
    if length <= 0xFFFF:
        return bytes((tag, 0x82, length >> 8, length & 0xFF)) + content
    return bytes((tag, 0x84)) + length.to_bytes(4, "big") + content


def constructed(tag: int, parts: Iterable[bytes]) -> bytes:
    """An element made of elements."""
    return element(tag, b"".join(parts))


def string(value: bytes | str, tag: int = OCTET_STRING) -> bytes:
    return element(tag, value.encode() if isinstance(value, str) else value)


def integer(value: int, tag: int = INTEGER) -> bytes:
    """Of a number that is not negative."""
    return element(tag, value.to_bytes(value.bit_length() // 8 + 1, "big"))


def boolean(tag: int = BOOLEAN) -> bytes:
    """TRUE; FALSE is a default everywhere in LDAP and is left out (RFC 4511 §5.1)."""
    return element(tag, b"\xff")
