"""One sandbox for all tests of the command line, and the command line without a new process for each."""

from __future__ import annotations

import asyncio
import io
import json
import os
import shutil
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from tests.vaguemestre.programs import serving
from vaguemestre import ports
from vaguemestre.cli import main
from vaguemestre.sandbox_home import populate, prepare, write_settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.vaguemestre.programs import Serving


@dataclass(frozen=True, slots=True)
class Said:
    """How a command ended and what it said."""

    code: int
    out: str = field(repr=True)
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    def is_refused(self, *words: str) -> None:
        """Exit code 1, nothing on standard output, one sentence on standard error that has these words."""
        assert self.code == 1, self
        assert self.err.startswith("vaguemestre: "), self
        assert self.err.count("\n") == 1, self
        assert "Traceback" not in self.err
        assert all(word in self.err for word in words), self


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("VAGUEMESTRE_")]:
        monkeypatch.delenv(name)


@pytest.fixture
def vaguemestre(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Said]:
    def command(*words: str, stdin: str = "") -> Said:
        capsys.readouterr()
        monkeypatch.setattr(sys, "argv", ["vaguemestre", *words])
        monkeypatch.setattr(sys, "stdin", io.StringIO(stdin))
        code = 0
        try:
            main()
        except SystemExit as ended:
            code = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
        told = capsys.readouterr()
        return Said(code, told.out, told.err)

    return command


@pytest.fixture(scope="session")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    with serving(tmp_path_factory.mktemp("sandbox") / "home") as served:
        yield served


@pytest.fixture(scope="session")
def untouched_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("empty") / "home"
    home.mkdir()
    prepare(home)
    asyncio.run(populate(write_settings(home, ports.free()), empty=True))
    return home


@pytest.fixture
def empty_home(untouched_home: Path, tmp_path: Path) -> Path:
    """A sandbox home that nobody serves, with nobody in it."""
    return shutil.copytree(untouched_home, tmp_path / "home")
