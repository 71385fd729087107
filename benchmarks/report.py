"""The results: a table for people and `results.json` for programs (names: docs/development.md)."""

from __future__ import annotations

import json
import os
import platform
import statistics
import subprocess
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks import rival

if TYPE_CHECKING:
    from benchmarks.run import Run

_MAIL_RIVAL = rival.NAME
FILE = Path(__file__).with_name("results.json")


@dataclass(slots=True)
class Row:
    """All runs of one benchmark."""

    name: str
    unit: str
    ours: list[Run] = field(default_factory=list)
    rival: list[Run] = field(default_factory=list)
    rival_name: str = _MAIL_RIVAL
    not_offered: list[str] = field(default_factory=list)
    """Which sides ("ours", "rival") have nothing to measure here."""

    @property
    def ratio(self) -> float | None:
        """Ours ÷ rival of the medians, for a rate; rival ÷ ours for a duration or a size; more is better."""
        ours, theirs = _median(self.ours, "figure"), _median(self.rival, "figure")
        return _quotient(ours, theirs) if self.unit.endswith("/s") else _quotient(theirs, ours)

    @property
    def cpu_ratio(self) -> float | None:
        """The rival's processor time per unit ÷ ours; more is better."""
        return _quotient(_median(self.rival, "cpu_ms"), _median(self.ours, "cpu_ms"))

    def as_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "unit": self.unit,
            "ours": _rounded(_median(self.ours, "figure")),
            "rival": _rounded(_median(self.rival, "figure")),
            "rival_name": self.rival_name,
            "runs": len(self.ours),
            "not_offered": self.not_offered,
            "ours_runs": [_rounded(run.figure) for run in self.ours],
            "rival_runs": [_rounded(run.figure) for run in self.rival],
            "cpu_ms_ours": _rounded(_median(self.ours, "cpu_ms")),
            "cpu_ms_rival": _rounded(_median(self.rival, "cpu_ms")),
            "client_cpu_ms_ours": _rounded(_median(self.ours, "client_ms")),
            "client_cpu_ms_rival": _rounded(_median(self.rival, "client_ms")),
            "memory_mb_ours": _rounded(max(_known(self.ours, "memory_mb"), default=None)),
        }


def _known(runs: list[Run], of: str) -> list[float]:
    return [value for run in runs if (value := getattr(run, of)) is not None]


def _median(runs: list[Run], of: str) -> float | None:
    known = _known(runs, of)
    return statistics.median(known) if known else None


def _quotient(above: float | None, below: float | None) -> float | None:
    return above / below if above and below else None


def _rounded(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.4g}")


def write(rows: list[Row]) -> None:
    """Writes `results.json` beside this module, whole or not at all; rows that did not run stay as they were."""
    before = json.loads(FILE.read_text()) if FILE.exists() else {}
    now = environment()
    found = {row["name"]: row for row in before.get("rows", [])}
    found |= {row.name: {**row.as_json(), "date": now["date"]} for row in rows}
    results = {
        "environment": now,
        "rows": list(found.values()),
        "ratios": _kept(before, "ratios", rows) | _quotients(rows, "ratio"),
        "cpu_ratios": _kept(before, "cpu_ratios", rows) | _quotients(rows, "cpu_ratio"),
    }
    unfinished = FILE.with_suffix(".json.part")
    unfinished.write_text(json.dumps(results, indent=2, ensure_ascii=False) + "\n")
    unfinished.replace(FILE)


def _kept(before: dict[str, Any], key: str, rows: list[Row]) -> dict[str, float]:
    ran = {row.name for row in rows}
    return {name: value for name, value in before.get(key, {}).items() if name not in ran}


def _quotients(rows: list[Row], of: str) -> dict[str, float]:
    return {row.name: round(value, 3) for row in rows if (value := getattr(row, of)) is not None}


_HEAD = (
    "benchmark", "unit", "ours", "rival", "ratio", "CPU ms", "rival CPU ms", "CPU ratio", "client CPU ms", "MB"
)  # fmt: skip


def table(rows: list[Row]) -> str:
    """One line per benchmark, medians. In both ratios more is better."""
    lines = [_HEAD, *(_line(row) for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(_HEAD))]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if column < 2 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    )


def _line(row: Row) -> tuple[str, ...]:
    figures = row.as_json()
    return (
        row.name,
        row.unit,
        *("not offered" if side in row.not_offered else _shown(figures[side]) for side in ("ours", "rival")),
        _shown(row.ratio, "×"),
        *(_shown(figures[key]) for key in ("cpu_ms_ours", "cpu_ms_rival")),
        _shown(row.cpu_ratio, "×"),
        *(_shown(figures[key]) for key in ("client_cpu_ms_ours", "memory_mb_ours")),
    )


def _shown(value: float | None, suffix: str = "") -> str:
    if value is None:
        return "–"
    return f"{value:.0f}{suffix}" if value >= 100 else f"{value:.3g}{suffix}"


def environment() -> dict[str, Any]:
    """The machine and the versions, for whoever compares two files."""
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "system": platform.platform(),
        "processor": _processor(),
        "processors": os.cpu_count(),
        "memory_mb": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // (1 << 20),
        "python": platform.python_version(),
        "postfix": _said("postconf", "-d", "-h", "mail_version"),
        "dovecot": _said("dovecot", "--version"),
        "slapd": _said("dpkg-query", "-W", "-f", "${Version}", "slapd"),
        "note": "load generator and server share the processors; runs of ours and the rival alternate",
    }


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _said(*command: str) -> str | None:
    path = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=10, check=False, env={**os.environ, "PATH": path}
        )
    except OSError:
        return None
    return done.stdout.strip() or None
