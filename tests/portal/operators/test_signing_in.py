"""Operators sign in with password and second factor; nobody else gets in, and a changed account ends its sessions."""

from __future__ import annotations

import base64
import re
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from mailserver.signin import second_factor
from mailserver.signin.brake import FAILURES_OF_A_PAIR
from portal.operators.accounts import (
    OperatorRefused,
    add_operator,
    find_operator,
    remove_operator,
    set_operator_password,
)
from tests.portal.house import House, sign_in
from tests.portal.operators.people import enrol, enter, operator, post
from tests.portal.professional.people import box
from tests.portal.professional.people import enter as enter_as_professional

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from foundation.clock import FixedClock
    from foundation.database import Database
    from foundation.events import Events
    from foundation.vault import Vault

PAGES = ("/operateur/", "/operateur/service", "/operateur/boites/nouvelle")
_SECRET = re.compile(r'<p class="secret"><code>([A-Z2-7 ]+)</code>')


@pytest.fixture
async def relaxed(
    database: Database, vault: Vault, events: Events, clock: FixedClock, tmp_path: Path
) -> AsyncIterator[House]:
    """A house that asks operators for no second factor."""
    made = House.build(
        database, vault, events, clock, tmp_path, accounts={"operator_second_factor": "optional"}
    )
    yield made
    await made.bridge.close()
    await made.place.router.close()


async def test_an_operator_gives_password_and_code(house: House) -> None:
    browser = await enter(house)
    for page in PAGES:
        assert (await browser.get(page)).status_code == 200
    assert (await browser.get("/")).headers["location"] == "/operateur/"
    assert (await browser.get("/pro/")).headers["location"] == "/operateur/"
    assert (await browser.get("/patient/conversations")).headers["location"] == "/operateur/"
    left = await post(browser, "/operateur/", "/operateur/sortie")
    assert left.headers["location"] == "/?motif=sortie"
    assert (await browser.get("/operateur/")).status_code == 303


@pytest.mark.parametrize("page", PAGES)
async def test_a_password_alone_opens_nothing(house: House, page: str) -> None:
    account = await operator(house)
    await enrol(house, account)
    browser = house.browser()
    await sign_in(browser, account.username)
    assert (await browser.get(page)).headers["location"] == "/operateur/code"
    assert (await browser.get("/operateur/second-facteur")).headers["location"] == "/operateur/code"
    wrong = await post(browser, "/operateur/code", "/operateur/code", code="000000")
    assert wrong.status_code == 401
    offered = await post(browser, "/operateur/code", "/operateur/second-facteur/commencer")
    assert offered.headers["location"] == "/operateur/code"
    assert (await browser.get("/operateur/second-facteur/qr.svg")).status_code == 404


@pytest.mark.parametrize("page", PAGES)
async def test_nobody_else_sees_the_pages(house: House, page: str) -> None:
    assert (await house.browser().get(page)).headers["location"] == "/"
    professional = await enter_as_professional(house, await box(house))
    assert (await professional.get(page)).headers["location"] == "/pro/"
    patient = await house.signed_in(await house.patient())
    assert (await patient.get(page)).headers["location"] == "/patient/conversations"


async def test_the_first_sign_in_sets_the_second_factor_up(house: House) -> None:
    account = await operator(house)
    browser = house.browser()
    await sign_in(browser, account.username.upper())
    assert (await browser.get("/operateur/")).headers["location"] == "/operateur/second-facteur"
    page = "/operateur/second-facteur"
    await post(browser, page, f"{page}/commencer")
    shown = _SECRET.search((await browser.get(page)).text)
    assert shown is not None
    assert (await browser.get(f"{page}/qr.svg")).headers["content-type"] == "image/svg+xml"
    assert (await post(browser, page, f"{page}/confirmer", code="000000")).status_code == 422
    secret = base64.b32decode(shown[1].replace(" ", ""))
    code = second_factor.code(secret, house.clock.millis())
    done = await post(browser, page, f"{page}/confirmer", code=code)
    assert done.status_code == 303
    assert "Codes de secours" in (await browser.get(page)).text
    assert "Codes de secours" not in (await browser.get(page)).text
    assert (await browser.get("/operateur/")).status_code == 200


async def test_where_it_is_optional_a_password_suffices(relaxed: House) -> None:
    account = await operator(relaxed)
    browser = relaxed.browser()
    await sign_in(browser, account.username)
    assert (await browser.get("/operateur/")).status_code == 200


@pytest.mark.parametrize("name", ["claude", "personne"])
async def test_a_wrong_password_and_an_unknown_name_sound_the_same(house: House, name: str) -> None:
    await operator(house)
    answer = await sign_in(house.browser(), name, "not the password")
    assert answer.status_code == 401
    assert "Identifiant ou mot de passe incorrect" in answer.text


async def test_guesses_are_braked(house: House) -> None:
    account = await operator(house)
    browser = house.browser()
    for _ in range(FAILURES_OF_A_PAIR):
        assert (await sign_in(browser, account.username, "wrong")).status_code == 401
    assert (await sign_in(browser, account.username)).status_code == 429
    house.clock.advance(timedelta(minutes=16))
    assert (await sign_in(browser, account.username)).status_code == 303


async def test_guesses_at_the_code_are_braked(house: House) -> None:
    account = await operator(house)
    await enrol(house, account)
    browser = house.browser()
    await sign_in(browser, account.username)
    for _ in range(FAILURES_OF_A_PAIR):
        assert (await post(browser, "/operateur/code", "/operateur/code", code="1")).status_code == 401
    assert (await post(browser, "/operateur/code", "/operateur/code", code="1")).status_code == 429


async def test_another_password_and_a_removal_end_sessions(house: House) -> None:
    account = await operator(house)
    browser = await enter(house, account)
    await house.place.database.write(
        lambda uow: set_operator_password(uow, house.clock, account.username, "other")
    )
    assert (await browser.get("/operateur/")).headers["location"] == "/?motif=session"
    assert not house.place.database.read_now(
        lambda connection: second_factor.is_enrolled(connection, account.owner_id)
    )
    other = await operator(house, "dominique")
    browser = await enter(house, other)
    await house.place.database.write(lambda uow: remove_operator(uow, house.clock, other.username))
    assert (await browser.get("/operateur/")).status_code == 303
    assert (await sign_in(house.browser(), other.username)).status_code == 401


@pytest.mark.parametrize("name", ["", "a", "x" * 65, "a b", "a@b", "1abc", "é", "a" * 15, "CLAUDE"])
async def test_a_name_that_cannot_be_is_refused(house: House, name: str) -> None:
    await operator(house)
    with pytest.raises(OperatorRefused):
        await house.place.database.write(
            lambda uow: add_operator(uow, house.place.vault, house.clock, name, "hash")
        )


async def test_a_removed_name_is_not_given_again(house: House) -> None:
    account = await operator(house)
    await house.place.database.write(lambda uow: remove_operator(uow, house.clock, account.username))
    with pytest.raises(OperatorRefused, match="was an operator"):
        await operator(house)
    found = house.place.database.read_now(lambda connection: find_operator(connection, account.username))
    assert found is not None
    assert "hash" not in repr(found)
