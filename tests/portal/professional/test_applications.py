"""Application passwords by the pages: after a strong sign-in, shown once, and nobody else's to end."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from mailserver.envelope import Principal
from mailserver.signin import application
from mailserver.signin.application import ApplicationPassword, Scope
from tests.portal.house import House, form_token
from tests.portal.professional.people import (
    box,
    enrol,
    enter,
    enter_by_psc,
    enter_strongly,
    post,
    trail_of,
)

if TYPE_CHECKING:
    import httpx2

    from directory.bals import Bal

PAGE = "/pro/compte/applications"
_SECRET = re.compile(r'<p class="secret"><code>([^<]+)</code></p>')


async def strong(house: House, name: str = "marie.martin") -> tuple[httpx2.AsyncClient, Bal]:
    bal = await box(house, name)
    return await enter_strongly(house, bal, await enrol(house, bal)), bal


async def make(browser: httpx2.AsyncClient, **fields: str) -> httpx2.Response:
    wanted = {"name": "Thunderbird, poste 3", "imap": "1", "days": "90", **fields}
    return await post(browser, PAGE, PAGE, **{name: value for name, value in wanted.items() if value})


def kept(house: House, bal: Bal) -> list[ApplicationPassword]:
    return house.place.database.read_now(lambda connection: application.list_of(connection, bal.owner_id))


async def test_one_is_made_shown_once_and_opens_what_it_is_for(house: House) -> None:
    browser, bal = await strong(house)
    answer = await make(browser)
    assert (answer.status_code, answer.headers["location"]) == (303, PAGE)
    page = (await browser.get(PAGE)).text
    found = _SECRET.search(page)
    assert found is not None
    again = (await browser.get(PAGE)).text
    assert found[1] not in again
    assert "Thunderbird, poste 3" in again
    assert "Lire les messages (IMAP)" in again
    assert "11 juin 2026" in again
    assert "Jamais utilisé" in again
    opened = await house.sign_in.password(bal.address, found[1], peer="198.51.100.4", scope=Scope.IMAP)
    assert isinstance(opened, Principal)
    refused = await house.sign_in.password(bal.address, found[1], peer="198.51.100.4", scope=Scope.SMTP)
    assert not isinstance(refused, Principal)
    used = (await browser.get(PAGE)).text
    assert "depuis 198.51.100.4" in used
    (made,) = kept(house, bal)
    assert made.name not in str(trail_of(house, "application_password.made"))
    assert len(trail_of(house, "application_password.made")) == 1


async def test_a_weak_session_is_told_to_put_a_second_factor_in_place(house: House) -> None:
    bal = await box(house)
    browser = await enter(house, bal)
    page = (await browser.get(PAGE)).text
    assert 'name="name"' not in page
    assert "mettez d’abord en place un second facteur" in page
    refused = await make(browser)
    assert refused.status_code == 403
    assert "identification forte" in refused.text
    assert kept(house, bal) == []


async def test_pro_sante_connect_is_strong_enough(house_with_psc: House) -> None:
    bal = await box(house_with_psc)
    browser = await enter_by_psc(house_with_psc)
    assert (await make(browser)).status_code == 303
    assert len(kept(house_with_psc, bal)) == 1


@pytest.mark.parametrize(
    ("fields", "word"),
    [
        ({"name": ""}, "nom"),
        ({"name": "x" * 65}, "nom"),
        ({"name": "a\u202eb"}, "nom"),
        ({"imap": ""}, "usage"),
        ({"days": "0"}, "durée"),
        ({"days": "366"}, "durée"),
        ({"days": "-1"}, "durée"),
        ({"days": "³"}, "durée"),
        ({"days": "9" * 30}, "durée"),
    ],
)
async def test_what_cannot_be_made_is_said_beside_what_was_typed(
    house: House, fields: dict[str, str], word: str
) -> None:
    browser, bal = await strong(house)
    answer = await make(browser, **fields)
    assert answer.status_code == 422
    assert word in answer.text
    assert kept(house, bal) == []
    if "days" in fields:
        assert 'value="Thunderbird, poste 3"' in answer.text


async def test_a_revoked_one_ends_and_is_listed_as_such(house: House) -> None:
    browser, bal = await strong(house)
    await make(browser)
    found = _SECRET.search((await browser.get(PAGE)).text)
    assert found is not None
    (made,) = kept(house, bal)
    answer = await post(browser, f"{PAGE}/{made.id}/revoquer", PAGE)
    assert (answer.status_code, answer.headers["location"]) == (303, PAGE)
    page = (await browser.get(PAGE)).text
    assert "Révoqué" in page
    assert "Le mot de passe d’application est révoqué" in page
    refused = await house.sign_in.password(bal.address, found[1], peer="198.51.100.4", scope=Scope.IMAP)
    assert not isinstance(refused, Principal)
    assert (await post(browser, f"{PAGE}/{made.id}/revoquer", PAGE)).status_code == 404


async def test_nobody_ends_or_sees_that_of_another(house: House) -> None:
    browser, bal = await strong(house)
    await make(browser)
    (made,) = kept(house, bal)
    stranger, _ = await strong(house, "paul.girard")
    assert "Thunderbird, poste 3" not in (await stranger.get(PAGE)).text
    for number in (str(made.id), "0", "-1", "x", "9" * 40, "²"):
        assert (await post(stranger, f"{PAGE}/{number}/revoquer", PAGE)).status_code == 404
    assert kept(house, bal)[0].revoked_at is None
    assert trail_of(house, "application_password.revoked") == []


async def test_one_that_ended_says_so(house: House) -> None:
    browser, bal = await strong(house)
    await make(browser, days="1")
    house.clock.advance(timedelta(days=2))
    page = (await (await enter_strongly_again(house, bal)).get(PAGE)).text
    assert "Terminé" in page
    assert "Révoquer" not in page


async def enter_strongly_again(house: House, bal: Bal) -> httpx2.AsyncClient:
    return await enter_strongly(house, bal, await enrol(house, bal))


async def test_a_name_is_shown_as_text(house: House) -> None:
    browser, _ = await strong(house)
    await make(browser, name="<b>x</b>")
    page = (await browser.get(PAGE)).text
    assert "<b>x</b>" not in page
    assert "&lt;b&gt;x&lt;/b&gt;" in page


async def test_the_thirty_third_is_refused(house: House) -> None:
    browser, bal = await strong(house)
    csrf = await form_token(browser, PAGE)
    for number in range(application.MOST_LIVE):
        data = {"csrf": csrf, "name": f"n{number}", "imap": "1", "days": "1"}
        assert (await browser.post(PAGE, data=data)).status_code == 303
    assert (await make(browser)).status_code == 422
    assert len(kept(house, bal)) == application.MOST_LIVE


async def test_mail_is_ticked_and_the_directory_is_not(house: House) -> None:
    browser, _ = await strong(house)
    ticked = re.compile(r'id="scope-([a-z]+)"[^>]* checked>')
    assert ticked.findall((await browser.get(PAGE)).text) == ["imap", "smtp"]
    refused = await make(browser, imap="", ldap="1", days="0")
    assert ticked.findall(refused.text) == ["ldap"]
