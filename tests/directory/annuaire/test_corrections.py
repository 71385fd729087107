"""One typing error in a name is forgiven wherever free words are asked for: alone or among conditions, by pages, in counts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from directory.annuaire.conditions import All, Approximate, Equal, Not, Substring, Words
from directory.annuaire.conditions import Any as AnyOf
from directory.annuaire.fields import Field
from directory.annuaire.model import Mailbox
from directory.annuaire.published import Standing, publish
from directory.annuaire.ranking import corrected
from directory.bals import BalType
from tests.directory.extract_files import ACTIVITY_HEADER, MAILBOX_HEADER, activity, mailbox, write

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from directory.annuaire.annuaire import Annuaire
    from directory.annuaire.build import Imported
    from directory.annuaire.conditions import Condition
    from directory.annuaire.view import View
    from foundation.database import Database

ANNE, LOIC, ZOE = "anne@demo.mssante.fr", "loic@demo.mssante.fr", "zoe@demo.mssante.fr"
OURS = Mailbox("eve@hopital.mssante.fr", BalType.PER, last_name="HYPOTHÈSE", first_name="ÈVE")


@pytest.fixture
async def annuaire(annuaire: Annuaire, imported: Callable[[Path], Imported], tmp_path: Path) -> Annuaire:
    lines = [
        mailbox(ANNE, place="29200 BREST"),
        mailbox(LOIC, last="SPÉCIMEN", first="LOÏC", place="75015 PARIS", idnat="899900000029"),
        mailbox(ZOE, last="EXEMPLE", first="ZOÉ", place="29200 BREST", idnat="899900000037"),
    ]
    imported(write(tmp_path / "boxes.txt", MAILBOX_HEADER, *lines))
    imported(write(tmp_path / "roles.txt", ACTIVITY_HEADER, activity()))
    await annuaire.refresh()
    return annuaire


@pytest.fixture
def view(annuaire: Annuaire) -> View:
    return annuaire.view()


def found(view: View, condition: Condition) -> list[str]:
    boxes = sorted(box.address for box in view.mailboxes(condition, 10))
    assert [box.address for box in view.page(condition, 10)] == boxes
    assert view.count(condition, 10) == len(boxes)
    return boxes


IN_BREST = Substring(Field.CITY, parts=("brest",))


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        (All((Words("exmeple"),)), [ANNE, ZOE]),
        (All((Words("exmeple"), IN_BREST)), [ANNE, ZOE]),
        (All((Words("specimne"), IN_BREST)), []),
        (All((Words("specimen"), IN_BREST)), []),
        (All((Words("anen"), Words("exmeple"))), [ANNE]),
        (AnyOf((Words("exmeple"), Words("specimne"))), [ANNE, LOIC, ZOE]),
        (AnyOf((Words("exmeple"), Words("specimen"))), [LOIC]),
        (All((IN_BREST, Not(Words("exmeple")))), [ANNE, ZOE]),
        (All((Words("nobody"), IN_BREST)), []),
        (All((Words(""), IN_BREST)), []),
    ],
)
async def test_a_word_is_corrected_where_the_whole_search_finds_nothing(
    view: View, condition: Condition, expected: list[str]
) -> None:
    assert found(view, condition) == expected


async def test_every_page_of_a_search_decides_alike(view: View) -> None:
    wrong = All((Words("exmeple"), IN_BREST))
    (first,) = view.page(wrong, 1)
    (second,) = view.page(wrong, 1, after=first.address)
    assert [first.address, second.address] == [ANNE, ZOE]
    assert view.page(wrong, 1, after=second.address) == []
    # "anne" is one letter from nothing else; behind its last page nothing is corrected
    assert [box.address for box in view.page(Words("anne"), 5)] == [ANNE]
    assert view.page(Words("loi"), 5, after=LOIC) == []


async def test_the_last_page_of_a_search_that_finds_something_is_followed_by_none(
    annuaire: Annuaire, imported: Callable[[Path], Imported], tmp_path: Path
) -> None:
    lines = [mailbox("a@demo.mssante.fr", last="DUPONT"), mailbox("b@demo.mssante.fr", last="DUPOND")]
    imported(
        write(tmp_path / "two.txt", MAILBOX_HEADER, *lines, *(mailbox(each) for each in (ANNE, LOIC, ZOE)))
    )
    await annuaire.refresh()
    view = annuaire.view()
    assert [box.address for box in view.page(Words("dupont"), 5)] == ["a@demo.mssante.fr"]
    assert view.page(Words("dupont"), 5, after="a@demo.mssante.fr") == []


async def test_persons_are_found_with_a_typing_error_page_by_page(view: View) -> None:
    wrong = All((Words("exmeple"), Equal(Field.TYPE, "PER")))
    assert [person.idnat for person in view.persons(wrong, 5)] == ["899900000011", "899900000037"]
    assert [person.idnat for person in view.persons(wrong, 5, after="899900000011")] == ["899900000037"]
    assert view.count_persons(wrong, 5) == 2
    assert view.persons(Words("exemple"), 5, after="899900000037") == []


async def test_a_name_that_is_published_here_is_corrected(annuaire: Annuaire, database: Database) -> None:
    await database.write(lambda uow: publish(uow, OURS, Standing.SHOWN, 7))
    view = annuaire.view()
    for wrong in (Words("hypohtese"), All((Words("hypothes"),)), Approximate(Field.LAST_NAME, "hipothese")):
        assert found(view, wrong) == [OURS.address], wrong
    await database.write(lambda uow: publish(uow, OURS, Standing.RED_LIST, 8))
    assert found(annuaire.view(), Words("hypohtese")) == []


def test_no_search_has_more_than_eight_words_corrected() -> None:
    asked: list[str] = []

    def close_names(word: str) -> Sequence[str]:
        asked.append(word)
        return [word, "other"]

    many = AnyOf(tuple(Words(f"one{number} two{number}") for number in range(200)))
    near = corrected(many, close_names)
    assert len(asked) == 8
    assert isinstance(near, AnyOf)
    assert near.children[4:] == many.children[4:]
    assert corrected(many, lambda word: [word]) is None
    assert corrected(Equal(Field.LAST_NAME, "x"), close_names) is None
