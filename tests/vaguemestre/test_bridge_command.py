"""`vaguemestre bridge`: whose record it was, all that is wrong, and how the command ends."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.dmp_bridge.builders import PDF, PNG, cda, mail, xdm, zipped
from tests.dmp_bridge.test_hostile_archives import bomb

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.vaguemestre.conftest import Said
    from tests.vaguemestre.programs import Serving

    Command = Callable[..., Said]

THOMAS = "112059999900169"
NO_INS = "Le document ne contient pas l'INS du patient."
UNKNOWN_TYPE = "Le type du document n'appartient pas à la nomenclature des documents de santé."
REFUSED = "vaguemestre: at least one document is refused\n"


@pytest.fixture
def written(tmp_path: Path) -> Callable[[str, bytes], str]:
    def write(name: str, data: bytes) -> str:
        (tmp_path / name).write_bytes(data)
        return str(tmp_path / name)

    return write


def test_without_a_home_all_that_is_wrong_is_told(
    written: Callable[[str, bytes], str], vaguemestre: Command
) -> None:
    file = written("IHE_XDM.zip", xdm(cda(code="0-0", ins=None), ins=None))
    said = vaguemestre("bridge", file, "--json")
    (row,) = said.json
    assert (said.code, row["code"], row["sentence"], row["also"]) == (1, "906", UNKNOWN_TYPE, [NO_INS])
    printed = vaguemestre("bridge", file)
    assert f"{UNKNOWN_TYPE} {NO_INS}" in printed.out
    assert printed.err == REFUSED


def test_the_patient_is_told_as_the_document_and_as_the_record_names_them(
    written: Callable[[str, bytes], str], sandbox: Serving, vaguemestre: Command
) -> None:
    record = vaguemestre("patient", "show", THOMAS, "--home", str(sandbox.home), "--json").json
    file = written("lettre.xml", cda(unique_id="1.2.250.1.999.77.1", set_id=None, ins=THOMAS))
    (row,) = vaguemestre("bridge", file, "--json").json
    assert (row["ins"], row["patient"]) == (THOMAS, "DOMINIQUE PAT-TROIS")
    said = vaguemestre("bridge", file, "--home", str(sandbox.home), "--json")
    assert said.code == 0
    (row,) = said.json
    assert (row["state"], row["ins"], row["patient"]) == ("filed", THOMAS, record["name"])
    printed = vaguemestre("bridge", file, "--home", str(sandbox.home))
    assert THOMAS in printed.out
    assert record["name"] in printed.out


def test_who_has_no_record_here_is_told_by_ins_alone(
    written: Callable[[str, bytes], str], empty_home: Path, vaguemestre: Command
) -> None:
    said = vaguemestre("bridge", written("a.xml", cda()), "--home", str(empty_home), "--json")
    (row,) = said.json
    assert (said.code, row["code"], row["ins"], row["patient"]) == (1, "902", "279035121518989", None)


ENDINGS: dict[str, tuple[str, bytes, int, int]] = {
    # name, content, how it ends without a home, how with one
    "a document": ("a.xml", cda(ins=THOMAS, unique_id="1.2.250.1.999.78.1", set_id=None), 0, 0),
    "a package": ("IHE_XDM.zip", xdm(cda(ins=THOMAS, unique_id="1.2.250.1.999.78.1", set_id=None), ins=THOMAS), 0, 0),
    "a document and a picture": (
        "a.eml",
        mail(
            ("d.xml", "text/xml", cda(ins=THOMAS, unique_id="1.2.250.1.999.78.1", set_id=None)),
            ("b.png", "image/png", PNG),
        ),
        0,
        0,
    ),
    "a picture, which names nobody": ("a.png", PNG, 0, 1),
    "a message without anything": ("a.eml", mail(), 1, 1),
    "any archive": ("a.zip", zipped({"a.pdf": PDF}), 1, 1),
    "a bomb by any name": ("bomb.zip", bomb(60 * 1024**2), 1, 1),
    "a bomb that says it is a package": ("IHE_XDM.zip", bomb(60 * 1024**2), 1, 1),
    "half an archive": ("a.zip", xdm(cda())[:-40], 1, 1),
}  # fmt: skip


@pytest.mark.parametrize("case", ENDINGS)
def test_the_command_ends_well_where_every_file_gave_something(
    case: str, written: Callable[[str, bytes], str], sandbox: Serving, vaguemestre: Command
) -> None:
    name, data, without, with_home = ENDINGS[case]
    file = written(name, data)
    assert vaguemestre("bridge", file).code == without
    said = vaguemestre("bridge", file, "--home", str(sandbox.home), "--json")
    assert said.code == with_home, said
    assert said.err.count("\n") == with_home


def test_a_file_that_gave_nothing_is_named(
    written: Callable[[str, bytes], str], vaguemestre: Command
) -> None:
    good, bad = written("good.xml", cda()), written("bomb.zip", bomb(60 * 1024**2))
    said = vaguemestre("bridge", good, bad)
    assert (said.code, said.err) == (1, f"vaguemestre: nothing for a record in {bad}\n")
    assert "anormalement" in said.out
    refused = written("refused.xml", cda(ins=None))
    assert vaguemestre("bridge", good, bad, refused).err == REFUSED


def test_the_help_says_how_it_ends(vaguemestre: Command) -> None:
    text = " ".join(vaguemestre("bridge", "--help").out.split())
    assert "Exits with 0 when every file gave something" in text
    assert "Exits with 1 when a document is refused" in text
