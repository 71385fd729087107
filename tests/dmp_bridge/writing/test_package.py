from __future__ import annotations

import io
import re
import zipfile
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from lxml import etree

from dmp_bridge.cda import Level, read_cda
from dmp_bridge.codes import Coded
from dmp_bridge.ebrim import read_submission
from dmp_bridge.entry import SubmissionSet
from dmp_bridge.examine import Attachment, examine_attachments
from dmp_bridge.findings import Kind
from dmp_bridge.render import render_narrative
from dmp_bridge.writing.document import Author, Draft, Patient, Section, Written, write_n1, write_n3
from dmp_bridge.writing.package import Lot, PackageUnwritable, write_lots, write_package
from tests.dmp_bridge.builders import INS, PDF, TEST_OID

AT = datetime(2026, 3, 13, 13, 54, 10, tzinfo=UTC)
PATIENT = Patient(INS, TEST_OID, "PAT-TROIS", "DOMINIQUE MARIE-LOUISE", "19790328", "F", "51215")
AUTHOR = Author(
    "801234534765",
    "O'HARA & FILS",
    "Marcel",
    "G15_10/SM03",
    "Médecin <SM>",
    "1120459876",
    'Labo "des charmes"',
)
DRAFT = Draft(
    "1.2.250.1.999.1.2",
    "1.2.250.1.999.1",
    2,
    "11502-2",
    "Résultats <2> & suite",
    AT,
    AT,
    PATIENT,
    AUTHOR,
    "1.2.250.1.999.1.1",
)


METADATA = "IHE_XDM/SUBSET01/METADATA.XML"
SCHEMA = etree.XMLSchema(etree.parse(Path(__file__).parent.parent / "schemas" / "lcm.xsd"))


def documents() -> list[Written]:
    first = replace(DRAFT, unique_id="1.2.250.1.999.1.3", set_id="1.2.250.1.999.2", replaces=None)
    return [write_n1(first, PDF), write_n3(DRAFT, [Section("Motif & suite", ("Tout va <bien>.",))])]


def submission(unique_id: str) -> SubmissionSet:
    at = int(AT.timestamp()) * 1000
    return SubmissionSet(unique_id=unique_id, source_id="1.2", submission_time=at)


def opened(data: bytes) -> tuple[list[str], dict[str, bytes]]:
    with zipfile.ZipFile(io.BytesIO(data)) as package:
        return package.namelist(), {name: package.read(name) for name in package.namelist()}


def faults(metadata: bytes) -> list[str]:
    SCHEMA.validate(etree.fromstring(metadata))
    return [each.message for each in SCHEMA.error_log]


def package() -> bytes:
    return write_package(documents(), submission_id="1.2.3", source_id="1.2", at=AT)


def test_a_written_n1_is_read_back() -> None:
    found = read_cda(write_n1(DRAFT, PDF).data)
    assert (found.unique_id, found.set_id, found.version_number) == (DRAFT.unique_id, DRAFT.set_id, 2)
    assert (found.level, found.title, found.replaces) == (Level.N1, DRAFT.title, ("1.2.250.1.999.1.1",))
    assert found.effective_at == int(AT.timestamp() * 1000)
    assert found.authors[0].name == "Dr Marcel O'HARA & FILS"
    assert (found.custodian, found.authors[0].specialty) == ('Labo "des charmes"', "Médecin <SM>")
    assert found.patient.is_complete
    assert found.display is not None
    assert found.display.data == PDF


def test_a_written_n3_is_shown() -> None:
    html = render_narrative(write_n3(DRAFT, [Section("Motif & suite", ("Tout va <bien>.",))]).data)
    assert html == "<h2>Motif &amp; suite</h2>\n<div><p>Tout va &lt;bien&gt;.</p></div>\n"


# ref: DMP-F16
def test_a_written_package_passes_every_check() -> None:
    n1 = write_n1(DRAFT, PDF)
    data = write_package([n1], submission_id="1.2.3", source_id="1.2", at=AT)
    (found,) = examine_attachments([Attachment("2", "IHE_XDM.zip", data)])
    assert found.kind is Kind.XDM_DOCUMENT
    assert found.data == n1.data


# ref: DMP-F16
def test_the_names_of_a_package_are_those_of_the_medium() -> None:
    names, content = opened(package())
    assert names[:2] == ["INDEX.HTM", "README.TXT"]
    assert all(
        re.fullmatch(r"[A-Z0-9_]{1,8}(\.[A-Z0-9_]{1,3})?", part) for name in names for part in name.split("/")
    )
    entry = read_submission(content[METADATA]).entries[1]
    assert (entry.uri, entry.title, entry.creation_time) == ("DOC00002.XML", DRAFT.title, "20260313135410")
    assert entry.type_code is not None
    assert (entry.type_code.code, entry.language_code) == ("11502-2", "fr-FR")


def test_the_same_documents_give_the_same_package() -> None:
    assert package() == package()


# ref: DMP-F16
def test_the_metadata_are_valid_against_ebrs() -> None:
    (_, content) = opened(package())
    assert faults(content[METADATA]) == []


def test_the_schema_refuses_what_ebrs_refuses() -> None:
    (_, content) = opened(package())
    for old, new in ((b'id="cla1"', b'id="cla2"'), (b' value="1.2.3"', b""), (b"rim:Slot", b"rim:Slott")):
        assert old in content[METADATA]
        assert faults(content[METADATA].replace(old, new)) != []


# ref: DMP-F16
def test_what_the_package_says_is_what_its_documents_say() -> None:
    (_, content) = opened(package())
    found = read_submission(content[METADATA])
    for entry, written in zip(found.entries, documents(), strict=True):
        assert (entry.unique_id, entry.hash) == (written.entry.unique_id, written.entry.hash)
        assert entry.size == len(written.data)
        assert entry.patient_id is not None
        assert (entry.patient_id.value, entry.patient_id.oid) == (INS, TEST_OID)
        assert (
            entry.legal_authenticator
            == "801234534765^O'HARA FILS^Marcel^^^^^^&1.2.250.1.71.4.2.1&ISO^D^^^IDNPS"
        )
        assert entry.source_patient_info == ("PID-5|PAT-TROIS^DOMINIQUE^^^^^L", "PID-7|19790328", "PID-8|F")
        assert [code.code for code in entry.confidentiality_codes] == ["N"]
        assert entry.authors[0].institutions == (
            'Labo "des charmes"^^^^^&1.2.250.1.71.4.2.2&ISO^IDNST^^^1120459876',
        )
    submission = found.submission_set
    assert submission is not None
    assert (submission.unique_id, submission.source_id, submission.submission_time) == (
        "1.2.3",
        "1.2",
        "20260313135410",
    )
    assert submission.content_type_code == Coded("07", "1.2.250.1.213.2.2", "Consultations soins externes")


def test_every_document_is_a_member_of_its_submission() -> None:
    (_, content) = opened(package())
    told = [
        (
            each.get("associationType", "").rpartition(":")[2],
            each.get("sourceObject"),
            each.get("targetObject"),
        )
        for each in etree.fromstring(content[METADATA]).iter("{*}Association")
    ]
    assert told == [
        ("HasMember", "SubmissionSet01", "Document01"),
        ("HasMember", "SubmissionSet01", "Document02"),
    ]


@pytest.mark.parametrize(
    ("known", "target"),
    [({"1.2.250.1.999.1.1": "urn:uuid:5d8b0e0a-0000-4000-8000-000000000001"}, "urn:uuid:5d8b0e0a-0000-4000-8000-000000000001"), ({}, None)],
)  # fmt: skip
def test_a_replacement_names_what_the_registry_knows(known: dict[str, str], target: str | None) -> None:
    data = write_package([write_n1(DRAFT, PDF)], submission_id="1.2.3", source_id="1.2", at=AT, known=known)
    _, content = opened(data)
    replaced = read_submission(content[METADATA]).entries[0].replaces
    assert replaced == (() if target is None else (target,))
    assert faults(content[METADATA]) == []


def test_a_replacement_within_the_package_names_its_neighbour() -> None:
    former = replace(DRAFT, unique_id="1.2.250.1.999.1.1", version_number=1, replaces=None)
    data = write_package(
        [write_n1(former, PDF), write_n1(DRAFT, PDF)], submission_id="1.2.3", source_id="1.2", at=AT
    )
    _, content = opened(data)
    assert read_submission(content[METADATA]).entries[1].replaces == ("Document01",)


# ref: DMP-F16
def test_each_submission_set_has_its_own_time_and_folder() -> None:
    lots = [Lot(submission(f"1.2.{number}"), [each]) for number, each in enumerate(documents())]
    names, content = opened(write_lots(lots))
    metadata = [name for name in names if name.endswith("METADATA.XML")]
    assert metadata == ["IHE_XDM/SUBSET01/METADATA.XML", "IHE_XDM/SUBSET02/METADATA.XML"]
    sets = [read_submission(content[name]).submission_set for name in metadata]
    times = [each.submission_time for each in sets if each is not None]
    assert times == ["20260313135410", "20260313135411"]


@pytest.mark.parametrize("several", [0, 1, 2])
def test_what_no_package_may_hold_is_refused(several: int) -> None:
    other = replace(DRAFT, unique_id="1.2.9", patient=replace(PATIENT, ins="160012345678990"))
    refused = ([], [documents()[0]] * 2, [documents()[0], write_n1(other, PDF)])[several]
    with pytest.raises(PackageUnwritable):
        write_package(refused, submission_id="1.2.3", source_id="1.2", at=AT)


def test_the_index_is_well_formed_xhtml_that_links_every_document() -> None:
    names, content = opened(package())
    index = etree.fromstring(content["INDEX.HTM"], etree.XMLParser(load_dtd=False, no_network=True))
    links = [each.get("href") for each in index.iter("{http://www.w3.org/1999/xhtml}a")]
    assert links == ["README.TXT", *(name for name in names if "DOC0" in name)]
    assert "".join(index.find(".//{*}h1").itertext()) == 'Labo "des charmes"'
    assert all(
        line in content["README.TXT"].decode()
        for line in ("Emetteur", "Application", "Arborescence", "DOC00002.XML")
    )


def test_a_title_that_somebody_typed_cannot_break_the_metadata() -> None:
    (written,) = documents()[:1]
    entry = replace(written.entry, title='a\x00b\x0b"<&\ud800c' + "é" * 200, comments="\x1b[31m")
    data = write_package([replace(written, entry=entry)], submission_id="1.2.3", source_id="1.2", at=AT)
    _, content = opened(data)
    assert read_submission(content[METADATA]).entries[0].title.startswith('ab"<&cé')
    assert faults(content[METADATA]) == []
