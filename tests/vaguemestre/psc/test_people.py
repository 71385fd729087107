from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from directory.psc.claims import Professional
from tests.shared_data import shared
from vaguemestre.fictive import CAST, EMERGENCY_DOCTOR, NURSE, PHARMACIST, PROFESSIONALS
from vaguemestre.home import to_toml
from vaguemestre.psc.people import claims_of, people_of

if TYPE_CHECKING:
    from pathlib import Path

EVERYTHING = "openid scope_all"


def shape(value: Any) -> Any:
    """The names of members and the types of values, whatever the values are."""
    if isinstance(value, dict):
        return {name: shape(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [shape(value[0])] if value else []
    return type(value)


@pytest.mark.parametrize("professional", PROFESSIONALS, ids=lambda each: each.rpps)
def test_the_claims_have_the_shape_of_a_real_userinfo(professional: Any) -> None:
    real = json.loads(shared("psc", "psc-userinfo-FICTIF.json").read_text(encoding="utf-8"))
    ours = claims_of(professional, EVERYTHING)
    # A second sample has these, and the one compared has not.
    del ours["email_verified"], ours["SubjectRefPro"]["codeCivilite"]
    assert shape(ours) == shape(real)


def test_the_members_of_the_other_sample_are_there_as_well() -> None:
    real = json.loads(shared("psc", "userinfo-sample-full.json").read_text(encoding="utf-8"))
    ours = claims_of(EMERGENCY_DOCTOR, EVERYTHING)
    assert set(real) <= set(ours)
    assert set(real["SubjectRefPro"]) == set(ours["SubjectRefPro"])
    exercise, own = real["SubjectRefPro"]["exercices"][0], ours["SubjectRefPro"]["exercices"][0]
    assert set(exercise) == set(own)
    assert set(exercise["activities"][0]) == set(own["activities"][0])


def test_a_doctor_of_a_hospital_is_told_with_skill_and_structure() -> None:
    claims = claims_of(EMERGENCY_DOCTOR, EVERYTHING)
    assert claims["SubjectRole"] == ["10^1.2.250.1.213.1.1.5.5"]
    assert claims["Secteur_Activite"] == "SA01^1.2.250.1.71.4.2.4"
    assert claims["given_name"] == "Karim"
    exercise = claims["SubjectRefPro"]["exercices"][0]
    assert (exercise["codeTypeSavoirFaire"], exercise["codeSavoirFaire"]) == ("S", "SM59")
    assert exercise["codeCiviliteDexercice"] == "DR"
    activity = exercise["activities"][0]
    assert activity["numeroFinessSite"] == "990700106"
    assert activity["codeModeExercice"] == "S"
    assert activity["codeDepartement"] == "72"


def test_who_has_no_skill_or_title_has_none_in_the_claims() -> None:
    exercise = claims_of(NURSE, EVERYTHING)["SubjectRefPro"]["exercices"][0]
    assert (exercise["codeTypeSavoirFaire"], exercise["codeSavoirFaire"]) == ("", "")
    assert exercise["codeCiviliteDexercice"] == "M"
    assert exercise["activities"][0]["autoriteDenregistrement"] == ""


def test_the_relying_side_reads_a_professional_from_the_claims() -> None:
    read = Professional.from_claims(claims_of(PHARMACIST, EVERYTHING))
    assert read is not None
    assert read.idnat == PHARMACIST.idnat
    assert read.family_name == "MARCHAND"
    assert read.exercises[0].profession == "21"
    assert read.other_ids[0].value == PHARMACIST.rpps


def test_a_sandbox_that_has_joined_another_has_people_of_its_own(tmp_path: Path) -> None:
    expected = {bal.professional.idnat for bal in CAST.bals if bal.professional}
    assert set(people_of(tmp_path)) == expected
    (tmp_path / "joined.toml").write_text(to_toml({"first": str(tmp_path / "un"), "suffix": "b"}))
    assert set(people_of(tmp_path)) == expected
