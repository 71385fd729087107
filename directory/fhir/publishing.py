"""Applies a patch to the mailboxes of one bearer: whose they are, what each type may say, all of it or nothing.

Source: openapi-balmss.yaml, the guide's spec-fonctionnelle-alimentation (tables per type).
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, assert_never

from msgspec.structs import replace

from directory.annuaire.model import Mailbox
from directory.annuaire.published import (
    Standing,
    publish,
    published,
    published_of_person,
    published_of_structure,
)
from directory.bals import BalType, find_bal
from directory.fhir import resources
from directory.fhir.patch import Attribute, Change, Delete, Insert, Replace
from directory.fhir.registers import boxes_of_organization, boxes_of_practitioner, boxes_of_role
from directory.fhir.systems import ResourceType
from directory.own import standing_of
from foundation import trail
from foundation.fhir.outcome import Refused

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from sqlalchemy import Connection

    from directory.annuaire.model import Person, Structure
    from directory.annuaire.published import Published
    from directory.annuaire.view import View
    from directory.fhir.access import Caller
    from directory.fhir.patch import Operation, Point, Value
    from foundation.clock import Clock
    from foundation.database import UnitOfWork
    from foundation.fhir.resources import Resource

TYPES = MappingProxyType(
    {
        ResourceType.PRACTITIONER: frozenset({BalType.PER, BalType.CAB}),
        ResourceType.PRACTITIONER_ROLE: frozenset({BalType.PER}),
        ResourceType.ORGANIZATION: frozenset({BalType.ORG, BalType.APP}),
    }
)
"""The types of mailbox each resource bears."""
_BY_ALL = frozenset({Attribute.RANK, Attribute.RED_LIST, Attribute.DIGITAL})
_BY_SERVICES = _BY_ALL | {
    Attribute.DESCRIPTION,
    Attribute.SERVICE,
    Attribute.RESPONSIBLE,
    Attribute.PHONE,
}
ATTRIBUTES = MappingProxyType(
    {
        BalType.PER: _BY_ALL,
        BalType.CAB: _BY_SERVICES - {Attribute.SERVICE},
        BalType.ORG: _BY_SERVICES,
        BalType.APP: _BY_SERVICES,
    }
)
"""What a mailbox of each type may say."""
_FIELDS = MappingProxyType(
    {
        Attribute.RANK: "rank",
        Attribute.DESCRIPTION: "description",
        Attribute.SERVICE: "service",
        Attribute.RESPONSIBLE: "responsible",
        Attribute.PHONE: "phone",
        Attribute.DIGITAL: "digital",
    }
)
_SAID = frozenset({Standing.SHOWN, Standing.RED_LIST})


@dataclass(frozen=True, slots=True)
class Bearer:
    """A resource that bears mailboxes, as the directory showed it when the request came."""

    kind: ResourceType
    row: Any
    person: Person | None
    structure: Structure | None
    boxes: tuple[Mailbox, ...]
    elsewhere: Mapping[str, Mailbox]
    """Of the addresses the patch names those the directory shows, whoever bears them."""

    @classmethod
    def find(cls, view: View, kind: ResourceType, row: Any, addresses: Iterable[str]) -> Bearer:
        person: Person | None = None
        structure: Structure | None = None
        match kind:
            case ResourceType.PRACTITIONER:
                person, boxes = row, boxes_of_practitioner(view, row.idnat)
            case ResourceType.PRACTITIONER_ROLE:
                person, boxes = view.person(row.idnat), boxes_of_role(view, row)
                structure = view.structure(row.structure_id) if row.structure_id else None
            case ResourceType.ORGANIZATION:
                structure, boxes = row, boxes_of_organization(view, row)
        shown = {address: view.mailbox(address) for address in addresses}
        return cls(
            kind,
            row,
            person,
            structure,
            tuple(boxes),
            {address: box for address, box in shown.items() if box is not None},
        )

    def bears(self, each: Published) -> bool:
        """Whether a published mailbox is this one's.

        A hidden one of a person may be known without its structure (directory.own): it is that of any role too.
        """
        box = each.mailbox
        match self.kind:
            case ResourceType.PRACTITIONER:
                return box.idnat == self.row.idnat and box.structure_id is None
            case ResourceType.PRACTITIONER_ROLE:
                here = {self.row.structure_id, self.structure.idnat if self.structure else None} - {None}
                if each.standing is not Standing.SHOWN:
                    here.add(None)
                return box.idnat == self.row.idnat and box.structure_id in here
            case ResourceType.ORGANIZATION:
                return box.idnat is None and box.structure_id == self.row.idnat
            case _:
                assert_never(self.kind)

    def published(self, connection: Connection) -> list[Published]:
        """Everything this operator has published of it, hidden or shown."""
        if self.kind is ResourceType.ORGANIZATION:
            rows = published_of_structure(connection, self.row.idnat) if self.row.idnat else []
        else:
            rows = published_of_person(connection, self.row.idnat)
        return [each for each in rows if self.bears(each)]

    def resource(self, boxes: Sequence[Mailbox]) -> Resource:
        match self.kind:
            case ResourceType.PRACTITIONER:
                return resources.practitioner(self.row, boxes)
            case ResourceType.PRACTITIONER_ROLE:
                return resources.practitioner_role(self.row, boxes)
            case ResourceType.ORGANIZATION:
                return resources.organization(self.row, boxes)
            case _:
                assert_never(self.kind)

    def new(self, address: str, kind: BalType) -> Mailbox:
        """A mailbox of this bearer with what the directory knows of person and structure."""
        box = Mailbox(address, kind)
        if self.person is not None:
            skill = self.person.skills[0] if self.person.skills else None
            box = replace(
                box,
                idnat=self.person.idnat,
                person_id_type=self.person.person_id_type,
                person_id=self.person.person_id,
                civility=self.person.title,
                last_name=self.person.last_name,
                first_name=self.person.first_name,
                category_code=self.person.category_code,
                category=self.person.category,
                profession_code=self.person.profession_code,
                profession=self.person.profession,
                skill_code=skill.code if skill else None,
                skill=skill.label if skill else None,
            )
        place = self.structure
        if place is not None and place.idnat is not None:
            box = replace(
                box,
                structure_id_type=place.idnat[0],
                structure_id=place.idnat,
                structure=place.name,
                structure_sign=place.sign,
                location=place.location,
                distribution=place.distribution,
                street_number=place.street_number,
                street_repeat=place.street_repeat,
                street_type=place.street_type,
                street_name=place.street_name,
                routing=place.routing,
                postal_code=place.postal_code,
                department=place.department,
            )
        return box


class Patching:
    """One patch on one bearer, inside one transaction."""

    def __init__(self, uow: UnitOfWork, bearer: Bearer, caller: Caller, clock: Clock) -> None:
        self._uow = uow
        self._bearer = bearer
        self._caller = caller
        self._clock = clock
        self._boxes = {box.address: (box, Standing.SHOWN) for box in bearer.boxes}
        for each in bearer.published(uow.connection):
            if each.standing in _SAID:
                self._boxes[each.mailbox.address] = (each.mailbox, each.standing)
            else:
                self._boxes.pop(each.mailbox.address, None)
        self._before = dict(self._boxes)

    def resource(self) -> Resource:
        """The resource as it is now."""
        return self._bearer.resource(
            [box for box, standing in self._boxes.values() if standing is Standing.SHOWN]
        )

    # ref: F36
    def apply(self, operations: Sequence[Operation]) -> Resource:
        """Does all operations in their order and returns the resource after them; raises Refused, then none is done."""
        for place, operation in enumerate(operations):
            where = f"Parameters.parameter[{place}]"
            if not self._caller.may_publish(operation.address):
                raise Refused(
                    403,
                    "forbidden",
                    "Le domaine de cette BAL n'est pas de ceux que cette clé peut publier.",
                    expression=where,
                )
            match operation:
                case Insert(point, index):
                    if index > self._points():
                        raise Refused(400, "value", "L'index dépasse le nombre de telecom.", expression=where)
                    self._insert(point, where)
                case Replace(address, point):
                    self._replace(address, point, where)
                case Change(address, attribute, value):
                    self._found(address, where)
                    self._set(address, {attribute: value}, where)
                case Delete(address):
                    self._boxes.pop(address, None)
                case _:
                    assert_never(operation)
        self._write()
        return self.resource()

    def _points(self) -> int:
        """How many telecom there are: a hospital has thousands, which a batch of insertions does not write out each time."""
        others = self._bearer.resource(()).get("telecom", ())
        return len(others) + sum(standing is Standing.SHOWN for _, standing in self._boxes.values())

    def _found(self, address: str, where: str) -> Mailbox:
        found = self._boxes.get(address)
        if found is None:
            raise Refused(
                404, "not-found", "Cette BAL n'est pas parmi celles de la ressource.", expression=where
            )
        return found[0]

    def _insert(self, point: Point, where: str) -> None:
        kind, address = point.type, point.address
        if kind is None:
            raise Refused(422, "required", "Une nouvelle BAL a un type.", expression=where)
        if kind not in TYPES[self._bearer.kind]:
            raise Refused(
                422, "business-rule", "Cette ressource ne porte pas de BAL de ce type.", expression=where
            )
        self._identified(kind, where)
        self._free(address, kind, where)
        self._boxes[address] = (self._bearer.new(address, kind), Standing.SHOWN)
        self._set(address, point.said, where)

    def _replace(self, address: str, point: Point, where: str) -> None:
        box = self._found(address, where)
        if point.address != address or point.type not in (None, box.type):
            raise Refused(
                422,
                "business-rule",
                "L'adresse et le type d'une BAL ne changent jamais.",
                expression=where,
            )
        # What is not said is taken away; only the red list stays: nobody is shown by an omission.
        unsaid = dict.fromkeys(ATTRIBUTES[box.type] - {Attribute.RED_LIST, Attribute.DIGITAL})
        self._set(address, {**unsaid, **point.said}, where)

    def _set(self, address: str, said: Mapping[Attribute, Value], where: str) -> None:
        box, standing = self._boxes[address]
        if standing is Standing.RED_LIST:  # kept with less than the directory knows of its bearer
            kept = {field: getattr(box, field) for field in _FIELDS.values()}
            box = replace(self._bearer.new(address, box.type), **kept)
        changes: dict[str, Value] = {}
        for attribute, value in said.items():
            if attribute not in ATTRIBUTES[box.type]:
                raise Refused(
                    422, "business-rule", "Une BAL de ce type n'a pas cette donnée.", expression=where
                )
            if attribute is Attribute.RED_LIST:
                standing = Standing.RED_LIST if value else Standing.SHOWN
            else:
                changes[_FIELDS[attribute]] = bool(value) if attribute is Attribute.DIGITAL else value
        self._boxes[address] = (replace(box, **changes), standing)

    def _identified(self, kind: BalType, where: str) -> None:
        """A person's box hangs on an RPPS, a service's on an IdNat_Struct."""
        if kind in (BalType.PER, BalType.CAB):
            person = self._bearer.person
            if person is None or person.person_id_type != "8":
                raise Refused(
                    422, "business-rule", "Une BAL PER ou CAB est celle d'un RPPS.", expression=where
                )
        if self._bearer.kind is not ResourceType.PRACTITIONER and (
            self._bearer.structure is None or self._bearer.structure.idnat is None
        ):
            raise Refused(
                422, "business-rule", "La structure n'a pas d'identifiant national.", expression=where
            )

    def _free(self, address: str, kind: BalType, where: str) -> None:
        """An address is one mailbox's, and never becomes another person's.

        One on the red list of this same bearer may be said again: nobody can see that it is there.
        """
        taken = Refused(409, "duplicate", "Cette adresse est déjà celle d'une BAL.", expression=where)
        standing = self._boxes[address][1] if address in self._boxes else None
        if standing is Standing.SHOWN:
            raise taken
        row = published(self._uow.connection, address)
        if row is None:
            if address in self._bearer.elsewhere and address not in self._before:
                raise taken
            return
        if row.standing in _SAID and address not in self._before:
            raise taken
        person = self._bearer.person
        if row.mailbox.idnat is not None and (person is None or row.mailbox.idnat != person.idnat):
            raise Refused(
                409, "conflict", "Cette adresse a été celle d'une autre personne.", expression=where
            )
        if row.mailbox.type is not kind:
            raise Refused(422, "business-rule", "Le type d'une BAL ne change jamais.", expression=where)

    def _may_be_shown(self, address: str) -> None:
        """Raises Refused for a box hosted here that is to be seen by nobody: its life goes before what a patch says."""
        box = find_bal(self._uow.connection, address)
        if box is not None and standing_of(box) is not Standing.SHOWN:
            raise Refused(
                409, "conflict", "Cette BAL est suspendue, fermée ou en liste rouge chez son opérateur."
            )

    def _write(self) -> None:
        now = self._clock.millis()
        for address in self._before.keys() | self._boxes.keys():
            before, after = self._before.get(address), self._boxes.get(address)
            if before == after:
                continue
            if after is not None and after[1] is Standing.SHOWN:
                self._may_be_shown(address)
            if after is None:
                assert before is not None
                made = publish(self._uow, before[0], Standing.REMOVED, now)
                done = "removed"
            else:
                made = publish(self._uow, after[0], after[1], now)
                self._boxes[address] = (made.mailbox, made.standing)
                done = "created" if before is None else "changed"
            trail.append(
                self._uow,
                f"directory.mailbox.{done}",
                actor=f"api:{self._caller.name}",
                subject=f"mailbox:{hashlib.sha256(address.encode()).hexdigest()[:16]}",
                outcome=made.standing.value,
                detail={"resource": self._bearer.kind.value, "type": made.mailbox.type.value},
                clock=self._clock,
            )
