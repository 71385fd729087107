"""Who stands how towards a record, the traces of what was done, and what the patient said."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from dmp_bridge.dossier.consents import Consent, ConsentKind, consents_of
from dmp_bridge.dossier.life import Change, Status
from dmp_bridge.dossier.relations import RelationKind
from dmp_bridge.rights.vocabulary import Action, Mode, OwnAct, Role
from dmp_bridge.visibility import Visibility
from portal.record_words import ACTS, MODES, RELATIONS, ROLES, STATUSES, VISIBILITIES
from tests.portal.webps.ward import HOSPITAL, MARIE, PAUL, post, said

if TYPE_CHECKING:
    from tests.portal.webps.ward import Ward


# ref: DMP-F27
async def test_one_sees_ones_own_traces_and_the_attending_doctor_all(ward: Ward) -> None:
    filed = await ward.file()
    marie, path = await ward.authorised(MARIE)
    await marie.get(f"{path}/documents/{filed.document_id}/contenu")
    await ward.make_attending(PAUL)
    paul = await ward.enter(PAUL)
    there = await ward.open(paul)
    page = said((await marie.get(f"{path}/acces")).text)
    assert "Lecture d’un document" in page
    assert "Autorisation déclarée" in page
    assert "PAUL DURAND · professionnel" not in page
    page = said((await paul.get(f"{there}/acces")).text)
    assert "MARIE MARTIN · professionnel de santé" in page
    assert "PAUL DURAND · professionnel de santé" in page


async def test_an_emergency_and_a_refusal_stand_in_the_traces_with_motive_and_reason(ward: Ward) -> None:
    browser = await ward.enter(MARIE)
    path = await ward.open(browser)
    await browser.get(f"{path}/documents")
    await post(browser, f"{path}/urgence", path, mode="bris_de_glace", motive="Crise d’épilepsie")
    page = said((await browser.get(f"{path}/acces")).text)
    assert "Recherche de documents bris de glace" in page
    assert "Motif : Crise d’épilepsie" in page
    assert "Recherche de documents refusé" in page
    assert "Vous n'êtes pas autorisé à consulter ce dossier." in page


async def test_many_traces_are_read_page_by_page(ward: Ward) -> None:
    browser, path = await ward.authorised()
    for _ in range(60):
        await browser.get(path)
    first = (await browser.get(f"{path}/acces")).text
    assert first.count("<strong>Recherche du dossier</strong>") == 50
    (place,) = [part.partition('"')[0] for part in first.split("?avant=")[1:]]
    second = (await browser.get(f"{path}/acces", params={"avant": place})).text
    assert 0 < second.count("<strong>Recherche du dossier</strong>") < 50
    assert "Accès plus anciens" not in second


async def test_a_blocked_professional_reads_no_traces(ward: Ward) -> None:
    browser, path = await ward.authorised()
    await ward.block(MARIE)
    assert (await browser.get(f"{path}/acces")).status_code == 403


async def test_the_authorised_and_the_blocked_are_listed(ward: Ward) -> None:
    browser, path = await ward.authorised()
    await ward.block(PAUL)
    page = said((await browser.get(f"{path}/professionnels")).text)
    assert "MARIE MARTIN autorisé Depuis le 13 mars 2026" in page
    assert f"{PAUL} bloqué" in page


# ref: DMP-F22
@pytest.mark.parametrize(
    ("answer", "kind", "value"),
    [
        ("INO", ConsentKind.FEEDING, Consent.NOT_OPPOSED),
        ("IO", ConsentKind.FEEDING, Consent.OPPOSED),
        ("IC", ConsentKind.CONSULTATION, Consent.CONSENTS),
        ("INC", ConsentKind.CONSULTATION, Consent.CONSENTS_NOT),
    ],
)
async def test_what_the_patient_said_is_kept_with_who_noted_it(
    ward: Ward, answer: str, kind: ConsentKind, value: Consent
) -> None:
    ward.practise(MARIE)
    browser = await ward.enter(MARIE)
    path = await ward.open(browser)
    page = f"{path}/volonte"
    assert " checked" not in (await browser.get(page)).text
    done = await post(browser, page, page, answer=answer, reason="Examen sensible")
    assert done.status_code == 303
    rows = ward.house.place.database.read_now(
        lambda connection: consents_of(connection, ward.patient.owner_id)
    ).rows
    assert [(row.kind, row.value, row.actor, row.structure_id) for row in rows] == [
        (kind, value, MARIE, HOSPITAL)
    ]
    assert rows[0].reason == ("Examen sensible" if value is Consent.OPPOSED else "")


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({}, "Choisissez ce que le patient a dit"),
        ({"answer": "OUI"}, "Choisissez ce que le patient a dit"),
        ({"answer": "IO", "reason": "  "}, "motif légitime"),
        ({"answer": "IO", "reason": "x" * 501}, "500 caractères"),
    ],
)
async def test_an_answer_that_cannot_be_kept_is_refused(
    ward: Ward, fields: dict[str, str], words: str
) -> None:
    browser = await ward.enter(MARIE)
    path = await ward.open(browser)
    answer = await post(browser, f"{path}/volonte", f"{path}/volonte", **fields)
    assert answer.status_code == 422
    assert words in said(answer.text)


def test_every_word_of_the_record_has_its_french() -> None:
    assert set(STATUSES) == set(Status)
    assert set(VISIBILITIES) == set(Visibility)
    assert set(MODES) == set(Mode)
    assert set(ROLES) == set(Role)
    assert set(RELATIONS) == set(RelationKind)
    assert {each.value for kind in (Action, OwnAct, Change) for each in kind} <= {str(each) for each in ACTS}
