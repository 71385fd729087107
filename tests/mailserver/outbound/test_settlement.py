"""What an attempt came to is written once and as it was, whatever goes wrong while it is written."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from mailserver.delivery.notify import Action
from mailserver.outbound import operate
from mailserver.outbound.schedule import Schedule
from mailserver.outbound.settlement import Settler
from mailserver.outbound.sweeper import Sweeper
from mailserver.refusals import DROPPED_BY_OPERATOR, INTERNAL, PEER_DEFERRED, PEER_REFUSED, QUEUE_EXPIRED
from tests.mailserver.outbound.house import PEER, House, recipient

if TYPE_CHECKING:
    from tests.mailserver.outbound.peer import Session

BOB, CAT, DAN = (f"{each}@{PEER}" for each in ("bob", "cat", "dan"))


async def judge(_: Session, line: str) -> str:
    if "cat" in line:
        return "550 5.1.1 cat is unknown"
    return "450 4.2.2 dan is full" if "dan" in line else "250 2.1.5 ok"


async def breaking(house: House, dispatcher: Any, monkeypatch: pytest.MonkeyPatch) -> asyncio.Event:
    """Lets every settlement fail until the event is set."""
    healed = asyncio.Event()
    settler = dispatcher._tools.settler
    write = settler.write

    def fails(uow: Any, settlement: Any) -> None:
        if not healed.is_set():
            house.tally.outbound("broken")
            raise RuntimeError("the disk is full")
        write(uow, settlement)

    monkeypatch.setattr(settler, "write", fails)
    return healed


async def test_who_has_the_message_does_not_get_it_again_because_a_report_failed(house: House) -> None:
    house.notes.error = RuntimeError("no")
    async with house.peer(RCPT=judge) as peer, house.dispatching():
        await house.queue(BOB, CAT, DAN)
        await house.tally.reaches("sent", 1)
        await house.tally.reaches("deferred", 2, INTERNAL.code)
        assert await house.waiting() == [CAT, DAN]
        house.notes.error = None
        house.later(minutes=2)
        await house.tally.reaches("bounced", 1, PEER_REFUSED.code)
        await house.tally.reaches("deferred", 1, PEER_DEFERRED.code)
    assert [received.rcpt for received in peer.received] == [(f"RCPT TO:<{BOB}>",)]
    assert [told.address for notice in house.notes.put_in for told in notice.recipients] == [CAT]


async def test_an_accepted_message_whose_end_could_not_be_written_is_not_sent_again(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with house.peer() as peer, house.dispatching() as dispatcher:
        healed = await breaking(house, dispatcher, monkeypatch)
        await house.queue(BOB)
        await house.tally.reaches("broken", 2)
        healed.set()
        await house.tally.reaches("sent", 1)
    assert len(peer.received) == 1
    assert await house.is_empty()


async def test_an_accepted_message_whose_end_could_not_be_written_is_not_reported_as_dropped(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with house.peer(), house.dispatching() as dispatcher:
        healed = await breaking(house, dispatcher, monkeypatch)
        await house.queue(BOB)
        await house.tally.reaches("broken", 1)
        await house.database.write(lambda uow: operate.mark_dropped(uow, "Q1", house.clock))
        await house.tally.reaches("broken", 2)
        healed.set()
        await house.tally.reaches("sent", 1)
    assert not house.notes.put_in
    assert await house.is_empty()


async def test_one_end_that_cannot_be_written_keeps_no_other_domain_back(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.enlist("autre.mssante.fr")
    async with house.peer(extensions=()), house.peer("autre.mssante.fr") as other, house.dispatching():
        house.notes.error = RuntimeError("no")
        await house.queue(recipient(BOB, "SUCCESS"))
        await asyncio.sleep(0)
        await house.queue("x@autre.mssante.fr")
        await house.tally.reaches("sent", 1)
        assert len(other.received) == 1
        house.notes.error = None
        await house.tally.reaches("sent", 2)
    (notice,) = house.notes.put_in
    assert notice.action is Action.RELAYED


@pytest.mark.parametrize("extensions", [(), ("DSN",)])
async def test_each_sender_hears_of_each_recipient_what_it_asked_when_some_are_served(
    house: House, extensions: tuple[str, ...]
) -> None:
    """Served, refused and put off, each with each NOTIFY; the server tells of success itself where it has DSN."""
    asked: dict[str, tuple[str, ...]] = {
        "none": (),
        "never": ("NEVER",),
        "success": ("SUCCESS",),
        "failure": ("FAILURE",),
        "delay": ("DELAY",),
        "both": ("SUCCESS", "FAILURE"),
        "all": ("SUCCESS", "FAILURE", "DELAY"),
    }
    everybody = [
        recipient(f"{fate}.{word}@{PEER}", *notify)
        for fate in ("bob", "cat", "dan")
        for word, notify in asked.items()
    ]
    async with house.peer(RCPT=judge, extensions=extensions) as peer, house.dispatching():
        await house.queue(*everybody)
        await house.tally.reaches("deferred", 7, PEER_DEFERRED.code)
        house.later(minutes=61)
        await house.tally.reaches("deferred", 14, PEER_DEFERRED.code)
        await house.notes.until(lambda: any(each.action is Action.DELAYED for each in house.notes.put_in))
        house.later(hours=48)
        await house.tally.reaches("bounced", 7, QUEUE_EXPIRED.code)
    told: dict[Action, list[str]] = {}
    for notice in house.notes.put_in:
        told.setdefault(notice.action, []).extend(each.address.split("@")[0] for each in notice.recipients)
    failures = ["all", "both", "failure", "none"]
    assert sorted(told[Action.FAILED]) == [f"{who}.{word}" for who in ("cat", "dan") for word in failures]
    assert sorted(told[Action.DELAYED]) == ["dan.all", "dan.delay", "dan.none"]
    relayed = [] if extensions else ["bob.all", "bob.both", "bob.success"]
    assert sorted(told.get(Action.RELAYED, [])) == relayed
    assert len(peer.received) == 1
    assert await house.is_empty()


async def test_a_drop_that_fails_leaves_the_message_to_the_dispatcher(house: House) -> None:
    schedule = Schedule(house.settings.outbound)
    settler = Settler(house.database, house.vault, house.clock, house.settings, schedule, house.notes)
    sweeper = Sweeper(house.database, house.clock, schedule, settler, "main")
    await house.queue(BOB)
    keys = await house.database.write(lambda uow: operate.mark_dropped(uow, "Q1", house.clock))
    house.notes.error = RuntimeError("no")
    with pytest.raises(RuntimeError):
        await sweeper.drop(keys)
    assert [row["claimed_by"] for row in await house.deliveries()] == [None]
    house.notes.error = None
    async with house.dispatching():
        await house.tally.reaches("bounced", 1, DROPPED_BY_OPERATOR.code)
    assert len(house.notes.put_in) == 1
