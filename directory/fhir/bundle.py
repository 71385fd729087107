"""Answers to searches as Bundles, written piece by piece: matches, what they include, then the links (FHIR R4 §3.1.1.6).

The total and the link to the next page stand behind the entries, where they are known without looking ahead.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from directory.fhir.names import logical_id
from directory.fhir.paging import Position
from directory.fhir.query import Query, Summary, Total
from directory.fhir.registers import REGISTERS
from directory.fhir.resources import summary_elements
from directory.fhir.search import CHUNK, Plan, plan
from directory.fhir.systems import ResourceType
from directory.fhir.written import resources_of
from foundation.fhir.outcome import warnings
from foundation.fhir.paging import NEXT_PAGE
from foundation.fhir.resources import encoded, subsetted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from directory.annuaire.model import Role
    from directory.annuaire.view import View
    from directory.fhir.paging import PageTokens
    from directory.fhir.written import Written
    from foundation.fhir.resources import Resource

MOST_INCLUDED = 10_000
_UNBOUNDED = 1_000_000_000
_PRACTITIONER, _ROLE, _ORGANIZATION = (
    ResourceType.PRACTITIONER,
    ResourceType.PRACTITIONER_ROLE,
    ResourceType.ORGANIZATION,
)


@dataclass(frozen=True, slots=True)
class Asked:
    """Who asks, and where the service is: what links are made of."""

    base: str
    """The address of the service, without a slash at its end."""
    caller: str
    tokens: PageTokens
    written: Written


class SearchSet:
    """One page of a search. `pieces` gives its bytes; plain functions, for a thread of its own."""

    def __init__(
        self,
        view: View,
        query: Query,
        asked: Asked,
        *,
        begin: Position | None = None,
        total: int | None = None,
    ) -> None:
        self._view = view
        self._query = query
        self._asked = asked
        self._begin = begin or Position()
        self._total = total
        self._pretty = query.pretty
        self._told: set[str] = set()
        self._left_out = False
        self._first = True

    def pieces(self) -> Iterator[bytes]:
        """The Bundle, an entry at a time. Raises TooSlow."""
        plans = [plan(self._view, kind, self._query.criteria) for kind in self._query.kinds]
        if self._query.summary is Summary.COUNT:
            total = sum(each.count(self._view, _UNBOUNDED) for each in plans)
            self._total = total
            yield b'{"resourceType":"Bundle","type":"searchset"' + self._end(None)
            return
        if self._total is None and self._query.total in (Total.ACCURATE, Total.ESTIMATE):
            self._total = sum(each.count(self._view, _UNBOUNDED) for each in plans)
        yield b'{"resourceType":"Bundle","type":"searchset"'
        if self._query.ignored and self._begin == Position():
            yield self._entry(encoded(warnings(self._query.ignored), pretty=self._pretty), "outcome")
        matches = _Matches(self._view, plans, self._begin, self._query.count)
        inclusions = _Inclusions(self._view, self._query)
        found, linked = matches.rows(), inclusions.rows()
        while some := list(islice(found, CHUNK)):
            for kind, row in some:
                inclusions.match(kind, row)
            yield from self._resources(some, "match")
        while some := list(islice(linked, CHUNK)):
            yield from self._resources(some, "include")
        if inclusions.left_out:
            told = warnings([f"Au plus {MOST_INCLUDED} ressources liées sont données par page."])
            yield self._entry(encoded(told, pretty=self._pretty), "outcome")
        if self._begin == Position() and matches.following is None and self._total is None:
            self._total = matches.given
        yield (b"" if self._first else b"]") + self._end(matches.following)

    def _resources(self, rows: list[tuple[ResourceType, Any]], mode: str) -> Iterator[bytes]:
        """The entries of some rows, each resource once."""
        named = {f"{kind}/{logical_id(kind, REGISTERS[kind].key(row))}": (kind, row) for kind, row in rows}
        fresh = {address: found for address, found in named.items() if address not in self._told}
        self._told |= fresh.keys()
        whole = not self._pretty and all(self._elements(kind) is None for kind, _ in fresh.values())
        if whole:
            # a look at thousands leaves the others what is kept for them
            texts = self._asked.written.texts(self._view, fresh, keep=len(self._told) <= CHUNK)
        else:
            texts = {address: self._part(resource) for address, resource in resources_of(self._view, fresh)}
        for address, text in texts.items():
            yield self._entry(text, mode, f"{self._asked.base}/{address}")

    def _part(self, resource: Resource) -> bytes:
        elements = self._elements(ResourceType(resource["resourceType"]))
        told = resource if elements is None else subsetted(resource, elements)
        return encoded(told, pretty=self._pretty)

    def _entry(self, told: bytes, mode: str, address: str | None = None) -> bytes:
        opening = b',"entry":[' if self._first else b","
        self._first = False
        url = b'"fullUrl":"%s",' % address.encode() if address else b""
        return b'%s{%s"resource":%s,"search":{"mode":"%s"}}' % (opening, url, told, mode.encode())

    def _elements(self, kind: ResourceType) -> frozenset[str] | None:
        if self._query.elements is not None:
            return self._query.elements
        match self._query.summary:
            case Summary.TRUE:
                return summary_elements(kind)
            case Summary.TEXT:
                return frozenset()
            case _:
                return None

    def _end(self, following: Position | None) -> bytes:
        query, asked = self._query, self._asked
        place = query.kinds[0].value if len(query.kinds) == 1 else ""
        pairs = [*query.pairs]
        if not place:
            pairs.insert(0, ("_type", ",".join(query.kinds)))
        own = f"{asked.base}/{place}".rstrip("/") + (f"?{urlencode(pairs)}" if pairs else "")
        links: list[Resource] = [{"relation": "self", "url": own}]
        if following is not None:
            token = asked.tokens.seal(asked.caller, self._view.generation, query, following, self._total)
            links.append({"relation": "next", "url": f"{asked.base}?{NEXT_PAGE}={token}"})
        told: Resource = {"link": links}
        if self._total is not None and query.total is not Total.NONE:
            told = {"total": self._total, **told}
        return b"," + encoded(told)[1:]


class _Matches:
    """The rows of a page, over several resource types one after the other."""

    def __init__(self, view: View, plans: list[Plan], begin: Position, count: int) -> None:
        self._view = view
        self._plans = plans
        self._begin = begin
        self._count = count
        self.given = 0
        self.following: Position | None = None

    def rows(self) -> Iterator[tuple[ResourceType, Any]]:
        last = self._begin
        for place in range(self._begin.kind, len(self._plans)):
            after = self._begin.after if place == self._begin.kind else ""
            each = self._plans[place]
            for position, row in each.rows(self._view, after, self._count - self.given + 1):
                if self.given == self._count:
                    self.following = last
                    return
                self.given += 1
                last = Position(place, position)
                yield each.kind, row


class _Inclusions:
    """What `_include` and `_revinclude` add to the matches, each once."""

    def __init__(self, view: View, query: Query) -> None:
        self._view = view
        self._query = query
        self._people: dict[str, None] = {}
        self._places: dict[str, None] = {}
        self._of_people: dict[str, None] = {}
        self._of_places: dict[str, None] = {}
        self.left_out = False

    def match(self, kind: ResourceType, row: Any) -> None:
        wanted, reverse = self._query.includes, self._query.reverse_includes
        if kind is _ROLE:
            if "PractitionerRole:practitioner" in wanted:
                self._people[row.idnat] = None
            if "PractitionerRole:organization" in wanted and row.structure_id:
                self._places[row.structure_id] = None
        elif kind is _PRACTITIONER and "PractitionerRole:practitioner" in reverse:
            self._of_people[row.idnat] = None
        elif kind is _ORGANIZATION and "PractitionerRole:organization" in reverse:
            self._of_places[row.id] = None

    def rows(self) -> Iterator[tuple[ResourceType, Any]]:
        for given, found in enumerate(self._rows()):
            if given == MOST_INCLUDED:
                self.left_out = True
                return
            yield found

    def _rows(self) -> Iterator[tuple[ResourceType, Any]]:
        for kind, keys in ((_PRACTITIONER, self._people), (_ORGANIZATION, self._places)):
            for key in keys:
                row = REGISTERS[kind].find(self._view, key)
                if row is not None:
                    yield kind, row
        for key in self._of_people:
            yield from ((_ROLE, role) for role in self._view.roles_of_person(key))
        for key in self._of_places:
            yield from ((_ROLE, role) for role in self._all_roles(key))

    def _all_roles(self, structure_id: str) -> Iterator[Role]:
        after = ""
        while found := self._view.roles_of_structure(structure_id, CHUNK, after=after):
            yield from found
            after = found[-1].id
