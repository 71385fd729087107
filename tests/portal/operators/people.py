"""Operators who sign in, with what is asked of them."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING

from foundation.passwords import hash_password
from mailserver.signin import second_factor
from portal.operators.accounts import add_operator
from tests.portal.house import PASSWORD, House, sign_in

if TYPE_CHECKING:
    import httpx2

    from portal.operators.accounts import OperatorAccount

_FORM_TOKEN = re.compile(r'name="csrf" value="([0-9a-f]{64})"')
_VERSION = re.compile(r'name="version" value="([0-9]+)"')


async def operator(house: House, name: str = "claude") -> OperatorAccount:
    """An operator whom PASSWORD lets in."""
    stored = await hash_password(PASSWORD)
    return await house.place.database.write(
        lambda uow: add_operator(uow, house.place.vault, house.clock, name, stored)
    )


async def enrol(house: House, account: OperatorAccount) -> bytes:
    secret, now = second_factor.new_secret(), house.clock.millis()
    await house.place.database.write(
        lambda uow: house.context.factors.impose(uow, account.owner_id, secret, now)
    )
    return secret


async def post(browser: httpx2.AsyncClient, page: str, path: str, **fields: str) -> httpx2.Response:
    """Posts a form of one's own page, with the version of the box the page shows."""
    shown = (await browser.get(page)).text
    token, version = _FORM_TOKEN.search(shown), _VERSION.search(shown)
    assert token is not None
    told = {"version": version[1]} if version is not None else {}
    return await browser.post(path, data={"csrf": token[1], **told, **fields})


async def enter(house: House, account: OperatorAccount | None = None) -> httpx2.AsyncClient:
    """A browser signed in with password and code."""
    account = account or await operator(house)
    secret = await enrol(house, account)
    browser = house.browser()
    answer = await sign_in(browser, account.username)
    assert (answer.status_code, answer.headers["location"]) == (303, "/operateur/"), answer.text
    house.clock.advance(timedelta(seconds=30))
    code = second_factor.code(secret, house.clock.millis())
    answer = await post(browser, "/operateur/code", "/operateur/code", code=code)
    assert (answer.status_code, answer.headers["location"]) == (303, "/operateur/"), answer.text
    return browser
