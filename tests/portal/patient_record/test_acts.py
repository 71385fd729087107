"""Masking, archiving and deleting by the patient: what is asked first, what is the patient's own, what is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from dmp_bridge.dossier.forms import Denied, DocumentQuery
from dmp_bridge.dossier.life import Change
from dmp_bridge.rights.vocabulary import Reason
from tests.portal.patient_record.home import AUTHOR, NURSE, Home, said, upload

if TYPE_CHECKING:
    import httpx2

LIST = "/patient/documents"


async def act(home: Home, document: int | str, slug: str, **fields: str) -> httpx2.Response:
    """Asks for an act as its page does."""
    path = f"{LIST}/{document}/acte/{slug}"
    page = (await home.browser.get(path)).text
    version = page.partition('name="version" value="')[2].partition('"')[0]
    return await home.post(path, path, **{"version": version, **fields})


async def own(home: Home) -> str:
    """The number of a document that the patient added."""
    answer = await upload(home.browser)
    return answer.headers["location"].rpartition("/")[2]


# ref: DMP-F18
async def test_a_patient_hides_a_document_from_professionals_and_shows_it_again(home: Home) -> None:
    filed = await home.file()
    nurse = await home.authorise(NURSE)
    assert (await home.house.records.read(nurse, filed.document_id)).data
    page = await home.page(f"{LIST}/{filed.document_id}")
    assert "Masquer aux professionnels" in page
    assert "Supprimer" not in page
    answer = await act(home, filed.document_id, "masquer")
    assert (answer.status_code, answer.headers["location"]) == (303, f"{LIST}/{filed.document_id}")
    page = await home.page(f"{LIST}/{filed.document_id}")
    assert "Le document est masqué aux professionnels de santé." in page
    assert "Montrer aux professionnels" in page
    with pytest.raises(Denied) as refused:
        await home.house.records.read(nurse, filed.document_id)
    assert refused.value.reason is Reason.MASKED
    assert (await act(home, filed.document_id, "demasquer")).status_code == 303
    assert (await home.house.records.read(nurse, filed.document_id)).data


# ref: DMP-F30
async def test_a_patient_deletes_the_own_documents_alone(home: Home) -> None:
    filed = await home.file()
    refused = await act(home, filed.document_id, "supprimer", confirm="1")
    assert refused.status_code == 403
    assert "vous pouvez le masquer, mais pas le supprimer" in said(refused.text)
    assert (await home.browser.get(f"{LIST}/{filed.document_id}")).status_code == 200
    number = await own(home)
    unticked = await act(home, number, "supprimer")
    assert unticked.status_code == 422
    assert "Cochez la case" in said(unticked.text)
    assert (await home.browser.get(f"{LIST}/{number}")).status_code == 200
    answer = await act(home, number, "supprimer", confirm="1")
    assert (answer.status_code, answer.headers["location"]) == (303, LIST)
    assert (await home.browser.get(f"{LIST}/{number}")).status_code == 404
    assert (await home.browser.get(f"{LIST}/{number}/content")).status_code == 404


# ref: DMP-F36
async def test_an_own_document_is_archived_and_taken_back(home: Home) -> None:
    number = await own(home)
    assert (await act(home, number, "archiver")).status_code == 303
    assert "Mon analyse" not in await home.page(LIST)
    assert "Mon analyse" in await home.page(f"{LIST}?etat=archives")
    assert (await act(home, number, "desarchiver")).status_code == 303
    assert "Mon analyse" in await home.page(LIST)


async def test_who_acts_on_an_old_page_is_told_to_read_again(home: Home) -> None:
    filed = await home.file()
    answer = await act(home, filed.document_id, "masquer", version="7")
    assert answer.status_code == 412
    assert "a changé entre-temps" in said(answer.text)
    for version in ("", "x", "9" * 30):
        assert (await act(home, filed.document_id, "masquer", version=version)).status_code == 404
    author = await home.authorise(AUTHOR)
    found = await home.house.records.search(author, home.patient.ins, DocumentQuery())
    assert [each.masked_to_professionals for each in found.documents] == [False]


async def test_an_act_needs_the_token_of_its_form(home: Home) -> None:
    filed = await home.file()
    path = f"{LIST}/{filed.document_id}/acte/masquer"
    assert (await home.browser.post(path, data={"csrf": "0" * 64, "version": "1"})).status_code == 403
    assert home.traces(action=Change.MASK) == []


async def test_a_document_that_is_not_announced_yet_offers_nothing(home: Home) -> None:
    filed = await home.file(visibilities=frozenset({"INVISIBLE_PATIENT"}))
    assert (await home.browser.get(f"{LIST}/{filed.document_id}/acte/masquer")).status_code == 404
