"""Where the server's processor time goes during one row: `python -m benchmarks.profile_imap imap_search`.

Needs py-spy (`pip install py-spy`), which may look into other processes only as root on most systems.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

from benchmarks import sandbox
from benchmarks.imap_rows import SECONDS
from benchmarks.load import Failed
from benchmarks.run import NotOffered
from benchmarks.scenarios import SCENARIOS
from benchmarks.target import Unavailable

_SPY = shutil.which("py-spy") or shutil.which("py-spy", path=str(Path(sys.executable).parent))
_RATE = 250
_ASLEEP = ("select (selectors.py", "wait (threading.py", "_worker (concurrent/futures/thread.py")


def main() -> int:
    arguments = _arguments()
    if _SPY is None:
        print("py-spy is not installed: pip install py-spy", file=sys.stderr)
        return 1
    scenario = SCENARIOS[arguments.row]
    try:
        with sandbox.running(accompanied=False) as target, tempfile.TemporaryDirectory() as folder:
            print("preparing", file=sys.stderr)
            scenario.prepare(target)
            stacks = Path(folder) / "stacks"
            command = [_SPY, "record", "--pid", str(target.pids[0]), "--rate", str(_RATE), "--format", "raw"]
            command += ["--duration", str(arguments.seconds), "--output", str(stacks), "--subprocesses"]
            command += ["--gil"] if arguments.gil else []
            command += ["--native"] if arguments.native else []
            with (Path(folder) / "log").open("wb") as log:
                spy = subprocess.Popen(command, stdout=log, stderr=log)
                run = scenario.run(target, arguments.seconds / SECONDS)
                spy.wait(60)
            if not stacks.exists():
                print((Path(folder) / "log").read_text(errors="replace"), file=sys.stderr)
                return 1
            print(
                f"{arguments.row}: {run.figure:.4g} {scenario.unit}, {run.cpu_ms or 0:.2f} ms CPU each (py-spy slows it)"
            )
            _print(stacks.read_text(), arguments.top)
    except (NotOffered, Unavailable, Failed) as reason:
        print(f"Nothing to profile: {reason}", file=sys.stderr)
        return 1
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.profile_imap",
        description="Prints the functions of the server that one row spends its time in.",
        epilog="Example: imap_search --seconds 10 --top 30",
    )
    parser.add_argument("row", choices=[name for name in SCENARIOS if not SCENARIOS[name].accompanied])
    parser.add_argument("--seconds", type=int, default=8, metavar="N", help="length of the run (8)")
    parser.add_argument("--top", type=int, default=25, metavar="N", help="functions in each list (25)")
    parser.add_argument("--gil", action="store_true", help="count only threads that hold the interpreter")
    parser.add_argument("--native", action="store_true", help="look into C extensions as well")
    return parser.parse_args()


def _print(stacks: str, top: int) -> None:
    """Two lists out of collapsed stacks ("outer;inner 12" a line): own time, and time with what is called."""
    own: Counter[str] = Counter()
    below: Counter[str] = Counter()
    for line in stacks.splitlines():
        stack, _, count = line.rpartition(" ")
        frames = stack.split(";")
        if frames[-1].startswith(_ASLEEP):
            continue
        own[frames[-1]] += int(count)
        # Without its line, so that a function that is in a stack twice counts once.
        for function in {frame.rpartition(":")[0] for frame in frames if ".py:" in frame}:
            below[function + ")"] += int(count)
    total = own.total() or 1
    for title, counted in (("own time, by line", own), ("with what is called, by function", below)):
        print(f"\n{title}")
        for frame, samples in counted.most_common(top):
            print(f"{samples / total:7.1%}  {frame}")


if __name__ == "__main__":
    sys.exit(main())
