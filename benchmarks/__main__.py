"""`python -m benchmarks [--only NAME…] [--runs N]`: runs, prints a table, writes `benchmarks/results.json`."""

from __future__ import annotations

import argparse
import signal
import sys
from contextlib import ExitStack
from typing import TYPE_CHECKING

from benchmarks import load, report, rival, sandbox
from benchmarks.report import Row
from benchmarks.scenarios import SCENARIOS
from benchmarks.target import Unavailable

if TYPE_CHECKING:
    from benchmarks.run import Run
    from benchmarks.scenarios import Scenario
    from benchmarks.target import Target


def main() -> int:
    arguments = _arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    rows: list[Row] = []
    failures: list[str] = []
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
        theirs: Target | None = None
        try:
            _say(f"starting {rival.NAME}")
            theirs = servers.enter_context(rival.running(ours.between))
        except Unavailable as reason:
            _say(f"without the rival: {reason}")
        for name in names:
            row = Row(name, SCENARIOS[name].unit)
            try:
                _measure(row, SCENARIOS[name], ours, theirs, runs=arguments.runs)
            except (load.Failed, OSError) as failure:
                failures.append(f"{name}: {failure}")
                _say(f"{name} failed: {failure}")
            rows.append(row)
    report.write(rows)
    print(report.table(rows))
    print(f"\nMedians of {arguments.runs} runs. Rival: {rival.NAME}. Written to {report.FILE}")
    for line in failures:
        print(f"Failed: {line}", file=sys.stderr)
    return 1 if failures else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description=__doc__, epilog="Example: --only deliver_4k_10 --runs 5"
    )
    parser.add_argument(
        "--only", nargs="+", metavar="NAME", choices=list(SCENARIOS), help=", ".join(SCENARIOS)
    )
    parser.add_argument("--runs", type=int, default=3, metavar="N", help="runs of each, medians are kept (3)")
    arguments = parser.parse_args()
    if arguments.runs < 1:
        parser.error("--runs takes a number from 1 on")
    return arguments


def _measure(row: Row, scenario: Scenario, ours: Target, theirs: Target | None, *, runs: int) -> None:
    """Ours, the rival, ours, the rival…: what else the machine does then weighs on both alike."""
    sides = [(ours, row.ours)]
    if theirs is not None and not scenario.accompanied:
        sides.append((theirs, row.rival))
    for target, _ in sides:
        scenario.prepare(target)
    for number in range(1, runs + 1):
        for target, found in sides:
            run = scenario.run(target)
            found.append(run)
            _progress(row, target, run, f"{number}/{runs}")


def _progress(row: Row, target: Target, run: Run, which: str) -> None:
    _say(f"{row.name} {which}  {target.name}: {run.rate:.1f} {row.unit}, {run.cpu_ms:.2f} ms CPU each")


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
