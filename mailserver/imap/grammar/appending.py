"""APPEND of one or several messages, and REPLACE (RFC 9051 §6.3.12, RFC 3502, RFC 3516, RFC 6855, RFC 8508)."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from mailserver.imap.grammar.commands import Command, Numbering
from mailserver.imap.grammar.cursor import Cursor
from mailserver.imap.grammar.dates import parse_date_time
from mailserver.imap.grammar.errors import ParseError
from mailserver.imap.grammar.flags import EMPTY, parse_flag_list

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from mailserver.imap.grammar.flags import FlagList

_UTF8 = b"UTF8 ("
_ANNOUNCED = re.compile(rb"~?\{[0-9]+\+?\}")


@dataclass(frozen=True, slots=True)
class NewMessage:
    """append-message; `received_at` is epoch milliseconds."""

    flags: FlagList
    received_at: int | None
    content: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Append(Command):
    """RFC 9051 §6.3.12, with the several messages of RFC 3502."""

    mailbox: str
    messages: tuple[NewMessage, ...]


@dataclass(frozen=True, slots=True)
class Replace(Command):
    """RFC 8508 §3; 0 stands for `*`."""

    numbering: Numbering
    number: int
    mailbox: str
    message: NewMessage


def message_comes_next(data: bytes, literals: Sequence[bytes]) -> bool:
    """True when `data`, which ends where a literal is announced, is an APPEND or REPLACE whose message comes next.

    `literals` are those before it. This decides how large the literal may be, before it is read.
    """
    cursor = Cursor(data, literals)
    try:
        cursor.tag()
        cursor.space()
        name = cursor.keyword()
        if name == "UID":
            cursor.space()
            name = cursor.keyword()
        if name == "REPLACE":
            _number(cursor)
        elif name != "APPEND":
            return False
        cursor.space()
        cursor.mailbox()
        while True:
            _options(cursor)
            is_marked = _utf8(cursor)
            if _ANNOUNCED.fullmatch(data, cursor.position):
                return True
            cursor.literal()
            if is_marked:
                cursor.expect(b")")
    except ParseError:
        return False


def _append(cursor: Cursor) -> Command:
    cursor.space()
    mailbox = cursor.mailbox()
    messages = [_message(cursor)]
    while cursor.peek() == b" ":
        messages.append(_message(cursor))
    return Append(mailbox, tuple(messages))


def _replace(numbering: Numbering) -> Callable[[Cursor], Command]:
    def parse(cursor: Cursor) -> Command:
        number = _number(cursor)
        cursor.space()
        mailbox = cursor.mailbox()
        return Replace(numbering, number, mailbox, _message(cursor))

    return parse


def _number(cursor: Cursor) -> int:
    cursor.space()
    return 0 if cursor.accept(b"*") else cursor.nz_number()


def _message(cursor: Cursor) -> NewMessage:
    flags, received_at = _options(cursor)
    is_marked = _utf8(cursor)
    content = cursor.literal()
    if is_marked:
        cursor.expect(b")")
    return NewMessage(flags, received_at, content)


def _options(cursor: Cursor) -> tuple[FlagList, int | None]:
    cursor.space()
    cursor.accept(b" ")  # imapclient writes two spaces between messages
    flags = EMPTY
    received_at = None
    if cursor.peek() == b"(":
        flags = parse_flag_list(cursor)
        cursor.space()
    if cursor.peek() == b'"':
        received_at = parse_date_time(cursor)
        cursor.space()
    return flags, received_at


def _utf8(cursor: Cursor) -> bool:
    """Steps over the words around a message whose header fields are UTF-8 (RFC 6855 §4): any message may have them."""
    if cursor.data[cursor.position : cursor.position + len(_UTF8)].upper() != _UTF8:
        return False
    cursor.position += len(_UTF8)
    return True


COMMANDS: dict[str, Callable[[Cursor], Command]] = {
    "APPEND": _append,
    "REPLACE": _replace(Numbering.SEQUENCE),
    "UID REPLACE": _replace(Numbering.UID),
}
