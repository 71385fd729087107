"""What is done with a document: each act asks first, the desk decides, and the traces tell."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from dmp_bridge.dossier.life import Change, Status
from dmp_bridge.rights.vocabulary import Action
from portal.webps.acts import ACTS
from tests.dmp_bridge.builders import cda
from tests.portal.house import form_token
from tests.portal.webps.ward import AUTHOR, MARIE, PAUL, post, said

if TYPE_CHECKING:
    import httpx2

    from tests.portal.webps.ward import Ward


def own(ward: Ward, idnat: str = MARIE, **values: object) -> bytes:
    """A CDA whose author is this professional."""
    return cda(**{"ins": ward.patient.ins, "author_id": idnat, **values})  # type: ignore[arg-type]


async def do(
    browser: httpx2.AsyncClient, one: str, act: str, version: int = 1, **fields: str
) -> httpx2.Response:
    """Posts the form of an act."""
    page = f"{one}/acte/{act}"
    return await post(browser, page, page, version=str(version), **fields)


async def state(ward: Ward, document_id: int) -> tuple[Status, bool, bool]:
    (found,) = await ward.documents(ids=(document_id,))
    return found.status, found.masked_to_professionals, found.invisible_to_patient


async def test_masking_asks_first_and_then_masks(ward: Ward) -> None:
    filed = await ward.file(own(ward))
    browser, path = await ward.authorised()
    one = f"{path}/documents/{filed.document_id}"
    assert f'href="{one}/acte/masquer"' in (await browser.get(one)).text
    asked = said((await browser.get(f"{one}/acte/masquer")).text)
    assert "Le patient le voit toujours." in asked
    assert (await state(ward, filed.document_id))[1] is False
    answer = await do(browser, one, "masquer")
    assert (answer.status_code, answer.headers["location"]) == (303, f"{path}/documents")
    page = (await browser.get(f"{path}/documents")).text
    assert "Le document est masqué aux professionnels de santé." in said(page)
    assert "examens biologiques</a>" not in page
    page = (await browser.get(one)).text
    assert '<li class="badge">masqué aux professionnels de santé</li>' in page
    assert f'href="{one}/acte/demasquer"' in page
    assert f'href="{one}/acte/masquer"' not in page
    assert (await do(browser, one, "demasquer", 2)).status_code == 303
    assert await state(ward, filed.document_id) == (Status.APPROVED, False, False)
    for action in (Action.MASK, Action.UNMASK):
        (trace,) = ward.traces(action)
        assert (trace.caller_id, trace.document_id) == (MARIE, filed.document_id)


async def test_who_masks_what_is_not_theirs_sees_it_no_more(ward: Ward) -> None:
    filed = await ward.file()
    browser, path = await ward.authorised()
    one = f"{path}/documents/{filed.document_id}"
    answer = await do(browser, one, "masquer")
    assert answer.headers["location"] == f"{path}/documents"
    assert (await browser.get(one)).status_code == 404


async def test_archiving_and_back(ward: Ward) -> None:
    filed = await ward.file(own(ward))
    browser, path = await ward.authorised()
    one = f"{path}/documents/{filed.document_id}"
    assert (await do(browser, one, "archiver")).status_code == 303
    page = (await browser.get(one)).text
    assert '<li class="badge">archivé</li>' in page
    assert f'href="{one}/acte/archiver"' not in page
    assert (await do(browser, one, "desarchiver", 2)).status_code == 303
    assert (await state(ward, filed.document_id))[0] is Status.APPROVED


@pytest.mark.parametrize(
    ("act", "flags"),
    [("rendre-visible", {"INVISIBLE_PATIENT"}), ("supprimer", set())],
)
async def test_what_cannot_be_undone_wants_a_tick(ward: Ward, act: str, flags: set[str]) -> None:
    filed = await ward.file(own(ward), visibilities=frozenset(flags))
    browser, path = await ward.authorised()
    one = f"{path}/documents/{filed.document_id}"
    before = await state(ward, filed.document_id)
    answer = await do(browser, one, act)
    assert answer.status_code == 422
    assert "cet acte est définitif" in said(answer.text)
    assert await state(ward, filed.document_id) == before
    assert (await do(browser, one, act, confirm="1")).status_code == 303
    assert await state(ward, filed.document_id) != before


async def test_a_document_shown_to_the_patient_bears_no_warning_any_more(ward: Ward) -> None:
    filed = await ward.file(visibilities=frozenset({"INVISIBLE_PATIENT"}))
    browser, path = await ward.authorised()
    one = f"{path}/documents/{filed.document_id}"
    await do(browser, one, "rendre-visible", confirm="1")
    page = said((await browser.get(one)).text)
    assert "Le document est visible par le patient." in page
    assert "Attention" not in page


async def test_a_document_of_somebody_else_is_not_offered_for_what_is_the_authors(ward: Ward) -> None:
    filed = await ward.file()
    browser, path = await ward.authorised()
    one = f"{path}/documents/{filed.document_id}"
    page = (await browser.get(one)).text
    for act in ("archiver", "supprimer", "demasquer"):
        assert f"/acte/{act}" not in page
        answer = await do(browser, one, act, confirm="1")
        assert answer.status_code == 403
    assert "ni de vous ni de votre structure" in said(answer.text) or "rôle" in said(answer.text)
    assert await state(ward, filed.document_id) == (Status.APPROVED, False, False)
    assert ward.traces(Action.DELETE)[0].outcome == "not-own"


async def test_in_an_emergency_nothing_is_masked(ward: Ward) -> None:
    filed = await ward.file()
    browser = await ward.enter(MARIE)
    path = await ward.open(browser)
    await post(browser, f"{path}/urgence", path, mode="bris_de_glace", motive="Coma")
    one = f"{path}/documents/{filed.document_id}"
    page = (await browser.get(one)).text
    assert "/acte/masquer" not in page
    assert "/acte/demasquer" not in page
    answer = await do(browser, one, "masquer")
    assert answer.status_code == 403
    assert "rôle" in said(answer.text)


async def test_the_attending_doctor_unmasks_what_others_masked(ward: Ward) -> None:
    filed = await ward.file(visibilities=frozenset({"MASQUE_PS"}))
    await ward.make_attending(PAUL)
    browser = await ward.enter(PAUL)
    path = await ward.open(browser)
    answer = await do(browser, f"{path}/documents/{filed.document_id}", "demasquer")
    assert answer.status_code == 303


async def test_a_document_that_changed_meanwhile_is_not_changed_blindly(ward: Ward) -> None:
    filed = await ward.file(own(ward))
    browser, path = await ward.authorised()
    one = f"{path}/documents/{filed.document_id}"
    await do(browser, one, "archiver")
    answer = await do(browser, one, "masquer", 1)
    assert answer.status_code == 412
    assert "a changé entre-temps" in said(answer.text)
    assert (await state(ward, filed.document_id))[1] is False


@pytest.mark.parametrize("version", ["", "x", "-1", "9" * 30])
async def test_a_form_without_its_version_is_none_of_ours(ward: Ward, version: str) -> None:
    filed = await ward.file(own(ward))
    browser, path = await ward.authorised()
    page = f"{path}/documents/{filed.document_id}/acte/masquer"
    assert (await post(browser, page, page, version=version)).status_code == 404


async def test_an_act_that_does_not_exist_is_not_found(ward: Ward) -> None:
    filed = await ward.file(own(ward))
    browser, path = await ward.authorised()
    page = f"{path}/documents/{filed.document_id}/acte/purger"
    assert (await browser.get(page)).status_code == 404
    posted = {"csrf": await form_token(browser, path), "version": "1"}
    assert (await browser.post(page, data=posted)).status_code == 404


def test_there_is_an_act_for_every_change() -> None:
    assert {act.change for act in ACTS.values()} == set(Change)


# ref: DMP-F36
async def test_who_fed_a_document_deletes_it_without_an_authorisation(ward: Ward) -> None:
    filed = await ward.file(own(ward))
    browser = await ward.enter(MARIE)
    path = await ward.open(browser)
    assert (await browser.get(f"{path}/documents/{filed.document_id}")).status_code == 403
    page = (await browser.get(f"{path}/reference", params={"id": filed.unique_id})).text
    act = f"{path}/documents/{filed.document_id}/acte/supprimer"
    assert f'href="{act}"' in page
    answer = await post(browser, act, act, version="1", confirm="1")
    assert answer.status_code == 303
    assert "Le document est supprimé." in said((await browser.get(answer.headers["location"])).text)
    assert (await state(ward, filed.document_id))[0] is Status.DELETED


async def test_a_reference_leads_to_nobody_elses_document(ward: Ward) -> None:
    others = await ward.file()
    browser = await ward.enter(MARIE)
    path = await ward.open(browser)
    found = await browser.get(f"{path}/reference", params={"id": others.unique_id})
    assert found.status_code == 403
    assert (await browser.get(f"{path}/documents/{others.document_id}/acte/supprimer")).status_code == 403
    assert (await browser.get(f"{path}/reference", params={"id": "1.2.3"})).status_code == 404
    assert (await browser.get(f"{path}/reference")).status_code == 200


async def test_reading_a_document_leaves_one_trace_of_what_is_told_and_one_of_each_reading(
    ward: Ward,
) -> None:
    filed = await ward.file()
    browser, path = await ward.authorised()
    before = len(ward.traces(Action.SEARCH))
    one = f"{path}/documents/{filed.document_id}"
    await browser.get(one)
    await browser.get(f"{one}/apercu")
    assert len(ward.traces(Action.SEARCH)) == before + 1
    assert len(ward.traces(Action.READ)) == 1


async def test_every_act_needs_the_token_of_its_form(ward: Ward) -> None:
    filed = await ward.file(caller=AUTHOR)
    browser, path = await ward.authorised()
    for act in ACTS:
        answer = await browser.post(
            f"{path}/documents/{filed.document_id}/acte/{act}", data={"version": "1", "confirm": "1"}
        )
        assert answer.status_code == 403
        assert "Formulaire périmé" in answer.text
    assert await state(ward, filed.document_id) == (Status.APPROVED, False, False)
