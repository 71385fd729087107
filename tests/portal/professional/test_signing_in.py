"""Professionals at the door: the password, what it must not tell, and which pages a session opens."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from directory.bals import set_password
from foundation.passwords import hash_password
from portal.sessions import COOKIE
from tests.portal.house import ORIGIN, PASSWORD, House, form_token, sign_in
from tests.portal.professional.people import (
    CODE_COOKIE,
    box,
    enrol,
    enter,
    enter_strongly,
    is_in,
    post,
    token_of,
    trail_of,
)

if TYPE_CHECKING:
    import httpx2


def cookies_of(answer: httpx2.Response) -> list[str]:
    return answer.headers.get_list("set-cookie")


@pytest.mark.parametrize("spelling", ["{}", " {} ", "{upper}"])
async def test_a_professional_signs_in_with_the_address_in_any_case(house: House, spelling: str) -> None:
    bal = await box(house)
    answer = await sign_in(house.browser(), spelling.format(bal.address, upper=bal.address.upper()))
    assert (answer.status_code, answer.headers["location"]) == (303, "/pro/")
    (cookie,) = cookies_of(answer)
    assert cookie.startswith(f"{COOKIE}=")
    for attribute in ("Secure", "HttpOnly", "SameSite=lax", "Path=/"):
        assert attribute in cookie
    subject = f"bal:{bal.owner_id}"
    assert trail_of(house, "signin.accepted") == [("signin.accepted", subject, "accepted")]


async def test_the_home_page_names_the_box_and_leads_to_every_page(house: House) -> None:
    bal = await box(house)
    browser = await enter(house, bal)
    page = (await browser.get("/pro/")).text
    assert bal.address in page
    for path in ("/pro/suivi", "/verification", "/pro/reglages", "/pro/compte", "/pro/appareils"):
        assert f'href="{path}"' in page


async def test_the_same_words_for_a_wrong_password_an_unknown_a_closed_box_and_one_without_password(
    house: House,
) -> None:
    known, closed = await box(house), await box(house, "ferme")
    await house.place.shut(closed)
    bare = await box(house, "nue", password_hash=None)
    strong = await box(house, "forte")
    await enrol(house, strong)
    texts = set()
    addresses = (
        known.address,
        closed.address,
        bare.address,
        strong.address,
        "personne@hopital-demo.mssante.fr",
    )
    for number, address in enumerate(addresses):
        answer = await sign_in(house.browser(f"198.51.100.{number}"), address, "un autre mot")
        assert answer.status_code == 401
        assert cookies_of(answer) == []
        texts.add(answer.text.replace(address, "X"))
    patient = await sign_in(house.browser(), "299999999999999", "un autre mot")
    texts.add(patient.text.replace("299999999999999", "X"))
    assert len(texts) == 1
    assert house.pauses.seconds == [0.5] * 6
    assert len(trail_of(house, "signin.refused")) == 6


async def test_a_suspended_box_is_told_so_to_who_has_its_password_alone(house: House) -> None:
    bal = await box(house)
    await house.place.suspend(bal)
    wrong = await sign_in(house.browser(), bal.address, "un autre mot")
    assert wrong.status_code == 401
    assert "suspendue" not in wrong.text
    right = await sign_in(house.browser(), bal.address)
    assert right.status_code == 403
    assert "suspendue" in right.text
    assert cookies_of(right) == []


async def test_guesses_are_braked_and_another_address_is_not(house: House) -> None:
    bal = await box(house)
    for _ in range(5):
        assert (await sign_in(house.browser(), bal.address, "faux")).status_code == 401
    locked = await sign_in(house.browser(), bal.address)
    assert locked.status_code == 429
    assert int(locked.headers["retry-after"]) == 900
    assert "Trop d’essais" in locked.text
    await enter(house, bal, "203.0.113.9")


async def test_what_was_typed_comes_back_escaped(house: House) -> None:
    page = await sign_in(house.browser(), '"><script>alert(1)</script>@x.fr', "x")
    assert page.status_code == 401
    assert "<script>alert" not in page.text


@pytest.mark.parametrize("username", ["@", "a@", "@b", "a@b@c", "é" * 400 + "@x.fr", "a\x00b@x.fr"])
async def test_what_is_no_address_is_only_wrong(house: House, username: str) -> None:
    assert (await sign_in(house.browser(), username, "x")).status_code == 401


async def test_another_site_cannot_sign_somebody_in(house: House) -> None:
    bal = await box(house)
    answer = await sign_in(house.browser(), bal.address, origin="https://ailleurs.test")
    assert answer.status_code == 403
    assert cookies_of(answer) == []


async def test_a_planted_cookie_is_never_the_session(house: House) -> None:
    bal = await box(house)
    planted = token_of(await enter(house, bal))
    browser = house.browser()
    browser.cookies.set(COOKIE, planted, domain="portail.test")
    answer = await browser.post("/session", data={"username": bal.address, "password": PASSWORD})
    assert answer.status_code == 303
    (cookie,) = cookies_of(answer)
    assert planted not in cookie
    attacker = house.browser()
    attacker.cookies.set(COOKIE, planted)
    assert not await is_in(attacker)


async def test_each_raise_of_strength_gives_a_new_token(house: House) -> None:
    bal = await box(house)
    secret = await enrol(house, bal)
    browser = await enter_strongly(house, bal, secret)
    first = token_of(browser)
    assert CODE_COOKIE not in browser.cookies
    await sign_in(browser, bal.address)
    assert CODE_COOKIE in browser.cookies
    assert first not in browser.cookies[CODE_COOKIE]


async def test_a_patient_and_a_professional_do_not_see_each_others_pages(house: House) -> None:
    patient = await house.signed_in(await house.patient())
    professional = await enter(house, await box(house))
    for path in ("/pro/", "/pro/compte", "/pro/compte/applications", "/pro/appareils"):
        answer = await patient.get(path)
        assert (answer.status_code, answer.headers["location"]) == (303, "/patient/conversations")
    for path in ("/patient/conversations", "/patient/documents", "/patient/appareils"):
        answer = await professional.get(path)
        assert (answer.status_code, answer.headers["location"]) == (303, "/pro/")
    form = await form_token(patient)
    assert (await patient.post("/pro/sortie", data={"csrf": form})).status_code == 303
    # Neither lost the session by it.
    assert (await patient.get("/patient/conversations")).status_code == 200
    assert await is_in(professional)
    assert (await professional.get("/")).headers["location"] == "/pro/"


@pytest.mark.parametrize(
    "path",
    [
        "/pro/",
        "/pro/boites",
        "/pro/delegations",
        "/pro/compte",
        "/pro/compte/second-facteur",
        "/pro/compte/second-facteur/qr.svg",
        "/pro/compte/applications",
        "/pro/appareils",
    ],
)
async def test_every_page_asks_to_sign_in(house: House, path: str) -> None:
    answer = await house.browser().get(path)
    assert (answer.status_code, answer.headers["location"]) == (303, "/")


@pytest.mark.parametrize(
    "path",
    [
        "/pro/boites",
        "/pro/sortie",
        "/pro/compte/mot-de-passe",
        "/pro/compte/second-facteur/commencer",
        "/pro/compte/second-facteur/confirmer",
        "/pro/compte/second-facteur/retirer",
        "/pro/compte/applications",
        "/pro/compte/applications/1/revoquer",
        "/pro/appareils/fin",
        "/pro/appareils/x/fin",
    ],
)
async def test_every_form_needs_the_token_of_its_own_session_and_our_own_site(
    house: House, path: str
) -> None:
    bal = await box(house)
    browser, other = await enter(house, bal), await enter(house, bal)
    stolen, own = await form_token(other, "/pro/"), await form_token(browser, "/pro/")
    for fields in ({"x": "y"}, {"csrf": ""}, {"csrf": stolen}):
        assert (await browser.post(path, data=fields)).status_code == 403
    away = await browser.post(path, data={"csrf": own}, headers={"origin": "https://ailleurs.test"})
    assert away.status_code == 403
    assert await is_in(browser)


async def test_signing_out_ends_the_session_on_the_server(house: House) -> None:
    browser = await enter(house, await box(house))
    token = token_of(browser)
    answer = await post(browser, "/pro/sortie")
    assert (answer.status_code, answer.headers["location"]) == (303, "/?motif=sortie")
    assert COOKIE not in browser.cookies
    again = house.browser()
    again.cookies.set(COOKIE, token)
    assert not await is_in(again)
    assert [row[0] for row in trail_of(house, "session.ended")] == ["session.ended"]


async def test_a_box_that_is_suspended_or_gets_another_password_ends_its_sessions(house: House) -> None:
    suspended, changed = await box(house), await box(house, "autre")
    first, second = await enter(house, suspended), await enter(house, changed)
    await house.place.suspend(suspended)
    stored = await hash_password("encore une autre phrase")
    await house.place.database.write(lambda uow: set_password(uow, changed.address, stored))
    for browser in (first, second):
        answer = await browser.get("/pro/")
        assert (answer.status_code, answer.headers["location"]) == (303, "/?motif=session")


async def test_no_page_is_kept_by_the_browser_or_tells_its_address_elsewhere(house: House) -> None:
    browser = await enter(house, await box(house))
    page = await browser.get("/pro/compte")
    assert page.headers["cache-control"] == "no-store"
    assert page.headers["referrer-policy"] == "same-origin"
    assert "script-src 'self'" in page.headers["content-security-policy"]


async def test_the_address_of_the_page_after_signing_in_is_not_the_clients_to_choose(house: House) -> None:
    bal = await box(house)
    data = {"username": bal.address, "password": PASSWORD, "next": "https://ailleurs.test", "to": "//x"}
    answer = await house.browser().post("/session?next=https://ailleurs.test", data=data)
    assert answer.headers["location"] == "/pro/"
    assert ORIGIN not in answer.headers["location"]
