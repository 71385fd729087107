"""Another password: the old one is needed, the policy speaks, and the other sessions end."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from portal.sessions import COOKIE
from tests.portal.house import PASSWORD, House, form_token, sign_in
from tests.portal.professional.people import (
    box,
    delegate,
    enter,
    enter_by_psc,
    is_in,
    post,
    token_of,
    trail_of,
)

if TYPE_CHECKING:
    import httpx2

ACCOUNT = "/pro/compte"
NEW = "girafe lampe onze violon"


async def change(
    browser: httpx2.AsyncClient, old: str = PASSWORD, new: str = NEW, again: str | None = None
) -> httpx2.Response:
    fields = {"old": old, "new": new, "again": new if again is None else again}
    return await post(browser, f"{ACCOUNT}/mot-de-passe", ACCOUNT, **fields)


async def test_the_password_changes_and_the_other_sessions_end(house: House) -> None:
    bal = await box(house)
    browser, other = await enter(house, bal), await enter(house, bal)
    before = token_of(browser)
    answer = await change(browser)
    assert (answer.status_code, answer.headers["location"]) == (303, ACCOUNT)
    assert "Votre mot de passe est changé" in (await browser.get(ACCOUNT)).text
    assert "Votre mot de passe est changé" not in (await browser.get(ACCOUNT)).text
    assert token_of(browser) != before
    stale = house.browser()
    stale.cookies.set(COOKIE, before)
    for each in (other, stale):
        assert not await is_in(each)
    assert (await sign_in(house.browser("192.0.2.50"), bal.address)).status_code == 401
    assert (await sign_in(house.browser(), bal.address, NEW)).status_code == 303
    assert trail_of(house, "bal.password") == [("bal.password", f"bal:{bal.owner_id}", "changed")]


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"old": "faux faux faux"}, "L’ancien mot de passe est incorrect."),
        ({"again": "autre chose encore"}, "diffèrent"),
        ({"new": "court"}, "trop court"),
        ({"new": "azertyuiopqsdf"}, "suit le clavier"),
        ({"new": "marie.martin1"}, "reprend l&#39;adresse"),
        ({"new": "x" * 200}, "trop long"),
        ({"new": "motdepasse123"}, "parmi les plus utilisés"),
    ],
)
async def test_a_password_is_refused_with_one_sentence(
    house: House, fields: dict[str, str], sentence: str
) -> None:
    bal = await box(house)
    browser, other = await enter(house, bal), await enter(house, bal)
    answer = await change(browser, **fields)
    assert answer.status_code == 422
    assert sentence in answer.text
    assert answer.text.count('role="alert"') == 1
    assert PASSWORD not in answer.text
    assert await is_in(other)
    assert (await sign_in(house.browser(), bal.address)).status_code == 303


async def test_guessing_the_old_password_from_an_open_page_is_braked(house: House) -> None:
    browser = await enter(house, await box(house))
    for number in range(5):
        assert (await change(browser, old=f"essai {number}")).status_code == 422
    assert (await change(browser)).status_code == 429


async def test_who_comes_by_pro_sante_connect_gives_a_box_its_first_password(house_with_psc: House) -> None:
    bal = await box(house_with_psc, password_hash=None)
    browser = await enter_by_psc(house_with_psc)
    page = (await browser.get(ACCOUNT)).text
    assert "Choisir un mot de passe" in page
    assert 'name="old"' not in page
    assert (await change(browser, old="")).status_code == 303
    assert await is_in(browser)
    assert (await sign_in(house_with_psc.browser(), bal.address, NEW)).status_code == 303
    # From then on it is needed for the next one.
    assert (await change(browser, old="", new="encore une autre phrase")).status_code == 422


async def test_a_delegate_changes_nothing_of_the_structures_account(house: House) -> None:
    person, service = await box(house), await box(house, "cardiologie", type="ORG", idnat="1990700001")
    await delegate(house, service, person)
    browser = await enter(house, person)
    assert (await post(browser, "/pro/boites", address=service.address)).status_code == 303
    page = (await browser.get(ACCOUNT)).text
    assert "par délégation" in page
    assert 'type="password"' not in page
    csrf = await form_token(browser, ACCOUNT)
    for path in (
        f"{ACCOUNT}/mot-de-passe",
        f"{ACCOUNT}/second-facteur/commencer",
        f"{ACCOUNT}/second-facteur/confirmer",
        f"{ACCOUNT}/second-facteur/retirer",
        f"{ACCOUNT}/applications",
    ):
        fields = {"csrf": csrf, "old": PASSWORD, "new": NEW, "again": NEW, "code": "1"}
        assert (await browser.post(path, data=fields)).status_code == 404, path
    for path in (f"{ACCOUNT}/second-facteur", f"{ACCOUNT}/applications"):
        assert (await browser.get(path)).status_code == 404, path


async def test_the_password_is_asked_for_what_may_be_stored(house: House) -> None:
    browser = await enter(house, await box(house))
    page = (await browser.get(ACCOUNT)).text
    assert 'autocomplete="new-password"' in page
    assert 'autocomplete="current-password"' in page
