"""What an import takes, what it refuses, and what it tells."""

from __future__ import annotations

import zipfile
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from directory.annuaire import staging
from directory.annuaire.build import Imported, Importer, ImportPolicy, Progress, Refused, Unchanged, told
from directory.annuaire.conditions import Equal, Everything, Words
from directory.annuaire.fields import Field
from directory.annuaire.generations import read_pointer
from directory.annuaire.report import Change, changes
from directory.bals import BalType
from directory.extracts import ExtractKind
from directory.rows import mailbox_row
from directory.sources import generated_at
from foundation.clock import from_millis
from tests.directory.extract_files import ACTIVITY_HEADER, MAILBOX_HEADER, activity, mailbox, write
from tests.shared_data import shared

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from directory.annuaire.annuaire import Annuaire
    from directory.extracts import Record
    from foundation.clock import FixedClock

ADDRESSES = [f"p{number:02}@demo.mssante.fr" for number in range(20)]
SKILLS_HEADER = "Identification nationale PP|Code savoir-faire|Libellé savoir-faire|"
DIPLOMAS_HEADER = "Identification nationale PP|Code diplôme obtenu|Libellé diplôme obtenu|"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "Extraction_Correspondance_MSSante_202608261013.txt"


def refusal(importer: Importer, path: Path) -> str:
    (outcome,) = importer.load(path)
    assert isinstance(outcome, Refused), outcome
    assert "\n" not in outcome.reason
    assert outcome.reason.endswith(".")
    return outcome.reason


async def everybody(annuaire: Annuaire) -> list[str]:
    await annuaire.refresh()
    return [box.address for box in annuaire.view().page(Everything(), 10_000)]


def test_the_name_of_a_file_says_when_it_was_generated() -> None:
    at = generated_at("Extraction_Correspondance_MSSante_202608261013.zip")
    assert at is not None
    assert from_millis(at).isoformat() == "2026-08-26T08:13:00+00:00"
    assert generated_at("extract.txt") is None
    assert generated_at("x_202602311013.txt") is None


# ref: F37
async def test_an_extract_becomes_the_directory(
    imported: Callable[[Path], Imported], annuaire: Annuaire, file: Path, clock: FixedClock
) -> None:
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
    part = imported(file).part
    assert (part.rows, part.duplicates, part.bad_lines) == (2, 0, 0)
    assert (part.added, part.changed, part.removed) == (0, 0, 0)
    assert len(part.sha256) == 64
    assert from_millis(part.generated_at).isoformat() == "2026-08-26T08:13:00+00:00"
    assert await everybody(annuaire) == ["anne.exemple@demo.mssante.fr", "cardio@demo.mssante.fr"]
    box = annuaire.view().mailbox("anne.exemple@demo.mssante.fr")
    assert box is not None
    assert (box.type, box.domain, box.digital) == (BalType.PER, "demo.mssante.fr", True)
    assert (box.postal_code, box.city, box.updated_at) == ("75015", "PARIS 15", clock.millis())
    assert annuaire.view().generated_at == part.generated_at


async def test_what_changed_since_the_import_before_is_told(
    imported: Callable[[Path], Imported], annuaire: Annuaire, clock: FixedClock, file: Path, folder: Path
) -> None:
    imported(write(file, MAILBOX_HEADER, *map(mailbox, ADDRESSES)))
    first_written = clock.millis()
    clock.advance(timedelta(days=1))
    lines = [
        *map(mailbox, ADDRESSES[1:-1]),
        mailbox(ADDRESSES[-1], service="URGENCES"),
        mailbox("new@demo.mssante.fr"),
    ]
    part = imported(write(file, MAILBOX_HEADER, *lines)).part
    assert (part.rows, part.added, part.changed, part.removed) == (20, 1, 1, 1)
    assert changes(folder, part) == [
        Change("added", "new@demo.mssante.fr"),
        Change("changed", ADDRESSES[-1]),
        Change("removed", ADDRESSES[0]),
    ]
    assert await everybody(annuaire) == sorted([*ADDRESSES[1:], "new@demo.mssante.fr"])
    boxes = annuaire.view().page(Everything(), 100)
    assert {box.address for box in boxes if box.updated_at != first_written} == {
        ADDRESSES[-1],
        "new@demo.mssante.fr",
    }


async def test_a_removed_address_leaves_a_tombstone_until_it_comes_back(
    imported: Callable[[Path], Imported], annuaire: Annuaire, file: Path, clock: FixedClock
) -> None:
    async def removed_at() -> int | None:
        await annuaire.refresh()
        return annuaire.view().removed_at(Field.ADDRESS, ADDRESSES[-1].upper())

    imported(write(file, MAILBOX_HEADER, *map(mailbox, ADDRESSES)))
    assert await removed_at() is None
    clock.advance(timedelta(days=1))
    imported(write(file, MAILBOX_HEADER, *map(mailbox, ADDRESSES[:-1])))
    at = clock.millis()
    assert await removed_at() == at
    clock.advance(timedelta(days=1))
    imported(write(file, MAILBOX_HEADER, *map(mailbox, ADDRESSES[:-1]), mailbox("new@demo.mssante.fr")))
    assert await removed_at() == at
    imported(write(file, MAILBOX_HEADER, *map(mailbox, ADDRESSES)))
    assert await removed_at() is None
    clock.advance(timedelta(days=1))
    imported(write(file, MAILBOX_HEADER, *map(mailbox, ADDRESSES[:-1])))
    clock.advance(timedelta(days=401))
    imported(write(file, MAILBOX_HEADER, *map(mailbox, ADDRESSES[:-1]), mailbox("x@demo.mssante.fr")))
    assert await removed_at() is None


async def test_persons_structures_and_roles_that_no_extract_names_leave_tombstones(
    imported: Callable[[Path], Imported], annuaire: Annuaire, tmp_path: Path, clock: FixedClock
) -> None:
    idnats = [f"8999000001{number:02}" for number in range(20)]
    roles = tmp_path / "roles.txt"
    last = activity(idnats[-1]).replace("F990780017", "F990780099")
    imported(write(roles, ACTIVITY_HEADER, *map(activity, idnats[:-1]), last))
    boxes = tmp_path / "boxes.txt"
    lone = [mailbox(each, idnat=f"8999000002{number:02}") for number, each in enumerate(ADDRESSES)]
    imported(write(boxes, MAILBOX_HEADER, *lone))
    await annuaire.refresh()
    (role,) = annuaire.view().roles_of_person(idnats[-1])
    gone = (
        (Field.IDNAT, idnats[-1]),
        (Field.ROLE_ID, role.id),
        (Field.STRUCTURE_ID, "F990780099"),
        (Field.IDNAT, f"8999000002{len(ADDRESSES) - 1}"),
    )
    for field, key in gone:
        assert annuaire.view().removed_at(field, key) is None
    clock.advance(timedelta(days=1))
    imported(write(roles, ACTIVITY_HEADER, *map(activity, idnats[:-1])))
    imported(write(boxes, MAILBOX_HEADER, *lone[:-1]))
    await annuaire.refresh()
    view = annuaire.view()
    for field, key in gone:
        assert view.removed_at(field, key) == clock.millis(), field
    assert view.removed_at(Field.IDNAT, idnats[0]) is None
    assert view.removed_at(Field.IDNAT, "899999999999") is None
    # a mailbox names the person again, whom no activity names
    imported(write(boxes, MAILBOX_HEADER, *lone[:-1], mailbox("again@demo.mssante.fr", idnat=idnats[-1])))
    await annuaire.refresh()
    assert annuaire.view().removed_at(Field.IDNAT, idnats[-1]) is None


async def test_an_address_on_several_lines_is_one_mailbox_and_the_first_line_counts(
    imported: Callable[[Path], Imported], annuaire: Annuaire, file: Path
) -> None:
    lines = [mailbox(address) for address in ADDRESSES]
    again = [mailbox(ADDRESSES[0], service="SECOND"), mailbox(ADDRESSES[0].upper(), service="THIRD")]
    part = imported(write(file, MAILBOX_HEADER, *lines[:5], *again, *lines[5:], lines[3])).part
    assert (part.rows, part.duplicates) == (20, 3)
    assert await everybody(annuaire) == sorted(ADDRESSES)
    assert {box.service for box in annuaire.view().page(Everything(), 100)} == {None}


async def test_the_very_file_in_use_is_not_built_again(
    importer: Importer, imported: Callable[[Path], Imported], file: Path, folder: Path, clock: FixedClock
) -> None:
    first = imported(write(file, MAILBOX_HEADER, *map(mailbox, ADDRESSES)))
    assert importer.load(file) == [Unchanged(file.name, ExtractKind.MAILBOXES)]
    assert read_pointer(folder).current.name == first.generation
    (again,) = Importer(folder, clock, ImportPolicy(force=True)).load(file)
    assert isinstance(again, Imported)
    assert (again.part.added, again.part.changed, again.part.removed) == (0, 0, 0)


async def test_lines_that_say_the_impossible_are_left_out_and_told(
    imported: Callable[[Path], Imported], file: Path
) -> None:
    bad = [
        mailbox("no address"),
        mailbox("x@demo.mssante.fr", type="XXX"),
        mailbox("y@demo.mssante.fr", last="A" * 401),
        "a|b",
        mailbox("z@demo.mssante.fr", last="NUL\x00"),
        "x" * 10_000_000,
    ]
    outcome = imported(write(file, MAILBOX_HEADER, mailbox(), *bad, mailbox("last@demo.mssante.fr")))
    assert (outcome.part.rows, outcome.part.bad_lines) == (2, 6)
    assert sorted((each.line, each.reason) for each in outcome.bad) == [
        (3, "no mail address"),
        (4, "no type of mailbox"),
        (5, "a value longer than 400 characters"),
        (6, "2 columns instead of 31"),
        (7, "control characters"),
        (8, "longer than a line may be"),
    ]
    assert [each["line"] for each in told(outcome)["left_out"]] == [each.line for each in outcome.bad]


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        ([MAILBOX_HEADER], "holds no rows"),
        ([MAILBOX_HEADER, *map(mailbox, ADDRESSES[:17])], "lacks 3 of the 20 rows of the last import"),
        (
            [MAILBOX_HEADER, *(mailbox(f"other{number}@demo.mssante.fr") for number in range(20))],
            "lacks 20 of the 20 rows",
        ),
        (
            [MAILBOX_HEADER.replace("Adresse BAL", "Adresse"), mailbox()],
            "misses required columns: adressebal",
        ),
        ([MAILBOX_HEADER.replace("Nom d'exercice", "Nom"), mailbox()], "misses required columns"),
        ([MAILBOX_HEADER + "|Adresse BAL", mailbox() + "|x"], "names columns twice: adressebal"),
        ([MAILBOX_HEADER, *map(mailbox, ADDRESSES), *["x|y"] * 11], "11 bad lines"),
        ([MAILBOX_HEADER, *map(mailbox, ADDRESSES), *[mailbox("x")] * 11], "11 bad lines"),
        ([], "empty"),
        (["x" * 10_000_000], "first line is no header"),
        (["\x00|\x00"], "its columns are not known"),
    ],
)
async def test_a_file_that_fails_leaves_the_directory_as_it_was(
    importer: Importer,
    imported: Callable[[Path], Imported],
    annuaire: Annuaire,
    file: Path,
    folder: Path,
    lines: list[str],
    reason: str,
) -> None:
    used = imported(write(file, MAILBOX_HEADER, *map(mailbox, ADDRESSES))).part.file
    assert reason in refusal(importer, write(file, *lines))
    assert await everybody(annuaire) == sorted(ADDRESSES)
    left = {path.name for path in folder.iterdir()}
    assert left == {used, "annuaire.json", ".import.lock"}


async def test_a_forced_import_may_shrink_the_directory(
    imported: Callable[[Path], Imported], annuaire: Annuaire, folder: Path, clock: FixedClock, file: Path
) -> None:
    imported(write(file, MAILBOX_HEADER, *map(mailbox, ADDRESSES)))
    write(file, MAILBOX_HEADER, mailbox(ADDRESSES[0]))
    (outcome,) = Importer(folder, clock, ImportPolicy(force=True)).load(file)
    assert isinstance(outcome, Imported)
    assert outcome.part.removed == 19
    assert await everybody(annuaire) == [ADDRESSES[0]]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-8"])
async def test_a_mark_of_byte_order_and_line_ends_of_windows_are_no_matter(
    imported: Callable[[Path], Imported], annuaire: Annuaire, file: Path, encoding: str
) -> None:
    text = "\r\n".join([MAILBOX_HEADER, mailbox(last="ŒUVRARD"), ""])
    file.write_bytes(text.encode(encoding))
    assert imported(file).part.rows == 1
    await annuaire.refresh()
    (box,) = annuaire.view().mailboxes(Words("oeuvrard"), 5)
    assert box.country is None


def test_latin_1_is_refused(importer: Importer, file: Path) -> None:
    file.write_bytes("\n".join([MAILBOX_HEADER, mailbox()]).encode("latin-1"))
    assert refusal(importer, file) == "The file is not UTF-8."
    lines = [MAILBOX_HEADER.encode(), *(mailbox(last="É").encode("latin-1") for _ in range(11))]
    file.write_bytes(b"\n".join(lines))
    assert "11 bad lines among 12 (one is line 2: not UTF-8)" in refusal(importer, file)


async def test_a_reading_that_was_cut_short_goes_on_from_its_last_batch(
    importer: Importer,
    imported: Callable[[Path], Imported],
    annuaire: Annuaire,
    file: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(staging, "BATCH", 5)
    write(file, MAILBOX_HEADER, *map(mailbox, ADDRESSES[:6]), "a|b", *map(mailbox, ADDRESSES[6:]))
    read: list[str] = []
    row = mailbox_row

    def counted(record: Record) -> object:
        read.append("")
        return row(record)

    def stop(progress: Progress) -> None:
        if len(read) == 15:
            raise KeyboardInterrupt

    monkeypatch.setattr(staging, "mailbox_row", counted)
    with pytest.raises(KeyboardInterrupt):
        importer.load(file, stop)
    outcome = imported(file)
    assert len(read) == 20
    assert (outcome.part.rows, outcome.part.bad_lines) == (20, 1)
    assert await everybody(annuaire) == ADDRESSES


async def test_another_file_of_the_same_name_is_read_from_its_beginning(
    importer: Importer,
    imported: Callable[[Path], Imported],
    annuaire: Annuaire,
    file: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(staging, "BATCH", 5)

    def stop(progress: Progress) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        importer.load(write(file, MAILBOX_HEADER, *map(mailbox, ADDRESSES)), stop)
    others = [address.replace("p", "q") for address in ADDRESSES]
    assert imported(write(file, MAILBOX_HEADER, *map(mailbox, others))).part.rows == 20
    assert await everybody(annuaire) == others


def test_progress_rises_to_the_whole(importer: Importer, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(staging, "BATCH", 5)
    seen: list[Progress] = []
    importer.load(write(file, MAILBOX_HEADER, *map(mailbox, ADDRESSES)), seen.append)
    parts = [each.done for each in seen]
    assert parts == sorted(parts)
    assert len(parts) > 5
    assert parts[-1] == 1.0


async def test_an_archive_is_read_without_being_unpacked(
    importer: Importer, annuaire: Annuaire, tmp_path: Path
) -> None:
    path = tmp_path / "PS_LibreAcces_202608261013.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(
            "../../PS_LibreAcces_Personne_activite.txt",
            f"{ACTIVITY_HEADER}\n{activity(skill='Neurologie')}\n",
        )
        archive.writestr("skills.txt", f"{SKILLS_HEADER}\n899900000011|SM36|Neurochirurgie|\n")
        archive.writestr("diplomas.txt", f"{DIPLOMAS_HEADER}\n899900000011|DE09|DE Docteur en médecine|\n")
        archive.writestr("LISEZ-MOI.pdf", "…")
    outcomes = importer.load(path)
    assert [outcome.kind for outcome in outcomes if isinstance(outcome, Imported)] == [
        ExtractKind.ACTIVITIES,
        ExtractKind.SKILLS,
        ExtractKind.DIPLOMAS,
    ]
    assert not (tmp_path.parent.parent / "PS_LibreAcces_Personne_activite.txt").exists()
    await annuaire.refresh()
    view = annuaire.view()
    person = view.person("899900000011")
    assert person is not None
    assert {skill.code: skill.label for skill in person.skills} == {
        "SM54": "Neurologie",
        "SM36": "Neurochirurgie",
    }
    assert [diploma.code for diploma in person.diplomas] == ["DE09"]
    for condition in (
        Equal(Field.SKILL_CODE, "sm36"),
        Equal(Field.SKILL_CODE, "SM54"),
        Equal(Field.DIPLOMA_CODE, "DE09"),
        Equal(Field.SKILL, "neurochirurgie"),
    ):
        assert [each.idnat for each in view.persons(condition, 5)] == ["899900000011"], condition
    assert view.label("skill", "SM36") == "Neurochirurgie"
    assert view.label("diploma", "DE09") == "DE Docteur en médecine"
    assert view.label("profession", "10") == "Médecin"
    assert view.label("profession", "99") is None


@pytest.mark.parametrize("damage", ["cut", "flipped", "no-text", "many", "bomb", "twice"])
async def test_a_damaged_archive_is_refused_in_one_sentence(
    importer: Importer, annuaire: Annuaire, tmp_path: Path, damage: str
) -> None:
    path = tmp_path / "extract.zip"
    text = "\n".join(
        [MAILBOX_HEADER, *(mailbox(f"p{n}@demo.mssante.fr", last=f"N{n * n}") for n in range(3000))]
    )
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("extract.txt" if damage != "no-text" else "extract.pdf", text)
        for number in range(60 if damage == "many" else 0):
            archive.writestr(f"{number}.txt", "")
        if damage == "bomb":
            archive.writestr("bomb.txt", "0" * 50_000_000)
        if damage == "twice":
            archive.writestr("other.txt", f"{MAILBOX_HEADER}\n{mailbox()}\n")
    data = bytearray(path.read_bytes())
    if damage == "cut":
        data = data[: len(data) // 2]
    if damage == "flipped":
        data[len(data) // 2] ^= 0xFF
    path.write_bytes(data)
    reason = refusal(importer, path)
    words = {
        "cut": "damaged archive",
        "flipped": "bad lines",
        "no-text": "holds no .txt file",
        "many": "more than 50 files",
        "bomb": "200 times its size",
        "twice": "holds two Extraction_Correspondance_MSSante files",
    }
    assert words[damage] in reason
    assert await everybody(annuaire) == []


def test_a_missing_file_is_refused_in_one_sentence(importer: Importer, tmp_path: Path) -> None:
    assert "No such file or directory." in refusal(importer, tmp_path / "absent.txt")


async def test_a_full_disk_is_told_and_changes_nothing(
    importer: Importer, annuaire: Annuaire, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("directory.annuaire.build.assemble", full)
    assert "No space left on device." in refusal(importer, write(file, MAILBOX_HEADER, mailbox()))
    assert await everybody(annuaire) == []


async def test_activities_come_and_go_by_what_they_are(
    imported: Callable[[Path], Imported], annuaire: Annuaire, tmp_path: Path
) -> None:
    path = tmp_path / "activities.txt"
    idnats = [f"8999000001{number:02}" for number in range(20)]
    assert (
        imported(write(path, ACTIVITY_HEADER, *map(activity, idnats), activity(idnats[0]))).part.duplicates
        == 1
    )
    await annuaire.refresh()
    before = annuaire.view().roles_of_person(idnats[1])
    changed = activity(idnats[0]).replace("Médecin", "Docteur")
    part = imported(write(path, ACTIVITY_HEADER, *map(activity, idnats[1:]), changed)).part
    assert (part.rows, part.added, part.changed, part.removed) == (20, 0, 1, 0)
    await annuaire.refresh()
    assert annuaire.view().roles_of_person(idnats[1]) == before
    (role,) = annuaire.view().roles_of_person(idnats[0])
    assert role.profession == "Docteur"
    assert annuaire.view().role(role.id) == role
    assert annuaire.view().role("0" * 16) is None
    place = annuaire.view().structure(role.structure_id or "")
    assert place is not None
    assert (place.idnat, place.city, place.finess_legal) == ("1990780017", "PARIS", "990780025")
    assert annuaire.view().structure("1990780017") == place
    assert len(annuaire.view().roles_of_structure(place.id, 50)) == 20
    assert len(annuaire.view().roles_of_structure("1990780017", 7, after=role.id)) <= 7


# ref: F37
async def test_the_shared_extracts_are_imported(
    imported: Callable[[Path], Imported], annuaire: Annuaire
) -> None:
    for name, rows in (
        ("Extraction_Correspondance_MSSante_FICTIF.txt", 3),
        ("PS_LibreAcces_Personne_activite_FICTIF.txt", 3),
        ("PS_LibreAcces_SavoirFaire_FICTIF.txt", 1),
        ("PS_LibreAcces_Dipl_AutExerc_FICTIF.txt", 1),
    ):
        part = imported(shared("directory", name)).part
        assert (part.rows, part.bad_lines) == (rows, 0)
    await annuaire.refresh()
    (box,) = annuaire.view().mailboxes(Words("exemple urgences"), 5)
    assert (box.address, box.structure) == ("anne.exemple@ch-des-essais.mssante.fr", "CH DES ESSAIS")


def test_an_import_never_logs_a_row(
    imported: Callable[[Path], Imported],
    file: Path,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(0)
    outcome = imported(write(file, MAILBOX_HEADER, mailbox(), mailbox("bad one")))
    out = "".join(capsys.readouterr()) + caplog.text + str(told(outcome))
    assert "exemple" not in out.lower()
    assert "bad one" not in out


def test_what_is_provisional_gives_way_to_an_older_file_without_its_rows(
    folder: Path, clock: FixedClock, tmp_path: Path
) -> None:
    first = write(tmp_path / "first_202611231000.txt", MAILBOX_HEADER, *map(mailbox, ("a@x.fr", "b@x.fr")))
    older = write(tmp_path / "older_202611220900.txt", MAILBOX_HEADER, mailbox("c@x.fr"))
    oldest = write(tmp_path / "oldest_202611210900.txt", MAILBOX_HEADER, mailbox("c@x.fr"), mailbox("d@x.fr"))
    (made,) = Importer(folder, clock, ImportPolicy(provisional=True)).load(first)
    assert isinstance(made, Imported)
    (taken,) = Importer(folder, clock).load(older)
    assert isinstance(taken, Imported)
    assert (taken.part.rows, taken.part.removed) == (1, 2)
    (kept,) = Importer(folder, clock).load(oldest)
    assert isinstance(kept, Refused)
