from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from directory.annuaire.annuaire import Annuaire
from directory.annuaire.build import Imported, Importer
from directory.own import set_red_list
from mailserver.envelope import Accepted
from tests.directory.extract_files import MAILBOX_HEADER, mailbox, write
from tests.mailserver.place import Place

if TYPE_CHECKING:
    from pathlib import Path

    from foundation.clock import FixedClock
    from foundation.database import Database
    from foundation.vault import Vault


@pytest.fixture
def place(database: Database, vault: Vault, clock: FixedClock, tmp_path: Path) -> Place:
    return Place(database, vault, clock, tmp_path)


# ref: F40
async def test_a_box_on_the_red_list_is_in_no_directory_and_gets_its_mail(
    place: Place, tmp_path: Path
) -> None:
    marie, paul = await place.add("marie"), await place.add("paul")
    extract = write(tmp_path / "extract.txt", MAILBOX_HEADER, mailbox(marie.address))
    folder = tmp_path / "directory"
    (outcome,) = Importer(folder, place.clock).load(extract)
    assert isinstance(outcome, Imported)
    annuaire = await Annuaire.open(folder, place.database, place.clock)
    assert annuaire.view().mailbox(marie.address) is not None

    await place.database.write(
        lambda uow: set_red_list(uow, marie.address, red_list=True, now=place.clock.millis())
    )

    assert annuaire.view().mailbox(marie.address) is None
    assert isinstance(await place.send(paul, marie.address), Accepted)
    assert len(await place.kept(marie.owner_id)) == 1
    await annuaire.close()
