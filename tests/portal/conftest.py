"""A house with a portal for every test, and a browser for those that look at it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from playwright.async_api import async_playwright

from tests.portal.chromium import ARGUMENTS, CHROMIUM, Server
from tests.portal.house import House

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from playwright.async_api import Browser

    from foundation.clock import FixedClock
    from foundation.database import Database
    from foundation.events import Events
    from foundation.vault import Vault


@pytest.fixture
async def house(
    database: Database, vault: Vault, events: Events, clock: FixedClock, tmp_path: Path
) -> AsyncIterator[House]:
    made = House.build(database, vault, events, clock, tmp_path)
    yield made
    await made.records.close()
    await made.bridge.close()
    await made.place.router.close()


@pytest.fixture
async def url(house: House) -> AsyncIterator[str]:
    server = Server(house)
    serving = asyncio.create_task(server.serve())
    async with asyncio.timeout(10):
        while not server.started:
            await asyncio.sleep(0)
    yield server.url
    house.app.state.live.close()
    server.should_exit = True
    await serving


@pytest.fixture
async def chromium() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=str(CHROMIUM), args=ARGUMENTS)
        yield browser
        await browser.close()
