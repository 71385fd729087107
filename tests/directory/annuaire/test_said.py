"""What an operator's own boxes may say: where they are passed over, none of them meets the condition."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from directory.annuaire.conditions import Equal, Substring, Words
from directory.annuaire.fields import Field
from directory.annuaire.matching import judge_of_mailboxes
from directory.annuaire.model import Mailbox
from directory.annuaire.said import Said
from directory.bals import BalType
from tests.directory.annuaire.small_nation import as_memory, write_nation
from tests.directory.annuaire.test_against_memory import OF_MAILBOXES, Questions

if TYPE_CHECKING:
    from directory.annuaire.conditions import Condition

BOX = Mailbox(
    "cardiologie@ch-des-essais.mssante.fr",
    BalType.ORG,
    structure="CH DES ESSAIS",
    structure_id_type="1",
    structure_id="1990780017",
    service="CARDIOLOGIE",
    description="Rendez-vous le matin",
)


@pytest.mark.parametrize(
    "condition",
    [
        Substring(Field.ADDRESS, parts=("neuro",)),
        Equal(Field.STRUCTURE_ID, "1990780018"),
        Equal(Field.SERVICE, "neurologie"),
        Words("cardiologie brest"),
    ],
)
def test_it_is_told_when_no_box_can_meet_a_condition(condition: Condition) -> None:
    said = Said()
    said.add(BOX)
    assert not said.may_meet(condition)


@pytest.fixture(scope="module")
def nation(tmp_path_factory: pytest.TempPathFactory) -> list[Mailbox]:
    return list(as_memory(*write_nation(tmp_path_factory.mktemp("nation")), updated_at=7).boxes)


@pytest.mark.parametrize("seed", range(4))
def test_no_box_that_meets_a_condition_is_passed_over(seed: int, nation: list[Mailbox]) -> None:
    questions = Questions(seed, OF_MAILBOXES)
    passed_over = 0
    for number in range(400):
        some = nation[number % len(nation) :: 97]
        said = Said()
        for box in some:
            said.add(box)
        condition = questions.condition()
        if not said.may_meet(condition):
            passed_over += 1
            assert not any(map(judge_of_mailboxes(condition), some)), condition
    assert passed_over > 20
