"""A box is called as its bearer is, or somebody has confirmed that it is not."""

from __future__ import annotations

import pytest

from directory.annuaire.model import Person
from directory.bals import BalType
from directory.bearers import OtherBearer, check_bearer
from tests.directory.memory import MemoryView

RPPS = "899900000102"
ANNE = Person(RPPS, title="DR", last_name="LE GOFF-MARTIN", first_name="ANNE-SOPHIE")
VIEW = MemoryView(people=[ANNE])


@pytest.mark.parametrize(
    "name",
    [
        "Dr Anne-Sophie LE GOFF-MARTIN",
        "martin",
        "Mme GOFF",
        "Cabinet du Dr Martin",
        "SOPHIE Durand",
        "Lê GÖFF",
    ],
)
def test_one_word_of_the_name_is_enough(name: str) -> None:
    check_bearer(VIEW, BalType.PER, name, RPPS)
    check_bearer(VIEW, BalType.CAB, name, RPPS)


@pytest.mark.parametrize("name", ["Dr Paul DURAND", "Le Bihan", "Martine Go", "Secrétariat", "—"])
@pytest.mark.parametrize("kind", [BalType.PER, BalType.CAB])
def test_somebody_elses_name_is_refused_with_the_known_one(name: str, kind: BalType) -> None:
    with pytest.raises(OtherBearer) as refused:
        check_bearer(VIEW, kind, name, RPPS)
    for sentence in (str(refused.value), refused.value.french):
        assert "Dr Anne-Sophie LE GOFF-MARTIN" in sentence
        assert RPPS in sentence
        assert name in sentence


def test_what_the_directory_does_not_know_is_not_compared() -> None:
    check_bearer(VIEW, BalType.PER, "Dr Paul DURAND", "899900000999")
    check_bearer(VIEW, BalType.PER, "Dr Paul DURAND", None)
    check_bearer(VIEW, BalType.ORG, "Secrétariat", RPPS)
    check_bearer(MemoryView(people=[Person(RPPS)]), BalType.PER, "Dr Paul DURAND", RPPS)
