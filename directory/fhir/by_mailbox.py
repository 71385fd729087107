"""Searches that ask for mailboxes alone: from each mailbox, in the order of addresses, to the resource that bears it.

The other way round, a page of bearers in the order of their keys needs all mailboxes that match, and "an" is in a
hundred thousand addresses. A bearer of several is told where the first of them stands.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

from directory.annuaire.conditions import All, Equal, Not, Present
from directory.annuaire.fields import Field
from directory.annuaire.lookups import QUALIFYING, Lookup
from directory.annuaire.matching import judge_of_mailboxes
from directory.annuaire.view import TooSlow
from directory.fhir.registers import MOST_BOXES, boxes_of_practitioner, roles_with_boxes
from directory.fhir.systems import ResourceType

if TYPE_CHECKING:
    from collections.abc import Iterator

    from directory.annuaire.conditions import Condition
    from directory.annuaire.model import Mailbox
    from directory.annuaire.view import View

_CHUNK = 100
_SPARE = 10
"""Mailboxes more than bearers are wanted: some are of a bearer that was told already."""
_SECONDS = 5.0
"""Between one bearer and the next."""
_NO_STRUCTURE, _NOBODY = Not(Present(Field.STRUCTURE_ID)), Not(Present(Field.IDNAT))
_BORNE: dict[ResourceType, tuple[Condition, ...]] = {
    ResourceType.PRACTITIONER: (Present(Field.IDNAT), _NO_STRUCTURE),
    ResourceType.PRACTITIONER_ROLE: (Present(Field.IDNAT), Present(Field.STRUCTURE_ID)),
    ResourceType.ORGANIZATION: (Present(Field.STRUCTURE_ID), _NOBODY),
}
_OF_PEOPLE: dict[ResourceType, tuple[Lookup, ...]] = {
    ResourceType.PRACTITIONER: (Lookup.PERSON, Lookup.BOXES_OF_PERSON, *QUALIFYING),
    ResourceType.PRACTITIONER_ROLE: (Lookup.BOXES_OF_PERSON, Lookup.ROLES_OF_PERSON),
    ResourceType.ORGANIZATION: (),
}
_OF_STRUCTURES: dict[ResourceType, tuple[Lookup, ...]] = {
    ResourceType.PRACTITIONER: (),
    ResourceType.PRACTITIONER_ROLE: (Lookup.STRUCTURE,),
    ResourceType.ORGANIZATION: (Lookup.STRUCTURE, Lookup.OWN_BOXES_OF_STRUCTURE),
}
"""What the bearers of mailboxes are told with."""


@dataclass(frozen=True, slots=True)
class ByMailbox:
    """Bearers with a mailbox that meets `condition`, and for each of `others` one that meets it."""

    kind: ResourceType
    condition: Condition
    others: tuple[Condition, ...] = ()

    def rows(self, view: View, after: str, limit: int) -> Iterator[tuple[str, Any]]:
        """At most `limit` bearers behind a position, each with its own: the address, for a role also its id."""
        address, _, last = after.partition(" ")
        yield from islice(self._rows(view, address, last, min(limit + _SPARE, _CHUNK)), limit)

    def _rows(self, view: View, after: str, last: str, at_once: int) -> Iterator[tuple[str, Any]]:
        if last:  # the page before ended amid the roles that bear one mailbox
            box = view.mailbox(after)
            if box is not None:
                yield from (each for each in self._bearers(view, box) if each[1].id > last)
        wanted = All((self.condition, *_BORNE[self.kind]))
        deadline = time.monotonic() + _SECONDS
        while boxes := view.page(wanted, at_once, after=after):
            people = {box.idnat for box in boxes if box.idnat is not None}
            structures = {box.structure_id for box in boxes if box.structure_id is not None}
            view.expect(dict.fromkeys(_OF_PEOPLE[self.kind], people))
            view.expect(dict.fromkeys(_OF_STRUCTURES[self.kind], structures))
            for box in boxes:
                if time.monotonic() > deadline:
                    raise TooSlow("Too many mailboxes are of bearers that were told already.")
                for each in self._bearers(view, box):
                    deadline = time.monotonic() + _SECONDS
                    yield each
            after = boxes[-1].address

    def _bearers(self, view: View, box: Mailbox) -> Iterator[tuple[str, Any]]:
        """What bears a mailbox, where it is the first of its bearer that is found."""
        match self.kind:
            case ResourceType.PRACTITIONER:
                assert box.idnat is not None
                if self._is_first(box, boxes_of_practitioner(view, box.idnat)):
                    person = view.person(box.idnat)
                    if person is not None:
                        yield box.address, person
            case ResourceType.PRACTITIONER_ROLE:
                assert box.idnat is not None
                boxes = [
                    each
                    for each in view.mailboxes_of_person(box.idnat)
                    if each.structure_id == box.structure_id
                ]
                if self._is_first(box, boxes):
                    for role in roles_with_boxes(view, box):
                        yield f"{box.address} {role.id}", role
            case ResourceType.ORGANIZATION:
                assert box.structure_id is not None
                if self._is_first_of_structure(view, box, box.structure_id):
                    place = view.structure(box.structure_id)
                    if place is not None:
                        yield box.address, place

    def _is_first(self, box: Mailbox, boxes: list[Mailbox]) -> bool:
        found = filter(judge_of_mailboxes(self.condition), boxes)
        first = min((each.address for each in found), default=box.address)
        return first == box.address and all(
            any(map(judge_of_mailboxes(other), boxes)) for other in self.others
        )

    def _is_first_of_structure(self, view: View, box: Mailbox, structure_id: str) -> bool:
        boxes = view.own_mailboxes(structure_id, MOST_BOXES)
        if len(boxes) < MOST_BOXES:
            return self._is_first(box, boxes)
        own = (Equal(Field.STRUCTURE_ID, structure_id), _NOBODY)
        first = view.page(All((self.condition, *own)), 1)
        if first and first[0].address != box.address:
            return False
        return all(view.page(All((other, *own)), 1) for other in self.others)
