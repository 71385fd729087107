"""A ward: a patient's record, and professionals who come by Pro Santé Connect."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.portal.house import House
from tests.portal.professional.people import Provider
from tests.portal.webps.ward import Ward

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from foundation.clock import FixedClock
    from foundation.database import Database
    from foundation.events import Events
    from foundation.vault import Vault


@pytest.fixture
async def ward(
    database: Database, vault: Vault, events: Events, clock: FixedClock, tmp_path: Path
) -> AsyncIterator[Ward]:
    provider = Provider()
    made = House.build(database, vault, events, clock, tmp_path, psc=provider)
    yield Ward(made, provider, await made.patient())
    await made.records.close()
    await made.bridge.close()
    await made.place.router.close()
