"""The interface over a ward of its own for each test, and clients of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from dmp_bridge.dossier.desk import Desk
from foundation.settings import from_values
from tests.dmp_bridge.dossier.wards import DOCTOR, Ward, add
from tests.dmp_bridge.fhir.place import Place, place

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    import httpx2

    from foundation.clock import FixedClock
    from foundation.database import Database
    from foundation.vault import Vault


@pytest.fixture
async def fhir(tmp_path: Path, database: Database, vault: Vault, clock: FixedClock) -> AsyncIterator[Place]:
    desk = Desk.open(database, vault, clock, from_values(tmp_path, {}))
    owner_id = await database.write(lambda uow: add(uow, vault, clock.millis()))
    yield place(Ward(desk, database, vault, clock, owner_id))
    await desk.close()


@pytest.fixture
async def doctor(fhir: Place) -> AsyncIterator[httpx2.AsyncClient]:
    """The author of the documents, authorised by the patient."""
    await fhir.ward.authorise(DOCTOR)
    async with fhir.client("doctor") as client:
        yield client
