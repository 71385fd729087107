"""What every test may ask for: a clock that stands still, a database, a vault."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from argon2 import PasswordHasher

from foundation import passwords
from foundation.clock import FixedClock
from foundation.events import Events
from foundation.vault import Vault, write_master_key
from tests.database import open_empty

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from foundation.database import Database

_LEAST = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
_LEAST_DECOY = _LEAST.hash("nobody")


@pytest.fixture(autouse=True)
def quick_passwords(monkeypatch: pytest.MonkeyPatch) -> None:
    """argon2id at its least cost; tests/foundation/test_passwords.py sees the one that is served."""
    monkeypatch.setattr(passwords, "_HASHER", _LEAST)
    monkeypatch.setattr(passwords, "_DECOY", _LEAST_DECOY)


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(datetime(2026, 3, 13, 14, 54, 10, tzinfo=UTC))


@pytest.fixture
def events() -> Events:
    return Events()


@pytest.fixture
async def database(tmp_path: Path, events: Events) -> AsyncIterator[Database]:
    opened = await open_empty(tmp_path / "test.db", events)
    yield opened
    await opened.close()


@pytest.fixture
def vault(tmp_path: Path, database: Database) -> Vault:
    write_master_key(tmp_path / "master.key")
    return Vault.open(database, f"file://{tmp_path / 'vault'}", tmp_path / "master.key")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    skipped = terminalreporter.stats.get("skipped", [])
    if os.environ.get("CI") and skipped:
        terminalreporter.section("skipped, which CI does not allow")
        for report in skipped:
            terminalreporter.line(f"{report.nodeid}: {report.longrepr}")


def pytest_sessionfinish(session: pytest.Session) -> None:
    """In CI every program is installed and every input is there: a skip is a hole, and fails the run."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if (
        os.environ.get("CI")
        and reporter is not None
        and reporter.stats.get("skipped")
        and not session.exitstatus
    ):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
