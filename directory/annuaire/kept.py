"""What was made of a file lately: people look for the same few, and the file never changes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable, Mapping

K = TypeVar("K", bound="Hashable")
R = TypeVar("R")


class Kept(Generic[K, R]):
    """Things by their keys: the latest that weigh `most` together, and of those before them as many again.

    Each weighs one where nobody says what. Threads may use it at once: each step is one look or one assignment, and
    what is lost between two of them is made again.
    """

    def __init__(self, most: int, weight: Callable[[R], int] = lambda _: 1) -> None:
        self._most = most
        self._weight = weight
        self._latest: dict[K, R] = {}
        self._before: dict[K, R] = {}
        self._weighed = 0

    def of(self, keys: Iterable[K]) -> dict[K, R]:
        """What is kept of these."""
        latest, before = self._latest, self._before
        found: dict[K, R] = {}
        for key in keys:
            kept = latest.get(key)
            if kept is None:
                kept = before.get(key)
                if kept is None:
                    continue
                latest[key] = kept
                self._weighed += self._weight(kept)
            found[key] = kept
        return found

    def keep(self, made: Mapping[K, R]) -> None:
        """Keeps these; what nobody asked for since others of the same weight were kept gives way."""
        self._latest.update(made)
        self._weighed += sum(map(self._weight, made.values()))
        if self._weighed >= self._most:
            self._before, self._latest, self._weighed = self._latest, {}, 0
