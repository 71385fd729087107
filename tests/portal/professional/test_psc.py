"""Pro Santé Connect from the browser's side: one browser, one use, and one French sentence for what goes wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from directory.psc.faults import SignInFault
from portal.sessions import COOKIE
from tests.portal.house import House, sign_in
from tests.portal.professional.people import (
    PSC_COOKIE,
    Provider,
    box,
    come_back,
    enrol,
    enter,
    enter_by_psc,
    identified,
    is_in,
    leave,
    post,
    token_of,
    trail_of,
)

if TYPE_CHECKING:
    import httpx2

RETURN = "https://portail.test/pro/psc/retour"


def refusal(answer: httpx2.Response) -> str:
    """The one sentence of a sign-in page that lets nobody in."""
    assert f"{COOKIE}=" not in answer.headers.get("set-cookie", "")
    assert answer.text.count('role="alert"') == 1
    return answer.text.partition('id="refus">')[2].partition("</p>")[0]


async def test_the_button_is_there_only_where_the_house_is_a_client(
    house: House, house_with_psc: House
) -> None:
    button = "Se connecter avec Pro Santé Connect"
    assert button not in (await house.browser().get("/")).text
    assert (await house.browser().post("/pro/psc")).status_code == 404
    assert (await house.browser().get("/pro/psc/retour?state=x&code=y")).status_code == 404
    assert button in (await house_with_psc.browser().get("/")).text


async def test_a_professional_comes_back_with_a_strong_session(
    house_with_psc: House, provider: Provider
) -> None:
    bal = await box(house_with_psc, password_hash=None)
    browser = house_with_psc.browser()
    state = await leave(browser)
    answer = await come_back(browser, state, iss="https://psc.test")
    assert (answer.status_code, answer.headers["location"]) == (303, "/pro/")
    assert provider.asked == [("c0de", RETURN, "https://psc.test")]
    page = (await browser.get("/pro/")).text
    assert bal.address in page
    assert "Pro Santé Connect" in page
    assert PSC_COOKIE not in browser.cookies
    rows = trail_of(house_with_psc, "signin.accepted")
    assert rows == [("signin.accepted", f"bal:{bal.owner_id}", "accepted")]


async def test_somebody_with_several_boxes_chooses(house_with_psc: House) -> None:
    await box(house_with_psc)
    await box(house_with_psc, "marie.martin.ime")
    browser = house_with_psc.browser()
    answer = await come_back(browser, await leave(browser))
    assert answer.headers["location"] == "/pro/boites"


async def test_the_second_factor_of_the_password_is_not_asked_behind_it(house_with_psc: House) -> None:
    await enrol(house_with_psc, await box(house_with_psc))
    assert await is_in(await enter_by_psc(house_with_psc))


async def test_another_site_is_reached_by_a_page_and_our_own_origin_by_a_redirect(
    house_with_psc: House, provider: Provider
) -> None:
    """Our policy lets forms go to ourselves alone, also by way of a redirect."""
    away = await house_with_psc.browser().post("/pro/psc")
    assert away.status_code == 200
    assert 'http-equiv="refresh" content="0; url=https://psc.test/auth?state=' in away.text
    provider.there = "https://portail.test/psc"
    near = await house_with_psc.browser().post("/pro/psc")
    assert near.status_code == 303
    assert near.headers["location"].startswith("https://portail.test/psc/auth?state=")
    cookie = near.headers["set-cookie"]
    for word in (f"{PSC_COOKIE}=", "Secure", "HttpOnly", "SameSite=lax", "Path=/", "Max-Age=600"):
        assert word in cookie


async def test_another_site_cannot_send_a_browser_there(house_with_psc: House) -> None:
    answer = await house_with_psc.browser().post("/pro/psc", headers={"origin": "https://ailleurs.test"})
    assert answer.status_code == 403


async def test_the_state_of_another_browser_is_refused(house_with_psc: House, provider: Provider) -> None:
    """Else a victim would work in the attacker's box without knowing (RFC 6749 §10.12)."""
    await box(house_with_psc)
    attacker, victim = house_with_psc.browser(), house_with_psc.browser()
    state = await leave(attacker)
    for browser in (victim, house_with_psc.browser()):
        answer = await come_back(browser, state)
        assert answer.status_code == 403
        assert "n’a pas été demandée depuis ce navigateur" in refusal(answer)
        await leave(browser)
    crossed = await come_back(victim, state)
    assert crossed.status_code == 403
    assert provider.asked == []


async def test_a_return_counts_once(house_with_psc: House, provider: Provider) -> None:
    await box(house_with_psc)
    browser = house_with_psc.browser()
    state = await leave(browser)
    assert (await come_back(browser, state)).status_code == 303
    browser.cookies.set(PSC_COOKIE, state)
    again = await come_back(browser, state)
    assert again.status_code == 403
    assert len(provider.asked) == 1


@pytest.mark.parametrize("query", ["", "state=", "code=x", "state=%00&code=x", "state=é&code=x"])
async def test_a_return_that_nobody_began_is_refused(house_with_psc: House, query: str) -> None:
    browser = house_with_psc.browser()
    assert (await browser.get(f"/pro/psc/retour?{query}")).status_code == 403
    browser.cookies.set(PSC_COOKIE, "")
    assert (await browser.get(f"/pro/psc/retour?{query}")).status_code == 403


async def test_an_error_of_the_provider_is_one_sentence_and_not_its_text(house_with_psc: House) -> None:
    browser = house_with_psc.browser()
    state = await leave(browser)
    answer = await browser.get(
        "/pro/psc/retour",
        params={"state": state, "error": "access_denied", "error_description": "<b>venez chez nous</b>"},
    )
    assert answer.status_code == 403
    assert "n’a pas abouti" in refusal(answer)
    assert "venez chez nous" not in answer.text


@pytest.mark.parametrize("fault", list(SignInFault))
async def test_every_fault_is_one_french_sentence(
    house_with_psc: House, provider: Provider, fault: SignInFault
) -> None:
    await box(house_with_psc)
    provider.answer = fault
    browser = house_with_psc.browser()
    answer = await come_back(browser, await leave(browser))
    assert answer.status_code == (503 if fault is SignInFault.UNAVAILABLE else 403)
    assert refusal(answer).endswith(".")
    assert fault.value not in refusal(answer)
    assert not await is_in(browser)


async def test_a_provider_that_is_down_is_told_before_anybody_leaves(
    house_with_psc: House, provider: Provider
) -> None:
    provider.is_down = True
    answer = await house_with_psc.browser().post("/pro/psc")
    assert answer.status_code == 503
    assert "ne répond pas" in refusal(answer)


async def test_a_professional_without_a_box_here_is_told_so(
    house_with_psc: House, provider: Provider
) -> None:
    await box(house_with_psc)
    provider.answer = identified("810009999999")
    browser = house_with_psc.browser()
    answer = await come_back(browser, await leave(browser))
    assert answer.status_code == 403
    assert "Aucune boîte aux lettres" in refusal(answer)


async def test_a_suspended_professional_is_told_so(house_with_psc: House) -> None:
    await house_with_psc.place.suspend(await box(house_with_psc))
    browser = house_with_psc.browser()
    answer = await come_back(browser, await leave(browser))
    assert answer.status_code == 403
    assert "suspendue" in refusal(answer)


async def test_a_session_this_browser_had_is_ended_by_the_new_one(house_with_psc: House) -> None:
    bal = await box(house_with_psc)
    browser = await enter(house_with_psc, bal)
    before = token_of(browser)
    await enter_by_psc(house_with_psc, browser)
    assert token_of(browser) != before
    old = house_with_psc.browser()
    old.cookies.set(COOKIE, before)
    assert not await is_in(old)


async def test_signing_out_goes_on_to_the_provider_with_the_id_token(
    house_with_psc: House, provider: Provider
) -> None:
    await box(house_with_psc)
    browser = await enter_by_psc(house_with_psc)
    answer = await post(browser, "/pro/sortie")
    assert answer.status_code == 200
    assert "https://psc.test/logout?after=https://portail.test/&amp;hint=the.id.token" in answer.text
    assert COOKIE not in browser.cookies
    assert not await is_in(browser)
    await enter_by_psc(house_with_psc, browser)
    provider.is_down = True
    assert (await post(browser, "/pro/sortie")).headers["location"] == "/?motif=sortie"


async def test_a_session_by_password_is_not_ended_at_the_provider(house_with_psc: House) -> None:
    browser = await enter(house_with_psc, await box(house_with_psc))
    assert (await post(browser, "/pro/sortie")).headers["location"] == "/?motif=sortie"


async def test_a_box_opened_by_pro_sante_connect_stays_open_when_its_password_changes(
    house_with_psc: House,
) -> None:
    bal = await box(house_with_psc)
    by_psc, by_password = await enter_by_psc(house_with_psc), await enter(house_with_psc, bal)
    new = "girafe lampe onze violon"
    fields = {"old": "cheval agrafe pile exact", "new": new, "again": new}
    answer = await post(by_psc, "/pro/compte/mot-de-passe", **fields)
    assert answer.status_code == 303
    assert await is_in(by_psc)
    assert not await is_in(by_password)
    assert (await sign_in(house_with_psc.browser(), bal.address, new)).status_code == 303


async def test_the_provider_chooses_nothing_about_where_the_browser_goes_next(house_with_psc: House) -> None:
    await box(house_with_psc)
    browser = house_with_psc.browser()
    answer = await come_back(
        browser, await leave(browser), next="https://ailleurs.test", to="//ailleurs.test"
    )
    assert answer.headers["location"] == "/pro/"
