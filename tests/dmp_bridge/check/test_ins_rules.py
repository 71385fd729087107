"""The matricule and the traits, and that every place names the same patient."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dmp_bridge.check.cda_rules import examine_cda
from dmp_bridge.check.ins_rules import fold
from dmp_bridge.check.report import ALONE, Finding, Surroundings, Verdict, Weight
from dmp_bridge.codes import Place, place
from dmp_bridge.entry import SubmissionSet
from dmp_bridge.writing.package import Lot, metadata_of, names_of
from foundation.identifiers import OID_NIR, ins_key
from tests.dmp_bridge.check.packages import (
    AT,
    DOCUMENT,
    DRAFT,
    FOLDER,
    INS,
    METADATA,
    PATIENT,
    examine,
    faults,
    files,
    n1,
    swap,
)

ROLE = "DOC.XML /ClinicalDocument/recordTarget/patientRole"
OTHER = "160017500199" + "9"
OTHER_INS = OTHER + ins_key(OTHER)


def told(data: bytes, around: Surroundings = ALONE) -> list[Finding]:
    return [each for each in examine_cda("DOC.XML", data, around) if each.rule.startswith("INS")]


@pytest.mark.parametrize(
    ("old", "new", "rule", "place"),
    [
        (f'extension="{INS}"', 'extension="27903512151898"', "INS-CDA", f"{ROLE}/id/@extension"),
        (f'extension="{INS}"', 'extension="2790351215189 9"', "INS-CDA", f"{ROLE}/id/@extension"),
        ('<id root="1.2.250.1.213.1.4.10"', '<id root="1.2.250.1.213.1.4.2"', "INS-CDA", f"{ROLE}/id"),
        ('<given qualifier="BR">DOMINIQUE</given>', "", "INS-TRAITS", f"{ROLE}/patient/name/given[@qualifier='BR']"),
        ('<birthTime value="19790328"/>', '<birthTime value="1979"/>', "INS-TRAITS", f"{ROLE}/patient/birthTime/@value"),
        ('<administrativeGenderCode code="F"', "<administrativeGenderCode ", "INS-TRAITS",
         f"{ROLE}/patient/administrativeGenderCode/@code"),
    ],
)  # fmt: skip
def test_one_change_of_the_identity_is_told(old: str, new: str, rule: str, place: str) -> None:
    assert faults(told(swap(old, new)(n1().data))) == [(rule, place)]


def test_a_wrong_key_is_a_fault_of_a_real_matricule_and_a_remark_on_one_for_tests() -> None:
    wrong = INS[:-2] + f"{(int(INS[-2:]) + 1) % 97:02d}"
    for patient, weight in (
        (replace(PATIENT, ins=wrong), Weight.RECOMMENDED),
        (replace(PATIENT, ins=wrong, oid=OID_NIR), Weight.MANDATORY),
    ):
        (finding,) = [
            each for each in told(n1(replace(DRAFT, patient=patient)).data) if each.verdict is Verdict.FAILS
        ]
        assert (finding.rule, finding.weight) == ("INS-CLE", weight)


def accord(findings: list[Finding]) -> list[Finding]:
    return [each for each in findings if each.rule == "INS-ACCORD"]


def test_a_package_that_names_one_patient_everywhere_agrees() -> None:
    around = Surroundings(
        in_message=True,
        matricules=(INS,),
        subject="XDM/1.0/DDM+Résultats de biologie Pat Trois Dominique 28/03/1979",
    )
    assert [each.verdict for each in accord(examine(files(), around))] == [Verdict.HOLDS]


# ref: ECO.2.1.2
def test_a_cda_of_another_patient_is_one_finding_with_both_places() -> None:
    content = files()
    metadata = content[METADATA].replace(INS.encode(), OTHER_INS.encode()).replace(b"PAT-TROIS^", b"MARTIN^")
    (finding,) = accord(examine({**content, METADATA: metadata}))
    assert finding.breaks
    assert finding.place == f"{DOCUMENT} recordTarget"
    assert all(word in finding.says for word in (INS, OTHER_INS, METADATA, "MARTIN", "PAT-TROIS"))


@pytest.mark.parametrize(
    ("old", "new", "word"),
    [
        ("PID-7|19790328", "PID-7|19790329", "date de naissance"),
        ("PID-8|F", "PID-8|M", "sexe"),
        ("PID-5|PAT-TROIS^DOMINIQUE", "PID-5|PAT-TROIS^LOUISE", "prénom"),
    ],
)
def test_one_trait_that_differs_is_told(old: str, new: str, word: str) -> None:
    content = files()
    content[METADATA] = swap(old, new)(content[METADATA])
    (finding,) = accord(examine(content))
    assert finding.breaks
    assert word in finding.says


def test_the_same_number_under_another_authority_is_told() -> None:
    content = files()
    content[METADATA] = content[METADATA].replace(
        b"&amp;1.2.250.1.213.1.4.10&amp;", b"&amp;1.2.250.1.213.1.4.8&amp;"
    )
    (finding,) = accord(examine(content))
    assert finding.breaks
    assert "OID" in finding.says


def test_two_patients_in_one_package_are_told() -> None:
    other = replace(PATIENT, ins=OTHER_INS, birth_name="MARTIN", sex="M", birth_date="19600101")
    second = replace(DRAFT, unique_id="1.2.250.1.999.1.2.1", set_id="1.2.250.1.999.1.2", patient=other)
    both = [n1(), n1(second)]
    submission = SubmissionSet(
        unique_id="1.2.250.1.999.7.1",
        source_id="1.2.250.1.999.7",
        submission_time=int(AT.timestamp()) * 1000,
        patient_id=both[0].entry.patient_id,
        content_type_code=place(Place.CONTENT_TYPE, "07"),
        authors=both[0].entry.authors,
    )
    # The writer refuses two patients: the package is put together by hand.
    package = {
        **files(both[0]),
        f"{FOLDER}DOC00002.XML": both[1].data,
        METADATA: metadata_of(Lot(submission, both), names_of(both)),
    }
    places = [each.place for each in accord(examine(package))]
    assert places == [f"{METADATA} Document02", "IHE_XDM/SUBSET01/DOC00002.XML recordTarget"]


def test_a_recipient_who_is_another_patient_is_told() -> None:
    for findings in (
        examine(files(), Surroundings(in_message=True, matricules=(OTHER_INS,))),
        told(n1().data, Surroundings(in_message=True, matricules=(OTHER_INS,))),
    ):
        (finding,) = accord(findings)
        assert (finding.place, finding.breaks) == ("adresse du destinataire", True)


@pytest.mark.parametrize(
    ("subject", "count"),
    [
        ("XDM/1.0/DDM+CR PAT-TROIS DOMINIQUE", 0),
        ("XDM/1.0/DDM+CR pat trois dominique", 0),
        ("XDM/1.0/DDM+CR MARTIN DOMINIQUE", 1),
        ("XDM/1.0/DDM+CR MARTIN LOUISE", 2),
        ("Question d'organisation", 0),
    ],
)
def test_the_names_of_the_subject_are_those_of_the_document(subject: str, count: int) -> None:
    findings = accord(told(n1().data, Surroundings(in_message=True, subject=subject)))
    assert [each.place for each in findings if each.breaks] == ["Subject"] * count


@pytest.mark.parametrize(
    ("one", "other"),
    [("Élodie", "ELODIE"), ("D'ÉTÉ-Lune", "d ete lune"), ("Œdipe", "oedipe"), ("  JEAN   luc", "Jean-Luc")],
)
def test_names_are_compared_without_accents_case_and_punctuation(one: str, other: str) -> None:
    assert fold(one) == fold(other)


@given(st.text(max_size=80))
def test_folding_twice_changes_nothing(text: str) -> None:
    assert fold(fold(text)) == fold(text)


@given(st.binary(max_size=300))
def test_any_bytes_are_told_and_never_raise(data: bytes) -> None:
    assert told(data) == []
