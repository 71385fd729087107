from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from dmp_bridge.archive import unpack
from tests.dmp_bridge.builders import PDF, cda, xdm
from tests.dmp_bridge.check.kits import write_kit
from tests.dmp_bridge.check.letters import letter, note
from tests.dmp_bridge.check.test_transcript import OPENING
from tests.shared_data import shared

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.vaguemestre.conftest import Said

    Command = Callable[..., Said]


@pytest.fixture
def good(tmp_path: Path) -> str:
    file = tmp_path / "bon.eml"
    file.write_bytes(note())
    return str(file)


@pytest.fixture
def bad(tmp_path: Path) -> str:
    file = tmp_path / "mauvais.eml"
    file.write_bytes(note(X_MSS_NIL=None))
    return str(file)


def test_a_file_that_conforms_ends_with_0_and_one_line_for_each_rule(vaguemestre: Command, good: str) -> None:
    said = vaguemestre("check", good)
    assert (said.code, said.err) == (0, "")
    first, *lines = said.out.splitlines()
    assert first == f"{good} : message, conforme (règles internes)"
    rules = [line for line in lines if line.startswith("  ")]
    assert all(re.match(r"  \S+ +(tient|échoue|sans objet) ", line) for line in rules)
    assert len(rules) > 20
    assert lines[-1] == "1 fichier(s) : 1 conforme(s), 0 non conforme(s) ou illisible(s)."


def test_a_mandatory_rule_that_fails_ends_with_1_and_says_what_to_do(vaguemestre: Command, bad: str) -> None:
    said = vaguemestre("check", bad)
    assert said.code == 1
    assert said.err == "vaguemestre: 1 fichier(s) sur 1 : non conforme(s) ou illisible(s)\n"
    (line,) = [line for line in said.out.splitlines() if "échoue" in line and line.startswith("  ")]
    assert line.split()[:2] == ["ECO.2.4.3", "échoue"]
    assert "Pas de X-MSS-NIL. / Écrire la référence du logiciel" in line


def test_what_fails_stands_first_and_can_be_asked_for_alone(vaguemestre: Command, tmp_path: Path) -> None:
    file = tmp_path / "mauvais.eml"
    file.write_bytes(note(X_MSS_NIL=None, Subject="Reçu"))
    whole = [line[2:] for line in vaguemestre("check", str(file)).out.splitlines() if line.startswith("  ")]
    assert [line.split()[0] for line in whole[:2]] == ["ECO.2.4.3", "RFC5322.2"]
    assert "échoue (recommandé)" in whole[1]
    assert not any("échoue" in line for line in whole[2:])
    said = vaguemestre("check", "--failures", str(file))
    assert said.code == 1
    assert [line[2:] for line in said.out.splitlines() if line.startswith("  ")] == whole[:2]
    (told,) = vaguemestre("check", "--failures", str(file), "--json").json
    assert [each["rule"] for each in told["findings"]] == ["ECO.2.4.3", "RFC5322.2"]
    assert not told["conforms"]


def test_the_columns_stand_below_each_other(vaguemestre: Command, tmp_path: Path) -> None:
    file = tmp_path / "lettre.xml"
    file.write_bytes(cda())
    lines = [line for line in vaguemestre("check", str(file)).out.splitlines() if line.startswith("  ")]
    assert any(line.startswith("  CDA-PRISE-EN-CHARGE") for line in lines)
    columns = {
        match.end() for line in lines if (match := re.match(r"  \S+ +(?=tient|échoue|sans objet)", line))
    }
    assert len(columns) == 1


def test_every_file_is_told_whatever_the_others_are(
    vaguemestre: Command, good: str, bad: str, tmp_path: Path
) -> None:
    nothing = tmp_path / "rien.txt"
    nothing.write_text("bonjour")
    said = vaguemestre("check", bad, str(nothing), str(tmp_path / "absent.eml"), good)
    assert said.code == 1
    assert "Ce fichier n'est ni un message" in said.out
    assert "ne peut pas être lu" in said.out
    assert said.out.splitlines()[-1] == "4 fichier(s) : 1 conforme(s), 3 non conforme(s) ou illisible(s)."
    assert "Traceback" not in said.out + said.err


def test_json_has_the_same(vaguemestre: Command, good: str, bad: str, tmp_path: Path) -> None:
    nothing = tmp_path / "rien.txt"
    nothing.write_text("bonjour")
    said = vaguemestre("check", good, bad, str(nothing), "--json")
    assert said.code == 1
    first, second, third = said.json
    assert (first["conforms"], first["checked"], first["rules"]) == (True, "message", "règles internes")
    broken = [each for each in second["findings"] if each["verdict"] == "fails"]
    assert [(each["rule"], each["weight"]) for each in broken] == [("ECO.2.4.3", "mandatory")]
    assert list(third) == ["file", "refused"]


def test_each_kind_of_file_is_known_by_its_content(vaguemestre: Command, tmp_path: Path) -> None:
    for number, (data, kind) in enumerate(
        (
            (letter(), "message"),
            (xdm(cda()), "archive"),
            (cda(), "cda"),
            (PDF, "pdf"),
            (OPENING.encode(), "transcript"),
        )
    ):
        file = tmp_path / f"fichier-{number}"
        file.write_bytes(data)
        assert vaguemestre("check", str(file), "--json").json[0]["checked"] == kind


def test_a_folder_is_the_archive_it_was(vaguemestre: Command, tmp_path: Path) -> None:
    for entry in unpack(xdm(cda())).entries:
        path = tmp_path.joinpath("paquet", *entry.segments)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(entry.data)
    (told,) = vaguemestre("check", str(tmp_path / "paquet"), "--json").json
    assert told["checked"] == "archive"
    assert {each["verdict"] for each in told["findings"] if each["rule"] == "XDM-HASH"} == {"holds"}


def test_the_type_of_the_box_is_an_option(vaguemestre: Command, good: str) -> None:
    assert vaguemestre("check", good, "--box-type", "APP").code == 1
    assert vaguemestre("check", good, "--box-type", "PER").code == 0
    assert vaguemestre("check", good, "--box-type", "XYZ").code == 2


def test_a_transcript_can_be_asked_for(vaguemestre: Command, good: str, tmp_path: Path) -> None:
    file = tmp_path / "echange.txt"
    file.write_text(OPENING + "C: AUTH PLAIN AGEAYg==\nS: 235 ok\n")
    said = vaguemestre("check", "--transcript", str(file))
    assert said.code == 1
    assert "ECO.1.2.1" in said.out
    assert "AGEAYg==" not in said.out
    assert "échange" in vaguemestre("check", "--transcript", good).out


def test_the_report_says_when_a_kit_was_used(vaguemestre: Command, tmp_path: Path) -> None:
    file = tmp_path / "lettre.xml"
    file.write_bytes(cda())
    (told,) = vaguemestre("check", str(file), "--kit", str(write_kit(tmp_path / "kit")), "--json").json
    assert "kit « kit »" in told["rules"]
    assert any(each["rule"].startswith("KIT-") for each in told["findings"])
    (told,) = vaguemestre("check", str(file), "--json").json
    assert told["rules"] == "règles internes"


def test_a_folder_that_is_no_kit_is_refused(vaguemestre: Command, good: str, tmp_path: Path) -> None:
    vaguemestre("check", good, "--kit", str(tmp_path / "rien")).is_refused("kit")


def test_names_in_a_message_cannot_steer_the_terminal(vaguemestre: Command, tmp_path: Path) -> None:
    file = tmp_path / "a.eml"
    file.write_bytes(letter([("\x1b[2Jlettre.exe", "application/pdf", PDF)]))
    assert "\x1b" not in vaguemestre("check", str(file)).out


def test_the_given_mails_all_conform(vaguemestre: Command) -> None:
    files = [str(file) for file in sorted(shared("mails").glob("*.eml"))]
    said = vaguemestre("check", *files)
    assert said.code == 0, said.err
    assert said.out.splitlines()[-1].startswith("7 fichier(s) : 7 conforme(s)")
