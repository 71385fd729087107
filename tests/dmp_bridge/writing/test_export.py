"""A record goes out whole and comes back equal (F41)."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import zipfile
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from lxml import etree

from directory.patients import PatientState, patient_of
from dmp_bridge import record
from dmp_bridge.archive import unpack
from dmp_bridge.dossier import closing, consents, relations
from dmp_bridge.dossier.consents import Consent, ConsentKind
from dmp_bridge.dossier.desk import Change, Submission
from dmp_bridge.dossier.relations import RelationKind
from dmp_bridge.dossier.traces import Audience, TraceQuery, append, traces_of
from dmp_bridge.ebrim import read_submission
from dmp_bridge.writing import record_rows
from dmp_bridge.writing.export import TRACES_FILE, Exporter, seen_by_patient, seen_by_representative
from dmp_bridge.writing.record_rows import ROWS_FILE, RowsRefused, gather, read_lines
from dmp_bridge.writing.reimport import Importer, ImportRefused
from dmp_bridge.xdm import read_package
from foundation.vault import Vault, write_master_key
from tests.database import open_empty
from tests.dmp_bridge.builders import PDF, PNG, n3_body
from tests.dmp_bridge.dossier.wards import DOCTOR, INS, OPERATOR, STRUCTURE, Ward, deposit, document
from tests.dmp_bridge.writing.test_package import SCHEMA

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from foundation.clock import FixedClock
    from foundation.database import Database
    from foundation.vault import SealedBlob


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """Another operator, who knows nobody yet."""

    database: Database
    vault: Vault
    importer: Importer


@pytest.fixture
async def elsewhere(tmp_path: Path, clock: FixedClock) -> AsyncIterator[Elsewhere]:
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    write_master_key(folder / "master.key")
    database = await open_empty(folder / "other.db")
    vault = Vault.open(database, f"file://{folder / 'vault'}", folder / "master.key")
    yield Elsewhere(database, vault, Importer(database, vault, clock))
    await database.close()


async def fill(ward: Ward) -> None:
    """A record with versions, replacements, every visibility, a patient's own file, consents and relations."""
    await ward.feed(deposit(document(unique_id="1.2.1", set_id="1.2", version=1)), unique_id="1.9.1")
    ward.clock.advance(timedelta(minutes=1))
    await ward.feed(
        deposit(document(unique_id="1.2.2", set_id="1.2", version=2, replaces="1.2.1")),
        deposit(document(unique_id="1.3.1", set_id="1.3", body=n3_body(pdf=PDF))),
        unique_id="1.9.2",
    )
    await ward.feed(
        deposit(document(unique_id="1.4.1", set_id="1.4"), visibilities=frozenset({"INVISIBLE_PATIENT"})),
        caller=STRUCTURE,
    )
    await ward.feed(deposit(document(unique_id="1.5.1", set_id="1.5", replaces="9.9.9")))
    await ward.feed(
        deposit(PNG, media_type="image/png", title="Carnet", category="CERT_MED"), caller=ward.patient
    )
    # A lot that brings nothing, and names what others brought.
    referring = Submission(ins=INS, deposits=(), references=("1.2.2", "1.3.1"), unique_id="1.9.3")
    await ward.desk.feed(DOCTOR, referring)
    found = {each.unique_id: each for each in await ward.documents(statuses=())}
    await ward.desk.change(ward.patient, found["1.3.1"].id, Change.MASK)
    await ward.desk.change(DOCTOR, found["1.5.1"].id, Change.DELETE)
    now = ward.clock.millis()

    def will(uow: Any) -> None:
        relations.declare(uow, ward.owner_id, RelationKind.AUTHORISED, DOCTOR.id, "CAMPARINI", now)
        consents.record(
            uow, ward.owner_id, ConsentKind.CONSULTATION, Consent.CONSENTS, actor="operator", at=now
        )

    await ward.database.write(will)


async def export(ward: Ward, file: Path, **options: Callable[[Any], bool]) -> bytes:
    patient = await ward.database.read(lambda c: patient_of(c, ward.owner_id))
    assert patient is not None
    exporter = Exporter(ward.database, ward.vault, ward.clock)
    with file.open("wb") as out:
        await exporter.export(OPERATOR, patient, out, **options)  # type: ignore[arg-type]
    return file.read_bytes()


async def everything_of(database: Database, vault: Vault, owner_id: int) -> dict[str, Any]:
    """All rows by lasting names, in no order, and all bytes."""
    rows, kept = await database.read(lambda c: gather(c, owner_id, lambda _row: True))
    told: dict[str, Any] = {
        name: sorted(json.dumps(row, sort_keys=True) for row in listed) for name, listed in rows.rows.items()
    }
    told["bytes"] = {each.row["unique_id"]: await vault.read(owner_id, each.blob_id) for each in kept}
    documents = await database.read(lambda c: record.list_documents(c, owner_id, status=None))
    told["shown"] = {
        each.unique_id: await vault.read(owner_id, each.display_blob_id)
        for each in documents
        if each.display_blob_id is not None
    }
    return told


# ref: DMP-F41
async def test_a_record_comes_back_equal(ward: Ward, elsewhere: Elsewhere, tmp_path: Path) -> None:
    await fill(ward)
    await export(ward, tmp_path / "record.zip")
    imported = await elsewhere.importer.bring_in(OPERATOR, tmp_path / "record.zip")
    assert (imported.documents, imported.known) == (6, 0)
    before = await everything_of(ward.database, ward.vault, ward.owner_id)
    after = await everything_of(elsewhere.database, elsewhere.vault, 1)
    assert after == before
    assert len(before["document_revision"]) == 9
    assert len(before["association"]) == 2
    assert len(before["submission_reference"]) == 2
    assert before["record_consent"] and before["record_relation"]
    assert before["shown"]["1.3.1"] == PDF
    patient = await elsewhere.database.read(lambda c: patient_of(c, 1))
    assert patient is not None
    assert (patient.ins, patient.birth_name) == (INS, "Pat Trois")


async def test_an_export_is_a_package_that_other_software_reads(ward: Ward, tmp_path: Path) -> None:
    await fill(ward)
    data = await export(ward, tmp_path / "record.zip")
    names = zipfile.ZipFile(io.BytesIO(data)).namelist()
    assert {"INDEX.HTM", "README.TXT", ROWS_FILE} <= set(names)
    package = read_package(unpack(data))
    assert len(package.documents) == 6
    assert [each.fault for each in package.documents] == [None] * 6
    unseen = next(each for each in package.documents if each.entry.unique_id == "1.4.1")
    assert [code.code for code in unseen.entry.confidentiality_codes] == ["N", "INVISIBLE_PATIENT"]
    times = []
    with zipfile.ZipFile(io.BytesIO(data)) as opened:
        for name in names:
            if name.endswith("METADATA.XML"):
                metadata = opened.read(name)
                assert SCHEMA.validate(etree.fromstring(metadata)), SCHEMA.error_log
                submission = read_submission(metadata).submission_set
                assert submission is not None
                times.append(submission.submission_time)
    assert len(set(times)) == len(times) == 5


async def test_an_import_that_was_interrupted_is_run_again(
    ward: Ward, elsewhere: Elsewhere, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await fill(ward)
    await export(ward, tmp_path / "record.zip")
    importer, file = elsewhere.importer, tmp_path / "record.zip"
    monkeypatch.setattr("dmp_bridge.writing.reimport._AT_ONCE", 1)
    sealed, seal = 0, elsewhere.vault.seal

    async def fails_at_the_third(data: bytes) -> SealedBlob:
        nonlocal sealed
        sealed += 1
        if sealed == 3:
            raise OSError("no space left")
        return await seal(data)

    with monkeypatch.context() as broken:
        broken.setattr(elsewhere.vault, "seal", fails_at_the_third)
        with pytest.raises(OSError, match="no space"):
            await importer.bring_in(OPERATOR, file)
    again = await importer.bring_in(OPERATOR, file)
    assert (again.documents, again.known) == (5, 1)
    before = await everything_of(ward.database, ward.vault, ward.owner_id)
    assert await everything_of(elsewhere.database, elsewhere.vault, 1) == before
    third = await importer.bring_in(OPERATOR, file)
    assert (third.documents, third.known) == (0, 6)
    assert await everything_of(elsewhere.database, elsewhere.vault, 1) == before


async def taken(ward: Ward, audience: Audience = Audience.PATIENT) -> bytes:
    """What a patient, or who represents one, takes along."""
    patient = await ward.database.read(lambda c: patient_of(c, ward.owner_id))
    assert patient is not None
    is_kept = seen_by_patient if audience is Audience.PATIENT else seen_by_representative
    pieces = Exporter(ward.database, ward.vault, ward.clock).pieces(
        patient, is_kept=is_kept, audience=audience
    )
    return b"".join([piece async for piece in pieces])


def told(data: bytes) -> list[dict[str, str]]:
    """The traces in an export."""
    with zipfile.ZipFile(io.BytesIO(data)) as opened:
        lines = opened.read(TRACES_FILE).decode()
    return list(csv.DictReader(io.StringIO(lines), delimiter=";"))


# ref: DMP-F27
async def test_an_export_tells_who_did_what_with_the_record(
    ward: Ward, elsewhere: Elsewhere, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dmp_bridge.writing.export._TRACES_AT_ONCE", 3)
    await fill(ward)
    before = await ward.traces()
    found = told(await export(ward, tmp_path / "record.zip"))
    assert [each["id"] for each in found] == [str(each.id) for each in before[::-1]]
    assert {each["document"] for each in found if each["action"] == "TD2.1"} == {
        *("1.2.1", "1.2.2", "1.3.1", "1.4.1", "1.5.1"),
    }
    assert all(each["caller_id"] and each["at"].startswith("2026-03-13T") for each in found)
    await elsewhere.importer.bring_in(OPERATOR, tmp_path / "record.zip")
    there = await elsewhere.database.read(lambda c: traces_of(c, 1, TraceQuery(limit=100)))
    assert [each.action for each in there] == ["import"]


async def test_traces_that_are_taken_along_tell_of_no_document_that_is_not_seen(ward: Ward) -> None:
    await fill(ward)
    formula = replace(DOCTOR, name="=HYPERLINK(1)", is_secret=True)
    await ward.database.write(
        lambda uow: append(uow, formula, "TD3.1", owner_id=ward.owner_id, clock=ward.clock)
    )
    own, represented = told(await taken(ward)), told(await taken(ward, Audience.REPRESENTATIVE))
    assert "1.4.1" not in {each["document"] for each in own}
    assert not [each for each in own if each["role"] == "structure"]
    assert "1.2.1" in {each["document"] for each in represented}
    assert [each["caller_name"] for each in own if each["is_secret"] == "True"] == ["'=HYPERLINK(1)"]
    assert [each for each in represented if each["is_secret"] == "True"] == []


async def test_what_a_patient_takes_along_is_what_a_patient_sees(ward: Ward) -> None:
    await fill(ward)
    data = await taken(ward)
    names = {each.entry.unique_id for each in read_package(unpack(data)).documents}
    assert {"1.2.1", "1.2.2", "1.3.1"} <= names
    assert not names & {"1.4.1", "1.5.1"}
    with zipfile.ZipFile(io.BytesIO(data)) as opened:
        rows = opened.read(ROWS_FILE)
    assert b'"1.4.1"' not in rows
    assert b"record_relation" not in rows
    assert b"record_consent" not in rows


async def test_an_export_and_an_import_are_traced(ward: Ward, elsewhere: Elsewhere, tmp_path: Path) -> None:
    await ward.feed()
    await export(ward, tmp_path / "record.zip")
    (trace,) = [each for each in await ward.traces() if each.action == "export"]
    assert (trace.caller_id, trace.outcome) == ("operator", "ok")
    await elsewhere.importer.bring_in(OPERATOR, tmp_path / "record.zip")


def changed(data: bytes, name: str, change: Callable[[bytes], bytes | None]) -> bytes:
    """The zip with one file changed, or left out."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as before, zipfile.ZipFile(out, "w") as after:
        for each in before.namelist():
            content = change(before.read(each)) if each == name else before.read(each)
            if content is not None:
                after.writestr(each, content)
    return out.getvalue()


def swap(old: bytes, new: bytes) -> Callable[[bytes], bytes]:
    def change(content: bytes) -> bytes:
        assert old in content
        return content.replace(old, new, 1)

    return change


DOCUMENT = "IHE_XDM/SUB00001/DOC00001.XML"


@pytest.mark.parametrize(
    ("name", "change", "words"),
    [
        (DOCUMENT, lambda content: content + b" ", "not as it was exported"),
        (DOCUMENT, lambda _content: None, "missing"),
        (ROWS_FILE, lambda _content: None, "no record"),
        (ROWS_FILE, lambda _content: b"", "empty"),
        (ROWS_FILE, swap(b'{"record":1', b'{"record":2'), "form"),
        (ROWS_FILE, swap(b'"table":"document"', b'"table":"vault_owner"'), "unknown table"),
        (ROWS_FILE, swap(b'"status":"approved"', b'"status":"gone"'), "state"),
        (ROWS_FILE, swap(b'"filed_at":1', b'"filed_at":"1","x":1'), "columns"),
        (ROWS_FILE, swap(b'"masked_to_professionals":false', b'"masked_to_professionals":0'), "another kind"),
        (ROWS_FILE, swap(b'"entry":"{', b'"entry":"['), "metadata"),
        (ROWS_FILE, swap(b'"document_id":"1.2.1"', b'"document_id":"9"'), "does not hold"),
        (ROWS_FILE, lambda content: content + content.split(b"\n", 1)[1], "twice"),
        (ROWS_FILE, lambda content: b"[" * 100_000 + content, "not JSON"),
        (ROWS_FILE, swap(b'"file":"IHE', b'"file":"/etc/passwd","y":"IHE'), "columns"),
        (ROWS_FILE, swap(b'"filed_at":', b'"filed_at":9000000'), "another kind"),
        (ROWS_FILE, swap(b'"kind":"consultation"', b'"kind":"nonsense"'), "another kind"),
        (ROWS_FILE, swap(b'"value":"IC"', b'"value":"zz"'), "another kind"),
        (ROWS_FILE, swap(b'"kind":"authorised"', b'"kind":"king"'), "another kind"),
        (ROWS_FILE, swap(b'"media_type":"', b'"media_type":"text/html\\r\\nX: y'), "another kind"),
        (ROWS_FILE, swap(b'"title":"', b'"title":"\\ud800'), "another kind"),
        (ROWS_FILE, swap(b'"birth_name":"', b'"birth_name":"\\ud800'), "whose record"),
        (ROWS_FILE, swap(b'"entry":"{', b'"entry":"{\\"comments\\":5,'), "metadata"),
        (ROWS_FILE, swap(b'creation_time\\":', b'creation_time\\":9000000'), "metadata"),
    ],
)  # fmt: skip
async def test_a_file_that_is_not_whole_brings_nothing_in(
    ward: Ward,
    elsewhere: Elsewhere,
    tmp_path: Path,
    name: str,
    change: Callable[[bytes], bytes | None],
    words: str,
) -> None:
    await fill(ward)
    file = tmp_path / "record.zip"
    data = await export(ward, file)
    file.write_bytes(changed(data, name, change))
    with pytest.raises(ImportRefused, match=words) as refused:
        await elsewhere.importer.bring_in(OPERATOR, file)
    assert INS not in str(refused.value)
    assert await elsewhere.database.read(lambda c: patient_of(c, 1)) is None


async def test_another_document_under_the_same_identifier_is_refused(
    ward: Ward, elsewhere: Elsewhere, tmp_path: Path
) -> None:
    await ward.feed()
    file = tmp_path / "record.zip"
    data = await export(ward, file)
    await elsewhere.importer.bring_in(OPERATOR, file)
    with zipfile.ZipFile(io.BytesIO(data)) as opened:
        row = json.loads(opened.read(ROWS_FILE).splitlines()[2])
        content = opened.read(DOCUMENT)
    other = content.replace(b"PAT-TROIS", b"PAT-DEUX ")
    digest = hashlib.sha1(other).hexdigest().encode()
    forged = changed(data, DOCUMENT, lambda _content: other)
    file.write_bytes(changed(forged, ROWS_FILE, lambda rows: rows.replace(row["sha1"].encode(), digest)))
    with pytest.raises(ImportRefused, match="another document"):
        await elsewhere.importer.bring_in(OPERATOR, file)


# ref: DMP-F21
async def test_the_end_of_an_archive_elsewhere_ends_no_record_that_is_open_here(
    ward: Ward, elsewhere: Elsewhere, tmp_path: Path
) -> None:
    await ward.feed()
    await export(ward, tmp_path / "open.zip")
    await elsewhere.importer.bring_in(OPERATOR, tmp_path / "open.zip")

    def close(uow: Any) -> None:
        now = ward.clock.millis()
        closing.change_state(uow, INS, PatientState.CLOSED, "patient:1", now)
        closing.ask_deletion(uow, ward.owner_id, "patient:1", now)

    await ward.database.write(close)
    await export(ward, tmp_path / "closed.zip")
    await elsewhere.importer.bring_in(OPERATOR, tmp_path / "closed.zip")
    in_a_year = ward.clock.millis() + 366 * 86_400_000
    assert await elsewhere.database.read(lambda c: closing.due(c, in_a_year)) == []


def test_lines_that_are_too_much_for_one_record_are_not_all_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(record_rows, "_MAX_ALL", 1000)
    head, line = b'{"record":1}\n', b'{"table":"record_preference","name":"email","value":""}\n'
    lines = iter([head, *[line] * 100])
    with pytest.raises(RowsRefused, match="too much"):
        read_lines(lines)
    assert len(list(lines)) > 50


async def test_what_is_no_zip_is_refused(elsewhere: Elsewhere, tmp_path: Path) -> None:
    for content in (b"", b"PK\x03\x04", b"x" * 100):
        (tmp_path / "x.zip").write_bytes(content)
        with pytest.raises(ImportRefused, match="zip"):
            await elsewhere.importer.bring_in(OPERATOR, tmp_path / "x.zip")
    with pytest.raises(ImportRefused, match="cannot be read"):
        await elsewhere.importer.bring_in(OPERATOR, tmp_path / "none")
