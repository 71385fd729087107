"""The sandbox as the demonstration knows it: a process of its own, and what its `sandbox.json` says."""

from __future__ import annotations

import json
import ssl
import subprocess
import sys
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from vaguemestre.demo_telling import NotProved, must

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

LOG_NAME = "demo.log"
_COMMAND = (sys.executable, "-P", "-c", "from vaguemestre.cli import main; main()")
_START_SECONDS = 60.0
_STOP_SECONDS = 20.0
_COMMAND_SECONDS = 60.0
_PAUSE_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class Box:
    """A mailbox of a professional, a service or a software."""

    address: str
    name: str
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Person:
    """A patient and what opens the pages."""

    address: str
    ins: str
    name: str
    birth_date: str
    password: str = field(repr=False)


class Sandbox:
    """Starts, asks, stops. Everything known of the service comes from `sandbox.json`."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.log = home / LOG_NAME
        self._told: dict[str, Any] = {}
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> float:
        """Returns when every listener answers, with the seconds it took. Raises NotProved."""
        self.home.mkdir(parents=True, exist_ok=True, mode=0o700)
        file = self.home / "sandbox.json"
        file.unlink(missing_ok=True)
        began = time.monotonic()
        # Its standard output lists passwords; its log goes to standard error.
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603 - our own program
                [*_COMMAND, "sandbox", "--home", str(self.home)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=log,
            )
        while not file.exists():
            if self._process.poll() is not None:
                raise NotProved(f"le bac à sable n'a pas démarré : {_last_line(self.log)}")
            must(
                time.monotonic() - began < _START_SECONDS,
                f"le bac à sable n'a pas démarré en {_START_SECONDS:.0f} secondes.",
            )
            time.sleep(_PAUSE_SECONDS)
        self._told = json.loads(file.read_text(encoding="utf-8"))
        return time.monotonic() - began

    def stop(self) -> int:
        """SIGTERM; the exit code. Raises NotProved when it does not end."""
        process, self._process = self._process, None
        assert process is not None
        process.terminate()
        try:
            return process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise NotProved(f"le bac à sable ne s'est pas arrêté en {_STOP_SECONDS:.0f} secondes.") from None

    def end(self) -> None:
        """Leaves nothing running, whatever happened."""
        if self._process is not None:
            try:
                self.stop()
            except NotProved:
                return

    def command(self, words: Sequence[str]) -> subprocess.CompletedProcess[str]:
        """One command of the program on this home, beside the running service."""
        return subprocess.run(  # noqa: S603 - our own program
            [*_COMMAND, *words, "--home", str(self.home)],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=_COMMAND_SECONDS,
            check=False,
        )

    @property
    def host(self) -> str:
        return str(self._told["host"])

    @property
    def url(self) -> str:
        return str(self._told["http"])

    @property
    def patient_domain(self) -> str:
        return str(self._told["patient_domain"])

    def port(self, name: str) -> int:
        """The port of a listener."""
        return int(self._told["ports"][name])

    def tls(self) -> ssl.SSLContext:
        """What a careful client trusts: the sandbox's own authority and nothing else, names compared."""
        return ssl.create_default_context(cafile=self._told["ca_file"])

    def box(self, address: str) -> Box:
        """The mailbox with this address. Raises NotProved."""
        for row in self._told["bals"]:
            if row["address"] == address:
                return Box(row["address"], row["name"], row["password"])
        raise NotProved(f"ce bac à sable n'a pas la boîte {address}.")

    def person(self, ins: str) -> Person:
        """The patient with this INS. Raises NotProved."""
        for row in self._told["patients"]:
            if row["ins"] == ins:
                return Person(row["address"], ins, row["name"], row["birth_date"], row["password"])
        raise NotProved(f"ce bac à sable n'a pas le patient {ins}.")


def _last_line(log: Path) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").split("\n")
    return next((line for line in reversed(lines) if line.strip()), "le journal est vide")[:500]
