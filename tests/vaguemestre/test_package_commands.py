from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from tests.dmp_bridge.builders import INS, PDF, PNG, cda, n3_body

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.vaguemestre.conftest import Said

    Command = Callable[..., Said]

LETTER = f"""
type = "11490-0"
title = "Lettre de liaison"
service_at = 2026-03-12T09:00:00+01:00
service_until = 2026-03-13T09:00:00+01:00
facility = "SA01"
practice_setting = "ETABLISSEMENT"

[patient]
ins = "{INS}"
oid = "1.2.250.1.213.1.4.10"
birth_name = "PAT-TROIS"
first_names = "DOMINIQUE MARIE"
birth_date = 1979-03-28
sex = "F"
birthplace = "51215"

[author]
id = "801234534765"
family = "CAMPARINI"
given = "Marcel"
specialty_code = "G15_10/SM03"
specialty = "Médecin - Biologie médicale (SM)"
structure_id = "1120459876"
structure = "Laboratoire des charmes"
"""


@pytest.fixture
def scan(tmp_path: Path) -> str:
    file = tmp_path / "scan.pdf"
    file.write_bytes(PDF)
    return str(file)


@pytest.fixture
def letter(tmp_path: Path) -> Path:
    file = tmp_path / "letter.toml"
    file.write_text(LETTER, "utf-8")
    return file


# ref: DMP-F16
def test_a_scan_becomes_a_package_that_conforms(
    vaguemestre: Command, scan: str, letter: Path, tmp_path: Path
) -> None:
    out = str(tmp_path / "IHE_XDM.ZIP")
    said = vaguemestre("package", "write", scan, "--metadata", str(letter), "--out", out, "--json")
    assert (said.code, said.err) == (0, "")
    assert said.json["subject"] == "XDM/1.0/DDM+Lettre de liaison PAT-TROIS DOMINIQUE 28/03/1979"
    assert said.json["headers"]["X-MSS-CODECDA"] == "11490-0"
    (document,) = said.json["documents"]
    assert re.fullmatch(r"2\.25\.\d+", document["unique_id"])
    assert document["pdf"].startswith("20260312_Lettre de liaison")
    assert vaguemestre("check", out).code == 0
    (row,) = vaguemestre("bridge", out, "--json").json
    assert (row["kind"], row["title"], row["type"]) == ("xdm_document", "Lettre de liaison", "11490-0")


def test_documents_that_are_there_are_packed_together(vaguemestre: Command, tmp_path: Path) -> None:
    files = []
    for number in (1, 2):
        file = tmp_path / f"{number}.xml"
        file.write_bytes(cda(unique_id=f"1.2.3.{number}", set_id=f"1.2.{number}"))
        files.append(str(file))
    out = str(tmp_path / "x.zip")
    said = vaguemestre("package", "write", *files, "--out", out)
    assert said.code == 0
    assert said.out.startswith("Subject: XDM/1.0/DDM+")
    assert len(vaguemestre("bridge", out, "--json").json) == 2


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('type = "11490-0"', 'type = "99"', "JDV_J07"),
        (f'ins = "{INS}"', 'ins = "12"', "patient: "),
        (f'ins = "{INS}"\noid = "1.2.250.1.213.1.4.10"', 'ins = "279035121518900"', "key"),
        ('sex = "F"', 'sex = "X"', "patient.sex"),
        ('[author]', '[author]\nage = 3', "author.age"),
        ('service_at = 2026-03-12T09:00:00+01:00', "service_at = 2026-03-12T09:00:00", "service_at"),
        ('facility = "SA01"', 'facility = "SA99"', "facility"),
        ("[patient]", "[patient", "TOML"),
    ],
)  # fmt: skip
def test_what_the_metadata_lack_is_told_by_its_key(
    vaguemestre: Command, scan: str, letter: Path, old: str, new: str, words: str
) -> None:
    assert old in LETTER
    letter.write_text(LETTER.replace(old, new), "utf-8")
    said = vaguemestre("package", "write", scan, "--metadata", str(letter), "--out", f"{scan}.zip")
    said.is_refused(words)
    assert INS not in said.err


def test_what_cannot_be_packed_is_refused(vaguemestre: Command, scan: str, tmp_path: Path) -> None:
    vaguemestre("package", "write", scan).is_refused("--metadata")
    picture = tmp_path / "x.png"
    picture.write_bytes(PNG)
    vaguemestre("package", "write", str(picture)).is_refused("neither a CDA")
    vaguemestre("package", "write", str(tmp_path / "none")).is_refused("cannot be read")
    assert vaguemestre("package", "write", scan, "--source", "x").code == 2


# ref: ECO.2.1.5, ECO.2.1.6
def test_the_pdf_beside_a_document_bears_the_name_of_the_rule(vaguemestre: Command, tmp_path: Path) -> None:
    file = tmp_path / "lettre.xml"
    file.write_bytes(cda(body=n3_body(pdf=PDF)))
    said = vaguemestre("package", "pdf", str(file), "--folder", str(tmp_path), "--json")
    assert said.json == [
        {
            "file": "lettre.xml",
            "pdf": "20260312_CR d'examens biologiques_PAT-TROIS_DOMINIQUE.pdf",
            "size": len(PDF),
        }
    ]
    assert (tmp_path / said.json[0]["pdf"]).read_bytes() == PDF
    vaguemestre("package", "pdf", str(tmp_path / said.json[0]["pdf"])).is_refused("XML")
