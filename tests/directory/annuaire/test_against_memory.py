"""The index answers as looking at each row does: thousands of seeded conditions of every kind."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest

from directory.annuaire.build import Imported, Importer
from directory.annuaire.conditions import (
    All,
    Any,
    Approximate,
    AtLeast,
    AtMost,
    Condition,
    Equal,
    Everything,
    Not,
    Nothing,
    Present,
    Substring,
    Words,
)
from directory.annuaire.fields import Field
from tests.directory.annuaire.small_nation import (
    DOMAINS,
    FIRST,
    LAST,
    SERVICES,
    SKILLS,
    as_memory,
    write_nation,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from directory.annuaire.annuaire import Annuaire
    from directory.annuaire.view import View
    from foundation.clock import FixedClock
    from tests.directory.memory import MemoryView

OF_MAILBOXES = [
    field for field in Field if field not in {Field.SECTOR_CODE, Field.FUNCTION_CODE, Field.ROLE_ID}
]
COUNTED = [20_000, 5]
"""Rows up to which an index is asked for all it finds: more than there are, and fewer."""
OF_PERSONS = [
    Field.CN, Field.GIVEN_NAME, Field.LAST_NAME, Field.IDNAT, Field.PERSON_ID, Field.PROFESSION_CODE,
    Field.SKILL_CODE, Field.CATEGORY_CODE, Field.UPDATED, Field.ADDRESS, Field.TYPE, Field.DOMAIN,
]  # fmt: skip
OF_ROLES = [
    Field.IDNAT, Field.STRUCTURE_ID, Field.PROFESSION_CODE, Field.SKILL_CODE, Field.SECTOR_CODE, Field.ADDRESS,
    Field.TYPE, Field.ROLE_ID, Field.PROFESSION, Field.UPDATED, Field.CN,
    *(Field.FUNCTION_CODE, Field.KIND_CODE, Field.PRACTICE_CODE, Field.PHARMACIST_SECTION_CODE) * 2,
]  # fmt: skip
OF_STRUCTURES = [
    Field.STRUCTURE, Field.STRUCTURE_ID, Field.CITY, Field.POSTAL_CODE, Field.STREET, Field.DEPARTMENT,
    Field.SECTOR_CODE, Field.ADDRESS, Field.TYPE, Field.UPDATED, Field.IDNAT, Field.FINESS, Field.SIRET, Field.SIREN,
]  # fmt: skip
TEXTS = [
    *FIRST, *LAST, *SERVICES, *DOMAINS, *(label for _, label in SKILLS if label), "Anne MARTIN", "MARTIN Anne",
    "anne marie martin", "dupno", "martin ", " martin", "e m", "in", "a", "ma", "zz", "xyzzy", "-", " ", "@", "7",
    "paris", "CH DE", "les lilas", "75015", "20", "2A", "SM36", "10", "PER", "org", "mssante.fr", "1990000003",
    "99900000003", "899900000003", "990000003", "F990000003", "12 r du port", "med", "true", "0", "99000", "é", "ß",
    "L", "S", "B", "C", "GENR01", "genr02", "FON-01", "990000005", "99000000000005", "1" * 18, "1" * 19,
    "martin.1", "service.", ".1", '"', "%", "_", "|", "'",
]  # fmt: skip


class Questions:
    """Conditions drawn by a seed."""

    def __init__(self, seed: int, fields: Sequence[Field]) -> None:
        self._dice = random.Random(seed)
        self._fields = fields

    def condition(self, depth: int = 3) -> Condition:
        dice = self._dice
        kind = dice.random()
        if depth and kind < 0.35:
            children = tuple(self.condition(depth - 1) for _ in range(dice.randint(0, 3)))
            return All(children) if dice.random() < 0.5 else Any(children)
        if depth and kind < 0.42:
            return Not(self.condition(depth - 1))
        return self.item()

    def item(self) -> Condition:
        dice, field, text = self._dice, self._dice.choice(self._fields), self.text
        match dice.randrange(12):
            case 0 | 1 | 2:
                return Equal(field, text())
            case 3 | 4 | 5 | 6:
                parts = tuple(text() for _ in range(dice.choice([0, 1, 1, 1, 2])))
                initial, final = (text() if dice.random() < 0.3 else None for _ in range(2))
                return Substring(field, initial, parts, final)
            case 7:
                return Present(field)
            case 8:
                return AtLeast(field, text())
            case 9:
                return AtMost(field, text())
            case 10:
                return Words(" ".join(text() for _ in range(dice.randint(1, 2))))
            case _:
                others: list[Condition] = [Everything(), Nothing(), Approximate(Field.LAST_NAME, text())]
                return dice.choice(others)

    def text(self) -> str:
        text = self._dice.choice(TEXTS)
        if self._dice.random() < 0.5 and len(text) > 2:
            start = self._dice.randrange(len(text) - 1)
            text = text[start : start + self._dice.randint(1, 5)]
        return text


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return write_nation(tmp_path_factory.mktemp("nation"))


@pytest.fixture
def imported_nation(importer: Importer, files: tuple[Path, Path]) -> None:
    for path in reversed(files):
        assert isinstance(importer.load(path)[0], Imported)


@pytest.fixture
def memory(files: tuple[Path, Path], clock: FixedClock) -> MemoryView:
    return as_memory(*files, clock.millis())


@pytest.fixture
async def view(imported_nation: None, annuaire: Annuaire) -> View:
    await annuaire.refresh()
    return annuaire.view()


@pytest.mark.parametrize("seed", range(8))
async def test_mailboxes(view: View, memory: MemoryView, seed: int) -> None:
    questions = Questions(seed, OF_MAILBOXES)
    for _ in range(150):
        condition = questions.condition()
        wanted = memory.page(condition, 1000)
        assert view.page(condition, 1000) == wanted, condition
        assert view.count(condition, 1000) == len(wanted), condition
        assert view.count(condition, 3) == min(3, len(wanted)), condition
        if len(wanted) > 4:
            assert view.page(condition, 3, after=wanted[1].address) == wanted[2:5], condition


@pytest.mark.parametrize("counted", COUNTED)
@pytest.mark.parametrize("seed", range(4))
async def test_persons(
    view: View, memory: MemoryView, monkeypatch: pytest.MonkeyPatch, seed: int, counted: int
) -> None:
    monkeypatch.setattr("directory.annuaire.compile._COUNTED", counted)
    questions = Questions(seed, OF_PERSONS)
    for _ in range(100):
        condition = questions.condition()
        wanted = memory.persons(condition, 1000)
        assert view.persons(condition, 1000) == wanted, condition
        assert view.count_persons(condition, 1000) == len(wanted), condition
        if len(wanted) > 4:
            assert view.persons(condition, 3, after=wanted[1].idnat) == wanted[2:5], condition


@pytest.mark.parametrize("counted", COUNTED)
@pytest.mark.parametrize("seed", range(4))
async def test_structures(
    view: View, memory: MemoryView, monkeypatch: pytest.MonkeyPatch, seed: int, counted: int
) -> None:
    monkeypatch.setattr("directory.annuaire.compile._COUNTED", counted)
    questions = Questions(seed, OF_STRUCTURES)
    for _ in range(100):
        condition = questions.condition()
        wanted = memory.structures(condition, 1000)
        assert view.structures(condition, 1000) == wanted, condition
        assert view.count_structures(condition, 1000) == len(wanted), condition
        if len(wanted) > 4:
            assert view.structures(condition, 3, after=wanted[1].id) == wanted[2:5], condition


@pytest.mark.parametrize("counted", COUNTED)
@pytest.mark.parametrize("seed", range(4))
async def test_roles(
    view: View, memory: MemoryView, monkeypatch: pytest.MonkeyPatch, seed: int, counted: int
) -> None:
    monkeypatch.setattr("directory.annuaire.compile._COUNTED", counted)
    questions = Questions(seed, OF_ROLES)
    for _ in range(100):
        condition = questions.condition()
        wanted = memory.roles(condition, 1000)
        assert view.roles(condition, 1000) == wanted, condition
        assert view.count_roles(condition, 1000) == len(wanted), condition
        if len(wanted) > 4:
            assert view.roles(condition, 3, after=wanted[1].id) == wanted[2:5], condition


@pytest.mark.parametrize("counted", COUNTED)
async def test_times_to_the_millisecond(
    view: View, memory: MemoryView, clock: FixedClock, monkeypatch: pytest.MonkeyPatch, counted: int
) -> None:
    monkeypatch.setattr("directory.annuaire.compile._COUNTED", counted)
    for sort in (Equal, AtLeast, AtMost):
        for moment in (clock.millis() - 1, clock.millis(), clock.millis() + 1):
            for condition in (sort(Field.UPDATED, str(moment)), Not(sort(Field.UPDATED, str(moment)))):
                assert view.roles(condition, 1000) == memory.roles(condition, 1000), condition
                assert view.count_structures(condition, 1000) == memory.count_structures(condition, 1000)
                assert view.page(condition, 1000) == memory.page(condition, 1000), condition
