"""SETACL, DELETEACL, GETACL, LISTRIGHTS and MYRIGHTS (RFC 4314 §3)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from mailserver.imap.grammar.commands import Command
from mailserver.imap.grammar.errors import ParseError

if TYPE_CHECKING:
    from collections.abc import Callable

    from mailserver.imap.grammar.cursor import Cursor

MAX_IDENTIFIER = 400


class RightsChange(StrEnum):
    """What SETACL does with the rights it names."""

    REPLACE = ""
    ADD = "+"
    REMOVE = "-"


@dataclass(frozen=True, slots=True)
class SetAcl(Command):
    """RFC 4314 §3.1; `rights` are the letters as the client wrote them."""

    mailbox: str
    identifier: str
    change: RightsChange
    rights: str


@dataclass(frozen=True, slots=True)
class DeleteAcl(Command):
    """RFC 4314 §3.2"""

    mailbox: str
    identifier: str


@dataclass(frozen=True, slots=True)
class GetAcl(Command):
    """RFC 4314 §3.3"""

    mailbox: str


@dataclass(frozen=True, slots=True)
class ListRights(Command):
    """RFC 4314 §3.4"""

    mailbox: str
    identifier: str


@dataclass(frozen=True, slots=True)
class MyRights(Command):
    """RFC 4314 §3.5"""

    mailbox: str


def _mailbox(cursor: Cursor) -> str:
    cursor.space()
    return cursor.mailbox()


def _text(cursor: Cursor) -> str:
    cursor.space()
    raw = cursor.astring()
    if len(raw) > MAX_IDENTIFIER:
        raise ParseError("Identifier too long")
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        raise ParseError("Not UTF-8") from None


def _set_acl(cursor: Cursor) -> Command:
    mailbox, identifier, rights = _mailbox(cursor), _text(cursor), _text(cursor)
    change = RightsChange(rights[:1]) if rights[:1] in ("+", "-") else RightsChange.REPLACE
    letters = rights.removeprefix(change.value)
    if not all("a" <= letter <= "z" or "0" <= letter <= "9" for letter in letters):
        raise ParseError("Rights are small letters and digits")
    return SetAcl(mailbox, identifier, change, letters)


COMMANDS: dict[str, Callable[[Cursor], Command]] = {
    "SETACL": _set_acl,
    "DELETEACL": lambda cursor: DeleteAcl(_mailbox(cursor), _text(cursor)),
    "GETACL": lambda cursor: GetAcl(_mailbox(cursor)),
    "LISTRIGHTS": lambda cursor: ListRights(_mailbox(cursor), _text(cursor)),
    "MYRIGHTS": lambda cursor: MyRights(_mailbox(cursor)),
}
