"""The provider's pages in Chromium: accessible, usable by keyboard, without JavaScript, and leading back."""

from __future__ import annotations

import asyncio
import json
import urllib.request
from base64 import b64encode
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest
from playwright.async_api import async_playwright

from tests.portal.chromium import ARGUMENTS, CHROMIUM, violations
from tests.vaguemestre.psc.provider import CAMILLE, KARIM, RETURN

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from playwright.async_api import Browser, Page

    from tests.vaguemestre.programs import Serving

pytestmark = [
    pytest.mark.interop,
    pytest.mark.skipif(not CHROMIUM.exists(), reason="/usr/bin/chromium is not installed"),
]


@pytest.fixture
async def chromium() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=str(CHROMIUM), args=ARGUMENTS)
        yield browser
        await browser.close()


@pytest.fixture
async def software() -> AsyncIterator[str]:
    """The address of return of a software that answers everything with « Bien revenu »."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        body = b"<!doctype html><title>Logiciel</title><h1>Bien revenu</h1>"
        head = f"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: {len(body)}\r\n"
        writer.write(head.encode() + b"Connection: close\r\n\r\n" + body)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/retour"


def asked(sandbox: Serving, redirect_uri: str, **other: str) -> str:
    told = sandbox.told["psc"]
    query = {
        "client_id": told["client_id"],
        "redirect_uri": redirect_uri,
        "response_type": "code",
        "scope": "openid scope_all",
        "state": "s-1",
        **other,
    }
    return f"{told['issuer']}/protocol/openid-connect/auth?{urlencode(query)}"


def ask_by_ciba(sandbox: Serving) -> None:
    told = sandbox.told["psc"]
    proof = b64encode(f"{told['client_id']}:{told['client_secret']}".encode()).decode()
    form = {"scope": "openid", "login_hint": KARIM, "binding_message": "42"}
    request = urllib.request.Request(
        f"{told['issuer']}/protocol/openid-connect/ext/ciba/auth",
        urlencode(form).encode(),
        {"Authorization": f"Basic {proof}"},
    )
    with urllib.request.urlopen(request, context=sandbox.tls(), timeout=20) as answer:
        assert json.loads(answer.read())["auth_req_id"]


async def page_of(chromium: Browser, *, scripts: bool = True) -> Page:
    context = await chromium.new_context(
        ignore_https_errors=True,
        locale="fr-FR",
        java_script_enabled=scripts,
    )
    return await context.new_page()


async def test_every_page_passes_axe(sandbox: Serving, chromium: Browser) -> None:
    page = await page_of(chromium)
    issuer = sandbox.told["psc"]["issuer"]
    await asyncio.to_thread(ask_by_ciba, sandbox)
    for url in (
        f"{issuer}/",
        asked(sandbox, RETURN),
        asked(sandbox, RETURN, login_hint=CAMILLE),
        asked(sandbox, "http://ailleurs.example/"),
        f"{issuer}/protocol/openid-connect/logout",
        f"{issuer}/ciba",
    ):
        await page.goto(url)
        assert await violations(page) == [], url
    await page.get_by_role("button", name="Refuser pour Karim BENALI").first.click()
    assert await page.get_by_role("status").inner_text() == "Identification refusée."
    assert await violations(page) == []


async def test_one_is_chosen_and_led_back_to_another_origin_without_javascript(
    sandbox: Serving, chromium: Browser, software: str
) -> None:
    page = await page_of(chromium, scripts=False)
    await page.goto(asked(sandbox, software))
    await page.get_by_label("Karim BENALI").check()
    await page.get_by_role("button", name="S’identifier").click()
    await page.get_by_role("heading", name="Bien revenu").wait_for()
    values = dict(parse_qsl(urlsplit(page.url).query))
    assert values["state"] == "s-1"
    assert values["code"]


async def test_the_choice_is_made_by_keyboard(sandbox: Serving, chromium: Browser, software: str) -> None:
    page = await page_of(chromium)
    await page.goto(asked(sandbox, software, login_hint=CAMILLE))
    assert await page.get_by_label("Camille ROUSSEL").is_checked()
    await page.get_by_label("Camille ROUSSEL").focus()
    await page.keyboard.press("ArrowDown")
    assert await page.get_by_label("Karim BENALI").is_checked()
    await page.keyboard.press("Enter")
    await page.get_by_role("heading", name="Bien revenu").wait_for()


async def test_who_refuses_is_led_back_as_well(sandbox: Serving, chromium: Browser, software: str) -> None:
    page = await page_of(chromium)
    await page.goto(asked(sandbox, software))
    await page.get_by_role("button", name="Refuser").click()
    await page.get_by_role("heading", name="Bien revenu").wait_for()
    assert "error=access_denied" in page.url


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
async def test_a_professional_comes_into_the_portal(sandbox: Serving, chromium: Browser, host: str) -> None:
    page = await page_of(chromium)
    await page.goto(f"https://{host}:{sandbox.told['ports']['https']}/")
    await page.get_by_role("button", name="Pro Santé Connect").click()
    await page.get_by_label("Karim BENALI").check()
    await page.get_by_role("button", name="S’identifier").click()
    await page.wait_for_url(f"https://{host}:*/pro/**")
    assert "retour" not in page.url
