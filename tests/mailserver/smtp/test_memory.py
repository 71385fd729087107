from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

import pytest

from mailserver.smtp.budget import MemoryBudget, Reservation
from tests.mailserver.smtp.conftest import Talk, limited, until

if TYPE_CHECKING:
    from tests.mailserver.smtp.conftest import Harbour, RecordingGate


async def test_octets_are_granted_in_the_order_of_asking() -> None:
    budget = MemoryBudget(100)
    assert await budget.reserve(80, 1) == 80
    order: list[str] = []

    async def ask(name: str, amount: int) -> None:
        assert await budget.reserve(amount, 10) == amount
        order.append(name)

    large = asyncio.create_task(ask("large", 90))
    small = asyncio.create_task(ask("small", 10))
    await asyncio.wait([small], timeout=0.01)
    assert order == []
    assert not budget.take(1)
    budget.release(80)
    await asyncio.gather(large, small)
    assert order == ["large", "small"]
    assert budget.free == 0


async def test_who_waits_too_long_goes_without_and_lets_the_next_through() -> None:
    budget = MemoryBudget(100)
    await budget.reserve(50, 1)
    large = asyncio.create_task(budget.reserve(60, 0.01))
    small = asyncio.create_task(budget.reserve(20, 10))
    assert await large == 0
    assert await small == 20
    budget.release(70)
    assert budget.free == 100


async def test_who_is_cancelled_gives_back() -> None:
    budget = MemoryBudget(100)
    await budget.reserve(100, 1)
    waiting = asyncio.create_task(budget.reserve(50, 10))
    granted = asyncio.create_task(budget.reserve(50, 10))
    await asyncio.wait([waiting], timeout=0.01)
    waiting.cancel()
    await asyncio.wait([waiting])
    budget.release(100)
    granted.cancel()  # in the same turn of the loop in which it is granted
    await asyncio.wait([granted])
    assert budget.free == 100


async def test_more_than_there_is_means_all_there_is() -> None:
    budget = MemoryBudget(100)
    with Reservation(budget) as reservation:
        assert await reservation.begin(1000, 1)
        assert reservation.covers(10_000)
        assert budget.free == 0
    assert budget.free == 100


async def test_a_reservation_grows_only_into_what_is_free() -> None:
    budget = MemoryBudget(100)
    with Reservation(budget) as reservation:
        await reservation.begin(50, 1)
        assert reservation.extend(90)
        assert budget.free == 10
        assert not reservation.extend(101)
        reservation.release()
    assert budget.free == 100


async def test_one_holder_has_half_and_holds_up_nobody_else() -> None:
    budget = MemoryBudget(100)
    assert await budget.reserve(30, 1, ("a", "x")) == 30
    assert await budget.reserve(30, 0.01, ("a", "y")) == 0
    assert await budget.reserve(30, 0.01, ("b", "x")) == 0
    waiting = asyncio.create_task(budget.reserve(30, 10, ("a", "x")))
    await asyncio.wait([waiting], timeout=0.01)
    assert await budget.reserve(40, 1, ("b", "y")) == 40
    assert budget.take(30)
    budget.release(30)
    assert not waiting.done()
    budget.release(30, ("a", "x"))
    assert await waiting == 30
    budget.release(30, ("a", "x"))
    budget.release(40, ("b", "y"))
    assert budget.free == 100
    assert not budget._held


async def test_one_message_larger_than_half_goes_alone_among_those_of_its_holder() -> None:
    budget = MemoryBudget(100)
    with Reservation(budget, ("a",)) as large, Reservation(budget, ("a",)) as small:
        assert await large.begin(70, 1)
        assert not await small.begin(1, 0.01)
        assert large.extend(80)
    with Reservation(budget, ("a",)) as one, Reservation(budget, ("a",)) as two:
        assert await one.begin(20, 1)
        assert await two.begin(20, 1)
        assert one.extend(30)
        assert not two.extend(21)
    assert budget.free == 100


@pytest.fixture
def budget() -> MemoryBudget:
    return MemoryBudget(20_000)


POLICY = limited(message_bytes=10_000, unreserved_bytes=1000, memory=0.1)


async def content(talk: Talk, size: int, parameters: str = "") -> None:
    await talk.begin()
    await talk.say(f"MAIL FROM:<a@b.fr>{parameters}")
    await talk.say("RCPT TO:<c@b.fr>")
    await talk.say("DATA")
    await talk.send(b"x" * 98 + b"\r\n")
    await talk.send((b"x" * 98 + b"\r\n") * (size // 100 - 1))


async def test_memory_is_held_until_the_delivery_is_done(
    harbour: Harbour, gate: RecordingGate, budget: MemoryBudget
) -> None:
    listener = await harbour.open(POLICY)
    gate.may_finish.clear()
    async with await Talk.open(listener.port) as talk:
        await content(talk, 3000)
        await talk.send(b".\r\n")
        await gate.started.wait()
        assert budget.free <= 17_000
        gate.may_finish.set()
        assert (await talk.answer()).startswith("250")
        assert (await talk.say("NOOP")).startswith("250")
        assert budget.free == 20_000


@pytest.mark.parametrize(
    ("parameters", "reserved"), [(" SIZE=5000", 5000), ("", 10_000), (" SIZE=2000", 10_000)]
)
async def test_a_large_message_reserves_what_it_declares_or_the_maximum(
    harbour: Harbour, budget: MemoryBudget, parameters: str, reserved: int
) -> None:
    listener = await harbour.open(POLICY)
    async with await Talk.open(listener.port) as talk:
        await content(talk, 3000, parameters)
        await until(lambda: budget.free != 20_000)
        assert budget.free == 20_000 - reserved


async def test_a_small_message_goes_through_while_memory_is_full(
    harbour: Harbour, gate: RecordingGate, budget: MemoryBudget
) -> None:
    listener = await harbour.open(POLICY)
    assert budget.take(20_000)
    async with await Talk.open(listener.port) as talk:
        await content(talk, 1000)
        assert (await talk.say(".")).startswith("250")


async def test_a_large_message_is_deferred_while_memory_is_full(
    harbour: Harbour, gate: RecordingGate, budget: MemoryBudget
) -> None:
    listener = await harbour.open(POLICY)
    assert budget.take(18_000)
    async with await Talk.open(listener.port) as talk:
        await content(talk, 3000)
        assert (await talk.say(".")).startswith("452 4.3.1 ")
        assert (await talk.say("NOOP")).startswith("250")
    assert gate.delivered == []
    assert budget.free == 2000


async def test_a_large_message_waits_for_its_turn(
    harbour: Harbour, gate: RecordingGate, budget: MemoryBudget
) -> None:
    listener = await harbour.open(limited(message_bytes=10_000, unreserved_bytes=1000))
    assert budget.take(18_000)
    async with await Talk.open(listener.port) as talk:
        await content(talk, 3000)
        await talk.send(b".\r\n")
        answer = asyncio.create_task(talk.answer())
        await asyncio.wait([answer], timeout=0.05)
        assert not answer.done()
        budget.release(18_000)
        assert (await answer).startswith("250")


async def test_a_client_that_leaves_gives_its_memory_back(
    harbour: Harbour, gate: RecordingGate, budget: MemoryBudget
) -> None:
    listener = await harbour.open(POLICY)
    talk = await Talk.open(listener.port)
    await content(talk, 3000)
    await until(lambda: budget.free != 20_000)
    talk.writer.transport.abort()
    await harbour.close()
    assert budget.free == 20_000


async def test_one_address_leaves_half_of_the_memory_to_others(
    harbour: Harbour, gate: RecordingGate, budget: MemoryBudget
) -> None:
    listener = await harbour.open(POLICY)
    async with await Talk.open(listener.port) as slow, await Talk.open(listener.port) as second:
        await content(slow, 3000)
        await until(lambda: budget.free == 10_000)
        await content(second, 3000)
        assert (await second.say(".")).startswith("452 4.3.1 ")
        assert await budget.reserve(10_000, 0.1, ("192.0.2.7",)) == 10_000
        budget.release(10_000, ("192.0.2.7",))
        assert (await slow.say(".")).startswith("250")


async def test_content_that_holds_memory_must_come_faster(
    harbour: Harbour, gate: RecordingGate, budget: MemoryBudget
) -> None:
    bounds = {"message_bytes": 10_000, "unreserved_bytes": 1000, "block": 0.3}
    listener = await harbour.open(limited(**bounds, bytes_per_second=1, reserved_bytes_per_second=1_000_000))
    async with await Talk.open(listener.port) as large, await Talk.open(listener.port) as small:
        await content(small, 500)
        await content(large, 3000)
        answer = asyncio.create_task(large.answer())
        while not answer.done():
            await asyncio.wait([answer], timeout=0.05)
            with contextlib.suppress(ConnectionError):
                await small.send(b"drip\r\n")
                await large.send(b"drip\r\n")
        assert answer.result().startswith("421 4.4.2 ")
        await until(lambda: budget.free == 20_000)
        assert (await small.say(".")).startswith("250")
