"""The sandbox of these tests: `vaguemestre sandbox --plain`, known only by its `sandbox.json`."""

from __future__ import annotations

import os
import shutil
import smtplib
import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from vaguemestre.sandbox_process import Box as Bal
from vaguemestre.sandbox_process import Person, SandboxProcess

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["Bal", "Person", "Service", "program", "run"]


class Service(SandboxProcess):
    """Started, killed and started again."""

    def __init__(self, home: Path) -> None:
        super().__init__(home, "--plain")

    def bals(self, kind: str | None = None) -> list[Bal]:
        """The boxes with a password, of one type when asked so."""
        return [box for box in self.boxes(kind) if box.password]

    def bal(self, number: int) -> Bal:
        """Tests that must not see each other's mail take boxes of different numbers."""
        found = self.bals()
        return found[number % len(found)]

    def patients(self, state: str = "activated") -> list[Person]:
        return self.people(state)

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
