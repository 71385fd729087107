"""Every route of the record's pages, knocked at by whom it is not for: found in the application, so that none is left out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from starlette.routing import Route

from directory.patients import add_representative
from dmp_bridge.dossier.caller import Caller
from dmp_bridge.dossier.forms import Deposit, Submission
from dmp_bridge.dossier.traces import TraceQuery, traces_of
from dmp_bridge.rights.vocabulary import Role
from tests.dmp_bridge.builders import PDF
from tests.portal.house import SOMEBODY_ELSE, form_token
from tests.portal.webps.conftest import ward
from tests.portal.webps.ward import MARIE

if TYPE_CHECKING:
    from collections.abc import Iterator

    import httpx2

    from directory.patients import Patient
    from dmp_bridge.dossier.traces import Trace
    from tests.portal.house import House
    from tests.portal.webps.ward import Ward

__all__ = ["ward"]

AUTHOR = Caller(role=Role.PROFESSIONAL, id="801234534765", name="CAMPARINI", profession="10")
OWN, CARE = "/patient/", "/pro/dossier"
_OF_NOBODY = {"/patient/espace-ferme/session"}
"""Where one signs in."""
_NOT_OF_THE_RECORD = ("/patient/conversations", "/patient/messages", "/patient/events", "/patient/filings")


def doors(house: House) -> Iterator[tuple[str, str]]:
    """Method and path of each page of a record."""
    for route in house.app.routes:
        if isinstance(route, Route) and route.path.startswith((OWN, CARE)):
            if route.path in _OF_NOBODY or route.path.startswith(_NOT_OF_THE_RECORD):
                continue
            for method in sorted((route.methods or set()) - {"HEAD"}):
                yield method, route.path


def filled(path: str, document: int = 1, person: int = 1, access: str = "x") -> str:
    """The path with numbers in the places of its names."""
    names = {"document": str(document), "person": str(person), "access": access, "id": "x"}
    for name, value in {**names, "act": "masquer", "form": "csv"}.items():
        path = path.replace(f"{{{name}}}", value)
    assert "{" not in path, path
    return path


async def file(house: House, patient: Patient, title: str) -> int:
    deposit = Deposit(data=PDF, media_type="application/pdf", title=title, type_code="11488-4")
    (filed,) = await house.records.feed(AUTHOR, Submission(ins=patient.ins, deposits=(deposit,)))
    return filed.document_id


def traces(house: House, *patients: Patient) -> list[Trace]:
    return house.place.database.read_now(
        lambda c: [
            each for patient in patients for each in traces_of(c, patient.owner_id, TraceQuery(limit=1000))
        ]
    )


async def knock(browser: httpx2.AsyncClient, method: str, path: str, token: str = "") -> httpx2.Response:
    data = {"csrf": token, "confirm": "1", "version": "1", "id": MARIE} if method == "POST" else None
    return await browser.request(method, path, data=data)


# ref: F48
async def test_every_page_of_a_record_sends_away_who_is_not_signed_in_there(ward: Ward) -> None:
    house = ward.house
    number = await file(house, ward.patient, "Compte rendu secret")
    professional, path = await ward.authorised()
    patient = await house.signed_in(ward.patient)
    before = traces(house, ward.patient)
    for method, route in doors(house):
        address = filled(route, number, ward.patient.owner_id, path.rpartition("/")[2])
        stranger = professional if route.startswith(OWN) else patient
        home = "/pro/compte" if route.startswith(OWN) else "/patient/conversations"
        for browser, token in ((house.browser(), ""), (stranger, await form_token(stranger, home))):
            answer = await knock(browser, method, address, token)
            is_form = answer.status_code == 200 and "/patient/espace-ferme/session" in answer.text
            assert answer.status_code == 303 or is_form, (method, route, answer.status_code)
            assert "secret" not in answer.text
            assert ward.patient.birth_name not in answer.text
    assert traces(house, ward.patient) == before


async def test_every_form_of_a_record_needs_the_token_of_its_own_session(ward: Ward) -> None:
    house = ward.house
    number = await file(house, ward.patient, "Compte rendu")
    other = await house.patient(SOMEBODY_ELSE)
    await house.place.database.write(
        lambda uow: add_representative(uow, other.owner_id, ward.patient.owner_id)
    )
    professional, path = await ward.authorised()
    patient, foreign = await house.signed_in(ward.patient), await form_token(await house.signed_in(other))
    before = traces(house, ward.patient, other)
    posts = 0
    for method, route in doors(house):
        if method != "POST" or "espace-ferme" in route:
            continue
        browser = patient if route.startswith(OWN) else professional
        address = filled(route, number, other.owner_id, path.rpartition("/")[2])
        for token in ("", foreign):
            answer = await knock(browser, method, address, token)
            assert answer.status_code == 403, (route, answer.status_code)
            posts += 1
    assert posts > 60
    done = [each for each in traces(house, ward.patient, other) if each not in before]
    assert {each.action for each in done} <= {"TD3.1"}, "nothing is done for a form that is not one's own"


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS"])
async def test_no_page_of_a_record_takes_another_method(ward: Ward, method: str) -> None:
    patient = await ward.house.signed_in(ward.patient)
    for _, route in doors(ward.house):
        assert (await patient.request(method, filled(route))).status_code == 405, route


# ref: DMP-F17
async def test_the_documents_and_people_of_others_are_as_if_they_were_not_there(ward: Ward) -> None:
    house = ward.house
    other = await house.patient(SOMEBODY_ELSE)
    theirs = await file(house, other, "Bilan de quelqu’un d’autre")
    professional, path = await ward.authorised()
    patient = await house.signed_in(ward.patient)
    tokens = {OWN: await form_token(patient), CARE: await form_token(professional, path)}
    for method, route in doors(house):
        if not ("{document}" in route or "{person}" in route):
            continue
        side = OWN if route.startswith(OWN) else CARE
        browser = patient if side == OWN else professional
        access = path.rpartition("/")[2]
        said = []
        for document, person in ((theirs, other.owner_id), (theirs + 5_000_000, 4_000_000)):
            address = filled(route, document, person, access)
            answer = await knock(browser, method, address, tokens[side])
            assert answer.status_code == 404, (method, route, answer.status_code)
            said.append(answer.text.replace(address, ""))
        assert said[0] == said[1], route
    done = [each for each in traces(house, other) if each.caller_id != AUTHOR.id]
    assert not [each for each in done if each.outcome == "ok"]
