"""The parameters of a FHIR search as text (FHIR R4 §3.1.1): bounded, unescaped, tokens and dates. Knows no resource."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from foundation.clock import to_millis
from foundation.fhir.outcome import Refused

if TYPE_CHECKING:
    from collections.abc import Sequence

MOST_PARAMETERS = 50
MOST_ALTERNATIVES = 200
LONGEST_QUERY = 4000
"""Of all names and values together: the query travels in the token of the next page."""

_NAME = re.compile(r"_?[A-Za-z][A-Za-z.-]{0,40}")
_DATE = re.compile(
    r"(eq|ne|gt|lt|ge|le|sa|eb|ap)?"
    r"([0-9]{4})(?:-([0-9]{2})(?:-([0-9]{2})"
    r"(?:T([0-9]{2}):([0-9]{2})(?::([0-9]{2})(?:\.([0-9]{1,9}))?)?(Z|[+-][0-9]{2}:[0-9]{2})?)?)?)?"
)


@dataclass(frozen=True, slots=True)
class Token:
    """`system|code`: None stands for any system, "" for none; an empty code for any."""

    system: str | None
    code: str


@dataclass(frozen=True, slots=True)
class DateRange:
    """`prefix` and the interval of milliseconds, its end not in it, that a date of some precision is."""

    prefix: str
    start: int
    end: int


def bound(pairs: Sequence[tuple[str, str]]) -> None:
    """Raises Refused (400) for more than a search may have."""
    if len(pairs) > MOST_PARAMETERS:
        raise Refused(400, "too-costly", f"Une recherche a au plus {MOST_PARAMETERS} paramètres.")
    if sum(len(name) + len(value) for name, value in pairs) > LONGEST_QUERY:
        raise Refused(400, "too-long", f"Une recherche a au plus {LONGEST_QUERY} caractères.")
    if sum(value.count(",") + 1 for _, value in pairs) > MOST_ALTERNATIVES:
        raise Refused(400, "too-costly", f"Une recherche a au plus {MOST_ALTERNATIVES} valeurs.")
    if any("\x00" in name or "\x00" in value for name, value in pairs):
        raise Refused(400, "value", "Un paramètre contient un caractère interdit.")


def split(text: str, at: str) -> list[str]:
    r"""Parts between separators that no backslash stands before (FHIR R4 §3.1.1.4.10); escapes stay."""
    parts, start, place = [], 0, 0
    while place < len(text):
        if text[place] == "\\":
            place += 2
            continue
        if text[place] == at:
            parts.append(text[start:place])
            start = place + 1
        place += 1
    return [*parts, text[start:]]


def unescaped(text: str) -> str:
    r"""``a\,b`` → ``a,b``; a backslash before any other character stays."""
    return re.sub(r"\\([\\,$|])", r"\1", text)


def is_name(text: str) -> bool:
    """Whether this may be the name of a parameter or an element."""
    return _NAME.fullmatch(text) is not None


def shown(name: str) -> str | None:
    """A name that may be quoted in an answer; None for anything that is not one."""
    return name if is_name(name) else None


def token_of(text: str, name: str) -> Token:
    """One alternative of the token parameter `name`; raises Refused."""
    parts = split(text, "|")
    if len(parts) > 2 or parts == ["", ""]:
        raise Refused(400, "value", "Une valeur n'est pas de la forme système|code.", expression=name)
    if len(parts) == 1:
        return Token(None, unescaped(parts[0]))
    return Token(unescaped(parts[0]), unescaped(parts[1]))


def date_of(text: str, name: str) -> DateRange:
    """One alternative of the date parameter `name`; a date without zone is of UTC. Raises Refused."""
    found = _DATE.fullmatch(text.replace(" ", "+"))  # a plus that was not percent-encoded
    try:
        if found is None:
            raise ValueError
        prefix, year, month, day, hour, minute, second, fraction, zone = found.groups()
        start = datetime(
            int(year), int(month or 1), int(day or 1), int(hour or 0), int(minute or 0), int(second or 0),
            int((fraction or "0").ljust(6, "0")[:6]), tzinfo=UTC,
        )  # fmt: skip
        if zone and zone != "Z":
            hours, minutes = int(zone[1:3]), int(zone[4:6])
            if hours > 14 or minutes > 59:
                raise ValueError
            start -= (1 if zone[0] == "+" else -1) * timedelta(hours=hours, minutes=minutes)
        if month is None:
            end = start.replace(year=start.year + 1)
        elif day is None:
            end = (start + timedelta(days=31)).replace(day=1)
        elif hour is None:
            end = start + timedelta(days=1)
        elif second is None:
            end = start + timedelta(minutes=1)
        elif fraction is None:
            end = start + timedelta(seconds=1)
        else:
            end = start + timedelta(milliseconds=1)
        return DateRange(prefix or "eq", to_millis(start), to_millis(end))
    except (ValueError, OverflowError) as error:
        raise Refused(400, "value", "Une date n'est pas lisible.", expression=name) from error
