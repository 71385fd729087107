"""Professionals with boxes, their second factors, and a Pro Santé Connect that says what a test wants."""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from directory.psc.claims import Professional
from directory.psc.faults import SignInFault
from directory.psc.relying_party import Begun, SignedIn
from foundation.passwords import hash_password
from foundation.trail import trail
from mailserver.signin import second_factor
from mailserver.store import acl
from mailserver.store.rights import rights_of
from portal.sessions import COOKIE
from tests.portal.house import PASSWORD, House, form_token, sign_in

if TYPE_CHECKING:
    import httpx2

    from directory.bals import Bal

IDNAT = "810000000001"
PSC_COOKIE = "__Host-vaguemestre-psc"
CODE_COOKIE = "__Host-vaguemestre-code"
READS = rights_of("lrs")
_CODES = re.compile(r"<li><code>([^<]+)</code></li>")


@dataclass
class Provider:
    """Stands for the relying party: `answer` is what the next return brings."""

    answer: SignedIn | SignInFault = field(default_factory=lambda: identified(IDNAT))
    there: str = "https://psc.test"
    asked: list[tuple[str, str, str | None]] = field(default_factory=list)
    is_down: bool = False

    async def begin(self, redirect_uri: str) -> Begun | SignInFault:
        if self.is_down:
            return SignInFault.UNAVAILABLE
        state = secrets.token_urlsafe(32)
        return Begun(f"{self.there}/auth?state={state}", state, "nonce", "verifier")

    async def finish(
        self, begun: Begun, code: str, redirect_uri: str, *, issuer: str | None = None
    ) -> SignedIn | SignInFault:
        self.asked.append((code, redirect_uri, issuer))
        return self.answer

    async def logout_url(self, after: str, *, id_token: str | None = None) -> str | None:
        return None if self.is_down else f"{self.there}/logout?after={after}&hint={id_token}"


def identified(idnat: str) -> SignedIn:
    return SignedIn(Professional(idnat=idnat, given_name="Marie", family_name="MARTIN"), "the.id.token")


async def box(house: House, name: str = "marie.martin", **values: Any) -> Bal:
    """A box that PASSWORD opens."""
    stored = await hash_password(PASSWORD)
    return await house.place.add(name, **{"password_hash": stored, "idnat": IDNAT, **values})


async def delegate(house: House, bal: Bal, person: Bal, rights: str = "lrswipkxtea") -> None:
    now = house.clock.millis()
    await house.place.database.write(
        lambda uow: acl.grant(uow, bal.owner_id, person.owner_id, rights_of(rights), now=now)
    )


async def withdraw(house: House, bal: Bal, person: Bal) -> None:
    await house.place.database.write(lambda uow: acl.revoke(uow, bal.owner_id, person.owner_id))


async def enrol(house: House, bal: Bal) -> bytes:
    """Gives a box a second factor; returns its secret."""
    secret, now = second_factor.new_secret(), house.clock.millis()
    factors = house.context.factors
    await house.place.database.write(lambda uow: factors.impose(uow, bal.owner_id, secret, now))
    return secret


def code_of(house: House, secret: bytes) -> str:
    """The code of a new step: none is taken twice."""
    house.clock.advance(timedelta(seconds=30))
    return second_factor.code(secret, house.clock.millis())


async def enter(house: House, bal: Bal, address: str = "192.0.2.7", **headers: str) -> httpx2.AsyncClient:
    """A browser signed in with the password alone."""
    browser = house.browser(address)
    answer = await sign_in(browser, bal.address, **headers)
    assert (answer.status_code, answer.headers["location"]) == (303, "/pro/"), answer.text
    return browser


async def give_code(browser: httpx2.AsyncClient, code: str, **fields: str) -> httpx2.Response:
    form = await form_token(browser, "/pro/code")
    return await browser.post("/pro/code", data={"csrf": form, "code": code, **fields})


async def enter_strongly(house: House, bal: Bal, secret: bytes) -> httpx2.AsyncClient:
    """A browser signed in with password and code."""
    browser = house.browser()
    assert (await sign_in(browser, bal.address)).headers["location"] == "/pro/code"
    answer = await give_code(browser, code_of(house, secret))
    assert (answer.status_code, answer.headers["location"]) == (303, "/pro/"), answer.text
    return browser


async def enter_by_psc(house: House, browser: httpx2.AsyncClient | None = None) -> httpx2.AsyncClient:
    """A browser that went to Pro Santé Connect and came back."""
    browser = browser or house.browser()
    answer = await come_back(browser, await leave(browser))
    assert answer.status_code == 303, answer.text
    return browser


async def leave(browser: httpx2.AsyncClient) -> str:
    """Goes to Pro Santé Connect; returns the state."""
    answer = await browser.post("/pro/psc")
    assert answer.status_code in (200, 303), answer.text
    return browser.cookies[PSC_COOKIE]


async def come_back(browser: httpx2.AsyncClient, state: str, **more: str) -> httpx2.Response:
    return await browser.get("/pro/psc/retour", params={"state": state, "code": "c0de", **more})


async def post(browser: httpx2.AsyncClient, path: str, page: str = "/pro/", **fields: str) -> httpx2.Response:
    """Posts a form of one's own session."""
    return await browser.post(path, data={"csrf": await form_token(browser, page), **fields})


async def is_in(browser: httpx2.AsyncClient) -> bool:
    """Whether the browser's session opens the professional's pages."""
    return (await browser.get("/pro/")).status_code == 200


def token_of(browser: httpx2.AsyncClient) -> str:
    return browser.cookies[COOKIE]


def recovery_codes(page: str) -> list[str]:
    return _CODES.findall(page)


def trail_of(house: House, *actions: str) -> list[tuple[str, str, str]]:
    """Action, subject and outcome of the rows of these actions."""
    rows = house.place.database.read_now(
        lambda connection: connection.execute(select(trail).order_by(trail.c.seq)).all()
    )
    return [(row.action, row.subject, row.outcome) for row in rows if row.action in actions]
