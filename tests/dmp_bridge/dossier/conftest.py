"""A ward with one record, made once per test."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from dmp_bridge.dossier.desk import Desk
from foundation.settings import from_values
from tests.dmp_bridge.dossier.wards import Ward, add

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from foundation.clock import FixedClock
    from foundation.database import Database
    from foundation.vault import Vault


@pytest.fixture
async def ward(tmp_path: Path, database: Database, vault: Vault, clock: FixedClock) -> AsyncIterator[Ward]:
    desk = Desk.open(database, vault, clock, from_values(tmp_path, {}))
    owner_id = await database.write(lambda uow: add(uow, vault, clock.millis()))
    yield Ward(desk, database, vault, clock, owner_id)
    await desk.close()
