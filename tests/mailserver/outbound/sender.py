"""A dispatcher in a process of its own, on the loop of the product, to be killed: `python -m tests.mailserver.outbound.sender SETTINGS.json`.

Ends by itself once the queue is empty.
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

import uvloop
from sqlalchemy import func, select

from certs.trust import TrustSpace
from foundation.clock import SystemClock
from foundation.database import Database
from foundation.events import Events
from foundation.settings import Settings
from foundation.vault import Vault
from mailserver.delivery.notify import Reporter
from mailserver.outbound.dispatcher import Dispatcher
from mailserver.outbound.tables import outbound_delivery


class Done:
    """Looks at the queue whenever an attempt has ended."""

    def __init__(self, database: Database) -> None:
        self.event = asyncio.Event()
        self._database = database

    def outbound(self, outcome: str, code: str = "", recipients: int = 1) -> None:
        count = select(func.count()).select_from(outbound_delivery)
        if not self._database.read_now(lambda connection: connection.execute(count).scalar_one()):
            self.event.set()


async def main(file: Path) -> None:
    settings = Settings(**json.loads(file.read_text()))
    clock, events = SystemClock(), Events()
    database = await Database.open(f"sqlite:///{settings.home / 'test.db'}", events=events)
    vault = Vault.open(database, f"file://{settings.home / 'vault'}", settings.home / "master.key")
    trust = await TrustSpace.open(settings, clock)
    done = Done(database)
    reports = Reporter(vault, clock, settings, trust)
    dispatcher = Dispatcher(database, vault, clock, settings, events, trust, reports, done)
    running = asyncio.create_task(dispatcher.run())
    await done.event.wait()
    await dispatcher.close()
    await running
    await vault.settle()
    await database.close()


if __name__ == "__main__":
    uvloop.run(main(Path(sys.argv[1])))
