"""PATCH over HTTP: visibility, archive and deletion in every form programs use, and nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.dmp_bridge.dossier.wards import NURSE, OTHER_DOCTOR
from tests.dmp_bridge.fhir.place import A07, CONFIDENTIALITY, PATIENT, found, label, reference, refusal, valid

if TYPE_CHECKING:
    import httpx2

    from tests.dmp_bridge.fhir.place import Place

IDENTIFIER = {"identifier": "urn:ietf:rfc:3986|urn:oid:1.2.250.1.999.42"}
ARCHIVED = "https://interop.esante.gouv.fr/ig/fhir/pdsm/StructureDefinition/pdsm-ext-is-archived"
DELETED = "https://interop.esante.gouv.fr/ig/fhir/pdsm/StructureDefinition/pdsm-ext-is-deleted"
JSON_PATCH = {"Content-Type": "application/json-patch+json"}


async def publish(client: httpx2.AsyncClient, *visibilities: str) -> str:
    """The id of a document with these visibilities."""
    labels = [{"coding": [{"system": CONFIDENTIALITY, "code": "N"}]}, *(label(each) for each in visibilities)]
    answer = await client.post("DocumentReference", json=reference(securityLabel=labels))
    assert answer.status_code == 201, answer.text
    return answer.headers["location"].rpartition("/")[2]


async def patch(client: httpx2.AsyncClient, operations: Any, **headers: str) -> httpx2.Response:
    told = {name.replace("_", "-"): value for name, value in headers.items()}
    if isinstance(operations, list):
        told |= JSON_PATCH
    return await client.patch("DocumentReference", params=IDENTIFIER, json=operations, headers=told)


def fhirpath(*operations: dict[str, Any]) -> dict[str, Any]:
    """A FHIRPath Patch: the parts of each operation by name."""
    written = []
    for operation in operations:
        parts = [
            {"name": name, **(value if isinstance(value, dict) else {"valueString": value})}
            for name, value in operation.items()
        ]
        written.append({"name": "operation", "part": parts})
    return {"resourceType": "Parameters", "parameter": written}


def codes(told: dict[str, Any]) -> list[str]:
    return [each["coding"][0]["code"] for each in told["securityLabel"]]


REPLACE = {"valueCode": "replace"}
MASKED = label("MASQUE_PS")


@pytest.mark.parametrize(
    "operations",
    [
        [{"op": "add", "path": "/securityLabel/-", "value": MASKED}],
        [{"op": "replace", "path": "/securityLabel/0", "value": MASKED}],
        [{"op": "add", "path": "/securityLabel/0", "value": MASKED}],
        [{"op": "replace", "path": "/securityLabel", "value": [MASKED]}],
        [{"op": "test", "path": "/status", "value": "current"}, {"op": "add", "path": "/securityLabel/1", "value": MASKED}],
        [{"op": "replace", "path": "/securityLabel/0/coding/0", "value": {"system": A07, "code": "MASQUE_PS"}}],
        fhirpath({"type": {"valueCode": "add"}, "path": "DocumentReference.securityLabel", "value": {"valueCodeableConcept": MASKED}}),
    ],
)  # fmt: skip
async def test_a_document_is_masked_and_n_stays_first(doctor: httpx2.AsyncClient, operations: Any) -> None:
    number = await publish(doctor)
    before = (await doctor.get(f"DocumentReference/{number}")).json()
    answer = await patch(doctor, operations)
    assert answer.status_code == 200, answer.text
    told = valid(answer.json())
    assert codes(told) == ["N", "MASQUE_PS"]
    assert (told["id"], told["meta"]["versionId"]) == (number, "2")
    assert told["identifier"][0] != before["identifier"][0], "another entryUUID"
    assert told["identifier"][1] == before["identifier"][1], "the same logicalId"


@pytest.mark.parametrize(
    "operations",
    [
        [{"op": "remove", "path": "/securityLabel/1"}],
        [{"op": "replace", "path": "/securityLabel/1", "value": {"coding": [{"system": CONFIDENTIALITY, "code": "N"}]}}],
        [{"op": "replace", "path": "/securityLabel", "value": []}],
        fhirpath({"type": {"valueCode": "delete"}, "path": "DocumentReference.securityLabel[1]"}),
        fhirpath({"type": {"valueCode": "delete"}, "path": "DocumentReference.securityLabel.where(coding.code='MASQUE_PS')"}),
    ],
)  # fmt: skip
async def test_its_author_unmasks_a_document(doctor: httpx2.AsyncClient, operations: Any) -> None:
    await publish(doctor, "MASQUE_PS")
    answer = await patch(doctor, operations)
    assert answer.status_code == 200, answer.text
    assert codes(answer.json()) == ["N"]


async def test_a_document_is_shown_to_the_patient(doctor: httpx2.AsyncClient) -> None:
    await publish(doctor, "INVISIBLE_PATIENT")
    shown = [{"op": "remove", "path": "/securityLabel/1"}]
    assert codes((await patch(doctor, shown)).json()) == ["N"]
    hidden = [{"op": "add", "path": "/securityLabel/-", "value": label("INVISIBLE_PATIENT")}]
    assert refusal(await patch(doctor, hidden), 422) == "business-rule"


@pytest.mark.parametrize(
    ("archive", "restore"),
    [
        (
            [{"op": "replace", "path": f"/extension[url:'{ARCHIVED}']/valueBoolean", "value": True}],
            [{"op": "replace", "path": f"/extension[url:'{ARCHIVED}']/valueBoolean", "value": False}],
        ),
        (
            [{"op": "replace", "path": "/extension/0/valueBoolean", "value": True}],
            [{"op": "remove", "path": "/extension/0"}],
        ),
        (
            fhirpath({"type": REPLACE, "path": f"DocumentReference.extension.where(url='{ARCHIVED}').value", "value": {"valueBoolean": True}}),
            fhirpath({"type": REPLACE, "path": f"DocumentReference.extension('{ARCHIVED}').value", "value": {"valueBoolean": False}}),
        ),
    ],
)  # fmt: skip
async def test_a_document_is_archived_and_restored(
    doctor: httpx2.AsyncClient, archive: Any, restore: Any
) -> None:
    number = await publish(doctor)
    told = valid((await patch(doctor, archive)).json())
    assert (told["status"], told["extension"]) == ("current", [{"url": ARCHIVED, "valueBoolean": True}])
    search = {"patient.identifier": PATIENT}
    assert found((await doctor.get("DocumentReference", params=search)).json()) == []
    archived = await doctor.get("DocumentReference", params={**search, "isArchived": "true"})
    assert [each["id"] for each in found(archived.json())] == [number]
    told = valid((await patch(doctor, restore)).json())
    assert told["extension"] == [{"url": ARCHIVED, "valueBoolean": False}]


ADD_DELETED = {
    "type": {"valueCode": "add"},
    "path": "DocumentReference",
    "name": "extension",
    "value": {"part": [{"name": "url", "valueUri": DELETED}, {"name": "valueBoolean", "valueBoolean": True}]},
}
SUPERSEDED = {"type": REPLACE, "path": "DocumentReference.status", "value": {"valueCode": "superseded"}}


@pytest.mark.parametrize(
    "operations",
    [
        [{"op": "replace", "path": "/status", "value": "entered-in-error"}],
        [{"op": "replace", "path": "/status", "value": "superseded"}],
        [{"op": "add", "path": "/extension/-", "value": {"url": DELETED, "valueBoolean": True}}],
        [{"op": "replace", "path": f"/extension[url:'{DELETED}']/valueBoolean", "value": True}],
        fhirpath(SUPERSEDED, ADD_DELETED),
        fhirpath(SUPERSEDED),
    ],
)
async def test_a_document_is_deleted_by_its_author_for_good(
    doctor: httpx2.AsyncClient, operations: Any
) -> None:
    number = await publish(doctor)
    answer = await patch(doctor, operations)
    assert answer.status_code == 200, answer.text
    told = valid(answer.json())
    assert (told["status"], told["extension"][1]) == ("superseded", {"url": DELETED, "valueBoolean": True})
    search = {"patient.identifier": PATIENT}
    assert found((await doctor.get("DocumentReference", params=search)).json()) == []
    gone = await doctor.get("DocumentReference", params={**search, "status": "entered-in-error"})
    assert [each["id"] for each in found(gone.json())] == [number]
    again = [{"op": "replace", "path": "/status", "value": "current"}]
    assert refusal(await patch(doctor, again), 404) == "not-found"


@pytest.mark.parametrize(
    ("operations", "status", "code"),
    [
        ([{"op": "replace", "path": "/description", "value": "x"}], 405, "not-supported"),
        ([{"op": "add", "path": "/extension/-", "value": {"url": "http://x", "valueBoolean": True}}], 405, "not-supported"),
        ([{"op": "replace", "path": "", "value": {}}], 405, "not-supported"),
        (fhirpath({"type": REPLACE, "path": "DocumentReference.subject", "value": "x"}), 405, "not-supported"),
        ([{"op": "copy", "path": "/status", "from": "/id"}], 422, "not-supported"),
        ([{"op": "test", "path": "/status", "value": "superseded"}], 422, "conflict"),
        ([{"op": "remove", "path": "/securityLabel/7"}], 422, "business-rule"),
        ([{"op": "remove", "path": "/securityLabel/x"}], 422, "business-rule"),
        ([{"op": "replace", "path": "/securityLabel/0", "value": label("SECRET")}], 422, "code-invalid"),
        ([{"op": "replace", "path": "/securityLabel/0", "value": {"coding": [{"code": "V"}]}}], 422, "business-rule"),
        ([{"op": "replace", "path": "/securityLabel", "value": {"coding": "x"}}], 400, "structure"),
        ([{"op": "replace", "path": "/status", "value": 7}], 400, "structure"),
        ([{"op": "add", "path": "/securityLabel/-", "value": label("MASQUE_PS")}, {"op": "add", "path": "/extension/-", "value": {"url": ARCHIVED, "valueBoolean": True}}], 422, "business-rule"),
        ([], 400, "too-costly"),
        ([{"op": "add", "path": "/securityLabel/-", "value": label("MASQUE_PS")}] * 21, 400, "too-costly"),
        ([{"op": "add", "path": "/securityLabel/-"}], 400, "required"),
        (["x"], 400, "structure"),
        ({"resourceType": "Patient"}, 400, "structure"),
        ({"resourceType": "Parameters", "parameter": [{"name": "x"}]}, 400, "structure"),
    ],
)  # fmt: skip
async def test_nothing_else_is_patched(
    doctor: httpx2.AsyncClient, operations: Any, status: int, code: str
) -> None:
    number = await publish(doctor)
    assert refusal(await patch(doctor, operations), status) == code
    assert (await doctor.get(f"DocumentReference/{number}")).json()["meta"]["versionId"] == "1"


async def test_a_patch_of_a_past_version_is_refused(doctor: httpx2.AsyncClient) -> None:
    number = await publish(doctor)
    mask = [{"op": "add", "path": "/securityLabel/-", "value": MASKED}]
    seen = (await doctor.get(f"DocumentReference/{number}")).headers["etag"]
    answer = await patch(doctor, mask, if_match=seen)
    assert (answer.status_code, answer.headers["etag"]) == (200, 'W/"2"')
    assert refusal(await patch(doctor, mask, if_match=seen), 412) == "conflict"
    assert refusal(await patch(doctor, mask, if_match="hier"), 400) == "value"
    assert (await patch(doctor, mask, if_match="*")).status_code == 200


@pytest.mark.parametrize(
    "condition",
    [
        {},
        {"identifier": "urn:ietf:rfc:3986|12"},
        {"identifier": "urn:ietf:rfc:3986|urn:oid:1.2.250.1.999.42", "status": "current"},
    ],
)
async def test_a_conditional_patch_names_one_document(
    doctor: httpx2.AsyncClient, condition: dict[str, str]
) -> None:
    await publish(doctor)
    mask = [{"op": "add", "path": "/securityLabel/-", "value": MASKED}]
    answer = await doctor.patch("DocumentReference", params=condition, json=mask, headers=JSON_PATCH)
    assert refusal(answer, 400) in {"required", "value"}


async def test_a_patch_goes_by_id_too_and_names_what_is_there(doctor: httpx2.AsyncClient) -> None:
    number = await publish(doctor)
    mask = [{"op": "add", "path": "/securityLabel/-", "value": MASKED}]
    for path, status in ((f"DocumentReference/{number}", 200), ("DocumentReference/999", 404)):
        assert (await doctor.patch(path, json=mask, headers=JSON_PATCH)).status_code == status
    named = {**IDENTIFIER, "patient.identifier": PATIENT}
    unmask = [{"op": "remove", "path": "/securityLabel/1"}]
    answer = await doctor.patch("DocumentReference", params=named, json=unmask, headers=JSON_PATCH)
    assert answer.status_code == 200, answer.text


async def test_who_is_not_the_author_neither_deletes_nor_unmasks(
    fhir: Place, doctor: httpx2.AsyncClient
) -> None:
    await publish(doctor)
    await fhir.ward.authorise(OTHER_DOCTOR, NURSE)
    delete = [{"op": "replace", "path": "/status", "value": "entered-in-error"}]
    mask = [{"op": "add", "path": "/securityLabel/-", "value": MASKED}]
    async with fhir.client("other") as other, fhir.client("nurse") as nurse:
        for client in (other, nurse):
            assert refusal(await patch(client, delete), 403) == "forbidden"
        assert (await patch(other, mask)).status_code == 200
        unmask = [{"op": "remove", "path": "/securityLabel/1"}]
        # Masked, it is not there any more for who masked it; its author unmasks it.
        assert refusal(await patch(other, unmask), 404) == "not-found"
        assert (await patch(doctor, unmask)).status_code == 200
