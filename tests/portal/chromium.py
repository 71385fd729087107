"""Chromium in front of the portal of a house: over HTTPS, with axe."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import trustme
import uvicorn
from axe_playwright_python.async_playwright import Axe

if TYPE_CHECKING:
    from playwright.async_api import Browser, BrowserContext, Page

    from tests.portal.house import House

CHROMIUM = Path("/usr/bin/chromium")
ARGUMENTS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"]
_SCHEMES: tuple[Literal["dark"], Literal["light"]] = ("dark", "light")


class Server(uvicorn.Server):
    """The portal's server, without signal handlers of its own."""

    def __init__(self, house: House) -> None:
        config = uvicorn.Config(
            house.app, host="127.0.0.1", port=0, ws="none", lifespan="off", log_config=None, access_log=False
        )
        super().__init__(config)
        config.load()
        authority = trustme.CA()
        config.ssl = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        authority.issue_cert("127.0.0.1").configure_cert(config.ssl)

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.servers[0].sockets[0].getsockname()[1]}"


async def window(chromium: Browser, url: str, **options: Any) -> BrowserContext:
    return await chromium.new_context(base_url=url, ignore_https_errors=True, locale="fr-FR", **options)


async def violations(page: Page) -> list[str]:
    """What axe finds on the page as it stands, in dark colours and in light ones."""
    found = []
    for scheme in _SCHEMES:
        await page.emulate_media(color_scheme=scheme)
        told = await Axe().run(page)
        found += [
            f"{scheme}: {each['id']}: {node['html'][:200]} {node.get('failureSummary')}"
            for each in told.response["violations"]
            for node in each["nodes"]
        ]
    return found
