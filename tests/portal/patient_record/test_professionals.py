"""« Qui a accès » : withdrawing, blocking and unblocking, and whom one can name."""

from __future__ import annotations

import pytest

from directory.annuaire.model import Person, Structure
from dmp_bridge.dossier.forms import Denied, DocumentQuery
from dmp_bridge.dossier.relations import RelationKind
from dmp_bridge.rights.vocabulary import Reason
from tests.portal.patient_record.home import AUTHOR, NURSE, Home, in_emergency, said

PAGE = "/patient/professionnels"
STRANGER = "810000000009"


async def refusal(home: Home) -> Reason | None:
    """Why the nurse does not read; None where she does."""
    try:
        await home.house.records.search(NURSE, home.patient.ins, DocumentQuery())
    except Denied as denied:
        return denied.reason
    return None


def publish(home: Home) -> None:
    view = home.house.annuaire.shown
    view.people = [Person(STRANGER, first_name="ANNE", last_name="LEROY", profession="Médecin")]
    view.places = [Structure("R1", idnat="1750000018", name="Clinique des Lilas", city="PARIS")]


# ref: DMP-F26
async def test_who_is_authorised_is_listed_and_can_be_withdrawn(home: Home) -> None:
    await home.authorise(NURSE)
    await home.authorise(AUTHOR, RelationKind.ATTENDING)
    page = await home.page(PAGE)
    assert page.index("Médecin traitant") < page.index("Marcel CAMPARINI") < page.index("Luc PETIT")
    assert await refusal(home) is None
    answer = await home.post(f"{PAGE}/retirer", PAGE, id=NURSE.id, kind="authorised")
    assert (answer.status_code, answer.headers["location"]) == (303, PAGE)
    assert await refusal(home) is Reason.NOT_AUTHORISED
    page = await home.page(PAGE)
    assert "L’autorisation est retirée." in page
    assert page.index("Autorisations et blocages passés") < page.index("Luc PETIT")
    assert (await home.post(f"{PAGE}/retirer", PAGE, id=NURSE.id, kind="authorised")).status_code == 404
    assert (await home.post(f"{PAGE}/retirer", PAGE, id=AUTHOR.id, kind="attending")).status_code == 303
    assert home.relations() == {}


# ref: DMP-F26
async def test_who_is_blocked_does_not_enter_even_in_an_emergency_until_unblocked(home: Home) -> None:
    await home.authorise(NURSE)
    answer = await home.post(f"{PAGE}/bloquer", PAGE, id=NURSE.id)
    assert answer.status_code == 303
    assert "Luc PETIT n’entre plus dans le dossier, même en urgence." in await home.page(PAGE)
    assert home.relations() == {NURSE.id: RelationKind.BLOCKED}
    assert await refusal(home) is Reason.BLOCKED
    with pytest.raises(Denied) as refused:
        await home.house.records.search(in_emergency(NURSE), home.patient.ins, DocumentQuery())
    assert refused.value.reason is Reason.BLOCKED
    assert (await home.post(f"{PAGE}/debloquer", PAGE, id=NURSE.id)).status_code == 303
    assert await refusal(home) is Reason.NOT_AUTHORISED
    assert (await home.post(f"{PAGE}/debloquer", PAGE, id=NURSE.id)).status_code == 404


async def test_a_professional_or_a_structure_of_the_directory_is_found_and_blocked(home: Home) -> None:
    publish(home)
    page = await home.page(f"{PAGE}?q=leroy")
    assert "1 résultat" in page
    assert "ANNE LEROY Médecin" in page
    assert (await home.post(f"{PAGE}/bloquer", PAGE, id=STRANGER)).status_code == 303
    assert "Déjà bloqué" in await home.page(f"{PAGE}?q=leroy")
    assert "Clinique des Lilas PARIS" in await home.page(f"{PAGE}?q=lilas")
    assert (await home.post(f"{PAGE}/bloquer", PAGE, id="1750000018")).status_code == 303
    assert set(home.relations()) == {STRANGER, "1750000018"}
    assert "Aucun résultat" in await home.page(f"{PAGE}?q=personne")


async def test_who_entered_is_blocked_from_the_history_though_no_directory_knows_them(home: Home) -> None:
    await home.house.records.search(in_emergency(NURSE), home.patient.ins, DocumentQuery())
    page = await home.browser.get("/patient/activite")
    assert f'name="id" value="{NURSE.id}"' in page.text
    assert (await home.post(f"{PAGE}/bloquer", PAGE, id=NURSE.id)).status_code == 303
    assert home.relations() == {NURSE.id: RelationKind.BLOCKED}


@pytest.mark.parametrize("subject", ["", "0", "8" * 5000, "patient:1", "'; --", "\x00"])
async def test_nobody_is_blocked_who_is_nobody(home: Home, subject: str) -> None:
    publish(home)
    for act in ("bloquer", "debloquer", "retirer"):
        answer = await home.post(f"{PAGE}/{act}", PAGE, id=subject, kind="authorised")
        assert answer.status_code == 404, act
    assert home.relations() == {}


async def test_what_is_typed_comes_back_escaped(home: Home) -> None:
    page = await home.browser.get(PAGE, params={"q": '"><script>alert(1)</script>'})
    assert page.status_code == 200
    assert "<script>alert" not in page.text


@pytest.mark.parametrize("act", ["bloquer", "debloquer", "retirer"])
async def test_each_act_needs_the_token_of_its_form(home: Home, act: str) -> None:
    await home.authorise(NURSE)
    answer = await home.browser.post(f"{PAGE}/{act}", data={"csrf": "0" * 64, "id": NURSE.id})
    assert answer.status_code == 403
    assert "Formulaire périmé" in said(answer.text)
    assert home.relations() == {NURSE.id: RelationKind.AUTHORISED}
