"""The list of documents with its filters, one document in every form, and the warnings a reader needs."""

from __future__ import annotations

import re
from datetime import date
from typing import TYPE_CHECKING, Any

import pytest
from starlette.datastructures import QueryParams

from dmp_bridge.dossier.forms import Deposit, Submission
from dmp_bridge.dossier.life import Change
from dmp_bridge.rights.vocabulary import Action
from portal.webps.filters import Also, Asked, years_before
from tests.dmp_bridge.builders import PDF, PNG, cda, n1_body, n3_body
from tests.portal.webps.ward import AUTHOR, LUC, MARIE, PAUL, post, said

if TYPE_CHECKING:
    import httpx2

    from tests.portal.webps.ward import Ward

TODAY = date(2026, 3, 13)


async def listed(browser: httpx2.AsyncClient, path: str, **query: str | list[str]) -> list[str]:
    """The titles of the list."""
    page = (await browser.get(f"{path}/documents", params=query)).text
    return re.findall(r'<a href="[^"]*/documents/\d+">([^<]+)</a>', page)


async def fill(ward: Ward) -> dict[str, int]:
    """One document of each kind; the ids by title."""
    made = {}
    kinds: dict[str, dict[str, Any]] = {
        "Récent": {},
        "Vieux": {"service": "20210312090000+0100"},
        "Prescription": {"code": "57833-6"},
        "Masqué": {},
        "Annonce": {},
        "Archivé": {},
        "Supprimé": {},
    }
    for number, (title, values) in enumerate(kinds.items()):
        data = cda(
            ins=ward.patient.ins,
            title=title,
            unique_id=f"1.2.250.1.999.7.{number}",
            set_id=f"1.2.250.1.999.8.{number}",
            **values,
        )
        flags = {"Masqué": {"MASQUE_PS"}, "Annonce": {"INVISIBLE_PATIENT"}}.get(title, set())
        made[title] = (await ward.file(data, visibilities=frozenset(flags))).document_id
    await ward.house.records.change(AUTHOR, made["Archivé"], Change.ARCHIVE)
    await ward.house.records.change(AUTHOR, made["Supprimé"], Change.DELETE)
    return made


# ref: DMP-F32
async def test_the_list_begins_with_two_years_of_what_is_current_and_open(ward: Ward) -> None:
    await fill(ward)
    browser, path = await ward.authorised()
    assert sorted(await listed(browser, path)) == ["Prescription", "Récent"]


@pytest.mark.parametrize(
    ("also", "title", "state"),
    [
        ("non-visibles", "Annonce", "non visible par le patient"),
        ("archives", "Archivé", "archivé"),
        ("supprimes", "Supprimé", "supprimé"),
    ],
)
async def test_the_rest_comes_by_an_explicit_filter_with_its_state(
    ward: Ward, also: str, title: str, state: str
) -> None:
    await fill(ward)
    browser, path = await ward.authorised()
    query = {"du": "2024-03-13", "aussi": also}
    assert sorted(await listed(browser, path, **query)) == sorted(["Prescription", "Récent", title])
    page = (await browser.get(f"{path}/documents", params=query)).text
    assert page.count(f'<li class="badge">{state}</li>') == 1


async def test_masked_documents_are_for_who_may_see_them(ward: Ward) -> None:
    made = await fill(ward)
    browser, path = await ward.authorised()
    query = {"du": "2024-03-13", "aussi": "masques"}
    assert "Masqué" not in await listed(browser, path, **query)
    assert (await browser.get(f"{path}/documents/{made['Masqué']}")).status_code == 404
    await ward.make_attending(PAUL)
    attending = await ward.enter(PAUL)
    there = await ward.open(attending)
    assert "Masqué" not in await listed(attending, there)
    assert "Masqué" in await listed(attending, there, **query)
    page = said((await attending.get(f"{there}/documents/{made['Masqué']}")).text)
    assert "masqué aux professionnels de santé" in page


async def test_the_list_is_filtered_by_class_type_period_and_author(ward: Ward) -> None:
    await fill(ward)
    browser, path = await ward.authorised()
    assert await listed(browser, path, du="2024-03-13", classe="42") == ["Prescription"]
    assert await listed(browser, path, du="2024-03-13", type="57833-6") == ["Prescription"]
    assert await listed(browser, path, du="2021-01-01", au="2021-12-31") == ["Vieux"]
    assert sorted(await listed(browser, path, du="")) == ["Prescription", "Récent", "Vieux"]
    assert await listed(browser, path, auteur="personne") == []
    assert len(await listed(browser, path, auteur="camparini")) == 2


async def test_a_long_list_is_read_page_by_page(ward: Ward) -> None:
    for number in range(23):
        data = cda(
            ins=ward.patient.ins, title=f"N{number}", unique_id=f"1.2.250.1.999.3.{number}", set_id=None
        )
        await ward.file(data)
    browser, path = await ward.authorised()
    page = (await browser.get(f"{path}/documents?du=&aussi=archives")).text
    assert "23 documents" in page
    first = re.findall(r">(N\d+)</a>", page)
    (following,) = re.findall(r'href="([^"]+)">Documents plus anciens', page)
    page = (await browser.get(following.replace("&amp;", "&"))).text
    second = re.findall(r">(N\d+)</a>", page)
    assert (len(first), len(second)) == (20, 3)
    assert set(first) | set(second) == {f"N{number}" for number in range(23)}
    assert 'value="archives" checked' in page
    assert "Documents plus anciens" not in page


@pytest.mark.parametrize(
    "query",
    [
        "du=x&au=9999-99-99&classe=<&type=%00&aussi=tout&apres=a_b&auteur=%25",
        f"du=0001-01-01&apres={'9' * 30}_1",
        f"apres=1_{'9' * 30}",
        "apres=-1_1",
        "du=2026-03-13&au=2020-01-01",
        f"auteur={'a' * 5000}",
    ],
)
async def test_absurd_filters_break_nothing(ward: Ward, query: str) -> None:
    await ward.file()
    browser, path = await ward.authorised()
    assert (await browser.get(f"{path}/documents?{query}")).status_code == 200


def test_filters_go_into_the_address_and_back() -> None:
    asked = Asked.read(
        QueryParams("du=2020-01-01&au=2021-01-01&classe=10&type=11488-4&auteur=a b&aussi=archives"), TODAY
    )
    assert asked.also == frozenset({Also.ARCHIVED})
    assert asked.query.statuses == ("approved", "archived")
    assert asked.query.but_not == ("MASQUE_PS", "INVISIBLE_PATIENT")


def test_two_years_before_a_leap_day_is_a_day() -> None:
    assert years_before(date(2028, 2, 29), 2) == date(2026, 3, 1)
    assert Asked.read(QueryParams(""), TODAY).since == date(2024, 3, 13)


# ref: DMP-F14
async def test_the_pdf_of_a_cda_is_shown_and_downloaded_first(ward: Ward) -> None:
    filed = await ward.file()
    browser, path = await ward.authorised()
    one = f"{path}/documents/{filed.document_id}"
    page = (await browser.get(one)).text
    assert f'<iframe class="preview" src="{one}/apercu"' in page
    preview = await browser.get(f"{one}/apercu")
    assert (preview.content, preview.headers["content-type"]) == (PDF, "application/pdf")
    assert "frame-ancestors 'self'" in preview.headers["content-security-policy"]
    content = await browser.get(f"{one}/contenu")
    assert content.content == PDF
    assert content.headers["content-disposition"].startswith("attachment; ")
    original = await browser.get(f"{one}/contenu?forme=origine")
    assert b"ClinicalDocument" in original.content
    assert original.headers["content-type"] == "application/octet-stream"
    assert [each.document_id for each in ward.traces(Action.READ)] == [filed.document_id] * 3


async def test_a_structured_document_is_read_as_harmless_html(ward: Ward) -> None:
    body = n3_body(("Conclusion", "<paragraph>Tout va <content styleCode='Bold'>bien</content>.</paragraph>"))
    filed = await ward.file(cda(ins=ward.patient.ins, body=body))
    browser, path = await ward.authorised()
    one = f"{path}/documents/{filed.document_id}"
    assert f'<iframe class="preview" sandbox src="{one}/apercu"' in (await browser.get(one)).text
    preview = await browser.get(f"{one}/apercu")
    assert "Tout va" in preview.text
    assert "<script" not in preview.text
    assert preview.headers["content-security-policy"].endswith("; sandbox")


async def test_a_structured_document_with_a_copy_shows_both(ward: Ward) -> None:
    body = n3_body(("Conclusion", "<paragraph>Tout va bien.</paragraph>"), pdf=PDF)
    filed = await ward.file(cda(ins=ward.patient.ins, body=body))
    browser, path = await ward.authorised()
    one = f"{path}/documents/{filed.document_id}"
    page = (await browser.get(one)).text
    assert "Lire le document structuré" in page
    assert (await browser.get(f"{one}/apercu")).content == PDF
    assert "Tout va bien." in (await browser.get(f"{one}/apercu?forme=origine")).text


@pytest.mark.parametrize(
    ("data", "media_type", "shown", "status"),
    [
        (PNG, "image/png", '<img src="/pro/dossier/', 200),
        ("Bonjour <b>é</b>".encode(), "text/plain", "Bonjour &lt;b&gt;é&lt;/b&gt;", 404),
        (b"{\\rtf1 Bonjour}", "text/rtf", "ne s’affiche pas ici", 404),
    ],
)
async def test_other_files_are_shown_as_their_kind_allows(
    ward: Ward, data: bytes, media_type: str, shown: str, status: int
) -> None:
    filed = await ward.file(cda(ins=ward.patient.ins, body=n1_body(data, media_type)))
    browser, path = await ward.authorised()
    one = f"{path}/documents/{filed.document_id}"
    assert shown in (await browser.get(one)).text
    assert (await browser.get(f"{one}/apercu")).status_code == status


async def test_who_reads_what_the_patient_does_not_see_is_warned(ward: Ward) -> None:
    filed = await ward.file(visibilities=frozenset({"INVISIBLE_PATIENT"}))
    browser, path = await ward.authorised()
    page = said((await browser.get(f"{path}/documents/{filed.document_id}")).text)
    assert "Attention, ce document n’est pas visible du patient" in page
    assert "non visible par le patient" in page


# ref: DMP-F30
async def test_a_document_of_the_patient_is_told_from_others(ward: Ward) -> None:
    browser, path = await ward.authorised()
    await ward.house.records.feed(
        ward.as_patient(),
        Submission(
            ins="",
            deposits=(Deposit(data=PDF, media_type="application/pdf", title="Mot", category="AUTR_DOC"),),
        ),
    )
    (document,) = await ward.documents()
    page = (await browser.get(f"{path}/documents")).text
    assert '<li class="badge">déposé par le patient</li>' in page
    page = (await browser.get(f"{path}/documents/{document.id}")).text
    assert "Remplacer" not in page
    assert "Supprimer" not in page


# ref: DMP-F12
async def test_versions_and_the_lot_lead_to_each_other(ward: Ward) -> None:
    first = await ward.file()
    newer = cda(ins=ward.patient.ins, unique_id="1.2.250.1.999.1.2", version=2, replaces="1.2.250.1.999.1.1")
    second = await ward.file(newer)
    both = tuple(
        Deposit(
            data=cda(ins=ward.patient.ins, title=title, unique_id=f"1.2.250.1.999.5.{number}", set_id=None),
            media_type="text/xml",
        )
        for number, title in enumerate(("Lettre", "Annexe"))
    )
    lot = await ward.house.records.feed(AUTHOR, Submission(ins=ward.patient.ins, deposits=both))
    browser, path = await ward.authorised()
    page = (await browser.get(f"{path}/documents/{second.document_id}")).text
    assert "Autres versions" in page
    assert f'href="{path}/documents/{first.document_id}"' in page
    page = (await browser.get(f"{path}/documents/{first.document_id}")).text
    assert "ancienne version obsolète" in page
    assert f'href="{path}/documents/{second.document_id}"' in page
    page = (await browser.get(f"{path}/documents/{lot[0].document_id}")).text
    assert "Déposés ensemble" in page
    assert ">Annexe</a>" in page
    assert "Autres versions" not in page


async def test_a_nurse_does_not_read_what_the_profession_may_not(ward: Ward) -> None:
    filed = await ward.file(cda(ins=ward.patient.ins, code="68599-0", title="Synthèse psychiatrique"))
    browser, path = await ward.authorised(LUC)
    assert await listed(browser, path) == []
    answer = await browser.get(f"{path}/documents/{filed.document_id}/contenu")
    assert answer.status_code == 403
    assert "Votre profession ne permet pas" in said(answer.text)
    doctor, there = await ward.authorised(MARIE)
    assert await listed(doctor, there) == ["Synthèse psychiatrique"]


@pytest.mark.parametrize("number", ["0", "x", "-1", "9" * 40, "1e3", "١"])
async def test_a_document_that_is_none_is_not_found(ward: Ward, number: str) -> None:
    browser, path = await ward.authorised()
    for tail in ("", "/contenu", "/apercu", "/acte/masquer", "/remplacement"):
        assert (await browser.get(f"{path}/documents/{number}{tail}")).status_code == 404


async def test_the_shelves_hold_vaccinations_and_the_certificates_of_a_child(ward: Ward) -> None:
    await ward.file(
        cda(ins=ward.patient.ins, code="87273-9", title="Vaccin", unique_id="1.2.250.1.9.1", set_id=None)
    )
    certificate = cda(
        ins=ward.patient.ins, code="CERT_DECL", title="CS8", unique_id="1.2.250.1.9.2", set_id=None
    )
    eighth_day = b'<templateId root="1.2.250.1.213.1.1.1.5.1"/>'
    await ward.file(
        certificate.replace(b'<templateId root="1.2.250.1.213.1.1.1.55"/>', eighth_day).replace(
            n1_body().encode(), n3_body().encode()
        )
    )
    await ward.file(
        cda(ins=ward.patient.ins, code="59283-2", title="Examen", unique_id="1.2.250.1.9.3", set_id=None)
    )
    browser, path = await ward.authorised()
    vaccinations = said((await browser.get(f"{path}/vaccinations")).text)
    assert re.search(r"Note de vaccination Vaccin ", vaccinations)
    assert "Historique des vaccinations Aucun document." in vaccinations
    childhood = said((await browser.get(f"{path}/enfance")).text)
    assert re.search(r"8ème jour de l'enfant CS8 ", childhood)
    assert re.search(r"24ème mois de l'enfant Aucun document\.", childhood)
    assert re.search(r"Examens obligatoires de l’enfant Examen ", childhood)
    assert "Vaccin " not in childhood


async def test_what_is_new_since_the_last_visit_is_told_once(ward: Ward) -> None:
    await ward.file()
    browser, _ = await ward.authorised()
    page = said((await browser.get("/pro/dossier/nouveautes")).text)
    assert "examens biologiques pour Dominique" in page
    answer = await post(
        browser,
        "/pro/dossier",
        "/pro/dossier",
        ins=ward.patient.ins,
        document=str((await ward.documents())[0].id),
    )
    assert re.fullmatch(r"/pro/dossier/[\w-]+/documents/\d+", answer.headers["location"])
    ward.tick()
    again = await ward.enter_again(MARIE)
    assert "Rien de nouveau" in said((await again.get("/pro/dossier/nouveautes")).text)
    newer = cda(ins=ward.patient.ins, title="Tout neuf", unique_id="1.2.250.1.999.6", set_id=None)
    ward.tick()
    await ward.file(newer)
    page = said((await again.get("/pro/dossier/nouveautes")).text)
    assert "Tout neuf pour Dominique" in page
    assert "Compte rendu d'examens" not in page
    await ward.block(MARIE)
    assert "Rien de nouveau" in said((await again.get("/pro/dossier/nouveautes")).text)
