"""Every mapping from the header of a CDA to the metadata of XDS (dmp.md §2.3)."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from dmp_bridge.cda import CdaRefused
from dmp_bridge.codes import Coded
from dmp_bridge.entry import (
    Author,
    DocumentEntry,
    Identifier,
    Organization,
    PatientName,
    Person,
    Relation,
    SourcePatient,
    from_json,
    to_json,
)
from dmp_bridge.mapping import ACCESSION, ORDER, STUDY, read_with_entry
from tests.dmp_bridge.builders import INS, PDF, TEST_OID, cda, n1_body, n3_body
from tests.shared_data import SHARED, shared

LOINC = "2.16.840.1.113883.6.1"
DEVICE = (
    '<assignedAuthor><id root="1.2.250.1.71.4.2.1" extension="{id}"/><assignedAuthoringDevice>'
    "<manufacturerModelName>Holter 3</manufacturerModelName><softwareName>Rythme</softwareName>"
    "</assignedAuthoringDevice></assignedAuthor>"
)


def entry(**changes: str) -> DocumentEntry:
    return read_with_entry(cda(**changes))[1]  # type: ignore[arg-type]


def changed(old: str, new: str) -> DocumentEntry:
    data = cda().decode()
    assert old in data
    return read_with_entry(data.replace(old, new, 1).encode())[1]


def millis(*moment: int) -> int:
    year, month, day, hour, minute, second = moment
    return int(datetime(year, month, day, hour, minute, second, tzinfo=UTC).timestamp()) * 1000


# ref: DMP-F8
def test_a_header_gives_the_whole_entry() -> None:
    data = cda(body=n1_body(PDF), replaces="1.2.250.1.999.1.0")
    assert read_with_entry(data)[1] == DocumentEntry(
        unique_id="1.2.250.1.999.1.1",
        mime_type="text/xml",
        size=len(data),
        hash=read_with_entry(data)[1].hash,
        title="Compte rendu d'examens biologiques",
        language_code="fr-FR",
        creation_time=millis(2026, 3, 13, 13, 54, 10),
        service_start_time=millis(2026, 3, 12, 8, 0, 0),
        patient_id=Identifier(INS, TEST_OID, "NH"),
        source_patient_id=Identifier("1234", "1.2.3.4", "PI"),
        source_patient=SourcePatient((PatientName("PAT-TROIS", "DOMINIQUE", "L"),), "1979-03-28", "F"),
        authors=(
            Author(
                Person("801234534765", "CAMPARINI", "Marcel", "1.2.250.1.71.4.2.1", "IDNPS"),
                (Organization("Laboratoire des charmes", "1120459876"),),
                (),
                (Coded("G15_10/SM03", "", "Médecin - Biologie médicale (SM)"),),
            ),
        ),
        class_code=Coded("10", "1.2.250.1.213.1.1.4.1", "Compte rendu"),
        type_code=Coded("11502-2", LOINC, "CR d'examens biologiques"),
        format_code=Coded(
            "urn:ihe:iti:xds-sd:pdf:2008", "1.3.6.1.4.1.19376.1.2.3", "Document à corps non structuré en Pdf/A-1"
        ),
        healthcare_facility_type_code=Coded("SA07", "1.2.250.1.71.4.2.4", "Cabinet individuel"),
        practice_setting_code=Coded("AMBULATOIRE", "1.2.250.1.213.1.1.4.9", "Ambulatoire"),
        confidentiality_codes=(Coded("N", "2.16.840.1.113883.5.25", "Normal"),),
        relations=(Relation("RPLC", "1.2.250.1.999.1.0"),),
    )  # fmt: skip


# ref: DMP-F9
@pytest.mark.parametrize(
    ("local", "utc"),
    [
        ("20260313145410+0100", (2026, 3, 13, 13, 54, 10)),
        ("20260713145410+0200", (2026, 7, 13, 12, 54, 10)),
        ("202603131454-0500", (2026, 3, 13, 19, 54, 0)),
        ("20260313", (2026, 3, 12, 23, 0, 0)),
        ("2026", (2025, 12, 31, 23, 0, 0)),
        ("20260313145410", (2026, 3, 13, 13, 54, 10)),
    ],
)
def test_times_are_told_in_utc(local: str, utc: tuple[int, ...]) -> None:
    found = entry(effective=local, service=local)
    assert found.creation_time == found.service_start_time == millis(*utc)


@pytest.mark.parametrize(
    ("code", "class_code"),
    [("11502-2", "10"), ("18748-4", "31"), ("57833-6", "42"), ("11369-6", "52"), ("PIECE-IDENTITE", None)],
)
def test_the_class_follows_the_type(code: str, class_code: str | None) -> None:
    found = entry(code=code)
    assert (found.class_code.code if found.class_code else None) == class_code


def test_the_format_follows_the_body_or_the_model() -> None:
    n1 = entry(body=n1_body(b"\xff\xd8\xff", "image/jpeg")).format_code
    n3 = entry(body=n3_body()).format_code
    assert n1 is not None and n3 is not None
    assert (n1.code, n1.system) == ("urn:ihe:iti-fr:xds-sd:jpeg:2010", "1.3.6.1.4.1.19376.1.2.3")
    assert (n3.code, n3.system) == ("urn:ihe:lab:xd-lab:2008", "1.3.6.1.4.1.19376.1.2.3")


@pytest.mark.parametrize(("id", "kind"), [("1120459876-7", "RI"), ("1120459876/7", "EI")])
def test_a_device_writes_under_its_own_type(id: str, kind: str) -> None:
    data = cda().decode()
    start, end = data.index("<assignedAuthor>"), data.index("</assignedAuthor>") + len("</assignedAuthor>")
    found = read_with_entry((data[:start] + DEVICE.format(id=id) + data[end:]).encode())[1]
    assert found.authors[0].person == Person(id, "Holter 3", "Rythme", "1.2.250.1.71.4.2.1", kind, "U")
    assert found.authors[0].person.xcn == f"{id}^Holter 3^Rythme^^^^^^&1.2.250.1.71.4.2.1&ISO^U^^^{kind}"


def test_a_patient_writes_under_the_ins() -> None:
    found = changed(
        '<assignedAuthor><id root="1.2.250.1.71.4.2.1" extension="801234534765"/>',
        f'<assignedAuthor><id root="{TEST_OID}" extension="{INS}"/>',
    )
    assert found.authors[0].person.xcn == f"{INS}^CAMPARINI^Marcel^^^^^^&{TEST_OID}&ISO^D^^^NH"


def test_the_role_is_in_words_and_the_signer_is_told() -> None:
    signer = (
        '<legalAuthenticator><assignedEntity><id root="1.2.250.1.71.4.2.1" extension="807505123456"/>'
        "<assignedPerson><name><family>DURAND</family><given>Anne</given></name></assignedPerson>"
        "</assignedEntity></legalAuthenticator><documentationOf>"
    )
    found = changed("<documentationOf>", signer)
    assert found.legal_authenticator is not None
    assert found.legal_authenticator.xcn == "807505123456^DURAND^Anne^^^^^^&1.2.250.1.71.4.2.1&ISO^D^^^IDNPS"
    role = changed("<author>", '<author><functionCode code="PCP" displayName="Médecin traitant"/>')
    assert role.authors[0].roles == ("Médecin traitant",)


def test_acts_and_their_translations_are_events_once() -> None:
    act = (
        '<serviceEvent><id root="1.2.3.77"/><code code="24727-0" codeSystem="2.16.840.1.113883.6.1"><translation code="CT"'
        ' codeSystem="1.2.840.10008.2.16.4" displayName="Tomodensitométrie"/></code>'
    )
    found = changed(
        "<documentationOf><serviceEvent>",
        f"<documentationOf>{act}</serviceEvent></documentationOf><documentationOf>{act}",
    )
    assert [each.code for each in found.event_codes] == ["24727-0", "CT"]
    assert found.reference_ids == (Identifier("1.2.3.77", "", STUDY),)
    assert found.reference_ids[0].cx == f"1.2.3.77^^^^{STUDY}"


def test_the_order_and_its_accession_number_are_references() -> None:
    order = (
        '<inFulfillmentOf><order><id root="1.2.5" extension="984"/><n:accessionNumber xmlns:n="urn:dicom-org:ps3-20"'
        ' root="1.2.6" extension="105"/></order></inFulfillmentOf><documentationOf>'
    )
    found = changed("<documentationOf>", order)
    assert [each.cx for each in found.reference_ids] == [
        f"984^^^&1.2.5&ISO^{ORDER}",
        f"105^^^&1.2.6&ISO^{ACCESSION}",
    ]


def test_names_keep_their_kind() -> None:
    found = changed(
        "<administrativeGenderCode",
        "<x/><administrativeGenderCode",
    )
    assert found.source_patient.pid == ("PID-5|PAT-TROIS^DOMINIQUE^^^^^L", "PID-7|19790328", "PID-8|F")
    used = changed(
        "</name>\n<administrativeGenderCode",
        '<family qualifier="CL">MARTIN</family><given qualifier="CL">Dom</given></name><administrativeGenderCode',
    )
    assert used.source_patient.pid[1] == "PID-5|MARTIN^Dom^^^^^S"


def test_without_a_local_number_the_source_knows_the_ins() -> None:
    found = changed('<id extension="1234" root="1.2.3.4"/>', "")
    assert found.source_patient_id == found.patient_id == Identifier(INS, TEST_OID, "NH")


def test_what_separates_components_never_comes_from_a_name() -> None:
    found = entry(author_family="O^H&amp;R|A~X")
    assert found.authors[0].person.xcn.split("^")[1] == "O H R A X"


def test_an_entry_comes_back_from_json() -> None:
    found = entry(replaces="1.2.3")
    assert from_json(json.loads(json.dumps(to_json(found)))) == found
    assert from_json({}) == DocumentEntry()


def test_no_name_of_a_person_stands_in_the_repr() -> None:
    told = repr(entry())
    assert not any(word in told for word in (INS, "PAT-TROIS", "CAMPARINI", "801234534765", "1979"))


def test_what_is_no_document_has_no_entry() -> None:
    with pytest.raises(CdaRefused):
        read_with_entry(b"<x/>")


@pytest.mark.parametrize(
    "path", sorted((SHARED / "cda").glob("*.xml")) or [None], ids=lambda path: path.stem if path else "none"
)
def test_every_official_example_has_all_that_the_dmp_demands(path: object) -> None:
    shared("cda")
    found = read_with_entry(path.read_bytes())[1]  # type: ignore[attr-defined]
    demanded = (
        found.unique_id, found.patient_id, found.source_patient_id, found.hash, found.size, found.creation_time,
        found.language_code, found.service_start_time, found.legal_authenticator, found.title, found.authors,
        found.class_code, found.type_code, found.format_code, found.healthcare_facility_type_code,
        found.practice_setting_code,
    )  # fmt: skip
    assert all(demanded)
    codes = (
        found.class_code, found.type_code, found.format_code, found.healthcare_facility_type_code,
        found.practice_setting_code,
    )  # fmt: skip
    assert all(code is not None and code.system and code.display for code in codes)
    assert from_json(json.loads(json.dumps(to_json(found)))) == found
