"""The interface over the small directory, and a client of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.directory.fhir.place import Place, place

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import httpx2

    from foundation.clock import FixedClock
    from foundation.database import Database


@pytest.fixture
def fhir(clock: FixedClock) -> Place:
    """Only to be read."""
    return place(None, clock)


@pytest.fixture
def publishing(database: Database, clock: FixedClock) -> Place:
    return place(database, clock)


@pytest.fixture
async def client(fhir: Place) -> AsyncIterator[httpx2.AsyncClient]:
    async with fhir.client() as client:
        yield client


@pytest.fixture
async def operator(publishing: Place) -> AsyncIterator[httpx2.AsyncClient]:
    """A client that may publish boxes of some domains."""
    async with publishing.client() as client:
        yield client
