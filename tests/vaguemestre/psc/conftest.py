"""A provider for every test, and keys that are made once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.vaguemestre.psc.provider import ADDRESS, Provider
from vaguemestre.psc.clients import ensure_secrets
from vaguemestre.psc.keys import ensure_keys

if TYPE_CHECKING:
    from pathlib import Path

    from foundation.clock import FixedClock
    from foundation.database import Database


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("provider")
    ensure_keys(home)
    ensure_secrets(home)
    return home


@pytest.fixture
def provider(prepared: Path, tmp_path: Path, database: Database, clock: FixedClock) -> Provider:
    home = tmp_path / "home"
    home.mkdir()
    return Provider(prepared, home, database, clock, ADDRESS)
