from __future__ import annotations

import csv

import pytest

from dmp_bridge.codes import document_type
from dmp_bridge.rights.mandatory import DUTIES, Sending, duty_of
from tests.shared_data import shared

WORDS = {"oui": Sending.YES, "oui (*)": Sending.STARRED, "": Sending.NO}
EXPECTED = {
    "11502-2": (Sending.YES, True, "2022-12-31"),
    "18748-4": (Sending.YES, True, "2022-12-31"),
    "11490-0": (Sending.YES, True, ""),
    "18761-7": (Sending.YES, True, ""),
    "57833-6": (Sending.STARRED, True, "2022-12-31"),
    "34874-8": (Sending.YES, True, "2023-12-31"),
    "PRESC-BIO": (Sending.STARRED, True, "2023-12-31"),
    "55115-0": (Sending.STARRED, True, "2023-12-31"),
    "CERT_DECL": (Sending.NO, True, "2023-12-31"),
    "96349-6": (Sending.YES, True, "2023-12-31"),
    "11488-4": (Sending.YES, True, "2023-12-31"),
}


# ref: DMP-F37
@pytest.mark.parametrize("type_code", EXPECTED)
def test_each_mandatory_document_goes_where_the_law_wants_it(type_code: str) -> None:
    duty = duty_of(type_code)
    assert duty is not None
    assert (duty.to_professionals, duty.to_patient, duty.since) == EXPECTED[type_code]
    assert "le dossier médical partagé" in duty.sentence
    assert ("médecin traitant" in duty.sentence) is (duty.to_professionals is Sending.YES)


def test_the_table_has_these_rows_alone_and_types_of_the_record() -> None:
    codes = [code for duty in DUTIES for code in duty.type_codes]
    assert sorted(codes) == sorted(EXPECTED)
    assert all((known := document_type(code)) and known.class_code for code in codes)
    assert duty_of("60591-5") is None


def test_the_rows_are_those_of_the_arrete() -> None:
    with shared("code-lists", "ARRETE_documents_obligatoires_DMP.csv").open(encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    assert [
        (tuple(row["typeCode_suggested"].split("|")), WORDS[row["mss_professionnel"]]) for row in rows
    ] == [(duty.type_codes, duty.to_professionals) for duty in DUTIES]
    assert [row["echeance"].replace("existant", "") for row in rows] == [duty.since for duty in DUTIES]
    assert {row["dmp"] for row in rows} == {row["mss_patient"] for row in rows} == {"oui"}
