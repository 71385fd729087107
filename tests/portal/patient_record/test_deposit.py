"""Adding a document of one's own: which files, how large, under which words, once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from dmp_bridge.dossier.forms import DocumentQuery
from dmp_bridge.dossier.own_deposit import LARGEST
from dmp_bridge.record import Origin
from dmp_bridge.rights.vocabulary import OwnAct
from tests.dmp_bridge.builders import PDF, PNG, cda
from tests.portal.patient_record.home import AUTHOR, Home, said, upload

if TYPE_CHECKING:
    from dmp_bridge.record import Document

LIST = "/patient/documents"


async def documents(home: Home) -> tuple[Document, ...]:
    """What a doctor whom the patient let in sees."""
    doctor = await home.authorise(AUTHOR)
    return (await home.house.records.search(doctor, home.patient.ins, DocumentQuery())).documents


# ref: DMP-F29, DMP-F30
@pytest.mark.parametrize(
    ("name", "data", "media_type"),
    [
        ("a.pdf", PDF, "application/pdf"),
        ("a.PNG", PNG, "image/png"),
        ("a.jpeg", b"\xff\xd8\xff\xe0" + b"\x01" * 20, "image/jpeg"),
        ("a.jpg", b"\xff\xd8\xff\xe0" + b"\x02" * 20, "image/jpeg"),
        ("a.tif", b"II*\x00" + b"\x01" * 20, "image/tiff"),
        ("a.tiff", b"MM\x00*" + b"\x01" * 20, "image/tiff"),
        ("a.rtf", b"{\\rtf1 Bonjour}", "text/rtf"),
        ("a.txt", "Tension : 12/8, pouls régulier".encode(), "text/plain"),
        ("C:\\fakepath\\a.pdf", PDF, "application/pdf"),
    ],
)
async def test_the_files_of_mon_espace_sante_are_taken(
    home: Home, name: str, data: bytes, media_type: str
) -> None:
    answer = await upload(home.browser, data, name)
    assert answer.status_code == 303, said(answer.text)
    page = await home.page(answer.headers["location"])
    assert "Le document est ajouté." in page
    assert "Ajouté par vous" in page
    (document,) = await documents(home)
    assert (document.media_type, document.origin) == (media_type, Origin.PATIENT)
    assert document.type_code == "DOCPAT05"
    assert document.category == "BIOLOGIE"
    assert (await home.browser.get(f"{answer.headers['location']}/content")).content == data
    assert [each.outcome for each in home.traces(action=OwnAct.FEED)] == ["ok"]


@pytest.mark.parametrize(
    ("name", "data", "words"),
    [
        ("", b"", "Choisissez un fichier"),
        ("a.pdf", b"", "Choisissez un fichier"),
        ("a.pdf", b"MZ\x90\x00" + b"\x00" * 60, "n’est pas d’un type admis"),
        ("a.exe", PDF, "n’est pas celui que son nom annonce"),
        ("a.pdf", PNG, "n’est pas celui que son nom annonce"),
        ("a.html", b"<html><script>alert(1)</script></html>", "n’est pas"),
        ("a.svg", b'<svg xmlns="http://www.w3.org/2000/svg"/>', "n’est pas d’un type admis"),
        ("a.xml", cda(), "n’est pas d’un type admis"),
        ("a.zip", b"PK\x03\x04" + b"\x00" * 60, "n’est pas d’un type admis"),
    ],
)
async def test_what_is_something_else_is_refused_with_a_sentence(
    home: Home, name: str, data: bytes, words: str
) -> None:
    answer = await upload(home.browser, data, name)
    assert answer.status_code == 422
    assert words in said(answer.text)
    assert 'value="Mon analyse"' in answer.text
    assert await documents(home) == ()


# ref: DMP-F29
async def test_five_megabytes_are_taken_and_not_one_octet_more(home: Home) -> None:
    assert LARGEST == 5_000_000
    refused = await upload(home.browser, PDF.ljust(LARGEST + 1, b" "))
    assert refused.status_code == 422
    assert "dépasse 5 Mo" in said(refused.text)
    assert (await upload(home.browser, PDF.ljust(LARGEST, b" "))).status_code == 303
    assert (await upload(home.browser, PDF.ljust(2 * LARGEST, b" "))).status_code == 413


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"title": ""}, "un titre"),
        ({"title": "   "}, "un titre"),
        ({"title": "a" * 129}, "un titre"),
        ({"title": "a\x07"}, "un titre"),
        ({"category": ""}, "une catégorie"),
        ({"category": "REMB"}, "une catégorie"),
        ({"date": ""}, "la date"),
        ({"date": "2026-03-14"}, "la date"),
        ({"date": "1850-01-01"}, "la date"),
        ({"date": "hier"}, "la date"),
    ],
)
async def test_what_is_typed_is_held_against_its_bounds(
    home: Home, fields: dict[str, str], words: str
) -> None:
    answer = await upload(home.browser, PDF, **fields)
    assert answer.status_code == 422
    assert words in said(answer.text)
    assert await documents(home) == ()


async def test_the_same_form_sent_twice_makes_one_document(home: Home) -> None:
    first = await upload(home.browser, nonce="one")
    again = await upload(home.browser, nonce="one")
    assert (first.status_code, again.status_code) == (303, 303)
    assert first.headers["location"] == again.headers["location"]
    assert "déjà été ajouté" in await home.page(again.headers["location"])
    assert len(await documents(home)) == 1
    assert (await upload(home.browser, nonce="two")).status_code == 303
    assert len(await documents(home)) == 2


async def test_a_document_may_begin_masked(home: Home) -> None:
    answer = await upload(home.browser, masked="1")
    assert "Masqué aux professionnels de santé" in await home.page(answer.headers["location"])
    assert await documents(home) == ()


async def test_two_files_at_a_time_are_not_taken(home: Home) -> None:
    page = (await home.browser.get(f"{LIST}/ajout")).text
    token = page.partition('name="csrf" value="')[2].partition('"')[0]
    answer = await home.browser.post(
        f"{LIST}/ajout",
        data={"csrf": token, "title": "x", "category": "BIOLOGIE", "date": "2026-03-12"},
        files=[("file", ("a.pdf", PDF, "application/pdf")), ("file", ("b.pdf", PDF, "application/pdf"))],
    )
    assert answer.status_code == 422
    assert "envoyez-en un seul" in said(answer.text)


async def test_a_deposit_needs_the_token_of_its_form(home: Home) -> None:
    answer = await home.browser.post(
        f"{LIST}/ajout",
        data={"csrf": "0" * 64, "title": "x", "category": "BIOLOGIE", "date": "2026-03-12"},
        files={"file": ("a.pdf", PDF, "application/pdf")},
    )
    assert answer.status_code == 403
    assert await documents(home) == ()
