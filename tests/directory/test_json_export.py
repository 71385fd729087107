"""The directory as one JSON array."""

from __future__ import annotations

import json

from msgspec.structs import replace

from directory.annuaire.model import Mailbox
from directory.bals import BalType
from directory.extract_export import of_domains
from directory.json_export import json_lines, public_values
from tests.directory.memory import MemoryView

ANNE = Mailbox(
    "anne.exemple@demo.mssante.fr",
    BalType.PER,
    idnat="899900000011",
    last_name="EXEMPLE",
    first_name="ANNE",
    structure="CH « DES ESSAIS »",
    updated_at=1_700_000_000_000,
    responsible="Dr Qui RÉPOND",
    rank=1,
)


def test_an_empty_directory_is_an_empty_array() -> None:
    assert json.loads("".join(json_lines(MemoryView()))) == []


def test_a_mailbox_says_what_anybody_may_read() -> None:
    assert json.loads("".join(json_lines(MemoryView([ANNE])))) == [
        {
            "address": ANNE.address,
            "type": "PER",
            "digital": False,
            "idnat": "899900000011",
            "last_name": "EXEMPLE",
            "first_name": "ANNE",
            "structure": "CH « DES ESSAIS »",
            "rank": 1,
        }
    ]
    assert "responsible" not in public_values(ANNE)


def test_pages_follow_each_other_a_line_for_each_mailbox() -> None:
    boxes = [replace(ANNE, address=f"{number:05}@b.fr") for number in range(2500)]
    text = "".join(json_lines(MemoryView(boxes)))
    assert [each["address"] for each in json.loads(text)] == [box.address for box in boxes]
    assert text.count("\n") == len(boxes) + 2


def test_only_the_domains_that_are_asked_for() -> None:
    other = replace(ANNE, address="x@ailleurs.mssante.fr")
    lines = json_lines(MemoryView([ANNE, other]), of_domains(["ailleurs.mssante.fr"]))
    assert [each["address"] for each in json.loads("".join(lines))] == [other.address]
