"""The way of queued messages, from the tables to another operator's server and out of the tables."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from foundation.vault import blob
from mailserver.delivery.notify import Action
from mailserver.outbound.outcome import Failure
from mailserver.outbound.tables import Stage, outbound_delivery
from mailserver.refusals import (
    BARE_LINE_END,
    INTERNAL,
    NO_MAIL_SERVER,
    PEER_DEFERRED,
    PEER_REFUSED,
    QUEUE_EXPIRED,
    UNREACHABLE,
)
from tests.mailserver.outbound.house import LETTER, PEER, SENDER, SENT, House, recipient

if TYPE_CHECKING:
    from pathlib import Path

    from tests.mailserver.outbound.peer import Session
    from tests.mailserver.smtp.trusted import Papers

BOB, CAT, DAN = (f"{each}@{PEER}" for each in ("bob", "cat", "dan"))
OTHER = "autre.mssante.fr"


async def test_a_queued_message_arrives_and_leaves_nothing_behind(house: House) -> None:
    async with house.peer() as peer, house.dispatching():
        await house.queue(BOB)
        await house.tally.reaches("sent", 1)
    assert [received.content for received in peer.received] == [SENT]
    assert peer.received[0].rcpt == (f"RCPT TO:<{BOB}>",)
    assert await house.is_empty()
    assert await house.trail() == [("message.sent", "sent", "queue:Q1")]
    assert not house.notes.put_in


async def test_what_was_queued_before_the_start_is_sent_too(house: House) -> None:
    await house.queue(BOB)
    async with house.peer() as peer, house.dispatching():
        await house.tally.reaches("sent", 1)
    assert len(peer.received) == 1


async def test_a_large_message_comes_out_of_the_vault_in_pieces(house: House) -> None:
    import random

    noise = random.Random(3).randbytes(400_000).hex().encode()
    content = LETTER + b"\r\n".join(noise[at : at + 70] for at in range(0, len(noise), 70)) + b"\r\n"
    async with house.peer() as peer, house.dispatching():
        await house.queue(BOB, content=content)
        await house.tally.reaches("sent", 1)
    assert peer.received[0].content == content.partition(b"\r\n")[2]
    assert await house.is_empty()


async def test_the_body_stays_until_the_last_domain_is_done(house: House) -> None:
    house.enlist(OTHER)
    async with house.peer() as peer, house.peer(OTHER, MAIL="451 4.3.0 later") as other, house.dispatching():
        await house.queue(BOB, f"x@{OTHER}")
        await house.tally.reaches("sent", 1)
        await house.tally.reaches("deferred", 1, PEER_DEFERRED.code)
        assert await house.waiting() == [f"x@{OTHER}"]
        assert len(await house.rows(blob)) == 1
        other.answers.clear()
        house.later(minutes=2)
        await house.tally.reaches("sent", 2)
    assert len(peer.received) == len(other.received) == 1
    assert await house.is_empty()


async def test_two_queued_messages_with_one_body_do_not_lose_it(house: House) -> None:
    await house.queue(BOB)
    await house.queue(CAT)
    async with house.peer(), house.dispatching():
        await house.tally.reaches("sent", 2)
    assert await house.is_empty()


# Answers of the server


async def test_each_recipient_is_settled_by_its_own_answer(house: House) -> None:
    async def judge(_: Session, line: str) -> str:
        if "cat" in line:
            return "550 5.1.1 cat is unknown"
        return "450 4.2.2 dan is full" if "dan" in line else "250 2.1.5 ok"

    async with house.peer(RCPT=judge) as peer, house.dispatching():
        await house.queue(BOB, CAT, DAN, envid="E1", ret="HDRS")
        await house.tally.reaches("deferred", 1, PEER_DEFERRED.code)
        assert await house.waiting() == [DAN]
        peer.answers.clear()
        house.later(minutes=2)
        await house.tally.reaches("sent", 2)
    assert [received.rcpt for received in peer.received] == [(f"RCPT TO:<{BOB}>",), (f"RCPT TO:<{DAN}>",)]
    assert await house.trail() == [
        ("message.sent", "sent", "queue:Q1"),
        ("message.bounced", PEER_REFUSED.code, "queue:Q1"),
        ("message.deferred", PEER_DEFERRED.code, "queue:Q1"),
        ("message.sent", "sent", "queue:Q1"),
    ]
    (notice,) = house.notes.put_in
    assert notice.action is Action.FAILED
    assert (notice.to, notice.queue_id, notice.envid, notice.ret) == (SENDER, "Q1", "E1", "HDRS")
    (told,) = notice.recipients
    assert (told.address, told.refusal, told.reply) == (CAT, PEER_REFUSED, "550 5.1.1 cat is unknown")
    assert told.server == "127.0.0.1"
    assert notice.content == LETTER
    assert await house.is_empty()


async def test_those_who_were_too_many_go_at_once_in_the_next_transaction(house: House) -> None:
    async def judge(session: Session, line: str) -> str:
        return "250 ok" if len(session.rcpt) < 2 else "452 4.5.3 too many recipients"

    async with house.peer(RCPT=judge) as peer, house.dispatching():
        await house.queue(*(f"box{number}@{PEER}" for number in range(5)))
        await house.tally.reaches("sent", 5)
    assert [len(received.rcpt) for received in peer.received] == [2, 2, 1]


async def test_a_message_put_off_keeps_no_other_back(house: House) -> None:
    async def judge(_: Session, line: str) -> str:
        return "451 4.7.1 greylisted" if "bob" in line else "250 ok"

    async with house.peer(RCPT=judge) as peer, house.dispatching():
        await house.queue(BOB)
        await house.tally.reaches("deferred", 1, PEER_DEFERRED.code)
        await house.queue(CAT)
        await house.tally.reaches("sent", 1)
    assert len(peer.received) == 1
    assert (await house.domains())[PEER]["failures"] == 0


# Times


async def test_the_wait_doubles_up_to_its_longest_with_a_fifth_of_chance(
    papers: Papers, tmp_path: Path
) -> None:
    async with (
        House.open(papers, tmp_path, first_retry_seconds=100, longest_retry_seconds=700) as house,
        house.peer(MAIL="451 4.3.0 later"),
        house.dispatching(),
    ):
        await house.queue(BOB)
        waits = []
        for attempt in range(1, 7):
            await house.tally.reaches("deferred", attempt, PEER_DEFERRED.code)
            (row,) = await house.deliveries()
            assert row["attempts"] == attempt
            waits.append((row["next_at"] - house.clock.millis()) / 1000)
            house.later(seconds=waits[-1] + 1)
    for wait, expected in zip(waits, [100, 200, 400, 700, 700, 700], strict=True):
        assert expected * 0.8 <= wait <= expected * 1.2
    assert len({wait / expected for wait, expected in zip(waits[3:], [700] * 3, strict=True)}) == 3


async def test_a_dead_host_is_tried_once_for_all_that_waits(house: House) -> None:
    async with house.peer():
        pass  # gone, its port closed
    async with house.dispatching():
        for _ in range(20):
            await house.queue(BOB)
        await house.tally.reaches("deferred", 1, UNREACHABLE.code)
        row = (await house.domains())[PEER]
        assert row["failures"] == 1
        assert 48_000 <= row["next_at"] - house.clock.millis() <= 72_000
        assert sum(row["attempts"] for row in await house.deliveries()) == 1
        house.later(seconds=73)
        await house.tally.reaches("deferred", 2, UNREACHABLE.code)
        row = (await house.domains())[PEER]
        assert row["failures"] == 2
        assert 96_000 <= row["next_at"] - house.clock.millis() <= 144_000
        async with house.peer():
            house.later(seconds=145)
            await house.tally.reaches("sent", 20)
        assert (await house.domains())[PEER]["failures"] == 0
    assert house.tally.counts["deferred", UNREACHABLE.code] == 2
    assert await house.is_empty()


async def test_a_connection_that_breaks_puts_off_one_message_and_the_third_one_the_domain(
    house: House,
) -> None:
    async def hang_up(session: Session, _: str) -> None:
        session.hang_up()

    async with house.peer(END=hang_up) as peer, house.dispatching():
        for number in range(5):
            await house.queue(f"box{number}@{PEER}")
        await house.tally.reaches("deferred", 3, UNREACHABLE.code)
        assert peer.connections == 3
        assert (await house.domains())[PEER]["failures"] == 1
        assert sum(row["attempts"] for row in await house.deliveries()) == 3


async def test_a_reused_connection_that_the_server_closed_costs_nothing(house: House) -> None:
    """Between two messages a server may hang up whenever it likes."""
    closed = asyncio.Event()

    async def once(session: Session, line: str) -> str | None:
        if session.number == 1 and session.peer.received:
            session.hang_up()
            closed.set()
            return None
        return "250 ok"

    async with house.peer(MAIL=once) as peer, house.dispatching():
        await house.queue(BOB)
        await peer.has(1)
        await house.queue(CAT)
        await house.tally.reaches("sent", 2)
    assert closed.is_set()
    assert peer.connections == 2
    assert house.tally.counts.total() == 2


async def test_messages_in_a_row_share_a_connection(house: House) -> None:
    async with house.peer() as peer, house.dispatching():
        for number in range(4):
            await house.queue(BOB)
            await house.tally.reaches("sent", number + 1)
    assert peer.connections == 1


async def test_a_connection_carries_a_hundred_messages_and_no_more(papers: Papers, tmp_path: Path) -> None:
    async with House.open(papers, tmp_path, connections_per_domain=1) as house:
        for _ in range(150):
            await house.queue(BOB)
        async with house.peer() as peer, house.dispatching():
            await house.tally.reaches("sent", 150)
        assert [sum(received.connection == number for received in peer.received) for number in (1, 2)] == [
            100,
            50,
        ]
        assert peer.connections == 2


async def test_many_messages_get_several_connections_but_not_more_than_allowed(
    papers: Papers, tmp_path: Path
) -> None:
    async with House.open(papers, tmp_path, connections_per_domain=3) as house:
        for _ in range(120):
            await house.queue(BOB)
        async with house.peer() as peer, house.dispatching():
            await house.tally.reaches("sent", 120)
        assert peer.most_open == 3


async def test_a_server_that_takes_one_connection_gets_everything_over_that(house: House) -> None:
    async def only_one(session: Session, _: str) -> str:
        return "220 mail.example" if session.number == 1 else "421 4.7.0 too many connections"

    for _ in range(30):
        await house.queue(BOB)
    async with house.peer(GREETING=only_one) as peer, house.dispatching():
        await house.tally.reaches("sent", 30)
    assert house.tally.counts.total() == 30
    assert (await house.domains())[PEER]["failures"] == 0
    assert peer.connections <= 3


# Telling the sender


def ends_of(whose: Any, method: str) -> asyncio.Event:
    """Set once that method has returned."""
    ended = asyncio.Event()
    original = getattr(whose, method)

    async def watched(*arguments: Any) -> None:
        await original(*arguments)
        ended.set()

    setattr(whose, method, watched)
    return ended


async def test_the_sender_is_told_once_of_a_delay_and_once_of_the_end(house: House) -> None:
    async with house.peer(MAIL="451 4.3.0 come back later") as peer, house.dispatching():
        await house.queue(BOB)
        await house.tally.reaches("deferred", 1, PEER_DEFERRED.code)
        house.later(minutes=61)
        await house.tally.reaches("deferred", 2, PEER_DEFERRED.code)
        await house.notes.reach(1)
        assert [row["stage"] for row in await house.deliveries()] == [Stage.WARNED]
        (late,) = house.notes.put_in
        assert late.action is Action.DELAYED
        assert late.recipients[0].reply == "451 4.3.0 come back later"
        assert late.retried_until == late.arrived_at + 48 * 3_600_000
        house.later(hours=24)
        await house.tally.reaches("deferred", 3, PEER_DEFERRED.code)
        assert len(house.notes.put_in) == 1
        house.later(hours=25)
        await house.tally.reaches("bounced", 1, QUEUE_EXPIRED.code)
    failed = house.notes.put_in[1]
    assert failed.action is Action.FAILED
    told = failed.recipients[0]
    assert told.refusal is not None
    assert told.refusal.code == QUEUE_EXPIRED.code
    assert PEER_DEFERRED.sentence[1:] in told.refusal.sentence
    assert told.reply == "451 4.3.0 come back later"
    assert peer.connections
    assert await house.is_empty()


async def test_what_waits_behind_a_dead_host_is_warned_about_and_given_up_too(house: House) -> None:
    async with house.peer():
        pass
    async with house.dispatching():
        for _ in range(3):
            await house.queue(BOB)
        await house.tally.reaches("deferred", 1, UNREACHABLE.code)
        house.later(minutes=61)
        await house.notes.reach(3)
        assert {notice.action for notice in house.notes.put_in} == {Action.DELAYED}
        assert {notice.recipients[0].refusal for notice in house.notes.put_in} == {UNREACHABLE}
        house.later(hours=48)
        await house.tally.reaches("bounced", 3, QUEUE_EXPIRED.code)
    assert await house.is_empty()


async def test_after_a_long_stop_each_message_gets_its_turn_before_it_is_given_up(house: House) -> None:
    await house.queue(BOB)
    house.later(hours=100)
    async with house.peer() as peer, house.dispatching():
        await house.tally.reaches("sent", 1)
    assert len(peer.received) == 1
    assert not house.notes.put_in


@pytest.mark.parametrize(
    ("notify", "failed", "late"),
    [
        ((), True, True),
        (("NEVER",), False, False),
        (("FAILURE",), True, False),
        (("DELAY",), False, True),
        (("SUCCESS",), False, False),
    ],
)
async def test_the_sender_hears_what_it_asked_to_hear(
    house: House, notify: tuple[str, ...], failed: bool, late: bool
) -> None:
    async with house.peer(MAIL="451 4.3.0 later") as peer, house.dispatching() as dispatcher:
        warned = ends_of(dispatcher._tools.settler, "warn")
        await house.queue(recipient(BOB, *notify, orcpt="rfc822;bob"))
        await house.tally.reaches("deferred", 1, PEER_DEFERRED.code)
        house.later(minutes=61)
        await warned.wait()
        assert [row["stage"] for row in await house.deliveries()] == [Stage.WARNED]
        peer.answers["MAIL"] = "550 5.7.1 no"
        house.later(hours=2)
        await house.tally.reaches("bounced", 1, PEER_REFUSED.code)
    wanted = [Action.DELAYED] * late + [Action.FAILED] * failed
    assert [notice.action for notice in house.notes.put_in] == wanted
    assert all(notice.recipients[0].orcpt == "rfc822;bob" for notice in house.notes.put_in)
    assert await house.is_empty()


async def test_success_is_told_by_us_where_the_server_will_not(house: House) -> None:
    async with house.peer(extensions=()) as peer, house.dispatching():
        await house.queue(recipient(BOB, "SUCCESS"), recipient(CAT))
        await house.tally.reaches("sent", 2)
        peer.extensions = ("DSN",)
    (notice,) = house.notes.put_in
    assert notice.action is Action.RELAYED
    assert [(told.address, told.refusal) for told in notice.recipients] == [(BOB, None)]


async def test_a_server_with_delivery_reports_is_left_to_tell_of_success(house: House) -> None:
    async with house.peer(), house.dispatching():
        await house.queue(recipient(BOB, "SUCCESS"))
        await house.tally.reaches("sent", 1)
    assert not house.notes.put_in


async def test_a_report_that_cannot_be_written_leaves_the_message_where_it_is(house: House) -> None:
    house.notes.error = RuntimeError("no")
    async with house.peer(MAIL="550 5.7.1 no"), house.dispatching():
        await house.queue(BOB)
        await house.tally.reaches("deferred", 1, INTERNAL.code)
        assert await house.waiting() == [BOB]
        house.notes.error = None
        house.later(minutes=2)
        await house.tally.reaches("bounced", 1, PEER_REFUSED.code)
    assert len(house.notes.put_in) == 1
    assert await house.is_empty()


# What goes wrong here


async def test_a_message_that_must_not_go_out_is_returned(house: House) -> None:
    async with house.peer() as peer, house.dispatching():
        await house.queue(BOB, content=b"Subject: x\r\n\r\na\n.\r\n")
        await house.tally.reaches("bounced", 1, BARE_LINE_END.code)
        await house.queue(CAT)
        await house.tally.reaches("sent", 1)
    assert [received.rcpt for received in peer.received] == [(f"RCPT TO:<{CAT}>",)]


async def test_a_lost_body_is_put_off_and_told_of_in_the_end(house: House) -> None:
    await house.queue(BOB)
    await house.database.write(lambda uow: uow.execute(blob.update().values(data=b"\0" * 40)))
    async with house.peer() as peer, house.dispatching():
        await house.tally.reaches("deferred", 1, INTERNAL.code)
        house.later(hours=49)
        await house.tally.reaches("bounced", 1, QUEUE_EXPIRED.code)
    assert not peer.received
    assert house.notes.put_in[-1].content == b""


async def test_a_domain_without_a_server_is_returned_at_once(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def find(*_: object) -> Failure:
        return Failure(NO_MAIL_SERVER)

    monkeypatch.setattr(house.resolver, "find", find)
    async with house.dispatching():
        await house.queue(BOB)
        await house.tally.reaches("bounced", 1, NO_MAIL_SERVER.code)
    assert await house.is_empty()


async def test_rows_that_a_dead_process_had_claimed_are_taken_again(house: House) -> None:
    await house.queue(BOB)
    await house.database.write(lambda uow: uow.execute(outbound_delivery.update().values(claimed_by="main")))
    async with house.peer() as peer, house.dispatching():
        await house.tally.reaches("sent", 1)
    assert len(peer.received) == 1


async def test_rows_that_another_process_changed_are_seen_without_a_wake_up(house: House) -> None:
    async with house.peer(MAIL="451 4.3.0 later") as peer, house.dispatching():
        await house.queue(BOB)
        await house.tally.reaches("deferred", 1, PEER_DEFERRED.code)
        peer.answers.clear()
        await house.database.write(lambda uow: uow.execute(outbound_delivery.update().values(next_at=0)))
        await house.tally.reaches("sent", 1)


async def test_closing_lets_the_message_in_hand_end(house: House) -> None:
    asked, may_end = asyncio.Event(), asyncio.Event()

    async def wait(_: Session, __: str) -> str:
        asked.set()
        await may_end.wait()
        return "250 ok"

    async with house.peer(END=wait) as peer:
        dispatcher = house.dispatcher()
        running = asyncio.create_task(dispatcher.run())
        await house.queue(BOB)
        await asked.wait()
        await house.queue(CAT)
        closing = asyncio.create_task(dispatcher.close(grace=30))
        may_end.set()
        await closing
        await running
    assert len(peer.received) == 1
    assert await house.waiting() == [CAT]


async def test_cancelling_leaves_the_message_in_hand_for_the_next_start(house: House) -> None:
    asked = asyncio.Event()

    async def for_ever(_: Session, __: str) -> str:
        asked.set()
        await asyncio.Event().wait()
        return "never"

    async with house.peer(END=for_ever) as peer:
        running = asyncio.create_task(house.dispatcher().run())
        await house.queue(BOB)
        await asked.wait()
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        peer.answers.clear()
        async with house.dispatching():
            await house.tally.reaches("sent", 1)
    assert len(peer.received) == 1
