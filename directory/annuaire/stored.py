"""A view over the files of one generation and what this operator says itself."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from heapq import merge
from itertools import islice, repeat
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import msgspec

from directory.annuaire import overlay
from directory.annuaire.bearers import judge_of_persons, judge_of_roles, judge_of_structures, skills_of
from directory.annuaire.compile import Compiler
from directory.annuaire.conditions import All, Equal, Not, Nothing, Present
from directory.annuaire.engine import Engine
from directory.annuaire.fields import Field
from directory.annuaire.known import Known
from directory.annuaire.lookups import LONE_ROLE, QUALIFYING, Lookup, Lookups
from directory.annuaire.matching import judge_of_mailboxes
from directory.annuaire.model import Mailbox, Person, Role, Skill, Structure
from directory.annuaire.plans import NOTHING, Clause, Plan
from directory.annuaire.ranking import by_name, corrected, exactly, is_narrow
from directory.annuaire.shelves import MAILBOXES, OURS, PERSONS, ROLES, STRUCTURES
from directory.bals import BalType
from directory.extracts import ExtractKind

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping

    from directory.annuaire.conditions import Condition
    from directory.annuaire.files import Files
    from directory.annuaire.overlay import Overlay
    from directory.annuaire.plans import Way
    from directory.annuaire.shelves import Shelf

R = TypeVar("R")
_TYPES = {kind.value: kind for kind in BalType}
_MOST_RECENT = 500
_LONE = {
    "person": Clause("NOT EXISTS (SELECT 1 FROM people.person p WHERE p.idnat = m.idnat)"),
    "structure": Clause("NOT EXISTS (SELECT 1 FROM people.structure p WHERE p.idnat = m.idnat)"),
    "role": Clause(LONE_ROLE),
}
"""Of those whom a mailbox names, the ones whom the activities do not name."""


_KEYED = {
    Field.ADDRESS: MAILBOXES,
    Field.IDNAT: PERSONS,
    Field.ROLE_ID: ROLES,
    Field.STRUCTURE_ID: STRUCTURES,
}


class StoredView:
    """See `directory.annuaire.view.View`."""

    def __init__(self, files: Files, ours: Overlay, seconds: float) -> None:
        self._files = files
        self._ours = ours
        self._version = ours.version
        self._seconds = seconds
        self._lookups = Lookups(files, self._engine("boxes", MAILBOXES).at)

    @property
    def generation(self) -> str:
        return self._files.generation.name

    @property
    def version(self) -> int:
        return self._version

    @property
    def generated_at(self) -> int:
        part = self._files.generation.parts.get(ExtractKind.MAILBOXES)
        return part.generated_at if part is not None else 0

    # Mailboxes

    def mailboxes(
        self,
        condition: Condition,
        limit: int,
        *,
        own_structure: str | None = None,
        recent: Collection[str] = frozenset(),
    ) -> list[Mailbox]:
        with self._files.within(self._seconds):
            found = self._ranked(condition, limit, own_structure, recent)
            near = self._near(condition) if not found and limit > 0 else None
            return found if near is None else self._ranked(near, limit, own_structure, recent)

    def page(self, condition: Condition, limit: int, *, after: str = "") -> list[Mailbox]:
        return self._page(condition, limit, after, self._boxes)

    def count(self, condition: Condition, at_most: int) -> int:
        return self._count(condition, at_most, self._counted_boxes)

    def mailbox(self, address: str) -> Mailbox | None:
        return next(iter(self.page(Equal(Field.ADDRESS, address), 1)), None)

    def mailboxes_of_person(self, idnat: str) -> list[Mailbox]:
        with self._files.within(self._seconds):
            return self.boxes_of("idnat", idnat)

    def mailboxes_of_structure(self, structure_id: str) -> list[Mailbox]:
        with self._files.within(self._seconds):
            return self.boxes_of("structure_id", structure_id)

    def own_mailboxes(self, structure_id: str, limit: int) -> list[Mailbox]:
        own = All((Equal(Field.STRUCTURE_ID, structure_id), Not(Present(Field.IDNAT))))
        with self._files.within(self._seconds):
            return self._with_ours(Lookup.OWN_BOXES_OF_STRUCTURE, structure_id, own)[:limit]

    def expect(self, wanted: Mapping[Lookup, Collection[str]]) -> None:
        with self._files.within(self._seconds):
            for what, keys in wanted.items():
                self._lookups.expect(what, keys)

    def removed_at(self, field: Field, key: str) -> int | None:
        shelf = _KEYED[field]
        if shelf is MAILBOXES:
            key = key.lower()
            if key in self._ours.addresses:
                return self._ours.removed.get(key)
        schemas = ("boxes",) if shelf is MAILBOXES else ("people", "boxes")
        if any(self._row(schema, shelf, shelf.key, key) is not None for schema in schemas):
            return None
        tombs = " UNION ALL ".join(
            f"SELECT removed_at FROM {schema}.tombstone WHERE shelf = '{shelf.table}' AND key = ?1"
            for schema in schemas
        )
        removed_at: int | None = self._one(f"SELECT max(removed_at) FROM ({tombs})", key)[0]
        return removed_at

    # Persons, roles, structures

    def person(self, idnat: str) -> Person | None:
        with self._files.within(self._seconds):
            found = self._lookups.rows(Lookup.PERSON, idnat)
            if found:
                return self._qualified(Person(*found[0]))
            boxes = [box for box in self.boxes_of("idnat", idnat) if box.last_name]
            return _bearer(boxes[0]) if boxes else None

    def persons(self, condition: Condition, limit: int, *, after: str = "") -> list[Person]:
        with self._files.within(self._seconds):
            found = self._page(condition, limit, after, partial(self._merged, PERSONS))
            keys = {person.idnat for person in found}
            self.expect(dict.fromkeys(QUALIFYING, keys))
            return [self._qualified(person) for person in found]

    def count_persons(self, condition: Condition, at_most: int) -> int:
        return self._count(condition, at_most, partial(self._counted, PERSONS))

    def role(self, role_id: str) -> Role | None:
        for schema in ("people", "boxes"):
            row = self._row(schema, ROLES, "id", role_id)
            if row is not None:
                return Role(*row)
        return None

    def roles_of_person(self, idnat: str) -> list[Role]:
        with self._files.within(self._seconds):
            return self.roles_of(idnat)

    def roles_of_structure(self, structure_id: str, limit: int, *, after: str = "") -> list[Role]:
        return self.roles(Equal(Field.STRUCTURE_ID, structure_id), limit, after=after)

    def roles(self, condition: Condition, limit: int, *, after: str = "") -> list[Role]:
        return self._page(condition, limit, after, partial(self._merged, ROLES))

    def count_roles(self, condition: Condition, at_most: int) -> int:
        return self._count(condition, at_most, partial(self._counted, ROLES))

    def structure(self, structure_id: str) -> Structure | None:
        with self._files.within(self._seconds):
            found = self._lookups.rows(Lookup.STRUCTURE, structure_id)
            return Structure(*found[0]) if found else None

    def names_of_structure(self, structure_id: str) -> frozenset[str]:
        with self._files.within(self._seconds):
            found = self._lookups.rows(Lookup.NAMES_OF_STRUCTURE, structure_id)
            return frozenset({structure_id, *(name for name in (found[0] if found else ()) if name)})

    def structures(self, condition: Condition, limit: int, *, after: str = "") -> list[Structure]:
        return self._page(condition, limit, after, partial(self._merged, STRUCTURES))

    def count_structures(self, condition: Condition, at_most: int) -> int:
        return self._count(condition, at_most, partial(self._counted, STRUCTURES))

    def label(self, nomenclature: str, code: str) -> str | None:
        return self._known().label(nomenclature, code)

    # What rows are judged by: directory.annuaire.bearers.LooksUp

    def boxes_of(self, column: str, value: str) -> list[Mailbox]:
        what, field = _BOXES_OF[column]
        return self._with_ours(what, value, Equal(field, value))

    def roles_of(self, idnat: str) -> list[Role]:
        return [Role(*row) for row in self._lookups.rows(Lookup.ROLES_OF_PERSON, idnat)]

    def qualifications(self, source: str, idnat: str) -> tuple[Skill, ...]:
        return tuple(Skill(*row) for row in self._lookups.rows(_QUALIFICATIONS[source], idnat))

    # How

    def _with_ours(self, what: Lookup, key: str, condition: Condition) -> list[Mailbox]:
        """The mailboxes that are looked up, by address; `condition` says the same of those published here."""
        shadowed = self._ours.addresses
        boxes = [box for box in self._lookups.boxes(what, key) if box.address not in shadowed]
        ours = self._published(condition)
        return sorted([*boxes, *ours], key=lambda box: box.address) if ours else boxes

    def _near(self, condition: Condition) -> Condition | None:
        """What is meant where nothing meets a condition; None where no free word can be a typing error."""
        return corrected(condition, self._known().close_names)

    def _page(
        self,
        condition: Condition,
        limit: int,
        after: str,
        rows: Callable[[Condition, str], Iterator[R]],
    ) -> list[R]:
        """The next rows. Every page of a search decides alike whether its words are corrected: where it finds nothing."""
        with self._files.within(self._seconds):
            found = list(islice(rows(condition, after), max(limit, 0)))
            near = self._near(condition) if not found and limit > 0 else None
            if near is None or (after and next(rows(condition, ""), None) is not None):
                return found
            return list(islice(rows(near, after), limit))

    def _count(self, condition: Condition, at_most: int, counted: Callable[[Condition, int], int]) -> int:
        with self._files.within(self._seconds):
            found = counted(condition, at_most)
            near = self._near(condition) if not found and at_most > 0 else None
            return found if near is None else counted(near, at_most)

    def _ranked(
        self, condition: Condition, limit: int, own_structure: str | None, recent: Collection[str]
    ) -> list[Mailbox]:
        """Those one writes to, those of one's structure, those that are called so, all others; each by name."""
        if limit <= 0:
            return []
        whole, named = exactly(condition), dict[str, Mailbox]()
        way = self._way("boxes", MAILBOXES, whole) if whole is not None else NOTHING
        if whole is not None and way.size >= limit and not is_narrow(condition):
            named = self._first(whole, limit, way)
        # where those that are called so fill the list, nobody looks at the others
        found = named if len(named) == limit else self._first(condition, limit + 1)
        if len(named) < limit >= len(found):
            is_called_so = judge_of_mailboxes(whole or Nothing())
            named = {address: box for address, box in found.items() if is_called_so(box)}
        else:
            # there are more than are wanted: the better ones are asked for as well
            if whole is not None and not named:
                named = self._first(whole, limit, way)
            found = found | named | self._of_addresses(condition, islice(sorted(recent), _MOST_RECENT))
            if own_structure is not None:
                found |= self._first(All((condition, Equal(Field.STRUCTURE_ID, own_structure))), limit)
        ordered = sorted(found.values(), key=by_name)
        if named:
            ordered.sort(key=lambda box: box.address not in named)
        if own_structure is not None:
            ordered.sort(key=lambda box: box.structure_id != own_structure)
        if recent:
            ordered.sort(key=lambda box: box.address not in recent)
        return ordered[:limit]

    def _first(self, condition: Condition, limit: int, way: Way | None = None) -> dict[str, Mailbox]:
        return {box.address: box for box in islice(self._boxes(condition, way=way, at_first=limit), limit)}

    def _of_addresses(self, condition: Condition, addresses: Iterable[str]) -> dict[str, Mailbox]:
        """The mailboxes that meet the condition, of some addresses in order."""
        asked = list(addresses)
        theirs = [address for address in asked if address not in self._ours.addresses]
        way = Plan(len(theirs), keyed=True, exact=False, keys=theirs)
        found = list(self._engine("boxes", MAILBOXES).found(condition, way))
        for address in self._ours.addresses.intersection(asked):
            found += self._published(All((condition, Equal(Field.ADDRESS, address))))
        return {box.address: box for box in found}

    def _boxes(
        self, condition: Condition, after: str = "", *, way: Way | None = None, at_first: int = 0
    ) -> Iterator[Mailbox]:
        """By address; `at_first` is how many will most likely be taken."""
        shadowed = self._ours.addresses
        way = way or self._way("boxes", MAILBOXES, condition)
        found = self._engine("boxes", MAILBOXES).found(condition, way, after=after, at_first=at_first)
        if not shadowed:
            return found
        theirs = (box for box in found if box.address not in shadowed)
        ours = self._published(condition, after)
        return merge(theirs, ours, key=lambda box: box.address) if ours else theirs

    def _published(self, condition: Condition, after: str = "") -> list[Mailbox]:
        """Of what this operator publishes, by address."""
        if not self._ours.rows or not self._ours.said.may_meet(condition):
            return []
        with self._ours.held(self._files.budget.until) as connection:
            engine = Engine(
                connection,
                self._files.budget,
                overlay.SCHEMA,
                OURS,
                make=_box,
                judge=judge_of_mailboxes,
                in_order=False,
            )
            compiler = Compiler(OURS, self._ours.terms, self._known().of_overlay(connection), self._ours.rows)
            way = compiler.way(condition)
            return list(engine.found(condition, way, after=after))

    def _counted_boxes(self, condition: Condition, at_most: int) -> int:
        shadowed = self._ours.addresses
        engine, way = self._engine("boxes", MAILBOXES), self._way("boxes", MAILBOXES, condition)
        if way.exact and not shadowed:
            counted = engine.count(condition, way, at_most)
        else:
            boxes = (box for box in engine.found(condition, way) if box.address not in shadowed)
            counted = sum(1 for _ in islice(boxes, at_most))
        return min(at_most, counted + len(self._published(condition)))

    def _merged(self, shelf: Shelf, condition: Condition, after: str) -> Iterator[Any]:
        """Of both files, by key."""
        found = [
            zip(engine.found(condition, self._way(schema, shelf, condition), after=after), repeat(schema))
            for schema, engine in self._engines(shelf, alone=False)
        ]
        both = merge(*found, key=lambda each: getattr(each[0], shelf.key).lower())
        if self._files.made_beside:
            return (row for row, _ in both)
        # asked when a row's turn has come: the next that is alone may stand behind all that are not
        return (row for row, schema in both if schema == "people" or self._is_alone(shelf, row))

    def _is_alone(self, shelf: Shelf, row: Any) -> bool:
        """Whether the activities do not name what a mailbox names."""
        alone = f"SELECT 1 FROM boxes.{shelf.table} m WHERE m.{shelf.key} = ? AND {_LONE[shelf.table].sql}"
        return self._one(alone, getattr(row, shelf.key)) is not None

    def _counted(self, shelf: Shelf, condition: Condition, at_most: int) -> int:
        counted = 0
        for schema, engine in self._engines(shelf):
            counted += engine.count(condition, self._way(schema, shelf, condition), at_most - counted)
        return counted

    def _engines(self, shelf: Shelf, *, alone: bool = True) -> Iterator[tuple[str, Engine[Any]]]:
        yield "people", self._engine("people", shelf)
        if self._files.rows("boxes", shelf.table):
            bounded = alone and not self._files.made_beside
            yield "boxes", self._engine("boxes", shelf, only=_LONE[shelf.table] if bounded else None)

    def _engine(self, schema: str, shelf: Shelf, only: Clause | None = None) -> Engine[Any]:
        make, judge = self._makers()[shelf.table]
        return Engine(
            self._files.connection,
            self._files.budget,
            schema,
            shelf,
            make=make,
            judge=judge,
            only=only,
            kept=self._files.kept if shelf is MAILBOXES else None,
            decode=_PLACED_BOXES.decode if shelf is MAILBOXES else None,
        )

    def _makers(
        self,
    ) -> dict[str, tuple[Callable[[tuple[Any, ...]], Any], Callable[[Condition], Callable[[Any], bool]]]]:
        return {
            "mailbox": (_box, judge_of_mailboxes),
            "person": (lambda row: Person(*row), partial(judge_of_persons, self)),
            "structure": (lambda row: Structure(*row), partial(judge_of_structures, self)),
            "role": (lambda row: Role(*row), partial(judge_of_roles, self)),
        }

    def _known(self) -> Known:
        # made anew: a view that held what leads back to it would be left to the collector of cycles
        return Known(self._files, self._ours, self._linked)

    def _way(self, schema: str, shelf: Shelf, condition: Condition) -> Way:
        terms = self._files.terms(schema, shelf.table) if shelf.index else self._ours.terms
        rows = self._files.rows(schema, shelf.table)
        return Compiler(shelf, terms, self._known().within(schema), rows).way(condition)

    def _linked(self, condition: Condition, at_most: int) -> list[tuple[str | None, str | None]] | None:
        """The idnat and structure id of mailboxes; None when there are more than `at_most`."""
        shadowed = self._ours.addresses
        way = self._way("boxes", MAILBOXES, condition)
        if way.size > at_most:
            return None
        if not way.exact:
            return [(box.idnat, box.structure_id) for box in self._boxes(condition)]
        engine = Engine(
            self._files.connection, self._files.budget, "boxes", _BEARERS, make=_Bearer._make, judge=_never
        )
        rows = engine.found(condition, way)
        found = [(each.idnat, each.structure_id) for each in rows if each.address not in shadowed]
        return found + [(box.idnat, box.structure_id) for box in self._published(condition)]

    def _qualified(self, person: Person) -> Person:
        return person._replace(
            skills=skills_of(self, person.idnat), diplomas=self.qualifications("diplomas", person.idnat)
        )

    def _row(self, schema: str, shelf: Shelf, column: str, value: str) -> Any:
        columns = ", ".join(shelf.told)
        return self._one(f"SELECT {columns} FROM {schema}.{shelf.table} WHERE {column} = ? LIMIT 1", value)

    def _one(self, statement: str, value: str) -> Any:
        return self._files.connection.execute(statement, (value,)).fetchone()


_BOXES_OF = {
    "idnat": (Lookup.BOXES_OF_PERSON, Field.IDNAT),
    "structure_id": (Lookup.BOXES_OF_STRUCTURE, Field.STRUCTURE_ID),
}
_QUALIFICATIONS = {
    "skills": Lookup.SKILLS_OF_PERSON,
    "roles": Lookup.SKILLS_OF_ROLES,
    "diplomas": Lookup.DIPLOMAS_OF_PERSON,
}
_PLACED_BOXES = msgspec.json.Decoder(list[tuple[int, Mailbox]])


class _Bearer(NamedTuple):
    """Of whom a mailbox is."""

    address: str
    idnat: str | None
    structure_id: str | None


_BEARERS = replace(MAILBOXES, told=_Bearer._fields)


def _never(_condition: Condition) -> Callable[[tuple[Any, ...]], bool]:
    raise AssertionError("an exact way is not judged")


def _box(row: tuple[Any, ...]) -> Mailbox:
    return Mailbox(row[0], _TYPES[row[1]], row[2] == 1, *row[3:])


def _bearer(box: Mailbox) -> Person:
    """A person of whom only what this operator publishes is known."""
    return Person(
        idnat=box.idnat or "",
        person_id_type=box.person_id_type,
        person_id=box.person_id,
        title=box.civility,
        last_name=box.last_name,
        first_name=box.first_name,
        category_code=box.category_code,
        category=box.category,
        profession_code=box.profession_code,
        profession=box.profession,
        updated_at=box.updated_at,
    )
