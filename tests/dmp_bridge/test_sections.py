from __future__ import annotations

import pytest

from dmp_bridge.sections import CERTIFICATES, Section, section_of


# ref: DMP-F30
@pytest.mark.parametrize(
    ("type_code", "class_code", "format_code", "section"),
    [
        ("11369-6", "52", "", Section.VACCINATION),
        ("87273-9", "52", "urn:asip:ci-sis:vac-note:2021", Section.VACCINATION),
        ("96874-3", "52", "", Section.VACCINATION),
        ("CERT_DECL", "52", "urn:asip:ci-sis:cse-cs8:2017", Section.CHILD),
        ("CERT_DECL", "52", "urn:asip:ci-sis:cse-cs9:2017", Section.CHILD),
        ("CERT_DECL", "52", "urn:asip:ci-sis:cse-cs24:2017", Section.CHILD),
        ("29274-8", "10", "urn:ans:ci-sis:cse-mde:2023", Section.CHILD),
        ("59283-2", "10", "", Section.CHILD),
        ("68817-6", "11", "", Section.CHILD),
        ("CERT_DECL", "52", "", Section.CARE),
        ("11488-4", "10", "", Section.CARE),
        ("29274-8", "10", "", Section.CARE),
        ("EXPPAT_1", "90", "", Section.PATIENT),
        ("EXPPAT_3", "90", "", Section.PATIENT),
        ("DOCPAT05", "10", "", Section.PATIENT),
        ("74465-6", "90", "", Section.PATIENT),
        ("DOCPAT07", "52", "urn:asip:ci-sis:vac:2019", Section.PATIENT),
        ("X", None, "", Section.CARE),
    ],
)
def test_each_document_stands_in_its_section(
    type_code: str, class_code: str | None, format_code: str, section: Section
) -> None:
    assert section_of(type_code, class_code, format_code) is section


def test_sections_and_certificates_have_names_for_people() -> None:
    assert len({section.label for section in Section}) == len(Section)
    assert [label.rpartition("(")[2] for label in CERTIFICATES.values()] == ["CS8)", "CS9)", "CS24)"]
