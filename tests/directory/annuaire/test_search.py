"""What a person who types gets: words, typing errors, ranking, and never what is on the red list."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from directory.annuaire.conditions import Equal, Everything, Words
from directory.annuaire.fields import Field
from tests.directory.extract_files import MAILBOX_HEADER, mailbox, write

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from directory.annuaire.annuaire import Annuaire
    from directory.annuaire.build import Imported
    from directory.annuaire.view import View

ANNE, LOIC, CARDIO = "anne.exemple@demo.mssante.fr", "l.specimen@demo.mssante.fr", "cardio@demo.mssante.fr"


@pytest.fixture
async def view(annuaire: Annuaire, imported: Callable[[Path], Imported], tmp_path: Path) -> View:
    lines = [
        mailbox(ANNE, civility="DR", skill="Neurologie", profession="Médecin", place="29200 BREST"),
        mailbox(
            LOIC,
            last="SPÉCIMEN",
            first="LOÏC",
            profession="Infirmier",
            structure="CABINET L'ÉTÉ",
            place="29200 BREST",
            idnat="899900000029",
        ),
        mailbox(
            CARDIO, type="ORG", idnat="", last="", first="", service="CARDIOLOGIE", structure="CH DU CŒUR"
        ),
    ]
    imported(write(tmp_path / "extract.txt", MAILBOX_HEADER, *lines))
    await annuaire.refresh()
    return annuaire.view()


def found(view: View, words: str, limit: int = 50) -> list[str]:
    return [box.address for box in view.mailboxes(Words(words), limit)]


@pytest.mark.parametrize(
    ("words", "addresses"),
    [
        ("exemple", [ANNE]),
        ("EXEMPLE anne", [ANNE]),
        ("neuro brest", [ANNE]),
        ("loic specimen", [LOIC]),
        ("l'été", [LOIC]),
        ("coeur", [CARDIO]),
        ("brest", [ANNE, LOIC]),
        ("xempl", [ANNE]),
        ("br", [ANNE, LOIC]),
        ("b", [ANNE, LOIC]),
        ("es", []),
        ("brest cardiologie", []),
        ("cardio@demo.mssante.fr", [CARDIO]),
        ("CARDIO@DEMO", [CARDIO]),
        ("cardio@demo brest", []),
        ("899900000011", [ANNE]),
        ("29200", [ANNE, LOIC]),
        ("org", [CARDIO]),
        ("infirmier", [LOIC]),
        ("", []),
        ("%", []),
        ("_ ' \\", []),
        ("' OR 1=1 --", []),
        ('"exemple" OR "brest"', []),
        ("exem*", [ANNE]),
        ("\x00\x7f", []),
    ],
)
async def test_every_word_has_to_stand_somewhere(view: View, words: str, addresses: list[str]) -> None:
    assert found(view, words) == addresses


@pytest.mark.parametrize(
    ("words", "addresses"),
    [
        ("exmeple", [ANNE]),
        ("exempl", [ANNE]),
        ("eexemple", [ANNE]),
        ("exemqle", [ANNE]),
        ("exmeple brest", [ANNE]),
        ("exmeple marseille", []),
        ("specimne loic", [LOIC]),
        ("exmepel", []),
        ("anen", [ANNE]),
        ("cardiolgie", []),
    ],
)
async def test_a_name_is_found_with_one_typing_error(view: View, words: str, addresses: list[str]) -> None:
    assert found(view, words) == addresses


async def test_a_typing_error_is_looked_for_only_where_nothing_is_found(
    annuaire: Annuaire, imported: Callable[[Path], Imported], tmp_path: Path
) -> None:
    lines = [mailbox("a@demo.mssante.fr", last="DUPONT"), mailbox("b@demo.mssante.fr", last="DUPOND")]
    imported(write(tmp_path / "extract.txt", MAILBOX_HEADER, *lines))
    await annuaire.refresh()
    assert found(annuaire.view(), "dupont") == ["a@demo.mssante.fr"]
    assert found(annuaire.view(), "duponx") == ["b@demo.mssante.fr", "a@demo.mssante.fr"]


async def test_the_searcher_s_own_come_first(
    annuaire: Annuaire, imported: Callable[[Path], Imported], tmp_path: Path
) -> None:
    lines = [
        mailbox(f"p{number:03}@demo.mssante.fr", last="MARTINEAU", first="ANNE") for number in range(100)
    ]
    lines += [
        mailbox("z1@demo.mssante.fr", last="MARTIN", first="ZOÉ"),
        mailbox("z2@demo.mssante.fr", last="MARTINET", first="ZOÉ", structure_id="1990780017"),
        mailbox("z3@demo.mssante.fr", last="MARTINON", first="ZOÉ"),
    ]
    imported(write(tmp_path / "extract.txt", MAILBOX_HEADER, *lines))
    await annuaire.refresh()
    best = annuaire.view().mailboxes(
        Words("martin"), 5, own_structure="1990780017", recent={"z3@demo.mssante.fr", "gone@x.mssante.fr"}
    )
    assert [box.address.partition("@")[0] for box in best] == ["z3", "z2", "z1", "p000", "p001"]
    assert len(annuaire.view().mailboxes(Words("martin"), 1000)) == 103
    assert annuaire.view().mailboxes(Words("martin"), 0) == []
    assert annuaire.view().mailboxes(Words("martin"), -1) == []


async def test_a_mailbox_is_found_by_its_address_in_any_case(view: View) -> None:
    box = view.mailbox(ANNE.upper())
    assert box is not None
    assert (box.last_name, box.city, box.skill) == ("EXEMPLE", "BREST", "Neurologie")
    assert view.mailbox("nobody@demo.mssante.fr") is None
    assert [each.address for each in view.page(Equal(Field.DOMAIN, "DEMO.mssante.fr"), 10)] == [
        ANNE,
        CARDIO,
        LOIC,
    ]


async def test_words_are_bounded(view: View) -> None:
    assert found(view, "exemple " * 5000) == [ANNE]
    assert found(view, "e" * 100_000) == []
    assert len(view.page(Everything(), 10)) == 3


@pytest.mark.parametrize(
    ("structure_id", "number", "field"),
    [
        ("1990780017", "990780017", Field.FINESS),
        ("2123456782", "123456782", Field.SIREN),
        ("312345678200010", "12345678200010", Field.SIRET),
    ],
)
async def test_a_structure_that_mailboxes_alone_name_is_known_by_its_number(
    annuaire: Annuaire,
    imported: Callable[[Path], Imported],
    tmp_path: Path,
    structure_id: str,
    number: str,
    field: Field,
) -> None:
    imported(
        write(
            tmp_path / "extract.txt", MAILBOX_HEADER, mailbox(CARDIO, type="ORG", structure_id=structure_id)
        )
    )
    await annuaire.refresh()
    for asked in (Equal(Field.STRUCTURE_ID, number), Equal(field, number)):
        (place,) = annuaire.view().structures(asked, 5)
        assert (place.idnat, getattr(place, field.value)) == (structure_id, number)
