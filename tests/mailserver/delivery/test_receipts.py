from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from mailserver.delivery.receipts import LIFE_MILLIS, delivery_receipt, digest_of
from mailserver.delivery.router import Router
from mailserver.envelope import Accepted
from tests.mailserver.place import Place, envelope, letter

if TYPE_CHECKING:
    from pathlib import Path

    from directory.bals import Bal
    from foundation.clock import FixedClock
    from foundation.database import Database
    from foundation.vault import Vault
    from mailserver.envelope import Envelope


@pytest.fixture
def place(database: Database, vault: Vault, clock: FixedClock, tmp_path: Path) -> Place:
    return Place(database, vault, clock, tmp_path)


async def two(place: Place) -> tuple[Bal, Envelope]:
    marie, paul = await place.add("marie"), await place.add("paul")
    return paul, envelope(marie, paul.address, content=letter(marie.address, paul.address))


async def deliver(place: Place, sent: Envelope) -> Accepted:
    answer = await place.router.deliver(sent)
    assert isinstance(answer, Accepted)
    return answer


def restarted(place: Place) -> Router:
    return Router(place.database, place.vault, place.clock, place.settings)


async def test_a_retransmission_after_a_crash_is_accepted_without_a_second_copy(place: Place) -> None:
    paul, sent = await two(place)
    await deliver(place, sent)
    again = await restarted(place).deliver(sent)
    assert isinstance(again, Accepted)
    assert again.owners == ()
    assert len(await place.kept(paul.owner_id)) == 1


async def test_a_retransmission_over_a_new_connection_is_accepted_without_a_second_copy(place: Place) -> None:
    paul, sent = await two(place)
    await deliver(place, sent)  # the connection broke before the 250
    await deliver(place, sent)
    assert len(await place.kept(paul.owner_id)) == 1


async def test_once_acknowledged_the_same_bytes_are_a_new_message(place: Place) -> None:
    paul, sent = await two(place)
    for _ in range(3):
        await place.router.acknowledged(await deliver(place, sent))
    assert len(await place.kept(paul.owner_id)) == 3


async def test_a_retransmission_that_was_acknowledged_forgets_the_receipt(place: Place) -> None:
    paul, sent = await two(place)
    await deliver(place, sent)
    router = restarted(place)
    again = await router.deliver(sent)
    assert isinstance(again, Accepted)
    await router.acknowledged(again)
    await router.close()
    assert place.count(delivery_receipt) == 0
    assert isinstance(await router.deliver(sent), Accepted)
    assert len(await place.kept(paul.owner_id)) == 2


async def test_clients_that_send_identical_bytes_at_the_same_time_mean_a_message_each(place: Place) -> None:
    paul, sent = await two(place)

    async def client() -> None:
        for _ in range(5):
            await place.router.acknowledged(await deliver(place, sent))

    await asyncio.gather(*(client() for _ in range(10)))
    assert len(await place.kept(paul.owner_id)) == 50


async def test_after_a_crash_each_of_several_identical_retransmissions_finds_its_own_receipt(
    place: Place,
) -> None:
    paul, sent = await two(place)
    await asyncio.gather(*(place.router.deliver(sent) for _ in range(3)))
    router = restarted(place)
    answers = await asyncio.gather(*(router.deliver(sent) for _ in range(3)))
    assert all(isinstance(answer, Accepted) for answer in answers)
    assert len(await place.kept(paul.owner_id)) == 3


async def test_acknowledged_receipts_go_with_the_next_delivery(place: Place) -> None:
    _, sent = await two(place)
    await place.router.acknowledged(await deliver(place, sent))
    assert place.count(delivery_receipt) == 1
    await place.router.acknowledged(await deliver(place, sent))
    assert place.count(delivery_receipt) == 1


async def test_closing_leaves_no_acknowledged_receipt(place: Place) -> None:
    _, sent = await two(place)
    await place.router.acknowledged(await deliver(place, sent))
    await place.router.close()
    assert place.count(delivery_receipt) == 0


async def test_a_receipt_expires_after_a_day(place: Place) -> None:
    paul, sent = await two(place)
    await deliver(place, sent)
    place.clock.advance(timedelta(milliseconds=LIFE_MILLIS + 1))
    assert isinstance(await restarted(place).deliver(sent), Accepted)
    assert len(await place.kept(paul.owner_id)) == 2


async def test_a_cancelled_delivery_is_either_whole_or_absent_and_never_doubled(place: Place) -> None:
    paul, sent = await two(place)
    task = asyncio.create_task(place.router.deliver(sent))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await deliver(place, sent)
    assert len(await place.kept(paul.owner_id)) == 1


async def test_anything_that_differs_makes_another_message(place: Place) -> None:
    _, sent = await two(place)
    others = [
        envelope("b@ailleurs.fr", *sent.recipients, content=sent.content),
        envelope("", *sent.recipients, content=sent.content),
        envelope(sent.sender, "c@d.fr", content=sent.content),
        envelope(sent.sender, *sent.recipients, content=sent.content + b"\r\n"),
    ]
    assert len({digest_of(one) for one in (sent, *others)}) == 5


def test_the_order_of_recipients_does_not_matter() -> None:
    one = envelope("a@b.fr", "c@d.fr", "e@f.fr", content=b"x")
    other = envelope("a@b.fr", "e@f.fr", "c@d.fr", content=b"x")
    assert digest_of(one) == digest_of(other)
