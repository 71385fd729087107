"""A directory in memory, for tests of what stands on it: as `View` says, without an index."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from directory.annuaire.fields import Field
from directory.annuaire.matching import judge_of_mailboxes, met, one_error, values_of
from directory.annuaire.ranking import corrected
from directory.folding import fold

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

    from directory.annuaire.conditions import Condition
    from directory.annuaire.lookups import Lookup
    from directory.annuaire.model import Mailbox, Person, Role, Structure
    from directory.annuaire.view import View

R = TypeVar("R")


@dataclass
class MemoryView:
    """Lists of mailboxes, persons, roles and structures."""

    boxes: Sequence[Mailbox] = ()
    people: Sequence[Person] = ()
    situations: Sequence[Role] = ()
    places: Sequence[Structure] = ()
    generation: str = "memory"
    generated_at: int = 0
    version: int = 0
    removed: dict[tuple[Field, str], int] = field(default_factory=dict)

    def mailboxes(
        self,
        condition: Condition,
        limit: int,
        *,
        own_structure: str | None = None,
        recent: Collection[str] = frozenset(),
    ) -> list[Mailbox]:
        def rank(box: Mailbox) -> tuple[bool, bool, str, str, str]:
            own = own_structure is not None and box.structure_id == own_structure
            return (
                box.address not in recent,
                not own,
                box.last_name or "~",
                box.first_name or "",
                box.address,
            )

        return sorted(self._found(self.boxes, condition, _box_meets), key=rank)[:limit]

    def page(self, condition: Condition, limit: int, *, after: str = "") -> list[Mailbox]:
        found = [box for box in self._found(self.boxes, condition, _box_meets) if box.address > after]
        return sorted(found, key=lambda box: box.address)[:limit]

    def count(self, condition: Condition, at_most: int) -> int:
        return min(at_most, len(self._found(self.boxes, condition, _box_meets)))

    def mailbox(self, address: str) -> Mailbox | None:
        return next((box for box in self.boxes if box.address == address.lower()), None)

    def mailboxes_of_person(self, idnat: str) -> list[Mailbox]:
        return [box for box in self.boxes if box.idnat == idnat]

    def mailboxes_of_structure(self, structure_id: str) -> list[Mailbox]:
        return [box for box in self.boxes if box.structure_id == structure_id]

    def own_mailboxes(self, structure_id: str, limit: int) -> list[Mailbox]:
        return [box for box in self.mailboxes_of_structure(structure_id) if box.idnat is None][:limit]

    def expect(self, wanted: Mapping[Lookup, Collection[str]]) -> None:
        """Everything is in memory."""

    def removed_at(self, field: Field, key: str) -> int | None:
        return self.removed.get((field, key.lower()))

    def person(self, idnat: str) -> Person | None:
        return next((person for person in self.people if person.idnat == idnat), None)

    def persons(self, condition: Condition, limit: int, *, after: str = "") -> list[Person]:
        found = [
            each for each in self._found(self.people, condition, self._person_meets) if each.idnat > after
        ]
        return sorted(found, key=lambda person: person.idnat)[:limit]

    def count_persons(self, condition: Condition, at_most: int) -> int:
        return len(self.persons(condition, at_most))

    def role(self, role_id: str) -> Role | None:
        return next((role for role in self.situations if role.id == role_id), None)

    def roles_of_person(self, idnat: str) -> list[Role]:
        return [role for role in self.situations if role.idnat == idnat]

    def roles_of_structure(self, structure_id: str, limit: int, *, after: str = "") -> list[Role]:
        found = [role for role in self.situations if role.structure_id == structure_id and role.id > after]
        return sorted(found, key=lambda role: role.id)[:limit]

    def roles(self, condition: Condition, limit: int, *, after: str = "") -> list[Role]:
        found = [
            each for each in self._found(self.situations, condition, self._role_meets) if each.id > after
        ]
        return sorted(found, key=lambda role: role.id)[:limit]

    def count_roles(self, condition: Condition, at_most: int) -> int:
        return len(self.roles(condition, at_most))

    def structure(self, structure_id: str) -> Structure | None:
        return next((place for place in self.places if structure_id in (place.id, place.idnat)), None)

    def names_of_structure(self, structure_id: str) -> frozenset[str]:
        place = self.structure(structure_id)
        names = (place.id, place.idnat) if place is not None else ()
        return frozenset({structure_id, *(name for name in names if name)})

    def structures(self, condition: Condition, limit: int, *, after: str = "") -> list[Structure]:
        found = [
            each for each in self._found(self.places, condition, self._structure_meets) if each.id > after
        ]
        return sorted(found, key=lambda place: place.id)[:limit]

    def count_structures(self, condition: Condition, at_most: int) -> int:
        return len(self.structures(condition, at_most))

    def label(self, nomenclature: str, code: str) -> str | None:
        rows: Iterable[object] = (*self.boxes, *self.people, *self.situations, *self.places)
        for row in rows:
            if getattr(row, f"{nomenclature}_code", None) == code:
                label: str | None = getattr(row, nomenclature)
                return label
        return None

    def _found(
        self, rows: Sequence[R], condition: Condition, meets: Callable[[Condition, R], bool]
    ) -> list[R]:
        """What meets a condition; where nothing does, what meets it with its words corrected."""
        found = [row for row in rows if meets(condition, row)]
        near = corrected(condition, self._close_names) if not found else None
        return found if near is None else [row for row in rows if meets(near, row)]

    def _close_names(self, word: str) -> list[str]:
        names = {
            name
            for box in self.boxes
            if box.last_name
            for name in f"{fold(box.first_name or '')} {fold(box.last_name)}".split()
        }
        return [word, *sorted(name for name in names if name != word and one_error(word, name))]

    def _person_meets(self, condition: Condition, person: Person) -> bool:
        boxes = [box for box in self.mailboxes_of_person(person.idnat) if box.structure_id is None]
        own: dict[Field, tuple[str | None, ...]] = {
            Field.CN: (
                f"{person.first_name} {person.last_name}",
                f"{person.last_name} {person.first_name}",
            ),
            Field.GIVEN_NAME: (person.first_name,),
            Field.SKILL_CODE: tuple(skill.code for skill in person.skills),
            Field.SKILL: tuple(skill.label for skill in person.skills),
            Field.DIPLOMA_CODE: tuple(diploma.code for diploma in person.diplomas),
            Field.UPDATED: (str(person.updated_at),),
        }
        return met(condition, _values(person, own, boxes), _values(person, own, ()))

    def _role_meets(self, condition: Condition, role: Role) -> bool:
        boxes = [box for box in self.mailboxes_of_person(role.idnat) if box.structure_id is not None]
        place = self.structure(role.structure_id or "")
        boxes = [box for box in boxes if place is not None and box.structure_id == place.idnat]
        own: dict[Field, tuple[str | None, ...]] = {
            Field.ROLE_ID: (role.id,),
            Field.STRUCTURE_ID: (role.structure_id, place.idnat if place else None),
            Field.UPDATED: (str(role.updated_at),),
        }
        return met(condition, _values(role, own, boxes), _values(role, own, ()))

    def _structure_meets(self, condition: Condition, place: Structure) -> bool:
        boxes = self.mailboxes_of_structure(place.idnat) if place.idnat else []
        own: dict[Field, tuple[str | None, ...]] = {
            Field.STRUCTURE: (place.name, place.sign),
            Field.STRUCTURE_ID: (place.id, place.idnat, place.finess, place.siret, place.siren),
            Field.STREET: (
                " ".join(
                    part
                    for part in (
                        place.street_number,
                        place.street_repeat,
                        place.street_type,
                        place.street_name,
                    )
                    if part
                ),
            ),
            Field.UPDATED: (str(place.updated_at),),
        }
        boxes = [box for box in boxes if box.idnat is None]
        return met(condition, _values(place, own, boxes), _values(place, own, ()))


def _box_meets(condition: Condition, box: Mailbox) -> bool:
    return judge_of_mailboxes(condition)(box)


def _values(
    row: object, own: dict[Field, tuple[str | None, ...]], boxes: Sequence[Mailbox]
) -> Callable[[Field], Iterable[str]]:
    def values(wanted: Field) -> Iterable[str]:
        if wanted in (Field.ADDRESS, Field.DOMAIN, Field.TYPE):
            return [value for box in boxes for value in values_of(box, wanted)]
        found = own.get(wanted, (getattr(row, wanted.value, None),))
        return [value for value in found if value]

    return values


def is_a_view(view: MemoryView) -> View:
    """Fails to type-check when the two drift apart."""
    return view
