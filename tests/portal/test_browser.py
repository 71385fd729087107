"""The portal in Chromium over HTTPS: accessible on every page, usable by keyboard, without JavaScript, and live."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from dmp_bridge import record
from tests.dmp_bridge.builders import PDF, PNG, cda, mail, n3_body, xdm
from tests.portal.chromium import CHROMIUM, violations, window
from tests.portal.house import PASSWORD, House

if TYPE_CHECKING:
    from playwright.async_api import Browser, BrowserContext, Page

    from directory.bals import Bal
    from directory.patients import Patient

pytestmark = [
    pytest.mark.interop,
    pytest.mark.skipif(not CHROMIUM.exists(), reason="/usr/bin/chromium is not installed"),
]


async def signed_in(context: BrowserContext, patient: Patient) -> Page:
    page = await context.new_page()
    await page.goto("/")
    await page.get_by_label("Matricule INS").fill(patient.ins)
    await page.get_by_label("Mot de passe").fill(PASSWORD)
    await page.get_by_role("button", name="Se connecter").click()
    await page.wait_for_url("**/patient/conversations")
    return page


async def story(house: House) -> tuple[Bal, Patient]:
    """A doctor sends a document, two files and a word; everything that a page can show is there."""
    doctor, patient = await house.doctor(), await house.patient()
    narrative = cda(
        unique_id="1.2.250.1.999.2.1",
        set_id="1.2.250.1.999.2",
        title="Compte rendu de consultation",
        code="11488-4",
        body=n3_body(("Conclusion", "<paragraph>Tout va bien.</paragraph>")),
    )
    content = mail(
        ("IHE_XDM.zip", "application/zip", xdm(cda())),
        ("CR.xml", "text/xml", narrative),
        ("Ordonnance.pdf", "application/pdf", PDF + b"%"),
        ("photo.png", "image/png", PNG),
        sender=doctor.address,
        recipient=f"{patient.ins}@patient.mssante.fr",
        subject="XDM/1.0/DDM+Résultats de votre consultation",
    )
    await house.deliver(doctor, patient, content)
    return doctor, patient


def documents_of(house: House, patient: Patient) -> list[int]:
    """The numbers of the documents of a record, the first filed first."""
    documents = house.place.database.read_now(
        lambda connection: record.list_documents(connection, patient.owner_id)
    )
    return sorted(document.id for document in documents)


async def test_every_page_passes_axe(house: House, url: str, chromium: Browser) -> None:
    _, patient = await story(house)
    await house.write(
        await house.place.add("secretariat"), patient, subject="Rendez-vous", message_id="<s@x>"
    )
    context = await window(chromium, url)
    page = await context.new_page()
    for path in ("/", "/?motif=session", "/nulle-part"):
        await page.goto(path)
        assert await violations(page) == [], path
    await page.goto("/")
    await page.get_by_label("Matricule INS").fill("personne")
    await page.get_by_label("Mot de passe").fill("faux")
    await page.get_by_role("button", name="Se connecter").click()
    assert await page.get_by_role("alert").count() == 1
    assert await violations(page) == []
    page = await signed_in(context, patient)
    assert await violations(page) == []
    await page.get_by_role("link", name="Dr Marie MARTIN").click()
    assert await page.get_by_text("À classer", exact=True).count() == 2
    assert await violations(page) == []
    await page.get_by_role("button", name="Envoyer").click()
    assert await page.get_by_role("alert").count() == 1
    assert await violations(page) == []
    await page.get_by_role("link", name="Documents", exact=True).click()
    assert await violations(page) == []
    documents = documents_of(house, patient)
    assert len(documents) == 2
    for document in documents:
        await page.goto(f"/patient/documents/{document}")
        assert await violations(page) == []


async def test_a_narrow_window_at_double_size_needs_no_sideways_scrolling(
    house: House, url: str, chromium: Browser
) -> None:
    _, patient = await story(house)
    context = await window(chromium, url, viewport={"width": 320, "height": 640})
    page = await signed_in(context, patient)
    for path in (
        "/patient/conversations",
        "/patient/conversations/1",
        "/patient/documents",
        f"/patient/documents/{documents_of(house, patient)[0]}",
    ):
        await page.goto(path)
        wide = await page.evaluate(
            "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        )
        assert wide == 0, path


async def test_a_person_with_a_keyboard_signs_in_reads_files_and_answers(
    house: House, url: str, chromium: Browser
) -> None:
    doctor, patient = await story(house)
    page = await (await window(chromium, url)).new_page()
    await page.goto("/")

    async def to(name: str) -> None:
        """Tabs until the focused element has this name."""
        for _ in range(60):
            await page.keyboard.press("Tab")
            if name in await page.evaluate(
                "(e => (e.labels && e.labels.length ? e.labels[0].textContent : '') || e.textContent || e.name || '')"
                "(document.activeElement)"
            ):
                return
        pytest.fail(f"the keyboard does not reach {name}")

    await page.keyboard.press("Tab")
    await page.keyboard.press("Enter")
    await page.wait_for_url("**/#contenu")
    await to("Matricule INS")
    await page.keyboard.type(patient.ins)
    await to("Mot de passe")
    await page.keyboard.type(PASSWORD)
    await page.keyboard.press("Enter")
    await page.wait_for_url("**/patient/conversations")
    await to("Dr Marie MARTIN")
    await page.keyboard.press("Enter")
    await page.wait_for_url("**/patient/conversations/1")
    await to("Enregistrer dans mes documents")
    await page.keyboard.press("Enter")
    await page.wait_for_url("**/patient/conversations/1#message-*")
    await to("Votre message")
    await page.keyboard.type("Merci docteur.")
    await to("Envoyer")
    await page.keyboard.press("Enter")
    await page.wait_for_url("**?envoi=fait")
    assert await page.get_by_text("Merci docteur.").count() == 1
    assert len(await house.place.kept(doctor.owner_id)) == 1


async def test_two_quick_clicks_send_one_message(house: House, url: str, chromium: Browser) -> None:
    doctor, patient = await story(house)
    page = await signed_in(await window(chromium, url), patient)
    await page.get_by_role("link", name="Dr Marie MARTIN").click()
    await page.get_by_label("Votre message").fill("Merci docteur")
    await page.get_by_role("button", name="Envoyer").dblclick()
    await page.get_by_text("Votre message est envoyé.").wait_for()
    assert await page.get_by_role("button", name="Envoyer").is_enabled()
    assert len(await house.place.kept(doctor.owner_id)) == 1


async def test_everything_works_without_javascript(house: House, url: str, chromium: Browser) -> None:
    doctor, patient = await story(house)
    context = await window(chromium, url, java_script_enabled=False)
    page = await signed_in(context, patient)
    await page.get_by_role("link", name="Dr Marie MARTIN").click()
    await page.get_by_role("button", name="Enregistrer dans mes documents").first.click()
    assert await page.get_by_text("À classer", exact=True).count() == 1
    await page.get_by_label("Votre message").fill("Merci docteur.")
    await page.get_by_label("Joindre des documents").set_input_files(
        [{"name": "photo.png", "mimeType": "image/png", "buffer": PNG}]
    )
    await page.get_by_role("button", name="Envoyer").click()
    await page.wait_for_url("**?envoi=fait")
    assert await page.get_by_text("Merci docteur.").count() == 1
    assert len(await house.place.kept(doctor.owner_id)) == 1
    await page.get_by_role("link", name="Documents", exact=True).click()
    await page.get_by_role("link", name="Ordonnance", exact=True).click()
    async with page.expect_download() as downloading:
        await page.get_by_role("link", name="Télécharger").click()
    download = await downloading.value
    assert download.suggested_filename == "Ordonnance.pdf"
    assert (await asyncio.to_thread(Path(await download.path()).read_bytes)) == PDF + b"%"
    await page.get_by_role("button", name="Se déconnecter").click()
    assert await page.get_by_text("Vous êtes déconnecté.").count() == 1


async def test_a_new_message_appears_without_reloading(house: House, url: str, chromium: Browser) -> None:
    doctor, patient = await story(house)
    context = await window(chromium, url)
    page = await signed_in(context, patient)
    await page.goto("/patient/conversations/1")
    await page.evaluate("window.notReloaded = true")
    async with asyncio.timeout(10):
        while not house.app.state.live.streams:
            await asyncio.sleep(0)
    await page.get_by_label("Votre message").fill("Un brouillon")
    await house.write(
        doctor,
        patient,
        subject="Re: Résultats de votre consultation",
        message_id="<m2@example.fr>",
        body="Une précision.\r\n",
    )
    await page.get_by_text("Une précision.").wait_for(timeout=10_000)
    assert await page.evaluate("window.notReloaded")
    assert await page.get_by_label("Votre message").input_value() == "Un brouillon"
    status = page.locator("#annonce")
    await status.get_by_text("Nouveau message de Dr Marie MARTIN").wait_for(timeout=5_000, state="attached")
    assert await page.locator("#messages > li").count() == 2


async def test_a_new_conversation_appears_in_the_list_without_reloading(
    house: House, url: str, chromium: Browser
) -> None:
    doctor, patient = await story(house)
    page = await signed_in(await window(chromium, url), patient)
    async with asyncio.timeout(10):
        while not house.app.state.live.streams:
            await asyncio.sleep(0)
    await house.write(doctor, patient, subject="Autre chose", message_id="<m2@example.fr>")
    await page.get_by_text("Autre chose").wait_for(timeout=10_000)
    await page.close()
    async with asyncio.timeout(10):
        while house.app.state.live.streams:
            await asyncio.sleep(0)


async def test_the_policy_lets_nothing_run_and_no_page_breaks_it(
    house: House, url: str, chromium: Browser
) -> None:
    _, patient = await story(house)
    context = await window(chromium, url)
    page = await signed_in(context, patient)
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    narrative = documents_of(house, patient)[1]
    for path in ("/patient/conversations/1", "/patient/documents", f"/patient/documents/{narrative}"):
        await page.goto(path, wait_until="load")
    frame = page.frame_locator("iframe")
    await frame.get_by_text("Tout va bien.").wait_for(timeout=5_000)
    # The frame is styled by our sheet although its origin is nobody's.
    assert await frame.locator("h1").evaluate("e => getComputedStyle(e).fontSize") == "20px"
    assert complaints == []


@pytest.mark.parametrize("script", [True, False])
async def test_a_reading_receipt_is_decided_by_keyboard_and_passes_axe(
    house: House, url: str, chromium: Browser, *, script: bool
) -> None:
    doctor, patient = await house.doctor(), await house.patient()
    for number in range(2):
        asks = f"Disposition-Notification-To: {doctor.address}"
        await house.write(doctor, patient, message_id=f"<{number}@x>", headers=(asks,))
    context = await window(chromium, url, java_script_enabled=script)
    page = await signed_in(context, patient)
    await page.goto("/patient/conversations/1")
    asked = page.get_by_text("Ce professionnel demande un accusé de lecture.")
    assert await asked.count() == 2
    if script:
        assert await violations(page) == []
    await page.get_by_role("button", name="Envoyer l’accusé de lecture", exact=True).first.focus()
    await page.keyboard.press("Enter")
    await page.wait_for_url("**?accuse=sent#message-*")
    await page.get_by_role("button", name="Ne pas envoyer l’accusé de lecture").focus()
    await page.keyboard.press("Space")
    await page.wait_for_url("**?accuse=withheld#message-*")
    assert await asked.count() == 0
    assert await page.get_by_text("Accusé de lecture envoyé.").count() == 1
    assert await page.get_by_text("Vous n’avez pas envoyé d’accusé de lecture.").count() == 1
    if script:
        assert await violations(page) == []
    await house.worker.drain()
    assert len(await house.place.kept(doctor.owner_id)) == 1
