"""A small operator with one box, for the tests of what opens it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.mailserver.place import Place

if TYPE_CHECKING:
    from pathlib import Path

    from directory.bals import Bal
    from foundation.clock import FixedClock
    from foundation.database import Database
    from foundation.vault import Vault


@pytest.fixture
def place(database: Database, vault: Vault, clock: FixedClock, tmp_path: Path) -> Place:
    return Place(database, vault, clock, tmp_path)


@pytest.fixture
async def marie(place: Place) -> Bal:
    return await place.add("marie")
