"""What is written of the directory is written once, as long as the directory says the same."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from directory.fhir.systems import ResourceType
from directory.fhir.written import Written
from tests.directory.fhir.place import BOXES, CARDIO, PLACES, ROBOT
from tests.directory.memory import MemoryView

if TYPE_CHECKING:
    from directory.annuaire.model import Mailbox

HOSPITAL = "Organization/001-F990780017"
ROWS = {HOSPITAL: (ResourceType.ORGANIZATION, PLACES[0])}


@dataclass
class Asked(MemoryView):
    """Counts how often it is asked for mailboxes."""

    times: list[str] = field(default_factory=list)

    def own_mailboxes(self, structure_id: str, limit: int) -> list[Mailbox]:
        self.times.append(structure_id)
        return super().own_mailboxes(structure_id, limit)


def addresses(text: bytes) -> list[str]:
    return [each["value"] for each in json.loads(text)["telecom"] if each["system"] == "email"]


def test_what_was_written_is_not_asked_for_again() -> None:
    written, view = Written(), Asked(boxes=BOXES, version=1)
    first = written.texts(view, ROWS, keep=True)
    assert sorted(addresses(first[HOSPITAL])) == sorted([CARDIO, ROBOT])
    assert written.texts(view, ROWS, keep=True) == first
    assert len(view.times) == 1


def test_what_is_not_to_be_kept_is_asked_for_again() -> None:
    written, view = Written(), Asked(boxes=BOXES, version=1)
    assert written.texts(view, ROWS, keep=False) == written.texts(view, ROWS, keep=False)
    assert len(view.times) == 2


def test_a_change_of_what_is_published_and_a_new_generation_are_written_anew() -> None:
    written, view = Written(), Asked(boxes=BOXES, version=1, generation="g1")
    written.texts(view, ROWS, keep=True)
    without = [box for box in BOXES if box.address != ROBOT]
    for changed in (
        replace(view, boxes=without, version=2),
        replace(view, boxes=without, generation="g2"),
    ):
        assert addresses(written.texts(changed, ROWS, keep=True)[HOSPITAL]) == [CARDIO]
