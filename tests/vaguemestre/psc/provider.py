"""A provider without a sandbox around it, and what a client does with it."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

import httpx2
from joserfc import jwt
from joserfc.jwk import KeySet
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles

import portal
from foundation.settings import Settings
from portal.guard import Guard
from vaguemestre.psc.clients import secret_of
from vaguemestre.psc.issuer import SOFTWARE, issuer_at
from vaguemestre.psc.routes import routes
from vaguemestre.psc.tokens import challenge_of

if TYPE_CHECKING:
    from foundation.clock import FixedClock
    from foundation.database import Database

ADDRESS = "127.0.0.1:21007"
ISSUER = issuer_at(ADDRESS)
ORIGIN = f"https://{ADDRESS}"
PROTOCOL = "/psc/protocol/openid-connect"
CAMILLE = "899900000102"
KARIM = "899900000110"
RETURN = "http://127.0.0.1:9000/retour?page=1"
VERIFIER = "un-secret-que-seul-le-logiciel-connait-1234567"
_STATIC = Path(portal.__file__).parent / "static"


class Provider:
    """The provider of a prepared home, and one business software that talks to it."""

    def __init__(
        self, prepared: Path, home: Path, database: Database, clock: FixedClock, address: str
    ) -> None:
        shutil.copytree(prepared / "psc", home / "psc")
        self.home = home
        self.clock = clock
        self.issuer = issuer_at(address)
        self.secret = secret_of(home, SOFTWARE)
        self.settings = Settings(home=home, sandbox=True, http=address)
        self.app = Starlette(
            routes=[
                *routes(self.settings, database, clock),
                Mount("/static", StaticFiles(directory=_STATIC)),
            ],
            middleware=[
                Middleware(
                    Guard, limit=lambda _: 64 * 1024, failure=lambda status: PlainTextResponse("", status)
                )
            ],
        )
        self.client = self.browser()

    def browser(self) -> httpx2.AsyncClient:
        """A client that keeps nothing and follows nothing."""
        transport = httpx2.ASGITransport(self.app, raise_app_exceptions=True)
        return httpx2.AsyncClient(transport=transport, base_url=self.issuer.removesuffix("/psc"))

    def asked(self, **other: str | None) -> dict[str, str]:
        """The parameters of an authorization request; None leaves one out."""
        values: dict[str, str | None] = {
            "client_id": SOFTWARE,
            "redirect_uri": RETURN,
            "response_type": "code",
            "scope": "openid scope_all",
            "state": "état de la requête",
            "nonce": "nonce-1",
            "acr_values": "eidas1",
            "code_challenge": challenge_of(VERIFIER),
            "code_challenge_method": "S256",
            **other,
        }
        return {name: value for name, value in values.items() if value is not None}

    async def choose(self, username: str = CAMILLE, **other: str | None) -> httpx2.Response:
        """The form of the page, posted as a script posts it."""
        return await self.client.post(f"{PROTOCOL}/auth", data=self.asked(username=username, **other))

    async def code(self, username: str = CAMILLE, **other: str | None) -> str:
        """A code for somebody."""
        return returned(await self.choose(username, **other))["code"]

    async def post(self, endpoint: str, **form: str) -> httpx2.Response:
        """A form of the software, which proves itself by Basic."""
        return await self.client.post(f"{PROTOCOL}/{endpoint}", data=form, auth=(SOFTWARE, self.secret))

    async def exchange(self, code: str, **other: str) -> httpx2.Response:
        """A code for tokens."""
        return await self.post(
            "token",
            **{
                "grant_type": "authorization_code",
                "code": code,
                "redirect_uri": RETURN,
                "code_verifier": VERIFIER,
                **other,
            },
        )

    async def refresh(self, token: str, **other: str) -> httpx2.Response:
        """A refresh token for tokens."""
        return await self.post("token", grant_type="refresh_token", refresh_token=token, **other)

    async def tokens(self, username: str = CAMILLE, **other: str | None) -> dict[str, Any]:
        """The whole way from the choice to the tokens."""
        answer = await self.exchange(await self.code(username, **other))
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    async def userinfo(self, token: str) -> httpx2.Response:
        return await self.client.get(f"{PROTOCOL}/userinfo", headers={"Authorization": f"Bearer {token}"})

    async def is_active(self, token: str) -> bool:
        """What introspection says."""
        answer = await self.post("token/introspect", token=token)
        assert answer.status_code == 200, answer.text
        return bool(answer.json()["active"])

    async def read(self, token: str) -> jwt.Token:
        """A token verified by the published keys, as any client does."""
        published = (await self.client.get(f"{PROTOCOL}/certs")).json()
        return jwt.decode(token, KeySet.import_key_set(published), algorithms=["RS256", "ES256"])


def returned(answer: httpx2.Response) -> dict[str, str]:
    """The parameters with which a browser is sent back."""
    assert answer.status_code == 303, answer.text
    return dict(parse_qsl(urlsplit(answer.headers["location"]).query, keep_blank_values=True))


def refusal(answer: httpx2.Response) -> tuple[int, str]:
    """Status and code of an error as JSON, which has a sentence."""
    told = answer.json()
    assert set(told) == {"error", "error_description"}
    assert answer.headers["cache-control"] == "no-store"
    return answer.status_code, told["error"]


def hidden_fields(page: str) -> dict[str, str]:
    """The hidden fields of a page's only form, without character references."""
    return dict(re.findall(r'<input type="hidden" name="([^"]*)" value="([^"&]*)">', page))
