"""Reads a FHIR search from its parameters (FHIR R4 §3.1.1): bounded, escaped, strict or lenient. Knows no data."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING

from directory.fhir.outcome import Refused
from directory.fhir.parameters import (
    INCLUDES,
    KNOWN_INCLUDES,
    KNOWN_REVERSE_INCLUDES,
    PARAMETERS,
    REVERSE_INCLUDES,
    Kind,
    SearchParameter,
)
from directory.fhir.systems import SYNONYMS, ResourceType
from foundation.clock import to_millis

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

MOST_PARAMETERS = 50
MOST_ALTERNATIVES = 200
LONGEST_QUERY = 4000
"""Of all names and values together: the query travels in the token of the next page."""
LONGEST_VALUE = 500
DEFAULT_COUNT = 50
MOST_COUNT = 10_000
NEXT_PAGE = "_page_token"


class Summary(StrEnum):
    """What of the resources is told (`_summary`)."""

    FALSE = "false"
    TRUE = "true"
    TEXT = "text"
    DATA = "data"
    COUNT = "count"


class Total(StrEnum):
    """Whether the number of matches is wanted (`_total`)."""

    NONE = "none"
    ESTIMATE = "estimate"
    ACCURATE = "accurate"


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


@dataclass(frozen=True, slots=True)
class Criterion:
    """One parameter: met where one of its values is. Several criteria are all to be met."""

    parameter: SearchParameter
    modifier: str
    values: tuple[str | Token | DateRange, ...]


@dataclass(frozen=True, slots=True)
class Query:
    """A search as understood."""

    kinds: tuple[ResourceType, ...]
    criteria: tuple[Criterion, ...] = ()
    count: int = DEFAULT_COUNT
    total: Total | None = None
    summary: Summary = Summary.FALSE
    elements: frozenset[str] | None = None
    includes: frozenset[str] = frozenset()
    reverse_includes: frozenset[str] = frozenset()
    pretty: bool = False
    pairs: tuple[tuple[str, str], ...] = ()
    """What was understood, for the link to itself."""
    ignored: tuple[str, ...] = field(default=())
    """Sentences about what was left out."""


_FORMATS = frozenset({"json", "application/json", "application/fhir+json", "text/json"})
_NAME = re.compile(r"_?[A-Za-z][A-Za-z.-]{0,40}")
_DATE = re.compile(
    r"(eq|ne|gt|lt|ge|le|sa|eb|ap)?"
    r"([0-9]{4})(?:-([0-9]{2})(?:-([0-9]{2})"
    r"(?:T([0-9]{2}):([0-9]{2})(?::([0-9]{2})(?:\.([0-9]{1,9}))?)?(Z|[+-][0-9]{2}:[0-9]{2})?)?)?)?"
)


def parse(kinds: Sequence[ResourceType], pairs: Sequence[tuple[str, str]], *, strict: bool) -> Query:
    """The search of these resource types that decoded parameters ask for.

    Raises Refused: always for what is malformed; for what is not known only where `strict`, otherwise it is left
    out and told (FHIR R4 §3.1.1.1, Prefer: handling).
    """
    _bound(pairs)
    query = Query(tuple(kinds))
    criteria: list[Criterion] = []
    understood: list[tuple[str, str]] = []
    ignored: list[str] = []
    for written, value in pairs:
        name, _, modifier = written.partition(":")
        if name in _CONTROLS:
            if modifier:
                raise Refused(
                    400, "not-supported", "Un modificateur n'est pas connu.", expression=shown(name)
                )
            query, known = _CONTROLS[name](query, value)
        else:
            parameters = [PARAMETERS[kind].get(name) for kind in kinds]
            known = bool(value) and all(each is not None for each in parameters)
            if not value and all(parameters):
                continue  # an empty value asks for nothing (FHIR R4 §3.1.1.4)
            first = parameters[0]
            if known and first is not None:
                criteria.append(criterion(first, modifier, value))
                if not first.stored:
                    ignored.append(f"{name} : {first.documentation}")
        if known:
            understood.append((written, value))
        elif strict:
            raise Refused(
                400,
                "not-supported",
                "Un paramètre de recherche n'est pas connu pour cette ressource ; avec Prefer: handling=lenient il est ignoré.",
                expression=shown(name),
            )
        else:
            ignored.append(f"Paramètre ignoré : {shown(name) or 'illisible'}.")
    return replace(
        query, criteria=tuple(criteria), pairs=tuple(understood), ignored=tuple(dict.fromkeys(ignored))
    )


def criterion(parameter: SearchParameter, modifier: str, text: str) -> Criterion:
    """One parameter with the alternatives of its value; raises Refused."""
    if modifier and modifier not in parameter.modifiers:
        raise Refused(
            400,
            "not-supported",
            "Ce modificateur n'est pas servi pour ce paramètre.",
            expression=parameter.name,
        )
    alternatives = split(text, ",")
    values: list[str | Token | DateRange] = []
    for each in alternatives:
        if not each:
            continue
        match parameter.kind:
            case Kind.CODED:
                values.append(_token(each, parameter))
            case Kind.DATE:
                values.append(_date(each, parameter))
            case Kind.STRING | Kind.REFERENCE:
                values.append(unescaped(each))
    return Criterion(parameter, modifier, tuple(values))


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


def shown(name: str) -> str | None:
    """A name that may be quoted in an answer; None for anything that is not one."""
    return name if _NAME.fullmatch(name) else None


def _bound(pairs: Sequence[tuple[str, str]]) -> None:
    if len(pairs) > MOST_PARAMETERS:
        raise Refused(400, "too-costly", f"Une recherche a au plus {MOST_PARAMETERS} paramètres.")
    if sum(len(name) + len(value) for name, value in pairs) > LONGEST_QUERY:
        raise Refused(400, "too-long", f"Une recherche a au plus {LONGEST_QUERY} caractères.")
    if sum(value.count(",") + 1 for _, value in pairs) > MOST_ALTERNATIVES:
        raise Refused(400, "too-costly", f"Une recherche a au plus {MOST_ALTERNATIVES} valeurs.")
    if any("\x00" in name or "\x00" in value for name, value in pairs):
        raise Refused(400, "value", "Un paramètre contient un caractère interdit.")


def _token(text: str, parameter: SearchParameter) -> Token:
    parts = split(text, "|")
    if len(parts) > 2 or parts == ["", ""]:
        raise Refused(
            400, "value", "Une valeur n'est pas de la forme système|code.", expression=parameter.name
        )
    if len(parts) == 1:
        return Token(None, unescaped(parts[0]))
    system = unescaped(parts[0])
    return Token(SYNONYMS.get(system, system), unescaped(parts[1]))


def _date(text: str, parameter: SearchParameter) -> DateRange:
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
        raise Refused(400, "value", "Une date n'est pas lisible.", expression=parameter.name) from error


def _count(query: Query, value: str) -> tuple[Query, bool]:
    if not value.isascii() or not value.isdecimal():
        raise Refused(400, "value", "_count est un nombre entier positif.", expression="_count")
    count = min(int(value[:9]), MOST_COUNT)
    if count == 0:
        return replace(query, summary=Summary.COUNT), True
    return replace(query, count=count), True


def _total(query: Query, value: str) -> tuple[Query, bool]:
    if value not in set(Total):
        raise Refused(400, "value", "_total vaut none, estimate ou accurate.", expression="_total")
    return replace(query, total=Total(value)), True


def _summary(query: Query, value: str) -> tuple[Query, bool]:
    if value not in set(Summary):
        raise Refused(400, "value", "_summary vaut true, text, data, count ou false.", expression="_summary")
    return replace(query, summary=Summary(value)), True


def _elements(query: Query, value: str) -> tuple[Query, bool]:
    names = frozenset(each.strip().rpartition(".")[2] for each in value.split(",") if each.strip())
    if not all(_NAME.fullmatch(name) for name in names):
        raise Refused(400, "value", "_elements est une liste de noms d'éléments.", expression="_elements")
    return replace(query, elements=(query.elements or frozenset()) | names), True


def _include(query: Query, value: str) -> tuple[Query, bool]:
    known = {name for kind in query.kinds for name in INCLUDES[kind]}
    wanted, understood = _wanted(value.split(","), known, KNOWN_INCLUDES)
    return replace(query, includes=query.includes | wanted), understood


def _reverse_include(query: Query, value: str) -> tuple[Query, bool]:
    known = {name for kind in query.kinds for name in REVERSE_INCLUDES[kind]}
    wanted, understood = _wanted(value.split(","), known, KNOWN_REVERSE_INCLUDES)
    return replace(query, reverse_includes=query.reverse_includes | wanted), understood


def _wanted(values: Iterable[str], known: set[str], idle: frozenset[str]) -> tuple[set[str], bool]:
    wanted: set[str] = set()
    understood = True
    for value in values:
        name = ":".join(value.split(":")[:2])  # a third part names the type of the target
        if value == "*":
            wanted |= known
        elif name in known:
            wanted.add(name)
        elif name not in idle:
            understood = False
    return wanted, understood


def _format(query: Query, value: str) -> tuple[Query, bool]:
    if value.partition(";")[0].strip().replace(" ", "+").lower() not in _FORMATS:
        raise Refused(406, "not-supported", "Seul le format JSON est servi.", expression="_format")
    return query, True


def _pretty(query: Query, value: str) -> tuple[Query, bool]:
    return replace(query, pretty=value == "true"), True


_CONTROLS = {
    "_count": _count,
    "_total": _total,
    "_summary": _summary,
    "_elements": _elements,
    "_include": _include,
    "_revinclude": _reverse_include,
    "_format": _format,
    "_pretty": _pretty,
}
