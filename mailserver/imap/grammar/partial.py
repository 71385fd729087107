"""Pages of a result: PARTIAL of SEARCH, SORT and FETCH (RFC 9394)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mailserver.imap.grammar.cursor import MAX_NUMBER
from mailserver.imap.grammar.errors import ParseError

if TYPE_CHECKING:
    from mailserver.imap.grammar.cursor import Cursor

_RANGE = re.compile(rb"(-?)([0-9]{1,10}):(-?)([0-9]{1,10})")


@dataclass(frozen=True, slots=True)
class PartialRange:
    """Places in a result, from 1; or with both below zero from its end, -1 being the last."""

    first: int
    last: int

    def slice(self, count: int) -> slice:
        """The range over a result of `count` entries."""
        low, high = sorted((self.first, self.last))
        if low > 0:
            return slice(low - 1, min(high, count))
        return slice(max(count + low, 0), max(count + high + 1, 0))

    def __bytes__(self) -> bytes:
        return b"%d:%d" % (self.first, self.last)


def parse_partial_range(cursor: Cursor) -> PartialRange:
    """partial-range-first / partial-range-last"""
    found = _RANGE.match(cursor.data, cursor.position)
    if found is None:
        raise ParseError("Expected a range such as 1:50 or -1:-50")
    cursor.position = found.end()
    first, last = int(found[2]), int(found[4])
    if not 0 < min(first, last) <= max(first, last) <= MAX_NUMBER or found[1] != found[3]:
        raise ParseError("Wrong range")
    return PartialRange(-first, -last) if found[1] else PartialRange(first, last)
