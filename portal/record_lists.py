"""What every list of a record asks in the address of its page: a period of days, and where the page begins."""

from __future__ import annotations

from typing import TYPE_CHECKING

from portal.days import midnight, midnight_after

if TYPE_CHECKING:
    from datetime import date

    from dmp_bridge.record import Document

_LONGEST_PLACE = 40


def period(since: date | None, until: date | None) -> tuple[int | None, int | None]:
    """The times of a period, in epoch ms; both days are included, and one that is missing bounds nothing."""
    return (
        midnight(since) if since is not None else None,
        midnight_after(until) if until is not None else None,
    )


def iso(day: date | None) -> str:
    """A day as an address bears it; empty for none."""
    return day.isoformat() if day is not None else ""


def place_of(text: str) -> tuple[int, int] | None:
    """Where a page begins, as an address tells it; None for what is no place."""
    at, _, number = text[:_LONGEST_PLACE].partition("_")
    digits = at.removeprefix("-")
    if not (digits.isascii() and digits.isdecimal() and number.isascii() and number.isdecimal()):
        return None
    place = int(at), int(number)
    return place if max(abs(place[0]), place[1]) < 2**63 else None


def place_behind(last: Document) -> str:
    """Where the page behind a document begins, for `place_of`."""
    return f"{last.act_at}_{last.id}"
