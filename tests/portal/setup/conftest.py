"""An operator's pages for clients that look for a server, alone: they know its settings and nothing of its boxes."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx2
import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse

from certs.names import DistinguishedName
from certs.pki import Pki
from foundation.settings import from_values
from portal.guard import Guard
from portal.setup.discovery import DiscoveryPages
from tests.portal.setup.asking import DOMAINS

if TYPE_CHECKING:
    from foundation.clock import FixedClock
    from tests.portal.setup.asking import Asking


@pytest.fixture(scope="session")
def identity(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The files of an operator's certificate, as the section `tls` of the settings names them."""
    folder, now = tmp_path_factory.mktemp("operator"), datetime.now(UTC)
    pki = Pki.create(folder / "pki", now)
    name = DistinguishedName.parse("CN=mail.hopital-demo.mssante.fr,O=HOPITAL DE DEMO,C=FR")
    certificate, key = pki.issue(name, now).write(folder / "server")
    return {"certificate": certificate, "key": key, "ca_file": pki.ca_file}


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
