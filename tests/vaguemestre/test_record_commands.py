from __future__ import annotations

import zipfile
from typing import TYPE_CHECKING

from tests.dmp_bridge.builders import INS, cda

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import pytest

    from tests.vaguemestre.conftest import Said

    Command = Callable[..., Said]


def home_with_patient(vaguemestre: Command, home: Path) -> str:
    said = vaguemestre(
        "init", "--home", str(home), "--hostname", "mx.test.mssante.fr", "--domain", "test.mssante.fr"
    )
    assert said.code == 0, said
    return str(home)


# ref: DMP-F41
def test_a_record_moves_from_one_operator_to_another(
    vaguemestre: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VAGUEMESTRE_SERVES_PATIENTS", "true")
    here = home_with_patient(vaguemestre, tmp_path / "here")
    there = home_with_patient(vaguemestre, tmp_path / "there")
    added = vaguemestre(
        "patient", "add", INS, "--home", here, "--birth-name", "PAT-TROIS", "--first-names", "DOMINIQUE MARIE",
        "--birth-date", "1979-03-28", "--sex", "F", "--password-stdin", stdin="correct horse battery staple 9\n",
    )  # fmt: skip
    assert added.code == 0, added
    document = tmp_path / "x.xml"
    document.write_bytes(cda())
    assert vaguemestre("bridge", str(document), "--home", here).code == 0
    out = tmp_path / "record.zip"
    said = vaguemestre("record", "export", INS, "--home", here, "--out", str(out), "--json")
    assert said.json["documents"] == 1
    assert out.stat().st_mode & 0o777 == 0o600
    with zipfile.ZipFile(out) as opened:
        assert opened.read("IHE_XDM/SUB00001/DOC00001.XML") == cda()
    said = vaguemestre("record", "import", str(out), "--home", there, "--json")
    assert (said.json["documents"], said.json["already_there"]) == (1, 0)
    again = tmp_path / "again.zip"
    assert vaguemestre("record", "export", INS, "--home", there, "--out", str(again)).code == 0
    vaguemestre("record", "export", "1" * 15, "--home", here, "--out", str(out)).is_refused("nobody")
    vaguemestre("record", "import", str(document), "--home", there).is_refused("zip")
