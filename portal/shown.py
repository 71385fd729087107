"""How values are shown to a person: dates on the clocks of Paris, sizes in French units, names without tricks."""

from __future__ import annotations

import unicodedata
from datetime import date, datetime, timedelta

from foundation.clock import from_millis, to_paris

_MONTHS = (
    "janvier",
    "février",
    "mars",
    "avril",
    "mai",
    "juin",
    "juillet",
    "août",
    "septembre",
    "octobre",
    "novembre",
    "décembre",
)
_INVISIBLE = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_JOINERS_AND_BREAKS = frozenset("\u200c\u200d\t\r\n")
_LONGEST_NAME = 200
_FIRST_YEAR = 1900
_LAST_YEAR = 2199
UNKNOWN = "date inconnue"


def paris(millis: int) -> datetime | None:
    """A stored time on the clocks of Paris; None for one that nobody can have meant.

    Documents carry the times that software wrote into them: the year 1 and the year 9999 are common.
    """
    try:
        when = to_paris(from_millis(millis))
    except (OSError, OverflowError, ValueError):
        return None
    return when if _FIRST_YEAR <= when.year <= _LAST_YEAR else None


def machine_time(millis: int) -> str:
    """The `datetime` attribute of `<time>`, empty for an unknown time."""
    when = paris(millis)
    return when.isoformat(timespec="seconds") if when is not None else ""


def moment(millis: int, now: int) -> str:
    """« 14:32 » today, « Hier 14:32 », « 12 mars », « 12 mars 2025 » another year."""
    when, present = paris(millis), paris(now)
    if when is None:
        return UNKNOWN
    if present is None:
        return long_day(when.date())
    today = present.date()
    if when.date() == today:
        return f"{when:%H:%M}"
    if when.date() == today - timedelta(days=1):
        return f"Hier {when:%H:%M}"
    return day(when.date(), today)


def full_moment(millis: int) -> str:
    """« 12 mars 2026 à 14:32 »."""
    when = paris(millis)
    return f"{long_day(when.date())} à {when:%H:%M}" if when is not None else UNKNOWN


def day(value: date, today: date) -> str:
    """« 12 mars », with the year unless it is this one."""
    return long_day(value).rpartition(" ")[0] if value.year == today.year else long_day(value)


def long_day(value: date) -> str:
    """« 1er mars 2026 »."""
    number = "1er" if value.day == 1 else str(value.day)
    return f"{number} {_MONTHS[value.month - 1]} {value.year}"


def birth_day(text: str) -> str:
    """« 1er mars 1979 » of "1979-03-01"; a lunar date, whose day or month nobody knows, as it stands."""
    try:
        return long_day(date.fromisoformat(text))
    except ValueError:
        return text


def date_of(millis: int) -> str:
    """The day of a stored time: « 12 mars 2026 »."""
    when = paris(millis)
    return long_day(when.date()) if when is not None else UNKNOWN


def size(octets: int) -> str:
    """« 830 octets », « 12 Ko », « 3,4 Mo »."""
    if octets < 1000:
        return f"{octets} octet{'s' if octets > 1 else ''}"
    if octets < 1_000_000:
        return f"{(octets + 999) // 1000} Ko"
    return f"{octets / 1_000_000:.1f}".replace(".", ",").replace(",0", "") + " Mo"


def plain(text: str) -> str:
    """A name from outside without controls, invisible and direction-changing characters, and not endless."""
    kept = "".join(
        " " if character in "\t\r\n" else character
        for character in text[: 4 * _LONGEST_NAME]
        if character in _JOINERS_AND_BREAKS or unicodedata.category(character) not in _INVISIBLE
    )
    shown = " ".join(kept.split())
    return shown if len(shown) <= _LONGEST_NAME else shown[: _LONGEST_NAME - 1] + "…"
