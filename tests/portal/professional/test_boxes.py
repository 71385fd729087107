"""Which box a session is for: those of the person, those delegated, and the end of it when a delegation ends."""

from __future__ import annotations

from typing import TYPE_CHECKING

from portal.sessions import COOKIE
from tests.portal.house import House, form_token, sign_in
from tests.portal.professional.people import (
    box,
    delegate,
    enrol,
    enter,
    enter_by_psc,
    is_in,
    post,
    token_of,
    trail_of,
    withdraw,
)

if TYPE_CHECKING:
    import httpx2


async def offered(browser: httpx2.AsyncClient) -> list[str]:
    """The addresses among which the page lets choose."""
    page = (await browser.get("/pro/boites")).text
    return [part.partition('"')[0] for part in page.split('name="address" value="')[1:]]


async def test_a_delegate_turns_to_the_box_of_the_service_and_back_without_signing_in(house: House) -> None:
    person, service = await box(house), await box(house, "cardiologie", type="ORG", idnat=None)
    await delegate(house, service, person)
    browser = await enter(house, person)
    assert "1 autre boîte" in (await browser.get("/pro/")).text
    assert await offered(browser) == [person.address, service.address]
    before = token_of(browser)
    answer = await post(browser, "/pro/boites", address=service.address)
    assert (answer.status_code, answer.headers["location"]) == (303, "/pro/")
    assert service.address not in answer.headers["location"]
    assert token_of(browser) != before
    page = (await browser.get("/pro/")).text
    assert f"Vous êtes dans la boîte {service.address}" in page
    assert "Par délégation" in page
    assert await offered(browser) == [person.address, service.address]
    assert (await post(browser, "/pro/boites", address=person.address)).status_code == 303
    assert "Par délégation" not in (await browser.get("/pro/")).text
    assert trail_of(house, "session.turned") == [
        ("session.turned", f"bal:{service.owner_id}", "opened"),
        ("session.turned", f"bal:{person.owner_id}", "opened"),
    ]


async def test_a_form_of_the_box_before_is_worth_nothing(house: House) -> None:
    person, service = await box(house), await box(house, "cardiologie", type="ORG", idnat=None)
    await delegate(house, service, person)
    browser = await enter(house, person)
    stale = await form_token(browser, "/pro/")
    await post(browser, "/pro/boites", address=service.address)
    assert (await browser.post("/pro/sortie", data={"csrf": stale})).status_code == 403


async def test_no_other_box_is_opened_by_naming_it(house: House) -> None:
    person, stranger = await box(house), await box(house, "paul.girard", idnat="810000000002")
    service, shut = await box(house, "cardiologie", type="ORG"), await box(house, "fermee", type="ORG")
    await delegate(house, shut, person)
    await house.place.suspend(shut)
    weak = await box(house, "lecture.seule", type="ORG", idnat=None)
    await delegate(house, weak, person, "l")
    browser = await enter(house, person)
    assert await offered(browser) == [person.address]
    for bal in (stranger, service, shut, weak):
        assert (await post(browser, "/pro/boites", address=bal.address)).status_code == 404
    for address in ("", "x", "é" * 400, "' OR 1=1 --"):
        assert (await post(browser, "/pro/boites", address=address)).status_code == 404
    assert await is_in(browser)


async def test_a_withdrawn_delegation_ends_the_visit_at_once(house: House) -> None:
    person, service = await box(house), await box(house, "cardiologie", type="ORG", idnat=None)
    await delegate(house, service, person)
    browser = await enter(house, person)
    await post(browser, "/pro/boites", address=service.address)
    await withdraw(house, service, person)
    answer = await browser.get("/pro/")
    assert (answer.status_code, answer.headers["location"]) == (303, "/?motif=session")
    assert COOKIE not in browser.cookies


async def test_a_suspended_delegate_or_service_ends_the_visit_at_once(house: House) -> None:
    person, service = await box(house), await box(house, "cardiologie", type="ORG", idnat=None)
    second, office = await box(house, "paul.girard"), await box(house, "cabinet", type="CAB", idnat=None)
    for bal, member, suspended in ((service, person, person), (office, second, office)):
        await delegate(house, bal, member)
        browser = await enter(house, member)
        assert (await post(browser, "/pro/boites", address=bal.address)).status_code == 303
        assert await is_in(browser)
        await house.place.suspend(suspended)
        assert not await is_in(browser)


async def test_a_password_opens_no_second_box_of_the_same_person(house: House) -> None:
    """Its own password, or second factor, would be got round."""
    first, second = await box(house), await box(house, "marie.martin.ime")
    await enrol(house, second)
    browser = await enter(house, first)
    assert await offered(browser) == [first.address]
    assert (await post(browser, "/pro/boites", address=second.address)).status_code == 404


async def test_pro_sante_connect_opens_all_the_boxes_of_the_person(house_with_psc: House) -> None:
    house = house_with_psc
    first, second = await box(house), await box(house, "martin.marie", password_hash=None)
    service = await box(house, "cardiologie", type="ORG", idnat=None)
    await delegate(house, service, second)
    browser = house.browser()
    await enter_by_psc(house, browser)
    addresses = [first.address, second.address, service.address]
    assert await offered(browser) == addresses
    for address in (*addresses, first.address):
        assert (await post(browser, "/pro/boites", address=address)).status_code == 303
        assert f"Vous êtes dans la boîte {address}" in (await browser.get("/pro/")).text
        assert await offered(browser) == addresses
        assert "Pro Santé Connect" in (await browser.get("/pro/")).text


async def test_who_may_open_a_box_is_shown_to_those_in_it(house: House) -> None:
    person, service = await box(house), await box(house, "cardiologie", type="ORG", idnat=None)
    other = await box(house, "paul.girard")
    await delegate(house, service, person)
    await delegate(house, service, other, "lr")
    browser = await enter(house, service)
    page = (await browser.get("/pro/delegations")).text
    assert person.address in page
    assert "gère les accès" in page
    assert other.address in page
    assert "déléguée à personne" in (await (await enter(house, other)).get("/pro/delegations")).text


async def test_the_second_factor_of_a_service_is_asked_of_who_knows_its_password(house: House) -> None:
    service = await box(house, "cardiologie", type="ORG", idnat=None)
    await enrol(house, service)
    answer = await sign_in(house.browser(), service.address)
    assert answer.headers["location"] == "/pro/code"
