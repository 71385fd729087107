"""An operator who types somebody else's number is told whose it is, before the directory shows it."""

from __future__ import annotations

from directory.annuaire.model import Person
from directory.bals import Bal, find_bal
from tests.directory.memory import MemoryView
from tests.mailserver.place import DOMAIN
from tests.portal.house import PASSWORD, House
from tests.portal.operators.people import enter, post
from tests.portal.operators.test_boxes import NEW, act, again
from tests.portal.professional.people import box

RPPS, OTHER = "899900000102", "899900000110"
PEOPLE = [
    Person(RPPS, title="DR", last_name="ROUSSEL", first_name="CAMILLE"),
    Person(OTHER, last_name="PETIT", first_name="JEAN"),
]
ADDRESS = f"neuf@{DOMAIN}"
FIELDS = {"address": ADDRESS, "type": "PER", "name": "Paul DURAND", "idnat": RPPS, "password": PASSWORD}


def found(house: House) -> Bal | None:
    return house.place.database.read_now(lambda connection: find_bal(connection, ADDRESS))


async def test_a_new_box_under_somebody_elses_number_is_confirmed_first(house: House) -> None:
    house.annuaire.shown = MemoryView(people=PEOPLE)
    browser = await enter(house)
    assert 'name="bearer"' not in (await browser.get(NEW)).text
    refused = await post(browser, NEW, "/operateur/boites", **FIELDS)
    assert refused.status_code == 422
    assert f"{RPPS} est Dr Camille ROUSSEL" in refused.text
    assert f'name="bearer" value="{RPPS}"' in refused.text
    assert PASSWORD not in refused.text
    # What was confirmed is this number: another one that is typed afterwards is asked about anew.
    other = await post(browser, NEW, "/operateur/boites", **{**FIELDS, "idnat": OTHER, "bearer": RPPS})
    assert other.status_code == 422
    assert "Jean PETIT" in other.text
    assert found(house) is None
    assert (await post(browser, NEW, "/operateur/boites", **FIELDS, bearer=RPPS)).status_code == 303
    made = found(house)
    assert made is not None
    assert made.idnat == RPPS


async def test_the_right_name_is_not_asked_about(house: House) -> None:
    house.annuaire.shown = MemoryView(people=PEOPLE)
    browser = await enter(house)
    named = {**FIELDS, "name": "Camille Roussel"}
    assert (await post(browser, NEW, "/operateur/boites", **named)).status_code == 303


async def test_a_number_that_is_given_later_is_asked_about_too(house: House) -> None:
    house.annuaire.shown = MemoryView(people=PEOPLE)
    paul = await box(house, "paul", idnat=None)
    browser = await enter(house)
    refused = await act(browser, paul, "modifier", name="Paul DURAND fils", idnat=RPPS)
    assert refused.status_code == 422
    assert f'name="bearer" value="{RPPS}"' in refused.text
    assert f'value="{RPPS}" maxlength' in refused.text
    assert 'value="Paul DURAND fils"' in refused.text
    assert again(house, paul).idnat is None
    assert (await act(browser, paul, "modifier", name="Paul", idnat=RPPS, bearer=RPPS)).status_code == 303
    assert again(house, paul).idnat == RPPS
    # The bearer stays, so there is nothing to ask about when the name changes.
    assert (await act(browser, paul, "modifier", name="P. Durand")).status_code == 303
