"""`vaguemestre requirements`."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

from vaguemestre.requirements import load

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.vaguemestre.conftest import Said

    Command = Callable[..., Said]

ROOT = Path(__file__).resolve().parents[2]


def test_each_requirement_has_a_line_with_id_status_and_sentence(vaguemestre: Command) -> None:
    said = vaguemestre("requirements")
    assert (said.code, said.err) == (0, "")
    lines = said.out.splitlines()
    for each in load():
        names = f"{each.id} ({', '.join(each.also)})" if each.also else each.id
        assert f"{names}  {each.status}  {each.sentence}" in lines


def test_the_places_that_name_it_stand_below(vaguemestre: Command) -> None:
    said = vaguemestre("requirements", "--id", "ECO.1.1.9")
    assert "    code   portal/setup/zone.py::records\n" in said.out
    assert "tests/portal/setup/test_zone.py::test_implicit_tls_is_preferred_to_starttls" in said.out
    assert said.out.endswith("\n1 met\n")


def test_one_is_found_by_any_of_its_ids(vaguemestre: Command) -> None:
    assert vaguemestre("requirements", "--id", "SC.MSS/CONF.05").out.startswith("ECO.1.0.1 (SC.MSS/CONF.05)")


def test_those_of_one_status_are_chosen(vaguemestre: Command) -> None:
    said = vaguemestre("requirements", "--status", "partly", "--json")
    rows = json.loads(said.out)
    assert [row["id"] for row in rows] == [each.id for each in load() if each.status == "partly"]
    assert all(row["note"] and row["source"] and row["weight"] for row in rows)
    assert vaguemestre("requirements", "--status", "later", "--id", "ECO.1.0.1").out == "(none)\n"


def test_an_unknown_id_is_refused_and_an_unknown_status_is_wrong_usage(vaguemestre: Command) -> None:
    said = vaguemestre("requirements", "--id", "ECO.9.9.9")
    assert (said.code, said.out) == (1, "")
    assert said.err == "vaguemestre: there is no requirement ECO.9.9.9\n"
    assert vaguemestre("requirements", "--status", "done").code == 2


def test_the_list_is_in_the_installed_package() -> None:
    build = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["hatch"]["build"]
    placed = build["targets"]["wheel"]["force-include"]
    assert placed == {"docs/requirements.toml": "vaguemestre/requirements.toml"}
    assert all((ROOT / source).is_file() for source in placed)
