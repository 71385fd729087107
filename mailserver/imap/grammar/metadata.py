"""GETMETADATA and SETMETADATA (RFC 5464 §4.2-3)."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from mailserver.imap.grammar.commands import Command
from mailserver.imap.grammar.errors import ParseError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from mailserver.imap.grammar.cursor import Cursor

MAX_ENTRIES = 100
"""Named in one command."""
MAX_NAME = 255
_NAME = re.compile(r"/(private|shared)(/[^/*%\x00-\x1f\x7f]+)+")
_DEPTHS = {"0": 0, "1": 1, "INFINITY": MAX_NAME}


@dataclass(frozen=True, slots=True)
class GetMetadata(Command):
    """RFC 5464 §4.2; entries in lower case. `depth` counts the levels below them, `max_size` octets of a value."""

    mailbox: str
    entries: tuple[str, ...]
    depth: int = 0
    max_size: int | None = None


@dataclass(frozen=True, slots=True)
class SetMetadata(Command):
    """RFC 5464 §4.3; None takes an entry away."""

    mailbox: str
    values: Mapping[str, bytes | None] = field(repr=False)


def _get(cursor: Cursor) -> Command:
    cursor.space()
    options: dict[str, int] = {}
    if cursor.peek() == b"(":
        _options(cursor, options)
        cursor.space()
    mailbox = cursor.mailbox()
    cursor.space()
    # The examples of the RFC put them here, its grammar there.
    if cursor.peek() == b"(" and cursor.data[cursor.position + 1 : cursor.position + 2] in b"DdMm":
        _options(cursor, options)
        cursor.space()
    return GetMetadata(mailbox, _entries(cursor), options.get("DEPTH", 0), options.get("MAXSIZE"))


def _options(cursor: Cursor, options: dict[str, int]) -> None:
    cursor.expect(b"(")
    while True:
        word = cursor.keyword()
        cursor.space()
        if word in options:
            raise ParseError("An option twice")
        if word == "MAXSIZE":
            options[word] = cursor.number()
        elif word == "DEPTH":
            depth = _DEPTHS.get(cursor.keyword())
            if depth is None:
                raise ParseError("A depth is 0, 1 or infinity")
            options[word] = depth
        else:
            raise ParseError("Unknown option")
        if cursor.accept(b")"):
            return
        cursor.space()


def _entries(cursor: Cursor) -> tuple[str, ...]:
    if not cursor.accept(b"("):
        return (_entry(cursor),)
    entries = [_entry(cursor)]
    while not cursor.accept(b")"):
        cursor.space()
        entries.append(_entry(cursor))
        if len(entries) > MAX_ENTRIES:
            raise ParseError("Too many entries")
    return tuple(dict.fromkeys(entries))


def _entry(cursor: Cursor) -> str:
    raw = cursor.astring()
    try:
        name = raw.decode("ascii").lower()
    except UnicodeDecodeError:
        raise ParseError("The name of an entry is ASCII") from None
    if len(name) > MAX_NAME or not _NAME.fullmatch(name):
        raise ParseError("An entry is /private/... or /shared/...")
    return name


def _set(cursor: Cursor) -> Command:
    cursor.space()
    mailbox = cursor.mailbox()
    cursor.space()
    cursor.expect(b"(")
    values: dict[str, bytes | None] = {}
    while True:
        entry = _entry(cursor)
        cursor.space()
        values[entry] = cursor.literal() if cursor.peek() == b"~" else cursor.nstring()
        if len(values) > MAX_ENTRIES:
            raise ParseError("Too many entries")
        if cursor.accept(b")"):
            return SetMetadata(mailbox, values)
        cursor.space()


COMMANDS: dict[str, Callable[[Cursor], Command]] = {"GETMETADATA": _get, "SETMETADATA": _set}
