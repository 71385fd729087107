"""What operators see of boxes and do to them; two at once do not undo each other's work."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from directory import publication
from directory.bals import Bal, BalState, find_bal
from directory.listing import Listing, listing_of
from tests.mailserver.place import DOMAIN
from tests.portal.house import PASSWORD, House, sign_in
from tests.portal.operators.people import enter, operator, post
from tests.portal.professional.people import box, is_in, trail_of
from tests.portal.professional.people import enter as enter_as_professional

if TYPE_CHECKING:
    import httpx2

HOME = "/operateur/"
NEW = "/operateur/boites/nouvelle"


def page_of(bal: Bal) -> str:
    return f"/operateur/boites/{bal.address}"


async def act(browser: httpx2.AsyncClient, bal: Bal, word: str, **fields: str) -> httpx2.Response:
    return await post(browser, page_of(bal), f"{page_of(bal)}/{word}", **fields)


def again(house: House, bal: Bal) -> Bal:
    found = house.place.database.read_now(lambda connection: find_bal(connection, bal.address))
    assert found is not None
    return found


async def test_boxes_are_listed_and_searched(house: House) -> None:
    marie, paul = await box(house), await box(house, "paul", idnat="810000000002")
    await house.place.suspend(paul)
    browser = await enter(house)
    page = (await browser.get(HOME)).text
    assert marie.address in page
    assert "Créée, jamais ouverte" in page
    assert "jamais demandé" in page
    for query, shown in (
        ({"q": "PAUL"}, {paul.address}),
        ({"q": "810000000001"}, {marie.address}),
        ({"etat": "suspended"}, {paul.address}),
        ({"etat": "x"}, {marie.address, paul.address}),
        ({"q": "%"}, set()),
        ({"apres": marie.address}, {paul.address}),
    ):
        page = (await browser.get(HOME, params=query)).text
        assert {each.address for each in (marie, paul) if each.address in page} == shown, query


async def test_a_box_shows_its_last_sign_in(house: House) -> None:
    marie = await box(house)
    await enter_as_professional(house, marie)
    page = (await (await enter(house)).get(page_of(marie))).text
    assert "13 mars 2026" in page
    assert "Active" in page
    assert "Avertissement le 13 mars 2027" in page


async def test_a_box_is_suspended_with_a_reason_and_comes_back(house: House) -> None:
    marie = await box(house)
    professional = await enter_as_professional(house, marie)
    browser = await enter(house)
    refused = await act(browser, marie, "suspendre", reason=" ")
    assert refused.status_code == 422
    assert "Donnez le motif" in refused.text
    done = await act(browser, marie, "suspendre", reason="Départ à la retraite")
    assert (done.status_code, done.headers["location"]) == (303, page_of(marie))
    assert not await is_in(professional)
    page = (await browser.get(page_of(marie))).text
    assert "La boîte est suspendue" in page
    assert "Départ à la retraite" in page
    assert again(house, marie).state is BalState.SUSPENDED
    await act(browser, marie, "retablir")
    assert again(house, marie).state is BalState.ACTIVE
    account = await operator(house, "autre")
    done_by = [row.actor for row in house.place.trail() if row.action == "bal.state"]
    assert done_by == [f"operator:{account.owner_id - 1}"] * 2
    assert all("retraite" not in row.detail for row in house.place.trail())


async def test_a_box_is_closed_for_good_and_only_when_one_is_sure(house: House) -> None:
    marie = await box(house)
    browser = await enter(house)
    assert (await act(browser, marie, "fermer", reason="Décès")).status_code == 422
    assert (await act(browser, marie, "fermer", reason="Décès", sure="oui")).status_code == 303
    assert again(house, marie).state is BalState.CLOSED
    token = await post(browser, HOME, f"{page_of(marie)}/retablir", version="2")
    assert token.status_code == 422
    assert "ne s’ouvre plus" in token.text


async def test_two_who_change_a_box_at_once_notice_each_other(house: House) -> None:
    marie = await box(house)
    first, second = await enter(house), await enter(house, await operator(house, "dominique"))
    stale = str(again(house, marie).version)
    await act(first, marie, "liste-rouge", red_list="oui")
    late = await post(second, HOME, f"{page_of(marie)}/suspendre", version=stale, reason="Absence")
    assert late.status_code == 409
    assert "entre-temps" in late.text
    assert again(house, marie).state is BalState.ACTIVE
    assert (await act(second, marie, "suspendre", reason="Absence")).status_code == 303


@pytest.mark.parametrize("version", ["", "x", "9" * 12, "-1"])
async def test_a_form_without_a_right_version_changes_nothing(house: House, version: str) -> None:
    marie = await box(house)
    browser = await enter(house)
    answer = await post(browser, HOME, f"{page_of(marie)}/suspendre", version=version, reason="Absence")
    assert answer.status_code == 409
    assert again(house, marie).state is BalState.ACTIVE


async def test_what_a_box_says_is_edited_and_published(house: House) -> None:
    service = await box(house, "neurologie", type="ORG", idnat="1990780017")
    browser = await enter(house)
    fields = {
        "name": "Neurologie",
        "service": "NEUROLOGIE",
        "description": "Avis",
        "responsible": "Chef de service",
        "phone": "01 02 03 04 05",
        "rank": "1",
        "largest": "10",
        "abilities": "oui",
        "patients": "oui",
    }
    assert (await act(browser, service, "modifier", **fields)).status_code == 303
    said = house.place.database.read_now(lambda connection: listing_of(connection, service.owner_id))
    assert said == Listing(
        None, "NEUROLOGIE", "Avis", "Chef de service", "01 02 03 04 05", 1, False, 10_000_000, True
    )  # fmt: skip
    told = house.place.database.read_now(lambda connection: publication.find(connection, service.owner_id))
    assert told is not None
    for wrong in ({"phone": "zéro"}, {"rank": "-1"}, {"rank": "x"}, {"largest": "9999"}, {"service": "a|b"}):
        refused = await act(browser, service, "modifier", **{**fields, **wrong})
        assert refused.status_code == 422, wrong
        assert 'role="alert"' in refused.text


async def test_a_lock_is_opened_and_a_silent_box_kept(house: House) -> None:
    marie = await box(house)
    guesser = house.browser("192.0.2.66")
    for _ in range(6):
        await sign_in(guesser, marie.address, "wrong")
    browser = await enter(house)
    await act(browser, marie, "debloquer")
    assert (await sign_in(guesser, marie.address)).status_code == 303
    await act(browser, marie, "garder")
    await act(browser, marie, "publier")
    assert again(house, marie).kept_at == house.clock.millis()
    assert [each[0] for each in trail_of(house, "signin.unlocked", "bal.kept", "bal.publication")] == [
        "signin.unlocked",
        "bal.kept",
        "bal.publication",
    ]


async def test_a_box_is_opened_with_a_password_or_without(house: House) -> None:
    browser = await enter(house)
    fields = {
        "address": f"jean.neuf@{DOMAIN}",
        "type": "PER",
        "name": "Jean NEUF",
        "idnat": "810000000009",
        "password": PASSWORD,
        "red_list": "oui",
    }
    made = await post(browser, NEW, "/operateur/boites", **fields)
    assert (made.status_code, made.headers["location"]) == (
        303,
        f"/operateur/boites/jean.neuf@{DOMAIN}",
    )
    assert (await sign_in(house.browser(), f"jean.neuf@{DOMAIN}")).status_code == 303
    found = house.place.database.read_now(lambda connection: find_bal(connection, f"jean.neuf@{DOMAIN}"))
    assert found is not None
    assert found.red_list
    without = {**fields, "address": f"x@{DOMAIN}", "password": ""}
    assert (await post(browser, NEW, "/operateur/boites", **without)).status_code == 303


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"address": "x@ailleurs.example"}, "domaine servi ici"),
        ({"address": "pas une adresse"}, "domaine servi ici"),
        ({"address": f"marie.martin@{DOMAIN}"}, "donnée deux fois"),
        ({"type": "XXX"}, "Choisissez le type"),
        ({"name": " "}, "Donnez un nom"),
        ({"idnat": "12"}, "identifiant national"),
        ({"password": "court"}, "trop court"),
        ({"structure": "77"}, "identifiant de structure"),
        ({"description": "x"}, "description"),
    ],
)
async def test_a_box_that_cannot_be_is_refused_in_french(
    house: House, wrong: dict[str, str], words: str
) -> None:
    await box(house)
    browser = await enter(house)
    fields = {"address": f"neuf@{DOMAIN}", "type": "PER", "name": "Neuf", "idnat": "", "password": PASSWORD}
    refused = await post(browser, NEW, "/operateur/boites", **{**fields, **wrong})
    assert refused.status_code == 422
    assert words in refused.text
    assert PASSWORD not in refused.text


async def test_unknown_boxes_and_acts_are_not_found_and_forged_forms_refused(house: House) -> None:
    marie = await box(house)
    browser = await enter(house)
    assert (await browser.get("/operateur/boites/personne@x.fr")).status_code == 404
    assert (await post(browser, HOME, "/operateur/boites/personne@x.fr/garder")).status_code == 404
    assert (await act(browser, marie, "effacer")).status_code == 404
    forged: Any = {"csrf": "0" * 64, "version": "1", "reason": "x"}
    assert (await browser.post(f"{page_of(marie)}/suspendre", data=forged)).status_code == 403
    assert again(house, marie).state is BalState.ACTIVE


async def test_the_service_is_shown_and_nothing_can_be_changed_there(house: House) -> None:
    page = (await (await enter(house)).get("/operateur/service")).text
    assert "0 envoi en attente" in page
    assert "ne prend pas part" in page
    assert page.count("<form") == 1
