from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from directory.psc.claims import Activity, Exercise, OtherId, Professional
from tests.shared_data import shared

IDNAT = {"SubjectNameID": "899900000011"}


def of(claims: dict[str, Any]) -> Professional:
    found = Professional.from_claims(claims)
    assert found is not None
    return found


def test_a_userinfo_of_pro_sante_connect_is_read() -> None:
    found = of(json.loads(shared("psc", "psc-userinfo-FICTIF.json").read_text(encoding="utf-8")))
    assert found == Professional(
        idnat="899900000011",
        subject="f:550dc1c8-d97b-4b1e-ac8c-8eb4471cf9dd:99900000011",
        given_name="Anne",
        family_name="EXEMPLE",
        sector="SA07",
        organisation="CABINET DU DR EXEMPLE",
        organisation_id="R99900001",
        roles=("10",),
        other_ids=(OtherId("99900000011", "RPPS"),),
        exercises=(Exercise("10", "C", "SM54", (Activity("CABINET DU DR EXEMPLE", "R99900001", "SA07"),)),),
    )
    assert found.name == "Anne EXEMPLE"
    assert found.profession == "10"


def test_a_userinfo_with_several_activities_is_read() -> None:
    found = of(json.loads(shared("psc", "userinfo-sample-full.json").read_text(encoding="utf-8")))
    assert found.idnat == "ANS20210107161422"  # identities of the sandbox have no national form
    assert found.other_ids == (OtherId("ANS20210107161422", "EDIT"),)
    assert [each.identifier for each in found.exercises[0].activities[3:]] == [
        "00000000016972",
        "00000000079608",
    ]


def test_a_short_userinfo_is_read() -> None:
    found = of(json.loads(shared("psc", "userinfo-sample-minimal.json").read_text(encoding="utf-8")))
    assert (found.idnat, found.subject, found.name) == ("899700218896", "", "ROBERT SPECIALISTE0021889")


def test_neither_name_nor_number_shows_in_what_is_logged() -> None:
    assert repr(of(IDNAT | {"given_name": "Anne", "family_name": "EXEMPLE"})) == "Professional(...)"


@pytest.mark.parametrize(
    "claims",
    [
        {},
        {"preferred_username": "899900000011"},
        {"sub": "f:x:899900000011", "email": "anne@exemple.fr"},
        {"SubjectNameID": None, "preferred_username": "899900000011"},
        {"SubjectNameID": "899900000011\n"},
        {"SubjectNameID": "8999000000é1"},
        {"SubjectNameID": "/899900000011"},
        {"SubjectNameID": ["899900000011"]},
    ],
    ids=str,
)
def test_nothing_stands_in_for_a_missing_subject_name_id(claims: dict[str, Any]) -> None:
    assert Professional.from_claims(claims) is None


def test_odd_members_count_as_absent() -> None:
    odd = {
        "given_name": "Anne\x00",
        "family_name": "E" * 256,
        "SubjectOrganization": 7,
        "SubjectOrganizationID": "\ud800",
        "SubjectRole": {"10": 1},
        "otherIds": ["x", None, {"identifiant": 3}],
        "SubjectRefPro": {"exercices": "none"},
        "sub": ["s"],
    }
    assert of(IDNAT | odd) == Professional(idnat="899900000011", other_ids=(OtherId("", ""),))


def test_spaces_of_all_kinds_become_one() -> None:
    assert of(IDNAT | {"given_name": " Anne\u00a0 Marie\t"}).given_name == "Anne Marie"


def test_a_role_alone_tells_the_profession() -> None:
    assert of(IDNAT | {"SubjectRole": "21^1.2.250.1.213.1.1.5.5"}).profession == "21"
    assert of(IDNAT).profession == ""


def test_lists_without_end_are_cut() -> None:
    many = {
        "SubjectRole": ["10"] * 1000,
        "otherIds": [{}] * 1000,
        "SubjectRefPro": {"exercices": [{}] * 1000},
    }
    found = of(IDNAT | many)
    assert (len(found.roles), len(found.other_ids), len(found.exercises)) == (50, 50, 50)


SCALARS = st.none() | st.booleans() | st.floats() | st.text(max_size=10)
ODD = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner)
)
NAMES = st.sampled_from(
    ["sub", "given_name", "SubjectRole", "otherIds", "SubjectRefPro", "Secteur_Activite", "SubjectNameID"]
)


@given(claims=st.dictionaries(NAMES, ODD | st.fixed_dictionaries({"exercices": ODD})))
def test_no_claims_whatever_raise(claims: dict[str, Any]) -> None:
    found = Professional.from_claims(claims)
    assert found is None or found.name.isprintable()
