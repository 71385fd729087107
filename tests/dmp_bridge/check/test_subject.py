from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dmp_bridge.check.subject import Traits, has_capital_name, is_almost_fin, names, read_subject


def test_the_convention_is_cut_into_its_parts() -> None:
    said = read_subject("XDM/1.0/DDM+CR d'imagerie médicale PAT-TROIS DOMINIQUE 28/03/1979")
    assert said.is_structured
    assert said.has_plus
    assert said.words == ("CR", "d'imagerie", "médicale", "PAT-TROIS", "DOMINIQUE")
    assert said.birth_date == date(1979, 3, 28)


@pytest.mark.parametrize(
    ("text", "answer", "forward", "replaces"),
    [
        ("Re: XDM/1.0/DDM+CR NOM prénom", True, False, False),
        ("RE : Re: XDM/1.0/DDM+CR NOM prénom", True, False, False),
        ("[Annule et remplace] XDM/1.0/DDM+CR NOM prénom", False, False, True),
        ("Re: [Annule et remplace] XDM/1.0/DDM+CR NOM prénom", True, False, True),
        ("TR: XDM/1.0/DDM+CR NOM prénom", False, True, False),
        ("XDM/1.0/DDM+CR NOM prénom", False, False, False),
    ],
)
def test_what_programs_put_before_the_convention_is_known(
    text: str, answer: bool, forward: bool, replaces: bool
) -> None:
    said = read_subject(text)
    assert (said.is_answer, said.is_forward, said.replaces) == (answer, forward, replaces)
    assert said.words == ("CR", "NOM", "prénom")


def test_both_spellings_of_a_refused_integration_are_known() -> None:
    for text in (
        "[KO Intégration système !][902] XDM/1.0/DDM+CR A B",
        "[Erreur d'intégration !][902] XDM/1.0/DDM+CR A B",
    ):
        said = read_subject(text)
        assert (said.refused, said.refused_code, said.is_structured) == (True, "902", True)


def test_a_birth_date_may_be_missing_or_be_no_day() -> None:
    assert read_subject("XDM/1.0/DDM+CR NOM prénom").date_written == ""
    wrong = read_subject("XDM/1.0/DDM+CR NOM prénom 31/02/1979")
    assert (wrong.date_written, wrong.birth_date) == ("31/02/1979", None)


@pytest.mark.parametrize(
    ("subject", "family", "given_name", "expected"),
    [
        ("CR PAT-TROIS DOMINIQUE", "PAT-TROIS", "DOMINIQUE", True),
        ("CR Pat-Trois Dominique", "PAT TROIS", "Dominique MARIE", True),
        ("CR d'imagerie médicale ÉTÉ Zoé", "ETE", "ZOE", True),
        ("CR DOMINIQUE PAT-TROIS", "PAT-TROIS", "DOMINIQUE", True),
        ("CR MARTIN DOMINIQUE", "PAT-TROIS", "DOMINIQUE", False),
        ("PAT-TROIS DOMINIQUE", "PAT-TROIS", "DOMINIQUE", False),
    ],
)
def test_a_subject_names_a_person_behind_its_label(
    subject: str, family: str, given_name: str, expected: bool
) -> None:
    assert names(read_subject(f"XDM/1.0/DDM+{subject}"), Traits(family, (given_name,))) is expected


def test_the_family_name_in_capitals_is_looked_for_behind_the_label() -> None:
    assert has_capital_name(["CR", "imagerie", "MARTIN", "Paul"])
    assert not has_capital_name(["CR", "imagerie", "Martin", "Paul"])


@pytest.mark.parametrize("text", ["[fin]", " [FIN]", "Re: [FIN]", "FIN", "(Fin)", "[FIN] ."])
def test_what_was_meant_to_be_fin_is_seen(text: str) -> None:
    assert is_almost_fin(text)


@pytest.mark.parametrize("text", ["[FIN]", "Fin de traitement", "", "Re: question"])
def test_other_subjects_are_not_taken_for_fin(text: str) -> None:
    assert not is_almost_fin(text)


@given(st.text(max_size=3000))
def test_any_text_can_be_read(text: str) -> None:
    said = read_subject(text)
    names(said, Traits(text, (text,)))
    is_almost_fin(text)
