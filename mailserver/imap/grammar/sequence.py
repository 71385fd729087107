"""Sets of message numbers (RFC 3501 §9, sequence-set)."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mailserver.imap.grammar.cursor import MAX_NUMBER
from mailserver.imap.grammar.errors import ParseError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from mailserver.imap.grammar.cursor import Cursor

LAST = 0
"""Stands for `*` in a range; zero is no message number."""

_CHARACTERS = re.compile(rb"[0-9:*,]+")


@dataclass(frozen=True, slots=True)
class SequenceSet:
    """Ranges as the client wrote them, in its order; a single number is a range of one.

    With `is_saved` the set is "$", the result of the last search with SAVE (RFC 5182).
    """

    ranges: tuple[tuple[int, int], ...]
    is_saved: bool = False

    def positions(self, count: int) -> list[tuple[int, int]]:
        """The set over sequence numbers 1 to `count`, as merged half-open slices of positions from 0.

        Numbers past the last message are left out; `*` is the last message.
        """
        slices = []
        for first, last in self.ranges:
            low, high = sorted((first or count, last or count))
            if LAST in (first, last):
                low = min(low, count)  # "*:6" and "6:*" hold the last message even where 6 is past it
            slices.append((max(low, 1) - 1, min(high, count)))
        return _merged(slices)

    def reaches_past(self, count: int) -> bool:
        """True when a number that is not in a range with `*` is larger than `count`."""
        return any(max(first, last) > count for first, last in self.ranges if LAST not in (first, last))

    def uid_positions(self, uids: Sequence[int]) -> list[tuple[int, int]]:
        """The set over UIDs, as merged half-open slices of positions in `uids` (ascending).

        `*` is the largest UID, so `n:*` always holds the last message (RFC 3501 §9).
        """
        if not uids:
            return []
        largest = uids[-1]
        slices = []
        for first, last in self.ranges:
            low, high = sorted((first or largest, last or largest))
            if LAST in (first, last):
                low = min(low, largest)
            slices.append((bisect_left(uids, low), bisect_right(uids, high)))
        return _merged(slices)


def _merged(slices: list[tuple[int, int]]) -> list[tuple[int, int]]:
    merged: list[tuple[int, int]] = []
    for start, stop in sorted(slices):
        if start >= stop:
            continue
        if merged and start <= merged[-1][1]:
            if stop > merged[-1][1]:
                merged[-1] = (merged[-1][0], stop)
        else:
            merged.append((start, stop))
    return merged


def parse_sequence_set(cursor: Cursor) -> SequenceSet:
    """sequence-set, or "$" """
    if cursor.accept(b"$"):
        return SequenceSet((), is_saved=True)
    found = _CHARACTERS.match(cursor.data, cursor.position)
    if found is None:
        raise ParseError("Expected a message set")
    cursor.position = found.end()
    ranges = []
    for piece in found.group().split(b","):
        first, colon, last = piece.partition(b":")
        low = _seq_number(first)
        ranges.append((low, _seq_number(last) if colon else low))
    return SequenceSet(tuple(ranges))


def _seq_number(digits: bytes) -> int:
    if digits == b"*":
        return LAST
    if not digits.isdigit() or len(digits) > 10 or not 0 < (value := int(digits)) <= MAX_NUMBER:
        raise ParseError("Wrong message set")
    return value


def format_uid_set(uids: Iterable[int]) -> bytes:
    """uid-set of UIDs in the given order, with neighbours folded into ranges (RFC 4315 §4)."""
    pieces: list[str] = []
    start = previous = 0
    for uid in uids:
        if start and uid == previous + 1:
            previous = uid
            continue
        if start:
            pieces.append(str(start) if start == previous else f"{start}:{previous}")
        start = previous = uid
    if start:
        pieces.append(str(start) if start == previous else f"{start}:{previous}")
    return ",".join(pieces).encode("ascii")
