from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.directory.extract_files import MAILBOX_HEADER, mailbox, write
from vaguemestre.fetching import read_seen, remember

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.vaguemestre.conftest import Said

    Command = Callable[..., Said]

NAME = "Extraction_Correspondance_MSSante_202608261013.txt"


@pytest.fixture
def home(empty_home: Path) -> str:
    return str(empty_home)


def test_an_import_is_told_in_a_table_and_as_json(home: str, vaguemestre: Command, tmp_path: Path) -> None:
    file = write(tmp_path / NAME, MAILBOX_HEADER, mailbox(), "a|b")
    said = vaguemestre("directory", "import", str(file), "--home", home)
    assert said.code == 0
    assert said.out.splitlines()[1].split() == [NAME, "imported", "1", "0", "0", "0", "1"]
    again = vaguemestre("directory", "import", str(file), "--home", home, "--json")
    assert [row["result"] for row in again.json] == ["unchanged"]
    forced = vaguemestre("directory", "import", str(file), "--home", home, "--force", "--json")
    (row,) = forced.json
    assert (row["result"], row["rows"]) == ("imported", 1)
    assert row["left_out"] == [{"line": 3, "reason": "2 columns instead of 31"}]


def test_a_report_lists_what_the_last_import_changed(home: str, vaguemestre: Command, tmp_path: Path) -> None:
    vaguemestre("directory", "report", "--home", home).is_refused("no Extraction_Correspondance_MSSante")
    lines = [mailbox(f"p{number:02}@demo.mssante.fr") for number in range(20)]
    write(tmp_path / NAME, MAILBOX_HEADER, *lines)
    assert vaguemestre("directory", "import", str(tmp_path / NAME), "--home", home).code == 0
    write(tmp_path / NAME, MAILBOX_HEADER, *lines[1:], mailbox("new@demo.mssante.fr"))
    assert vaguemestre("directory", "import", str(tmp_path / NAME), "--home", home).code == 0
    said = vaguemestre("directory", "report", "--home", home)
    assert said.out.splitlines()[0] == f"{NAME}: 1 added, 0 changed, 1 removed"
    assert vaguemestre("directory", "report", "--home", home, "--json").json == [
        {"what": "added", "key": "new@demo.mssante.fr"},
        {"what": "removed", "key": "p00@demo.mssante.fr"},
    ]
    vaguemestre("directory", "report", "--extract", "skills", "--home", home).is_refused("SavoirFaire")


def test_the_status_tells_how_old_the_directory_is(home: str, vaguemestre: Command, tmp_path: Path) -> None:
    assert vaguemestre("directory", "status", "--home", home).out == "(none)\n"
    write(tmp_path / NAME, MAILBOX_HEADER, mailbox())
    vaguemestre("directory", "import", str(tmp_path / NAME), "--home", home)
    (row,) = vaguemestre("directory", "status", "--home", home, "--json").json
    assert (row["extract"], row["rows"]) == ("Extraction_Correspondance_MSSante", 1)
    assert row["generated_at"] == "2026-08-26T10:13+02:00"
    assert row["age_hours"] > 0


def test_sources_are_fetched_once_for_each_change(home: str, vaguemestre: Command, tmp_path: Path) -> None:
    vaguemestre("directory", "fetch", "--home", home).is_refused("no source is set")
    url = write(tmp_path / NAME, MAILBOX_HEADER, mailbox()).as_uri()
    said = vaguemestre("directory", "fetch", url, "--home", home, "--json")
    assert [row["result"] for row in said.json] == ["imported"]
    assert (tmp_path / NAME).exists()
    again = vaguemestre("directory", "fetch", url, "--home", home, "--json")
    assert [row["result"] for row in again.json] == ["unchanged"]
    sources = [
        row for row in vaguemestre("directory", "status", "--home", home, "--json").json if "result" in row
    ]
    assert [(row["source"], row["result"]) for row in sources] == [(url, "unchanged")]
    forced = vaguemestre("directory", "fetch", url, "--home", home, "--force", "--json")
    assert [row["result"] for row in forced.json] == ["imported"]


def test_every_fetch_is_told_by_the_status(home: str, vaguemestre: Command, tmp_path: Path) -> None:
    def source() -> tuple[str, str]:
        rows = vaguemestre("directory", "status", "--home", home, "--json").json
        (row,) = (row for row in rows if row["extract"] == "(source)")
        return row["checked_at"], row["result"]

    folder = Path(home) / "directory"
    url = write(tmp_path / NAME, MAILBOX_HEADER, mailbox()).as_uri()
    assert vaguemestre("directory", "fetch", url, "--home", home).code == 0
    (seen,) = read_seen(folder).values()
    remember(folder, url, replace(seen, checked_at=0))
    assert vaguemestre("directory", "fetch", url, "--home", home).code == 0
    checked_at, result = source()
    assert result == "unchanged"
    assert checked_at > "2000"
    write(tmp_path / NAME, "no extract")
    refused = vaguemestre("directory", "fetch", url, "--home", home)
    refused.is_refused("its first line is no header")
    assert source()[1].startswith("refused: ")
    (tmp_path / NAME).unlink()
    vaguemestre("directory", "fetch", url, "--home", home).is_refused("No such file or directory")
    assert source()[1].endswith("cannot be read: No such file or directory.")


def test_a_refusal_is_told_once(home: str, vaguemestre: Command, tmp_path: Path) -> None:
    good, bad = write(tmp_path / NAME, MAILBOX_HEADER, mailbox()), write(tmp_path / "bad.txt", "no extract")
    said = vaguemestre("directory", "import", str(good), str(bad), "--home", home)
    assert said.code == 1
    assert (NAME in said.out, "bad.txt" in said.out) == (True, False)
    assert said.err.count("bad.txt") == 1
    alone = vaguemestre("directory", "import", str(bad), "--home", home)
    assert (alone.code, alone.out, alone.err.count("bad.txt")) == (1, "", 1)
    as_json = vaguemestre("directory", "import", str(bad), "--home", home, "--json")
    assert as_json.json[0]["result"].startswith("refused: ")


def test_an_older_extract_is_refused_unless_forced(home: str, vaguemestre: Command, tmp_path: Path) -> None:
    write(tmp_path / NAME, MAILBOX_HEADER, mailbox())
    older = write(
        tmp_path / NAME.replace("0826", "0825"), MAILBOX_HEADER, mailbox(), mailbox("b@x.mssante.fr")
    )
    assert vaguemestre("directory", "import", str(tmp_path / NAME), "--home", home).code == 0
    vaguemestre("directory", "import", str(older), "--home", home).is_refused("2026-08-25T10:13+02:00")
    assert vaguemestre("directory", "import", str(older), "--home", home, "--force").code == 0


def test_a_search_forgives_one_typing_error(home: str, vaguemestre: Command, tmp_path: Path) -> None:
    file = write(tmp_path / NAME, MAILBOX_HEADER, mailbox(civility="DR", place="29200 BREST"))
    vaguemestre("directory", "import", str(file), "--home", home)
    for words in (("exemple",), ("exmeple",), ("brest", "anne")):
        (row,) = vaguemestre("directory", "search", *words, "--home", home, "--json").json
        assert (row["name"], row["city"]) == ("Dr Anne EXEMPLE", "BREST")
    table = vaguemestre("directory", "search", "exemple", "--home", home).out.splitlines()
    assert table[1].split()[:4] == ["anne.exemple@demo.mssante.fr", "PER", "Dr", "Anne"]


def test_a_damaged_pointer_is_told_and_mended(empty_home: Path, vaguemestre: Command, tmp_path: Path) -> None:
    home = str(empty_home)
    file = write(tmp_path / NAME, MAILBOX_HEADER, mailbox())
    assert vaguemestre("directory", "import", str(file), "--home", home).code == 0
    (empty_home / "directory" / "annuaire.json").write_text("{")
    for words in (
        ("status",),
        ("report",),
        ("search", "exemple"),
        ("export", "--extract"),
        ("export", "--ldif"),
        ("export", "--json"),
    ):
        said = vaguemestre("directory", *words, "--home", home)
        said.is_refused("annuaire.json is damaged: import the extracts again.")
        assert said.out == ""
    assert vaguemestre("directory", "import", str(file), "--home", home).code == 0
    assert vaguemestre("directory", "status", "--home", home).code == 0
