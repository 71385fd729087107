"""The Date field becomes an instant, and the day that its writer saw on the calendar (RFC 5322 §3.3, §4.3)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from types import MappingProxyType
from typing import Final

_DATE: Final = re.compile(
    r"(?:[A-Za-z]{3,9}\.?\s{0,9},?)?\s{0,9}"
    r"(?P<day>[0-9]{1,2})[\s-]{1,9}(?P<month>[A-Za-z]{3})[A-Za-z]{0,6}\.?[\s-]{1,9}(?P<year>[0-9]{2,4})"
    r"(?:[\s,]{1,9}(?P<hour>[0-9]{1,2})[:.](?P<minute>[0-9]{2})(?:[:.](?P<second>[0-9]{2}))?)?"
    r"\s{0,9}(?P<zone>[+-][0-9]{4}|[A-Za-z]{1,5})?"
)
_MONTHS: Final = MappingProxyType(
    {
        name: number
        for number, name in enumerate(
            ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"), 1
        )
    }
)
_ZONES: Final = MappingProxyType(
    {"EDT": -240, "EST": -300, "CDT": -300, "CST": -360, "MDT": -360, "MST": -420, "PDT": -420, "PST": -480,
     "CET": 60, "CEST": 120, "BST": 60}
)  # fmt: skip
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class MailDate:
    """The instant of a Date field in epoch milliseconds, and its day regardless of time and zone (SENTON, RFC 9051 §6.4.4)."""

    at: int
    day: date


def parse_date(raw: bytes | str) -> MailDate | None:
    """The Date field read; None when it is no date. An unknown zone is UTC, a missing time is midnight."""
    text = raw.decode("ascii", "replace") if isinstance(raw, bytes) else raw
    match = _DATE.match(" ".join(text[:200].split()))
    if match is None:
        return None
    month = _MONTHS.get(match["month"].lower())
    year = int(match["year"])
    if len(match["year"]) < 4:
        year += 2000 if year < 50 else 1900  # RFC 5322 §4.3
    try:
        local = datetime(
            year, month or 0, int(match["day"]),
            int(match["hour"] or 0), int(match["minute"] or 0), min(int(match["second"] or 0), 59), tzinfo=UTC,
        )  # fmt: skip
        instant = local - timedelta(minutes=_offset(match["zone"] or ""))
    except (ValueError, OverflowError):
        return None
    return MailDate((instant - _EPOCH) // timedelta(milliseconds=1), local.date())


def _offset(zone: str) -> int:
    """Minutes east of UTC."""
    if zone[:1] in ("+", "-"):
        minutes = int(zone[1:3]) * 60 + int(zone[3:5])
        return -minutes if zone[0] == "-" else minutes
    return _ZONES.get(zone.upper(), 0)
