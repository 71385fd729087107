"""What a person may do with a folder (RFC 4314 §2.1), and where a folder name leads."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


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
    """A folder that exists or could: whose, its name in that box, and what who asks may do there.

    `viewer` is the person whose own \\Seen counts there; None where \\Seen is one for all.
    """

    owner_id: int
    name: str
    rights: frozenset[Right] = ALL_RIGHTS
    viewer: int | None = None


def rights_of(text: str) -> frozenset[Right]:
    """The rights of their letters; ValueError for a letter that is none."""
    return frozenset(map(Right, text))


def rights_text(rights: Iterable[Right]) -> str:
    """The letters, in the order of the RFC."""
    chosen = frozenset(rights)
    return "".join(right for right in Right if right in chosen)
