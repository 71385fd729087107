"""A sandbox as a process of its own: for the demonstration, the benchmarks, and anybody's tests.

    with SandboxProcess(home, "--plain") as sandbox:
        sandbox.port("submission"), sandbox.boxes("PER")[0].password, sandbox.tls()

Everything known of the service comes from its `sandbox.json`, as for an outside script.
"""

from __future__ import annotations

import json
import os
import signal
import ssl
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path
    from types import TracebackType

PROGRAM: Sequence[str] = (sys.executable, "-P", "-c", "from vaguemestre.cli import main; main()")
_START_SECONDS = 90.0
_STOP_SECONDS = 30.0
_COMMAND_SECONDS = 60.0
_PAUSE_SECONDS = 0.05


class DidNotStart(Exception):
    """The sandbox ended, or said nothing for a minute and a half; the text is its last line."""


class DidNotStop(Exception):
    """The sandbox did not end after SIGTERM, and was killed."""


@dataclass(frozen=True, slots=True)
class Box:
    """A mailbox of a professional, a service or a software."""

    address: str
    type: str
    name: str
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Person:
    """A patient and what opens the pages."""

    address: str
    ins: str
    name: str
    birth_date: str
    state: str
    password: str = field(repr=False)


class SandboxProcess:
    """`vaguemestre sandbox --home HOME …`: started, stopped or killed, and started again."""

    def __init__(self, home: Path, *options: str, log: Path | None = None) -> None:
        self.home = home
        self.log = log or home.with_name(home.name + ".log")
        self.described: dict[str, Any] = {}
        self._options = options
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end()

    # Its life

    def start(self) -> float:
        """Returns when every listener answers, with the seconds it took. Raises DidNotStart."""
        self.home.mkdir(parents=True, exist_ok=True, mode=0o700)
        file = self.home / "sandbox.json"
        file.unlink(missing_ok=True)  # a killed service leaves the one of its last start
        began = time.monotonic()
        # Its standard output lists passwords; its log goes to standard error.
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603 - our own program
                [*PROGRAM, "sandbox", "--home", str(self.home), *self._options],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=log,
                start_new_session=True,
            )
        while not file.exists():
            if self._process.poll() is not None or time.monotonic() - began > _START_SECONDS:
                self.end()
                raise DidNotStart(_last_line(self.log))
            time.sleep(_PAUSE_SECONDS)
        self.described = json.loads(file.read_text(encoding="utf-8"))
        return time.monotonic() - began

    @property
    def process(self) -> subprocess.Popen[bytes]:
        """The running service."""
        assert self._process is not None
        return self._process

    def stop(self) -> int:
        """SIGTERM, as a supervisor stops it; the exit code. Raises DidNotStop."""
        self.process.terminate()
        try:
            return self.process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()
            raise DidNotStop from None

    def kill(self) -> int:
        """SIGKILL to the service alone, as the kernel does when memory is short; its process group."""
        group = self.process.pid
        self.process.kill()
        self.process.wait(_STOP_SECONDS)
        return group

    def end(self) -> None:
        """Leaves nothing running, whatever happened."""
        if self._process is None:
            return
        if self._process.poll() is None:
            with suppress(DidNotStop):
                self.stop()
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)

    def command(
        self, *words: str, stdin: str = "", settings: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """One command of the program on this home, beside the running service.

        `settings` are environment variables (`VAGUEMESTRE_…`) that outweigh those of the home.
        """
        return subprocess.run(  # noqa: S603 - our own program
            [*PROGRAM, *words, "--home", str(self.home)],
            input=stdin,
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=_COMMAND_SECONDS,
            check=False,
            env={**os.environ, **(settings or {})},
        )

    # What it says of itself

    @property
    def host(self) -> str:
        return str(self.described["host"])

    @property
    def url(self) -> str:
        return str(self.described["http"])

    @property
    def ca_file(self) -> str:
        return str(self.described["ca_file"])

    @property
    def patient_domain(self) -> str:
        return str(self.described["patient_domain"])

    def port(self, name: str) -> int:
        """The port of a listener."""
        return int(self.described["ports"][name])

    def tls(self) -> ssl.SSLContext:
        """What a careful client trusts: the sandbox's own authority and nothing else, names compared."""
        return ssl.create_default_context(cafile=self.ca_file)

    def boxes(self, kind: str | None = None) -> list[Box]:
        """The mailboxes, of one type when asked so."""
        return [
            Box(row["address"], row["type"], row["name"], row["password"])
            for row in self.described["bals"]
            if kind in (None, row["type"])
        ]

    def people(self, state: str | None = None) -> list[Person]:
        """The patients, in one state when asked so."""
        return [
            Person(row["address"], row["ins"], row["name"], row["birth_date"], row["state"], row["password"])
            for row in self.described["patients"]
            if state in (None, row["state"])
        ]


def _last_line(log: Path) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").split("\n")
    return next((line for line in reversed(lines) if line.strip()), "its log is empty")[:500]
