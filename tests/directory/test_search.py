from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from directory.bals import BalState, add_bal, set_red_list, set_state
from directory.importer import Importer
from directory.search import MOST_RESULTS, find_entry, search
from tests.directory.extract_files import MAILBOX_HEADER, mailbox, write

if TYPE_CHECKING:
    from pathlib import Path

    from foundation.clock import FixedClock
    from foundation.database import Database
    from foundation.vault import Vault

ANNE, LOIC, CARDIO = "anne.exemple@demo.mssante.fr", "l.specimen@demo.mssante.fr", "cardio@demo.mssante.fr"


@pytest.fixture
async def filled(database: Database, clock: FixedClock, tmp_path: Path) -> Database:
    lines = [
        mailbox(ANNE, civility="DR", skill="Neurologie", profession="Médecin", place="29200 BREST"),
        mailbox(
            LOIC,
            last="SPÉCIMEN",
            first="LOÏC",
            profession="Infirmier",
            structure="CABINET L'ÉTÉ",
            place="29200 BREST",
        ),
        mailbox(
            CARDIO, type="ORG", idnat="", last="", first="", service="CARDIOLOGIE", structure="CH DU CŒUR"
        ),
    ]
    await Importer(database, clock).load(write(tmp_path / "extract.txt", MAILBOX_HEADER, *lines))
    return database


async def found(database: Database, words: str, **options: Any) -> list[str]:
    return [entry.address for entry in await database.read(lambda c: search(c, words, **options))]


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
        ("brest cardiologie", []),
        ("cardio@demo.mssante.fr", [CARDIO]),
        ("899900000011", []),
        ("", []),
        ("%", []),
        ("_ ' \\", []),
        ("' OR 1=1 --", []),
    ],
)
async def test_every_word_has_to_occur(filled: Database, words: str, addresses: list[str]) -> None:
    assert await found(filled, words) == addresses


async def test_results_are_bounded(database: Database, clock: FixedClock, tmp_path: Path) -> None:
    lines = [mailbox(f"p{number}@demo.mssante.fr") for number in range(MOST_RESULTS + 50)]
    await Importer(database, clock).load(write(tmp_path / "extract.txt", MAILBOX_HEADER, *lines))
    assert len(await found(database, "exemple", limit=10_000)) == MOST_RESULTS
    assert len(await found(database, "exemple", limit=3)) == 3
    assert await found(database, "exemple", limit=-1) == []
    assert len(await found(database, "exemple " * 5000, limit=3)) == 3


async def test_an_entry_says_who_it_is(filled: Database) -> None:
    entry = await filled.read(lambda c: find_entry(c, ANNE.upper()))
    assert entry is not None
    assert (entry.name, entry.profession, entry.specialty, entry.city) == (
        "Dr Anne EXEMPLE",
        "Médecin",
        "Neurologie",
        "BREST",
    )
    assert [each.name for each in await filled.read(lambda c: search(c, "cardiologie"))] == ["CARDIOLOGIE"]
    assert await filled.read(lambda c: find_entry(c, "nobody@demo.mssante.fr")) is None


# ref: F40
async def test_a_box_on_the_red_list_or_not_active_is_not_shown(filled: Database, vault: Vault) -> None:
    for address in (ANNE, LOIC):
        await filled.write(
            lambda uow, address=address: add_bal(  # type: ignore[misc]
                uow, vault, address=address, type="PER", name="X", idnat=None, password_hash=None, now=0
            )
        )
    assert await found(filled, "brest") == [ANNE, LOIC]
    await filled.write(lambda uow: set_red_list(uow, ANNE, red_list=True))
    assert await found(filled, "brest") == [LOIC]
    assert await filled.read(lambda c: find_entry(c, ANNE)) is None
    await filled.write(lambda uow: set_state(uow, LOIC, BalState.SUSPENDED, 0))
    assert await found(filled, "brest") == []
