"""LIST with its options, LSUB, NAMESPACE and STATUS (RFC 9051 §6.3.9-11, RFC 5258, RFC 5819, RFC 6154, RFC 8438)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, TypeVar

from mailserver.imap.grammar.commands import Command
from mailserver.imap.grammar.errors import ParseError

if TYPE_CHECKING:
    from collections.abc import Callable

    from mailserver.imap.grammar.cursor import Cursor

MAX_PATTERNS = 64
MAX_OPTIONS = 32


class StatusItem(StrEnum):
    """status-att"""

    MESSAGES = "MESSAGES"
    RECENT = "RECENT"
    UIDNEXT = "UIDNEXT"
    UIDVALIDITY = "UIDVALIDITY"
    UNSEEN = "UNSEEN"
    DELETED = "DELETED"
    DELETED_STORAGE = "DELETED-STORAGE"
    SIZE = "SIZE"
    HIGHESTMODSEQ = "HIGHESTMODSEQ"
    APPENDLIMIT = "APPENDLIMIT"
    MAILBOXID = "MAILBOXID"


class Selection(StrEnum):
    """Which mailboxes LIST is about (RFC 5258 §3.1); there are no remote ones here."""

    SUBSCRIBED = "SUBSCRIBED"
    REMOTE = "REMOTE"
    RECURSIVEMATCH = "RECURSIVEMATCH"
    SPECIAL_USE = "SPECIAL-USE"


class Return(StrEnum):
    """What LIST tells of them (RFC 5258 §3.2); children and uses are always told."""

    SUBSCRIBED = "SUBSCRIBED"
    CHILDREN = "CHILDREN"
    SPECIAL_USE = "SPECIAL-USE"


@dataclass(frozen=True, slots=True)
class List(Command):
    """RFC 9051 §6.3.9; `is_extended` when options, or several patterns, are given."""

    reference: str
    patterns: tuple[str, ...]
    selection: frozenset[Selection] = frozenset()
    returns: frozenset[Return] = frozenset()
    status: tuple[StatusItem, ...] = ()
    is_extended: bool = False


@dataclass(frozen=True, slots=True)
class Lsub(Command):
    """RFC 3501 §6.3.9"""

    reference: str
    pattern: str


@dataclass(frozen=True, slots=True)
class Namespace(Command):
    """RFC 9051 §6.3.10"""


@dataclass(frozen=True, slots=True)
class Status(Command):
    """RFC 9051 §6.3.11"""

    mailbox: str
    items: tuple[StatusItem, ...]


_NOTHING_TO_RECUR = frozenset({Selection.RECURSIVEMATCH, Selection.REMOTE})
Option = TypeVar("Option", bound=StrEnum)


def _list(cursor: Cursor) -> Command:
    cursor.space()
    selection: frozenset[Selection] = frozenset()
    is_extended = cursor.peek() == b"("
    if is_extended:
        selection = frozenset(_words(cursor, Selection))
        cursor.space()
        if Selection.RECURSIVEMATCH in selection and selection <= _NOTHING_TO_RECUR:
            raise ParseError("RECURSIVEMATCH needs another selection option")
    reference = cursor.list_mailbox()
    cursor.space()
    if cursor.peek() == b"(":
        is_extended = True
        patterns = _patterns(cursor)
    else:
        patterns = (cursor.list_mailbox(),)
    returns: frozenset[Return] = frozenset()
    status: tuple[StatusItem, ...] = ()
    if cursor.accept(b" "):
        if cursor.keyword() != "RETURN":
            raise ParseError("Expected RETURN")
        is_extended = True
        cursor.space()
        returns, status = _returns(cursor)
    return List(reference, patterns, selection, returns, status, is_extended)


def _words(cursor: Cursor, known: type[Option]) -> list[Option]:
    cursor.expect(b"(")
    words: list[Option] = []
    while not cursor.accept(b")"):
        if words:
            cursor.space()
        words.append(_known(cursor.keyword(), known))
        if len(words) > MAX_OPTIONS:
            raise ParseError("Too many options")
    return words


def _known(word: str, known: type[Option]) -> Option:
    try:
        return known(word)
    except ValueError:
        raise ParseError("Unknown option") from None


def _patterns(cursor: Cursor) -> tuple[str, ...]:
    cursor.expect(b"(")
    patterns = [cursor.list_mailbox()]
    while not cursor.accept(b")"):
        cursor.space()
        patterns.append(cursor.list_mailbox())
        if len(patterns) > MAX_PATTERNS:
            raise ParseError("Too many patterns")
    return tuple(patterns)


def _returns(cursor: Cursor) -> tuple[frozenset[Return], tuple[StatusItem, ...]]:
    cursor.expect(b"(")
    returns: set[Return] = set()
    status: tuple[StatusItem, ...] = ()
    count = 0
    while not cursor.accept(b")"):
        if count:
            cursor.space()
        count += 1
        if count > MAX_OPTIONS:
            raise ParseError("Too many options")
        word = cursor.keyword()
        if word == "STATUS":
            cursor.space()
            status = _status_items(cursor)
        else:
            returns.add(_known(word, Return))
    return frozenset(returns), status


def _status_items(cursor: Cursor) -> tuple[StatusItem, ...]:
    items = dict.fromkeys(_words(cursor, StatusItem))
    if not items:
        raise ParseError("STATUS needs an item")
    return tuple(items)


def _lsub(cursor: Cursor) -> Command:
    cursor.space()
    reference = cursor.list_mailbox()
    cursor.space()
    return Lsub(reference, cursor.list_mailbox())


def _status(cursor: Cursor) -> Command:
    cursor.space()
    mailbox = cursor.mailbox()
    cursor.space()
    return Status(mailbox, _status_items(cursor))


COMMANDS: dict[str, Callable[[Cursor], Command]] = {
    "LIST": _list,
    "LSUB": _lsub,
    "NAMESPACE": lambda _cursor: Namespace(),
    "STATUS": _status,
}
