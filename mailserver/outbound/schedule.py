"""When to try again, when to tell the sender, when to give up."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from foundation.settings import OutboundSettings

_JITTER = 0.2


class Schedule:
    """The times of one operator's queue, in milliseconds."""

    def __init__(self, settings: OutboundSettings, chance: random.Random | None = None) -> None:
        self._first = settings.first_retry_seconds * 1000
        self._longest = max(settings.longest_retry_seconds * 1000, self._first)
        self._warning = settings.warning_minutes * 60_000
        self._expiry = settings.expiry_hours * 3_600_000
        self._chance = chance or random.Random()  # noqa: S311 - spreads load, guards nothing

    def retry_at(self, now: int, failures: int) -> int:
        """After so many failures in a row: twice the wait of the last time, up or down a fifth."""
        wait = min(self._longest, self._first << min(failures - 1, 32))
        return now + round(wait * self._chance.uniform(1 - _JITTER, 1 + _JITTER))

    def warned_before(self, now: int) -> int:
        """Whoever sent a message that arrived up to this instant is to know that it is late."""
        return now - self._warning

    def expired_before(self, now: int) -> int:
        """What arrived up to this instant is given up."""
        return now - self._expiry

    def expires_at(self, arrived_at: int) -> int:
        """When a message will be given up."""
        return arrived_at + self._expiry
