"""Counts the connections to a listener, in total and of each network address or person, and says when there are enough."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Hashable


class Crowd:
    """How many are connected, and from where or as whom; used from one event loop."""

    def __init__(self, total: int, of_each: int) -> None:
        self._total = total
        self._of_each = of_each
        self._by_origin: Counter[Hashable] = Counter()
        self._all = 0

    @property
    def is_full(self) -> bool:
        """True when there is no room for anybody, wherever they come from."""
        return self._all >= self._total

    def enter(self, origin: Hashable) -> bool:
        """Counts a connection in; False, and not counted, when there is no room for it."""
        if self.is_full or self._by_origin[origin] >= self._of_each:
            return False
        self._by_origin[origin] += 1
        self._all += 1
        return True

    def leave(self, origin: Hashable) -> None:
        """Counts a connection out that was counted in."""
        self._all -= 1
        self._by_origin[origin] -= 1
        if not self._by_origin[origin]:
            del self._by_origin[origin]
