"""An operator's pages for clients that look for a server, alone: they know its settings and nothing of its boxes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpx2
import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse

from foundation.settings import from_values
from portal.guard import Guard
from portal.setup.discovery import DiscoveryPages
from tests.portal.setup.asking import DOMAINS

if TYPE_CHECKING:
    from pathlib import Path

    from foundation.clock import FixedClock
    from tests.portal.setup.asking import Asking


@pytest.fixture
def client(tmp_path: Path, clock: FixedClock) -> Asking:
    """Makes a client that asks an operator with these settings."""

    def make(**values: Any) -> httpx2.AsyncClient:
        settings = from_values(tmp_path, {"hostname": "localhost", "domains": DOMAINS, **values})
        app = Starlette(
            routes=DiscoveryPages(settings, clock).routes(),
            middleware=[
                Middleware(
                    Guard,
                    limit=lambda _: 64 * 1024,
                    failure=lambda status: PlainTextResponse(str(status), status),
                )
            ],
        )
        return httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="https://portail.test")

    return make
