"""Between the bits of the store and the words of the protocol."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from mailserver.store.tables import Flag

if TYPE_CHECKING:
    from collections.abc import Iterable

_BITS = {
    "\\Answered": Flag.ANSWERED,
    "\\Flagged": Flag.FLAGGED,
    "\\Deleted": Flag.DELETED,
    "\\Seen": Flag.SEEN,
    "\\Draft": Flag.DRAFT,
}


def bits(names: Iterable[str]) -> int:
    """System flags as stored."""
    value = 0
    for name in names:
        value |= int(_BITS[name])
    return value


@lru_cache(maxsize=4096)
def text(flags: int, keywords: str, *, recent: bool) -> bytes:
    """The flag-list of a message."""
    words = [name for name, bit in _BITS.items() if flags & bit]
    if recent:
        words.append("\\Recent")
    if keywords:
        words.append(keywords)
    return b"(" + " ".join(words).encode("ascii") + b")"


_PLAIN, _RECENT = (tuple(text(flags, "", recent=recent) for flags in range(256)) for recent in (False, True))


def texts(flags: Iterable[int], *, recent: bool = False) -> list[bytes]:
    """The flag-lists of messages without keywords."""
    table = _RECENT if recent else _PLAIN
    return [table[each] for each in flags]
