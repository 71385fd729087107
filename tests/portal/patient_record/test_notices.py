"""Notices on the page, and the wishes for those by mail."""

from __future__ import annotations

import pytest

from dmp_bridge.dossier.forms import DocumentQuery
from dmp_bridge.dossier.preferences import Preferences, preferences_of
from tests.portal.patient_record.home import NURSE, Home, in_emergency, said

PAGE = "/patient/avis"


def wished(home: Home) -> Preferences:
    return home.house.place.database.read_now(
        lambda connection: preferences_of(connection, home.patient.owner_id)
    )


# ref: DMP-F28
async def test_what_happened_is_told_on_the_page(home: Home) -> None:
    assert "Aucun avis." in await home.page(PAGE)
    filed = await home.file()
    await home.house.records.search(in_emergency(NURSE), home.patient.ins, DocumentQuery())
    page = await home.browser.get(PAGE)
    shown = said(page.text)
    assert shown.index("en urgence") < shown.index("Un document a été ajouté.")
    assert f'href="/patient/documents/{filed.document_id}"' in page.text
    assert "Lettre" not in shown


# ref: DMP-F28
async def test_the_wishes_are_kept_and_shown_again(home: Home) -> None:
    answer = await home.post(PAGE, PAGE, email="dominique@exemple.fr", told_of_access="1")
    assert (answer.status_code, answer.headers["location"]) == (303, PAGE)
    kept = wished(home)
    assert kept.email == "dominique@exemple.fr"
    assert (kept.told_of_access, kept.told_of_documents, kept.told_of_consents) == (True, False, False)
    page = await home.browser.get(PAGE)
    assert "Vos préférences sont enregistrées." in said(page.text)
    assert 'value="dominique@exemple.fr"' in page.text
    assert 'name="told_of_access" type="checkbox" value="1" checked' in page.text
    assert 'name="told_of_documents" type="checkbox" value="1" checked' not in page.text


async def test_the_wish_to_mask_outlives_other_wishes(home: Home) -> None:
    await home.post("/patient/choix/masquage", "/patient/choix", answer="yes")
    await home.post(PAGE, PAGE, email="a@exemple.fr")
    assert wished(home).masks_new_documents
    assert wished(home).email == "a@exemple.fr"


@pytest.mark.parametrize("email", ["x", "a@b", "a@b.fr\nBcc: c@d.fr", "é" * 300 + "@exemple.fr", "<script>@"])
async def test_an_address_that_is_none_is_refused(home: Home, email: str) -> None:
    answer = await home.post(PAGE, PAGE, email=email)
    assert answer.status_code == 422
    assert "Cette adresse électronique n’est pas valable." in said(answer.text)
    assert "<script>@" not in answer.text
    assert wished(home).email == ""


async def test_wishes_need_the_token_of_their_form(home: Home) -> None:
    answer = await home.browser.post(PAGE, data={"csrf": "0" * 64, "email": "a@exemple.fr"})
    assert answer.status_code == 403
    assert wished(home).email == ""
