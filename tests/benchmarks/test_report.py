"""Figures and ratios as `make bench` writes them: more is better, whatever the unit."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from benchmarks import report
from benchmarks.report import Row
from benchmarks.run import Run

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def _row(name: str, unit: str, ours: float, rival: float) -> Row:
    return Row(name, unit, [Run(ours, cpu_ms=1.0)], [Run(rival, cpu_ms=3.0)])


def test_a_rate_twice_as_high_and_a_wait_half_as_long_are_both_twice_as_good() -> None:
    assert _row("a", "commands/s", 200, 100).ratio == 2
    assert _row("b", "ms", 50, 100).ratio == 2
    assert _row("b", "ms", 50, 100).cpu_ratio == 3


def test_a_row_that_one_side_does_not_offer_says_so_and_has_no_ratio() -> None:
    row = Row("imap_sort", "commands/s", rival=[Run(100.0, 1.0)], not_offered=["ours"])
    assert row.ratio is None
    assert row.cpu_ratio is None
    assert "not offered" in report.table([row])


def test_rows_that_did_not_run_stay_in_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report, "FILE", tmp_path / "results.json")
    report.write([_row("a", "commands/s", 1, 1), _row("b", "commands/s", 1, 2)])
    report.write([_row("b", "commands/s", 4, 2)])
    written = json.loads((tmp_path / "results.json").read_text())
    assert [(row["name"], row["ours"]) for row in written["rows"]] == [("a", 1), ("b", 4)]
    assert written["ratios"] == {"a": 1, "b": 2}


def test_a_ratio_that_is_gone_does_not_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report, "FILE", tmp_path / "results.json")
    report.write([_row("a", "commands/s", 1, 1)])
    report.write([Row("a", "commands/s", ours=[Run(1.0)])])
    assert json.loads((tmp_path / "results.json").read_text())["ratios"] == {}
