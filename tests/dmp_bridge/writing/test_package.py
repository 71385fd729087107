from __future__ import annotations

import io
import re
import zipfile
from dataclasses import replace
from datetime import UTC, datetime

from dmp_bridge.cda import Level, read_cda
from dmp_bridge.ebrim import read_submission
from dmp_bridge.examine import Attachment, examine_attachments
from dmp_bridge.findings import Kind
from dmp_bridge.render import render_narrative
from dmp_bridge.writing.document import Author, Draft, Patient, Section, write_n1, write_n3
from dmp_bridge.writing.package import write_package
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


def package() -> bytes:
    n3 = write_n3(DRAFT, [Section("Motif & suite", ("Tout va <bien>.",))])
    first = replace(DRAFT, unique_id="1.2.250.1.999.1.3", set_id="1.2.250.1.999.2", replaces=None)
    return write_package([write_n1(first, PDF), n3], submission_id="1.2.3", source_id="1.2", at=AT)


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
    with zipfile.ZipFile(io.BytesIO(package())) as opened:
        names = opened.namelist()
        entry = read_submission(opened.read("IHE_XDM/SUBSET01/METADATA.XML")).entries[1]
    assert names[:2] == ["INDEX.HTM", "README.TXT"]
    assert all(
        re.fullmatch(r"[A-Z0-9_]{1,8}(\.[A-Z0-9_]{1,3})?", part) for name in names for part in name.split("/")
    )
    assert (entry.uri, entry.title, entry.creation_time) == ("DOC00002.XML", DRAFT.title, "20260313135410")
    assert entry.type_code is not None
    assert (entry.type_code.code, entry.language_code) == ("11502-2", "fr-FR")


def test_the_same_documents_give_the_same_package() -> None:
    assert package() == package()
