"""kill -9 in the middle of deliveries: nothing is lost, and nothing arrives twice but what was on its way."""

from __future__ import annotations

import asyncio
import random
import signal
import sys
from collections import Counter
from typing import TYPE_CHECKING

from tests.mailserver.outbound.house import PEER, House

if TYPE_CHECKING:
    from pathlib import Path

    from tests.mailserver.outbound.peer import Session
    from tests.mailserver.smtp.trusted import Papers

MESSAGES = 300
CRASHES = 4
CONNECTIONS = 4
CHANCE = random.Random()


async def sender(settings: Path) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.mailserver.outbound.sender", str(settings)
    )


async def test_every_message_arrives_and_only_those_in_flight_arrive_twice(
    papers: Papers, tmp_path: Path
) -> None:
    async def now_and_then_late(_: Session, __: str) -> str:
        # So that some are killed between the end of the content and its reply, where it hurts.
        if CHANCE.random() < 0.2:
            await asyncio.sleep(CHANCE.random() * 0.03)
        return "250 2.0.0 queued"

    async with House.open(papers, tmp_path, connections_per_domain=CONNECTIONS) as house:
        wanted = set()
        for number in range(MESSAGES):
            wanted.add(f"RCPT TO:<box{number}@{PEER}>")
            await house.queue(f"box{number}@{PEER}")
        file = tmp_path / "settings.json"
        file.write_text(house.settings.model_dump_json())
        async with house.peer(END=now_and_then_late) as peer:
            for _ in range(CRASHES):
                process = await sender(file)
                await peer.has(min(len(peer.received) + CHANCE.randint(5, 40), MESSAGES - 1))
                process.send_signal(signal.SIGKILL)
                await process.wait()
            process = await sender(file)
            assert await asyncio.wait_for(process.wait(), 120) == 0
        arrived = Counter(received.rcpt[0] for received in peer.received)
        assert set(arrived) == wanted
        assert arrived.total() - MESSAGES <= CRASHES * CONNECTIONS
        assert max(arrived.values()) <= 1 + CRASHES
        assert await house.is_empty()
        sent = [subject for action, _, subject in await house.trail() if action == "message.sent"]
        assert len(sent) == len(set(sent)) == MESSAGES
