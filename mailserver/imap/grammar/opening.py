"""SELECT and EXAMINE with their parameters, ENABLE and UNAUTHENTICATE (RFC 9051 §6.3.1-3, RFC 7162, RFC 8437)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mailserver.imap.grammar.commands import Command
from mailserver.imap.grammar.cursor import MAX_NUMBER64
from mailserver.imap.grammar.errors import ParseError
from mailserver.imap.grammar.sequence import parse_sequence_set

if TYPE_CHECKING:
    from collections.abc import Callable

    from mailserver.imap.grammar.cursor import Cursor
    from mailserver.imap.grammar.sequence import SequenceSet

MAX_ENABLED = 30


@dataclass(frozen=True, slots=True)
class Resync:
    """What a client remembers of a folder (RFC 7162 §3.2.5); how its numbers matched UIDs is read and not needed."""

    uidvalidity: int
    modseq: int
    known_uids: SequenceSet | None


@dataclass(frozen=True, slots=True)
class Opening(Command):
    """The arguments of SELECT and EXAMINE."""

    mailbox: str
    with_condstore: bool = False
    resync: Resync | None = None


@dataclass(frozen=True, slots=True)
class Select(Opening):
    """RFC 9051 §6.3.2"""


@dataclass(frozen=True, slots=True)
class Examine(Opening):
    """RFC 9051 §6.3.3"""


@dataclass(frozen=True, slots=True)
class Enable(Command):
    """RFC 9051 §6.3.1; words in upper case."""

    words: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Unauthenticate(Command):
    """RFC 8437 §3"""


def _opening(make: Callable[[str, bool, Resync | None], Command]) -> Callable[[Cursor], Command]:
    def parse(cursor: Cursor) -> Command:
        cursor.space()
        mailbox = cursor.mailbox()
        return make(mailbox, *_parameters(cursor))

    return parse


def _parameters(cursor: Cursor) -> tuple[bool, Resync | None]:
    with_condstore = False
    resync = None
    if not cursor.accept(b" ("):
        return with_condstore, resync
    while True:
        word = cursor.keyword()
        if word == "CONDSTORE":
            with_condstore = True
        elif word == "QRESYNC" and resync is None:
            cursor.space()
            resync = _resync(cursor)
        else:
            raise ParseError("Unknown parameter")
        if cursor.accept(b")"):
            return with_condstore, resync
        cursor.space()


def _resync(cursor: Cursor) -> Resync:
    cursor.expect(b"(")
    uidvalidity = cursor.nz_number()
    cursor.space()
    modseq = cursor.number(maximum=MAX_NUMBER64)
    if modseq == 0:
        raise ParseError("Zero is no modification sequence here")
    known = None
    if cursor.accept(b" ") and cursor.peek() != b"(":
        known = parse_sequence_set(cursor)
        cursor.accept(b" ")
    if cursor.accept(b"("):
        parse_sequence_set(cursor)
        cursor.space()
        parse_sequence_set(cursor)
        cursor.expect(b")")
    cursor.expect(b")")
    return Resync(uidvalidity, modseq, known)


def _enable(cursor: Cursor) -> Command:
    words: list[str] = []
    while not cursor.at_end and len(words) < MAX_ENABLED:
        cursor.space()
        words.append(cursor.keyword())
    if not words:
        raise ParseError("ENABLE needs a word")
    return Enable(tuple(words))


COMMANDS: dict[str, Callable[[Cursor], Command]] = {
    "SELECT": _opening(Select),
    "EXAMINE": _opening(Examine),
    "ENABLE": _enable,
    "UNAUTHENTICATE": lambda _cursor: Unauthenticate(),
}
