"""Counts the connections to a listener, in total and of each network address, and says when there are enough."""

from __future__ import annotations

from collections import Counter


class Crowd:
    """How many are connected, and from where; used from one event loop."""

    def __init__(self, total: int, per_address: int) -> None:
        self._total = total
        self._per_address = per_address
        self._by_address: Counter[str] = Counter()
        self._all = 0

    def enter(self, address: str) -> bool:
        """Counts a connection in; False, and not counted, when there is no room for it."""
        if self._all >= self._total or self._by_address[address] >= self._per_address:
            return False
        self._by_address[address] += 1
        self._all += 1
        return True

    def leave(self, address: str) -> None:
        """Counts a connection out that was counted in."""
        self._all -= 1
        self._by_address[address] -= 1
        if not self._by_address[address]:
            del self._by_address[address]
