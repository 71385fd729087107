"""Who may call the interfaces for programs, and how they are told that they may not."""

from __future__ import annotations

from base64 import b64encode
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import httpx2
import pytest
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route

from directory.bals import BalState, set_state
from directory.psc.claims import Professional
from directory.psc.faults import TokenFault
from directory.psc.tokens import Access
from mailserver.signin import application
from mailserver.signin.application import Scope
from mailserver.signin.desk import SignIn
from portal.callers import Caller, Callers
from tests.portal.house import ORIGIN, PASSWORD, House
from tests.portal.professional.people import IDNAT, box, delegate, enrol, enter

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from directory.bals import Bal

TOKEN = "a.token.of.psc"
WHO = Professional(idnat=IDNAT, given_name="Marie", family_name="MARTIN")


class Tokens:
    """Stands for Pro Santé Connect: TOKEN is of IDNAT."""

    def __init__(self) -> None:
        self.fault: TokenFault | None = None

    async def check(self, token: str, *, certificate: bytes | None = None) -> Access | TokenFault:
        if self.fault is not None:
            return self.fault
        return Access(IDNAT, 2**53, WHO) if token == TOKEN else TokenFault.BAD_SIGNATURE


@pytest.fixture
def tokens() -> Tokens:
    return Tokens()


@pytest.fixture
def client(house: House, tokens: Tokens) -> httpx2.AsyncClient:
    """A program that asks who it is."""
    place = house.place
    desk = SignIn(
        place.database, place.clock, place.settings, pause=house.pauses, tokens=tokens, master_key=bytes(32)
    )
    callers = Callers(replace(house.context, sign_in=desk))

    async def who(request: Request) -> Response:
        caller = await callers.identify(request)
        return JSONResponse({"owner": caller.owner_id}) if isinstance(caller, Caller) else caller

    app = Starlette(routes=[Route("/who", who, methods=["GET", "POST"])])
    transport = httpx2.ASGITransport(app, client=("192.0.2.9", 50000))
    return httpx2.AsyncClient(transport=transport, base_url=ORIGIN)


def basic(login: str, password: str = PASSWORD) -> dict[str, str]:
    return {"Authorization": "Basic " + b64encode(f"{login}:{password}".encode()).decode()}


def bearer(bal: str | None, token: str = TOKEN) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}", **({"X-Bal": bal} if bal is not None else {})}


async def asked(client: httpx2.AsyncClient, headers: dict[str, str]) -> tuple[int, Any]:
    answer = await client.get("/who", headers=headers)
    body = answer.json()
    return answer.status_code, body.get("owner", body.get("code"))


async def application_password(house: House, bal: Bal, *scopes: Scope) -> str:
    now = house.clock.millis()
    _, plain = await house.place.database.write(
        lambda uow: application.make(
            uow, bal.owner_id, name="logiciel", scopes=scopes, now=now, expires_at=now + 1000
        )
    )
    return plain


async def test_a_box_is_known_by_its_password(house: House, client: httpx2.AsyncClient) -> None:
    marie = await box(house)
    assert await asked(client, basic(marie.address)) == (200, marie.owner_id)
    assert await asked(client, basic(marie.address.upper())) == (200, marie.owner_id)


async def test_a_wrong_password_and_an_unknown_box_sound_the_same(
    house: House, client: httpx2.AsyncClient
) -> None:
    marie = await box(house)
    answers = [
        await client.get("/who", headers=headers)
        for headers in (basic(marie.address, "faux"), basic("personne@hopital-demo.mssante.fr"))
    ]
    assert answers[0].status_code == answers[1].status_code == 401
    assert answers[0].json() == answers[1].json()
    assert answers[0].headers["www-authenticate"].startswith('Basic realm="Vaguemestre"')


async def test_guesses_are_braked_as_at_submission(house: House, client: httpx2.AsyncClient) -> None:
    marie = await box(house)
    for _ in range(5):
        assert (await asked(client, basic(marie.address, "faux")))[0] == 401
    answer = await client.get("/who", headers=basic(marie.address))
    assert (answer.status_code, answer.json()["code"]) == (429, "MSS-103")
    assert answer.headers["retry-after"] == "900"
    assert house.pauses.seconds


async def test_an_application_password_needs_the_scope_of_sending(
    house: House, client: httpx2.AsyncClient
) -> None:
    marie = await box(house)
    await enrol(house, marie)
    assert await asked(client, basic(marie.address)) == (403, "MSS-108")
    sends = await application_password(house, marie, Scope.SMTP)
    reads = await application_password(house, marie, Scope.IMAP)
    assert await asked(client, basic(marie.address, sends)) == (200, marie.owner_id)
    assert await asked(client, basic(marie.address, reads)) == (403, "MSS-109")


async def test_a_suspended_box_is_told_so(house: House, client: httpx2.AsyncClient) -> None:
    marie = await box(house)
    now = house.clock.millis()
    await house.place.database.write(lambda uow: set_state(uow, marie.address, BalState.SUSPENDED, now))
    assert await asked(client, basic(marie.address)) == (403, "MSS-104")


async def test_a_token_opens_the_box_it_is_asked_for(house: House, client: httpx2.AsyncClient) -> None:
    marie = await box(house)
    ward = await box(house, "cardiologie", type="ORG", idnat=None)
    other = await box(house, "jean", idnat="810000000002")
    await delegate(house, ward, marie)
    assert await asked(client, bearer(marie.address)) == (200, marie.owner_id)
    assert await asked(client, bearer(ward.address)) == (200, ward.owner_id)
    refused = (401, "MSS-180")
    assert await asked(client, bearer(other.address)) == refused
    answer = await client.get("/who", headers=bearer(marie.address, "another"))
    assert 'error="invalid_token"' in answer.headers["www-authenticate"]


async def test_a_token_without_a_box_is_of_the_bearer_s_own_where_that_is_one(
    house: House, client: httpx2.AsyncClient
) -> None:
    assert await asked(client, bearer(None)) == (401, "MSS-180")
    marie = await box(house)
    ward = await box(house, "cardiologie", type="ORG", idnat=None)
    await delegate(house, ward, marie)
    for named in (None, "", " "):
        assert await asked(client, bearer(named)) == (200, marie.owner_id)
    await box(house, "marie.cabinet")
    assert await asked(client, bearer(None)) == (401, "MSS-180")


async def test_a_provider_that_is_away_is_not_the_callers_fault(
    house: House, client: httpx2.AsyncClient, tokens: Tokens
) -> None:
    marie = await box(house)
    tokens.fault = TokenFault.UNAVAILABLE
    assert await asked(client, bearer(marie.address)) == (503, "MSS-181")


async def test_a_session_is_that_of_the_box_that_is_open(house: House, client: httpx2.AsyncClient) -> None:
    marie = await box(house)
    browser = await enter(house, marie)
    client.cookies.update(browser.cookies)
    assert await asked(client, {}) == (200, marie.owner_id)
    answer = await client.post("/who", headers={"Origin": "https://ailleurs.test"})
    assert answer.status_code == 403
    assert (await client.post("/who", headers={"Origin": ORIGIN})).status_code == 200


async def test_a_wrong_password_is_not_made_good_by_a_session(
    house: House, client: httpx2.AsyncClient
) -> None:
    marie = await box(house)
    browser = await enter(house, marie)
    client.cookies.update(browser.cookies)
    assert (await asked(client, basic(marie.address, "faux")))[0] == 401


@pytest.mark.parametrize(
    "written",
    ["", "Basic", "Basic %%%", "Basic " + "QQ==", "Basic /w==", "Digest x", "Basic " + "A" * 20_000],
)
async def test_what_names_nobody_is_asked_to_sign_in(client: httpx2.AsyncClient, written: str) -> None:
    status, code = await asked(client, {"Authorization": written})
    assert status == 401
    assert code in ("MSS-101", "MSS-102")


async def test_nobody_at_all_is_asked_to_sign_in(house: House, client: httpx2.AsyncClient) -> None:
    assert await asked(client, {}) == (401, "MSS-101")
    patient = await house.patient()
    browser = await house.signed_in(patient)
    client.cookies.update(browser.cookies)
    assert await asked(client, {}) == (401, "MSS-101")
