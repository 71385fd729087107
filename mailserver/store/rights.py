"""What a person may do with a folder (RFC 4314 §2.1), and where a folder name leads."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Right(StrEnum):
    """The standard rights, by their letters."""

    LOOKUP = "l"
    READ = "r"
    SEEN = "s"
    WRITE = "w"
    INSERT = "i"
    POST = "p"
    CREATE = "k"
    DELETE_MAILBOX = "x"
    DELETE_MESSAGES = "t"
    EXPUNGE = "e"
    ADMINISTER = "a"


ALL_RIGHTS = frozenset(Right)


@dataclass(frozen=True, slots=True)
class Place:
    """A folder that exists or could: whose, its name in that box, and what who asks may do there."""

    owner_id: int
    name: str
    rights: frozenset[Right] = ALL_RIGHTS
