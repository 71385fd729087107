"""What patients choose: feeding, consultation, emergencies, masking; what holds, and the history of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from dmp_bridge.dossier import consents
from dmp_bridge.dossier.consents import Consent, ConsentKind
from dmp_bridge.dossier.forms import Denied, DocumentQuery
from dmp_bridge.rights.vocabulary import Reason
from portal.patient_record import choices
from tests.dmp_bridge.builders import PDF
from tests.portal.patient_record.home import AUTHOR, NURSE, Home, in_emergency, said

if TYPE_CHECKING:
    from dmp_bridge.dossier.caller import Caller

PAGE = "/patient/choix"
HOSPITAL = "1750000018"


async def denied(home: Home, caller: Caller) -> Reason | None:
    try:
        await home.house.records.search(caller, home.patient.ins, DocumentQuery())
    except Denied as refused:
        return refused.reason
    return None


async def reported(home: Home, kind: ConsentKind, value: Consent, structure_id: str = HOSPITAL) -> None:
    """What a hospital told of its patient."""
    owner_id, at = home.patient.owner_id, home.house.clock.millis()
    await home.house.place.database.write(
        lambda uow: consents.record(uow, owner_id, kind, value, structure_id, at, structure_id=structure_id)
    )


def answers(**changed: str) -> dict[str, str]:
    return {"centre-15": "permit", "bris-de-glace": "permit", "masked": "deny", **changed}


# ref: DMP-F25
async def test_emergencies_are_refused_by_purpose_and_allowed_again(home: Home) -> None:
    page = (await home.browser.get(PAGE)).text
    assert 'id="centre-15-permit" name="centre-15" type="radio" value="permit" required checked' in page
    assert 'id="masked-deny" name="masked" type="radio" value="deny" required checked' in page
    nurse = in_emergency(NURSE)
    assert await denied(home, nurse) is None
    sent = {"bris-de-glace": "deny"}
    assert (await home.post(f"{PAGE}/urgence", PAGE, **answers(**sent))).status_code == 303
    assert await denied(home, nurse) is Reason.EMERGENCY_OPPOSED
    page = await home.page(PAGE)
    assert "Votre choix est enregistré." in page
    assert "bris de glace) : refusé" in page
    assert (await home.post(f"{PAGE}/urgence", PAGE, **answers())).status_code == 303
    assert await denied(home, nurse) is None


# ref: DMP-F25
async def test_masked_documents_are_shown_in_an_emergency_once_that_is_said(home: Home) -> None:
    await home.file(visibilities=frozenset({"MASQUE_PS"}))
    nurse = in_emergency(NURSE)
    query = DocumentQuery()
    assert (await home.house.records.search(nurse, home.patient.ins, query)).documents == ()
    assert (await home.post(f"{PAGE}/urgence", PAGE, **answers(masked="permit"))).status_code == 303
    assert len((await home.house.records.search(nurse, home.patient.ins, query)).documents) == 1


@pytest.mark.parametrize("changed", [{"masked": ""}, {"centre-15": "IO"}, {"bris-de-glace": "x" * 999}])
async def test_each_question_of_the_emergency_wants_its_answer(home: Home, changed: dict[str, str]) -> None:
    answer = await home.post(f"{PAGE}/urgence", PAGE, **answers(**changed))
    assert answer.status_code == 422
    assert "Choisissez une réponse à chaque question." in said(answer.text)
    assert "Rien n’a été dit jusqu’ici" in said(answer.text)


# ref: DMP-F22
async def test_an_opposition_to_feeding_needs_its_reason_and_is_lifted_where_it_was_said(home: Home) -> None:
    unreasoned = await home.post(f"{PAGE}/alimentation", PAGE, structure="", reason="  ")
    assert unreasoned.status_code == 422
    assert "motif légitime de l’opposition" in said(unreasoned.text)
    assert await home.file()
    answer = await home.post(f"{PAGE}/alimentation", PAGE, structure="", reason="Je suis <connu> de tous")
    assert answer.status_code == 303
    page = await home.page(PAGE)
    assert "Opposition : toutes les structures" in page
    assert "Motif : Je suis <connu> de tous" in page
    assert "vous" in page
    with pytest.raises(Denied) as refused:
        await home.file(data=PDF + b"1")
    assert refused.value.reason is Reason.FEEDING_OPPOSED
    long = await home.post(f"{PAGE}/alimentation", PAGE, structure="", reason="x" * 501)
    assert long.status_code == 422
    assert (await home.post(f"{PAGE}/alimentation", PAGE, structure="", answer="lift")).status_code == 303
    assert "Opposition :" not in await home.page(PAGE)
    assert (await home.file(data=PDF + b"2")).is_new


# ref: DMP-F22
async def test_what_a_hospital_reported_is_shown_and_may_be_changed(home: Home) -> None:
    await reported(home, ConsentKind.CONSULTATION, Consent.CONSENTS_NOT)
    await reported(home, ConsentKind.FEEDING, Consent.OPPOSED)
    page = await home.page(PAGE)
    assert f"{HOSPITAL} : vous refusez" in page
    assert f"Opposition : {HOSPITAL}" in page
    answer = await home.post(f"{PAGE}/consultation", PAGE, structure=HOSPITAL, answer="yes")
    assert answer.status_code == 303
    page = await home.page(PAGE)
    assert f"{HOSPITAL} : vous consentez" in page
    assert page.index("Consultation : consentement") < page.index("Consultation : refus")
    assert (
        await home.post(f"{PAGE}/alimentation", PAGE, structure=HOSPITAL, answer="lift")
    ).status_code == 303
    assert "Opposition :" not in await home.page(PAGE)


@pytest.mark.parametrize("structure", ["", "1999999999", "x" * 5000])
async def test_a_consent_is_given_to_a_structure_that_is_known(home: Home, structure: str) -> None:
    answer = await home.post(f"{PAGE}/consultation", PAGE, structure=structure, answer="yes")
    assert answer.status_code == 404


# ref: DMP-F38
async def test_documents_begin_masked_where_the_patient_wishes_it(home: Home) -> None:
    assert (await home.post(f"{PAGE}/masquage", PAGE, answer="yes")).status_code == 303
    assert 'value="yes" required checked' in (await home.browser.get(PAGE)).text
    filed = await home.file()
    assert "Masqué aux professionnels" in await home.page(f"/patient/documents/{filed.document_id}")
    assert (await home.post(f"{PAGE}/masquage", PAGE, answer="no")).status_code == 303
    await home.authorise(AUTHOR)
    filed = await home.file(data=PDF + b"1")
    assert "Masqué aux" not in await home.page(f"/patient/documents/{filed.document_id}")
    assert (await home.post(f"{PAGE}/masquage", PAGE, answer="x")).status_code == 422


# ref: DMP-F38
async def test_all_documents_are_masked_at_once_and_shown_again(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(choices, "MOST_AT_ONCE", 2)
    for number in range(3):
        await home.file(data=PDF + str(number).encode())
    nurse = await home.authorise(NURSE)

    async def seen() -> int:
        return len((await home.house.records.search(nurse, home.patient.ins, DocumentQuery())).documents)

    path = f"{PAGE}/masquage-de-tout"
    assert (await home.post(path, PAGE, answer="mask")).status_code == 303
    assert "2 documents masqués. Il en reste : recommencez." in await home.page(PAGE)
    assert await seen() == 1
    await home.post(path, PAGE, answer="mask")
    assert "1 document masqué." in await home.page(PAGE)
    assert await seen() == 0
    for _ in range(2):
        await home.post(path, PAGE, answer="unmask")
    assert await seen() == 3
    assert (await home.post(path, PAGE, answer="delete")).status_code == 404
    assert (await home.browser.post(path, data={"csrf": "0" * 64, "answer": "mask"})).status_code == 403
    assert await seen() == 3


@pytest.mark.parametrize("act", ["urgence", "alimentation", "consultation", "masquage"])
async def test_each_choice_needs_the_token_of_its_form(home: Home, act: str) -> None:
    sent = {**answers(), "csrf": "0" * 64, "answer": "yes", "reason": "x", "structure": ""}
    assert (await home.browser.post(f"{PAGE}/{act}", data=sent)).status_code == 403
    assert "Rien n’a été dit jusqu’ici" in await home.page(PAGE)
