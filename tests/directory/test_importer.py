from __future__ import annotations

import zipfile
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import func, select

from directory import importer as importer_module
from directory import staging
from directory.correspondents import correspondent
from directory.extracts import ExtractKind
from directory.importer import Importer, ImportPolicy, NotUsedYet, Outcome, Progress, Refused, Switched
from directory.sources import generated_at
from directory.tables import (
    directory_activity,
    directory_entry,
    directory_import,
    directory_tombstone,
    staged_activity,
    staged_entry,
)
from foundation.clock import from_millis
from tests.directory.extract_files import ACTIVITY_HEADER, MAILBOX_HEADER, activity, mailbox, write
from tests.shared_data import shared

if TYPE_CHECKING:
    from pathlib import Path

    from foundation.clock import FixedClock
    from foundation.database import Database

ADDRESSES = [f"p{number}@demo.mssante.fr" for number in range(20)]


@pytest.fixture
def importer(database: Database, clock: FixedClock) -> Importer:
    return Importer(database, clock)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "Extraction_Correspondance_MSSante_202608261013.txt"


async def load(importer: Importer, path: Path) -> Outcome:
    (outcome,) = await importer.load(path)
    return outcome


async def switched(importer: Importer, path: Path) -> Switched:
    outcome = await load(importer, path)
    assert isinstance(outcome, Switched), outcome
    return outcome


async def refused(importer: Importer, path: Path) -> Refused:
    outcome = await load(importer, path)
    assert isinstance(outcome, Refused), outcome
    return outcome


async def addresses(database: Database) -> list[str]:
    query = select(directory_entry.c.address).order_by(directory_entry.c.address)
    return list(await database.read(lambda c: c.execute(query).scalars().all()))


async def staged_rows(database: Database) -> int:
    counts = [select(func.count()).select_from(table) for table in (staged_entry, staged_activity)]
    return sum(
        [await database.read(lambda c, count=count: c.execute(count).scalar_one()) for count in counts]
    )


def test_the_name_of_a_file_says_when_it_was_generated() -> None:
    at = generated_at("Extraction_Correspondance_MSSante_202608261013.zip")
    assert at is not None
    assert from_millis(at).isoformat() == "2026-08-26T08:13:00+00:00"
    assert generated_at("extract.txt") is None
    assert generated_at("x_202602311013.txt") is None


# ref: F37
async def test_an_extract_becomes_the_directory(importer: Importer, database: Database, file: Path) -> None:
    write(
        file,
        MAILBOX_HEADER,
        mailbox(
            "Anne.Exemple@Demo.MSSante.fr",
            civility="DR",
            skill="Neurologie",
            place="75015 PARIS 15",
            digital="True",
        ),
        mailbox("cardio@demo.mssante.fr", type="org", idnat="", last="", first="", service="CARDIOLOGIE"),
    )
    outcome = await switched(importer, file)
    assert (outcome.rows, outcome.duplicates, outcome.added, outcome.changed, outcome.removed) == (
        2,
        0,
        2,
        0,
        0,
    )
    assert await addresses(database) == ["anne.exemple@demo.mssante.fr", "cardio@demo.mssante.fr"]
    row = await database.read(lambda c: c.execute(select(directory_entry)).first())
    assert row is not None
    assert (row.type, row.domain, row.digital) == ("PER", "demo.mssante.fr", True)
    assert (row.postal_code, row.city) == ("75015", "PARIS 15")
    assert "neurologie" in row.folded
    kept = await database.read(lambda c: c.execute(select(directory_import)).one())
    assert (kept.state, kept.rows, len(kept.sha256)) == ("switched", 2, 64)
    assert from_millis(kept.generated_at).isoformat() == "2026-08-26T08:13:00+00:00"
    assert await staged_rows(database) == 0


async def test_only_what_changed_is_written_at_the_next_import(
    importer: Importer, database: Database, clock: FixedClock, file: Path
) -> None:
    await switched(importer, write(file, MAILBOX_HEADER, *map(mailbox, ADDRESSES)))
    first_written = clock.millis()
    clock.advance(timedelta(days=1))
    lines = [
        *map(mailbox, ADDRESSES[1:-1]),
        mailbox(ADDRESSES[-1], service="URGENCES"),
        mailbox("new@demo.mssante.fr"),
    ]
    outcome = await switched(importer, write(file, MAILBOX_HEADER, *lines))
    assert (outcome.rows, outcome.added, outcome.changed, outcome.removed) == (20, 1, 1, 1)
    assert await addresses(database) == sorted([*ADDRESSES[1:], "new@demo.mssante.fr"])
    rows = await database.read(lambda c: c.execute(select(directory_entry)).all())
    rewritten = {row.address for row in rows if row.updated_at != first_written}
    assert rewritten == {ADDRESSES[-1], "new@demo.mssante.fr"}


async def test_a_removed_address_leaves_a_tombstone_until_it_comes_back(
    importer: Importer, database: Database, file: Path
) -> None:
    async def buried() -> list[str]:
        return list(
            await database.read(lambda c: c.execute(select(directory_tombstone.c.address)).scalars().all())
        )

    await switched(importer, write(file, MAILBOX_HEADER, *map(mailbox, ADDRESSES)))
    await switched(importer, write(file, MAILBOX_HEADER, *map(mailbox, ADDRESSES[:-1])))
    assert await buried() == [ADDRESSES[-1]]
    await switched(importer, write(file, MAILBOX_HEADER, *map(mailbox, ADDRESSES)))
    assert await buried() == []


async def test_an_address_on_several_lines_is_one_mailbox_and_the_first_line_counts(
    importer: Importer, database: Database, file: Path
) -> None:
    lines = [mailbox(address) for address in ADDRESSES]
    again = [mailbox(ADDRESSES[0], service="SECOND"), mailbox(ADDRESSES[0].upper(), service="THIRD")]
    outcome = await switched(importer, write(file, MAILBOX_HEADER, *lines[:5], *again, *lines[5:], lines[3]))
    assert (outcome.rows, outcome.duplicates, outcome.added) == (20, 3, 20)
    assert await addresses(database) == sorted(ADDRESSES)
    services = await database.read(
        lambda c: c.execute(select(directory_entry.c.service).distinct()).scalars().all()
    )
    assert services == [None]
    same = await switched(importer, file)
    assert (same.added, same.changed, same.removed) == (0, 0, 0)


async def test_lines_that_say_the_impossible_are_left_out_and_told(importer: Importer, file: Path) -> None:
    bad = [
        mailbox("no address"),
        mailbox("x@demo.mssante.fr", type="XXX"),
        mailbox("y@demo.mssante.fr", last="A" * 101),
    ]
    outcome = await switched(importer, write(file, MAILBOX_HEADER, mailbox(), *bad))
    assert (outcome.rows, outcome.bad_lines) == (1, 3)
    assert [(each.line, each.reason) for each in outcome.bad] == [
        (3, "no mail address"),
        (4, "no type of mailbox"),
        (5, "last_name longer than 100 characters"),
    ]


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        ([MAILBOX_HEADER], "holds no rows"),
        ([MAILBOX_HEADER, *map(mailbox, ADDRESSES[:17])], "17 rows where the last import had 20"),
        (
            [MAILBOX_HEADER.replace("Adresse BAL", "Adresse"), mailbox()],
            "misses required columns: adressebal",
        ),
        ([MAILBOX_HEADER.replace("Nom d'exercice", "Nom"), mailbox()], "misses required columns"),
        ([MAILBOX_HEADER, *map(mailbox, ADDRESSES), *["x|y"] * 11], "11 bad lines"),
        ([MAILBOX_HEADER, *map(mailbox, ADDRESSES), *[mailbox("x")] * 11], "11 bad lines"),
        ([], "empty"),
    ],
)
async def test_a_file_that_fails_leaves_the_directory_as_it_was(
    importer: Importer, database: Database, file: Path, lines: list[str], reason: str
) -> None:
    await switched(importer, write(file, MAILBOX_HEADER, *map(mailbox, ADDRESSES)))
    outcome = await refused(importer, write(file, *lines))
    assert reason in outcome.reason
    assert await addresses(database) == sorted(ADDRESSES)
    assert await staged_rows(database) == 0


async def test_a_forced_import_may_shrink_the_directory(
    database: Database, clock: FixedClock, importer: Importer, file: Path
) -> None:
    await switched(importer, write(file, MAILBOX_HEADER, *map(mailbox, ADDRESSES)))
    forced = Importer(database, clock, ImportPolicy(smallest_share=0))
    outcome = await switched(forced, write(file, MAILBOX_HEADER, mailbox(ADDRESSES[0])))
    assert outcome.removed == 19
    assert await addresses(database) == [ADDRESSES[0]]


async def test_a_switch_that_fails_half_way_changes_nothing(
    importer: Importer, database: Database, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await switched(importer, write(file, MAILBOX_HEADER, *map(mailbox, ADDRESSES)))

    def fail(*_: Any) -> None:
        raise RuntimeError("disk on fire")

    monkeypatch.setattr(staging, "_bury", fail)  # the rows are deleted and replaced by then
    with pytest.raises(RuntimeError, match="disk on fire"):
        await importer.load(
            write(file, MAILBOX_HEADER, *map(mailbox, ADDRESSES[1:]), mailbox("new@demo.mssante.fr"))
        )
    assert await addresses(database) == sorted(ADDRESSES)
    states = await database.read(lambda c: c.execute(select(directory_import.c.state)).scalars().all())
    assert sorted(states) == ["refused", "switched"]


async def test_a_directory_that_changed_meanwhile_is_compared_again(
    importer: Importer, database: Database, clock: FixedClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = write(tmp_path / "first.txt", MAILBOX_HEADER, *map(mailbox, ADDRESSES))
    other = write(
        tmp_path / "other.txt", MAILBOX_HEADER, *map(mailbox, ADDRESSES[:-1]), mailbox("new@demo.mssante.fr")
    )
    await switched(importer, first)
    seen: list[int] = []

    async def another() -> None:
        await switched(Importer(database, clock), other)

    write_unit = database.write

    async def interposed(unit: Any) -> Any:
        if getattr(unit, "func", None) is staging.switch and not seen:
            seen.append(1)
            await another()
        return await write_unit(unit)

    monkeypatch.setattr(database, "write", interposed)
    outcome = await switched(importer, first)
    assert seen == [1]
    assert (outcome.added, outcome.removed) == (1, 1)
    assert await addresses(database) == sorted(ADDRESSES)


async def test_what_an_interrupted_import_left_is_cleared_by_the_next(
    importer: Importer, database: Database, clock: FixedClock, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def crash(*_: Any) -> None:
        raise KeyboardInterrupt

    write(file, MAILBOX_HEADER, *map(mailbox, ADDRESSES))
    with monkeypatch.context() as patch:
        patch.setattr(Importer, "_switch", crash)
        patch.setattr(Importer, "_clear", lambda *_: noop())
        with pytest.raises(KeyboardInterrupt):
            await importer.load(file)
    assert await staged_rows(database) == 20
    await switched(importer, file)
    assert await staged_rows(database) == 0


async def noop() -> None:
    return None


async def test_progress_is_told_batch_by_batch(
    importer: Importer, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importer_module, "BATCH", 8)
    told: list[Progress] = []
    await importer.load(write(file, MAILBOX_HEADER, *map(mailbox, ADDRESSES)), told.append)
    assert [each.rows for each in told] == [8, 16, 20]
    assert told[-1].bytes_read == told[-1].size > 20 * len(MAILBOX_HEADER) // 31


async def test_an_archive_is_read_without_being_unpacked(
    importer: Importer, database: Database, tmp_path: Path
) -> None:
    path = tmp_path / "PS_LibreAcces_202608261013.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(
            "../../PS_LibreAcces_Personne_activite.txt",
            f"{ACTIVITY_HEADER}\n{activity(skill='Neurologie')}\n",
        )
        archive.writestr("skills.txt", "Identification nationale PP|Code savoir-faire|\n8999|SM54|\n")
        archive.writestr("LISEZ-MOI.pdf", "…")
    activities, skills = await importer.load(path)
    assert isinstance(activities, Switched)
    assert (activities.source, activities.rows) == ("PS_LibreAcces_Personne_activite.txt", 1)
    assert skills == NotUsedYet("skills.txt", ExtractKind.SKILLS, 1)
    assert not (tmp_path.parent.parent / "PS_LibreAcces_Personne_activite.txt").exists()


@pytest.mark.parametrize("damage", ["cut", "flipped", "no-text", "many"])
async def test_a_damaged_archive_is_refused_in_one_sentence(
    importer: Importer, database: Database, tmp_path: Path, damage: str
) -> None:
    path = tmp_path / "extract.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        text = "\n".join(
            [MAILBOX_HEADER, *(mailbox(f"p{n}@demo.mssante.fr", last=f"N{n * n}") for n in range(3000))]
        )
        archive.writestr("extract.txt" if damage != "no-text" else "extract.pdf", text)
        for number in range(60 if damage == "many" else 0):
            archive.writestr(f"{number}.txt", "")
    data = bytearray(path.read_bytes())
    if damage == "cut":
        data = data[: len(data) // 2]
    if damage == "flipped":
        data[len(data) // 2] ^= 0xFF
    path.write_bytes(data)
    outcome = await refused(importer, path)
    assert outcome.reason.endswith(".")
    assert await addresses(database) == []
    assert await staged_rows(database) == 0


async def test_a_missing_file_is_refused_in_one_sentence(importer: Importer, tmp_path: Path) -> None:
    assert "No such file or directory." in (await refused(importer, tmp_path / "absent.txt")).reason


async def test_activities_come_and_go_by_their_whole_line(
    importer: Importer, database: Database, tmp_path: Path
) -> None:
    path = tmp_path / "activities.txt"
    idnats = [f"8999000001{number:02}" for number in range(20)]
    await switched(importer, write(path, ACTIVITY_HEADER, *map(activity, idnats), activity(idnats[0])))
    outcome = await switched(
        importer, write(path, ACTIVITY_HEADER, *map(activity, idnats[1:]), activity(idnats[0], "Neurologie"))
    )
    assert (outcome.rows, outcome.added, outcome.changed, outcome.removed) == (20, 1, 0, 1)
    skills = await database.read(
        lambda c: c.execute(select(directory_activity.c.skill).distinct()).scalars().all()
    )
    assert set(skills) == {None, "Neurologie"}


# ref: F37
async def test_the_shared_extracts_are_imported(importer: Importer, database: Database) -> None:
    for name, rows in (
        ("Extraction_Correspondance_MSSante_FICTIF.txt", 3),
        ("PS_LibreAcces_Personne_activite_FICTIF.txt", 3),
    ):
        outcome = await switched(importer, shared("directory", name))
        assert (outcome.rows, outcome.bad_lines) == (rows, 0)
    found = await database.read(lambda c: correspondent(c, "anne.exemple@ch-des-essais.mssante.fr"))
    assert found.line == "Dr Anne EXEMPLE, Médecin, Médecine générale, CH DES ESSAIS"


async def test_an_import_never_logs_a_row(
    importer: Importer, file: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(0)
    await switched(importer, write(file, MAILBOX_HEADER, mailbox(), mailbox("bad one")))
    out = "".join(capsys.readouterr()) + caplog.text
    assert "exemple" not in out.lower()
    assert "bad one" not in out
