"""The one clock of the house: UTC inside, Europe/Paris where a person reads it."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Protocol
from zoneinfo import ZoneInfo

PARIS = ZoneInfo("Europe/Paris")


class Clock(Protocol):
    """Tells the time; tests set it."""

    def now(self) -> datetime:
        """The present instant, aware, in UTC."""
        ...

    def millis(self) -> int:
        """The present instant in milliseconds since 1970-01-01T00:00:00Z, as tables hold it."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def millis(self) -> int:
        return time.time_ns() // 1_000_000


class FixedClock:
    """A clock that moves only when told to."""

    def __init__(self, start: datetime) -> None:
        self._now = start.astimezone(UTC)

    def now(self) -> datetime:
        return self._now

    def millis(self) -> int:
        return to_millis(self._now)

    def advance(self, step: timedelta) -> None:
        """Moves the time on by `step`."""
        self._now += step


def to_millis(instant: datetime) -> int:
    """Milliseconds since the epoch of an aware datetime."""
    return int(instant.timestamp() * 1000)


def from_millis(millis: int) -> datetime:
    """The aware UTC datetime of a stored time."""
    return datetime.fromtimestamp(millis / 1000, UTC)


def to_paris(instant: datetime) -> datetime:
    """The same instant on the clocks of Europe/Paris."""
    return instant.astimezone(PARIS)
