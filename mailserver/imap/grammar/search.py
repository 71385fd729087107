"""Search programs (RFC 3501 §6.4.4): a tree of keys, at most 100 levels deep."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, TypeAlias

from mailserver.imap.grammar.dates import parse_date
from mailserver.imap.grammar.errors import NotSupported, ParseError
from mailserver.imap.grammar.sequence import SequenceSet, parse_sequence_set

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import date

    from mailserver.imap.grammar.cursor import Cursor

MAX_DEPTH = 100
MAX_KEYS = 4096


class Relation(StrEnum):
    """How a date or a size is compared."""

    BEFORE = "BEFORE"
    ON = "ON"
    SINCE = "SINCE"
    LARGER = "LARGER"
    SMALLER = "SMALLER"


class Where(StrEnum):
    """What a text is looked for in."""

    BCC = "BCC"
    BODY = "BODY"
    CC = "CC"
    FROM = "FROM"
    SUBJECT = "SUBJECT"
    TEXT = "TEXT"
    TO = "TO"


@dataclass(frozen=True, slots=True)
class AllKey:
    """ALL"""


@dataclass(frozen=True, slots=True)
class FlagKey:
    """A system flag that is set, or with `wanted` false is not."""

    flag: str
    wanted: bool


@dataclass(frozen=True, slots=True)
class KeywordKey:
    """KEYWORD and UNKEYWORD"""

    keyword: str
    wanted: bool


@dataclass(frozen=True, slots=True)
class RecentKey:
    """RECENT and OLD"""

    wanted: bool


@dataclass(frozen=True, slots=True)
class ReceivedKey:
    """BEFORE, ON, SINCE: the internal date."""

    relation: Relation
    day: date


@dataclass(frozen=True, slots=True)
class SentKey:
    """SENTBEFORE, SENTON, SENTSINCE: the Date field, "disregarding time and timezone"."""

    relation: Relation
    day: date


@dataclass(frozen=True, slots=True)
class SizeKey:
    """LARGER and SMALLER, in octets."""

    relation: Relation
    octets: int


@dataclass(frozen=True, slots=True)
class TextKey:
    """BCC, BODY, CC, FROM, SUBJECT, TEXT, TO: a substring, in any case of letters."""

    where: Where
    text: str


@dataclass(frozen=True, slots=True)
class HeaderKey:
    """HEADER: a field that is there and holds the text; the empty text asks for the field alone."""

    field: str
    text: str


@dataclass(frozen=True, slots=True)
class SequenceKey:
    """A sequence set among the keys."""

    numbers: SequenceSet


@dataclass(frozen=True, slots=True)
class UidKey:
    """UID"""

    uids: SequenceSet


@dataclass(frozen=True, slots=True)
class AndKey:
    """All of them; what a list of keys means."""

    keys: tuple[SearchKey, ...]


@dataclass(frozen=True, slots=True)
class OrKey:
    """OR"""

    first: SearchKey
    second: SearchKey


@dataclass(frozen=True, slots=True)
class NotKey:
    """NOT"""

    key: SearchKey


SearchKey: TypeAlias = (
    AllKey
    | FlagKey
    | KeywordKey
    | RecentKey
    | ReceivedKey
    | SentKey
    | SizeKey
    | TextKey
    | HeaderKey
    | SequenceKey
    | UidKey
    | AndKey
    | OrKey
    | NotKey
)

_FIXED: dict[str, SearchKey] = {
    "ALL": AllKey(),
    "RECENT": RecentKey(wanted=True),
    "OLD": RecentKey(wanted=False),
    "NEW": AndKey((RecentKey(wanted=True), FlagKey("\\Seen", wanted=False))),
    **{
        prefix + flag.upper(): FlagKey("\\" + flag, wanted=not prefix)
        for flag in ("Answered", "Deleted", "Draft", "Flagged", "Seen")
        for prefix in ("", "UN")
    },
}


class _Program:
    """Counts keys and levels while the tree is built."""

    def __init__(self, cursor: Cursor, charset: str) -> None:
        self.cursor = cursor
        self.charset = charset
        self.keys = 0

    def key(self, depth: int) -> SearchKey:
        self.keys += 1
        if depth > MAX_DEPTH or self.keys > MAX_KEYS:
            raise ParseError("Search program too large")
        cursor = self.cursor
        ahead = cursor.peek()
        if ahead == b"(":
            return self.parenthesised(depth)
        if ahead.isdigit() or ahead == b"*":
            return SequenceKey(parse_sequence_set(cursor))
        word = cursor.keyword()
        if word in _FIXED:
            return _FIXED[word]
        cursor.space()
        if word == "NOT":
            return NotKey(self.key(depth + 1))
        if word == "OR":
            first = self.key(depth + 1)
            cursor.space()
            return OrKey(first, self.key(depth + 1))
        reader = _WITH_ARGUMENT.get(word)
        if reader is None:
            raise ParseError("Unknown search key")
        return reader(self, word)

    def parenthesised(self, depth: int) -> SearchKey:
        self.cursor.expect(b"(")
        keys = [self.key(depth + 1)]
        while not self.cursor.accept(b")"):
            self.cursor.space()
            keys.append(self.key(depth + 1))
        return keys[0] if len(keys) == 1 else AndKey(tuple(keys))

    def text(self) -> str:
        raw = self.cursor.astring()
        if self.charset == "US-ASCII":
            # Clients that send UTF-8 and no CHARSET are understood, since nothing else can be meant.
            return raw.decode("utf-8", "replace")
        try:
            return raw.decode("utf-8")
        except UnicodeDecodeError:
            raise ParseError("Search text is not UTF-8") from None


def _text(program: _Program, word: str) -> SearchKey:
    return TextKey(Where(word), program.text())


def _header(program: _Program, word: str) -> SearchKey:
    field = program.cursor.astring().decode("utf-8", "replace")
    program.cursor.space()
    return HeaderKey(field, program.text())


def _keyword(program: _Program, word: str) -> SearchKey:
    return KeywordKey(program.cursor.atom().decode("ascii"), wanted=word == "KEYWORD")


def _received(program: _Program, word: str) -> SearchKey:
    return ReceivedKey(Relation(word), parse_date(program.cursor))


def _sent(program: _Program, word: str) -> SearchKey:
    return SentKey(Relation(word.removeprefix("SENT")), parse_date(program.cursor))


def _size(program: _Program, word: str) -> SearchKey:
    return SizeKey(Relation(word), program.cursor.number())


def _uid(program: _Program, word: str) -> SearchKey:
    return UidKey(parse_sequence_set(program.cursor))


_WITH_ARGUMENT: dict[str, Callable[[_Program, str], SearchKey]] = {
    **{where.value: _text for where in Where},
    "HEADER": _header,
    "KEYWORD": _keyword,
    "UNKEYWORD": _keyword,
    "BEFORE": _received,
    "ON": _received,
    "SINCE": _received,
    "SENTBEFORE": _sent,
    "SENTON": _sent,
    "SENTSINCE": _sent,
    "LARGER": _size,
    "SMALLER": _size,
    "UID": _uid,
}


def parse_search_program(cursor: Cursor) -> SearchKey:
    """["CHARSET" SP astring SP] search-key *(SP search-key); several keys are one AndKey."""
    charset = "US-ASCII"
    if cursor.data[cursor.position : cursor.position + 8].upper() == b"CHARSET ":
        cursor.position += 8
        charset = cursor.astring().decode("ascii", "replace").upper()
        cursor.space()
        if charset not in ("US-ASCII", "UTF-8"):
            raise NotSupported("Unknown charset", code="BADCHARSET (US-ASCII UTF-8)")
    program = _Program(cursor, charset)
    keys = [program.key(0)]
    while not cursor.at_end:
        cursor.space()
        if cursor.at_end:  # a trailing space of careless clients
            break
        keys.append(program.key(0))
    return keys[0] if len(keys) == 1 else AndKey(tuple(keys))
