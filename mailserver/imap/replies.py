"""How a command ends: OK, NO or BAD, with a response code (RFC 3501 §7.1, RFC 5530)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Status(StrEnum):
    """The three tagged status responses."""

    OK = "OK"
    NO = "NO"
    BAD = "BAD"


@dataclass(frozen=True, slots=True)
class Reply:
    """A tagged status response without its tag."""

    status: Status
    text: str
    code: str | None = None

    def line(self, tag: str) -> bytes:
        """The response as sent; "*" as tag makes it untagged."""
        code = f"[{self.code}] " if self.code else ""
        return f"{tag} {self.status} {code}{self.text}\r\n".encode("ascii", "replace")


def ok(text: str, code: str | None = None) -> Reply:
    """The command was done, and what it changed is on disk."""
    return Reply(Status.OK, text, code)


def no(text: str, code: str | None = None) -> Reply:
    """The command could not be done."""
    return Reply(Status.NO, text, code)


def bad(text: str, code: str | None = None) -> Reply:
    """The command was not understood, or not allowed now."""
    return Reply(Status.BAD, text, code)


def bye(text: str) -> bytes:
    """The untagged farewell before the server closes (RFC 3501 §7.1.5)."""
    return f"* BYE {text}\r\n".encode("ascii", "replace")


MISSING = no("No such mailbox", "NONEXISTENT")
MISSING_TARGET = no("No such mailbox", "TRYCREATE")
READ_ONLY = no("Mailbox was opened read-only", "READ-ONLY")
OVER_QUOTA = no("The mailbox would hold more than it may", "OVERQUOTA")
NO_PERMISSION = no("You have not been given the right to do that here", "NOPERM")
