"""Reads and writes the dates of HL7: local time with an offset in CDA, UTC in XDS metadata."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

_TIME = re.compile(
    r"(\d{4})(?:(\d{2})(?:(\d{2})(?:(\d{2})(?:(\d{2})(?:(\d{2})(?:\.\d{1,9})?)?)?)?)?)?(?:([+-])(\d{2})(\d{2})?)?",
    re.ASCII,
)
_PARIS = ZoneInfo("Europe/Paris")
# Programs write zeroes, 0001 and 9999 for a date they do not know: no act of care bears such a year.
_YEARS = range(1850, 2200)
_FIRST = int(datetime(_YEARS.start, 1, 1, tzinfo=UTC).timestamp()) * 1000
_LAST = int(datetime(_YEARS.stop, 1, 1, tzinfo=UTC).timestamp()) * 1000


# ref: DMP-F9
def parse_cda_time(text: str | None) -> int | None:
    """Epoch milliseconds of an HL7 TS, from ``YYYY`` to ``YYYYMMDDHHMMSS.ffff±ZZzz``; None if it is none.

    A year before 1850 or after 2199 is none.
    Without an offset it is French local time (CI-SIS Structuration minimale §3.5.7.1).
    """
    return _parse(text, _PARIS)


def parse_dtm(text: str | None) -> int | None:
    """Epoch milliseconds of an XDS DTM, which is UTC (IHE ITI TF-3 §4.2.3.1.7); None if it is none."""
    return _parse(text, UTC)


def format_dtm(instant: datetime) -> str:
    """``YYYYMMDDHHMMSS`` in UTC."""
    return instant.astimezone(UTC).strftime("%Y%m%d%H%M%S")


def format_cda_time(instant: datetime) -> str:
    """``YYYYMMDDHHMMSS±ZZzz`` in French local time."""
    return instant.astimezone(_PARIS).strftime("%Y%m%d%H%M%S%z")


def paris_date(millis: int) -> str:
    """``YYYY-MM-DD`` in France of an instant in epoch milliseconds, held between 1850 and 2200."""
    return datetime.fromtimestamp(min(max(millis, _FIRST), _LAST) / 1000, _PARIS).date().isoformat()


def parse_birth_date(text: str | None) -> str | None:
    """``YYYY-MM-DD`` of an HL7 birth date; the unknown day or month of a provisional one stays ``00``."""
    digits = (text or "").strip()[:8]
    if len(digits) != 8 or not digits.isascii() or not digits.isdigit():
        return None
    return f"{digits[:4]}-{digits[4:6]}-{digits[6:]}"


def _parse(text: str | None, zone: ZoneInfo | timezone) -> int | None:
    match = _TIME.fullmatch((text or "").strip()[:40])
    if match is None:
        return None
    year, month, day, hour, minute, second, sign, offset_hours, offset_minutes = match.groups()
    tz: ZoneInfo | timezone = zone
    try:
        if sign:
            offset = timedelta(hours=int(offset_hours), minutes=int(offset_minutes or 0))
            tz = timezone(-offset if sign == "-" else offset)
        instant = datetime(
            int(year),
            int(month or 1),
            int(day or 1),
            int(hour or 0),
            int(minute or 0),
            int(second or 0),
            tzinfo=tz,
        )
        millis = int(instant.timestamp()) * 1000
    except (ValueError, OverflowError):
        return None
    return millis if int(year) in _YEARS else None
