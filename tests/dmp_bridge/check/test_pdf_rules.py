"""The PDF that goes with a CDA: its bytes, its name, and the copy it says it is."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dmp_bridge.cda import read_cda
from dmp_bridge.check.pdf_rules import examine_pdf, read_name
from dmp_bridge.check.report import ALONE, Finding, Surroundings, Verdict, Weight
from tests.dmp_bridge.check.packages import DRAFT, PDF, faults, n1, n3

GOOD = "20260313_CR d'examens biologiques_PAT-TROIS_DOMINIQUE.pdf"


def around(*documents: bytes) -> Surroundings:
    return Surroundings(in_message=True, documents=tuple(read_cda(each) for each in documents))


def examine(name: str = GOOD, data: bytes = PDF, *documents: bytes) -> list[Finding]:
    return examine_pdf(name, data, around(*(documents or (n1().data,))))


@pytest.mark.parametrize(
    "name",
    [
        GOOD,
        "20260313_CR d'examens biologiques_PAT-TROIS_DOMINIQUE_12150302014578.pdf",
        "20260313_CR d examens biologiques_PAT-TROIS_Dominique.PDF",
        "20260313_CR d'examens biologiques_PAT-TROIS_DOMINIQUE MARIE-LOUISE.pdf",
    ],
)
def test_a_pdf_that_keeps_the_rules_has_no_fault(name: str) -> None:
    assert faults(examine(name)) == []


# ref: ECO.2.1.6, F26
def test_the_label_of_a_long_type_is_cut_at_forty_characters_with_or_without_accents() -> None:
    letter = n1(replace(DRAFT, type_code="11490-0")).data
    for kind in ("Lettre de liaison a la sortie d'un etabl", "Lettre de liaison à la sortie d'un établ"):
        assert len(kind) == 40
        assert faults(examine(f"20260313_{kind}_PAT-TROIS_DOMINIQUE.pdf", PDF, letter)) == []


# ref: ECO.2.1.6
@pytest.mark.parametrize(
    ("name", "rule", "part"),
    [
        ("compte rendu.pdf", "ECO.2.1.6", ""),
        ("20260313_CR_PAT-TROIS.pdf", "ECO.2.1.6", ""),
        ("20261313_CR d'examens biologiques_PAT-TROIS_DOMINIQUE.pdf", "ECO.2.1.6", ""),
        ("20260312_CR d'examens biologiques_PAT-TROIS_DOMINIQUE.pdf", "ECO.2.1.6", " date"),
        ("20260313_CR d'imagerie_PAT-TROIS_DOMINIQUE.pdf", "ECO.2.1.6", " type"),
        ("20260313_CR d'examens biologiques_Pat-Trois_DOMINIQUE.pdf", "ECO.2.1.6", " nom"),
        ("20260313_CR d'examens biologiques_MARTIN_DOMINIQUE.pdf", "INS-ACCORD", " nom du fichier"),
        ("20260313_CR d'examens biologiques_PAT-TROIS_LOUISE.pdf", "INS-ACCORD", " nom du fichier"),
    ],
)
def test_one_fault_in_the_name_is_told(name: str, rule: str, part: str) -> None:
    assert faults(examine(name)) == [(rule, f"{name}{part}")]


# ref: F26
def test_a_type_of_more_than_forty_characters_is_told() -> None:
    name = f"20260313_{'a' * 41}_PAT-TROIS_DOMINIQUE.pdf"
    assert {part for _, part in faults(examine(name))} == {f"{name} type"}


def test_of_several_documents_the_one_the_name_fits_counts() -> None:
    imaging = n1(replace(DRAFT, type_code="18748-4", unique_id="1.2.250.1.5")).data
    assert faults(examine(GOOD, PDF, imaging, n1().data)) == []


def test_without_a_document_only_the_form_of_the_name_is_seen() -> None:
    assert faults(examine_pdf(GOOD, PDF, ALONE)) == []
    assert faults(examine_pdf("a.pdf", PDF, ALONE)) == [("ECO.2.1.6", "a.pdf")]
    findings = examine_pdf("a.pdf", PDF, Surroundings(in_message=True))
    assert faults(findings) == []
    assert "ECO.2.1.6" in {each.rule for each in findings if each.verdict is Verdict.NOT_APPLICABLE}


# ref: ECO.2.1.5
@pytest.mark.parametrize(
    ("data", "rule", "part", "weight"),
    [
        (PDF.replace(b"pdfaid:part='1'", b""), "ECO.2.1.5", "XMP pdfaid:part", Weight.RECOMMENDED),
        (PDF.replace(b"part='1'", b"part='3'"), "ECO.2.1.5", "XMP pdfaid:part", Weight.RECOMMENDED),
        (PDF.replace(b"%%EOF", b""), "PDF-LISIBLE", "fin du fichier", Weight.MANDATORY),
        (PDF.replace(b"/Root", b"/Encrypt 2 0 R/Root"), "PDF-LISIBLE", "trailer", Weight.MANDATORY),
        (b"bonjour" + b"x" * 2000, "PDF-LISIBLE", "début du fichier", Weight.MANDATORY),
    ],
)
def test_one_fault_in_the_bytes_is_told(data: bytes, rule: str, part: str, weight: Weight) -> None:
    found = [each for each in examine(GOOD, data, n3().data) if each.verdict is Verdict.FAILS]
    assert [(each.rule, each.place, each.weight) for each in found] == [(rule, f"{GOOD} {part}", weight)]


def test_the_marker_is_seen_as_an_element_too() -> None:
    data = PDF.replace(b"<x pdfaid:part='1'/>", b"<pdfaid:part>1</pdfaid:part>")
    assert faults(examine(GOOD, data)) == []


# ref: ECO.2.1.5
def test_another_file_than_the_one_in_the_document_is_a_note() -> None:
    found = [each for each in examine(GOOD, PDF + b"%%EOF") if each.verdict is Verdict.FAILS]
    assert [(each.rule, each.weight) for each in found] == [("PDF-COPIE", Weight.NOTE)]


@given(st.text(alphabet="2026031_ .pdfPDF'éA", max_size=200))
def test_any_name_is_read_and_never_raises(name: str) -> None:
    assert len(read_name(name)) <= 2


def test_a_megabyte_of_almost_markers_is_read_at_once() -> None:
    data = b"%PDF-1.4" + b"pdfaid:part   " * 1_000_000 + b"%%EOF"
    assert faults(examine(GOOD, data, n3().data)) == [("ECO.2.1.5", f"{GOOD} XMP pdfaid:part")]
