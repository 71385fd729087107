"""The professionals' pages of the record in Chromium: accessible, by keyboard, and nothing a strict policy refuses."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from portal import sessions
from tests.dmp_bridge.builders import PDF, cda, n3_body
from tests.portal.chromium import CHROMIUM, Server, violations, window
from tests.portal.webps.ward import MARIE

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from playwright.async_api import Browser, Page

    from tests.portal.webps.ward import Ward

pytestmark = [
    pytest.mark.interop,
    pytest.mark.skipif(not CHROMIUM.exists(), reason="/usr/bin/chromium is not installed"),
]


@pytest.fixture
async def address(ward: Ward) -> AsyncIterator[str]:
    server = Server(ward.house)
    serving = asyncio.create_task(server.serve())
    async with asyncio.timeout(10):
        while not server.started:
            await asyncio.sleep(0)
    yield server.url
    ward.house.app.state.live.close()
    server.should_exit = True
    await serving


async def come_in(ward: Ward, address: str, chromium: Browser, complaints: list[str]) -> Page:
    """A page of a professional who signed in by Pro Santé Connect elsewhere and brings the cookie."""
    token = (await ward.enter(MARIE)).cookies[sessions.COOKIE]
    context = await window(chromium, address, java_script_enabled=True)
    await context.add_cookies([{"name": sessions.COOKIE, "value": token, "url": address, "secure": True}])
    page = await context.new_page()
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    return page


async def good(page: Page) -> None:
    """Accessible, and nothing to scroll sideways."""
    assert await violations(page) == [], page.url
    wide = await page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert wide == 0, page.url


async def test_a_record_is_found_entered_read_and_fed_by_keyboard(
    ward: Ward, address: str, chromium: Browser, tmp_path: Path
) -> None:
    ward.practise(MARIE)
    body = n3_body(("Conclusion", "<paragraph>Tout va bien.</paragraph>"), pdf=PDF)
    await ward.file(cda(ins=ward.patient.ins, body=body), visibilities=frozenset({"INVISIBLE_PATIENT"}))
    complaints: list[str] = []
    page = await come_in(ward, address, chromium, complaints)
    await page.goto("/pro/")
    await page.get_by_role("link", name="Dossiers", exact=True).press("Enter")
    await good(page)
    await page.get_by_label("Matricule INS").focus()
    await page.keyboard.type("279035121518900")
    await page.keyboard.press("Enter")
    await page.get_by_role("alert").wait_for()
    await good(page)
    await page.get_by_label("Matricule INS").fill(ward.patient.ins)
    await page.keyboard.press("Enter")
    await page.get_by_role("heading", name="Déclarer une autorisation").wait_for()
    await good(page)
    assert await page.locator("input:checked").count() == 0
    await page.get_by_label("J’ai recueilli aujourd’hui le consentement").press("Space")
    await page.get_by_role("button", name="Me déclarer autorisé").press("Enter")
    await page.get_by_text("Votre autorisation est enregistrée.").wait_for()
    await good(page)
    await page.locator("summary").press("Enter")
    await page.get_by_label("Non visibles par le patient").press("Space")
    await page.get_by_role("button", name="Filtrer").press("Enter")
    await page.get_by_role("link", name="Compte rendu d'examens biologiques").press("Enter")
    await page.get_by_text("Attention, ce document n’est pas visible du patient").wait_for()
    await good(page)
    await page.get_by_role("link", name="Rendre visible au patient").press("Enter")
    await page.get_by_label("J’ai compris que cet acte est définitif.").wait_for()
    await good(page)
    await page.get_by_label("J’ai compris que cet acte est définitif.").press("Space")
    await page.get_by_role("button", name="Rendre visible au patient").press("Enter")
    await page.get_by_text("Le document est visible par le patient.").wait_for()
    await page.get_by_role("link", name="Déposer", exact=True).press("Enter")
    await good(page)
    letter = tmp_path / "lettre.pdf"
    letter.write_bytes(PDF + b"% a letter")
    await page.get_by_label("Fichier").set_input_files(letter)
    await page.get_by_label("Type").select_option("11490-0")
    await page.get_by_label("Date de l’acte").fill("2026-03-12")
    await page.get_by_label("Titre").fill("Lettre de liaison")
    await page.get_by_label("J’ai informé le patient").press("Space")
    await page.get_by_role("button", name="Déposer").press("Enter")
    await page.get_by_text("Le document est déposé.").wait_for()
    await good(page)
    await page.get_by_role("link", name="Lire").press("Enter")
    await page.get_by_role("heading", name="Lettre de liaison").wait_for()
    await good(page)
    assert [each for each in complaints if "422" not in each] == []


async def test_every_other_page_passes_axe_and_the_emergency_stays_in_sight(
    ward: Ward, address: str, chromium: Browser
) -> None:
    filed = await ward.file()
    complaints: list[str] = []
    page = await come_in(ward, address, chromium, complaints)
    for path in ("patients", "nouveautes", "centre-15"):
        await page.goto(f"/pro/dossier/{path}")
        await good(page)
    await page.goto("/pro/dossier")
    await page.get_by_label("Matricule INS").fill(ward.patient.ins)
    await page.keyboard.press("Enter")
    await page.get_by_label("Bris de glace").press("Space")
    await page.get_by_label("Motif, que le patient lira").fill("Crise d’épilepsie")
    await page.get_by_role("button", name="Entrer en urgence").press("Enter")
    await page.get_by_role("region", name="Accès en urgence").wait_for()
    record = page.url.partition("/documents")[0]
    one = f"/documents/{filed.document_id}"
    for path in (
        "",
        "/documents",
        one,
        "/depot",
        "/vaccinations",
        "/enfance",
        "/volonte",
        "/acces",
        "/reference",
    ):
        await page.goto(record + path)
        assert await page.get_by_role("region", name="Accès en urgence").is_visible(), path
        await good(page)
    await page.goto(f"{record}/professionnels")
    await page.get_by_role("heading", name="Refusé").wait_for()
    await good(page)
    await page.get_by_role("button", name="Terminer l’accès en urgence").press("Enter")
    await page.get_by_text("Le dossier est fermé.").wait_for()
    assert await page.get_by_role("region", name="Accès en urgence").count() == 0
    assert [each for each in complaints if "403" not in each] == []


async def test_the_pages_work_without_javascript(ward: Ward, address: str, chromium: Browser) -> None:
    await ward.file()
    token = (await ward.enter(MARIE)).cookies[sessions.COOKIE]
    context = await window(chromium, address, java_script_enabled=False)
    await context.add_cookies([{"name": sessions.COOKIE, "value": token, "url": address, "secure": True}])
    page = await context.new_page()
    await page.goto("/pro/dossier")
    await page.get_by_label("Matricule INS").fill(ward.patient.ins)
    await page.keyboard.press("Enter")
    await page.get_by_label("Je suis membre de l’équipe de soins").check()
    await page.get_by_role("button", name="Me déclarer autorisé").click()
    await page.get_by_role("link", name="Compte rendu d'examens biologiques").click()
    await page.get_by_role("link", name="Masquer aux professionnels de santé").click()
    await page.get_by_role("button", name="Masquer aux professionnels de santé").click()
    assert await page.get_by_text("Le document est masqué aux professionnels de santé.").count() == 1
    assert await page.get_by_role("link", name="Compte rendu d'examens biologiques").count() == 0
