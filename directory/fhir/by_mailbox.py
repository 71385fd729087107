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
from directory.fhir.registers import MOST_BOXES, roles_with_boxes
from directory.fhir.systems import ResourceType

if TYPE_CHECKING:
    from collections.abc import Iterator

    from directory.annuaire.conditions import Condition
    from directory.annuaire.model import Mailbox
    from directory.annuaire.view import View

_CHUNK = 100
_SPARE = 4
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
    ResourceType.PRACTITIONER: (Lookup.PERSON, *QUALIFYING),
    ResourceType.PRACTITIONER_ROLE: (Lookup.ROLES_OF_PERSON,),
    ResourceType.ORGANIZATION: (),
}
_OF_STRUCTURES: dict[ResourceType, tuple[Lookup, ...]] = {
    ResourceType.PRACTITIONER: (),
    ResourceType.PRACTITIONER_ROLE: (Lookup.NAMES_OF_STRUCTURE,),
    ResourceType.ORGANIZATION: (Lookup.STRUCTURE,),
}
"""What the bearers of mailboxes are found by."""
_BOXES_OF_BEARER: dict[ResourceType, Lookup] = {
    ResourceType.PRACTITIONER: Lookup.BOXES_OF_PERSON,
    ResourceType.PRACTITIONER_ROLE: Lookup.BOXES_OF_PERSON,
    ResourceType.ORGANIZATION: Lookup.OWN_BOXES_OF_STRUCTURE,
}


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
        is_first = _First(view, self, begins=not after)
        deadline = time.monotonic() + _SECONDS
        while boxes := view.page(wanted, at_once, after=after):
            people = {box.idnat for box in boxes if box.idnat is not None}
            structures = {box.structure_id for box in boxes if box.structure_id is not None}
            view.expect(dict.fromkeys(_OF_PEOPLE[self.kind], people))
            view.expect(dict.fromkeys(_OF_STRUCTURES[self.kind], structures))
            is_first.expect(people, structures)
            for box in boxes:
                if time.monotonic() > deadline:
                    raise TooSlow("Too many mailboxes are of bearers that were told already.")
                if not is_first(box):
                    continue
                for each in self._bearers(view, box):
                    deadline = time.monotonic() + _SECONDS
                    yield each
            after = boxes[-1].address

    def _bearers(self, view: View, box: Mailbox) -> Iterator[tuple[str, Any]]:
        """What bears a mailbox."""
        match self.kind:
            case ResourceType.PRACTITIONER:
                person = view.person(box.idnat or "")
                if person is not None:
                    yield box.address, person
            case ResourceType.PRACTITIONER_ROLE:
                for role in roles_with_boxes(view, box):
                    yield f"{box.address} {role.id}", role
            case ResourceType.ORGANIZATION:
                place = view.structure(box.structure_id or "")
                # also found by its technical id, under which it bears none (registers.boxes_of_organization)
                if place is not None and (place.idnat or "").lower() == (box.structure_id or "").lower():
                    yield box.address, place


class _First:
    """Tells of mailboxes, asked for in the order of their addresses, whether each is the first of its bearer.

    A bearer counts where others of its mailboxes meet the other conditions. A search that `begins` has seen every
    mailbox that comes before; a later page has to ask.
    """

    def __init__(self, view: View, wanted: ByMailbox, *, begins: bool) -> None:
        self._view = view
        self._wanted = wanted
        self._asks = not begins or bool(wanted.others)
        self._meets = judge_of_mailboxes(wanted.condition)
        self._meet_others = [judge_of_mailboxes(other) for other in wanted.others]
        self._told: set[tuple[str | None, str | None]] = set()

    def expect(self, people: set[str], structures: set[str]) -> None:
        """Has what is about to be asked fetched together."""
        if self._asks:
            keys = structures if self._wanted.kind is ResourceType.ORGANIZATION else people
            self._view.expect({_BOXES_OF_BEARER[self._wanted.kind]: keys})

    def __call__(self, box: Mailbox) -> bool:
        bearer = (box.idnat, box.structure_id)
        if bearer in self._told:
            return False
        self._told.add(bearer)
        return not self._asks or self._is_first(box)

    def _is_first(self, box: Mailbox) -> bool:
        view = self._view
        if self._wanted.kind is not ResourceType.ORGANIZATION:
            boxes = view.mailboxes_of_person(box.idnat or "")
            return self._is_first_of(box, [each for each in boxes if each.structure_id == box.structure_id])
        structure_id = box.structure_id or ""
        boxes = view.own_mailboxes(structure_id, MOST_BOXES)
        if len(boxes) < MOST_BOXES:
            return self._is_first_of(box, boxes)
        own = (Equal(Field.STRUCTURE_ID, structure_id), _NOBODY)
        first = view.page(All((self._wanted.condition, *own)), 1)
        if first and first[0].address != box.address:
            return False
        return all(view.page(All((other, *own)), 1) for other in self._wanted.others)

    def _is_first_of(self, box: Mailbox, boxes: list[Mailbox]) -> bool:
        first = min((each.address for each in boxes if self._meets(each)), default=box.address)
        return first == box.address and all(any(map(meets, boxes)) for meets in self._meet_others)
