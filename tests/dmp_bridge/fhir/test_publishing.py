"""ITI-65 and ITI-105 over HTTP: what is published is found and read as it was, all of a lot or nothing."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

import pytest

from tests.dmp_bridge.builders import PDF
from tests.dmp_bridge.dossier.wards import DOCTOR, LABORATORY, document
from tests.dmp_bridge.fhir.place import BASE, PATIENT, SUBJECT, found, label, reference, refusal, valid

if TYPE_CHECKING:
    import httpx2

    from tests.dmp_bridge.fhir.place import Place

DOCUMENT = {"patient.identifier": PATIENT}


async def documents(client: httpx2.AsyncClient, **parameters: str) -> list[dict[str, Any]]:
    answer = await client.get("DocumentReference", params={**DOCUMENT, **parameters})
    assert answer.status_code == 200, answer.text
    return found(answer.json())


# ref: DMP-F8
async def test_a_published_document_is_told_as_it_was_described(doctor: httpx2.AsyncClient) -> None:
    answer = await doctor.post("DocumentReference", json=reference())
    assert answer.status_code == 201, answer.text
    (told,) = await documents(doctor)
    assert answer.headers["location"] == f"{BASE}/DocumentReference/{told['id']}"
    sent = reference()
    for name in ("masterIdentifier", "status", "subject", "description"):
        assert told[name] == sent[name]
    assert told["type"]["coding"][0]["code"] == "11490-0"
    assert told["date"] == "2026-03-12T09:00:00.000+00:00"
    attachment = told["content"][0]["attachment"]
    assert attachment["hash"] == sent["content"][0]["attachment"]["hash"]
    assert (attachment["size"], attachment["contentType"]) == (len(PDF), "application/pdf")
    assert told["content"][0]["format"]["code"] == "urn:ihe:iti:xds-sd:pdf:2008"
    context = told["context"]
    assert context["period"] == {
        "start": "2026-03-10T07:00:00.000+00:00",
        "end": "2026-03-12T09:00:00.000+00:00",
    }
    assert context["facilityType"]["coding"][0] == sent["context"]["facilityType"]["coding"][0]
    assert context["practiceSetting"]["coding"][0] == sent["context"]["practiceSetting"]["coding"][0]
    assert context["event"] == sent["context"]["event"]
    assert context["related"] == sent["context"]["related"]
    people = {each["id"]: each for each in told["contained"]}
    role = people[told["author"][0]["reference"].removeprefix("#")]
    author = people[role["practitioner"]["reference"].removeprefix("#")]
    assert (author["identifier"][0]["value"], author["name"][0]["family"]) == (DOCTOR.id, "CAMPARINI")
    assert people[role["organization"]["reference"].removeprefix("#")]["identifier"][0]["value"] == LABORATORY
    assert told["authenticator"] == role["practitioner"]
    content = await doctor.get(attachment["url"], headers={"Accept": "application/pdf"})
    assert (content.content, content.headers["content-type"]) == (PDF, "application/pdf")


async def test_a_cda_speaks_for_itself(doctor: httpx2.AsyncClient) -> None:
    sent = reference(document(), unique_id="1.2.250.1.999.1.1", media_type="text/xml")
    assert (await doctor.post("DocumentReference", json=sent)).status_code == 201
    (told,) = await documents(doctor)
    assert told["content"][0]["attachment"]["title"] == "Compte rendu d'examens biologiques"
    binary = valid(
        (await doctor.get(f"Binary/{told['id']}", headers={"Accept": "application/fhir+json"})).json()
    )
    assert base64.b64decode(binary["data"]) == document()


async def test_the_same_document_again_is_the_same(doctor: httpx2.AsyncClient) -> None:
    first = await doctor.post("DocumentReference", json=reference())
    again = await doctor.post("DocumentReference", json=reference())
    assert (again.status_code, again.headers["location"]) == (200, first.headers["location"])
    assert len(await documents(doctor)) == 1


async def test_the_server_deprecates_what_is_replaced(doctor: httpx2.AsyncClient) -> None:
    first = await doctor.post("DocumentReference", json=reference())
    number = first.headers["location"].rpartition("/")[2]
    newer = reference(
        PDF + b"\n",
        unique_id="1.2.250.1.999.43",
        relatesTo=[{"code": "replaces", "target": {"reference": f"DocumentReference/{number}"}}],
    )
    assert (await doctor.post("DocumentReference", json=newer)).status_code == 201
    (told,) = await documents(doctor)
    assert told["relatesTo"] == [
        {
            "code": "replaces",
            "target": {
                "identifier": {"system": "urn:ietf:rfc:3986", "value": "urn:oid:1.2.250.1.999.42"},
                "reference": f"DocumentReference/{number}",
            },
        }
    ]
    (former,) = await documents(doctor, status="superseded")
    assert (former["id"], former["status"]) == (number, "superseded")


def lot(
    *references: dict[str, Any], data: bytes = PDF, extra: tuple[dict[str, Any], ...] = ()
) -> dict[str, Any]:
    """A transaction as ITI-65 has it: a List, the references, their Binaries, and what else there is."""
    urls = [f"urn:uuid:aaaaaaaa-0000-4000-8000-{place:012}" for place in range(len(references))]
    for each, url in zip(references, urls, strict=True):
        attachment = each["content"][0]["attachment"]
        attachment.pop("data", None)
        attachment["url"] = f"{url}-b"
    submission_set = {
        "resourceType": "List",
        "extension": [
            {
                "url": "https://profiles.ihe.net/ITI/MHD/StructureDefinition/ihe-designationType",
                "valueCodeableConcept": {"coding": [{"code": "04"}]},
            },
            {
                "url": "https://profiles.ihe.net/ITI/MHD/StructureDefinition/ihe-sourceId",
                "valueIdentifier": {"system": "urn:ietf:rfc:3986", "value": "urn:oid:1.2.3.4"},
            },
        ],
        "identifier": [{"use": "usual", "system": "urn:ietf:rfc:3986", "value": "urn:oid:1.2.250.1.999.77"}],
        "status": "current",
        "mode": "working",
        "title": "Sortie",
        "code": {
            "coding": [
                {
                    "system": "https://profiles.ihe.net/ITI/MHD/CodeSystem/MHDlistTypes",
                    "code": "submissionset",
                }
            ]
        },
        "subject": SUBJECT,
        "date": "2026-03-12T10:00:00+01:00",
        "entry": [{"item": {"reference": url}} for url in urls],
    }

    def post(url: str, resource: dict[str, Any]) -> dict[str, Any]:
        return {
            "fullUrl": url,
            "resource": resource,
            "request": {"method": "POST", "url": resource["resourceType"]},
        }

    content = base64.b64encode(data).decode()
    entries = [post("urn:uuid:bbbbbbbb-0000-4000-8000-000000000000", submission_set)]
    entries += [post(url, each) for url, each in zip(urls, references, strict=True)]
    entries += extra
    entries += [
        post(f"{url}-b", {"resourceType": "Binary", "contentType": "application/pdf", "data": content})
        for url in urls
    ]
    return {"resourceType": "Bundle", "type": "transaction", "entry": entries}


# ref: DMP-F31
async def test_a_lot_is_filed_with_its_submission_set(doctor: httpx2.AsyncClient) -> None:
    sent = lot(reference(inline=False), reference(inline=False, unique_id="1.2.250.1.999.43"))
    answer = await doctor.post("", json=sent)
    assert answer.status_code == 200, answer.text
    told = valid(answer.json())
    assert [each["response"]["status"] for each in told["entry"]] == ["201 Created"] * 5
    names = {each["id"] for each in await documents(doctor)}
    assert {f"DocumentReference/{name}" for name in names} == {
        each["response"]["location"] for each in told["entry"][1:3]
    }
    for entry in told["entry"][3:]:
        assert (await doctor.get(entry["response"]["location"])).content == PDF
    (submission_set,) = found((await doctor.get("List", params={**DOCUMENT, "code": "submissionset"})).json())
    assert submission_set["identifier"][0]["value"] == "urn:oid:1.2.250.1.999.77"
    assert submission_set["title"] == "Sortie"
    assert {each["item"]["reference"] for each in submission_set["entry"]} == {
        f"DocumentReference/{name}" for name in names
    }


async def test_a_lot_that_replaces_says_superseded_of_the_former(doctor: httpx2.AsyncClient) -> None:
    first = await doctor.post("DocumentReference", json=reference())
    number = first.headers["location"].rpartition("/")[2]
    patch = {
        "resource": {
            "resourceType": "Parameters",
            "parameter": [
                {
                    "name": "operation",
                    "part": [
                        {"name": "type", "valueCode": "replace"},
                        {"name": "path", "valueString": "DocumentReference.status"},
                        {"name": "value", "valueCode": "superseded"},
                    ],
                }
            ],
        },
        "request": {"method": "PATCH", "url": f"DocumentReference/{number}"},
    }
    related = [{"code": "replaces", "target": {"reference": f"DocumentReference/{number}"}}]
    newer = reference(inline=False, unique_id="1.2.250.1.999.43", relatesTo=related)
    stray = lot(reference(inline=False, unique_id="1.2.250.1.999.43"), extra=(patch,))
    assert refusal(await doctor.post("", json=stray), 422) == "business-rule"
    answer = await doctor.post("", json=lot(newer, extra=(patch,)))
    assert answer.status_code == 200, answer.text
    assert answer.json()["entry"][2]["response"] == {"status": "200 OK"}
    (former,) = await documents(doctor, status="superseded")
    assert former["id"] == number


async def test_nothing_of_a_lot_is_filed_where_one_document_is_refused(doctor: httpx2.AsyncClient) -> None:
    wrong = reference(inline=False, unique_id="1.2.250.1.999.43")
    wrong["type"] = {"coding": [{"system": "http://loinc.org", "code": "0-0"}]}
    assert refusal(await doctor.post("", json=lot(reference(inline=False), wrong)), 422) == "invalid"
    assert await documents(doctor) == []


def without(name: str) -> dict[str, Any]:
    told = reference()
    del told[name]
    return told


@pytest.mark.parametrize(
    ("sent", "status", "code"),
    [
        (without("type"), 400, "required"),
        (without("subject"), 400, "required"),
        (without("content"), 400, "structure"),
        (reference(status="superseded"), 422, "business-rule"),
        (reference(securityLabel=[label("SECRET")]), 422, "code-invalid"),
        (reference(securityLabel=[label("MASQUE_PS"), label("INVISIBLE_PATIENT")]), 422, "business-rule"),
        (reference(subject={"reference": "Patient/12"}), 400, "value"),
        (reference(subject={"reference": "Patient?identifier=urn:oid:1.2.3|279035121518989"}), 400, "value"),
        (reference(date="hier"), 400, "structure"),
        (reference(author={"reference": "#role"}), 400, "structure"),
        (reference(relatesTo=[{"code": "likes", "target": {"reference": "DocumentReference/1"}}]), 400, "structure"),
        (reference(relatesTo=[{"code": "replaces", "target": {"reference": "DocumentReference/1"}}]), 404, "not-found"),
        (reference(media_type="not a type"), 400, "value"),
        ({"resourceType": "Patient"}, 400, "structure"),
    ],
)  # fmt: skip
async def test_what_cannot_be_published_is_refused(
    doctor: httpx2.AsyncClient, sent: dict[str, Any], status: int, code: str
) -> None:
    assert refusal(await doctor.post("DocumentReference", json=sent), status) == code
    assert await documents(doctor) == []


@pytest.mark.parametrize(
    ("member", "value", "status", "code"),
    [
        ("hash", base64.b64encode(bytes(20)).decode(), 422, "value"),
        ("hash", "c2hvcnQ=", 400, "value"),
        ("size", 3, 422, "value"),
        ("size", -3, 400, "structure"),
        ("data", "§", 400, "structure"),
        ("data", "", 400, "required"),
    ],
)
async def test_content_is_what_was_announced(
    doctor: httpx2.AsyncClient, member: str, value: Any, status: int, code: str
) -> None:
    sent = reference()
    sent["content"][0]["attachment"][member] = value
    assert refusal(await doctor.post("DocumentReference", json=sent), status) == code


async def test_a_structure_feeds_and_does_not_read(fhir: Place) -> None:
    async with fhir.client(None, b"labo") as software:
        answer = await software.post("DocumentReference", json=reference())
        assert answer.status_code == 201, answer.text
        number = answer.headers["location"].rpartition("/")[2]
        assert refusal(await software.get("DocumentReference", params=DOCUMENT), 403) == "forbidden"
        assert refusal(await software.get(f"Binary/{number}"), 403) == "forbidden"
        deletion = [{"op": "replace", "path": "/status", "value": "entered-in-error"}]
        answer = await software.patch(
            "DocumentReference",
            params={"identifier": "urn:ietf:rfc:3986|urn:oid:1.2.250.1.999.42"},
            json=deletion,
            headers={"Content-Type": "application/json-patch+json"},
        )
        assert answer.status_code == 200, answer.text


@pytest.mark.parametrize("media_type", ["text/plain", "application/x-www-form-urlencoded"])
async def test_another_type_than_json_is_not_read(doctor: httpx2.AsyncClient, media_type: str) -> None:
    answer = await doctor.post("DocumentReference", content=b"{}", headers={"Content-Type": media_type})
    assert refusal(answer, 415) == "not-supported"


async def test_a_body_has_a_largest_size(doctor: httpx2.AsyncClient) -> None:
    big = reference(b"%PDF-1.4\n" + bytes(1024 * 1024))
    assert refusal(await doctor.post("DocumentReference", json=big), 413) == "too-long"
