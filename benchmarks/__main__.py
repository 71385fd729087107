"""`python -m benchmarks [--only NAME…] [--runs N] [--quick] [--alone]`: runs, prints a table, writes `benchmarks/results.json`."""

from __future__ import annotations

import argparse
import signal
import sys
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from benchmarks import ldap_rows, load, report, rival, sandbox, slapd
from benchmarks.report import Row
from benchmarks.run import NotOffered
from benchmarks.scenarios import SCENARIOS
from benchmarks.target import Unavailable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from benchmarks.run import Run, Scenario
    from benchmarks.target import Target

_QUICK_EFFORT = 0.3


def main() -> int:
    arguments = _arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    rows: list[Row] = []
    with ExitStack() as servers:
        try:
            load.smtp_source()
            _say("starting our sandbox")
            names = arguments.only or list(SCENARIOS)
            accompanied = any(SCENARIOS[name].accompanied for name in names)
            ours = servers.enter_context(sandbox.running(accompanied=accompanied))
        except Unavailable as reason:
            print(f"Nothing to measure: {reason}.", file=sys.stderr)
            return 1
        theirs = None if arguments.alone else _rival(servers, ours)
        slapd_rival: Target | None = None
        if any(SCENARIOS[name].is_national for name in names):
            ours, slapd_rival = _national(servers, ours, alone=arguments.alone)
        effort = _QUICK_EFFORT if arguments.quick else 1.0
        bench = _Bench(ours, theirs, slapd_rival, arguments.runs, effort)
        for name in names:
            rows.append(Row(name, SCENARIOS[name].unit))
            if SCENARIOS[name].is_national:
                rows[-1].rival_name = slapd.NAME
            bench.measure(rows[-1], SCENARIOS[name])
    if not arguments.quick:
        report.write(rows)
    print(report.table(rows))
    written = "Not written, being quick" if arguments.quick else f"Written to {report.FILE}"
    print(f"\nMedians of {arguments.runs} runs. Rival: {rival.NAME}. {written}")
    for line in bench.failures:
        print(f"Failed: {line}", file=sys.stderr)
    return 1 if bench.failures else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Measures the service beside Postfix and Dovecot.",
        epilog="Example: --only imap_search --quick",
    )
    parser.add_argument(
        "--only", nargs="+", metavar="NAME", choices=list(SCENARIOS), help=", ".join(SCENARIOS)
    )
    parser.add_argument("--runs", type=int, metavar="N", help="runs of each, medians are kept (3; quick: 1)")
    parser.add_argument("--quick", action="store_true", help="short runs, for a first look; writes no file")
    parser.add_argument("--alone", action="store_true", help="without the rival")
    arguments = parser.parse_args()
    if arguments.runs is None:
        arguments.runs = 1 if arguments.quick else 3
    if arguments.runs < 1:
        parser.error("--runs takes a number from 1 on")
    return arguments


def _rival(servers: ExitStack, ours: Target) -> Target | None:
    try:
        _say(f"starting {rival.NAME}")
        return servers.enter_context(rival.running(ours.between))
    except Unavailable as reason:
        _say(f"without the rival: {reason}")
        return None


def _national(servers: ExitStack, ours: Target, *, alone: bool) -> tuple[Target, Target | None]:
    try:
        _say(
            "loading a national directory, ours and slapd's" if not alone else "loading a national directory"
        )
        ours, theirs = servers.enter_context(ldap_rows.running(ours, alone=alone))
    except Unavailable as reason:
        _say(f"without the national directory: {reason}")
        return replace(ours, ldap_port=None, web_port=None), None
    return ours, theirs


@dataclass(slots=True)
class _Bench:
    ours: Target
    theirs: Target | None
    slapd: Target | None
    runs: int
    effort: float
    failures: list[str] = field(default_factory=list)

    def measure(self, row: Row, scenario: Scenario) -> None:
        """Ours, the rival, ours, the rival…: what else the machine does then weighs on both alike."""
        sides = [("ours", self.ours, row.ours)]
        theirs = self.slapd if scenario.is_national else self.theirs
        if theirs is not None and not scenario.accompanied:
            sides.append(("rival", theirs, row.rival))
        for side in list(sides):
            name, target, _ = side
            try:
                scenario.prepare(target)
            except NotOffered as missing:
                row.not_offered.append(name)
                sides.remove(side)
                _say(f"{row.name}: {target.name} does not offer {missing}")
            except (load.Failed, OSError) as failure:
                self._fail(row, failure)
                sides.remove(side)
        if len(sides) == 2:
            _compare(row, *(scenario.answers(target) for _, target, _ in sides))
        runs = 1 if scenario.is_steady else self.runs
        for number in range(1, runs + 1):
            for side in list(sides):
                _, target, found = side
                try:
                    found.append(scenario.run(target, self.effort))
                except (load.Failed, OSError, Unavailable) as failure:
                    self._fail(row, failure)
                    sides.remove(side)
                else:
                    _progress(row, target, found[-1], f"{number}/{runs}")

    def _fail(self, row: Row, failure: Exception) -> None:
        self.failures.append(f"{row.name}: {failure}")
        _say(f"{row.name} failed: {failure}")


def _compare(row: Row, ours: Mapping[str, object], theirs: Mapping[str, object]) -> None:
    """Says which answers are not the same: a figure for a wrong answer is worth nothing."""
    for command, said in ours.items():
        if said != theirs[command]:
            _say(
                f"{row.name}: the answers differ to {command}\n  {str(said)[:150]}\n  {str(theirs[command])[:150]}"
            )


def _progress(row: Row, target: Target, run: Run, which: str) -> None:
    cpu = "" if run.cpu_ms is None else f", {run.cpu_ms:.2f} ms CPU each"
    client = "" if run.client_ms is None else f", client {run.client_ms:.2f}"
    _say(f"{row.name} {which}  {target.name}: {run.figure:.4g} {row.unit}{cpu}{client}")


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
