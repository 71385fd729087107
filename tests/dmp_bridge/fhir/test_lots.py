"""Lots as FHIR tells them: those that came by mail, and what ITI-65 answers of a List."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import update

from dmp_bridge.dossier.life import Change
from dmp_bridge.intake import Bridge
from dmp_bridge.tables import document
from foundation.jobs import Job
from foundation.settings import from_values
from tests.dmp_bridge.builders import cda, mail, xdm
from tests.dmp_bridge.dossier.wards import INS, OTHER_DOCTOR
from tests.dmp_bridge.fhir.place import PATIENT, reference, refusal, valid
from tests.dmp_bridge.fhir.test_publishing import lot

if TYPE_CHECKING:
    from pathlib import Path

    import httpx2

    from tests.dmp_bridge.fhir.place import Place


async def lists(doctor: httpx2.AsyncClient) -> list[dict[str, Any]]:
    answer = await doctor.get("List", params={"patient.identifier": PATIENT, "code": "submissionset"})
    return [each["resource"] for each in answer.json().get("entry", [])]


async def responses(doctor: httpx2.AsyncClient, sent: dict[str, Any]) -> list[dict[str, Any]]:
    answer = await doctor.post("", json=sent)
    assert answer.status_code == 200, answer.text
    return [each["response"] for each in valid(answer.json())["entry"]]


def named(unique_id: str, *references: dict[str, Any]) -> dict[str, Any]:
    """A lot under another identifier."""
    sent = lot(*references)
    sent["entry"][0]["resource"]["identifier"][0]["value"] = f"urn:oid:{unique_id}"
    return sent


# ref: DMP-F31
async def test_a_package_that_came_by_mail_is_found_as_a_lot(
    fhir: Place, doctor: httpx2.AsyncClient, tmp_path: Path
) -> None:
    ward = fhir.ward
    message = mail(("IHE_XDM.zip", "application/zip", xdm(cda(ins=INS), lot="1.2.250.1.999.70", ins=INS)))
    sealed = await ward.vault.seal(message)
    blob_id = await ward.database.write(lambda uow: ward.vault.store(uow, sealed, (ward.owner_id,)))
    told = {"owner_id": ward.owner_id, "mail_id": 1, "blob_id": blob_id, "sender": "", "message_id": None}
    bridge = Bridge(ward.database, ward.vault, ward.clock, from_values(tmp_path, {}))
    try:
        await ward.database.write(await bridge.handle(Job(1, "bridge", told, 1)))
    finally:
        await bridge.close()
    (found,) = await lists(doctor)
    assert found["identifier"][0]["value"] == "urn:oid:1.2.250.1.999.70"
    (member,) = found["entry"]
    assert (await doctor.get(member["item"]["reference"])).status_code == 200


# ref: DMP-F31
async def test_each_entry_of_a_lot_is_created_once_and_there_afterwards(doctor: httpx2.AsyncClient) -> None:
    first = await responses(doctor, lot(reference(inline=False)))
    (made,) = await lists(doctor)
    (member,) = made["entry"]
    number = member["item"]["reference"].rpartition("/")[2]
    places = [f"List/{made['id']}", f"DocumentReference/{number}", f"Binary/{number}"]
    assert [(each["status"], each["location"]) for each in first] == [
        ("201 Created", place) for place in places
    ]
    again = await responses(doctor, lot(reference(inline=False)))
    assert again == [{"status": "200 OK", "location": place} for place in places]


# ref: DMP-F11, DMP-F31
async def test_a_new_list_refers_to_the_documents_that_another_one_brought(
    doctor: httpx2.AsyncClient,
) -> None:
    first = await responses(doctor, lot(reference(inline=False)))
    again = await responses(doctor, named("1.2.250.1.999.78", reference(inline=False)))
    assert [each["status"] for each in again] == ["201 Created", "200 OK", "200 OK"]
    assert again[1:] == [{"status": "200 OK", "location": each["location"]} for each in first[1:]]
    assert {
        f"List/{each['id']}": [entry["item"]["reference"] for entry in each["entry"]]
        for each in await lists(doctor)
    } == {each[0]["location"]: [first[1]["location"]] for each in (first, again)}
    third = await responses(doctor, named("1.2.250.1.999.78", reference(inline=False)))
    assert third[0] == {"status": "200 OK", "location": again[0]["location"]}


async def test_a_nameless_list_with_nothing_new_is_the_one_that_holds_its_documents(
    doctor: httpx2.AsyncClient,
) -> None:
    first = await responses(doctor, lot(reference(inline=False)))
    nameless = lot(reference(inline=False))
    del nameless["entry"][0]["resource"]["identifier"]
    assert await responses(doctor, nameless) == [
        {"status": "200 OK", "location": each["location"]} for each in first
    ]
    assert len(await lists(doctor)) == 1


# ref: DMP-F31
async def test_a_list_names_documents_that_are_there_beside_its_own_or_alone(
    doctor: httpx2.AsyncClient,
) -> None:
    first = await responses(doctor, lot(reference(inline=False)))
    there = first[1]["location"]
    beside = named("1.2.250.1.999.78", reference(inline=False, unique_id="1.2.250.1.999.43"))
    alone = named("1.2.250.1.999.79")
    for sent in (beside, alone):
        sent["entry"][0]["resource"]["entry"].append({"item": {"reference": there}})
    second = await responses(doctor, beside)
    third = await responses(doctor, alone)
    assert [each["status"] for each in third] == ["201 Created"]
    found = {
        f"List/{each['id']}": {entry["item"]["reference"] for entry in each["entry"]}
        for each in await lists(doctor)
    }
    assert found == {
        first[0]["location"]: {there},
        second[0]["location"]: {there, second[1]["location"]},
        third[0]["location"]: {there},
    }


async def test_a_list_that_names_what_is_not_there_is_not_made(doctor: httpx2.AsyncClient) -> None:
    await responses(doctor, lot(reference(inline=False)))
    for name, status in (
        ("DocumentReference/999999", 404),
        ("DocumentReference/x", 404),
        ("urn:uuid:aaaaaaaa-0000-4000-8000-000000000099", 422),
        ("List/1", 422),
    ):
        sent = named("1.2.250.1.999.78", reference(inline=False, unique_id="1.2.250.1.999.43"))
        sent["entry"][0]["resource"]["entry"].append({"item": {"reference": name}})
        assert (await doctor.post("", json=sent)).status_code == status, name
    nobody = named("1.2.250.1.999.78")
    assert (await doctor.post("", json=nobody)).status_code == 400
    assert len(await lists(doctor)) == 1


async def test_a_list_of_new_and_known_documents_holds_them_all(doctor: httpx2.AsyncClient) -> None:
    await responses(doctor, lot(reference(inline=False)))
    fresh = reference(inline=False, unique_id="1.2.250.1.999.43")
    told = await responses(doctor, named("1.2.250.1.999.78", reference(inline=False), fresh))
    assert [each["status"] for each in told] == [
        "201 Created",
        "200 OK",
        "201 Created",
        "200 OK",
        "201 Created",
    ]
    (made,) = [each for each in await lists(doctor) if f"List/{each['id']}" == told[0]["location"]]
    assert {each["item"]["reference"] for each in made["entry"]} == {each["location"] for each in told[1:3]}


async def test_a_new_list_takes_in_the_documents_that_are_in_none(
    fhir: Place, doctor: httpx2.AsyncClient
) -> None:
    await responses(doctor, lot(reference(inline=False)))
    await fhir.ward.database.write(lambda uow: uow.execute(update(document).values(submission_id=None)))
    assert await lists(doctor) == []
    told = await responses(doctor, named("1.2.250.1.999.78", reference(inline=False)))
    (made,) = await lists(doctor)
    assert (told[0]["status"], told[0]["location"]) == ("201 Created", f"List/{made['id']}")
    assert [each["item"]["reference"] for each in made["entry"]] == [told[1]["location"]]


# ref: DMP-F31
async def test_a_list_is_read_by_its_id_as_the_search_tells_it(
    fhir: Place, doctor: httpx2.AsyncClient
) -> None:
    sent = await responses(doctor, lot(reference(inline=False)))
    (found,) = await lists(doctor)
    before = len(await fhir.ward.traces(actions=("TD3.1",)))
    answer = await doctor.get(sent[0]["location"])
    assert (answer.status_code, valid(answer.json())) == (200, found)
    assert len(await fhir.ward.traces(actions=("TD3.1",))) == before + 1
    entries = [{"request": {"method": "GET", "url": sent[0]["location"]}}]
    batch = await doctor.post("", json={"resourceType": "Bundle", "type": "batch", "entry": entries})
    assert batch.json()["entry"][0]["resource"] == found


async def test_a_list_that_may_not_be_known_of_reads_like_one_that_is_not_there(fhir: Place) -> None:
    (filed,) = await fhir.ward.feed()
    assert filed.membership is not None
    place = f"List/{filed.membership.number}"
    async with fhir.client("other") as client:
        nowhere = await client.get("List/999999")
        assert refusal(nowhere, 404) == "not-found"
        for told in (place, "List/x", "List/0"):
            answer = await client.get(told)
            assert (answer.status_code, answer.content) == (404, nowhere.content), told
        await fhir.ward.authorise(OTHER_DOCTOR)
        assert (await client.get(place)).status_code == 200
        await fhir.ward.desk.change(fhir.ward.patient, filed.document_id, Change.MASK)
        assert (await client.get(place)).content == nowhere.content
    outcomes = [each.outcome for each in await fhir.ward.traces(by=OTHER_DOCTOR.id)]
    assert outcomes == ["not-authorised", "ok", "no-document"]
