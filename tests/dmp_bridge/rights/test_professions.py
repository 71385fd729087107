from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from dmp_bridge.rights.professions import SHIPPED, Professions, ProfessionsRefused

if TYPE_CHECKING:
    from pathlib import Path

REPORT, PSYCHIATRIC, TELEMEDICINE, CERTIFICATE = "11488-4", "68599-0", "75496-0", "89601-9"
DOCTOR, DENTIST, NURSE, PHARMACIST = "10", "40", "60", "21"


# ref: DMP-F24
@pytest.mark.parametrize(
    ("profession", "type_code", "may"),
    [
        (DOCTOR, REPORT, True),
        (DOCTOR, PSYCHIATRIC, True),
        (DOCTOR, "ATTEST-RESID", False),
        (DOCTOR, "NOBODY-KNOWS", True),
        (DENTIST, REPORT, True),
        (DENTIST, "80788-3", False),
        (DENTIST, TELEMEDICINE, False),
        (DENTIST, "83981-1", False),
        (DENTIST, "83901-9", False),
        (DENTIST, PSYCHIATRIC, False),
        (DENTIST, CERTIFICATE, True),
        (DENTIST, "NOBODY-KNOWS", False),
        (NURSE, REPORT, True),
        (NURSE, TELEMEDICINE, False),
        (NURSE, PSYCHIATRIC, False),
        (NURSE, "83901-9", False),
        (NURSE, "68817-6", False),
        (NURSE, CERTIFICATE, False),
        (NURSE, "80788-3", True),
        (PHARMACIST, REPORT, False),
        ("", REPORT, False),
    ],
)
def test_the_known_rows_are_shipped_and_what_nobody_says_is_for_doctors_alone(
    profession: str, type_code: str, *, may: bool
) -> None:
    assert SHIPPED.may_consult(profession, type_code) is may


def test_an_operator_completes_the_table(tmp_path: Path) -> None:
    file = tmp_path / "professions.csv"
    file.write_text(
        "profession,type_code,consultation\n21,*,oui\n21,68599-0,non\n10,11488-4,non\n\n",
        encoding="utf-8-sig",
    )
    table = Professions.load(file)
    assert table.may_consult(PHARMACIST, REPORT)
    assert not table.may_consult(PHARMACIST, PSYCHIATRIC)
    assert not table.may_consult(DOCTOR, REPORT)
    assert table.may_consult(DOCTOR, PSYCHIATRIC)
    assert not table.may_consult(NURSE, CERTIFICATE)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "The first line is not profession,type_code,consultation."),
        ("profession,type_code,consultation\n21,11488-4,perhaps\n", "Line 2 is not"),
        ("profession,type_code,consultation\n21,11488-4\n", "Line 2 is not"),
        ("profession,type_code,consultation\n,11488-4,oui\n", "Line 2 lacks a code."),
        (f"profession,type_code,consultation\n21,{'x' * 65},oui\n", "Line 2 lacks a code."),
        ("profession,type_code,consultation\n21,a,oui\n21,a,non\n", "Line 3 contradicts an earlier one."),
        ('profession,type_code,consultation\n"21,a,oui\n', "The table is not CSV."),
        (
            "profession,type_code,consultation\n" + "".join(f"21,t{n},oui\n" for n in range(20_001)),
            "There are more than 20000 rows.",
        ),
    ],
)
def test_a_table_that_is_wrong_is_refused_with_the_line(text: str, sentence: str) -> None:
    with pytest.raises(ProfessionsRefused) as refused:
        Professions.parse(text)
    assert str(refused.value).startswith(sentence)


def test_a_file_that_is_missing_too_large_or_no_text_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ProfessionsRefused, match="cannot be read"):
        Professions.load(tmp_path / "none.csv")
    (tmp_path / "bytes.csv").write_bytes(b"\xff\xfe")
    with pytest.raises(ProfessionsRefused, match="cannot be read"):
        Professions.load(tmp_path / "bytes.csv")
    (tmp_path / "large.csv").write_bytes(b"x" * (2 * 1024 * 1024 + 1))
    with pytest.raises(ProfessionsRefused, match="larger than"):
        Professions.load(tmp_path / "large.csv")
