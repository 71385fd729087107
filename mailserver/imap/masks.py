"""Sets of messages as one number each: an octet for each place of a folder image, 1 where the message is in the set.

Sets of places are joined by `&`, `|` and `^`; making one from a column and reading it back take no step of the
interpreter for a message.
"""

from __future__ import annotations

from itertools import compress
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

T = TypeVar("T")


def full(count: int) -> int:
    """All of `count` messages."""
    return int.from_bytes(b"\1" * count, "little")


def mask_of(octets: Iterable[int]) -> int:
    """The set of the places where there is a 1 (or True); elsewhere there must be a 0."""
    return int.from_bytes(bytes(octets), "little")


def mask_of_slices(slices: Iterable[tuple[int, int]], count: int) -> int:
    """The set of half-open slices of places below `count`."""
    octets = bytearray(count)
    for start, stop in slices:
        octets[start:stop] = b"\1" * (stop - start)
    return int.from_bytes(octets, "little")


def chosen(column: Iterable[T], mask: int, count: int) -> Iterator[T]:
    """The values of a column at the places of a set, in their order."""
    return compress(column, mask.to_bytes(count, "little"))
