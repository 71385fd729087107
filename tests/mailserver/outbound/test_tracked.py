"""What other operators do with a message is in its sender's history when they have done it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from mailserver.refusals import PEER_DEFERRED, PEER_REFUSED, PEER_WITHOUT_TLS
from mailserver.tracking import journal, view
from mailserver.tracking.journal import Addressee, Submitted
from mailserver.tracking.tables import Awaited
from mailserver.tracking.view import Recipient, Stage
from tests.mailserver.outbound.house import PEER, House
from tests.mailserver.outbound.test_settlement import judge

if TYPE_CHECKING:
    from foundation.database import UnitOfWork

BOB, CAT, DAN = (f"{each}@{PEER}" for each in ("bob", "cat", "dan"))
BOTH = Awaited.DELIVERY | Awaited.DISPOSITION


async def queued(house: House, *to: str, awaits: Awaited = BOTH) -> str:
    """A message on its way, with the history that its delivery wrote."""
    queue_id = await house.queue(*to)
    now = house.clock.millis()

    def unit(uow: UnitOfWork) -> None:
        owner_id = house.vault.create_owner(uow)
        message = Submitted(
            owner_id, queue_id, "<m@x>", None, "Bonjour", 1, now, now, "", judged=True, due_at=None
        )
        journal.submitted(uow, message, [Addressee(each, awaits=awaits, queued_at=now) for each in to])

    await house.database.write(unit)
    return queue_id


async def recipients(house: House, queue_id: str) -> dict[str, Recipient]:
    [found] = await house.database.read(lambda connection: view.find(connection, queue_id))
    return {each.address: each for each in found.recipients}


async def test_each_recipient_has_the_fate_the_server_gave_it(house: House) -> None:
    async with house.peer(RCPT=judge), house.dispatching():
        queue_id = await queued(house, BOB, CAT, DAN)
        await house.tally.reaches("deferred", 1, PEER_DEFERRED.code)
    found = await recipients(house, queue_id)
    assert {who: each.stage for who, each in found.items()} == {
        BOB: Stage.ACCEPTED,
        CAT: Stage.FAILED,
        DAN: Stage.DELAYED,
    }
    assert (found[CAT].code, found[CAT].reply) == (PEER_REFUSED.code, "550 5.1.1 cat is unknown")
    assert (found[DAN].code, found[DAN].reply) == (PEER_DEFERRED.code, "450 4.2.2 dan is full")
    assert (found[BOB].code, found[BOB].reply) == (None, None)
    assert found[BOB].server is not None
    assert [each for each in found.values() if each.is_awaited] == [found[BOB], found[DAN]]


async def test_who_was_late_and_is_taken_is_not_late_any_more(house: House) -> None:
    async with house.peer(MAIL="451 4.3.0 later"), house.dispatching():
        queue_id = await queued(house, BOB)
        await house.tally.reaches("deferred", 1, PEER_DEFERRED.code)
    assert (await recipients(house, queue_id))[BOB].stage is Stage.DELAYED
    house.later(minutes=2)
    async with house.peer(), house.dispatching():
        await house.tally.reaches("sent", 1)
    found = (await recipients(house, queue_id))[BOB]
    assert [event.stage for event in found.events] == [Stage.QUEUED, Stage.DELAYED, Stage.ACCEPTED]
    assert (found.stage, found.code, found.reply) == (Stage.ACCEPTED, None, None)


@pytest.mark.parametrize(("extensions", "is_awaited"), [((), False), (("DSN",), True)])
async def test_a_server_that_confirms_nothing_is_not_waited_for(
    house: House, extensions: tuple[str, ...], is_awaited: bool
) -> None:
    async with house.peer(extensions=extensions), house.dispatching():
        queue_id = await queued(house, BOB, awaits=Awaited.DELIVERY)
        await house.tally.reaches("sent", 1)
    assert (await recipients(house, queue_id))[BOB].is_awaited is is_awaited


async def test_what_we_saw_on_the_way_is_not_told(house: House) -> None:
    async with house.peer(EHLO="250 mail.example"), house.dispatching():
        queue_id = await queued(house, BOB)
        await house.tally.reaches("bounced", 1, PEER_WITHOUT_TLS.code)
    found = (await recipients(house, queue_id))[BOB]
    assert (found.stage, found.code, found.reply) == (Stage.FAILED, PEER_WITHOUT_TLS.code, None)
