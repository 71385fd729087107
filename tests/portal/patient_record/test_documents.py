"""The list of documents and its filters, the shelves, and that each reading leaves a trace."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from dmp_bridge import codes
from dmp_bridge.codes import Coded
from dmp_bridge.entry import DocumentEntry
from dmp_bridge.rights.vocabulary import OwnAct
from dmp_bridge.visibility import Visibility
from portal.patient_record.filters import PAGE
from tests.dmp_bridge.builders import PDF, cda
from tests.portal.patient_record.home import Home, said, upload

if TYPE_CHECKING:
    from dmp_bridge.dossier.forms import Filed

LIST = "/patient/documents"


async def shelved(home: Home) -> dict[str, Filed]:
    """One document of each kind."""
    structured = await home.file(data=cda(), media_type="text/xml", title="", type_code="")
    newer = cda(unique_id="1.2.250.1.999.1.9", version=2, replaces="1.2.250.1.999.1.1")
    filed = {
        "former": structured,
        "biology": await home.file(data=newer, media_type="text/xml", title="", type_code=""),
        "letter": await home.file(title="Lettre de sortie"),
        "masked": await home.file(
            title="Lettre masquée", data=PDF + b"1", visibilities=frozenset({Visibility.MASKED.value})
        ),
        "unseen": await home.file(
            title="Annonce", data=PDF + b"2", visibilities=frozenset({Visibility.UNSEEN.value})
        ),
    }
    assert (await upload(home.browser, title="Mon carnet")).status_code == 303
    return filed


@pytest.mark.parametrize(
    ("query", "there", "absent"),
    [
        ("", ["biologiques", "Lettre de sortie", "Lettre masquée", "Mon carnet"], ["Annonce"]),
        ("etat=masques", ["Lettre masquée"], ["biologiques", "Mon carnet"]),
        ("etat=anciens", ["biologiques", "Ancienne version"], ["Lettre de sortie"]),
        ("etat=tous", ["biologiques", "Ancienne version", "Mon carnet"], ["Annonce"]),
        ("etat=archives", ["Aucun document ne répond à ces critères"], ["biologiques"]),
        ("categorie=CPT_REND", ["Lettre de sortie"], ["biologiques", "Mon carnet"]),
        ("par=patient", ["Mon carnet", "Ajouté par vous"], ["Lettre", "biologiques"]),
        ("par=professionnels", ["Lettre de sortie", "biologiques"], ["Mon carnet"]),
        ("auteur=campari", ["biologiques", "Lettre de sortie"], ["Mon carnet"]),
        ("du=2026-03-13", ["Lettre de sortie"], ["biologiques", "Mon carnet"]),
        ("au=2026-03-12", ["biologiques", "Mon carnet"], ["Lettre"]),
        ("etat=x&categorie=x&par=x&du=x&au=x&apres=x", ["biologiques", "Mon carnet"], ["Annonce"]),
    ],
)
# ref: DMP-F18, DMP-F30, DMP-F38
async def test_documents_are_listed_by_state_category_origin_period_and_author(
    home: Home, query: str, there: list[str], absent: list[str]
) -> None:
    await shelved(home)
    page = await home.browser.get(f"{LIST}?{query}")
    assert page.status_code == 200
    shown = said(page.text.partition("</form>\n</details>")[2])
    for words in there:
        assert words in shown
    for words in absent:
        assert words not in shown


async def test_a_long_list_goes_on_on_another_page(home: Home) -> None:
    for number in range(PAGE + 1):
        await home.file(title=f"Lettre {number:03}", data=PDF + str(number).encode())
    first = await home.browser.get(LIST)
    assert f"{PAGE + 1} documents en tout" in said(first.text)
    following = first.text.partition('<p class="more"><a href="')[2].partition('"')[0].replace("&amp;", "&")
    second = await home.browser.get(following)
    titles = [f"Lettre {number:03}" for number in range(PAGE + 1)]
    shown = [title for title in titles if title in first.text], [t for t in titles if t in second.text]
    assert len(shown[0]) == PAGE
    assert sorted(shown[0] + shown[1]) == titles
    assert "plus anciens" not in second.text


async def test_an_empty_record_says_what_will_be_there(home: Home) -> None:
    assert "Aucun document pour l’instant" in await home.page(LIST)


# ref: DMP-F27
async def test_each_reading_of_the_patient_is_traced(home: Home) -> None:
    filed = await home.file()
    path = f"{LIST}/{filed.document_id}"
    assert (await home.browser.get(LIST)).status_code == 200
    before = len(home.traces())
    for tail in ("/content", "/preview"):
        assert (await home.browser.get(path + tail)).content == PDF
    found = home.traces()[: len(home.traces()) - before]
    read = [each for each in found if each.document_id == filed.document_id]
    assert [(each.action, each.outcome, each.role, each.channel) for each in read] == [
        (OwnAct.READ, "ok", "patient", "portal")
    ] * 2


async def test_a_structured_document_is_given_as_it_was_deposited_too(home: Home) -> None:
    filed = await home.file(data=cda(), media_type="text/xml", title="", type_code="")
    path = f"{LIST}/{filed.document_id}"
    assert f'href="{path}/content?forme=origine"' in (await home.browser.get(path)).text
    assert (await home.browser.get(f"{path}/content")).content == PDF
    original = await home.browser.get(f"{path}/content?forme=origine")
    assert original.content == cda()
    assert original.headers["content-type"] == "application/octet-stream"


async def test_what_is_not_shown_is_not_read(home: Home) -> None:
    filed = await shelved(home)
    for tail in ("", "/content", "/preview", "/acte/masquer"):
        answer = await home.browser.get(f"{LIST}/{filed['unseen'].document_id}{tail}")
        assert answer.status_code == 404, tail
    assert (await home.browser.get(f"{LIST}/{filed['letter'].document_id}/acte/inconnu")).status_code == 404


async def test_vaccinations_have_a_shelf_of_their_own(home: Home) -> None:
    await home.file(title="Vaccin contre la rougeole", type_code="11369-6")
    await home.file(title="Lettre", data=PDF + b"1")
    page = await home.page("/patient/vaccinations")
    assert "Carnet de vaccination" in page
    assert "Vaccin contre la rougeole" in page
    assert "Lettre" not in page


async def test_the_certificates_and_examinations_of_a_child_stand_apart(home: Home) -> None:
    ninth = "urn:asip:ci-sis:cse-cs9:2017"
    await home.file(title="Examen du 4e mois", type_code="59283-2", data=PDF + b"1")
    await home.file(
        title="Certificat du 9e mois",
        type_code="CERT_DECL",
        data=PDF + b"2",
        entry=DocumentEntry(format_code=Coded(ninth, codes.format_system(ninth), "")),
    )
    page = await home.page("/patient/enfance")
    label = codes.format_label(ninth)
    assert page.index(label) < page.index("Certificat du 9e mois") < page.index("Examens obligatoires")
    assert page.index("Examens obligatoires") < page.index("Examen du 4e mois")
    assert page.count("Certificat du 9e mois") == 1
