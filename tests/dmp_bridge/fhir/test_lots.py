"""Lots as FHIR tells them: those that came by mail, and what ITI-65 answers of a List."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import update

from dmp_bridge.intake import Bridge
from dmp_bridge.tables import document
from foundation.jobs import Job
from foundation.settings import from_values
from tests.dmp_bridge.builders import cda, mail, xdm
from tests.dmp_bridge.dossier.wards import INS
from tests.dmp_bridge.fhir.place import PATIENT, reference, valid
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


async def test_a_new_list_of_documents_that_are_in_another_one_is_told_not_to_be_made(
    doctor: httpx2.AsyncClient,
) -> None:
    first = await responses(doctor, lot(reference(inline=False)))
    again = await responses(doctor, named("1.2.250.1.999.78", reference(inline=False)))
    assert (again[0]["status"], again[0]["location"]) == ("200 OK", first[0]["location"])
    (told,) = again[0]["outcome"]["issue"]
    assert told["details"]["text"].startswith("Cette List n'est pas créée")
    assert len(await lists(doctor)) == 1


async def test_a_list_that_is_made_for_some_of_its_documents_says_so(doctor: httpx2.AsyncClient) -> None:
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
    assert told[0]["outcome"]["issue"][0]["severity"] == "warning"
    (made,) = [each for each in await lists(doctor) if f"List/{each['id']}" == told[0]["location"]]
    assert [each["item"]["reference"] for each in made["entry"]] == [told[2]["location"]]


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
