"""What this operator publishes goes before the extracts, and what it hides is found by nobody."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import pytest
from msgspec.structs import replace

from directory.annuaire.annuaire import Annuaire
from directory.annuaire.conditions import (
    All,
    AtLeast,
    Equal,
    Everything,
    Present,
    Substring,
    Words,
)
from directory.annuaire.fields import Field
from directory.annuaire.model import Mailbox
from directory.annuaire.published import (
    Standing,
    publish,
    published,
    published_of_person,
    published_of_structure,
    set_standing,
)
from directory.bals import BalType
from tests.directory.extract_files import MAILBOX_HEADER, mailbox, write

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from collections.abc import Set as AbstractSet
    from pathlib import Path

    from directory.annuaire.build import Imported
    from directory.annuaire.conditions import Condition
    from foundation.clock import FixedClock
    from foundation.database import Database

T = TypeVar("T")
ANNE, LOIC, OURS = "anne@demo.mssante.fr", "loic@demo.mssante.fr", "neuve@hopital.mssante.fr"
NEW = Mailbox(
    OURS, BalType.PER, idnat="899900000037", last_name="NEUVE", first_name="EVE", structure_id="1990780017"
)


@pytest.fixture
async def filled(annuaire: Annuaire, imported: Callable[[Path], Imported], tmp_path: Path) -> Annuaire:
    lines = [mailbox(ANNE, place="29200 BREST"), mailbox(LOIC, last="SPÉCIMEN", idnat="899900000029")]
    imported(write(tmp_path / "extract.txt", MAILBOX_HEADER, *lines))
    await annuaire.refresh()
    return annuaire


async def say(database: Database, box: Mailbox, standing: Standing = Standing.SHOWN, now: int = 7) -> None:
    await database.write(lambda uow: publish(uow, box, standing, now))


def everybody(annuaire: Annuaire) -> list[str]:
    return [box.address for box in annuaire.view().page(Everything(), 10)]


async def test_a_new_mailbox_is_found_at_once(filled: Annuaire, database: Database) -> None:
    await say(database, replace(NEW, address=OURS.upper()))
    assert everybody(filled) == [ANNE, LOIC, OURS]
    view = filled.view()
    assert view.mailbox(OURS) == replace(NEW, updated_at=7)
    for condition in (
        Words("neuve"),
        Words("ev"),
        Words("neuv eve"),
        Substring(Field.LAST_NAME, initial="ne"),
        Substring(Field.ADDRESS, parts=("uve@",)),
        Equal(Field.IDNAT, "899900000037"),
        Equal(Field.STRUCTURE_ID, "1990780017"),
        All((Equal(Field.LAST_NAME, "neuve"), Equal(Field.GIVEN_NAME, "ève"))),
    ):
        assert [box.address for box in view.page(condition, 5)] == [OURS], condition
        assert view.count(condition, 5) == 1
    assert [box.address for box in view.mailboxes_of_person("899900000037")] == [OURS]
    assert [box.address for box in view.mailboxes_of_structure("1990780017")] == [OURS]
    person = view.person("899900000037")
    assert person is not None
    assert person.last_name == "NEUVE"


async def test_what_is_published_here_goes_before_the_extract(filled: Annuaire, database: Database) -> None:
    await say(database, Mailbox(ANNE, BalType.PER, last_name="EXEMPLE-DUPONT", first_name="ANNE"))
    assert everybody(filled) == [ANNE, LOIC]
    view = filled.view()
    assert [box.last_name for box in view.mailboxes(Words("exemple"), 5)] == ["EXEMPLE-DUPONT"]
    assert view.mailboxes(Words("brest"), 5) == []
    assert view.count(Everything(), 10) == 2
    assert view.mailboxes_of_person("899900000011") == []


@pytest.mark.parametrize(
    "condition",
    [
        Equal(Field.PHONE, "0243000001"),
        Substring(Field.PHONE, initial="0243"),
        Substring(Field.PHONE, parts=("3000",)),
        AtLeast(Field.PHONE, "02"),
        Present(Field.PHONE),
    ],
    ids=repr,
)
async def test_a_mailbox_is_found_by_its_phone_which_no_extract_tells(
    filled: Annuaire, database: Database, condition: Condition
) -> None:
    await say(database, replace(NEW, phone="0243000001"))
    view = filled.view()
    assert [box.address for box in view.page(condition, 5)] == [OURS]
    assert view.count(condition, 5) == 1


# ref: F40
@pytest.mark.parametrize("standing", [Standing.RED_LIST, Standing.SUSPENDED, Standing.REMOVED])
async def test_what_is_hidden_is_found_by_nobody(
    filled: Annuaire, database: Database, standing: Standing
) -> None:
    await say(database, Mailbox(ANNE, BalType.PER, last_name="EXEMPLE"), standing)
    view = filled.view()
    assert everybody(filled) == [LOIC]
    assert view.mailbox(ANNE) is None
    assert view.mailboxes(Words("exemple"), 5) == []
    assert view.mailboxes(Words("exemple"), 5, recent={ANNE}) == []
    assert view.mailboxes_of_person("899900000011") == []
    assert view.count(Everything(), 10) == 1
    assert view.persons(Equal(Field.ADDRESS, ANNE), 5) == []
    assert view.removed_at(Field.ADDRESS, ANNE) == (7 if standing is Standing.REMOVED else None)
    assert await database.write(lambda uow: set_standing(uow, ANNE.upper(), Standing.SHOWN, 9))
    assert everybody(filled) == [ANNE, LOIC]
    assert not await database.write(lambda uow: set_standing(uow, OURS, Standing.SHOWN, 9))


async def test_pages_go_through_both_in_the_order_of_addresses(
    annuaire: Annuaire, imported: Callable[[Path], Imported], tmp_path: Path, database: Database
) -> None:
    lines = [mailbox(f"p{number:02}@demo.mssante.fr") for number in range(0, 40, 2)]
    imported(write(tmp_path / "extract.txt", MAILBOX_HEADER, *lines))
    for number in range(1, 40, 2):
        await say(database, Mailbox(f"p{number:02}@demo.mssante.fr", BalType.PER, last_name="EXEMPLE"))
    for number in range(0, 40, 8):
        await say(database, Mailbox(f"p{number:02}@demo.mssante.fr", BalType.PER), Standing.RED_LIST)
    await annuaire.refresh()
    view, found, after = annuaire.view(), [], ""
    while page := view.page(Words("exemple"), 7, after=after):
        found += [int(box.address[1:3]) for box in page]
        after = page[-1].address
    assert found == [number for number in range(40) if number % 8]
    assert view.count(Words("exemple"), 100) == 35


async def test_another_process_that_opens_later_knows_the_same(
    filled: Annuaire, database: Database, folder: Path, clock: FixedClock
) -> None:
    await say(database, NEW)
    await say(database, Mailbox(ANNE, BalType.PER), Standing.RED_LIST)
    other = await Annuaire.open(folder, database, clock)
    try:
        assert everybody(other) == everybody(filled) == [LOIC, OURS]
    finally:
        await other.close()


async def test_what_was_published_is_told_with_its_standing(database: Database) -> None:
    await say(database, NEW)
    await say(database, replace(NEW, service="URGENCES"), Standing.RED_LIST)
    for found in (
        await database.read(lambda c: published(c, OURS)),
        *await database.read(lambda c: published_of_person(c, "899900000037")),
        *await database.read(lambda c: published_of_structure(c, "1990780017")),
    ):
        assert found is not None
        assert (found.mailbox.service, found.standing, found.version) == ("URGENCES", Standing.RED_LIST, 2)
        assert "NEUVE" not in repr(found)
    assert await database.read(lambda c: published(c, ANNE)) is None


class Followed(frozenset[str]):
    """Addresses that somebody searches for while they become more."""

    search: Callable[[], object]

    def __or__(self, other: AbstractSet[T]) -> frozenset[str | T]:
        self.search()
        return frozenset(self) | other


async def test_a_search_amid_a_change_leaves_nothing_behind_that_was_not_so_afterwards(
    filled: Annuaire, database: Database
) -> None:
    before = filled.view()
    asked = Equal(Field.ADDRESS, ANNE)
    filled._overlay.addresses = followed = Followed()
    followed.search = lambda: before.persons(asked, 5)
    await say(database, Mailbox(ANNE, BalType.PER, last_name="EXEMPLE"), Standing.RED_LIST)
    assert filled.view().persons(asked, 5) == []


class ClearedByAnother(dict[tuple[int, str, str, "Condition"], "Sequence[str]"]):
    """Bearers that another thread lets go of as soon as somebody has seen that they are there."""

    def __contains__(self, key: object) -> bool:
        found = super().__contains__(key)
        if found:
            self.clear()
        return found


async def test_what_another_thread_lets_go_of_is_found_anew(filled: Annuaire) -> None:
    filled._files.bearers = ClearedByAnother()
    asked = Equal(Field.ADDRESS, ANNE)
    assert len(filled.view().persons(asked, 5)) == 1
    assert len(filled.view().persons(asked, 5)) == 1
