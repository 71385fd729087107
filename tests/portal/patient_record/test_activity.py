"""« Historique des accès » : who, as what, why, what and when; filters; files; refusals too."""

from __future__ import annotations

import csv
import io
import json

import pytest

from dmp_bridge.dossier.forms import Denied, DocumentQuery
from portal.patient_record.activity import PAGE as ON_A_PAGE
from portal.record_words import ACTS
from tests.portal.patient_record.home import AUTHOR, NURSE, Home, in_emergency, said

PAGE = "/patient/activite"


async def story(home: Home) -> int:
    """A deposit, a refused read, an emergency, a read by who was let in; the number of the document."""
    filed = await home.file()
    with pytest.raises(Denied):
        await home.house.records.read(NURSE, filed.document_id)
    await home.house.records.search(
        in_emergency(NURSE, "Crise <b>grave</b>"), home.patient.ins, DocumentQuery()
    )
    await home.house.records.read(await home.authorise(AUTHOR), filed.document_id)
    return filed.document_id


# ref: DMP-F27
async def test_each_act_is_told_with_who_as_what_why_and_when(home: Home) -> None:
    number = await story(home)
    answer = await home.browser.get(PAGE)
    page = said(answer.text)
    for words in (
        "Dépôt d’un document",
        "Marcel CAMPARINI · professionnel de santé · Laboratoire des charmes · accès normal",
        "13 mars 2026 à 15:54",
        "Lecture d’un document refusé",
        "Vous n'êtes pas autorisé à consulter ce dossier.",
        "Luc PETIT · professionnel de santé · bris de glace",
        "Motif : Crise <b>grave</b>",
        "urgence",
    ):
        assert words in page, words
    assert "<b>grave" not in answer.text
    assert f'href="/patient/documents/{number}"' in answer.text
    assert "Vous ·" not in page


# ref: DMP-F27
@pytest.mark.parametrize(
    ("query", "there", "absent"),
    [
        ("qui=professionnels", ["Luc PETIT", "CAMPARINI"], ["Vous ·"]),
        ("qui=structures", ["Aucun accès"], ["Luc PETIT"]),
        ("qui=proches", ["Vous · patient"], ["Luc PETIT"]),
        ("qui=tous", ["Vous · patient", "Luc PETIT"], []),
        ("qui=operateur", ["Aucun accès"], ["Luc PETIT"]),
        ("du=2026-03-13&au=2026-03-13", ["Luc PETIT"], []),
        ("du=2026-03-14", ["Aucun accès"], ["Luc PETIT"]),
        ("au=2026-03-12", ["Aucun accès"], ["Luc PETIT"]),
        ("qui=x&du=x&au=x&avant=x", ["Luc PETIT"], ["Vous ·"]),
    ],
)
async def test_the_history_is_filtered_by_actor_and_date(
    home: Home, query: str, there: list[str], absent: list[str]
) -> None:
    await story(home)
    await home.page("/patient/documents")
    page = await home.page(f"{PAGE}?{query}")
    for words in there:
        assert words in page
    for words in absent:
        assert words not in page


async def test_a_long_history_goes_on_on_another_page(home: Home) -> None:
    caller = await home.authorise(AUTHOR)
    for _ in range(ON_A_PAGE + 1):
        await home.house.records.search(caller, home.patient.ins, DocumentQuery())
    first = (await home.browser.get(f"{PAGE}?qui=professionnels")).text
    assert first.count("<strong>Recherche de documents</strong>") == ON_A_PAGE
    link = first.partition('<p class="more"><a href="')[2].partition('"')[0].replace("&amp;", "&")
    assert "qui=professionnels" in link
    second = (await home.browser.get(link)).text
    assert second.count("<strong>Recherche de documents</strong>") == 1
    assert "plus anciens" not in second


# ref: DMP-F27
async def test_the_history_is_taken_along_as_a_table_and_as_data(home: Home) -> None:
    await story(home)
    table = await home.browser.get(f"{PAGE}.csv?qui=professionnels")
    assert table.headers["content-type"] == "text/csv; charset=utf-8"
    assert table.headers["content-disposition"].startswith("attachment; ")
    rows = list(csv.DictReader(io.StringIO(table.text), delimiter=";"))
    data = (await home.browser.get(f"{PAGE}.json?qui=professionnels")).json()
    assert [row["caller_name"] for row in rows] == [each["caller_name"] for each in data]
    assert [row["outcome"] for row in rows].count("not-authorised") == 1
    assert {row["mode"] for row in rows} == {"normal", "bris_de_glace"}
    assert json.loads((await home.browser.get(f"{PAGE}.json?du=2026-03-14")).text) == []
    assert (await home.browser.get(f"{PAGE}.xlsx")).status_code == 404


# ref: DMP-F20
async def test_a_document_that_is_not_announced_yet_leaves_no_trace_to_be_seen(home: Home) -> None:
    filed = await home.file(visibilities=frozenset({"INVISIBLE_PATIENT"}))
    await home.house.records.read(await home.authorise(AUTHOR), filed.document_id)
    assert "Aucun accès" in await home.page(PAGE)
    assert (await home.browser.get(f"{PAGE}.json")).json() == []
    await home.house.records.search(AUTHOR, home.patient.ins, DocumentQuery())
    (search,) = (await home.browser.get(f"{PAGE}.json")).json()
    assert search["detail"] == "{}"


async def test_whatever_these_pages_do_is_told_in_french(home: Home) -> None:
    for path in ("documents", "vaccinations", "professionnels", "choix", "avis", "activite", "dossier"):
        await home.page(f"/patient/{path}")
    await home.post("/patient/choix/masquage", "/patient/choix", answer="yes")
    await home.post("/patient/avis", "/patient/avis", email="")
    unknown = {each.action for each in home.traces()} - {str(each) for each in ACTS}
    assert unknown == set()
