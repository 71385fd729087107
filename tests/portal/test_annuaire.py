"""The search page, a mailbox with its vCard, and the correspondents of a professional."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from msgspec.structs import replace

from directory.annuaire.fields import Field
from directory.annuaire.model import Mailbox
from directory.annuaire.view import TooSlow
from directory.bals import BalType
from directory.listing import Listing, put_listing
from portal.annuaire import RESULTS
from tests.directory.memory import MemoryView
from tests.mailserver.place import DOMAIN
from tests.portal.house import House
from tests.portal.professional.people import box, enter, post, trail_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from foundation.clock import FixedClock
    from foundation.database import Database
    from foundation.events import Events
    from foundation.vault import Vault

ANNE = Mailbox(
    "anne.exemple@ch-des-essais.mssante.fr",
    BalType.PER,
    idnat="899900000011",
    person_id="99900000011",
    person_id_type="8",
    last_name="EXEMPLE",
    first_name="ANNE",
    profession="Médecin",
    skill="Neurologie",
    structure="CH DES ESSAIS",
    routing="75015 PARIS",
    postal_code="75015",
    department="75",
    responsible="Nom d'une personne",
)
SERVICE = Mailbox(
    "urgences@ch-des-essais.mssante.fr",
    BalType.ORG,
    structure="CH <b>DES</b> ESSAIS",
    service="URGENCES",
    routing="69001 LYON",
    postal_code="69001",
    department="69",
)


@pytest.fixture
async def open_house(
    database: Database, vault: Vault, events: Events, clock: FixedClock, tmp_path: Path
) -> AsyncIterator[House]:
    """A house whose directory everybody may search."""
    made = House.build(database, vault, events, clock, tmp_path, directory={"page": "everybody"})
    made.annuaire.shown = MemoryView([ANNE, SERVICE])
    yield made
    await made.bridge.close()
    await made.place.router.close()


async def found(house: House, **query: str) -> str:
    answer = await house.browser().get("/annuaire", params=query)
    assert answer.status_code == 200
    return answer.text


@pytest.mark.parametrize(
    ("query", "addresses"),
    [
        ({"q": "exemple"}, {ANNE.address}),
        ({"q": "essais"}, {ANNE.address, SERVICE.address}),
        ({"q": "essais", "type": "ORG"}, {SERVICE.address}),
        ({"quoi": "neuro"}, {ANNE.address}),
        ({"quoi": "MEDECIN"}, {ANNE.address}),
        ({"lieu": "lyon"}, {SERVICE.address}),
        ({"lieu": "75"}, {ANNE.address}),
        ({"lieu": "69001", "q": "urgences"}, {SERVICE.address}),
        ({"q": "personne"}, set()),
        ({"q": "essais", "type": "XXX"}, {ANNE.address, SERVICE.address}),
    ],
)
async def test_boxes_are_found_by_who_what_and_where(
    open_house: House, query: dict[str, str], addresses: set[str]
) -> None:
    page = await found(open_house, **query)
    assert {each.address for each in (ANNE, SERVICE) if each.address in page} == addresses
    assert ("Aucune boîte" in page) is (len(addresses) == 0)


async def test_without_a_question_nothing_is_listed(open_house: House) -> None:
    page = await found(open_house)
    assert ANNE.address not in page
    assert "Aucune boîte" not in page


async def test_one_typing_error_in_a_name_is_forgiven(open_house: House) -> None:
    for query in ({"q": "exmeple"}, {"q": "exmeple anne", "quoi": "neuro"}, {"q": "exmeple", "type": "PER"}):
        assert ANNE.address in await found(open_house, **query), query
    assert ANNE.address not in await found(open_house, q="exmeple", lieu="lyon")


async def test_a_box_that_was_withdrawn_is_told_with_the_day(open_house: House) -> None:
    browser, path = open_house.browser(), f"/annuaire/bal/{SERVICE.address}"
    open_house.annuaire.shown = MemoryView([ANNE])
    for ending in ("", ".vcf", ".json"):
        assert (await browser.get(path + ending)).status_code == 404
    open_house.annuaire.shown.removed[Field.ADDRESS, SERVICE.address] = 1_773_356_400_000
    for ending in ("", ".vcf"):
        answer = await browser.get(path.upper().replace("/ANNUAIRE/BAL", "/annuaire/bal") + ending)
        assert answer.status_code == 410
        assert (
            f"<strong>{SERVICE.address}</strong> n’est plus dans l’annuaire depuis le 13 mars 2026."
            in answer.text
        )
    answer = await browser.get(f"{path}.json")
    assert answer.status_code == 410
    assert answer.json() == {
        "code": "withdrawn",
        "message": "Cette boîte n’est plus dans l’annuaire depuis le 13/03/2026.",
    }


async def test_more_than_a_page_is_told(open_house: House) -> None:
    open_house.annuaire.shown = MemoryView(
        [replace(ANNE, address=f"a{number}@x.mssante.fr") for number in range(RESULTS + 1)]
    )
    page = await found(open_house, q="exemple")
    assert f"Plus de {RESULTS} boîtes" in page
    assert page.count("/annuaire/bal/") == RESULTS


async def test_what_takes_too_long_is_refused_in_a_sentence(
    open_house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    def slow(*_: Any, **__: Any) -> list[Mailbox]:
        raise TooSlow("It takes too long.")

    monkeypatch.setattr(MemoryView, "mailboxes", slow)
    answer = await open_house.browser().get("/annuaire", params={"q": "a"})
    assert answer.status_code == 422
    assert "trop large" in answer.text


async def test_a_long_question_is_cut(open_house: House) -> None:
    assert "Aucune boîte" in await found(open_house, q="x" * 5000)


async def test_a_name_from_outside_is_text(open_house: House) -> None:
    page = (await open_house.browser().get(f"/annuaire/bal/{SERVICE.address}")).text
    assert "<b>DES" not in page
    assert "CH &lt;b&gt;DES" in page


async def test_a_mailbox_is_shown_with_its_card_and_nothing_of_who_answers_for_it(open_house: House) -> None:
    browser = open_house.browser()
    page = (await browser.get(f"/annuaire/bal/{ANNE.address.upper()}")).text
    assert all(words in page for words in ("Neurologie", "99900000011", "75015 PARIS", ".vcf"))
    assert "Nom d&#39;une personne" not in page
    card = await browser.get(f"/annuaire/bal/{ANNE.address}.vcf")
    assert card.headers["content-type"] == "text/vcard; charset=utf-8"
    assert "attachment" in card.headers["content-disposition"]
    assert card.content.startswith(b"BEGIN:VCARD\r\nVERSION:4.0\r\n")
    said = (await browser.get(f"/annuaire/bal/{ANNE.address}.json")).json()
    assert (said["address"], said["skill"], said["capabilities"]) == (ANNE.address, "Neurologie", None)
    assert "responsible" not in said


@pytest.mark.parametrize("end", ["", ".vcf", ".json"])
async def test_what_is_not_in_the_directory_is_not_found(open_house: House, end: str) -> None:
    answer = await open_house.browser().get(f"/annuaire/bal/liste.rouge@x.mssante.fr{end}")
    assert answer.status_code == 404


async def test_what_a_box_of_ours_can_do_is_told(open_house: House) -> None:
    bal = await box(open_house)
    said = Listing(accepts_xdm=False, largest_bytes=10_000_000, patient_may_answer=False)
    await open_house.place.database.write(lambda uow: put_listing(uow, bal, said))
    open_house.annuaire.shown = MemoryView([replace(ANNE, address=bal.address)])
    browser = open_house.browser()
    told = (await browser.get(f"/annuaire/bal/{bal.address}.json")).json()
    assert told["capabilities"] == {
        "accepts_xdm": False,
        "largest_bytes": 10_000_000,
        "patient_may_answer": False,
    }
    page = (await browser.get(f"/annuaire/bal/{bal.address}")).text
    assert "Non lus par son logiciel" in page
    assert "10 Mo" in page
    assert "Ne peuvent pas répondre" in page


async def test_where_the_settings_say_so_only_professionals_search(house: House) -> None:
    house.annuaire.shown = MemoryView([ANNE])
    browser = house.browser()
    for path in ("/annuaire?q=exemple", f"/annuaire/bal/{ANNE.address}", f"/annuaire/bal/{ANNE.address}.vcf"):
        answer = await browser.get(path)
        assert (answer.status_code, answer.headers["location"]) == (303, "/")
    assert (await browser.get(f"/annuaire/bal/{ANNE.address}.json")).status_code == 401
    patient = await house.signed_in(await house.patient())
    assert (await patient.get("/annuaire?q=exemple")).status_code == 303
    marie = await enter(house, await box(house))
    assert ANNE.address in (await marie.get("/annuaire?q=exemple")).text


async def test_a_professional_keeps_correspondents_and_takes_their_cards(house: House) -> None:
    house.annuaire.shown = MemoryView([ANNE])
    bal = await box(house)
    paul = await house.place.add("paul")
    await house.place.send(bal, paul.address)
    browser = await enter(house, bal)
    page = (await browser.get("/pro/correspondants")).text
    assert paul.address in page
    assert "Dernier message" in page
    kept = await post(browser, "/pro/correspondants/garder", address=ANNE.address)
    assert (kept.status_code, kept.headers["location"]) == (303, "/pro/correspondants")
    page = (await browser.get("/pro/correspondants")).text
    assert "est parmi vos correspondants" in page
    assert "ANNE EXEMPLE" in page
    assert "Retirer de mes correspondants" in (await browser.get(f"/annuaire/bal/{ANNE.address}")).text
    cards = await browser.get("/pro/correspondants.vcf")
    assert cards.text.count("BEGIN:VCARD") == 1
    await post(browser, "/pro/correspondants/retirer", address=ANNE.address)
    assert "BEGIN" not in (await browser.get("/pro/correspondants.vcf")).text
    done = trail_of(house, "correspondent.kept", "correspondent.dropped")
    assert [each[0] for each in done] == ["correspondent.kept", "correspondent.dropped"]


async def test_correspondents_are_kept_by_ones_own_forms_alone(house: House) -> None:
    browser = await enter(house, await box(house))
    forged = {"csrf": "0" * 64, "address": ANNE.address}
    assert (await browser.post("/pro/correspondants/garder", data=forged)).status_code == 403
    assert (await post(browser, "/pro/correspondants/garder", address="no address")).status_code == 404
    assert (await house.browser().get("/pro/correspondants")).status_code == 303
    assert DOMAIN not in (await browser.get("/pro/correspondants.vcf")).text
