"""Where somebody is signed in, and the end of one session or of all."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import select

from portal.devices import label_of
from portal.sessions import COOKIE
from portal.tables import portal_session
from tests.portal.house import House, form_token, sign_in
from tests.portal.professional.people import box, delegate, enter, is_in, post, trail_of

if TYPE_CHECKING:
    import httpx2

DEVICES = "/pro/appareils"
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
PHONE = "Mozilla/5.0 (Linux; Android 15; Pixel 9) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Mobile Safari/537.36"
EDGE = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36 Edg/142.0"
SAFARI = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Mobile/15E148 Safari/604.1"
_ENDS = re.compile(r'action="/(?:pro|patient)/appareils/([A-Za-z0-9_-]{16})/fin"')


def ids(page: str) -> list[str]:
    return _ENDS.findall(page)


@pytest.mark.parametrize(
    ("sent", "label"),
    [
        (FIREFOX, "Firefox, Linux"),
        (PHONE, "Chrome, Android"),
        (EDGE, "Edge, Windows"),
        (SAFARI, "Safari, iPhone"),
        ("curl/8.14.1", "curl"),
        ("", "Navigateur inconnu"),
        ("<script>" * 10_000, "Navigateur inconnu"),
        ("x" * 600 + "Firefox/1 Linux", "Navigateur inconnu"),
    ],
)
def test_a_browser_is_told_by_one_of_few_labels(sent: str, label: str) -> None:
    assert label_of(sent) == label


async def test_the_list_tells_browser_address_means_and_times(house: House) -> None:
    bal = await box(house)
    browser = await enter(house, bal, "192.0.2.7", **{"user-agent": FIREFOX})
    house.clock.advance(timedelta(minutes=5))
    await enter(house, bal, "2001:db8::7", **{"user-agent": PHONE})
    page = (await browser.get(DEVICES)).text
    for word in ("Firefox, Linux", "192.0.2.7", "Chrome, Android", "2001:db8::7", "par mot de passe"):
        assert word in page
    assert "13 mars 2026 à 15:54" in page
    assert page.count("Cet appareil") == 1
    assert len(ids(page)) == 2
    stored = house.place.database.read_now(
        lambda connection: connection.execute(select(portal_session.c.agent)).scalars().all()
    )
    assert set(stored) == {"Firefox, Linux", "Chrome, Android"}


async def test_one_device_is_disconnected(house: House) -> None:
    bal = await box(house)
    here, there = await enter(house, bal), await enter(house, bal, **{"user-agent": PHONE})
    house.clock.advance(timedelta(minutes=2))
    assert await is_in(here)
    mine, other = ids((await here.get(DEVICES)).text)
    answer = await post(here, f"{DEVICES}/{other}/fin", DEVICES)
    assert (answer.status_code, answer.headers["location"]) == (303, DEVICES)
    assert not await is_in(there)
    assert await is_in(here)
    assert (await post(here, f"{DEVICES}/{other}/fin", DEVICES)).status_code == 404
    assert (await post(here, f"{DEVICES}/{mine}/fin", DEVICES)).headers["location"] == "/?motif=sortie"
    assert COOKIE not in here.cookies
    assert [row[2] for row in trail_of(house, "session.revoked")] == ["one", "one"]


async def test_all_devices_are_disconnected(house: House) -> None:
    bal = await box(house)
    browsers = [await enter(house, bal) for _ in range(3)]
    somebody = await enter(house, await box(house, "paul.girard"))
    assert (await post(browsers[0], f"{DEVICES}/fin", DEVICES)).headers["location"] == "/?motif=sortie"
    for browser in browsers:
        assert not await is_in(browser)
    assert await is_in(somebody)


async def test_nobody_disconnects_somebody_else(house: House) -> None:
    victim, attacker = (
        await enter(house, await box(house)),
        await enter(house, await box(house, "paul.girard")),
    )
    (wanted,) = ids((await victim.get(DEVICES)).text)
    assert ids((await attacker.get(DEVICES)).text) != [wanted]
    for name in (wanted, "x", "..", "é", "x" * 2000):
        assert (await post(attacker, f"{DEVICES}/{name}/fin", DEVICES)).status_code in (404, 405)
    assert await is_in(victim)


async def test_a_delegates_session_is_the_delegates_in_whatever_box_it_is(house: House) -> None:
    person, service = await box(house), await box(house, "cardiologie", type="ORG", idnat=None)
    await delegate(house, service, person)
    delegated, own = await enter(house, person), await enter(house, person)
    await post(delegated, "/pro/boites", address=service.address)
    keeper = await enter(house, service)
    assert len(ids((await own.get(DEVICES)).text)) == 2
    assert len(ids((await delegated.get(DEVICES)).text)) == 2
    assert len(ids((await keeper.get(DEVICES)).text)) == 1
    assert (await post(own, f"{DEVICES}/fin", DEVICES)).status_code == 303
    assert not await is_in(delegated)
    assert await is_in(keeper)


async def test_sessions_past_their_time_are_not_listed(house: House) -> None:
    bal = await box(house)
    await enter(house, bal)
    house.clock.advance(timedelta(minutes=31))
    assert len(ids((await (await enter(house, bal)).get(DEVICES)).text)) == 1


async def test_a_patient_sees_and_ends_sessions_too(house: House) -> None:
    patient = await house.patient()
    here: httpx2.AsyncClient = house.browser()
    await sign_in(here, patient.ins, **{"user-agent": FIREFOX})
    there = await house.signed_in(patient)
    house.clock.advance(timedelta(minutes=2))
    assert (await here.get("/patient/conversations")).status_code == 200
    page = (await here.get("/patient/appareils")).text
    assert "Firefox, Linux" in page
    mine, other = ids(page)
    data = {"csrf": await form_token(here, "/patient/appareils")}
    assert (await here.post(f"/patient/appareils/{other}/fin", data=data)).status_code == 303
    assert (await there.get("/patient/conversations")).status_code == 303
    assert (await here.post("/patient/appareils/fin", data=data)).headers["location"] == "/?motif=sortie"
    assert (await here.get("/patient/conversations")).status_code == 303
    assert mine != other
    subject = f"patient:{patient.owner_id}"
    assert [row[1] for row in trail_of(house, "session.revoked")] == [subject, subject]
