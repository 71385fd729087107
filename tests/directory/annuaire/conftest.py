"""A directory that is built and searched as the service does."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from directory.annuaire.annuaire import Annuaire
from directory.annuaire.build import Imported, Importer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from foundation.clock import FixedClock
    from foundation.database import Database


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "directory"


@pytest.fixture
def importer(folder: Path, clock: FixedClock) -> Importer:
    return Importer(folder, clock)


@pytest.fixture
def imported(importer: Importer) -> Callable[[Path], Imported]:
    """Imports a file that holds one extract, which has to be taken."""

    def load(path: Path) -> Imported:
        (outcome,) = importer.load(path)
        assert isinstance(outcome, Imported), outcome
        return outcome

    return load


@pytest.fixture
async def annuaire(folder: Path, database: Database, clock: FixedClock) -> AsyncIterator[Annuaire]:
    opened = await Annuaire.open(folder, database, clock)
    yield opened
    await opened.close()
