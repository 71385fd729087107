"""Depositing and replacing: what is asked, what is refused and why, and what becomes of the document."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import update

from directory.patients import patient
from dmp_bridge.dossier.consents import ConsentKind, consents_of
from dmp_bridge.dossier.life import Status
from dmp_bridge.rights.vocabulary import Action
from tests.dmp_bridge.builders import OTHER_INS, PDF, cda
from tests.portal.webps.ward import MARIE, PAUL, post, said, upload

if TYPE_CHECKING:
    from tests.portal.webps.ward import Ward


async def test_a_pdf_is_deposited_with_its_type_date_and_title(ward: Ward) -> None:
    ward.practise(MARIE)
    browser, path = await ward.authorised()
    answer = await upload(browser, f"{path}/depot", PDF, title="Consultation de neurologie")
    assert answer.status_code == 303, said(answer.text)
    told = await browser.get(answer.headers["location"])
    assert "Le document est déposé." in said(told.text)
    (document,) = await ward.documents()
    assert document.unique_id in told.text
    assert (document.title, document.type_code) == ("Consultation de neurologie", "11488-4")
    assert document.depositor_id == MARIE
    assert "MARTIN" in document.author_name
    assert document.institution == "CH de Démo"
    page = said((await browser.get(f"{path}/documents/{document.id}")).text)
    assert "Date de l’acte 12 mars 2026" in page
    assert "Supprimer" in page
    content = await browser.get(f"{path}/documents/{document.id}/contenu")
    assert content.content == PDF


async def test_a_cda_speaks_for_itself(ward: Ward) -> None:
    browser, path = await ward.authorised()
    data = cda(ins=ward.patient.ins, title="Bilan sanguin")
    answer = await upload(browser, f"{path}/depot", data, "bilan.xml", type="", date="")
    assert answer.status_code == 303, said(answer.text)
    (document,) = await ward.documents()
    assert (document.title, document.type_code) == ("Bilan sanguin", "11502-2")
    again = await upload(browser, f"{path}/depot", data, "bilan.xml", type="", date="")
    page = said((await browser.get(again.headers["location"])).text)
    assert "Ce document était déjà dans le dossier." in page


async def test_feeding_needs_no_authorisation(ward: Ward) -> None:
    browser = await ward.enter(MARIE)
    path = await ward.open(browser)
    answer = await upload(browser, f"{path}/depot", PDF)
    assert answer.status_code == 303
    assert (await browser.get(answer.headers["location"])).status_code == 200


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"informed": ""}, "Informez le patient"),
        ({"type": ""}, "Choisissez le type"),
        ({"date": ""}, "Donnez la date"),
        ({"date": "2026-03-14"}, "Donnez la date"),
        ({"date": "hier"}, "Donnez la date"),
        ({"visible": ""}, "à qui le document est visible"),
        ({"visible": "INVISIBLE_REPRESENTANTS_LEGAUX"}, "à qui le document est visible"),
        ({"type": "DOCPAT01x"}, "Le type du document"),
        ({"title": "x" * 129}, "titre de 128 caractères"),
    ],
)
async def test_what_is_missing_is_said_and_what_was_typed_stays(
    ward: Ward, fields: dict[str, str], words: str
) -> None:
    browser, path = await ward.authorised()
    answer = await upload(browser, f"{path}/depot", PDF, **{"title": "Lettre", **fields})
    assert answer.status_code == 422
    assert words in said(answer.text)
    assert f'value="{fields.get("title", "Lettre")}"' in answer.text
    assert await ward.documents() == ()


async def test_the_patient_is_never_told_to_be_informed_beforehand(ward: Ward) -> None:
    browser, path = await ward.authorised()
    page = (await browser.get(f"{path}/depot")).text
    (tick,) = re.findall(r'<input id="informed"[^>]*>', page)
    assert "checked" not in tick
    await upload(browser, f"{path}/depot", PDF)
    said_by_patient = ward.house.place.database.read_now(
        lambda connection: consents_of(connection, ward.patient.owner_id)
    )
    assert said_by_patient.was_informed
    assert [each.kind for each in said_by_patient.rows] == [ConsentKind.INFORMATION]


@pytest.mark.parametrize(
    ("visible", "masked", "unseen"),
    [("tous", False, False), ("MASQUE_PS", True, False), ("INVISIBLE_PATIENT", False, True)],
)
async def test_a_document_is_visible_to_whom_was_chosen(
    ward: Ward, visible: str, masked: bool, unseen: bool
) -> None:
    browser, path = await ward.authorised()
    assert (await upload(browser, f"{path}/depot", PDF, visible=visible)).status_code == 303
    (document,) = await ward.documents()
    assert (document.masked_to_professionals, document.invisible_to_patient) == (masked, unseen)
    patient_page = await (await ward.house.signed_in(ward.patient)).get("/patient/documents")
    assert (document.title in patient_page.text) is not unseen


# ref: DMP-F20
async def test_a_minor_may_ask_for_secrecy(ward: Ward) -> None:
    browser, path = await ward.authorised()
    assert "Le mineur demande le secret" not in said((await browser.get(f"{path}/depot")).text)
    adult = await upload(browser, f"{path}/depot", PDF, secret="1")
    assert adult.status_code == 422
    born = update(patient).where(patient.c.owner_id == ward.patient.owner_id).values(birth_date="2011-05-01")
    await ward.house.place.database.write(lambda uow: uow.execute(born))
    assert "Le mineur demande le secret" in said((await browser.get(f"{path}/depot")).text)
    answer = await upload(browser, f"{path}/depot", PDF, secret="1")
    assert answer.status_code == 303, said(answer.text)
    (document,) = await ward.documents()
    assert document.invisible_to_representatives
    assert ward.traces(Action.FEED)[0].is_secret
    page = said((await browser.get(f"{path}/documents/{document.id}")).text)
    assert "Attention, ce document n’est pas visible des représentants légaux" in page
    assert "Rendre visible aux représentants légaux" in page


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "Choisissez un fichier"),
        (b"MZ\x90\x00 a program", "format"),
        (cda(ins=OTHER_INS), "identité portée par le document"),
        (b"<?xml version='1.0'?><ClinicalDocument xmlns='urn:hl7-org:v3'>", ""),
    ],
)
async def test_what_is_no_document_of_this_patient_is_refused(ward: Ward, data: bytes, words: str) -> None:
    browser, path = await ward.authorised()
    answer = await upload(browser, f"{path}/depot", data)
    assert answer.status_code == 422
    assert words in said(answer.text) or "INS" in said(answer.text)
    assert 'role="alert"' in answer.text
    assert await ward.documents() == ()


async def test_who_opposed_is_not_fed(ward: Ward) -> None:
    browser, path = await ward.authorised()
    answer = await post(browser, f"{path}/volonte", f"{path}/volonte", answer="IO", reason="Psychiatrie")
    assert answer.status_code == 303
    answer = await upload(browser, f"{path}/depot", PDF)
    assert answer.status_code == 403
    assert "opposé, pour un motif légitime" in said(answer.text)
    assert await ward.documents() == ()


async def test_a_document_may_be_as_large_as_a_message(ward: Ward) -> None:
    browser, path = await ward.authorised()
    answer = await upload(browser, f"{path}/depot", PDF + b"%" * 300_000)
    assert answer.status_code == 303
    huge = PDF + b"%" * (ward.house.place.settings.limits.message_bytes + 600_000)
    assert (await upload(browser, f"{path}/depot", huge)).status_code == 413


async def test_two_files_are_not_one_document(ward: Ward) -> None:
    browser, path = await ward.authorised()
    page = (await browser.get(f"{path}/depot")).text
    token = re.search(r'name="csrf" value="([0-9a-f]{64})"', page)
    assert token is not None
    answer = await browser.post(
        f"{path}/depot",
        data={"csrf": token[1], "type": "11488-4", "date": "2026-03-12", "visible": "tous", "informed": "1"},
        files=[("file", (name, PDF, "application/pdf")) for name in ("a.pdf", "b.pdf")],
    )
    assert answer.status_code == 422
    assert "un seul fichier" in said(answer.text)


# ref: DMP-F12
async def test_an_own_document_is_replaced(ward: Ward) -> None:
    browser, path = await ward.authorised()
    await upload(browser, f"{path}/depot", PDF, title="Lettre")
    (first,) = await ward.documents()
    page = f"{path}/documents/{first.id}/remplacement"
    form = (await browser.get(page)).text
    assert 'value="Lettre"' in form
    assert 'value="2026-03-12"' in form
    answer = await upload(browser, page, PDF + b"\n% corrected", title="Lettre corrigée")
    assert answer.status_code == 303, said(answer.text)
    by_title = {each.title: each for each in await ward.documents()}
    assert by_title["Lettre"].status is Status.DEPRECATED
    assert by_title["Lettre corrigée"].status is Status.APPROVED
    newer = (await browser.get(f"{path}/documents/{by_title['Lettre corrigée'].id}")).text
    assert f'href="{path}/documents/{first.id}"' in newer


async def test_a_document_of_somebody_else_is_not_replaced(ward: Ward) -> None:
    filed = await ward.file()
    browser, path = await ward.authorised(PAUL)
    page = f"{path}/documents/{filed.document_id}/remplacement"
    answer = await upload(browser, page, PDF + b"\n% another")
    assert answer.status_code == 403
    (document,) = await ward.documents()
    assert document.status is Status.APPROVED


async def test_a_deposit_needs_the_token_of_its_form(ward: Ward) -> None:
    browser, path = await ward.authorised()
    answer = await browser.post(
        f"{path}/depot", data={"informed": "1"}, files={"file": ("a.pdf", PDF, "application/pdf")}
    )
    assert answer.status_code == 403
