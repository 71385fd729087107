"""The professionals' pages in Chromium: accessible on every page, usable by keyboard and without JavaScript."""

from __future__ import annotations

from base64 import b32decode
from typing import TYPE_CHECKING

import pytest

from tests.portal.chromium import CHROMIUM, violations, window
from tests.portal.house import PASSWORD, House
from tests.portal.professional.people import Provider, box, code_of, delegate

if TYPE_CHECKING:
    from playwright.async_api import Browser, Page

    from directory.bals import Bal

pytestmark = [
    pytest.mark.interop,
    pytest.mark.skipif(not CHROMIUM.exists(), reason="/usr/bin/chromium is not installed"),
]


@pytest.fixture
def house(house_with_psc: House) -> House:
    return house_with_psc


async def sign_in(page: Page, bal: Bal) -> None:
    await page.goto("/")
    await page.get_by_label("adresse de messagerie").fill(bal.address)
    await page.get_by_label("Mot de passe").fill(PASSWORD)
    await page.get_by_role("button", name="Se connecter", exact=True).click()


async def story(house: House) -> tuple[Bal, Bal]:
    """A doctor and the service she is a delegate of."""
    doctor = await box(house)
    service = await box(house, "cardiologie", type="ORG", idnat=None)
    await delegate(house, service, doctor)
    return doctor, service


async def secret_on(page: Page) -> bytes:
    text = (await page.locator(".secret code").inner_text()).replace(" ", "")
    return b32decode(text + "=" * (-len(text) % 8))


async def test_every_page_passes_axe(house: House, url: str, chromium: Browser) -> None:
    doctor, service = await story(house)
    page = await (await window(chromium, url)).new_page()
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)

    async def holds(where: str) -> None:
        assert await violations(page) == [], where

    await page.goto("/")
    await holds("sign-in with Pro Santé Connect")
    await sign_in(page, doctor)
    await page.wait_for_url("**/pro/")
    for path in (
        "/pro/",
        "/pro/boites",
        "/pro/delegations",
        "/pro/absence",
        "/pro/compte",
        "/pro/compte/second-facteur",
        "/pro/compte/applications",
        "/pro/appareils",
    ):
        await page.goto(path)
        await holds(path)
    await page.goto("/pro/compte/second-facteur")
    await page.get_by_role("button", name="Mettre en place").click()
    await holds("the secret")
    assert await page.locator(".qr img").evaluate("e => e.naturalWidth") > 100
    secret = await secret_on(page)
    await page.get_by_label("Code à six chiffres").fill(code_of(house, secret))
    await page.get_by_role("button", name="Confirmer").click()
    assert await page.locator(".secrets li").count() == 10
    await holds("the recovery codes")
    await page.goto("/pro/compte/applications")
    await holds("the form for an application password")
    await page.get_by_label("Nom").fill("Thunderbird")
    await page.get_by_role("button", name="Créer").click()
    await page.get_by_role("status").wait_for()
    await holds("an application password")
    await page.goto("/pro/absence")
    await page.get_by_label("Dernier jour").fill("2026-03-20")
    await page.get_by_label("Votre réponse").fill("Joignez le secrétariat.")
    await page.get_by_role("button", name="Enregistrer").click()
    await page.get_by_text("Vous êtes absent").wait_for()
    await holds("an absence")
    await page.goto("/pro/boites")
    await page.get_by_role("button", name=f"Ouvrir {service.address}").click()
    await page.get_by_text("Par délégation").wait_for()
    for path in ("/pro/", "/pro/compte", "/pro/delegations"):
        await page.goto(path)
        await holds(f"{path} of a delegate")
    assert complaints == []
    await page.get_by_role("button", name="Se déconnecter").click()
    await sign_in(page, doctor)
    await page.wait_for_url("**/pro/code")
    await holds("/pro/code")
    await page.get_by_label("Code").fill("000000")
    await page.get_by_role("button", name="Continuer").click()
    assert await page.get_by_role("alert").count() == 1
    await holds("a wrong code")


@pytest.mark.parametrize("path", ["/patient/appareils"])
async def test_the_patients_list_of_devices_passes_axe(
    house: House, url: str, chromium: Browser, path: str
) -> None:
    patient = await house.patient()
    page = await (await window(chromium, url)).new_page()
    await page.goto("/")
    await page.get_by_label("Matricule INS").fill(patient.ins)
    await page.get_by_label("Mot de passe").fill(PASSWORD)
    await page.keyboard.press("Enter")
    await page.wait_for_url("**/patient/conversations")
    await page.goto(path)
    assert await violations(page) == []


async def test_no_page_scrolls_sideways_in_a_narrow_window(house: House, url: str, chromium: Browser) -> None:
    doctor, _ = await story(house)
    page = await (await window(chromium, url, viewport={"width": 320, "height": 640})).new_page()
    await sign_in(page, doctor)
    await page.wait_for_url("**/pro/")
    await page.goto("/pro/compte/second-facteur")
    await page.get_by_role("button", name="Mettre en place").click()
    await page.locator(".qr img").wait_for()
    for path in (
        "/pro/",
        "/pro/boites",
        "/pro/absence",
        "/pro/compte",
        "/pro/compte/second-facteur",
        "/pro/appareils",
    ):
        await page.goto(path)
        wide = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        assert await page.evaluate(wide) == 0, path


async def test_a_second_factor_is_put_in_place_by_keyboard_without_javascript(
    house: House, url: str, chromium: Browser
) -> None:
    doctor, _ = await story(house)
    page = await (await window(chromium, url, java_script_enabled=False)).new_page()
    await sign_in(page, doctor)
    await page.wait_for_url("**/pro/")
    await page.get_by_role("link", name="Mettez en place un second facteur").focus()
    await page.keyboard.press("Enter")
    await page.wait_for_url("**/second-facteur")
    await page.get_by_role("button", name="Mettre en place").focus()
    await page.keyboard.press("Space")
    await page.get_by_label("Code à six chiffres").focus()
    await page.keyboard.type(code_of(house, await secret_on(page)))
    await page.keyboard.press("Enter")
    await page.get_by_text("Le second facteur est en place").wait_for()
    assert await page.locator(".secrets li").count() == 10
    await page.reload()
    assert await page.locator(".secrets li").count() == 0


@pytest.mark.parametrize("script", [True, False])
async def test_the_browser_goes_to_pro_sante_connect_and_comes_back(
    house: House, url: str, chromium: Browser, provider: Provider, *, script: bool
) -> None:
    """To another origin, which our policy lets no form reach, and back with the cookie of this browser."""
    await box(house, "deux", type="CAB")
    doctor = await box(house)
    provider.there = url.replace("127.0.0.1", "localhost") + "/static/icon.svg?"
    context = await window(chromium, url, java_script_enabled=script)
    page = await context.new_page()
    await page.goto("/")
    await page.get_by_role("button", name="Se connecter avec Pro Santé Connect").click()
    await page.wait_for_url(lambda address: "localhost" in address and "state=" in address)
    state = page.url.rpartition("state=")[2]
    await page.goto(f"/pro/psc/retour?state={state}&code=c0de")
    await page.wait_for_url("**/pro/boites")
    await page.get_by_role("button", name=f"Ouvrir {doctor.address}").click()
    await page.get_by_text(f"Vous êtes dans la boîte {doctor.address}").wait_for()
    if script:
        assert await violations(page) == []
    await page.get_by_role("button", name="Se déconnecter").click()
    await page.wait_for_url(lambda address: "localhost" in address and "/logout?" in address)
