"""How much one client may do in a minute: a bucket of tokens for each name, filled at a steady rate."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

MOST_NAMES = 10_000
"""Buckets kept: more than there are operators, or boxes that send within a minute."""
_ROUNDING = 1e-6  # seconds


class Rates:
    """Tokens per minute for each name; `burst` may be taken at once, a minute's worth where it is not given.

    A bucket that would be full again is forgotten, so only who was active in the last minute costs memory; when
    even those are too many, the one that was used longest ago goes.
    """

    def __init__(
        self,
        per_minute: int,
        *,
        burst: int | None = None,
        names: int = MOST_NAMES,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._rate = per_minute / 60
        self._burst = burst if burst is not None else per_minute
        self._names = names
        self._now = now
        self._full_at: dict[str, float] = {}
        """When each bucket is full again, which says how much is in it now; in the order of use."""

    @property
    def active(self) -> int:
        """Names that are remembered."""
        return len(self._full_at)

    def take(self, name: str) -> bool:
        """Take one token; False when there is none. Always True where the rate is 0, which means no limit."""
        if not self._rate:
            return True
        now = self._now()
        full_at = max(self._full_at.pop(name, now), now) + 1 / self._rate
        if full_at - now > self._burst / self._rate + _ROUNDING:
            self._full_at[name] = full_at - 1 / self._rate
            return False
        if len(self._full_at) >= self._names:
            self._forget(now)
        self._full_at[name] = full_at
        return True

    def _forget(self, now: float) -> None:
        self._full_at = {name: at for name, at in self._full_at.items() if at > now}
        while len(self._full_at) > self._names * 9 // 10:  # some room, so that not every call comes here
            del self._full_at[next(iter(self._full_at))]
