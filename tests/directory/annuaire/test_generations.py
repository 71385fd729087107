"""One directory gives way to the next: searches go on, pages stay in their own, nothing is ever half."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import TYPE_CHECKING, NoReturn

import pytest

from directory.annuaire import build, generations
from directory.annuaire.annuaire import Annuaire
from directory.annuaire.conditions import AtLeast, Everything, Words
from directory.annuaire.fields import Field
from directory.annuaire.generations import POINTER, PointerDamaged, read_pointer, sweep
from directory.annuaire.staging import draft_of
from directory.annuaire.view import GenerationGone, TooSlow
from directory.extracts import ExtractKind
from tests.directory.extract_files import ACTIVITY_HEADER, MAILBOX_HEADER, activity, mailbox, write

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from directory.annuaire.build import Imported, Importer
    from foundation.clock import FixedClock
    from foundation.database import Database

A, B = "a@demo.mssante.fr", "b@demo.mssante.fr"


@pytest.fixture
def one(tmp_path: Path) -> Path:
    return write(tmp_path / "one.txt", MAILBOX_HEADER, mailbox(A))


@pytest.fixture
def two(tmp_path: Path) -> Path:
    return write(tmp_path / "two.txt", MAILBOX_HEADER, mailbox(A), mailbox(B))


def addresses(annuaire: Annuaire, generation: str | None = None) -> list[str]:
    return [box.address for box in annuaire.view(generation).page(Everything(), 10)]


async def test_an_empty_directory_finds_nothing(annuaire: Annuaire) -> None:
    view = annuaire.view()
    assert (view.generation, view.generated_at) == ("empty", 0)
    assert addresses(annuaire) == []
    assert view.mailboxes(Words("martin"), 5) == []
    assert view.persons(Everything(), 5) == []
    assert view.structures(Everything(), 5) == []
    assert view.roles(Everything(), 5) == []
    assert view.person("899900000011") is None
    assert view.label("profession", "10") is None


async def test_a_search_in_pages_goes_on_in_the_generation_it_began_with(
    annuaire: Annuaire, imported: Callable[[Path], Imported], one: Path, two: Path, clock: FixedClock
) -> None:
    imported(one)
    await annuaire.refresh()
    first = annuaire.view()
    clock.advance(timedelta(minutes=10))
    imported(two)
    assert addresses(annuaire) == [A]
    await annuaire.refresh()
    assert addresses(annuaire) == [A, B]
    assert addresses(annuaire, first.generation) == [A]
    assert [box.address for box in first.page(Everything(), 10)] == [A]
    assert annuaire.view().generation != first.generation
    clock.advance(timedelta(minutes=61))
    await annuaire.refresh()
    with pytest.raises(GenerationGone):
        annuaire.view(first.generation)
    with pytest.raises(GenerationGone):
        annuaire.view("1-made-up")


async def test_another_process_finds_an_older_generation_while_it_is_kept(
    imported: Callable[[Path], Imported],
    one: Path,
    two: Path,
    folder: Path,
    database: Database,
    clock: FixedClock,
) -> None:
    first = imported(one).generation
    clock.advance(timedelta(minutes=1))
    imported(two)
    other = await Annuaire.open(folder, database, clock)
    try:
        assert addresses(other, first) == [A]
        assert addresses(other) == [A, B]
    finally:
        await other.close()


async def test_files_of_old_generations_are_removed_after_an_hour(
    imported: Callable[[Path], Imported], one: Path, two: Path, folder: Path, clock: FixedClock
) -> None:
    old = imported(one).part.file
    new = imported(two).part.file
    sweep(folder, clock.millis())
    assert {path.name for path in folder.glob("*.db")} == {old, new}
    clock.advance(timedelta(minutes=61))
    sweep(folder, clock.millis())
    assert {path.name for path in folder.glob("*.db")} == {new}
    assert read_pointer(folder).kept == ()


async def test_each_extract_is_imported_alone(
    annuaire: Annuaire, imported: Callable[[Path], Imported], one: Path, two: Path, tmp_path: Path
) -> None:
    imported(one)
    imported(write(tmp_path / "roles.txt", ACTIVITY_HEADER, activity()))
    imported(two)
    await annuaire.refresh()
    assert addresses(annuaire) == [A, B]
    person = annuaire.view().person("899900000011")
    assert person is not None
    assert person.title == "DR"


async def test_searches_never_fail_while_the_directory_is_replaced(
    annuaire: Annuaire, importer: Importer, tmp_path: Path, clock: FixedClock
) -> None:
    files = [
        write(
            tmp_path / f"{size}.txt",
            MAILBOX_HEADER,
            *(mailbox(f"p{number:03}@demo.mssante.fr") for number in range(size)),
        )
        for size in (200, 210)
    ]
    importer.load(files[0])
    await annuaire.refresh()
    seen: list[int] = []
    failures: list[BaseException] = []
    stop = threading.Event()
    holder = [annuaire.view()]

    def search() -> None:
        try:
            while not stop.is_set():
                view = holder[0]
                found = view.page(Words("exemple"), 1000)
                assert view.count(Everything(), 1000) == len(found)
                seen.append(len(found))
        except BaseException as failure:
            failures.append(failure)

    threads = [threading.Thread(target=search) for _ in range(4)]
    for thread in threads:
        thread.start()
    try:
        for number in range(4):
            importer.load(files[(number + 1) % 2])
            await annuaire.refresh()
            holder[0] = annuaire.view()
            done = len(seen)
            while len(seen) < done + 8 and not failures:
                pass
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert failures == []
    assert set(seen) == {200, 210}


@pytest.mark.parametrize("step", ["stage", "assemble", "move_pointer"])
async def test_a_crash_at_any_step_leaves_the_directory_and_the_next_import_is_fine(
    annuaire: Annuaire,
    importer: Importer,
    imported: Callable[[Path], Imported],
    one: Path,
    two: Path,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    step: str,
) -> None:
    imported(one)
    real = getattr(build, step)

    def crash(*arguments: object, **named: object) -> None:
        if step != "move_pointer":
            real(*arguments, **named)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(build, step, crash)
        with pytest.raises(KeyboardInterrupt):
            importer.load(two)
    await annuaire.refresh()
    assert addresses(annuaire) == [A]
    imported(two)
    await annuaire.refresh()
    assert addresses(annuaire) == [A, B]
    named = {
        part.file
        for each in (read_pointer(folder).current, *read_pointer(folder).kept)
        for part in each.parts.values()
    }
    assert {path.name for path in folder.glob("*.db")} == named


async def test_an_import_killed_while_it_sorts_is_gone_on_with(
    annuaire: Annuaire,
    importer: Importer,
    imported: Callable[[Path], Imported],
    one: Path,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whoever is killed takes nothing away: the draft stays, with the index that was made in it."""
    draft = draft_of(folder, ExtractKind.MAILBOXES)
    left: list[bytes] = []

    def killed(*_: object) -> NoReturn:
        left.append(draft.read_bytes())
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(build, "move_pointer", killed)
        with pytest.raises(KeyboardInterrupt):
            importer.load(one)
    draft.write_bytes(left[0])
    imported(one)
    await annuaire.refresh()
    assert addresses(annuaire) == [A]


@pytest.mark.parametrize(
    "content", ["", "{", "[]", '{"format": 1}', '{"format": 2}', '{"format": 1, "current": 3, "kept": []}']
)
async def test_a_damaged_pointer_is_told_and_an_import_mends_it(
    annuaire: Annuaire, imported: Callable[[Path], Imported], one: Path, folder: Path, content: str
) -> None:
    folder.mkdir(exist_ok=True)
    (folder / POINTER).write_text(content)
    with pytest.raises(PointerDamaged):
        read_pointer(folder)
    await annuaire.refresh()
    assert addresses(annuaire) == []
    imported(one)
    await annuaire.refresh()
    assert addresses(annuaire) == [A]


async def test_a_file_that_is_missing_leaves_the_older_directory_in_use(
    annuaire: Annuaire, imported: Callable[[Path], Imported], one: Path, two: Path, folder: Path
) -> None:
    imported(one)
    await annuaire.refresh()
    (folder / imported(two).part.file).unlink()
    await annuaire.refresh()
    assert addresses(annuaire) == [A]


async def test_two_imports_at_once_are_one_and_a_refusal(importer: Importer, one: Path, folder: Path) -> None:
    folder.mkdir()
    with generations.alone(folder):
        (outcome,) = importer.load(one)
    assert isinstance(outcome, build.Refused)
    assert "Another import is running" in outcome.reason


async def test_a_search_that_takes_too_long_is_given_up(
    imported: Callable[[Path], Imported], tmp_path: Path, folder: Path, database: Database, clock: FixedClock
) -> None:
    lines = (mailbox(f"p{number:04}@demo.mssante.fr") for number in range(3000))
    imported(write(tmp_path / "many.txt", MAILBOX_HEADER, *lines))
    hurried = await Annuaire.open(folder, database, clock, seconds=0.0)
    try:
        with pytest.raises(TooSlow):
            hurried.view().page(AtLeast(Field.LAST_NAME, "zzz"), 10)
        assert hurried.view().mailbox("p0001@demo.mssante.fr") is not None
    finally:
        await hurried.close()
