from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from certs.pki import Issued, Pki
from tests.certs.lists import SIGNER_NAME, issued_by

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="session")
def now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)  # OpenSSL judges by the machine's own clock


@pytest.fixture(scope="session")
def pki(tmp_path_factory: pytest.TempPathFactory, now: datetime) -> Pki:
    return Pki.create(tmp_path_factory.mktemp("home") / "pki", now)


@pytest.fixture(scope="session")
def signer(pki: Pki, now: datetime) -> Issued:
    """Who signs white lists in these tests."""
    return issued_by(pki.organisations, SIGNER_NAME, now)


@pytest.fixture
def prefix(tmp_path: Path) -> Path:
    return tmp_path / "mx.demo.mssante.fr"
