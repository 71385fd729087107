"""Flags as clients write and read them (RFC 3501 §2.3.2)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mailserver.imap.grammar.errors import NotSupported, ParseError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mailserver.imap.grammar.cursor import Cursor

SYSTEM_FLAGS = ("\\Answered", "\\Flagged", "\\Deleted", "\\Seen", "\\Draft")
_SPELLING = {name.upper(): name for name in SYSTEM_FLAGS}
MAX_KEYWORDS = 64
MAX_KEYWORD_BYTES = 128


@dataclass(frozen=True, slots=True)
class FlagList:
    """Flags of one command: system flags in their own spelling, keywords in the client's, each once."""

    system: frozenset[str]
    keywords: tuple[str, ...]


EMPTY = FlagList(frozenset(), ())


def parse_flag_list(cursor: Cursor) -> FlagList:
    """flag-list = "(" [flag *(SP flag)] ")" """
    cursor.expect(b"(")
    flags: list[str] = []
    if not cursor.accept(b")"):
        flags.append(cursor.flag())
        while not cursor.accept(b")"):
            cursor.space()
            flags.append(cursor.flag())
    return flag_list(flags)


def parse_flags(cursor: Cursor) -> FlagList:
    """flag-list / (flag *(SP flag))"""
    if cursor.peek() == b"(":
        return parse_flag_list(cursor)
    flags = [cursor.flag()]
    while not cursor.at_end:
        cursor.space()
        flags.append(cursor.flag())
    return flag_list(flags)


def flag_list(flags: Iterable[str]) -> FlagList:
    """Sorts flags into system flags and keywords; \\Recent and unknown system flags are the server's to set."""
    system: set[str] = set()
    keywords: dict[str, str] = {}
    for flag in flags:
        if flag.startswith("\\"):
            name = _SPELLING.get(flag.upper())
            if name is None:
                raise ParseError(f"Flag {flag[:32]} cannot be set")
            system.add(name)
            continue
        if len(flag) > MAX_KEYWORD_BYTES:
            raise NotSupported("Keyword too long", code="LIMIT")
        keywords.setdefault(flag.upper(), flag)
        if len(keywords) > MAX_KEYWORDS:
            raise NotSupported("Too many keywords", code="LIMIT")
    return FlagList(frozenset(system), tuple(keywords.values()))
