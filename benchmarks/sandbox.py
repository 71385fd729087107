"""Starts our own service, `vaguemestre sandbox --plain`, in a folder that is wiped afterwards."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.target import Target, Unavailable

if TYPE_CHECKING:
    from collections.abc import Iterator

NAME = "Vaguemestre"
_START_SECONDS = 90
_STOP_SECONDS = 30


@contextmanager
def running() -> Iterator[Target]:
    """A sandbox with listeners without TLS, stopped on the way out; raises `Unavailable`."""
    program = Path(sys.executable).with_name("vaguemestre")
    if not program.exists():
        raise Unavailable(f"{program} is not installed")
    home = Path(tempfile.mkdtemp(prefix="bench-"))
    output_file = home / "output.log"
    with output_file.open("wb") as output:
        process = subprocess.Popen(
            [str(program), "sandbox", "--home", str(home / "sandbox"), "--plain"],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        yield _target(_wait(home / "sandbox" / "sandbox.json", output_file, process), process.pid)
    finally:
        _stop(process)
        shutil.rmtree(home, ignore_errors=True)


def _wait(written: Path, output: Path, process: subprocess.Popen[bytes]) -> dict[str, Any]:
    deadline = time.monotonic() + _START_SECONDS
    while not written.exists():
        if process.poll() is not None or time.monotonic() > deadline:
            said = output.read_text(errors="replace").strip().splitlines()
            raise Unavailable(f"the sandbox did not start: {' / '.join(said[-3:])}")
        time.sleep(0.1)
    described: dict[str, Any] = json.loads(written.read_text())
    return described


def _target(described: dict[str, Any], pid: int) -> Target:
    bal = next(bal for bal in described["bals"] if bal["type"] == "PER")
    return Target(
        name=NAME,
        smtp_port=described["ports"]["mx_plain"],
        imap_port=described["ports"]["imap_plain"],
        sender="banc@expediteur.mssante.fr",
        recipient=bal["address"],
        login=bal["address"],
        password=bal["password"],
        pids=(pid,),
    )


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    with suppress(subprocess.TimeoutExpired):
        process.wait(timeout=_STOP_SECONDS)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait(timeout=10)
