"""SEARCH: its program, at most 100 levels deep, and what it is to return (RFC 9051 §6.4.4, RFC 4731, 5182, 9394)."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from mailserver.imap.grammar.commands import Command, Numbering
from mailserver.imap.grammar.cursor import MAX_NUMBER64
from mailserver.imap.grammar.dates import parse_date
from mailserver.imap.grammar.errors import ParseError
from mailserver.imap.grammar.partial import PartialRange, parse_partial_range
from mailserver.imap.grammar.search_keys import (
    AllKey,
    AndKey,
    EmailIdKey,
    FlagKey,
    HeaderKey,
    KeywordKey,
    ModseqKey,
    NotKey,
    OlderKey,
    OrKey,
    ReceivedKey,
    RecentKey,
    Relation,
    SavedKey,
    SearchKey,
    SentKey,
    SequenceKey,
    SizeKey,
    TextKey,
    ThreadIdKey,
    UidKey,
    Where,
    YoungerKey,
)
from mailserver.imap.grammar.sequence import parse_sequence_set

if TYPE_CHECKING:
    from collections.abc import Callable

    from mailserver.imap.grammar.cursor import Cursor

MAX_DEPTH = 100
MAX_KEYS = 4096
_OBJECT_ID = re.compile(rb"[A-Za-z0-9_-]{1,255}")


class ReturnOption(StrEnum):
    """What of the result is told (RFC 9051 §6.4.4), beside PARTIAL."""

    MIN = "MIN"
    MAX = "MAX"
    ALL = "ALL"
    COUNT = "COUNT"
    SAVE = "SAVE"


@dataclass(frozen=True, slots=True)
class Returns:
    """RETURN: options, and the page of PARTIAL; never both ALL and a page (RFC 9394 §3.1)."""

    options: frozenset[ReturnOption]
    partial: PartialRange | None = None


@dataclass(frozen=True, slots=True)
class Program:
    """What is looked for. `charset` is in upper case, None where the client named none."""

    key: SearchKey
    charset: str | None = None
    names_numbers: bool = False
    """Some key is a set of sequence numbers."""
    names_modseq: bool = False
    """MODSEQ is among the keys."""
    keys: int = field(default=1, compare=False)
    """How many there are."""


@dataclass(frozen=True, slots=True)
class Search(Command):
    """RFC 9051 §6.4.4; without `returns` the answer of a rev1 session is SEARCH."""

    numbering: Numbering
    program: Program
    returns: Returns | None = None


_FIXED: dict[str, SearchKey] = {
    "ALL": AllKey(),
    "SAVEDATESUPPORTED": AllKey(),
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

    def __init__(self, cursor: Cursor, charset: str | None) -> None:
        self.cursor = cursor
        self.charset = charset
        self.keys = 0
        self.names_numbers = False
        self.names_modseq = False

    def whole(self) -> Program:
        keys = [self.key(0)]
        while not self.cursor.at_end:
            self.cursor.space()
            if self.cursor.at_end:  # a trailing space of careless clients
                break
            keys.append(self.key(0))
        key = keys[0] if len(keys) == 1 else AndKey(tuple(keys))
        return Program(key, self.charset, self.names_numbers, self.names_modseq, self.keys)

    def key(self, depth: int) -> SearchKey:
        self.keys += 1
        if depth > MAX_DEPTH or self.keys > MAX_KEYS:
            raise ParseError("Search program too large")
        cursor = self.cursor
        ahead = cursor.peek()
        if ahead == b"(":
            return self.parenthesised(depth)
        if ahead.isdigit() or ahead in (b"*", b"$"):
            self.names_numbers = self.names_numbers or ahead != b"$"
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
        if self.charset != "UTF-8":
            # UTF-8 without its CHARSET is understood, in rev1 sessions too: nothing else can be meant.
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


def _saved(program: _Program, word: str) -> SearchKey:
    return SavedKey(Relation(word.removeprefix("SAVED")), parse_date(program.cursor))


def _older(program: _Program, word: str) -> SearchKey:
    return OlderKey(program.cursor.nz_number())


def _younger(program: _Program, word: str) -> SearchKey:
    return YoungerKey(program.cursor.nz_number())


def _modseq(program: _Program, word: str) -> SearchKey:
    cursor = program.cursor
    program.names_modseq = True
    if cursor.peek() == b'"':
        # One metadata item may be named; all of a message have the same modification sequence here.
        cursor.string()
        cursor.space()
        if cursor.keyword() not in ("PRIV", "SHARED", "ALL"):
            raise ParseError("Expected priv, shared or all")
        cursor.space()
    return ModseqKey(cursor.number(maximum=MAX_NUMBER64))


def _object_id(program: _Program, word: str) -> SearchKey:
    raw = program.cursor.astring()
    if _OBJECT_ID.fullmatch(raw) is None:
        raise ParseError("Wrong object identifier")
    identifier = raw.decode("ascii")
    return EmailIdKey(identifier) if word == "EMAILID" else ThreadIdKey(identifier)


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
    "SAVEDBEFORE": _saved,
    "SAVEDON": _saved,
    "SAVEDSINCE": _saved,
    "OLDER": _older,
    "YOUNGER": _younger,
    "MODSEQ": _modseq,
    "EMAILID": _object_id,
    "THREADID": _object_id,
    "LARGER": _size,
    "SMALLER": _size,
    "UID": _uid,
}


def parse_program(cursor: Cursor, charset: str | None) -> Program:
    """search-key *(SP search-key) up to the end of the command; several keys are one AndKey."""
    return _Program(cursor, charset).whole()


def parse_charset(cursor: Cursor) -> str:
    """charset, in upper case; whether it is known is for the command to say."""
    return cursor.astring().decode("ascii", "replace").upper()


def parse_returns(cursor: Cursor) -> Returns | None:
    """["RETURN" SP "(" … ")" SP]; an empty list asks for ALL (RFC 4731 §3.1)."""
    if cursor.data[cursor.position : cursor.position + 7].upper() != b"RETURN ":
        return None
    cursor.position += 7
    cursor.expect(b"(")
    options: set[ReturnOption] = set()
    partial: PartialRange | None = None
    while not cursor.accept(b")"):
        if options or partial is not None:
            cursor.space()
        word = cursor.keyword()
        if word == "PARTIAL" and partial is None:
            cursor.space()
            partial = parse_partial_range(cursor)
        elif word in ReturnOption.__members__:
            options.add(ReturnOption(word))
        else:
            raise ParseError("Unknown or repeated return option")
    if partial is not None and ReturnOption.ALL in options:
        raise ParseError("ALL and PARTIAL exclude each other")
    cursor.space()
    return Returns(frozenset(options) if options or partial else frozenset({ReturnOption.ALL}), partial)


def _search(numbering: Numbering) -> Callable[[Cursor], Command]:
    def parse(cursor: Cursor) -> Command:
        cursor.space()
        returns = parse_returns(cursor)
        charset: str | None = None
        if cursor.data[cursor.position : cursor.position + 8].upper() == b"CHARSET ":
            cursor.position += 8
            charset = parse_charset(cursor)
            cursor.space()
        return Search(numbering, parse_program(cursor, charset), returns)

    return parse


COMMANDS: dict[str, Callable[[Cursor], Command]] = {
    "SEARCH": _search(Numbering.SEQUENCE),
    "UID SEARCH": _search(Numbering.UID),
}
