"""The list of requirements is true: what it says is met is in the code and shown by a test, and nothing is left out."""

from __future__ import annotations

import re
import tomllib
from typing import TYPE_CHECKING

import pytest

from docs import references
from docs.references import LIST, ROOT, Reference
from tests.shared_data import shared
from vaguemestre.requirements import Requirement, Status, load

if TYPE_CHECKING:
    from collections.abc import Iterator

REQUIREMENTS = load()
ASKED_BY_ID = {id: each for each in REQUIREMENTS for id in each.ids}
IDS_OF = {
    "CONF": "SC.MSS/CONF",
    "UX": "SC.MSS/UX",
    "DD": "SC.CDA/DD",
    "INT": "SC.CDA/INT",
    "VISU": "SC.CDA/VISU",
    "va1": "MSS/va1",
}
"""How our digests shorten the ids of the REM."""
FAMILY = re.compile(
    r"\b(ECO\.\d+\.\d+|CONF|UX|DD|INT|VISU|LGC\.MDV|IE|(?:(?:AMBU\.)?MSS/|BIO/)?va1)\.(\d+)((?:\s*/\s*\.?\d+)*)"
)
ROW = re.compile(r"(?m)^\| (F\d+) \|")


def section(name: str, start: str, end: str) -> str:
    text = shared(f"../spec/{name}").read_text(encoding="utf-8")
    return text[text.index(start) : text.index(end)]


def written_ids(text: str) -> Iterator[str]:
    """Every id in a text, also those after a stroke: `ECO.1.1.5/6/7`, `ECO.2.2.1 / .2`."""
    for family, number, more in FAMILY.findall(text):
        for each in (number, *re.findall(r"\d+", more)):
            yield f"{IDS_OF.get(family, family)}.{each}"


def by_id(requirement: Requirement) -> str:
    return requirement.id


def test_the_ids_of_a_digest_are_found_however_they_are_written() -> None:
    text = (
        "ECO.1.1.5/6/7 ECO.2.2.1 / .2 (CONF.17/.18) va1.20/va1.22 AMBU.MSS/va1.02 INT.04/.08 IE.58 LGC.MDV.06"
    )
    assert list(written_ids(text)) == [
        *("ECO.1.1.5", "ECO.1.1.6", "ECO.1.1.7", "ECO.2.2.1", "ECO.2.2.2"),
        *("SC.MSS/CONF.17", "SC.MSS/CONF.18", "MSS/va1.20", "MSS/va1.22", "AMBU.MSS/va1.02"),
        *("SC.CDA/INT.04", "SC.CDA/INT.08", "IE.58", "LGC.MDV.06"),
    ]


def test_every_id_of_the_client_requirements_is_listed() -> None:
    found = set(written_ids(section("mssante.md", "\n## 3.", "\n## 4.")))
    # ECO.2.4.2 stands between the two that are written.
    assert len({id for id in found if id.startswith("ECO.")}) == 40
    assert found | {"ECO.2.4.2"} <= ASKED_BY_ID.keys()


def test_every_capability_of_an_operator_is_listed() -> None:
    text = section("mssante.md", "\n## 8.", "\n## 9.")
    rows = ROW.findall(text)
    assert len(rows) == 50
    assert {*rows, *written_ids(text)} <= ASKED_BY_ID.keys()


def test_every_capability_of_the_record_is_listed() -> None:
    text = shared("../spec/dmp.md").read_text(encoding="utf-8")
    rows = ROW.findall(text[text.index("\n## 9.") :])
    assert len(rows) == 43
    assert {f"DMP-{row}" for row in rows} <= ASKED_BY_ID.keys()


def test_no_id_is_listed_twice() -> None:
    ids = [id for each in REQUIREMENTS for id in each.ids]
    assert sorted(ids) == sorted(set(ids))


def test_every_id_that_is_named_is_listed() -> None:
    unknown = [each for each in references.references() if each.id not in ASKED_BY_ID]
    assert unknown == []


def test_the_list_has_the_places_that_name_each_requirement() -> None:
    text = LIST.read_text(encoding="utf-8")
    assert references.indexed(text, references.references()) == text, "run: .venv/bin/python -m docs.generate"


@pytest.mark.parametrize("requirement", REQUIREMENTS, ids=by_id)
def test_what_is_met_is_in_the_code_and_shown_by_a_test(requirement: Requirement) -> None:
    if requirement.status is Status.MET:
        assert requirement.code
        assert requirement.tests
    else:
        assert requirement.note, "say what is missing, or how the client's duty is allowed or checked"
    if requirement.status in (Status.LATER, Status.NOT_DONE):
        assert not requirement.code, "code that names it meets it at least in part"


@pytest.mark.parametrize("requirement", REQUIREMENTS, ids=by_id)
def test_every_place_of_a_requirement_is_there(requirement: Requirement) -> None:
    for place in (*requirement.code, *requirement.tests):
        path, _, name = place.partition("::")
        text = (ROOT / path).read_text(encoding="utf-8")
        assert not name or re.search(rf"(?m)^ *(?:class|def|async def) {name.rpartition('.')[2]}\b", text)


SOURCE = '''
"""Réf#2 ECO.1.0.1, of the module."""
# ref: ECO.1.1.1
LIMIT = 1

# ref: F01, DMP-F1
# in two lines
@decorated
def outer() -> None:
    """Réf#2 §3.1 is no id, and ECO.9.9.9 is only spoken of. ref: ECO.2.1.1."""
    text = "# ref: ECO.8.8.8"  # ref: ECO.2.1.2

    class Inner:
        # ref: SC.MSS/CONF.05
        def method(self) -> None: ...
'''


def test_a_place_is_called_after_what_it_stands_in_or_before() -> None:
    assert list(references.named_in(SOURCE)) == [
        ("ECO.1.0.1", ""),
        ("ECO.1.1.1", ""),
        ("F01", "::outer"),
        ("DMP-F1", "::outer"),
        ("ECO.2.1.1", "::outer"),
        ("ECO.2.1.2", "::outer"),
        ("SC.MSS/CONF.05", "::outer.Inner.method"),
    ]


def test_places_are_kept_with_the_requirement_that_any_of_its_ids_names() -> None:
    text = 'head\n[[requirement]]\nid = "A.1"\nalso = ["B.1"]\ncode = ["gone.py"]\ntests = []\n\n'
    found = [Reference("B.1", "certs/a.py::f"), Reference("A.1", "tests/test_a.py"), Reference("C.1", "b.py")]
    (entry,) = tomllib.loads(references.indexed(text, found).removeprefix("head\n"))["requirement"]
    assert entry == {"id": "A.1", "also": ["B.1"], "code": ["certs/a.py::f"], "tests": ["tests/test_a.py"]}
    assert references.indexed(text, found).startswith("head\n[[requirement]]\n")
