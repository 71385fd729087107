"""What few rows have is found without a look at all the others, and what many have without sorting them."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import pytest

from directory.annuaire.build import Imported, Importer, ImportPolicy
from directory.annuaire.conditions import All, Any, AtLeast, Condition, Equal, Everything, Not, Present, Words
from directory.annuaire.fields import Field
from directory.annuaire.files import Files
from directory.annuaire.generations import read_pointer
from directory.annuaire.overlay import Overlay
from directory.annuaire.stored import StoredView
from tests.directory.annuaire.small_nation import as_memory, write_nation

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from foundation.clock import FixedClock

Plans = list[str]
LATE, EARLY = AtLeast(Field.UPDATED, "9" * 15), Not(AtLeast(Field.UPDATED, "1"))


@pytest.fixture
def view(importer: Importer, folder: Path, tmp_path: Path) -> Iterator[StoredView]:
    for path in write_nation(tmp_path / "nation"):  # the activities name afterwards whom mailboxes named
        assert isinstance(importer.load(path)[0], Imported)
    files, ours = Files(folder, read_pointer(folder).current), Overlay()
    yield StoredView(files, ours, 10.0)
    files.close()
    ours.close()


def statements_of(view: StoredView, search: Callable[[], object]) -> list[str]:
    statements: list[str] = []
    view._files.connection.set_trace_callback(statements.append)
    search()
    view._files.connection.set_trace_callback(None)
    return statements


def plans_of(view: StoredView, search: Callable[[], object]) -> Plans:
    """How SQLite goes about the statements of a search on tables of the activities."""
    return [
        row[3]
        for statement in statements_of(view, search)
        if "FROM people." in statement and " WHERE 0" not in statement
        for row in view._files.connection.execute(f"EXPLAIN QUERY PLAN {statement}")
    ]


def looks_at_all(plans: Plans) -> bool:
    return any(plan.startswith("SCAN m") and "COVERING INDEX" not in plan for plan in plans)


CODES = (Field.FUNCTION_CODE, Field.KIND_CODE, Field.PRACTICE_CODE, Field.PHARMACIST_SECTION_CODE)
FEW_ROLES = [
    *(Equal(field, code) for field in CODES for code in ("B", "FON-01", "genr02", "zzz")),
    Any(tuple(Equal(field, "B") for field in CODES)),
    All((Equal(Field.KIND_CODE, "GENR01"), Equal(Field.PRACTICE_CODE, "B"))),
    Present(Field.PHARMACIST_SECTION_CODE),
    LATE,
    EARLY,
]  # fmt: skip


@pytest.mark.parametrize("condition", FEW_ROLES, ids=str)
async def test_roles_that_few_are_come_from_an_index(view: StoredView, condition: Condition) -> None:
    plans = plans_of(view, partial(view.roles, condition, 50))
    assert plans
    assert not looks_at_all(plans)
    assert not looks_at_all(plans_of(view, partial(view.count_roles, condition, 50)))


FEW_STRUCTURES = [
    *(Equal(Field.STRUCTURE_ID, number) for number in ("1990000005", "99000000000005", "F990000005", "no")),
    Equal(Field.SIREN, "990000000"), Present(Field.SIRET), Present(Field.SIREN), LATE, EARLY,
]  # fmt: skip


@pytest.mark.parametrize("condition", FEW_STRUCTURES, ids=str)
async def test_structures_that_few_are_come_from_an_index(view: StoredView, condition: Condition) -> None:
    plans = plans_of(view, partial(view.structures, condition, 50))
    assert plans
    assert not looks_at_all(plans)


@pytest.mark.parametrize("condition", [Equal(Field.CATEGORY_CODE, "M"), LATE, EARLY], ids=str)
async def test_persons_that_few_are_come_from_an_index(view: StoredView, condition: Condition) -> None:
    plans = plans_of(view, partial(view.persons, condition, 50))
    assert plans
    assert not looks_at_all(plans)


async def test_a_way_that_looks_at_all_is_told(view: StoredView) -> None:
    assert looks_at_all(plans_of(view, partial(view.roles, Equal(Field.PHONE, "0"), 50)))


@pytest.mark.parametrize("field", [*CODES, Field.UPDATED])
async def test_what_many_have_is_not_sorted(
    view: StoredView, monkeypatch: pytest.MonkeyPatch, field: Field
) -> None:
    monkeypatch.setattr("directory.annuaire.compile._COUNTED", 5)
    codes = {Field.FUNCTION_CODE: "FON-01", Field.KIND_CODE: "GENR01", Field.PRACTICE_CODE: "L"}
    common = AtLeast(field, "1") if field is Field.UPDATED else Equal(field, codes.get(field, "C"))
    for condition in (common, Any((common, Equal(Field.PRACTICE_CODE, "S"))), Present(field)):
        first = view.roles(condition, 5)
        plans = plans_of(view, partial(view.roles, condition, 5, after=first[-1].id))
        assert plans
        assert not any("TEMP B-TREE" in plan for plan in plans)


async def test_of_two_codes_the_one_that_fewer_have_is_looked_up(view: StoredView) -> None:
    for rare, common in (("B", "GENR01"), ("L", "GENR02")):
        both = All((Equal(Field.PRACTICE_CODE, rare), Equal(Field.KIND_CODE, common)))
        plans = plans_of(view, partial(view.roles, both, 50))
        used = [plan for plan in plans if "INDEX role_by" in plan and "COVERING" not in plan]
        assert len(used) == 1
        assert ("kind_code" in used[0]) == (common == "GENR02")


async def test_several_common_codes_are_one_look_at_the_rows(
    view: StoredView, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("directory.annuaire.compile._COUNTED", 5)
    codes = Any(tuple(Equal(Field.PRACTICE_CODE, code) for code in "LSB"))
    assert len([plan for plan in plans_of(view, partial(view.roles, codes, 5)) if plan == "SCAN m"]) == 1
    count = plans_of(view, partial(view.count_roles, codes, 1000))
    assert len([plan for plan in count if plan == "SCAN m"]) == 1


async def test_whom_the_activities_name_as_well_is_asked_of_one_person_after_the_other(
    view: StoredView, tmp_path: Path, clock: FixedClock
) -> None:
    memory = as_memory(*write_nation(tmp_path / "again"), clock.millis())
    for condition in (Everything(), Equal(Field.LAST_NAME, "MARTIN"), Equal(Field.PROFESSION_CODE, "10")):
        named = [person.idnat for person in memory.persons(condition, 1000)]
        assert [person.idnat for person in view.persons(condition, 1000)] == named
        assert view.count_persons(condition, 1000) == len(named)
        asked = [
            text for text in statements_of(view, partial(view.persons, condition, 3)) if "NOT EXISTS" in text
        ]
        assert all("m.idnat = '" in text for text in asked)
        assert len(asked) < 10


async def test_it_is_not_asked_where_the_mailboxes_were_imported_beside_the_activities(
    view: StoredView, folder: Path, tmp_path: Path, clock: FixedClock
) -> None:
    def asked(of: StoredView) -> bool:
        searches = (partial(of.count_roles, Everything(), 1000), partial(of.persons, Everything(), 1000))
        return any("NOT EXISTS" in text for search in searches for text in statements_of(of, search))

    assert asked(view)
    boxes, _ = write_nation(tmp_path / "nation")
    assert isinstance(Importer(folder, clock, ImportPolicy(force=True)).load(boxes)[0], Imported)
    files = Files(folder, read_pointer(folder).current)
    later = StoredView(files, Overlay(), 10.0)
    assert not asked(later)
    assert later.persons(Everything(), 1000) == view.persons(Everything(), 1000)
    files.close()


async def test_words_that_stand_nowhere_together_are_looked_for_once_as_written_and_once_with_errors(
    view: StoredView,
) -> None:
    asked = [
        text
        for text in statements_of(view, partial(view.mailboxes, Words("dupont secretariat"), 1))
        if "MATCH" in text and "json_group_array" in text
    ]
    assert view.mailboxes(Words("dupont secretariat"), 1) == []
    assert len(asked) == 2
