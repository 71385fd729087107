"""How the rows of each resource type are asked for, found by key, and become resources with their own boxes."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from directory.annuaire.fields import Field
from directory.annuaire.lookups import Lookup
from directory.fhir import resources
from directory.fhir.systems import ResourceType

if TYPE_CHECKING:
    from collections.abc import Callable

    from directory.annuaire.conditions import Condition
    from directory.annuaire.model import Mailbox, Person, Role, Structure
    from directory.annuaire.view import View
    from foundation.fhir.resources import Resource

MOST_BOXES = 1000
"""Of one structure, in one resource."""


@dataclass(frozen=True, slots=True)
class Register:
    """One resource type over the directory."""

    field: Field
    """Holds the key."""
    key: Callable[[Any], str]
    rows: Callable[[View, Condition, int, str], list[Any]]
    count: Callable[[View, Condition, int], int]
    find: Callable[[View, str], Any | None]
    resource: Callable[[View, Any], Resource]
    expect: Callable[[View, list[Any]], None]
    """Has what `resource` asks for fetched together."""


def boxes_of_practitioner(view: View, idnat: str) -> list[Mailbox]:
    """The boxes a person has in no structure (openapi-balmss, "RPPS seul")."""
    return [box for box in view.mailboxes_of_person(idnat) if box.structure_id is None]


def boxes_of_role(view: View, role: Role) -> list[Mailbox]:
    """The boxes of the role's person in the role's structure."""
    if role.structure_id is None:
        return []
    boxes = [box for box in view.mailboxes_of_person(role.idnat) if box.structure_id is not None]
    if not boxes:
        return []
    names = view.names_of_structure(role.structure_id)
    return [box for box in boxes if box.structure_id in names]


def roles_with_boxes(view: View, box: Mailbox) -> list[Role]:
    """The roles that bear a box of a person in a structure, by id."""
    if box.idnat is None or box.structure_id is None:
        return []
    names = view.names_of_structure(box.structure_id)
    found = [role for role in view.roles_of_person(box.idnat) if role.structure_id in names]
    return sorted(found, key=lambda role: role.id)


def boxes_of_organization(view: View, place: Structure) -> list[Mailbox]:
    """The boxes that are a structure's own: of services and of software."""
    if place.idnat is None:
        return []
    return view.own_mailboxes(place.idnat, MOST_BOXES)


def _practitioner(view: View, row: Person) -> Resource:
    return resources.practitioner(row, boxes_of_practitioner(view, row.idnat))


def _role(view: View, row: Role) -> Resource:
    return resources.practitioner_role(row, boxes_of_role(view, row))


def _organization(view: View, row: Structure) -> Resource:
    return resources.organization(row, boxes_of_organization(view, row))


def _expect_people(view: View, rows: list[Person]) -> None:
    view.expect({Lookup.BOXES_OF_PERSON: {row.idnat for row in rows}})


def _expect_roles(view: View, rows: list[Role]) -> None:
    view.expect(
        {
            Lookup.BOXES_OF_PERSON: {row.idnat for row in rows},
            Lookup.NAMES_OF_STRUCTURE: {row.structure_id for row in rows if row.structure_id is not None},
        }
    )


def _expect_structures(view: View, rows: list[Structure]) -> None:
    view.expect({Lookup.OWN_BOXES_OF_STRUCTURE: {row.idnat for row in rows if row.idnat is not None}})


def _structure(view: View, key: str) -> Structure | None:
    found = view.structure(key)
    return found if found is not None and found.id == key else None  # it may also be named by its IdNat


REGISTERS = MappingProxyType(
    {
        ResourceType.PRACTITIONER: Register(
            field=Field.IDNAT,
            key=lambda row: row.idnat,
            rows=lambda view, condition, limit, after: view.persons(condition, limit, after=after),
            count=lambda view, condition, at_most: view.count_persons(condition, at_most),
            find=lambda view, key: view.person(key),
            resource=_practitioner,
            expect=_expect_people,
        ),
        ResourceType.PRACTITIONER_ROLE: Register(
            field=Field.ROLE_ID,
            key=lambda row: row.id,
            rows=lambda view, condition, limit, after: view.roles(condition, limit, after=after),
            count=lambda view, condition, at_most: view.count_roles(condition, at_most),
            find=lambda view, key: view.role(key),
            resource=_role,
            expect=_expect_roles,
        ),
        ResourceType.ORGANIZATION: Register(
            field=Field.STRUCTURE_ID,
            key=lambda row: row.id,
            rows=lambda view, condition, limit, after: view.structures(condition, limit, after=after),
            count=lambda view, condition, at_most: view.count_structures(condition, at_most),
            find=_structure,
            resource=_organization,
            expect=_expect_structures,
        ),
    }
)
