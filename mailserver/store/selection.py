"""Which messages of a folder a statement is about: a whole range of UIDs, or single ones, at most 1000 at a time."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

from sqlalchemy import and_, bindparam, func, select

from mailserver.store.tables import message

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from typing import Any

    from sqlalchemy import ColumnElement

BATCH = 1000
"""Messages in one statement: one query for what a mail program shows, and a bound on what is in memory."""

_LISTED = func.json_each(bindparam("uids")).table_valued("value")

S = TypeVar("S")


@dataclass(frozen=True, slots=True)
class UidBatch:
    """UIDs from `low` to `high`: those in `uids`, or with None every message of the folder in between."""

    low: int
    high: int
    uids: tuple[int, ...] | None = None

    def after(self, uid: int) -> UidBatch | None:
        """What is left of the batch past `uid`."""
        if self.uids is not None:
            rest = tuple(other for other in self.uids if other > uid)
            return UidBatch(rest[0], rest[-1], rest) if rest else None
        return UidBatch(uid + 1, self.high) if uid < self.high else None


def batches(uids: Sequence[int], slices: Iterable[tuple[int, int]], size: int = BATCH) -> Iterator[UidBatch]:
    """Cuts slices of `uids` (positions, half-open, ascending) into batches of at most `size`, in order.

    One unbroken slice becomes ranges, since between two neighbours of an ascending list no other UID can live.
    """
    slices = list(slices)
    if len(slices) == 1:
        first, last = slices[0]
        for start in range(first, last, size):
            yield UidBatch(uids[start], uids[min(start + size, last) - 1])
        return
    waiting: list[int] = []
    for first, last in slices:
        position = first
        while position < last:
            taken = uids[position : min(last, position + size - len(waiting))]
            waiting.extend(taken)
            position += len(taken)
            if len(waiting) == size:
                yield UidBatch(waiting[0], waiting[-1], tuple(waiting))
                waiting.clear()
    if waiting:
        yield UidBatch(waiting[0], waiting[-1], tuple(waiting))


class PerBatch(Generic[S]):
    """One statement in its two forms, built once: for a range of UIDs and for a list of them."""

    __slots__ = ("_listed", "_ranged")

    def __init__(self, make: Callable[[ColumnElement[bool]], S]) -> None:
        in_folder = message.c.folder_id == bindparam("in_folder")
        self._ranged = make(and_(in_folder, message.c.uid.between(bindparam("low"), bindparam("high"))))
        self._listed = make(and_(in_folder, message.c.uid.in_(select(_LISTED.c.value))))

    def bind(self, folder_id: int, batch: UidBatch) -> tuple[S, dict[str, Any]]:
        """The statement for a batch, and its parameters."""
        if batch.uids is None:
            return self._ranged, {"in_folder": folder_id, "low": batch.low, "high": batch.high}
        return self._listed, {"in_folder": folder_id, "uids": json.dumps(batch.uids)}
