"""Mail for a box that is full: refused before it comes, and again where it was filled meanwhile."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from mailserver.envelope import Accepted, Refused
from mailserver.refusals import MAILBOX_FULL
from mailserver.store import quota
from tests.mailserver.place import Place, principal_of

if TYPE_CHECKING:
    from pathlib import Path

    from directory.bals import Bal
    from foundation.clock import FixedClock
    from foundation.database import Database
    from foundation.vault import Vault


@pytest.fixture
async def place(database: Database, vault: Vault, clock: FixedClock, tmp_path: Path) -> Place:
    return Place(database, vault, clock, tmp_path, quota={"messages": 2})


async def refusal(place: Place, sender: Bal, to: Bal) -> object:
    return await place.rules.recipient(principal_of(sender), sender.address, to.address)


# ref: F47
async def test_a_box_takes_mail_until_it_holds_what_it_may(place: Place) -> None:
    marie, paul = await place.add("marie"), await place.add("paul")
    for number in range(2):
        assert await refusal(place, marie, paul) is None
        sent = await place.send(marie, paul.address, message_id=f"<{number}@x.fr>")
        assert isinstance(sent, Accepted)
    assert await refusal(place, marie, paul) is MAILBOX_FULL
    refused = await place.send(marie, paul.address, message_id="<3@x.fr>")
    assert refused == Refused(MAILBOX_FULL, paul.address)
    assert len(await place.kept(paul.owner_id)) == 2


async def test_the_message_that_goes_beyond_the_limit_is_taken_whole(place: Place) -> None:
    marie, paul = await place.add("marie"), await place.add("paul")
    await place.database.write(lambda uow: quota.set_limits(uow, paul.owner_id, 100, None))
    assert isinstance(await place.send(marie, paul.address), Accepted)
    assert await refusal(place, marie, paul) is MAILBOX_FULL


async def test_a_limit_of_its_own_goes_before_that_of_the_settings(place: Place) -> None:
    marie, paul = await place.add("marie"), await place.add("paul")
    await place.database.write(lambda uow: quota.set_limits(uow, paul.owner_id, None, 0))
    for number in range(3):
        assert isinstance(await place.send(marie, paul.address, message_id=f"<{number}@x.fr>"), Accepted)


# ref: F47
async def test_others_get_the_message_and_its_sender_is_told(place: Place) -> None:
    marie, paul, lea = await place.add("marie"), await place.add("paul"), await place.add("lea")
    await place.database.write(lambda uow: quota.set_limits(uow, paul.owner_id, 1, 0))
    await place.send(marie, paul.address, message_id="<1@x.fr>")
    assert isinstance(await place.send(marie, paul.address, lea.address, message_id="<2@x.fr>"), Accepted)
    assert len(await place.kept(paul.owner_id)) == 1
    assert len(await place.kept(lea.owner_id)) == 1
    [report] = await place.kept(marie.owner_id)
    assert b"5.2.2" in report.content
    assert b"pleine" in report.content


async def test_a_report_reaches_a_full_box(place: Place) -> None:
    marie, paul, lea = await place.add("marie"), await place.add("paul"), await place.add("lea")
    await place.database.write(lambda uow: quota.set_limits(uow, marie.owner_id, 0, 1))
    await place.send(lea, marie.address, message_id="<1@x.fr>")
    await place.database.write(lambda uow: quota.set_limits(uow, paul.owner_id, 0, 1))
    await place.send(lea, paul.address, message_id="<2@x.fr>")
    await place.send(marie, paul.address, lea.address, message_id="<3@x.fr>")
    assert len(await place.kept(marie.owner_id)) == 2


async def test_patients_have_no_limit(place: Place) -> None:
    marie = await place.add("marie")
    patient = await place.add_patient()
    to = f"{patient.ins}@patient.mssante.fr"
    for number in range(3):
        assert isinstance(await place.send(marie, to, message_id=f"<{number}@x.fr>"), Accepted)
    assert len(await place.kept(patient.owner_id)) == 3
