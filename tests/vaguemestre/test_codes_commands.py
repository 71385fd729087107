from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from dmp_bridge import codes
from dmp_bridge.codes import Coded, DocumentType, Place
from dmp_bridge.imported_codes import ListRefused, merged, read_list
from tests.dmp_bridge.builders import cda
from tests.shared_data import shared

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.vaguemestre.conftest import Said

    Command = Callable[..., Said]

NEW_TYPE = "Code;codeSystem;Libellé\n99999-1;2.16.840.1.113883.6.1;Bilan d'été\n"


@pytest.fixture(autouse=True)
def ours_again(tmp_path: Path) -> Iterator[None]:
    yield
    codes.use(tmp_path / "none.json")


@pytest.fixture
def home(vaguemestre: Command, tmp_path: Path) -> Path:
    folder = tmp_path / "home"
    said = vaguemestre(
        "init", "--home", str(folder), "--hostname", "mx.test.fr", "--domain", "test.mssante.fr"
    )
    assert said.code == 0, said
    return folder


def test_a_newer_list_makes_a_type_known(vaguemestre: Command, home: Path, tmp_path: Path) -> None:
    types, classes = tmp_path / "JDV_J66-TypeCode-DMP.csv", tmp_path / "ASS_X16-Type-Classe.csv"
    types.write_text(NEW_TYPE, "cp1252")
    classes.write_text("typeCode,classCode\n99999-1,31\n", "utf-8-sig")
    document = tmp_path / "x.xml"
    document.write_bytes(cda(code="99999-1"))
    before = vaguemestre("bridge", str(document), "--json")
    assert (before.code, before.json[0]["code"]) == (1, "906")
    said = vaguemestre("codes", "import", str(types), str(classes), "--home", str(home), "--json")
    assert [(row["list"], row["rows"]) for row in said.json] == [("J66", 1), ("X16", 1)]
    shown = {row["code"]: row for row in vaguemestre("codes", "show", "--home", str(home), "--json").json}
    assert shown["99999-1"] == {
        "code": "99999-1", "label": "Bilan d'été", "class": "31", "category": "RADIO_SC",
    }  # fmt: skip
    assert "11502-2" in shown
    # The process that opens documents knows the type as well.
    (row,) = vaguemestre("bridge", str(document), "--home", str(home), "--json").json
    assert "nomenclature" not in row["sentence"]
    assert row["code"] == "902"


def test_a_label_or_a_place_may_be_new(home: Path, vaguemestre: Command, tmp_path: Path) -> None:
    (tmp_path / "JDV_J57_ClassCode.csv").write_text("code,display\n10,Comptes rendus\n", "utf-8")
    (tmp_path / "JDV_J61.csv").write_text("code\tOID\tlibelle\nSA99\t1.2.250.1.71.4.2.4\tEssai\n", "utf-8")
    (tmp_path / "ASS_A11.csv").write_text("templateId,formatCode\n1.2.9,urn:x:y\n", "utf-8")
    files = [str(tmp_path / name) for name in ("JDV_J57_ClassCode.csv", "JDV_J61.csv", "ASS_A11.csv")]
    assert vaguemestre("codes", "import", *files, "--home", str(home)).code == 0
    assert vaguemestre("codes", "show", "--home", str(home)).code == 0
    assert codes.class_label("10") == "Comptes rendus"
    assert codes.place(Place.FACILITY, "SA99") == Coded("SA99", "1.2.250.1.71.4.2.4", "Essai")
    assert codes.place(Place.FACILITY, "SA07").display == "Cabinet individuel"
    assert codes.format_of_templates(("1.2.9",)) == "urn:x:y"


@pytest.mark.parametrize(
    ("name", "data", "words"),
    [
        ("liste.csv", b"code,display\n1,x\n", "name"),
        ("JDV_J01.csv", b"code,display\n1,x\n", "name"),
        ("JDV_J57.csv", b"", "no row"),
        ("JDV_J57.csv", b"a,b\n1,2\n", "columns"),
        ("JDV_J61.csv", b"code,display\n1,x\n", "columns"),
        ("JDV_J57.csv", b"code,display\n1," + b"x" * 300 + b"\n", "not one"),
        ("JDV_J57.csv", b"code,display\n" + b"1,x\n" * 20_001, "more rows"),
        ("JDV_J57.csv", b"code,display\n1,x\x07\n", "not one"),
        ("JDV_J57.csv", b'code,display\n1,"' + b"x" * 200_000, "no CSV"),
    ],
)  # fmt: skip
def test_what_is_no_list_is_refused(name: str, data: bytes, words: str) -> None:
    with pytest.raises(ListRefused, match=words):
        read_list(name, data)


def test_one_bad_file_keeps_all_out(vaguemestre: Command, home: Path, tmp_path: Path) -> None:
    good, bad = tmp_path / "JDV_J66.csv", tmp_path / "x.csv"
    good.write_text(NEW_TYPE, "utf-8")
    bad.write_text("x", "utf-8")
    vaguemestre("codes", "import", str(good), str(bad), "--home", str(home)).is_refused("x.csv")
    assert not (home / "code-lists.json").exists()
    (home / "code-lists.json").write_text("[]")
    vaguemestre("codes", "show", "--home", str(home)).is_refused("code-lists.json")


def test_the_order_of_files_does_not_matter() -> None:
    types, classes = read_list("JDV_J66.csv", NEW_TYPE.encode())[2], {"type": {"99999-1": ["31", None]}}
    assert merged(types, classes) == merged(classes, types) == {"type": {"99999-1": ["31", "Bilan d'été"]}}


def test_the_published_lists_change_nothing_of_ours(tmp_path: Path) -> None:
    before = dict(codes.types())
    overlay: dict[str, object] = {}
    names = ("J04", "J07", "J57", "J58", "J59", "J60", "J61", "J66", "A11", "A12", "X16")
    folder = shared("code-lists")
    for name in names:
        (path,) = [each for each in folder.glob("*.csv") if f"_{name}_" in each.name]
        overlay = merged(overlay, read_list(path.name, path.read_bytes())[2])
    (tmp_path / "lists.json").write_text(json.dumps(overlay))
    codes.use(tmp_path / "lists.json")
    after = dict(codes.types())
    assert {code: after[code] for code in before} == before
    assert set(after) - set(before) <= {"E1762"}
    assert codes.place(Place.PRACTICE_SETTING, "AMBULATOIRE") == Coded(
        "AMBULATOIRE", "1.2.250.1.213.1.1.4.9", "Ambulatoire"
    )
    assert DocumentType("18748-4", "31", "CR d'imagerie médicale") == after["18748-4"]
