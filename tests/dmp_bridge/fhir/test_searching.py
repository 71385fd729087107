"""Searches over HTTP: every parameter finds what it names and nothing besides, page by page, each page for one caller."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from dmp_bridge.fhir.capability import INTERACTIONS
from dmp_bridge.fhir.parameters import PARAMETERS
from dmp_bridge.rights.vocabulary import Mode
from tests.dmp_bridge.builders import PDF
from tests.dmp_bridge.dossier.wards import ATTENDING, AUTHOR, DOCTOR, INS, OTHER_DOCTOR
from tests.dmp_bridge.fhir.place import BASE, PATIENT, found, label, reference, refusal, valid

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import httpx2

    from tests.dmp_bridge.fhir.place import Place

WHOSE = {"patient.identifier": PATIENT}
LETTER, REPORT = "1.2.250.1.999.42", "1.2.250.1.999.43"


def report() -> dict[str, Any]:
    """Another type, format, place, time and author; masked."""
    told = reference(
        PDF + b"\n",
        unique_id=REPORT,
        date="2025-01-15T08:00:00Z",
        type={"coding": [{"system": "http://loinc.org", "code": "18748-4"}]},
        securityLabel=[label("MASQUE_PS")],
    )
    told["content"][0]["attachment"]["creation"] = "2025-01-15T08:00:00Z"
    told["content"][0]["format"] = {"system": "urn:oid:1.2.250.1.213.1.1.4.2.282", "code": "urn:asip:x"}
    told["contained"][0] |= {
        "identifier": [{"system": "urn:oid:1.2.250.1.71.4.2.1", "value": "899900000099"}],
        "name": [{"family": "Durand", "given": ["Zoé"]}],
    }
    told["context"] = {
        "period": {"start": "2025-01-14T08:00:00Z"},
        "facilityType": {"coding": [{"code": "SA07"}]},
        "practiceSetting": {"coding": [{"code": "AMBULATOIRE"}]},
    }
    return told


@pytest.fixture
async def ids(fhir: Place, doctor: httpx2.AsyncClient) -> dict[str, str]:
    """The ids of two documents that differ in everything, by uniqueId; the second one was changed later."""
    del fhir
    numbers = {}
    for each in (reference(), report()):
        answer = await doctor.post("DocumentReference", json=each)
        assert answer.status_code == 201, answer.text
        name = each["masterIdentifier"]["value"].removeprefix("urn:oid:")
        numbers[name] = answer.headers["location"].rpartition("/")[2]
    return numbers


@pytest.fixture
async def attending(fhir: Place) -> AsyncIterator[httpx2.AsyncClient]:
    """Who sees masked documents too."""
    await fhir.ward.attend(ATTENDING)
    async with fhir.client("attending") as client:
        yield client


async def names(client: httpx2.AsyncClient, **parameters: str) -> set[str]:
    told = {name.replace("__", "."): value for name, value in parameters.items()}
    answer = await client.get("DocumentReference", params={**WHOSE, **told})
    assert answer.status_code == 200, answer.text
    bundle = valid(answer.json())
    resources = found(bundle)
    assert bundle["total"] == len(resources)
    return {each["masterIdentifier"]["value"].removeprefix("urn:oid:") for each in resources}


PARAMETER_CASES = {
    "status": ("current", {LETTER, REPORT}),
    "isArchived": ("false", {LETTER, REPORT}),
    "category": ("10", {LETTER}),
    "type": ("http://loinc.org|11490-0", {LETTER}),
    "format": ("urn:ihe:iti:xds-sd:pdf:2008", {LETTER}),
    "facility": ("SA01", {LETTER}),
    "setting": ("ETABLISSEMENT", {LETTER}),
    "event": ("HBGD038", {LETTER}),
    "security-label": ("MASQUE_PS", {REPORT}),
    "identifier": (f"urn:ietf:rfc:3986|urn:oid:{LETTER}", {LETTER}),
    "author.identifier": (f"urn:oid:1.2.250.1.71.4.2.1|{AUTHOR}", {LETTER}),
    "author.family": ("durand", {REPORT}),
    "author.given": ("Marcel", {LETTER}),
    "date": ("ge2026-03-12T09:00:00Z", {LETTER}),
    "creation": ("lt2026", {REPORT}),
    "period": ("2025-01-14", {REPORT}),
    "related": ("PRESC-7", {LETTER}),
    "_lastUpdated": ("ge2026-03-13", {LETTER, REPORT}),
}
"""By parameter a value and what it finds; what is asked otherwise stands apart."""
ELSEWHERE = {"_id", "patient", "patient.identifier"}


# ref: DMP-F32
@pytest.mark.parametrize("name", sorted(PARAMETER_CASES))
async def test_each_parameter_of_the_documents(
    ids: dict[str, str], attending: httpx2.AsyncClient, name: str
) -> None:
    assert ids
    value, expected = PARAMETER_CASES[name]
    assert await names(attending, **{name: value}) == expected


def test_every_parameter_is_tried() -> None:
    assert PARAMETERS["DocumentReference"].keys() == PARAMETER_CASES.keys() | ELSEWHERE


async def test_documents_are_found_by_id_and_by_patient(
    fhir: Place, ids: dict[str, str], attending: httpx2.AsyncClient
) -> None:
    assert await names(attending, _id=f"{ids[LETTER]},999") == {LETTER}
    both = {LETTER, REPORT}
    (told,) = found((await attending.get("Patient", params={"identifier": PATIENT})).json())
    for patient in (f"Patient?identifier={PATIENT}", f"Patient/{told['id']}"):
        answer = await attending.get("DocumentReference", params={"patient": patient})
        assert {each["id"] for each in found(answer.json())} == set(ids.values()), both
    alone = await attending.get("DocumentReference", params={"_id": ids[REPORT]})
    assert [each["id"] for each in found(alone.json())] == [ids[REPORT]]


async def test_documents_are_found_by_entry_uuid_and_by_logical_id(
    ids: dict[str, str], attending: httpx2.AsyncClient
) -> None:
    (told,) = found((await attending.get("DocumentReference", params={"_id": ids[LETTER]})).json())
    for each in told["identifier"]:
        assert await names(attending, identifier=f"urn:ietf:rfc:3986|{each['value']}") == {LETTER}


async def test_related_goes_by_identifier(ids: dict[str, str], attending: httpx2.AsyncClient) -> None:
    assert ids
    assert await names(attending, **{"related:identifier": "urn:oid:1.2.3|PRESC-7"}) == {LETTER}


async def test_several_conditions_hold_together(ids: dict[str, str], attending: httpx2.AsyncClient) -> None:
    assert ids
    assert await names(attending, type="11490-0,18748-4", facility="SA07") == {REPORT}
    answer = await attending.get(
        "DocumentReference", params=[*WHOSE.items(), ("date", "ge2025-01-01"), ("date", "lt2025-02-01")]
    )
    assert [each["id"] for each in found(answer.json())] == [ids[REPORT]]


async def test_masked_documents_are_not_there_for_other_professionals(
    fhir: Place, ids: dict[str, str], doctor: httpx2.AsyncClient
) -> None:
    await fhir.ward.authorise(OTHER_DOCTOR)
    async with fhir.client("other") as other:
        assert await names(other) == {LETTER}
        gone = refusal(await other.get(f"DocumentReference/{ids[REPORT]}"), 404)
        assert gone == refusal(await other.get("DocumentReference/999"), 404)
    assert await names(doctor) == {LETTER, REPORT}, "its depositor"


@pytest.mark.parametrize(
    ("pairs", "status", "code"),
    [
        ({}, 400, "required"),
        ({"status": "current"}, 400, "required"),
        ({**WHOSE, "status": "gone"}, 400, "value"),
        ({**WHOSE, "colour": "red"}, 400, "not-supported"),
        ({**WHOSE, "type:not": "x"}, 400, "not-supported"),
        ({**WHOSE, "date": "yesterday"}, 400, "value"),
        ({**WHOSE, "date": "ne2026"}, 400, "not-supported"),
        ({**WHOSE, "_count": "many"}, 400, "value"),
        ({**WHOSE, "_page_token": "x"}, 400, "value"),
        ({"_page_token": "x"}, 400, "value"),
        ({"patient.identifier": INS}, 400, "value"),
        ({"patient.identifier": f"urn:oid:1.2.3|{INS}"}, 400, "value"),
        ({"patient.identifier": f"{PATIENT},{PATIENT}"}, 400, "value"),
        ({"patient": "Patient/999"}, 404, "not-found"),
        ({**WHOSE, "identifier": "urn:ietf:rfc:3986|urn:oid:1.2,urn:ietf:rfc:3986|urn:uuid:x"}, 400, "not-supported"),
        ({**WHOSE, "author.family": "x", "author.identifier": "y"}, 400, "not-supported"),
        ({**WHOSE, "isArchived": "perhaps"}, 400, "value"),
        ({**WHOSE, "_format": "xml"}, 406, "not-supported"),
    ],
)  # fmt: skip
async def test_what_is_not_understood_is_refused(
    doctor: httpx2.AsyncClient, pairs: dict[str, str], status: int, code: str
) -> None:
    assert refusal(await doctor.get("DocumentReference", params=pairs), status) == code


def next_of(bundle: dict[str, Any]) -> str | None:
    return next((link["url"] for link in bundle["link"] if link["relation"] == "next"), None)


@pytest.mark.parametrize("kind", ["DocumentReference", "List", "AuditEvent"])
async def test_pages_hold_everything_once(fhir: Place, doctor: httpx2.AsyncClient, kind: str) -> None:
    for number in range(5):
        sent = reference(unique_id=f"1.2.250.1.999.{number}")
        assert (await doctor.post("DocumentReference", json=sent)).status_code == 201
        fhir.ward.clock.advance(timedelta(seconds=1))
    whole = [each["id"] for each in found((await doctor.get(kind, params=WHOSE)).json())]
    assert len(whole) >= 5
    url: str | None = f"{BASE}/{kind}?patient.identifier={PATIENT}&_count=2"
    told: list[str] = []
    while url is not None:
        bundle = valid((await doctor.get(url)).json())
        told += [each["id"] for each in found(bundle)]
        assert len(bundle.get("entry", [])) <= 2
        url = next_of(bundle)
    if kind == "AuditEvent":  # reading traces leaves one
        whole = [each for each in told if each in whole]
    assert [each for each in told if each in whole] == whole
    assert len(set(told)) == len(told)


async def test_a_page_is_for_who_searched_and_for_the_same_purpose(
    fhir: Place, ids: dict[str, str], attending: httpx2.AsyncClient, doctor: httpx2.AsyncClient
) -> None:
    assert ids
    bundle = (await attending.get("DocumentReference", params={**WHOSE, "_count": "1"})).json()
    url = next_of(bundle) or ""
    assert INS not in url
    assert len(found((await attending.get(url)).json())) == 1
    assert refusal(await doctor.get(url), 400) == "value"
    emergency = fhir.client("attending", x_purpose_of_use=Mode.BRIS_DE_GLACE, x_access_motive="Coma")
    async with emergency as client:
        assert refusal(await client.get(url), 400) == "value"
    assert refusal(await attending.get(url.replace("DocumentReference", "List")), 400) == "value"


async def test_a_search_goes_by_post_too(ids: dict[str, str], attending: httpx2.AsyncClient) -> None:
    assert ids
    answer = await attending.post("DocumentReference/_search", data={**WHOSE, "facility": "SA01"})
    assert [each["id"] for each in found(answer.json())] == [ids[LETTER]]


async def test_submission_sets_are_found_by_each_parameter(
    ids: dict[str, str], attending: httpx2.AsyncClient
) -> None:
    assert ids
    every = found((await attending.get("List", params=WHOSE)).json())
    assert len(every) == 2
    one = every[0]["identifier"]
    for parameters, count in (
        ({"identifier": f"urn:ietf:rfc:3986|{one[0]['value']}"}, 1),
        ({"identifier": f"urn:ietf:rfc:3986|{one[1]['value']}"}, 1),
        ({"code": "submissionset", "status": "current"}, 2),
        ({"code": "folder"}, 0),
        ({"status": "entered-in-error"}, 0),
        ({"sourceId": "urn:ietf:rfc:3986|urn:oid:9.9.9"}, 0),
        ({"date": "ge2026-03-13"}, 2),
        ({"date": "gt2027"}, 0),
    ):
        answer = await attending.get("List", params={**WHOSE, **parameters})
        assert len(found(answer.json())) == count, parameters
    assert refusal(await attending.get("List", params={"code": "submissionset"}), 400) == "required"


async def test_the_capability_statement_is_what_is_routed(fhir: Place, doctor: httpx2.AsyncClient) -> None:
    async with fhir.client() as nobody:
        told = valid((await nobody.get("metadata")).json())
    rest = told["rest"][0]
    values = {"token": PATIENT, "date": "2026", "string": "x", "reference": f"Patient?identifier={PATIENT}"}
    asked = 0
    for resource in rest["resource"]:
        kind = resource["type"]
        codes = {each["code"] for each in resource["interaction"]}
        assert codes == INTERACTIONS[kind].keys()
        for parameter in resource.get("searchParam", []):
            answer = await doctor.get(
                kind,
                params={**WHOSE, parameter["name"]: values[parameter["type"]]}
                if kind != "Patient"
                else {"identifier": PATIENT},
            )
            assert answer.status_code in (200, 400), (kind, parameter, answer.text)
            if answer.status_code == 400:
                assert answer.json()["issue"][0]["code"] == "value", (kind, parameter, answer.text)
            asked += 1
        for method, code, path in (
            ("GET", "search-type", kind),
            ("GET", "read", f"{kind}/1"),
            ("POST", "create", kind),
            ("PATCH", "patch", kind),
        ):
            answer = await doctor.request(method, path, params=WHOSE if method == "GET" else None)
            is_served = answer.status_code != 405 and not (
                answer.status_code == 404
                and answer.json()["issue"][0]["details"]["text"].startswith("Il n'y a rien")
            )
            assert is_served is (code in codes), (method, path, answer.text)
    assert asked == sum(len(row) for row in PARAMETERS.values())
    for method in ("PUT", "DELETE"):
        assert refusal(await doctor.request(method, "DocumentReference/1"), 405) == "not-supported"


# ref: DMP-F34
async def test_the_record_of_a_patient_is_told_to_exist(fhir: Place, doctor: httpx2.AsyncClient) -> None:
    await fhir.ward.attend(DOCTOR)
    (patient,) = found((await doctor.get("Patient", params={"identifier": PATIENT})).json())
    assert patient["active"] is True
    assert patient["identifier"][0]["value"] == INS
    flags = {each["url"].rpartition("/")[2]: each.get("valueBoolean") for each in patient["extension"]}
    assert flags == {"dmp-rattachement-mes": True, "dmp-medecin-traitant": True}
    unknown = await doctor.get(
        "Patient", params={"identifier": "urn:oid:1.2.250.1.213.1.4.8|160012345678990"}
    )
    assert (unknown.json()["total"], found(unknown.json())) == (0, [])
