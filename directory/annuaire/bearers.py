"""What persons, roles and structures say in each field: their own columns, and those of the mailboxes they bear."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Protocol, TypeVar

from directory.annuaire.fields import Field
from directory.annuaire.matching import judge, values_of
from directory.annuaire.shelves import PERSONS

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Sequence

    from directory.annuaire.conditions import Condition
    from directory.annuaire.model import Mailbox, Person, Role, Skill, Structure

T = TypeVar("T")


class LooksUp(Protocol):
    """What is asked of the directory about one row."""

    def boxes_of(self, column: str, value: str) -> list[Mailbox]: ...

    def roles_of(self, idnat: str) -> list[Role]: ...

    def qualifications(self, source: str, idnat: str) -> tuple[Skill, ...]: ...

    def names_of_structure(self, structure_id: str) -> Collection[str]: ...


def judge_of_persons(directory: LooksUp, condition: Condition) -> Callable[[Person], bool]:
    """Tells of persons whether they meet a condition; the mailboxes of one are those it has in no structure."""

    def values(field: Field, person: Person) -> Iterable[str]:
        match field:
            case Field.CN:
                return _present(
                    " ".join(part for part in (person.first_name, person.last_name) if part),
                    " ".join(part for part in (person.last_name, person.first_name) if part),
                )
            case Field.GIVEN_NAME:
                return _present(person.first_name)
            case Field.PROFESSION_CODE | Field.PROFESSION:
                own = (getattr(person, field.value),)
                return _present(
                    *own, *(getattr(role, field.value) for role in directory.roles_of(person.idnat))
                )
            case Field.SKILL_CODE | Field.SKILL:
                attribute = "code" if field is Field.SKILL_CODE else "label"
                return _present(*(getattr(skill, attribute) for skill in skills_of(directory, person.idnat)))
            case Field.DIPLOMA_CODE:
                return _present(*(each.code for each in directory.qualifications("diplomas", person.idnat)))
            case _ if field in PERSONS.linked:
                boxes = directory.boxes_of("idnat", person.idnat)
                return _of_boxes(field, [box for box in boxes if box.structure_id is None])
            case _:
                return _own(person, field)

    return _judge(condition, values)


def judge_of_roles(directory: LooksUp, condition: Condition) -> Callable[[Role], bool]:
    """Tells of roles whether they meet a condition; the mailboxes of one are those of its person in its structure."""

    def values(field: Field, role: Role) -> Iterable[str]:
        if field is Field.ROLE_ID:
            return (role.id,)
        if field is Field.STRUCTURE_ID or field in PERSONS.linked:
            names = directory.names_of_structure(role.structure_id) if role.structure_id else ()
            if field is Field.STRUCTURE_ID:
                return names
            boxes = directory.boxes_of("idnat", role.idnat)
            return _of_boxes(field, [box for box in boxes if box.structure_id in names])
        return _own(role, field)

    return _judge(condition, values)


def judge_of_structures(directory: LooksUp, condition: Condition) -> Callable[[Structure], bool]:
    """Tells of structures whether they meet a condition; the mailboxes of one are those that are nobody's own."""

    def values(field: Field, place: Structure) -> Iterable[str]:
        match field:
            case Field.STRUCTURE:
                return _present(place.name, place.sign)
            case Field.STRUCTURE_ID:
                return _present(place.id, place.idnat, place.finess, place.siret, place.siren)
            case Field.STREET:
                parts = (place.street_number, place.street_repeat, place.street_type, place.street_name)
                return _present(" ".join(part for part in parts if part))
            case _ if field in PERSONS.linked:
                boxes = directory.boxes_of("structure_id", place.idnat) if place.idnat else []
                return _of_boxes(field, [box for box in boxes if box.idnat is None])
            case _:
                return _own(place, field)

    return _judge(condition, values)


def skills_of(directory: LooksUp, idnat: str) -> tuple[Skill, ...]:
    """The skills of a person, of their own extract and of the roles, each once."""
    found = {skill.code: skill for skill in directory.qualifications("skills", idnat)}
    for skill in directory.qualifications("roles", idnat):
        found.setdefault(skill.code, skill)
    return tuple(found.values())


def _judge(condition: Condition, values: Callable[[Field, T], Iterable[str]]) -> Callable[[T], bool]:
    def of(field: Field) -> Callable[[T], Iterable[str]]:
        return partial(values, field)

    def own(field: Field) -> Callable[[T], Iterable[str]]:
        return _nothing if field in PERSONS.linked else of(field)

    return judge(condition, of, own)


def _nothing(_row: object) -> tuple[str, ...]:
    return ()


def _own(row: object, field: Field) -> tuple[str, ...]:
    value = getattr(row, "updated_at" if field is Field.UPDATED else field.value, None)
    return _present(None if value is None else str(value))


def _of_boxes(field: Field, boxes: Sequence[Mailbox]) -> list[str]:
    return [value for box in boxes for value in values_of(box, field)]


def _present(*values: str | None) -> tuple[str, ...]:
    return tuple(value for value in values if value)
