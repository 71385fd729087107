"""A house with a portal for every test."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.portal.house import House

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from foundation.clock import FixedClock
    from foundation.database import Database
    from foundation.events import Events
    from foundation.vault import Vault


@pytest.fixture
async def house(
    database: Database, vault: Vault, events: Events, clock: FixedClock, tmp_path: Path
) -> AsyncIterator[House]:
    made = House.build(database, vault, events, clock, tmp_path)
    yield made
    await made.bridge.close()
    await made.place.router.close()
