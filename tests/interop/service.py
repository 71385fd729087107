"""A sandbox as a process of its own, known to these tests only by its `sandbox.json`."""

from __future__ import annotations

import json
import os
import shutil
import signal
import smtplib
import ssl
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

START_SECONDS = 60
STOP_SECONDS = 30


@dataclass(frozen=True, slots=True)
class Bal:
    """A mailbox of the sandbox and how to sign in to it."""

    address: str
    name: str
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Person:
    """A patient of the sandbox."""

    address: str
    ins: str
    name: str
    birth_date: str
    state: str
    password: str = field(repr=False)


class Service:
    """`vaguemestre sandbox --home HOME --plain`, started, killed and started again."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.log = home.with_name(home.name + ".log")
        self._summary = home.with_name(home.name + ".out")
        self.described: dict[str, Any] = {}
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Returns when `sandbox.json` stands, which the service writes once every listener answers."""
        program = Path(sys.executable).with_name("vaguemestre")
        written = self.home / "sandbox.json"
        written.unlink(missing_ok=True)
        # The sandbox tells its passwords on standard output; its log is what it says on standard error.
        with self.log.open("ab") as log, self._summary.open("ab") as summary:
            self._process = subprocess.Popen(
                [str(program), "sandbox", "--home", str(self.home), "--plain"],
                stdin=subprocess.DEVNULL,
                stdout=summary,
                stderr=log,
                start_new_session=True,
            )
        deadline = time.monotonic() + START_SECONDS
        while not written.exists():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.end()
                said = self.log.read_text(errors="replace")[-2000:]
                raise AssertionError(f"the sandbox did not start: {said}")
            time.sleep(0.05)
        self.described = json.loads(written.read_text())

    @property
    def process(self) -> subprocess.Popen[bytes]:
        assert self._process is not None
        return self._process

    def kill(self) -> int:
        """SIGKILL to the service alone, as the kernel does when memory is short; returns its process group."""
        group = self.process.pid
        self.process.kill()
        self.process.wait(timeout=STOP_SECONDS)
        return group

    def stop(self) -> int:
        """SIGTERM, as a supervisor stops it; returns the exit code."""
        self.process.terminate()
        return self.process.wait(timeout=STOP_SECONDS)

    def end(self) -> None:
        """Leaves nothing running."""
        if self._process is None:
            return
        if self._process.poll() is None:
            self._process.terminate()
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(timeout=STOP_SECONDS)
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait(timeout=STOP_SECONDS)

    @property
    def host(self) -> str:
        return str(self.described["host"])

    @property
    def ca_file(self) -> str:
        return str(self.described["ca_file"])

    @property
    def url(self) -> str:
        return str(self.described["http"])

    def port(self, name: str) -> int:
        return int(self.described["ports"][name])

    def bals(self, kind: str | None = None) -> list[Bal]:
        """The boxes with a password, of one type when asked so."""
        return [
            Bal(each["address"], each["name"], each["password"])
            for each in self.described["bals"]
            if each.get("password") and kind in (None, each["type"])
        ]

    def bal(self, number: int) -> Bal:
        """Tests that must not see each other's mail take boxes of different numbers."""
        found = self.bals()
        return found[number % len(found)]

    def patients(self, state: str = "activated") -> list[Person]:
        return [
            Person(
                each["address"],
                each["ins"],
                each["name"],
                each["birth_date"],
                each["state"],
                each["password"],
            )
            for each in self.described["patients"]
            if each["state"] == state
        ]

    def tls(self) -> ssl.SSLContext:
        """What a careful client uses: the sandbox's trust chain and the host's name."""
        return ssl.create_default_context(cafile=self.ca_file)

    @contextmanager
    def submission(self, bal: Bal) -> Iterator[smtplib.SMTP]:
        """A signed-in connection to the submission port, over STARTTLS."""
        with smtplib.SMTP(self.host, self.port("submission"), timeout=60) as smtp:
            smtp.starttls(context=self.tls())
            smtp.login(bal.address, bal.password)
            yield smtp

    def send(self, sender: Bal, recipient: str, message: bytes) -> None:
        """Submits one message; raises what smtplib raises when it is refused."""
        with self.submission(sender) as smtp:
            smtp.sendmail(sender.address, [recipient], message)


def program(name: str) -> str:
    """The path of a program these tests run for real; skips where it is not installed."""
    found = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    if found is None:
        pytest.skip(f"{name} is not installed")
    return found


def run(*command: str, timeout: float = 60, **options: Any) -> subprocess.CompletedProcess[str]:
    """Runs a program to its end and keeps what it said."""
    return subprocess.run(
        command, capture_output=True, text=True, errors="replace", timeout=timeout, check=False, **options
    )
