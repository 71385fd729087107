"""Days as browsers post them, and the times they stand for on the clocks of Paris."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from typing import Final

from foundation.clock import PARIS, to_millis

_YEARS: Final = range(1850, 2200)


def day_of(text: str, years: range = _YEARS) -> date | None:
    """A date of a form (HTML Standard §2.3.5.2), near enough to be meant; None for anything else."""
    try:
        day = date.fromisoformat(text)
    except ValueError:
        return None
    return day if day.year in years else None


def midnight(day: date) -> int:
    """The beginning of a day, in epoch ms."""
    return to_millis(datetime.combine(day, time(), PARIS))


def midnight_after(day: date) -> int:
    """The end of a day, in epoch ms."""
    return midnight(day + timedelta(days=1))
