"""Single documents and their bytes over HTTP, one by one and in a batch, traces and the patient's will."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

import pytest

from directory.patients import Patient, PatientState
from dmp_bridge.dossier.denials import DENIALS
from dmp_bridge.dossier.forms import Denied, Existence
from dmp_bridge.fhir.outcomes import ISSUES, refused
from dmp_bridge.fhir.patients import patient_resource
from dmp_bridge.rights.vocabulary import Reason
from foundation.identifiers import OID_TEST
from tests.dmp_bridge.builders import PDF
from tests.dmp_bridge.dossier.wards import ATTENDING, INS, NURSE, OTHER_DOCTOR, deposit
from tests.dmp_bridge.fhir.place import BASE, PATIENT, SUBJECT, found, reference, refusal, valid

if TYPE_CHECKING:
    import httpx2

    from tests.dmp_bridge.fhir.place import Place

WHOSE = {"patient.identifier": PATIENT}


@pytest.fixture
async def number(doctor: httpx2.AsyncClient) -> str:
    answer = await doctor.post("DocumentReference", json=reference())
    assert answer.status_code == 201, answer.text
    return answer.headers["location"].rpartition("/")[2]


async def test_a_document_is_read_with_its_version(doctor: httpx2.AsyncClient, number: str) -> None:
    answer = await doctor.get(f"DocumentReference/{number}")
    told = valid(answer.json())
    assert (told["id"], answer.headers["etag"]) == (number, 'W/"1"')
    again = await doctor.get(f"DocumentReference/{number}", headers={"If-None-Match": 'W/"1"'})
    assert (again.status_code, again.content) == (304, b"")
    for identity in ("999", "x", "9" * 30):
        assert refusal(await doctor.get(f"DocumentReference/{identity}"), 404) == "not-found"


@pytest.mark.parametrize(
    ("accept", "media_type"),
    [
        ("application/pdf", "application/pdf"),
        ("application/*", "application/pdf"),
        ("*/*", "application/pdf"),
        ("text/html, application/pdf;q=0.5", "application/pdf"),
        ("application/fhir+json", "application/fhir+json; charset=utf-8"),
    ],
)
async def test_bytes_come_as_the_client_takes_them(
    doctor: httpx2.AsyncClient, number: str, accept: str, media_type: str
) -> None:
    answer = await doctor.get(f"Binary/{number}", headers={"Accept": accept})
    assert answer.headers["content-type"] == media_type
    data = answer.content
    if media_type.startswith("application/fhir"):
        told = valid(answer.json())
        assert told["contentType"] == "application/pdf"
        data = base64.b64decode(told["data"])
    assert data == PDF


async def test_a_type_that_is_not_the_document_s_is_not_made(doctor: httpx2.AsyncClient, number: str) -> None:
    answer = await doctor.get(f"Binary/{number}", headers={"Accept": "image/png"})
    assert refusal(answer, 406) == "not-supported"


async def test_an_xml_document_is_both_of_its_types(fhir: Place, doctor: httpx2.AsyncClient) -> None:
    (filed,) = await fhir.ward.feed(deposit())
    for accept in ("text/xml", "application/xml"):
        answer = await doctor.get(f"Binary/{filed.document_id}", headers={"Accept": accept})
        assert answer.status_code == 200


def get(url: str) -> dict[str, Any]:
    return {"request": {"method": "GET", "url": url}}


async def test_a_batch_reads_many_at_once(doctor: httpx2.AsyncClient, number: str) -> None:
    urls = [
        f"Binary/{number}",
        f"{BASE}/DocumentReference/{number}",
        f"DocumentReference?patient.identifier={PATIENT}",
        "Binary/999",
        "https://elsewhere.test/Binary/1",
        "Observation/1",
    ]
    entries = [*map(get, urls), {"request": {"method": "DELETE", "url": f"Binary/{number}"}}, "x"]
    answer = await doctor.post("", json={"resourceType": "Bundle", "type": "batch", "entry": entries})
    told = valid(answer.json())
    statuses = [each["response"]["status"][:3] for each in told["entry"]]
    assert statuses == ["200", "200", "200", "404", "404", "404", "405", "400"]
    assert base64.b64decode(told["entry"][0]["resource"]["data"]) == PDF
    many = {"resourceType": "Bundle", "type": "batch", "entry": [get("Binary/1")] * 21}
    assert refusal(await doctor.post("", json=many), 400) == "too-costly"


async def test_documents_of_one_batch_have_a_largest_size(fhir: Place, doctor: httpx2.AsyncClient) -> None:
    data = b"%PDF-1.4\n" + bytes(500_000)
    answer = await doctor.post("DocumentReference", json=reference(data))
    assert answer.status_code == 201, answer.text
    url = answer.headers["location"].replace("DocumentReference", "Binary")
    batch = {"resourceType": "Bundle", "type": "batch", "entry": [get(url)] * 4}
    told = valid((await doctor.post("", json=batch)).json())
    assert [each["response"]["status"][:3] for each in told["entry"]] == ["200", "200", "413", "413"]
    reads = await fhir.ward.traces(actions=("TD3.2",))
    assert len(reads) == 2


async def test_the_attending_doctor_reads_all_traces_and_others_their_own(
    fhir: Place, doctor: httpx2.AsyncClient, number: str
) -> None:
    await fhir.ward.attend(ATTENDING)
    await fhir.ward.authorise(NURSE)
    async with fhir.client("nurse") as nurse, fhir.client("attending") as attending:
        await nurse.get("DocumentReference", params=WHOSE)
        own = found((await nurse.get("AuditEvent", params=WHOSE)).json())
        every = found((await attending.get("AuditEvent", params=WHOSE)).json())
    whose = {each["agent"][0]["who"]["identifier"]["value"] for each in own}
    assert whose == {NURSE.id}
    assert len({each["agent"][0]["who"]["identifier"]["value"] for each in every}) >= 2
    feeding = next(each for each in every if each["action"] == "C")
    assert feeding["entity"][1]["what"] == {"reference": f"DocumentReference/{number}"}
    assert feeding["entity"][0]["what"]["identifier"]["value"] == INS
    assert feeding["outcome"] == "0"


@pytest.mark.parametrize(
    ("parameters", "count"),
    [
        ({"date": "ge2026-03-13"}, 1),
        ({"date": "gt2027"}, 0),
        ({"entity": "DocumentReference/{number}"}, 1),
        ({"entity": "DocumentReference/999999"}, 0),
    ],
)
async def test_traces_are_found_by_each_parameter(
    doctor: httpx2.AsyncClient, number: str, parameters: dict[str, str], count: int
) -> None:
    parameters = {name: value.replace("{number}", number) for name, value in parameters.items()}
    answer = await doctor.get("AuditEvent", params={**WHOSE, **parameters})
    assert len(found(answer.json())) == count
    assert refusal(await doctor.get("AuditEvent", params=parameters), 400) == "required"


async def test_a_refusal_is_an_audit_event_that_failed(fhir: Place) -> None:
    await fhir.ward.attend(ATTENDING)
    async with fhir.client("other") as other, fhir.client("attending") as attending:
        await other.get("DocumentReference", params=WHOSE)
        (event,) = found((await attending.get("AuditEvent", params=WHOSE)).json())
    assert (event["outcome"], event["outcomeDesc"]) == ("4", Reason.NOT_AUTHORISED.value)
    assert event["agent"][0]["who"]["identifier"]["value"] == OTHER_DOCTOR.id


def consent(category: str, word: str = "permit", **members: Any) -> dict[str, Any]:
    told = {
        "resourceType": "Consent",
        "status": "active",
        "scope": {"coding": [{"code": "patient-privacy"}]},
        "category": [{"coding": [{"system": "urn:vaguemestre:consent", "code": category}]}],
        "patient": SUBJECT,
        "dateTime": "2026-03-13T10:00:00Z",
        "provision": {"type": word},
    }
    return {**told, **members}


async def test_who_declares_the_patient_s_consent_reads_until_withdrawing(fhir: Place) -> None:
    async with fhir.client("other") as other:
        assert refusal(await other.get("DocumentReference", params=WHOSE), 403) == "forbidden"
        period = {"type": "permit", "period": {"end": "2026-06-01"}}
        declared = await other.post("Consent", json=consent("authorisation-consent", provision=period))
        assert declared.status_code == 201, declared.text
        assert (await other.get("DocumentReference", params=WHOSE)).status_code == 200
        (told,) = found((await other.get("Consent", params=WHOSE)).json())
        assert told["category"][0]["coding"][0]["code"] == "authorisation-consent"
        assert told["provision"]["actor"][0]["reference"]["identifier"]["value"] == OTHER_DOCTOR.id
        assert told["provision"]["period"]["end"].startswith("2026-06-01")
        ended = await other.post("Consent", json=consent("authorisation-consent", "deny"))
        assert ended.status_code == 201
        assert refusal(await other.get("DocumentReference", params=WHOSE), 403) == "forbidden"


async def test_an_opposition_that_is_noted_holds_towards_its_structure(fhir: Place) -> None:
    async with fhir.client("doctor") as doctor:
        assert (await doctor.post("Consent", json=consent("feeding", "deny"))).status_code == 201
        assert (await doctor.post("Consent", json=consent("feeding", "deny"))).status_code == 200
        answer = await doctor.post("DocumentReference", json=reference())
        assert refusal(answer, 403) == "suppressed"


@pytest.mark.parametrize(
    ("sent", "status", "code"),
    [
        (consent("attending"), 422, "business-rule"),
        (consent("blocked", "deny"), 422, "business-rule"),
        (consent("information", "deny"), 422, "business-rule"),
        (consent("anything"), 422, "code-invalid"),
        (consent("feeding", "perhaps"), 400, "value"),
        (consent("feeding", status="draft"), 422, "business-rule"),
        (consent("feeding", provision="permit"), 400, "structure"),
        (consent("feeding", patient=None), 400, "required"),
        ({"resourceType": "List"}, 400, "structure"),
    ],
)
async def test_a_consent_that_is_not_a_professional_s_to_note_is_refused(
    fhir: Place, sent: dict[str, Any], status: int, code: str
) -> None:
    async with fhir.client("doctor") as doctor:
        assert refusal(await doctor.post("Consent", json=sent), status) == code


# ref: DMP-F35
@pytest.mark.parametrize("reason", Reason)
def test_every_refusal_of_the_desk_is_an_outcome(reason: Reason) -> None:
    no = refused(Denied(reason))
    assert ISSUES.keys() == DENIALS.keys() == set(Reason)
    assert no.status == DENIALS[reason].http
    told = valid(no.outcome)["issue"][0]
    assert told["code"] == no.code
    hidden = {Reason.MASKED, Reason.UNSEEN, Reason.UNSEEN_BY_REPRESENTATIVES}
    same = refused(Denied(Reason.NO_DOCUMENT)).outcome == no.outcome
    assert same is (reason in hidden | {Reason.NO_DOCUMENT})


# ref: DMP-F34
def test_a_closed_record_is_told_with_the_day_it_closed() -> None:
    patient = Patient(
        7, INS, OID_TEST, "PAT-TROIS", "DOMINIQUE", None, "1979-00-00", "F", PatientState.CLOSED, None, 0, 86_400_000
    )  # fmt: skip
    traits = (patient.birth_name, patient.first_names, patient.birth_date, patient.sex)
    existence = Existence(INS, False, False, False, False, False, False, traits)
    told = valid(patient_resource(existence, patient, "7-x"))
    assert told["active"] is False
    closure = {each["url"]: each for each in told["extension"][0]["extension"]}
    assert closure["dateFermeture"]["valueDate"] == "1970-01-02"
    assert told["name"] == [{"use": "official", "family": "PAT-TROIS", "given": ["DOMINIQUE"]}]
    assert "birthDate" not in told, "a lunar date is no date"
