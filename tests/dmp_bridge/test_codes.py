from __future__ import annotations

import csv

import pytest

from dmp_bridge import codes
from tests.shared_data import shared


def rows(name: str) -> list[dict[str, str]]:
    with shared("code-lists", name).open(encoding="utf-8") as opened:
        return list(csv.DictReader(opened))


def test_a_type_of_the_dmp_has_a_class_and_a_label() -> None:
    found = codes.document_type("18748-4")
    assert found == codes.DocumentType("18748-4", "31", "CR d'imagerie médicale")
    assert codes.class_label("31") == "Imagerie médicale"


def test_a_type_outside_the_dmp_has_no_class() -> None:
    found = codes.document_type("PIECE-IDENTITE")
    assert found is not None
    assert found.class_code is None


def test_an_unknown_type_is_none() -> None:
    assert codes.document_type("99999-9") is None
    assert codes.document_type("outside") is None


# ref: DMP-F38
@pytest.mark.parametrize(
    ("type_code", "class_code", "expected"),
    [
        ("11502-2", "10", "BIOLOGIE"),
        ("11490-0", "10", "CPT_REND"),
        ("18748-4", "31", "RADIO_SC"),
        ("60591-5", "11", "SYNTHESE"),
        ("57833-6", "42", "ORD_SOIN"),
        ("11369-6", "52", "CAR_VAC"),
        ("89601-9", "52", "CERT_MED"),
        ("EXPPAT_3", "90", "DIR_ANT"),
        ("EXPPAT_2", "90", "AUTR_DOC"),
        ("PIECE-IDENTITE", None, "AUTR_DOC"),
    ],
)
def test_every_document_has_its_place_for_the_patient(
    type_code: str, class_code: str | None, expected: str
) -> None:
    assert codes.category(type_code, class_code) == expected
    assert expected in codes.categories()


# ref: DMP-F30
def test_a_patient_files_under_types_of_the_dmp() -> None:
    for category in codes.patient_categories():
        found = codes.patient_type(category)
        assert found is not None
        assert found.class_code is not None
        assert codes.category(found.code, found.class_code) == category


def test_formats_follow_the_body_or_the_model() -> None:
    assert codes.format_of_media_type("application/pdf") == "urn:ihe:iti:xds-sd:pdf:2008"
    assert codes.format_of_templates(("x", "1.2.250.1.213.1.1.1.55")) == "urn:ihe:lab:xd-lab:2008"
    assert codes.format_of_templates(()) == codes.NO_PROFILE_FORMAT


# ref: DMP-F35
def test_the_error_codes_speak_french() -> None:
    assert codes.ErrorCode.UNKNOWN_PATIENT.label == "Identifiant de patient inconnu"
    assert all(code.label and code.advice.endswith(".") for code in codes.ErrorCode)


def test_the_tables_are_those_of_the_published_lists() -> None:
    published = {row["code"]: row for row in rows("JDV_J66_TypeCode_DMP.csv") if row["code"] != "E1762"}
    wider = {row["code"] for row in rows("JDV_J07_XdsTypeCode_CISIS.csv")} - {"E1762"}
    for code, row in published.items():
        assert codes.document_type(code) == codes.DocumentType(code, row["classCode_X16"], row["display"])
        assert codes.type_system(code) == row["codeSystem"]
    for code in wider - set(published):
        assert codes.document_type(code) is not None
        assert codes.document_type(code).class_code is None  # type: ignore[union-attr]
    for row in rows("ASS_A11_ModeleCDA_formatCode.csv"):
        if row["formatCode"].startswith("urn:"):
            assert codes.format_of_templates((row["templateId"],)) == row["formatCode"]
    for row in rows("JDV_J57_ClassCode_DMP.csv"):
        if row["code"].isdigit():
            assert codes.class_label(row["code"]) == row["display"]
