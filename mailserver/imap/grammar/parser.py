"""One command line, with its literals, to one command."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mailserver.imap.grammar import (
    access,
    appending,
    listing,
    metadata,
    notify,
    opening,
    quota,
    search,
    sorting,
)
from mailserver.imap.grammar import commands as c
from mailserver.imap.grammar.cursor import MAX_NUMBER64
from mailserver.imap.grammar.errors import ParseError
from mailserver.imap.grammar.fetch import parse_fetch_arguments
from mailserver.imap.grammar.flags import parse_flags
from mailserver.imap.grammar.sequence import parse_sequence_set

if TYPE_CHECKING:
    from collections.abc import Callable

    from mailserver.imap.grammar.cursor import Cursor
    from mailserver.imap.grammar.sequence import SequenceSet

MAX_ID_PAIRS = 30

__all__ = ["ParseError", "parse_command", "split_tag"]


def split_tag(cursor: Cursor) -> tuple[str, str]:
    """The tag and the name of a command, "UID FETCH" being one name."""
    tag = cursor.tag()
    cursor.space()
    return tag, _name(cursor)


def _name(cursor: Cursor) -> str:
    name = cursor.keyword()
    if name == "UID":
        cursor.space()
        name = f"UID {cursor.keyword()}"
    return name


def parse_command(cursor: Cursor, name: str) -> c.Command:
    """The command `name` with the arguments that follow; raises ParseError."""
    parse = _COMMANDS.get(name)
    if parse is None:
        raise ParseError("Unknown command")
    command = parse(cursor)
    cursor.end()
    return command


def names() -> frozenset[str]:
    """Every command that is understood."""
    return frozenset(_COMMANDS)


def _login(cursor: Cursor) -> c.Command:
    cursor.space()
    user = cursor.astring()
    cursor.space()
    return c.Login(user, cursor.astring())


def _authenticate(cursor: Cursor) -> c.Command:
    cursor.space()
    mechanism = cursor.keyword()
    if cursor.at_end:
        return c.Authenticate(mechanism, None)
    cursor.space()
    return c.Authenticate(mechanism, cursor.astring())


def _id(cursor: Cursor) -> c.Command:
    cursor.space()
    if not cursor.accept(b"("):
        cursor.nstring()
        return c.Id()
    pairs = 0
    while not cursor.accept(b")"):
        if pairs:
            cursor.space()
        cursor.string()
        cursor.space()
        cursor.nstring()
        pairs += 1
        if pairs > MAX_ID_PAIRS:
            raise ParseError(f"More than {MAX_ID_PAIRS} fields")
    return c.Id()


def _mailbox_argument(make: Callable[[str], c.Command]) -> Callable[[Cursor], c.Command]:
    def parse(cursor: Cursor) -> c.Command:
        cursor.space()
        return make(cursor.mailbox())

    return parse


def _alone(command: c.Command) -> Callable[[Cursor], c.Command]:
    return lambda cursor: command


def _rename(cursor: Cursor) -> c.Command:
    cursor.space()
    source = cursor.mailbox()
    cursor.space()
    return c.Rename(source, cursor.mailbox())


def _create(cursor: Cursor) -> c.Command:
    cursor.space()
    mailbox = cursor.mailbox()
    uses: dict[str, None] = {}
    if cursor.accept(b" ("):
        if cursor.keyword() != "USE":
            raise ParseError("Unknown parameter")
        cursor.space()
        cursor.expect(b"(")
        while not cursor.accept(b")"):
            if uses:
                cursor.space()
            uses[cursor.flag().upper()] = None
        cursor.expect(b")")
    return c.Create(mailbox, tuple(uses))


def _uid_expunge(cursor: Cursor) -> c.Command:
    cursor.space()
    return c.Expunge(parse_sequence_set(cursor))


def _fetch(numbering: c.Numbering) -> Callable[[Cursor], c.Command]:
    def parse(cursor: Cursor) -> c.Command:
        cursor.space()
        messages = parse_sequence_set(cursor)
        cursor.space()
        attributes, modifiers = parse_fetch_arguments(cursor)
        if numbering is c.Numbering.SEQUENCE and (modifiers.tells_vanished or modifiers.window):
            raise ParseError("VANISHED and PARTIAL are of UID FETCH")
        return c.Fetch(numbering, messages, attributes, modifiers)

    return parse


def _store(numbering: c.Numbering) -> Callable[[Cursor], c.Command]:
    def parse(cursor: Cursor) -> c.Command:
        cursor.space()
        messages = parse_sequence_set(cursor)
        cursor.space()
        unchanged_since = _unchanged_since(cursor)
        word = cursor.keyword()
        silent = word.endswith(".SILENT")
        try:
            mode = c.StoreMode(word.removesuffix(".SILENT"))
        except ValueError:
            raise ParseError("Unknown item to store") from None
        cursor.space()
        return c.Store(numbering, messages, mode, silent, parse_flags(cursor), unchanged_since)

    return parse


def _unchanged_since(cursor: Cursor) -> int | None:
    if not cursor.accept(b"("):
        return None
    if cursor.keyword() != "UNCHANGEDSINCE":
        raise ParseError("Unknown modifier")
    cursor.space()
    modseq = cursor.number(maximum=MAX_NUMBER64)
    cursor.expect(b") ")
    return modseq


def _copy(
    make: Callable[[c.Numbering, SequenceSet, str], c.Command], numbering: c.Numbering
) -> Callable[[Cursor], c.Command]:
    def parse(cursor: Cursor) -> c.Command:
        cursor.space()
        messages = parse_sequence_set(cursor)
        cursor.space()
        return make(numbering, messages, cursor.mailbox())

    return parse


_COMMANDS: dict[str, Callable[[Cursor], c.Command]] = {
    **access.COMMANDS,
    **appending.COMMANDS,
    **listing.COMMANDS,
    **metadata.COMMANDS,
    **notify.COMMANDS,
    **opening.COMMANDS,
    **quota.COMMANDS,
    **search.COMMANDS,
    **sorting.COMMANDS,
    "CAPABILITY": _alone(c.Capability()),
    "NOOP": _alone(c.Noop()),
    "LOGOUT": _alone(c.Logout()),
    "ID": _id,
    "STARTTLS": _alone(c.StartTls()),
    "AUTHENTICATE": _authenticate,
    "LOGIN": _login,
    "CREATE": _create,
    "DELETE": _mailbox_argument(c.Delete),
    "RENAME": _rename,
    "SUBSCRIBE": _mailbox_argument(c.Subscribe),
    "UNSUBSCRIBE": _mailbox_argument(c.Unsubscribe),
    "IDLE": _alone(c.Idle()),
    "CHECK": _alone(c.Check()),
    "CLOSE": _alone(c.Close()),
    "UNSELECT": _alone(c.Unselect()),
    "EXPUNGE": _alone(c.Expunge()),
    "UID EXPUNGE": _uid_expunge,
    "FETCH": _fetch(c.Numbering.SEQUENCE),
    "UID FETCH": _fetch(c.Numbering.UID),
    "STORE": _store(c.Numbering.SEQUENCE),
    "UID STORE": _store(c.Numbering.UID),
    "COPY": _copy(c.Copy, c.Numbering.SEQUENCE),
    "UID COPY": _copy(c.Copy, c.Numbering.UID),
    "MOVE": _copy(c.Move, c.Numbering.SEQUENCE),
    "UID MOVE": _copy(c.Move, c.Numbering.UID),
}
