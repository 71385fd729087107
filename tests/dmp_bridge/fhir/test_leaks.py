"""What somebody who tries may learn over HTTP of what they must not know of: nothing."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from directory.patients import PatientState
from dmp_bridge.dossier import closing
from dmp_bridge.dossier.life import Change
from foundation.identifiers import OID_TEST, ins_key
from tests.dmp_bridge.dossier.wards import INS, OTHER_DOCTOR, add, deposit, document
from tests.dmp_bridge.fhir.place import PATIENT, SUBJECT, found, refusal

if TYPE_CHECKING:
    from tests.dmp_bridge.fhir.place import Place

WHOSE = {"patient.identifier": PATIENT}
OPPOSED = "1600123456789"


async def masked(fhir: Place) -> int:
    """The number of a document that the patient masked."""
    (filed,) = await fhir.ward.feed()
    await fhir.ward.desk.change(fhir.ward.patient, filed.document_id, Change.MASK)
    return filed.document_id


# ref: DMP-F34
async def test_a_closed_record_is_told_as_closed_and_an_opposed_one_as_none(fhir: Place) -> None:
    ward = fhir.ward
    now = ward.clock.millis()
    await ward.authorise(OTHER_DOCTOR)
    opposed = OPPOSED + ins_key(OPPOSED)
    await ward.database.write(lambda uow: add(uow, ward.vault, now, ins=opposed, state=PatientState.OPPOSED))
    await ward.database.write(
        lambda uow: closing.change_state(uow, INS, PatientState.CLOSED, "operator", now)
    )
    async with fhir.client("other") as client:
        (told,) = found((await client.get("Patient", params={"identifier": PATIENT})).json())
        assert told["active"] is False
        assert "name" not in told
        assert told["extension"][0]["url"].endswith("dmp-fermeture")
        nobody = {"identifier": f"urn:oid:{OID_TEST}|{opposed}"}
        assert (await client.get("Patient", params=nobody)).json()["total"] == 0
        assert refusal(await client.get("DocumentReference", params=WHOSE), 404) == "not-found"
        said = {
            "resourceType": "Consent",
            "status": "active",
            "scope": {"text": "x"},
            "category": [{"coding": [{"system": "urn:vaguemestre:consent", "code": "information"}]}],
            "patient": SUBJECT,
            "policyRule": {"text": "x"},
            "provision": {"type": "permit"},
        }
        assert refusal(await client.post("Consent", json=said), 404) == "not-found"


async def test_one_s_own_traces_tell_of_no_masked_document(fhir: Place) -> None:
    await fhir.ward.authorise(OTHER_DOCTOR)
    number = await masked(fhir)
    async with fhir.client("other") as client:
        for path in (f"DocumentReference/{number}", f"Binary/{number}"):
            assert refusal(await client.get(path), 404) == "not-found"
        patch = [{"op": "remove", "path": "/securityLabel/1"}]
        json = {"Content-Type": "application/json-patch+json"}
        answer = await client.patch(f"DocumentReference/{number}", json=patch, headers=json)
        assert refusal(answer, 404) == "not-found"
        traces = await client.get("AuditEvent", params=WHOSE)
        assert f"DocumentReference/{number}" not in traces.text
        assert "masked" not in traces.text
        by_document = {**WHOSE, "entity": f"DocumentReference/{number}"}
        assert found((await client.get("AuditEvent", params=by_document)).json()) == []
    (trace,) = await fhir.ward.traces(document_id=number, by=OTHER_DOCTOR.id, actions=("TD3.2",))
    assert trace.outcome == "masked", "the patient reads it all the same"


async def test_a_masked_document_is_searched_for_as_one_that_is_not_there(fhir: Place) -> None:
    await fhir.ward.authorise(OTHER_DOCTOR)
    number = await masked(fhir)
    (there,) = await fhir.ward.documents(ids=(number,))
    async with fhir.client("other") as client:

        async def said(**conditions: str) -> tuple[int, str]:
            answer = await client.get("DocumentReference", params=conditions)
            return answer.status_code, answer.text.partition('"link"')[0]

        assert await said(_id=str(number)) == await said(_id="999")
        assert await said(identifier=there.logical_id) == await said(
            identifier="urn:uuid:5c4f972b-d56b-40ac-a5fc-c8ca9b40b9d4"
        )
        assert await said(identifier=f"urn:ietf:rfc:3986|urn:oid:{there.unique_id}") == await said(
            identifier="urn:ietf:rfc:3986|urn:oid:1.2.250.1.999.7777"
        )


async def test_the_id_of_a_patient_leads_nobody_to_an_ins(fhir: Place) -> None:
    async with fhir.client("other") as client:
        for number in (str(fhir.ward.owner_id), str(fhir.ward.owner_id + 1)):
            for kind in ("DocumentReference", "AuditEvent", "Consent", "List"):
                answer = await client.get(kind, params={"patient": f"Patient/{number}"})
                assert INS not in answer.text, kind
                assert refusal(answer, 404) == "not-found"


async def test_lots_of_which_nothing_may_be_known_do_not_end_the_pages(fhir: Place) -> None:
    await fhir.ward.authorise(OTHER_DOCTOR)
    for number in range(4):
        data = document(unique_id=f"1.2.250.1.999.{number}", set_id=f"1.2.250.1.998.{number}")
        (filed,) = await fhir.ward.feed(deposit(data), unique_id=f"1.2.250.1.997.{number}")
        if number in (1, 2):
            await fhir.ward.desk.change(fhir.ward.patient, filed.document_id, Change.MASK)
        fhir.ward.clock.advance(timedelta(seconds=1))
    seen = []
    async with fhir.client("other") as client:
        url = f"List?patient.identifier={PATIENT}&code=submissionset&_count=1"
        while url:
            told = (await client.get(url)).json()
            seen += [each["identifier"][0]["value"].rpartition(".")[2] for each in found(told)]
            url = next((each["url"] for each in told["link"] if each["relation"] == "next"), "")
    assert seen == ["3", "0"]
