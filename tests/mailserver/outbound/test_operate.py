"""The operator's hands in the queue, from another process than the one that sends."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

import pytest

from foundation.database import Database
from mailserver.delivery.notify import Action
from mailserver.outbound import operate
from mailserver.outbound.schedule import Schedule
from mailserver.outbound.settlement import AlreadySettled, Settler
from mailserver.outbound.sweeper import Sweeper
from mailserver.refusals import DROPPED_BY_OPERATOR, PEER_DEFERRED, UNREACHABLE
from tests.mailserver.outbound.house import PEER, SENDER, House, recipient

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.mailserver.outbound.peer import Session

BOB, CAT = f"bob@{PEER}", f"cat@{PEER}"
OTHER = "autre.mssante.fr"


@contextlib.asynccontextmanager
async def elsewhere(house: House) -> AsyncIterator[Database]:
    """The same database in another process, which wakes nobody here."""
    opened = await Database.open(f"sqlite:///{house.settings.home / 'test.db'}")
    try:
        yield opened
    finally:
        await opened.close()


async def drop(house: House, database: Database, queue_id: str) -> int:
    keys = await database.write(lambda uow: operate.mark_dropped(uow, queue_id, house.clock))
    schedule = Schedule(house.settings.outbound)
    settler = Settler(database, house.vault, house.clock, house.settings, schedule, house.notes)
    return await Sweeper(database, house.clock, schedule, settler, "main").drop(keys)


async def test_the_list_says_where_everything_stands_without_an_address(house: House) -> None:
    house.enlist(OTHER)
    async with house.peer():
        pass
    async with house.peer(OTHER, MAIL=f"451 4.3.0 <{SENDER}> come back later"), house.dispatching():
        await house.queue(BOB, CAT, f"x@{OTHER}")
        await house.tally.reaches("deferred", 2, UNREACHABLE.code)
        await house.tally.reaches("deferred", 1, PEER_DEFERRED.code)
    here, other = sorted(
        await house.database.read(operate.list_queued), key=lambda each: each.domain, reverse=True
    )
    assert (here.queue_id, here.domain, here.recipients, here.attempts) == ("Q1", PEER, 2, 1)
    assert here.code == UNREACHABLE.code
    assert here.next_at > house.clock.millis()
    assert (other.domain, other.recipients, other.code) == (OTHER, 1, PEER_DEFERRED.code)
    for each in (here, other):
        assert "@" not in repr(each)
    only = await house.database.read(lambda connection: operate.list_queued(connection, domain=OTHER))
    assert only == [other]
    found = await house.database.read(lambda connection: operate.recipients_of(connection, "Q1"))
    assert {each.address for each in found} == {BOB, CAT, f"x@{OTHER}"}


async def test_what_waits_behind_a_dead_host_shows_the_cause_of_the_host(house: House) -> None:
    async with house.peer():
        pass
    async with house.dispatching():
        await house.queue(BOB)
        await house.queue(CAT)
        await house.tally.reaches("deferred", 1, UNREACHABLE.code)
    rows = await house.database.read(operate.list_queued)
    assert [row.code for row in rows] == [UNREACHABLE.code] * 2
    assert sorted(row.attempts for row in rows) == [0, 1]
    assert all(row.next_at > house.clock.millis() for row in rows)


@pytest.mark.parametrize("which", ["message", "domain", "all"])
async def test_a_retry_from_another_process_is_seen_without_a_wake_up(house: House, which: str) -> None:
    async with house.peer():
        pass
    async with house.dispatching(), elsewhere(house) as database:
        await house.queue(BOB)
        await house.tally.reaches("deferred", 1, UNREACHABLE.code)
        async with house.peer():
            how = {
                "message": lambda uow: operate.retry_message(uow, "Q1", house.clock),
                "domain": lambda uow: operate.retry_domain(uow, PEER, house.clock),
                "all": lambda uow: operate.retry_all(uow, house.clock),
            }[which]
            assert await database.write(how) == 1
            await house.tally.reaches("sent", 1)


async def test_a_retry_of_nothing_says_so(house: House) -> None:
    assert await house.database.write(lambda uow: operate.retry_message(uow, "Q9", house.clock)) == 0
    assert await house.database.write(lambda uow: operate.retry_domain(uow, PEER, house.clock)) == 0
    assert await house.database.write(lambda uow: operate.mark_dropped(uow, "Q9", house.clock)) == []


async def test_a_dropped_message_is_gone_and_its_sender_told(house: House) -> None:
    await house.queue(BOB, recipient(CAT, "NEVER"))
    async with elsewhere(house) as database:
        assert await drop(house, database, "Q1") == 1
    (notice,) = house.notes.put_in
    assert notice.action is Action.FAILED
    assert [(told.address, told.refusal) for told in notice.recipients] == [(BOB, DROPPED_BY_OPERATOR)]
    assert await house.is_empty()
    async with house.peer() as peer, house.dispatching():
        await house.queue(CAT)
        await house.tally.reaches("sent", 1)
    assert len(peer.received) == 1


async def test_a_message_dropped_while_it_is_sent_is_dropped_once_it_was_not_taken(house: House) -> None:
    asked, may_end = asyncio.Event(), asyncio.Event()

    async def wait(_: Session, __: str) -> str:
        asked.set()
        await may_end.wait()
        return "451 4.3.0 later"

    async with house.peer(END=wait) as peer, house.dispatching(), elsewhere(house) as database:
        await house.queue(BOB)
        await asked.wait()
        assert await drop(house, database, "Q1") == 0
        (row,) = await house.database.read(operate.list_queued)
        assert row.state == "dropped"
        may_end.set()
        await house.tally.reaches("bounced", 1, DROPPED_BY_OPERATOR.code)
    assert not peer.received
    assert await house.is_empty()


async def test_a_message_dropped_too_late_has_arrived(house: House) -> None:
    asked, may_end = asyncio.Event(), asyncio.Event()

    async def wait(_: Session, __: str) -> str:
        asked.set()
        await may_end.wait()
        return "250 2.0.0 queued"

    async with house.peer(END=wait), house.dispatching(), elsewhere(house) as database:
        await house.queue(BOB)
        await asked.wait()
        assert await drop(house, database, "Q1") == 0
        may_end.set()
        await house.tally.reaches("sent", 1)
    assert not house.notes.put_in
    assert await house.is_empty()


async def test_an_end_that_is_written_twice_changes_nothing(house: House) -> None:
    """Two messages with one body: the second end of the first must not free the body of the other."""
    from mailserver.outbound.claims import claim_these
    from mailserver.outbound.sweeper import dropped

    await house.queue(BOB)
    await house.queue(CAT)
    rows = await house.deliveries()
    keys = [(row["message_id"], row["domain"]) for row in rows]
    schedule = Schedule(house.settings.outbound)
    settler = Settler(house.database, house.vault, house.clock, house.settings, schedule, house.notes)
    first, _ = await house.database.write(lambda uow: claim_these(uow, keys, "main"))
    await settler.settle(first, dropped(first))
    with pytest.raises(AlreadySettled):
        await settler.settle(first, dropped(first))
    assert house.notes.discarded == 1
    async with house.peer() as peer, house.dispatching():
        await house.tally.reaches("sent", 1)
    assert len(peer.received) == 1


async def test_what_the_operator_did_is_in_the_trail(house: House) -> None:
    from foundation import trail

    await house.queue(BOB)
    await house.database.write(lambda uow: operate.retry_domain(uow, PEER, house.clock))
    await drop(house, house.database, "Q1")
    rows = await house.database.read(lambda connection: trail.last_rows(connection, 10))
    told = [(row.action, row.actor, row.subject) for row in rows]
    assert ("queue.retried", "operator", "queue:domain") in told
    assert ("queue.dropped", "operator", "queue:Q1") in told
    assert ("message.bounced", "system", "queue:Q1") in told
    assert all("@" not in row.detail for row in rows)
