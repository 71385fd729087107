"""Certificates for all tests of the outbound side, made once, and a sending operator for each."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from mailserver.outbound import dispatcher
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


@pytest.fixture(autouse=True)
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    """The queue is looked at ten times as often as in service, where nothing wakes the dispatcher."""
    monkeypatch.setattr(dispatcher, "_POLL_SECONDS", 0.2)
