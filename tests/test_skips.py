"""A test that is skipped fails the run in CI, whichever process skipped it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

CONFTEST = Path(__file__).with_name("conftest.py")
PLUGINS = ("-p", "xdist", "-p", "pytest_asyncio")
"""Those a conftest or a worker needs; the others take each process a second to load."""
ROOT = CONFTEST.parents[1]
SKIPS = {
    "a test": "import pytest\ndef test_it(): pytest.skip('no program')\n",
    "a module": "import pytest\npytest.skip('no program', allow_module_level=True)\n",
    "none": "",
}


def run(folder: Path, skips: str, workers: int, ci: str) -> subprocess.CompletedProcess[str]:
    """A run of its own over a test that passes and what is skipped."""
    shutil.copy(CONFTEST, folder)
    (folder / "test_passes.py").write_text("def test_it(): pass\n")
    (folder / "test_skips.py").write_text(skips)
    plain = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    return subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            *PLUGINS,
            "-q",
            "-n",
            str(workers),
            "-c",
            "/dev/null",
            "--rootdir",
            ".",
            ".",
        ],
        cwd=folder,
        env={
            **plain,
            "CI": ci,
            "PYTHONPATH": str(ROOT),
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("what", ["a test", "a module"])
def test_a_skip_fails_in_ci(tmp_path: Path, what: str, workers: int) -> None:
    done = run(tmp_path, SKIPS[what], workers, "true")
    assert done.returncode == pytest.ExitCode.TESTS_FAILED, done.stdout + done.stderr
    assert "skipped, which CI does not allow" in done.stdout
    assert "no program" in done.stdout


@pytest.mark.parametrize(("what", "ci"), [("a test", ""), ("none", "true")])
def test_nothing_else_fails(tmp_path: Path, what: str, ci: str) -> None:
    done = run(tmp_path, SKIPS[what], 2, ci)
    assert done.returncode == pytest.ExitCode.OK, done.stdout + done.stderr
    assert "which CI does not allow" not in done.stdout
