"""kill -9 in the middle of deliveries: nothing is lost, and nothing arrives twice but what was on its way."""

from __future__ import annotations

import asyncio
import json
import random
import re
import signal
import sys
from collections import Counter
from typing import TYPE_CHECKING

from tests.mailserver.outbound.house import PEER, House
from tests.mailserver.place import DOMAIN, Place

if TYPE_CHECKING:
    from pathlib import Path

    from tests.mailserver.outbound.peer import Session
    from tests.mailserver.smtp.trusted import Papers

MESSAGES = 300
CRASHES = 4
CONNECTIONS = 4
CHANCE = random.Random()
FAILED = re.compile(r"Final-Recipient: rfc822; (\S+)\r\nAction: failed")


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


async def test_each_refused_recipient_is_reported_once_however_often_the_sender_is_killed(
    papers: Papers, tmp_path: Path
) -> None:
    messages = 120

    async def judge(_: Session, line: str) -> str:
        if CHANCE.random() < 0.2:
            await asyncio.sleep(CHANCE.random() * 0.03)
        return "550 5.1.1 nobody" if "nobody" in line else "250 2.1.5 ok"

    async with House.open(papers, tmp_path, connections_per_domain=CONNECTIONS) as house:
        place = Place(house.database, house.vault, house.clock, tmp_path)
        anne = await place.add("anne")
        for number in range(messages):
            to = (f"nobody{number}@{PEER}", f"nobody-else{number}@{PEER}", f"box{number}@{PEER}")
            await house.queue(*to, sender=anne.address)
        file = tmp_path / "settings.json"
        settings = house.settings.model_dump(mode="json")
        file.write_text(json.dumps({**settings, "domains": [*settings["domains"], DOMAIN]}))
        async with house.peer(RCPT=judge) as peer:
            for _ in range(CRASHES):
                process = await sender(file)
                await peer.has(min(len(peer.received) + CHANCE.randint(5, 20), messages - 1))
                process.send_signal(signal.SIGKILL)
                await process.wait()
            process = await sender(file)
            assert await asyncio.wait_for(process.wait(), 120) == 0
        reports = [each.content.decode() for each in await place.kept(anne.owner_id)]
        told = Counter(found for each in reports for found in FAILED.findall(each))
        assert set(told) == {
            f"{who}{number}@{PEER}" for who in ("nobody", "nobody-else") for number in range(messages)
        }
        assert set(told.values()) == {1}
        assert len(reports) == messages
