"""Reads a search of the record from its parameters, strictly: what is not understood is refused. Knows no data."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from dmp_bridge.entry import Identifier
from dmp_bridge.fhir import systems
from dmp_bridge.fhir.elements import ins_of
from dmp_bridge.fhir.parameters import PARAMETERS
from foundation.fhir.capability import Kind
from foundation.fhir.outcome import Refused
from foundation.fhir.search import bound, date_of, shown, split, token_of, unescaped

if TYPE_CHECKING:
    from collections.abc import Sequence

    from foundation.fhir.search import Token

DEFAULT_COUNT = 50
MOST_COUNT = 1000
_FORMATS = frozenset({"json", "application/json", "application/fhir+json", "text/json"})
_AFTER, _BEFORE = frozenset({"gt", "sa"}), frozenset({"lt", "eb"})

Range = tuple[int | None, int | None]


@dataclass(frozen=True, slots=True)
class Search:
    """A search as understood: alternatives by parameter (several mentions of one are all to be met)."""

    ins: str = field(default="", repr=False)
    patient_id: str = ""
    tokens: dict[str, tuple[Token, ...]] = field(default_factory=dict)
    texts: dict[str, str] = field(default_factory=dict)
    ranges: dict[str, Range] = field(default_factory=dict)
    count: int = DEFAULT_COUNT
    pairs: tuple[tuple[str, str], ...] = ()

    def codes(self, name: str) -> tuple[str, ...]:
        """The codes of a token parameter, () where it is not there."""
        return tuple(each.code for each in self.tokens.get(name, ()))

    def code(self, name: str) -> str:
        """The one code of a token parameter; raises Refused (400) for several."""
        codes = self.codes(name)
        if len(codes) > 1:
            raise Refused(400, "not-supported", "Ce paramètre a une seule valeur.", expression=name)
        return codes[0] if codes else ""

    def range(self, name: str) -> Range:
        """From and before, in epoch milliseconds."""
        return self.ranges.get(name, (None, None))


# ref: DMP-F32
def parse(kind: str, pairs: Sequence[tuple[str, str]]) -> Search:
    """The search of one resource type that decoded parameters ask for; raises Refused (400, 406)."""
    bound(pairs)
    told: dict[str, object] = {}
    search = Search(pairs=tuple(pairs))
    count = DEFAULT_COUNT
    ins = patient_id = ""
    for written, value in pairs:
        name, _, modifier = written.partition(":")
        if name == "_count":
            count = _count(value)
        elif name == "_format":
            if value.partition(";")[0].strip().replace(" ", "+").lower() not in _FORMATS:
                raise Refused(406, "not-supported", "Seul le format JSON est servi.", expression="_format")
        elif (parameter := PARAMETERS[kind].get(name)) is None:
            raise Refused(
                400,
                "not-supported",
                "Un paramètre de recherche n'est pas connu pour cette ressource.",
                expression=shown(name),
            )
        elif modifier and (name, modifier) != ("related", "identifier"):
            raise Refused(400, "not-supported", "Ce modificateur n'est pas servi.", expression=name)
        elif not value:
            continue  # an empty value asks for nothing (FHIR R4 §3.1.1.4)
        elif name in told and parameter.kind is not Kind.DATE:
            raise Refused(
                400,
                "not-supported",
                "Ce paramètre se dit une fois, ses valeurs séparées par des virgules.",
                expression=name,
            )
        else:
            told[name] = value
            if parameter.kind is Kind.DATE:
                search.ranges[name] = _narrowed(search.range(name), value, name)
            elif parameter.kind is Kind.STRING:
                search.texts[name] = unescaped(value)
            elif name == "patient":
                ins, patient_id = _patient(value)
            elif name == "patient.identifier" or kind == "Patient":
                ins = _ins(_tokens(value, name), name)
            else:
                search.tokens[name] = _tokens(value, name)
    return Search(ins, patient_id, search.tokens, search.texts, search.ranges, count, tuple(pairs))


def _count(value: str) -> int:
    if not value.isascii() or not value.isdecimal() or not int(value[:9]):
        raise Refused(400, "value", "_count est un nombre entier positif.", expression="_count")
    return min(int(value[:9]), MOST_COUNT)


def _tokens(value: str, name: str) -> tuple[Token, ...]:
    return tuple(token_of(each, name) for each in split(value, ",") if each)


def _ins(tokens: Sequence[Token], name: str) -> str:
    if len(tokens) != 1:
        raise Refused(400, "value", "Une recherche concerne un seul patient.", expression=name)
    token = tokens[0]
    return ins_of(Identifier(token.code, systems.oid_of(token.system or "")), name)


def _patient(value: str) -> tuple[str, str]:
    """The INS, or the id in this service."""
    _, _, query = value.partition("Patient?identifier=")
    if query:
        return _ins((token_of(query, "patient"),), "patient"), ""
    return "", value.rpartition("/")[2]


def _narrowed(known: Range, value: str, name: str) -> Range:
    found = date_of(value, name)
    since: int | None = None
    until: int | None = None
    if found.prefix in _AFTER:
        since = found.end
    elif found.prefix == "ge":
        since = found.start
    elif found.prefix in _BEFORE:
        until = found.start
    elif found.prefix == "le":
        until = found.end
    elif found.prefix == "eq":
        since, until = found.start, found.end
    else:
        raise Refused(400, "not-supported", "Ce préfixe de date n'est pas servi.", expression=name)
    first = max((each for each in (known[0], since) if each is not None), default=None)
    last = min((each for each in (known[1], until) if each is not None), default=None)
    return first, last
