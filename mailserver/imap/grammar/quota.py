"""GETQUOTA and GETQUOTAROOT (RFC 9208 §4.1); SETQUOTA is not offered."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mailserver.imap.grammar.commands import Command

if TYPE_CHECKING:
    from collections.abc import Callable

    from mailserver.imap.grammar.cursor import Cursor


@dataclass(frozen=True, slots=True)
class GetQuota(Command):
    """RFC 9208 §4.1.1; a root is named as a mailbox is."""

    root: str


@dataclass(frozen=True, slots=True)
class GetQuotaRoot(Command):
    """RFC 9208 §4.1.2"""

    mailbox: str


def _name(make: Callable[[str], Command]) -> Callable[[Cursor], Command]:
    def parse(cursor: Cursor) -> Command:
        cursor.space()
        return make(cursor.mailbox())

    return parse


COMMANDS: dict[str, Callable[[Cursor], Command]] = {
    "GETQUOTA": _name(GetQuota),
    "GETQUOTAROOT": _name(GetQuotaRoot),
}
