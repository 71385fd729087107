"""Dates of IMAP: date-time of APPEND and INTERNALDATE, date of SEARCH (RFC 3501 §9)."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta, timezone
from typing import TYPE_CHECKING

from mailserver.imap.grammar.errors import ParseError

if TYPE_CHECKING:
    from datetime import tzinfo

    from mailserver.imap.grammar.cursor import Cursor

MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_NUMBER_OF = {name.upper().encode("ascii"): number for number, name in enumerate(MONTHS, 1)}

_DATE = re.compile(rb"([0-9]{1,2})-([A-Za-z]{3})-([0-9]{4})")
_DATE_TIME = re.compile(
    rb"([ 0-9][0-9])-([A-Za-z]{3})-([0-9]{4}) ([0-9]{2}):([0-9]{2}):([0-9]{2}) ([+-])([0-9]{2})([0-9]{2})"
)


def parse_date(cursor: Cursor) -> date:
    """date = date-text / DQUOTE date-text DQUOTE"""
    text = cursor.astring()
    found = _DATE.fullmatch(text)
    if found is None:
        raise ParseError("Expected a date such as 1-Feb-2026")
    day, month, year = found.groups()
    try:
        return date(int(year), _NUMBER_OF[month.upper()], int(day))
    except (KeyError, ValueError):
        raise ParseError("There is no such day") from None


def parse_date_time(cursor: Cursor) -> int:
    """date-time, in epoch milliseconds."""
    found = _DATE_TIME.fullmatch(cursor.string())
    if found is None:
        raise ParseError('Expected a date such as " 1-Feb-2026 12:00:00 +0100"')
    day, month, year, hour, minute, second, sign, zone_hours, zone_minutes = found.groups()
    offset = timedelta(hours=int(zone_hours), minutes=int(zone_minutes))
    try:
        instant = datetime(
            int(year),
            _NUMBER_OF[month.upper()],
            int(day),
            int(hour),
            int(minute),
            min(int(second), 59),
            tzinfo=timezone(-offset if sign == b"-" else offset),
        )
        return int(instant.timestamp()) * 1000
    except (KeyError, ValueError, OverflowError):
        raise ParseError("There is no such instant") from None


def format_date_time(millis: int, zone: tzinfo = UTC) -> bytes:
    """date-time with its quotes, in the given zone."""
    instant = datetime.fromtimestamp(millis // 1000, zone)
    offset = instant.utcoffset() or timedelta()
    minutes = int(offset.total_seconds()) // 60
    sign = "-" if minutes < 0 else "+"
    return (
        f'"{instant.day:2d}-{MONTHS[instant.month - 1]}-{instant.year:04d}'
        f" {instant.hour:02d}:{instant.minute:02d}:{instant.second:02d}"
        f' {sign}{abs(minutes) // 60:02d}{abs(minutes) % 60:02d}"'
    ).encode("ascii")
