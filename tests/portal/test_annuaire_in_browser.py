"""The pages of the directory and of operators in Chromium: accessible, by keyboard, and nothing a strict policy refuses."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

import pytest

from directory.annuaire.fields import Field
from directory.annuaire.model import Mailbox, Person
from directory.bals import BalType
from mailserver.signin import second_factor
from tests.directory.memory import MemoryView
from tests.mailserver.place import DOMAIN
from tests.portal.chromium import CHROMIUM, violations, window
from tests.portal.house import PASSWORD, House
from tests.portal.operators.people import operator
from tests.portal.professional.people import box

if TYPE_CHECKING:
    from playwright.async_api import Browser, Page

pytestmark = [
    pytest.mark.interop,
    pytest.mark.skipif(not CHROMIUM.exists(), reason="/usr/bin/chromium is not installed"),
]


async def fresh(house: House, url: str, chromium: Browser, complaints: list[str]) -> Page:
    page = await (await window(chromium, url)).new_page()
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    return page


async def sign_in(page: Page, username: str) -> None:
    await page.goto("/")
    await page.get_by_label("adresse de messagerie").fill(username)
    await page.get_by_label("Mot de passe").fill(PASSWORD)
    await page.get_by_role("button", name="Se connecter", exact=True).click()


async def test_the_pages_of_the_directory_pass_axe(house: House, url: str, chromium: Browser) -> None:
    marie, paul = await box(house), await box(house, "paul", idnat="810000000002")
    await house.place.send(marie, paul.address)
    shown = Mailbox(
        marie.address,
        BalType.PER,
        digital=True,
        last_name="MARTIN",
        first_name="MARIE",
        profession="Médecin",
        structure="CH",
    )
    house.annuaire.shown = MemoryView([shown])
    complaints: list[str] = []
    page = await fresh(house, url, chromium, complaints)
    await sign_in(page, marie.address)
    await page.get_by_role("link", name="Annuaire", exact=True).click()
    assert await violations(page) == []
    await page.get_by_label("Nom, service").focus()
    await page.keyboard.type("martin")
    await page.keyboard.press("Enter")
    await page.get_by_role("heading", name="1 boîte").wait_for()
    assert await violations(page) == []
    await page.get_by_role("link", name="MARIE MARTIN").focus()
    await page.keyboard.press("Enter")
    await page.get_by_role("heading", name="MARIE MARTIN").wait_for()
    assert await violations(page) == []
    await page.get_by_role("button", name="Garder dans mes correspondants").click()
    await page.get_by_role("heading", name="Mes correspondants").wait_for()
    assert await page.get_by_text("Gardé", exact=True).count() == 1
    assert await violations(page) == []
    await page.goto("/annuaire?q=personne")
    assert await page.get_by_text("Aucune boîte ne répond").count() == 1
    assert await violations(page) == []
    assert complaints == []
    # of a page that is gone the browser says so itself
    house.annuaire.shown.removed[Field.ADDRESS, "gone@ch.mssante.fr"] = 1_773_356_400_000
    await page.goto("/annuaire/bal/gone@ch.mssante.fr")
    await page.get_by_role("heading", name="Boîte retirée de l’annuaire").wait_for()
    assert await violations(page) == []


async def test_the_pages_of_operators_pass_axe(house: House, url: str, chromium: Browser) -> None:
    marie, service = await box(house), await box(house, "service", type="ORG", idnat="1990780017")
    account = await operator(house)
    complaints: list[str] = []
    page = await fresh(house, url, chromium, complaints)
    await sign_in(page, account.username)
    await page.get_by_role("heading", name="Second facteur").wait_for()
    assert await violations(page) == []
    await page.get_by_role("button", name="Mettre en place").click()
    secret = (await page.locator(".secret code").inner_text()).replace(" ", "")
    assert await violations(page) == []
    await page.get_by_label("Code à six chiffres").fill(_code(secret, house))
    await page.get_by_role("button", name="Confirmer").click()
    await page.get_by_text("Codes de secours").wait_for()
    assert await violations(page) == []
    await page.get_by_role("link", name="Boîtes", exact=True).click()
    assert await violations(page) == []
    await page.get_by_role("link", name=service.address).click()
    assert await violations(page) == []
    await page.get_by_label("Motif de la suspension").fill("Service fermé")
    await page.get_by_role("button", name="Suspendre").click()
    await page.get_by_text("La boîte est suspendue.").wait_for()
    assert await violations(page) == []
    await page.goto(f"/operateur/boites/{marie.address}")
    await page.get_by_label("Structure d’exercice").fill("77")
    await page.get_by_role("button", name="Enregistrer").click()
    await page.get_by_role("alert").wait_for()
    assert await violations(page) == []
    house.annuaire.shown = MemoryView(
        people=[Person("899900000102", last_name="ROUSSEL", first_name="CAMILLE")]
    )
    await page.goto("/operateur/boites/nouvelle")
    await page.get_by_label("Adresse", exact=True).fill(f"neuf@{DOMAIN}")
    await page.get_by_label("Nom", exact=True).fill("Paul DURAND")
    await page.get_by_label("Identifiant national").fill("899900000102")
    await page.get_by_role("button", name="Ouvrir la boîte").click()
    await page.get_by_label("C’est bien le porteur").check()
    assert await violations(page) == []
    await page.get_by_role("button", name="Ouvrir la boîte").click()
    await page.get_by_text("La boîte est ouverte.").wait_for()
    complaints = [each for each in complaints if "422" not in each]
    for path in ("/operateur/boites/nouvelle", "/operateur/service", "/operateur/?q=x"):
        await page.goto(path)
        assert await violations(page) == [], path
        wide = await page.evaluate(
            "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        )
        assert wide == 0
    assert complaints == []


def _code(secret: str, house: House) -> str:
    return second_factor.code(base64.b32decode(secret), house.clock.millis())
