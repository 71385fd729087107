"""The examples of the ANS replayed: their content put right where theirs is an empty document, else refused as it is."""

from __future__ import annotations

import base64
import hashlib
import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.dmp_bridge.builders import PDF
from tests.dmp_bridge.dossier.wards import INS, document
from tests.dmp_bridge.fhir.place import PATIENT, found, refusal, valid
from tests.shared_data import shared

if TYPE_CHECKING:
    import httpx2

WHOSE = {"patient.identifier": PATIENT}
LOT = "Bundle-example-td2-iti65-lot-soumission.json"
SIMPLE = "DocumentReference-example-td2-iti105-publication-simplifiee.json"
FORMER = "DocumentReference-doc-x-id.json"
REPLACEMENT = "Bundle-example-td2-1-remplacement.json"


def example(name: str) -> dict[str, Any]:
    """An example about the patient of the ward."""
    text = shared("fhir", name).read_text("utf-8").replace("123456789012345", INS)
    told: dict[str, Any] = json.loads(text)
    return told


def with_content(told: dict[str, Any], data: bytes) -> dict[str, Any]:
    """The same with a real document in the place of an empty one."""
    resources = [each["resource"] for each in told.get("entry", [{"resource": told}])]
    for each in resources:
        if each["resourceType"] == "Binary":
            each |= {"data": base64.b64encode(data).decode(), "contentType": "application/pdf"}
        for content in each.get("content", []):
            attachment = content["attachment"]
            attachment["contentType"] = "application/pdf"
            if "data" in attachment:
                attachment["data"] = base64.b64encode(data).decode()
            if "hash" in attachment:
                attachment["hash"] = base64.b64encode(hashlib.sha1(data).digest()).decode()
                attachment["size"] = len(data)
    return told


@pytest.mark.parametrize("name", [LOT, SIMPLE])
async def test_an_empty_document_is_refused(doctor: httpx2.AsyncClient, name: str) -> None:
    answer = await doctor.post("" if name == LOT else "DocumentReference", json=example(name))
    assert refusal(answer, 422) in {"invalid", "value"}


async def test_the_lot_is_filed(doctor: httpx2.AsyncClient) -> None:
    answer = await doctor.post("", json=with_content(example(LOT), PDF))
    assert answer.status_code == 200, answer.text
    valid(answer.json())
    (told,) = found((await doctor.get("DocumentReference", params=WHOSE)).json())
    assert told["masterIdentifier"]["value"] == "urn:oid:1.2.250.1.213.1.4.8.99999.2"
    assert told["content"][0]["attachment"]["title"] == "Compte rendu de consultation"


async def test_a_document_is_published_alone_and_replaced_by_a_lot(doctor: httpx2.AsyncClient) -> None:
    former = with_content(example(SIMPLE), PDF)
    answer = await doctor.post("DocumentReference", json=former)
    assert answer.status_code == 201, answer.text
    number = answer.headers["location"].rpartition("/")[2]
    text = json.dumps(with_content(example(REPLACEMENT), PDF + b"\n")).replace("doc-x-id", number)
    answer = await doctor.post("", content=text, headers={"Content-Type": "application/fhir+json"})
    assert answer.status_code == 200, answer.text
    (told,) = found((await doctor.get("DocumentReference", params=WHOSE)).json())
    assert told["relatesTo"][0]["target"]["reference"] == f"DocumentReference/{number}"
    (before,) = found(
        (await doctor.get("DocumentReference", params={**WHOSE, "status": "superseded"})).json()
    )
    assert before["id"] == number


async def test_a_replacement_of_what_is_not_there_is_refused(doctor: httpx2.AsyncClient) -> None:
    answer = await doctor.post("", json=with_content(example(REPLACEMENT), PDF))
    assert refusal(answer, 404) == "not-found"


async def test_a_superseded_reference_is_not_published(doctor: httpx2.AsyncClient) -> None:
    assert refusal(await doctor.post("DocumentReference", json=example(FORMER)), 422) == "business-rule"


async def test_a_clinical_document_goes_in_the_same_lot(doctor: httpx2.AsyncClient) -> None:
    told = with_content(example(LOT), document())
    reference = told["entry"][1]["resource"]
    reference["masterIdentifier"]["value"] = "urn:oid:1.2.250.1.999.1.1"
    reference["content"][0]["attachment"]["contentType"] = "text/xml"
    answer = await doctor.post("", json=told)
    assert answer.status_code == 200, answer.text
    (filed,) = found((await doctor.get("DocumentReference", params=WHOSE)).json())
    assert filed["type"]["coding"][0]["code"] == "11502-2"
