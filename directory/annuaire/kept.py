"""Rows of a file that were found lately: what people look for is the same few, and the file never changes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

R = TypeVar("R")


class Kept(Generic[R]):
    """Rows by their places: the latest `most`, and of those before them as many again.

    Threads may use it at once: each step is one look or one assignment, and a row lost between two of them is read
    from the file again.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._latest: dict[int, R] = {}
        self._before: dict[int, R] = {}

    def of(self, places: Sequence[int]) -> dict[int, R]:
        """The rows of those of the places that are kept."""
        latest, before = self._latest, self._before
        found: dict[int, R] = {}
        for place in places:
            row = latest.get(place)
            if row is None:
                row = before.get(place)
                if row is None:
                    continue
                latest[place] = row
            found[place] = row
        return found

    def keep(self, rows: Mapping[int, R]) -> None:
        """Keeps rows by their places; those not looked for since the last `most` others give way."""
        self._latest.update(rows)
        if len(self._latest) >= self._most:
            self._before, self._latest = self._latest, {}
