"""How old the directory is, and what is said where it is old, or not as it should be."""

from __future__ import annotations

import os
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from directory.annuaire.annuaire import Annuaire
from directory.annuaire.build import Imported, Importer, ImportPolicy, Refused, Unchanged
from directory.annuaire.conditions import Everything
from directory.annuaire.generations import POINTER, read_pointer
from directory.extracts import ExtractKind
from directory.sources import generated_at
from foundation.clock import from_millis
from tests.directory.extract_files import MAILBOX_HEADER, mailbox, write

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from foundation.clock import FixedClock
    from foundation.database import Database

A, B = "a@demo.mssante.fr", "b@demo.mssante.fr"
MONDAY, TUESDAY = (f"Extraction_Correspondance_MSSante_2026082{day}0600.txt" for day in (4, 5))


def extract(folder: Path, name: str, *addresses: str) -> Path:
    return write(folder / name, MAILBOX_HEADER, *map(mailbox, addresses))


def addresses(annuaire: Annuaire) -> list[str]:
    return [box.address for box in annuaire.view().page(Everything(), 10)]


async def test_an_older_extract_is_refused_with_both_times_unless_forced(
    importer: Importer, imported: Callable[[Path], Imported], tmp_path: Path, folder: Path, clock: FixedClock
) -> None:
    used = imported(extract(tmp_path, TUESDAY, A, B))
    older = extract(tmp_path, MONDAY, A, B, "c@demo.mssante.fr")
    (outcome,) = importer.load(older)
    assert isinstance(outcome, Refused)
    assert outcome.reason == (
        "The Extraction_Correspondance_MSSante file was generated at 2026-08-24T06:00+02:00, before the one in use"
        " (2026-08-25T06:00+02:00): force the import to go back to it."
    )
    assert read_pointer(folder).current.name == used.generation
    (forced,) = Importer(folder, clock, ImportPolicy(force=True)).load(older)
    assert isinstance(forced, Imported)


async def test_the_date_of_the_file_counts_where_its_name_tells_no_time(
    importer: Importer, imported: Callable[[Path], Imported], tmp_path: Path
) -> None:
    imported(extract(tmp_path, "new.txt", A))
    old = extract(tmp_path, "old.txt", A, B)
    os.utime(old, (1_000_000_000, 1_000_000_000))
    (outcome,) = importer.load(old)
    assert isinstance(outcome, Refused)
    assert "2001-09-09" in outcome.reason


async def test_the_same_rows_published_again_are_as_fresh_as_that(
    importer: Importer, imported: Callable[[Path], Imported], annuaire: Annuaire, tmp_path: Path, folder: Path
) -> None:
    first = imported(extract(tmp_path, MONDAY, A))
    await annuaire.refresh()
    again = extract(tmp_path, TUESDAY, A)
    assert importer.load(again) == [Unchanged(TUESDAY, ExtractKind.MAILBOXES)]
    current = read_pointer(folder).current
    part = current.parts[ExtractKind.MAILBOXES]
    assert (part.source, part.generated_at) == (TUESDAY, generated_at(TUESDAY))
    assert (current.name, part.file, part.sha256) == (first.generation, first.part.file, first.part.sha256)
    await annuaire.refresh()
    assert annuaire.view().generated_at == generated_at(TUESDAY)
    assert importer.load(extract(tmp_path, MONDAY, A)) == [Unchanged(MONDAY, ExtractKind.MAILBOXES)]
    assert read_pointer(folder).current.parts[ExtractKind.MAILBOXES].source == TUESDAY


async def test_to_lose_everything_is_allowed_without_building_the_same_file_again(
    imported: Callable[[Path], Imported], tmp_path: Path, folder: Path, clock: FixedClock
) -> None:
    file = extract(tmp_path, MONDAY, A, B)
    imported(file)
    generous = Importer(folder, clock, ImportPolicy(largest_loss_percent=100))
    assert generous.load(file) == [Unchanged(MONDAY, ExtractKind.MAILBOXES)]
    (other,) = generous.load(extract(tmp_path, TUESDAY, "c@demo.mssante.fr"))
    assert isinstance(other, Imported)


async def test_the_file_in_use_is_built_again_where_it_is_gone(
    annuaire: Annuaire, imported: Callable[[Path], Imported], tmp_path: Path, folder: Path
) -> None:
    file = extract(tmp_path, MONDAY, A)
    (folder / imported(file).part.file).unlink()
    await annuaire.refresh()
    assert annuaire.damage is not None
    assert annuaire.damage.endswith(".db is missing: import its extract again.")
    imported(file)
    await annuaire.refresh()
    assert (addresses(annuaire), annuaire.damage) == ([A], None)


@pytest.mark.parametrize("content", ["", "{", '{"format": 2}'])
async def test_a_damaged_pointer_is_an_alarm_while_the_directory_stays_in_use(
    annuaire: Annuaire, imported: Callable[[Path], Imported], tmp_path: Path, folder: Path, content: str
) -> None:
    file = extract(tmp_path, MONDAY, A)
    imported(file)
    await annuaire.refresh()
    assert annuaire.alarms(0) == ()
    (folder / POINTER).write_text(content)
    await annuaire.refresh()
    assert addresses(annuaire) == [A]
    (alarm,) = annuaire.alarms(0)
    assert alarm.startswith("The directory in use stays as it was. ")
    assert POINTER in alarm
    imported(file)
    await annuaire.refresh()
    assert annuaire.alarms(0) == ()


async def test_a_file_that_is_no_database_is_an_alarm_while_the_directory_stays_in_use(
    annuaire: Annuaire, imported: Callable[[Path], Imported], tmp_path: Path, folder: Path
) -> None:
    imported(extract(tmp_path, MONDAY, A))
    await annuaire.refresh()
    newer = extract(tmp_path, TUESDAY, A, B)
    made = imported(newer)
    (folder / made.part.file).write_bytes(b"no database" * 1000)
    await annuaire.refresh()
    assert addresses(annuaire) == [A]
    assert len(annuaire.alarms(0)) == 1
    imported(newer)
    await annuaire.refresh()
    assert addresses(annuaire) == [A, B]
    assert annuaire.alarms(0) == ()


async def test_who_opens_a_damaged_directory_is_told(
    imported: Callable[[Path], Imported], tmp_path: Path, folder: Path, database: Database, clock: FixedClock
) -> None:
    imported(extract(tmp_path, MONDAY, A))
    (folder / POINTER).write_text("{")
    opened = await Annuaire.open(folder, database, clock)
    try:
        assert opened.damage == f"{folder / POINTER} is damaged: import the extracts again."
    finally:
        await opened.close()


async def test_an_extract_that_grows_old_is_an_alarm(
    annuaire: Annuaire, imported: Callable[[Path], Imported], tmp_path: Path, clock: FixedClock
) -> None:
    assert annuaire.alarms(1) == ()
    imported(extract(tmp_path, MONDAY, A))
    await annuaire.refresh()
    clock.advance(from_millis(generated_at(MONDAY) or 0) + timedelta(days=13, hours=23) - clock.now())
    assert annuaire.alarms(14) == ()
    clock.advance(timedelta(hours=1))
    assert annuaire.alarms(14) == (
        "The extract Extraction_Correspondance_MSSante in use is 14 days old (alarm from 14 on).",
    )
    assert annuaire.alarms(0) == ()
