"""Object identifiers: EMAILID and THREADID as clients see them (RFC 8474 §4). MAILBOXID is F and the folder's number."""

from __future__ import annotations

import re

_NUMBER = re.compile(r"[1-9][0-9]{0,17}")


def email_id(mail_id: int) -> str:
    """EMAILID of a mail; all its copies have it."""
    return f"M{mail_id}"


def thread_id(number: int) -> str:
    """THREADID of a thread."""
    return f"T{number}"


def mail_of(identifier: str) -> int | None:
    """The mail of an EMAILID; None where it is none of ours."""
    return _number(identifier, "M")


def thread_of(identifier: str) -> int | None:
    """The thread of a THREADID; None where it is none of ours."""
    return _number(identifier, "T")


def _number(identifier: str, kind: str) -> int | None:
    if not identifier.startswith(kind) or _NUMBER.fullmatch(identifier, 1) is None:
        return None
    return int(identifier[1:])
