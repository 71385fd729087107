"""Attachments and documents: what became of them, reading them, and never somebody else's."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import update

from directory.bals import find_bal
from dmp_bridge import record
from dmp_bridge.tables import document as document_table
from dmp_bridge.tables import filing as filing_table
from portal.attachments import title_of
from portal.downloads import attachment, disposition, kind_of
from tests.dmp_bridge.builders import OTHER_INS, PDF, PNG, cda, mail, n1_body, n3_body, xdm
from tests.portal.house import SOMEBODY_ELSE, House, form_token

if TYPE_CHECKING:
    import httpx2

    from directory.bals import Bal
    from directory.patients import Patient
    from dmp_bridge.record import Document, Filing

DOCTOR = "marie.martin@hopital-demo.mssante.fr"
HOSTILE_NAME = 'rap"port\u202efdp.<b>é.pdf'


async def send(house: House, doctor: Bal, patient: Patient, *files: tuple[str, str, bytes]) -> None:
    content = mail(*files, sender=doctor.address, recipient=f"{patient.ins}@patient.mssante.fr")
    await house.deliver(doctor, patient, content)


async def conversation_page(house: House, browser: httpx2.AsyncClient, patient: Patient) -> str:
    return (await browser.get(f"/patient/conversations/{house.conversation(patient).id}")).text


def documents_of(house: House, patient: Patient) -> list[Document]:
    return house.place.database.read_now(
        lambda connection: record.list_documents(connection, patient.owner_id)
    )


async def filed(house: House, data: bytes, name: str = "IHE_XDM.zip") -> tuple[Patient, httpx2.AsyncClient]:
    patient = await house.patient()
    kind = "application/zip" if name.endswith("zip") else "text/xml"
    await send(house, await house.doctor(), patient, (name, kind, data))
    return patient, await house.signed_in(patient)


# ref: DMP-F38
async def test_a_structured_document_is_shown_as_filed_and_listed_by_category(house: House) -> None:
    patient, browser = await filed(house, xdm(cda()))
    (document,) = documents_of(house, patient)
    page = await conversation_page(house, browser, patient)
    assert "Classé dans vos documents" in page
    assert f'href="/patient/documents/{document.id}"' in page
    listed = (await browser.get("/patient/documents")).text
    assert "Résultats de biologie" in listed
    for fact in ("12 mars 2026", "CAMPARINI", "Laboratoire des charmes", "examens biologiques"):
        assert fact in listed


async def test_a_document_is_previewed_in_a_frame_and_downloaded(house: House) -> None:
    patient, browser = await filed(house, xdm(cda()))
    (document,) = documents_of(house, patient)
    page = await browser.get(f"/patient/documents/{document.id}")
    assert "<iframe" in page.text
    assert "Auteur" in page.text
    content = await browser.get(f"/patient/documents/{document.id}/content")
    assert content.content == PDF
    assert content.headers["content-type"] == "application/pdf"
    assert content.headers["content-disposition"].startswith("attachment; filename=")
    assert content.headers["cache-control"] == "no-store"
    preview = await browser.get(f"/patient/documents/{document.id}/preview")
    assert preview.content == PDF
    assert preview.headers["content-disposition"] == "inline"
    assert "frame-ancestors 'self'" in preview.headers["content-security-policy"]


async def test_a_narrative_is_shown_sandboxed_and_harmless(house: House) -> None:
    body = n3_body(
        (
            "<![CDATA[<script>alert(1)</script>]]>",
            "<paragraph>Tout va bien &lt;script&gt;alert(2)&lt;/script&gt;</paragraph>",
        )
    )
    patient, browser = await filed(house, xdm(cda(body=body)))
    (document,) = documents_of(house, patient)
    page = await browser.get(f"/patient/documents/{document.id}")
    assert '<iframe class="preview" sandbox' in page.text
    preview = await browser.get(f"/patient/documents/{document.id}/preview")
    assert preview.status_code == 200
    assert "Tout va bien" in preview.text
    assert "<script" not in preview.text
    assert preview.headers["content-security-policy"].endswith("; sandbox")
    assert "script-src" not in preview.headers["content-security-policy"]
    content = await browser.get(f"/patient/documents/{document.id}/content")
    assert content.headers["content-type"] == "application/octet-stream"


@pytest.mark.parametrize(
    ("data", "media_type", "shown"),
    [
        (PNG, "image/png", '<img src="/patient/documents/'),
        ("Bonjour <b>é</b>".encode(), "text/plain", "Bonjour &lt;b&gt;é&lt;/b&gt;"),
        (b"{\\rtf1 Bonjour}", "text/rtf", "ne s’affiche pas ici"),
    ],
)
async def test_a_preview_fits_the_kind_of_document(
    house: House, data: bytes, media_type: str, shown: str
) -> None:
    patient, browser = await filed(house, xdm(cda(body=n1_body(data, media_type))))
    (document,) = documents_of(house, patient)
    page = await browser.get(f"/patient/documents/{document.id}")
    assert shown in page.text
    preview = await browser.get(f"/patient/documents/{document.id}/preview")
    assert preview.status_code == (200 if media_type == "image/png" else 404)


# ref: DMP-F18
async def test_a_document_invisible_to_the_patient_never_shows(house: House) -> None:
    patient, browser = await filed(house, xdm(cda(), flags=("INVISIBLE_PATIENT",)))
    assert documents_of(house, patient) == []
    mail_id = house.conversation(patient).items[0].mail_id
    filings = house.place.database.read_now(
        lambda connection: record.filings_of(connection, patient.owner_id, [mail_id])
    )
    hidden = [row.document_id for rows in filings.values() for row in rows]
    assert hidden == [None]
    page = await conversation_page(house, browser, patient)
    assert "Classé" not in page
    assert "/patient/documents/" not in page
    assert "examens biologiques" not in (await browser.get("/patient/documents")).text
    # What an operator deposits for later is in the record and does not show either.
    package = xdm(cda(), flags=("INVISIBLE_PATIENT",))
    findings = await house.bridge.examine(mail(("IHE_XDM.zip", "application/zip", package)))
    (outcome,) = await house.bridge.deposit(findings)
    assert outcome.document_id is not None
    for path in ("", "/content", "/preview"):
        assert (await browser.get(f"/patient/documents/{outcome.document_id}{path}")).status_code == 404


async def test_a_refused_document_says_why(house: House) -> None:
    patient, browser = await filed(house, xdm(cda(ins=OTHER_INS), ins=OTHER_INS))
    page = await conversation_page(house, browser, patient)
    assert "Document refusé : " in page
    assert OTHER_INS not in page
    assert documents_of(house, patient) == []


async def test_a_plain_file_waits_to_be_filed_and_is_filed_with_one_click(house: House) -> None:
    patient = await house.patient()
    await send(house, await house.doctor(), patient, ("Ordonnance_mars.pdf", "application/pdf", PDF))
    browser = await house.signed_in(patient)
    page = await conversation_page(house, browser, patient)
    assert "À classer" in page
    assert '<option value="ORD_SOIN" selected>' in page
    action = re.search(r'action="(/patient/filings/\d+/accept)"', page)
    assert action is not None
    token = await form_token(browser)
    assert (await browser.post(action[1], data={"category": "ORD_SOIN"})).status_code == 403
    bad = await browser.post(action[1], data={"csrf": token, "category": "REMB"})
    assert bad.status_code == 422
    assert documents_of(house, patient) == []
    done = await browser.post(action[1], data={"csrf": token, "category": "ORD_SOIN"})
    assert done.status_code == 303
    (document,) = documents_of(house, patient)
    assert (document.title, document.category) == ("Ordonnance mars", "ORD_SOIN")
    page = await conversation_page(house, browser, patient)
    assert "Classé dans vos documents" in page
    assert "À classer" not in page
    assert (await browser.post(action[1], data={"csrf": token, "category": "ORD_SOIN"})).status_code == 303
    assert len(documents_of(house, patient)) == 1
    assert "Ajouté par vous" in (await browser.get("/patient/documents")).text


async def test_nothing_of_somebody_else_exists(house: House) -> None:
    patient, other = await house.patient(), await house.patient(SOMEBODY_ELSE)
    doctor = await house.doctor()
    await send(
        house,
        doctor,
        patient,
        ("IHE_XDM.zip", "application/zip", xdm(cda())),
        ("o.pdf", "application/pdf", PDF + b"x"),
    )
    owner = await house.signed_in(patient)
    page = await conversation_page(house, owner, patient)
    links = re.findall(r'href="(/patient/(?:messages|documents)/[^"]+)"', page)
    (action,) = re.findall(r'action="(/patient/filings/\d+/accept)"', page)
    (document,) = documents_of(house, patient)
    links += [f"/patient/documents/{document.id}/{what}" for what in ("content", "preview")]
    assert len(links) == 5
    browser = await house.signed_in(other)
    token = await form_token(browser)
    for link in links:
        assert (await owner.get(link)).status_code == 200
        assert (await browser.get(link)).status_code == 404
        assert (await house.browser().get(link)).status_code == 303
    refused = await browser.post(action, data={"csrf": token, "category": "ORD_SOIN"})
    assert refused.status_code == 404
    assert len(documents_of(house, patient)) == 1


async def test_a_download_is_bytes_with_a_name_that_breaks_nothing(house: House) -> None:
    patient = await house.patient()
    await send(house, await house.doctor(), patient, (HOSTILE_NAME, "application/pdf", PDF))
    browser = await house.signed_in(patient)
    page = await conversation_page(house, browser, patient)
    assert "<b>é" not in page
    assert "\u202e" not in page
    (link,) = re.findall(r'href="(/patient/messages/[^"]+)"', page)
    answer = await browser.get(link)
    assert answer.content == PDF
    header = answer.headers["content-disposition"]
    assert header.startswith("attachment; ")
    assert header.isascii()
    assert header.count('"') == 2
    assert "%E2%80%AE" not in header


@pytest.mark.parametrize(
    "media_type", ["text/html", "image/svg+xml", "application/xhtml+xml", "text/xml", "x\r\nA: b/c"]
)
def test_what_a_browser_might_run_is_served_as_bytes(media_type: str) -> None:
    answer = attachment(b"<script>", "page.html", media_type)
    assert answer.headers["content-type"] == "application/octet-stream"


@pytest.mark.parametrize(
    "name",
    [
        "a\r\nSet-Cookie: x=1",
        'a";filename=b',
        "../../etc/passwd",
        "..",
        "",
        "\ud800",
        "a" * 9999,
        "日本語.pdf",
    ],
)
def test_no_file_name_breaks_a_header(name: str) -> None:
    header = disposition(name)
    assert header.isascii()
    assert header.isprintable()
    assert header.count('"') == 2
    assert "/" not in header
    assert len(header) < 2500


@pytest.mark.parametrize("part", ["", "0", "1", "1.1", "3", "2.1", "TEXT", "2;x", "9" * 50])
async def test_only_listed_parts_are_served(house: House, part: str) -> None:
    patient = await house.patient()
    await send(house, await house.doctor(), patient, ("o.pdf", "application/pdf", PDF))
    browser = await house.signed_in(patient)
    mail_id = house.conversation(patient).items[0].mail_id
    assert (await browser.get(f"/patient/messages/{mail_id}/parts/2")).status_code == 200
    assert (await browser.get(f"/patient/messages/{mail_id}/parts/{part}")).status_code == 404


@pytest.mark.parametrize(
    ("filename", "title"),
    [
        ("Compte_rendu.pdf", "Compte rendu"),
        ("sans extension", "sans extension"),
        (".pdf", ".pdf"),
        ("v1.2 finale du dossier", "v1.2 finale du dossier"),
        ("a" * 300 + ".pdf", "a" * 128),
        ("\u202e\u200b", "Document"),
    ],
)
def test_a_file_gets_a_title_from_its_name(filename: str, title: str) -> None:
    assert title_of(filename) == title


def filings_of(house: House, patient: Patient) -> list[Filing]:
    mails = [item.mail_id for item in house.conversation(patient).items]
    found = house.place.database.read_now(
        lambda connection: record.filings_of(connection, patient.owner_id, mails)
    )
    return [row for mail_id in mails for row in found.get(mail_id, [])]


async def set_filing(house: House, row: Filing, **values: object) -> None:
    statement = update(filing_table).where(filing_table.c.id == row.id).values(**values)
    await house.place.database.write(lambda uow: uow.execute(statement))


@pytest.mark.parametrize(
    "absurd", [-62135596800000, 253402300799000, -1, -(2**62), 2**62, 253402297200000, -99999999999]
)
async def test_an_absurd_time_in_a_document_breaks_no_page(house: House, absurd: int) -> None:
    patient, browser = await filed(house, xdm(cda()))
    (document,) = documents_of(house, patient)
    statement = update(document_table).values(service_start_at=absurd, creation_at=absurd)
    await house.place.database.write(lambda uow: uow.execute(statement))
    conversation = f"/patient/conversations/{house.conversation(patient).id}"
    paths = (conversation, f"{conversation}/fragment", "/patient/documents")
    for path in (*paths, f"/patient/documents/{document.id}"):
        assert (await browser.get(path)).status_code == 200


async def test_an_offered_document_shows_its_title_its_reason_and_its_category(house: House) -> None:
    patient, browser = await filed(house, xdm(cda()))
    (row,) = filings_of(house, patient)
    values = {"state": "offered", "sentence": "Ce document est à diffusion restreinte.", "document_id": None}
    await set_filing(house, row, title="Bilan <sanguin>", category="BIOLOGIE", **values)
    page = await conversation_page(house, browser, patient)
    assert "Bilan &lt;sanguin&gt;" in page
    assert "Ce document est à diffusion restreinte." in page
    assert page.count('<option value="BIOLOGIE" selected>') == 1
    await set_filing(house, row, category="CAR_VAC")
    page = await conversation_page(house, browser, patient)
    assert '<option value="CAR_VAC" selected>Vaccinations</option>' in page
    assert page.count(" selected>") == 1


async def test_a_filed_document_with_something_to_tell_tells_it(house: House) -> None:
    patient, browser = await filed(house, xdm(cda()))
    (row,) = filings_of(house, patient)
    assert row.sentence == "Document ajouté à votre dossier."
    assert row.sentence not in await conversation_page(house, browser, patient)
    await set_filing(house, row, sentence="Le nom y diffère du vôtre.")
    assert "Le nom y diffère du vôtre." in await conversation_page(house, browser, patient)


async def test_what_is_hidden_is_neither_shown_nor_given(house: House) -> None:
    patient = await house.patient()
    await send(
        house,
        await house.doctor(),
        patient,
        ("IHE_XDM.zip", "application/zip", xdm(cda())),
        ("copie.pdf", "application/pdf", PDF),
    )
    browser = await house.signed_in(patient)
    rows = filings_of(house, patient)
    assert [row.part for row in rows] == ["2", "3"]
    await set_filing(house, rows[0], hidden=True)
    page = await conversation_page(house, browser, patient)
    mail_id = rows[0].mail_id
    assert page.count("Ce document ne peut pas être affiché.") == 1
    assert "examens biologiques" not in page
    assert f"/patient/messages/{mail_id}/parts/2" not in page
    assert (await browser.get(f"/patient/messages/{mail_id}/parts/2")).status_code == 404
    assert (await browser.get(f"/patient/messages/{mail_id}/parts/3")).status_code == 200
    await set_filing(house, rows[1], hidden=True)
    assert (await browser.get(f"/patient/messages/{mail_id}/parts/3")).status_code == 404


async def test_a_package_with_one_hidden_document_is_not_given_whole(house: House) -> None:
    second = cda(unique_id="1.2.250.1.999.1.2", set_id="1.2.250.1.999.2", title="Compte rendu visible")
    patient, browser = await filed(house, xdm(cda(), second))
    hidden, _ = filings_of(house, patient)
    await set_filing(house, hidden, hidden=True)
    page = await conversation_page(house, browser, patient)
    assert "Compte rendu visible" in page
    assert "/parts/" not in page
    assert (await browser.get(f"/patient/messages/{hidden.mail_id}/parts/2")).status_code == 404


async def test_a_document_names_its_version_and_leads_to_the_others(house: House) -> None:
    patient, browser = await filed(house, xdm(cda()))
    (old,) = documents_of(house, patient)
    newer = cda(unique_id="1.2.250.1.999.1.9", version=2, replaces="1.2.250.1.999.1.1")
    bal = house.context.database.read_now(lambda connection: find_bal(connection, DOCTOR))
    assert bal is not None
    await send(house, bal, patient, ("IHE_XDM.zip", "application/zip", xdm(newer)))
    (new,) = documents_of(house, patient)
    assert new.id != old.id
    page = (await browser.get(f"/patient/documents/{new.id}")).text
    assert "<dt>Version</dt><dd>2</dd>" in page
    assert f'<a href="/patient/documents/{old.id}">Version 1, 12 mars 2026</a> (ancienne version)' in page
    page = (await browser.get(f"/patient/documents/{old.id}")).text
    assert f'href="/patient/documents/{new.id}"' in page
    assert "Ancienne version" in page
    assert "Classé dans vos documents · Ancienne version" in await conversation_page(house, browser, patient)
    statement = update(document_table).where(document_table.c.id == old.id).values(invisible_to_patient=True)
    await house.place.database.write(lambda uow: uow.execute(statement))
    assert "Autres versions" not in (await browser.get(f"/patient/documents/{new.id}")).text


# ref: DMP-F30
async def test_a_document_of_the_patient_names_no_author(house: House) -> None:
    patient = await house.patient()
    await send(house, await house.doctor(), patient, ("Ordonnance.pdf", "application/pdf", PDF))
    browser = await house.signed_in(patient)
    (row,) = filings_of(house, patient)
    posted = {"csrf": await form_token(browser), "category": "ORD_SOIN"}
    assert (await browser.post(f"/patient/filings/{row.id}/accept", data=posted)).status_code == 303
    (document,) = documents_of(house, patient)
    page = (await browser.get(f"/patient/documents/{document.id}")).text
    assert "Ajouté par vous" in page
    assert "<dt>Auteur</dt>" not in page


@pytest.mark.parametrize(
    ("media_type", "name", "words"),
    [
        (
            "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
            "lettre.docx",
            "Document Word",
        ),
        ("application/octet-stream", "lettre.DOCX", "Document Word"),
        ("image/svg+xml", "logo.svg", "Image SVG"),
        ("application/octet-stream", "docx", "Fichier"),
        ("application/octet-stream", "x.exe", "Fichier"),
    ],
)
def test_a_kind_of_file_is_said_in_words(media_type: str, name: str, words: str) -> None:
    assert kind_of(media_type, name) == words
