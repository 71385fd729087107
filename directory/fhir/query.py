"""Reads a FHIR search from its parameters (FHIR R4 §3.1.1): bounded, escaped, strict or lenient. Knows no data."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TYPE_CHECKING

from directory.fhir.parameters import (
    INCLUDES,
    KNOWN_INCLUDES,
    KNOWN_REVERSE_INCLUDES,
    PARAMETERS,
    REVERSE_INCLUDES,
    SearchParameter,
)
from directory.fhir.systems import SYNONYMS, ResourceType
from foundation.fhir.capability import Kind
from foundation.fhir.outcome import Refused
from foundation.fhir.search import (
    DateRange,
    Token,
    bound,
    date_of,
    is_name,
    shown,
    split,
    token_of,
    unescaped,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

DEFAULT_COUNT = 50
MOST_COUNT = 10_000


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


def parse(kinds: Sequence[ResourceType], pairs: Sequence[tuple[str, str]], *, strict: bool) -> Query:
    """The search of these resource types that decoded parameters ask for.

    Raises Refused: always for what is malformed; for what is not known only where `strict`, otherwise it is left
    out and told (FHIR R4 §3.1.1.1, Prefer: handling).
    """
    bound(pairs)
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
                # It asks for nothing (FHIR R4 §3.1.1.4); whoever left it empty by mistake takes all for what was meant.
                ignored.append(f"Paramètre sans valeur ignoré : {shown(name)}.")
                continue
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
                values.append(date_of(each, parameter.name))
            case Kind.STRING | Kind.REFERENCE:
                values.append(unescaped(each))
    return Criterion(parameter, modifier, tuple(values))


def _token(text: str, parameter: SearchParameter) -> Token:
    token = token_of(text, parameter.name)
    return Token(SYNONYMS.get(token.system, token.system), token.code) if token.system else token


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
    if not all(is_name(name) for name in names):
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
