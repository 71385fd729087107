"""The way of queued messages, from the table to another operator's server."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.mailserver.outbound.house import PEER, SENT

if TYPE_CHECKING:
    from tests.mailserver.outbound.house import House


async def test_a_queued_message_arrives_and_leaves_nothing_behind(house: House) -> None:
    async with house.peer() as peer, house.dispatching():
        await house.queue(f"bob@{PEER}")
        await house.tally.reaches("sent", 1)
    assert [received.content for received in peer.received] == [SENT]
    assert peer.received[0].rcpt == (f"RCPT TO:<bob@{PEER}>",)
    assert await house.is_empty()
    assert await house.trail() == [("message.sent", "sent", "queue:Q1")]
