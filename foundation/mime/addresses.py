"""Address lists of a header are read as people write them: groups, comments, quoted names, old routes (RFC 5322 §3.4, §4.4)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Final

from foundation.mime.charsets import decode_unlabelled
from foundation.mime.words import decode_words

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_ADDRESSES: Final = 5_000
MAX_LIST_BYTES: Final = 256 * 1024
MAX_TOKENS: Final = 60_000
"""Words, separators and spaces of one list; 5 000 usual addresses have 40 000."""

_TOKEN: Final = re.compile(
    rb"[ \t\r\n]+"
    rb'|"(?P<quoted>[^"\\]*(?:\\.[^"\\]*)*)"?'
    rb"|(?P<atom>[^ \t\r\n\"()<>@,;:\\\[\]]+|\\.?)"
    rb"|(?P<literal>\[[^\]\[<>,]*\]?)"
    rb"|(?P<special>[()<>@,;:\]])",
    re.DOTALL,
)
_COMMENT_PIECE: Final = re.compile(rb"[^()\\]+|\\.?", re.DOTALL)
_ESCAPED: Final = re.compile(rb"\\(.)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class RawAddress:
    """One mailbox as written, nothing decoded but quotes and backslashes; an absent piece is empty."""

    name: bytes
    route: bytes
    local: bytes
    domain: bytes


class GroupEnd(Enum):
    """Where a group of addresses ends."""

    GROUP_END = "group end"


@dataclass(frozen=True, slots=True)
class GroupStart:
    """Where a group of addresses starts, with its name as written."""

    name: bytes


AddressEvent = RawAddress | GroupStart | GroupEnd


@dataclass(frozen=True, slots=True)
class MailAddress:
    """One mailbox for display: the name is decoded; `domain` is empty when the sender gave none."""

    name: str
    local: str
    domain: str

    @property
    def address(self) -> str:
        return f"{self.local}@{self.domain}" if self.domain else self.local


@dataclass(frozen=True, slots=True)
class Group:
    """A named group of mailboxes (RFC 5322 §3.4); an undisclosed one has no members."""

    name: str
    members: tuple[MailAddress, ...]


def parse_addresses(raw: bytes | str) -> list[MailAddress | Group]:
    """The mailboxes and groups of an address list, names decoded (RFC 2047). Never raises; linear in the input.

    After MAX_ADDRESSES mailboxes, MAX_LIST_BYTES octets or MAX_TOKENS words the rest is left out.
    """
    found: list[MailAddress | Group] = []
    group: bytes | None = None
    members: list[MailAddress] = []
    for event in read_addresses(raw.encode("utf-8", "replace") if isinstance(raw, str) else raw):
        if isinstance(event, RawAddress):
            (found if group is None else members).append(_decoded(event))
        elif isinstance(event, GroupStart):
            group = event.name
        else:
            found.append(Group(decode_words(group or b""), tuple(members)))
            group, members = None, []
    return found


def read_addresses(raw: bytes) -> Iterator[AddressEvent]:
    """The mailboxes of an address list as written; each GroupStart is followed by its GroupEnd, groups do not nest."""
    reader = _Reader(raw[:MAX_LIST_BYTES])
    yield from reader.events()


def _decoded(raw: RawAddress) -> MailAddress:
    return MailAddress(decode_words(raw.name), decode_unlabelled(raw.local), decode_unlabelled(raw.domain))


class _Reader:
    """Gathers the words of one mailbox until a separator ends it."""

    def __init__(self, raw: bytes) -> None:
        self._raw = raw
        self._phrase: list[bytes] = []  # before "<", or the whole of a bare address
        self._angle: list[bytes] = []  # between "<" and ">"
        self._comment = b""
        self._has_angle = self._in_angle = self._has_at = False
        self._space = False

    def events(self) -> Iterator[AddressEvent]:
        raw = self._raw
        position = count = 0
        in_group = False
        for _ in range(MAX_TOKENS):
            match = _TOKEN.match(raw, position)
            if match is None:  # the end: every octet starts a token
                break
            position = match.end()
            kind = match.lastgroup
            if kind is None:
                self._space = True
                continue
            token = match[0]
            if kind == "special":
                if token == b"(":
                    comment, position = _read_comment(raw, position)
                    if not self._in_angle:
                        self._comment = self._comment or comment
                    self._space = True
                    continue
                if token == b"<":
                    self._in_angle = self._has_angle = True
                    self._angle.clear()
                    continue
                if token == b">":
                    self._in_angle = False
                    continue
                starts_route = self._in_angle and self._angle[:1] == [b"@"]
                if token == b":" and not self._in_angle and not in_group and not self._has_at:
                    yield GroupStart(_phrase(self._phrase))
                    in_group = True
                    self._clear()
                    continue
                if token == b";" or (token == b"," and not starts_route):
                    if (address := self._take()) is not None:
                        yield address
                        count += 1
                    if token == b";" and in_group:
                        yield GroupEnd.GROUP_END
                        in_group = False
                    if count >= MAX_ADDRESSES:
                        break
                    continue
            elif kind == "quoted":
                quoted = match["quoted"]
                token = _ESCAPED.sub(rb"\1", quoted) if b"\\" in quoted else quoted
                if token == b"@":
                    token = b'"@"'  # or it would be taken for the sign between local part and domain
            self._add(token)
        if (address := self._take()) is not None:
            yield address
        if in_group:
            yield GroupEnd.GROUP_END

    def _add(self, token: bytes) -> None:
        if self._in_angle:
            self._angle.append(token)
        elif not self._has_angle:  # words after ">" belong to nothing
            if self._space and self._phrase:
                self._phrase.append(b" ")
            self._phrase.append(token)
            self._has_at = self._has_at or token == b"@"
        self._space = False

    def _take(self) -> RawAddress | None:
        address = self._address()
        self._clear()
        return address

    def _clear(self) -> None:
        self._phrase, self._angle, self._comment = [], [], b""
        self._has_angle = self._in_angle = self._has_at = self._space = False

    def _address(self) -> RawAddress | None:
        if self._has_angle:
            words, route, name = self._angle, b"", _phrase(self._phrase)
            if words[:1] == [b"@"] and b":" in words:
                colon = words.index(b":")
                route, words = b"".join(words[:colon]), words[colon + 1 :]
            if not words and not name:
                return None
        elif self._has_at:
            words, route, name = [word for word in self._phrase if word != b" "], b"", b""
        elif self._phrase:
            return RawAddress(self._comment, b"", _phrase(self._phrase), b"")
        else:
            return None
        local, domain = _split_at_sign(words)
        return RawAddress(name or self._comment, route, local, domain)


def _split_at_sign(words: list[bytes]) -> tuple[bytes, bytes]:
    """The local part is what stands before the last "@" outside quotes."""
    for index in range(len(words) - 1, -1, -1):
        if words[index] == b"@":
            return b"".join(words[:index]), b"".join(words[index + 1 :])
    return b"".join(words), b""


def _phrase(words: list[bytes]) -> bytes:
    return b"".join(words).strip()


def _read_comment(raw: bytes, position: int) -> tuple[bytes, int]:
    """The text of the comment that starts before `position`, and where it ends; nesting costs no recursion."""
    start, depth = position, 1
    while position < len(raw):
        piece = _COMMENT_PIECE.match(raw, position)
        if piece is not None:
            position = piece.end()
            continue
        depth += 1 if raw[position] == 0x28 else -1
        position += 1
        if not depth:
            text = raw[start : position - 1]
            return (_ESCAPED.sub(rb"\1", text) if b"\\" in text else text).strip(), position
    return raw[start:].strip(), position
