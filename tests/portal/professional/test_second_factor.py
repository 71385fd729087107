"""The second factor: asked behind the password, put in place, taken away, and not to be guessed or replayed."""

from __future__ import annotations

import asyncio
import html
import re
from base64 import b32decode
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from directory.bals import set_password
from foundation.passwords import hash_password
from mailserver.signin import second_factor
from portal.professional import half_open
from portal.sessions import COOKIE
from tests.portal.house import House, form_token, sign_in
from tests.portal.professional.people import (
    CODE_COOKIE,
    box,
    code_of,
    enrol,
    enter,
    enter_by_psc,
    enter_strongly,
    give_code,
    is_in,
    post,
    recovery_codes,
    token_of,
    trail_of,
)

if TYPE_CHECKING:
    import httpx2

FACTOR = "/pro/compte/second-facteur"
_SECRET = re.compile(r'<p class="secret"><code>([A-Z2-7 ]+)</code></p>')


def shown_secret(page: str) -> bytes:
    found = _SECRET.search(page)
    assert found is not None, page
    text = found[1].replace(" ", "")
    return b32decode(text + "=" * (-len(text) % 8))


async def put_in_place(house: House, browser: httpx2.AsyncClient) -> tuple[bytes, list[str]]:
    """Enrols by the pages; returns the secret and the recovery codes."""
    assert (await post(browser, f"{FACTOR}/commencer")).status_code == 303
    secret = shown_secret((await browser.get(FACTOR)).text)
    answer = await post(browser, f"{FACTOR}/confirmer", code=code_of(house, secret))
    assert (answer.status_code, answer.headers["location"]) == (303, FACTOR), answer.text
    return secret, recovery_codes((await browser.get(FACTOR)).text)


async def test_the_password_alone_leads_to_the_code_and_opens_nothing_else(house: House) -> None:
    bal = await box(house)
    secret = await enrol(house, bal)
    browser = house.browser()
    answer = await sign_in(browser, bal.address)
    assert (answer.status_code, answer.headers["location"]) == (303, "/pro/code")
    assert COOKIE not in browser.cookies
    assert trail_of(house, "signin.accepted") == []
    half = browser.cookies[CODE_COOKIE]
    thief = house.browser()
    thief.cookies.set(COOKIE, half)
    for each in (browser, thief):
        assert (await each.get("/pro/compte")).status_code == 303
        assert not await is_in(each)
    assert "six chiffres" in (await browser.get("/pro/code")).text
    assert (await give_code(browser, code_of(house, secret))).headers["location"] == "/pro/"
    assert await is_in(browser)
    assert "Mot de passe et second facteur" in (await browser.get("/pro/")).text
    assert len(trail_of(house, "signin.accepted")) == 1


async def test_a_code_is_taken_once(house: House) -> None:
    bal = await box(house)
    secret = await enrol(house, bal)
    await enter_strongly(house, bal, secret)
    replayed = second_factor.code(secret, house.clock.millis())
    browser = house.browser("192.0.2.99")
    await sign_in(browser, bal.address)
    answer = await give_code(browser, replayed)
    assert answer.status_code == 401
    assert "déjà utilisé" in answer.text
    assert not await is_in(browser)


async def test_the_same_code_in_two_browsers_at_once_opens_one(house: House) -> None:
    bal = await box(house)
    secret = await enrol(house, bal)
    browsers = [house.browser(f"192.0.2.{number}") for number in range(3)]
    for browser in browsers:
        await sign_in(browser, bal.address)
    code = code_of(house, secret)
    answers = await asyncio.gather(*(give_code(browser, code) for browser in browsers))
    assert sorted(answer.status_code for answer in answers) == [303, 401, 401]


async def test_ten_guesses_end_the_half_open_session_and_lock_the_address(house: House) -> None:
    bal = await box(house)
    secret = await enrol(house, bal)
    browser = house.browser()
    await sign_in(browser, bal.address)
    form, half = await form_token(browser, "/pro/code"), browser.cookies[CODE_COOKIE]
    answers = []
    for number in range(10):
        answers.append(await browser.post("/pro/code", data={"csrf": form, "code": f"00000{number}"}))
    assert [answer.status_code for answer in answers] == [401] * half_open.TRIES + [303] * 5
    assert "Trop de codes incorrects" in answers[half_open.TRIES - 1].text
    assert answers[-1].headers["location"] == "/?motif=code"
    # The half-open session is dead, also for the right code, and so is the next one from this address.
    browser.cookies.set(CODE_COOKIE, half)
    right = code_of(house, secret)
    assert (await browser.post("/pro/code", data={"csrf": form, "code": right})).status_code == 303
    assert not await is_in(browser)
    browser = house.browser()
    await sign_in(browser, bal.address)
    locked = await give_code(browser, right)
    assert locked.status_code == 429
    assert CODE_COOKIE not in browser.cookies
    # Its bearer elsewhere is not locked out.
    elsewhere = house.browser("203.0.113.5")
    await sign_in(elsewhere, bal.address)
    assert (await give_code(elsewhere, right)).status_code == 303


async def test_guesses_in_parallel_count_before_they_are_judged(house: House) -> None:
    bal = await box(house)
    await enrol(house, bal)
    browser = house.browser()
    await sign_in(browser, bal.address)
    form = await form_token(browser, "/pro/code")
    guesses = [
        browser.post("/pro/code", data={"csrf": form, "code": f"{number:06d}"}) for number in range(20)
    ]
    answers = await asyncio.gather(*guesses)
    heard = [row for row in trail_of(house, "signin.refused") if row[2] == "MSS-102"]
    assert 1 <= len(heard) <= half_open.TRIES
    assert all(answer.status_code != 303 or "motif=code" in answer.headers["location"] for answer in answers)
    assert not await is_in(browser)


async def test_a_half_open_session_lasts_five_minutes(house: House) -> None:
    bal = await box(house)
    secret = await enrol(house, bal)
    browser = house.browser()
    await sign_in(browser, bal.address)
    form = await form_token(browser, "/pro/code")
    house.clock.advance(timedelta(minutes=4))
    assert (await browser.get("/pro/code")).status_code == 200
    house.clock.advance(timedelta(minutes=1))
    answer = await browser.post("/pro/code", data={"csrf": form, "code": code_of(house, secret)})
    assert (answer.status_code, answer.headers["location"]) == (303, "/?motif=code")
    assert "Le délai" in (await browser.get("/?motif=code")).text


async def test_a_half_open_session_ends_with_the_box_or_its_password(house: House) -> None:
    for name, change in (("un.deux", "suspend"), ("trois.quatre", "password")):
        bal = await box(house, name)
        await enrol(house, bal)
        browser = house.browser()
        await sign_in(browser, bal.address)
        if change == "suspend":
            await house.place.suspend(bal)
        else:
            stored = await hash_password("encore une autre phrase")
            await house.place.database.write(
                lambda uow, bal=bal, stored=stored: set_password(uow, bal.address, stored)
            )
        assert (await browser.get("/pro/code")).status_code == 303


async def test_the_form_for_the_code_is_bound_to_its_browser(house: House) -> None:
    bal = await box(house)
    secret = await enrol(house, bal)
    victim, other = house.browser(), house.browser()
    await sign_in(victim, bal.address)
    await sign_in(other, bal.address)
    stolen, code = await form_token(other, "/pro/code"), code_of(house, secret)
    for fields in ({"code": code}, {"code": code, "csrf": stolen}):
        assert (await victim.post("/pro/code", data=fields)).status_code == 403
    away = {"origin": "https://ailleurs.test"}
    own = await form_token(victim, "/pro/code")
    answer = await victim.post("/pro/code", data={"code": code, "csrf": own}, headers=away)
    assert answer.status_code == 403
    assert (await house.browser().get("/pro/code")).headers["location"] == "/?motif=code"


async def test_enrolment_shows_the_secret_its_picture_and_the_recovery_codes_once(house: House) -> None:
    bal = await box(house)
    browser, other = await enter(house, bal), await enter(house, bal)
    before = token_of(browser)
    assert (await browser.get(f"{FACTOR}/qr.svg")).status_code == 404
    assert (await post(browser, f"{FACTOR}/commencer")).status_code == 303
    page = (await browser.get(FACTOR)).text
    secret = shown_secret(page)
    uri = second_factor.uri(secret, bal.address, "Vaguemestre")
    assert uri in html.unescape(page)
    picture = await browser.get(f"{FACTOR}/qr.svg")
    assert picture.headers["content-type"] == "image/svg+xml"
    assert "script" not in picture.text
    assert 'fill="#fff"' in picture.text
    assert not house.place.database.read_now(
        lambda connection: second_factor.is_enrolled(connection, bal.owner_id)
    )
    assert (await post(browser, f"{FACTOR}/confirmer", code="000000")).status_code == 422
    answer = await post(browser, f"{FACTOR}/confirmer", code=code_of(house, secret))
    assert answer.status_code == 303
    assert "000000" not in answer.headers["location"]
    assert token_of(browser) != before
    assert not await is_in(other)
    page = (await browser.get(FACTOR)).text
    assert "Le second facteur est en place" in page
    assert len(recovery_codes(page)) == 10
    again = (await browser.get(FACTOR)).text
    assert recovery_codes(again) == []
    assert "Le second facteur est en place" not in again
    assert "10 codes de secours" in again
    assert (await browser.get(f"{FACTOR}/qr.svg")).status_code == 404
    assert trail_of(house, "second_factor.enrolled") == [
        ("second_factor.enrolled", f"bal:{bal.owner_id}", "enrolled")
    ]
    stale = house.browser()
    stale.cookies.set(COOKIE, before)
    assert not await is_in(stale)


async def test_what_a_session_keeps_for_the_next_page_is_not_readable_in_the_table(house: House) -> None:
    browser = await enter(house, await box(house))
    await post(browser, f"{FACTOR}/commencer")
    secret = shown_secret((await browser.get(FACTOR)).text)
    await post(browser, f"{FACTOR}/confirmer", code=code_of(house, secret))
    raw = b"".join(
        path.read_bytes() for path in house.place.settings.home.rglob("test.db*") if path.is_file()
    )
    codes = recovery_codes((await browser.get(FACTOR)).text)
    assert len(codes) == 10
    assert not [code for code in codes if code.encode() in raw]
    assert b"recovery_code" in raw


async def test_a_recovery_code_opens_once(house: House) -> None:
    bal = await box(house)
    _, codes = await put_in_place(house, await enter(house, bal))
    for expected in (303, 401):
        browser = house.browser()
        await sign_in(browser, bal.address)
        assert (await give_code(browser, codes[3])).status_code == expected


async def test_the_factor_goes_for_a_code_and_takes_the_strength_with_it(house: House) -> None:
    bal = await box(house)
    secret = await enrol(house, bal)
    browser, other = await enter_strongly(house, bal, secret), await enter_strongly(house, bal, secret)
    assert (await post(browser, f"{FACTOR}/retirer", code="123456")).status_code == 422
    before = token_of(browser)
    answer = await post(browser, f"{FACTOR}/retirer", code=code_of(house, secret))
    assert (answer.status_code, answer.headers["location"]) == (303, FACTOR)
    assert token_of(browser) != before
    assert not await is_in(other)
    assert "<dd>Mot de passe</dd>" in (await browser.get("/pro/")).text
    await enter(house, bal)


async def test_the_factor_is_changed_for_one_of_its_codes(house: House) -> None:
    bal = await box(house)
    former = await enrol(house, bal)
    browser = await enter_strongly(house, bal, former)
    for wrong in ({}, {"code": "123456"}):
        assert (await post(browser, f"{FACTOR}/commencer", **wrong)).status_code == 422
        assert (await browser.get(f"{FACTOR}/qr.svg")).status_code == 404
    house.clock.advance(timedelta(seconds=30))
    assert (await post(browser, f"{FACTOR}/commencer", code=code_of(house, former))).status_code == 303
    secret = shown_secret((await browser.get(FACTOR)).text)
    assert (await post(browser, f"{FACTOR}/confirmer", code=code_of(house, secret))).status_code == 303
    house.clock.advance(timedelta(seconds=30))
    assert (await post(browser, f"{FACTOR}/retirer", code=code_of(house, former))).status_code == 422
    assert (await post(browser, f"{FACTOR}/retirer", code=code_of(house, secret))).status_code == 303


@pytest.mark.parametrize("step", ["commencer", "retirer"])
async def test_codes_for_changing_the_factor_or_taking_it_away_are_braked(house: House, step: str) -> None:
    bal = await box(house)
    secret = await enrol(house, bal)
    browser = await enter_strongly(house, bal, secret)
    for number in range(5):
        assert (await post(browser, f"{FACTOR}/{step}", code=f"12345{number}")).status_code == 422
    assert (await post(browser, f"{FACTOR}/{step}", code=code_of(house, secret))).status_code == 429


async def test_an_offered_secret_waits_a_quarter_of_an_hour(house: House) -> None:
    browser = await enter(house, await box(house))
    await post(browser, f"{FACTOR}/commencer")
    secret = shown_secret((await browser.get(FACTOR)).text)
    house.clock.advance(timedelta(minutes=15))
    assert (await post(browser, f"{FACTOR}/confirmer", code=code_of(house, secret))).status_code == 422
    assert "Mettre en place" in (await browser.get(FACTOR)).text


@pytest.mark.parametrize("code", ["", "12345", "é" * 6, "٣" * 6, "1" * 5000, "0x1234", "\x00" * 6])
async def test_strange_codes_are_only_wrong(house: House, code: str) -> None:
    bal = await box(house)
    await enrol(house, bal)
    browser = house.browser()
    await sign_in(browser, bal.address)
    assert (await give_code(browser, code)).status_code == 401


async def test_a_box_without_password_has_no_second_factor(house_with_psc: House) -> None:
    await box(house_with_psc, password_hash=None)
    browser = await enter_by_psc(house_with_psc)
    assert "Pro Santé Connect" in (await browser.get(FACTOR)).text
    assert (await post(browser, f"{FACTOR}/commencer")).status_code == 404
