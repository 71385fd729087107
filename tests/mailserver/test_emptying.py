from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import func, select

from directory.patients import PatientState
from dmp_bridge.dossier import closing
from dmp_bridge.dossier.timers import Timers
from foundation.vault import blob
from mailserver.conversations import list_conversations
from mailserver.emptying import empty
from mailserver.store.tables import mail
from tests.mailserver.place import Place, patient_address

if TYPE_CHECKING:
    from pathlib import Path

    from foundation.clock import FixedClock
    from foundation.database import Database
    from foundation.vault import Vault


@pytest.fixture
def place(database: Database, vault: Vault, clock: FixedClock, tmp_path: Path) -> Place:
    return Place(database, vault, clock, tmp_path)


# ref: DMP-F21
async def test_with_the_archive_of_a_record_the_box_of_its_holder_is_emptied(
    place: Place, database: Database, vault: Vault, clock: FixedClock
) -> None:
    marie, patient = await place.add("marie"), await place.add_patient()
    for number in range(3):
        await place.send(marie, patient_address(patient), subject=f"Lettre {number}")

    def held(owner_id: int) -> int:
        return database.read_now(
            lambda c: c.execute(select(func.count()).where(mail.c.owner_id == owner_id)).scalar_one()
        )

    kept = held(marie.owner_id)
    assert held(patient.owner_id) == 3
    now = clock.millis()
    await database.write(
        lambda uow: closing.change_state(uow, patient.ins, PatientState.CLOSED, "patient:1", now)
    )
    await database.write(partial(closing.ask_deletion, owner_id=patient.owner_id, actor="p", now=now))
    timers = Timers(database, vault, clock, empty)
    assert await timers.look() == 0
    assert held(patient.owner_id) == 3
    clock.advance(timedelta(days=31))
    assert await timers.look() == 1
    assert held(patient.owner_id) == 0
    assert database.read_now(lambda c: list_conversations(c, patient.owner_id)) == []
    assert held(marie.owner_id) == kept, "what others have stays with them"
    blobs = database.read_now(lambda c: c.execute(select(func.count()).select_from(blob)).scalar_one())
    assert blobs == kept
