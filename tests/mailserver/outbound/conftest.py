"""Certificates for all tests of the outbound side, made once, and a sending operator for each."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.mailserver.outbound.house import House
from tests.mailserver.smtp.trusted import Papers

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


@pytest.fixture(scope="session")
def papers(tmp_path_factory: pytest.TempPathFactory) -> Papers:
    return Papers.make(tmp_path_factory.mktemp("outbound-papers"))


@pytest.fixture
async def house(papers: Papers, tmp_path: Path) -> AsyncIterator[House]:
    async with House.open(papers, tmp_path) as opened:
        yield opened
