"""The worked requests of docs/record-api.md, run as they stand against a sandbox."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.interop.service import program, run
from tests.vaguemestre.programs import PROGRAM, serving

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.vaguemestre.programs import Serving

pytestmark = pytest.mark.interop

PAGE = Path(__file__).parents[2] / "docs" / "record-api.md"
BLOCK = re.compile(r"(?ms)^```sh\n(.*?)^```$")
ANSWER = re.compile(r"(?m)^([2-5][0-9]{2})$")


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    with serving(tmp_path_factory.mktemp("worked") / "sandbox") as served:
        yield served


def requests() -> list[str]:
    """The shell blocks of the section, each with one thing to do."""
    text = PAGE.read_text(encoding="utf-8")
    _, _, section = text.partition("\n## Worked requests\n")
    return BLOCK.findall(section.partition("\n## ")[0])


def answered(sandbox: Serving, *blocks: str) -> list[tuple[int, Any]]:
    """The statuses and bodies of what curl asked, in order."""
    script = "\n".join(blocks).replace(":21007/", f":{sandbox.told['ports']['https']}/")
    path = f"{Path(PROGRAM).parent}:{Path(program('curl')).parent}:{os.environ['PATH']}"
    done = run(
        "bash", "-euo", "pipefail", "-c", script, cwd=sandbox.home.parent, env={**os.environ, "PATH": path}
    )
    assert (done.returncode, done.stderr) == (0, "")
    pieces = ANSWER.split(done.stdout)
    bodies, statuses = pieces[0::2], pieces[1::2]
    return [
        (int(status), json.loads(body) if body.strip() else None)
        for body, status in zip(bodies, statuses, strict=False)
    ]


def labels(document: dict[str, Any]) -> list[str]:
    return [label["coding"][0]["code"] for label in document["securityLabel"]]


def test_the_worked_requests_answer_as_the_page_says(sandbox: Serving) -> None:
    blocks = requests()
    assert len(blocks) == 5
    consent, lot, mask, search, unmask = answered(sandbox, *blocks)
    assert consent == (201, None)
    assert lot[0] == 200
    entries = [entry["response"] for entry in lot[1]["entry"]]
    assert [entry["status"] for entry in entries] == ["201 Created"] * 3
    assert [entry["location"].partition("/")[0] for entry in entries] == [
        "List",
        "DocumentReference",
        "Binary",
    ]
    assert (mask[0], labels(mask[1])) == (200, ["N", "MASQUE_PS"])
    assert (search[0], search[1]["total"]) == (200, 1)
    assert (unmask[0], labels(unmask[1])) == (200, ["N"])

    # Again: nothing is made twice, and who is authorised without being the author does not find what is masked.
    head, declare, publish, hide, _ = blocks
    other = head.replace("899900000102", "899900000110")
    _, lot, mask, declared, found = answered(
        sandbox, head, declare, publish, hide, other, declare, 'ask "$DOCUMENT"'
    )
    assert [entry["response"]["status"] for entry in lot[1]["entry"]] == ["200 OK"] * 3
    assert labels(mask[1]) == ["N", "MASQUE_PS"]
    assert declared == (201, None)
    assert found[0] == 404
