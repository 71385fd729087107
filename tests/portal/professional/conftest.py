"""A house that is a client of Pro Santé Connect."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.portal.house import House
from tests.portal.professional.people import Provider

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from foundation.clock import FixedClock
    from foundation.database import Database
    from foundation.events import Events
    from foundation.vault import Vault


@pytest.fixture
def provider() -> Provider:
    return Provider()


@pytest.fixture
async def house_with_psc(
    database: Database, vault: Vault, events: Events, clock: FixedClock, tmp_path: Path, provider: Provider
) -> AsyncIterator[House]:
    made = House.build(database, vault, events, clock, tmp_path, psc=provider)
    yield made
    await made.records.close()
    await made.bridge.close()
    await made.place.router.close()
