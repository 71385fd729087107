"""The pages of the record in Chromium: accessible, by keyboard, on a small screen, and nothing a strict policy refuses."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from dmp_bridge.dossier import consents
from dmp_bridge.dossier.consents import Consent, ConsentKind
from dmp_bridge.dossier.forms import DocumentQuery
from dmp_bridge.dossier.relations import RelationKind
from tests.dmp_bridge.builders import PDF
from tests.portal.chromium import CHROMIUM, violations, window
from tests.portal.house import PASSWORD
from tests.portal.patient_record.home import AUTHOR, NURSE, Home, in_emergency

if TYPE_CHECKING:
    from playwright.async_api import Browser, Page

    from directory.patients import Patient
    from foundation.database import UnitOfWork

pytestmark = [
    pytest.mark.interop,
    pytest.mark.skipif(not CHROMIUM.exists(), reason="/usr/bin/chromium is not installed"),
]


async def sign_in(page: Page, patient: Patient, path: str = "/") -> None:
    await page.goto(path)
    await page.get_by_label("Matricule INS").fill(patient.ins)
    await page.get_by_label("Mot de passe").fill(PASSWORD)
    await page.get_by_role("button", name="Se connecter" if path == "/" else "Continuer").click()


async def story(home: Home) -> int:
    """Something of everything that a page can show; the number of the first document."""
    letter = await home.file(title="Lettre de sortie")
    await home.file(title="Lettre", data=PDF + b"1", visibilities=frozenset({"MASQUE_PS"}))
    await home.authorise(AUTHOR, RelationKind.ATTENDING)
    await home.house.records.search(in_emergency(NURSE), home.patient.ins, DocumentQuery())
    owner_id, now, hospital = home.patient.owner_id, home.house.clock.millis(), "1750000018"

    def reported(uow: UnitOfWork) -> None:
        for kind, value in (
            (ConsentKind.CONSULTATION, Consent.CONSENTS),
            (ConsentKind.FEEDING, Consent.OPPOSED),
        ):
            consents.record(uow, owner_id, kind, value, hospital, now, structure_id=hospital)

    await home.house.place.database.write(reported)
    return letter.document_id


async def test_the_pages_of_the_record_pass_axe(home: Home, url: str, chromium: Browser) -> None:
    number = await story(home)
    child = await home.child()
    await home.file(child)
    complaints: list[str] = []
    page = await (await window(chromium, url)).new_page()
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    await sign_in(page, home.patient)
    await page.get_by_role("link", name="Documents", exact=True).click()
    for path in (
        "/patient/documents",
        "/patient/documents?etat=tous",
        f"/patient/documents/{number}",
        f"/patient/documents/{number}/acte/masquer",
        "/patient/documents/ajout",
        "/patient/vaccinations",
        "/patient/enfance",
        "/patient/professionnels?q=x",
        "/patient/activite",
        "/patient/choix",
        "/patient/avis",
        "/patient/dossier",
        "/patient/proches",
        f"/patient/proches/{child.owner_id}/documents",
    ):
        await page.goto(path)
        assert await page.get_by_role("heading", level=1).count() == 1, path
        assert await violations(page) == [], path
    assert complaints == []


async def test_a_patient_adds_hides_and_deletes_a_document_by_keyboard(
    home: Home, url: str, chromium: Browser
) -> None:
    options = {"viewport": {"width": 360, "height": 740}, "java_script_enabled": True}
    page = await (await window(chromium, url, **options)).new_page()
    await sign_in(page, home.patient)
    await page.goto("/patient/documents/ajout")
    assert await page.evaluate("document.documentElement.scrollWidth") <= 360
    await page.get_by_label("Fichier").set_input_files(
        {"name": "analyse.pdf", "mimeType": "application/pdf", "buffer": PDF}
    )
    await page.get_by_label("Titre").focus()
    await page.keyboard.type("Mon analyse")
    await page.keyboard.press("Tab")
    await page.keyboard.type("Résultats")
    for _ in range(12):
        await page.keyboard.press("Tab")
        if await page.evaluate("document.activeElement.tagName") == "BUTTON":
            break
    await page.keyboard.press("Enter")
    await page.get_by_role("heading", name="Mon analyse").wait_for()
    assert await page.get_by_text("Ajouté par vous le").count() == 1
    await page.get_by_role("link", name="Masquer aux professionnels").focus()
    await page.keyboard.press("Enter")
    await page.get_by_role("button", name="Masquer aux professionnels").focus()
    await page.keyboard.press("Enter")
    await page.get_by_text("Le document est masqué aux professionnels de santé.").wait_for()
    assert await violations(page) == []
    await page.get_by_role("link", name="Supprimer").press("Enter")
    await page.get_by_label("J’ai compris que c’est définitif.").press("Space")
    await page.get_by_role("button", name="Supprimer").press("Enter")
    await page.get_by_text("Le document est supprimé.").wait_for()
    assert await page.get_by_text("Aucun document pour l’instant").count() == 1


async def test_errors_and_closing_pass_axe(home: Home, url: str, chromium: Browser) -> None:
    page = await (await window(chromium, url)).new_page()
    await sign_in(page, home.patient)
    await page.goto("/patient/avis")
    await page.get_by_label("Adresse électronique").fill("x")
    await page.get_by_role("button", name="Enregistrer").click()
    await page.get_by_role("alert").wait_for()
    assert await violations(page) == []
    await page.goto("/patient/dossier")
    await page.get_by_label("Je veux fermer mon dossier.").check()
    await page.get_by_role("button", name="Fermer le dossier").click()
    await page.get_by_role("heading", name="Espace fermé").wait_for()
    assert await violations(page) == []
    await page.get_by_role("button", name="Demander la suppression").click()
    await page.get_by_text("elle aura lieu le").wait_for()
    await page.get_by_role("button", name="Se déconnecter").click()
    await sign_in(page, home.patient)
    await page.get_by_role("link", name="Le rouvrir").click()
    assert await violations(page) == []
    await sign_in(page, home.patient, "/patient/espace-ferme")
    await page.get_by_role("button", name="Rouvrir l’espace").click()
    await page.get_by_role("heading", name="Messages").wait_for()


async def test_a_minor_in_a_secret_connection_is_told_so_on_each_page(
    home: Home, url: str, chromium: Browser
) -> None:
    child = await home.child()
    filed = await home.file(child, visibilities=frozenset({"INVISIBLE_REPRESENTANTS_LEGAUX"}))
    page = await (await window(chromium, url)).new_page()
    await sign_in(page, child)
    await page.goto("/patient/documents")
    assert await violations(page) == []
    await page.get_by_role("button", name="Ouvrir une connexion secrète").click()
    await page.get_by_role("button", name="Terminer la connexion secrète").wait_for()
    assert await violations(page) == []
    await page.goto(f"/patient/documents/{filed.document_id}/acte/montrer-aux-representants")
    assert await page.get_by_role("region", name="Connexion secrète").count() == 1
    assert await violations(page) == []
