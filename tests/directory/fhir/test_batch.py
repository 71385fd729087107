"""Several reads in one request."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.directory.fhir.place import BASE, found, refusal, valid

if TYPE_CHECKING:
    import httpx2

TYPE = {"Content-Type": "application/fhir+json"}


def bundle(*urls: str, method: str = "GET") -> dict[str, Any]:
    entries = [{"request": {"method": method, "url": url}} for url in urls]
    return {"resourceType": "Bundle", "type": "batch", "entry": entries}


async def test_each_request_of_a_batch_has_its_answer(client: httpx2.AsyncClient) -> None:
    urls = (
        "Practitioner?mailbox-mss-type=PER",
        "/PractitionerRole?_count=1",
        f"{BASE}/Organization/001-F990780017",
        "Practitioner/003-1",
        "Practitioner?colour=red",
        "Patient?x=1",
        "https://elsewhere.example/Practitioner",
        "http://[",
    )
    answer = await client.post("", json=bundle(*urls), headers=TYPE)
    told = valid(answer.json())
    assert told["type"] == "batch-response"
    entries = told["entry"]
    assert [each["response"]["status"] for each in entries] == [
        "200 OK",
        "200 OK",
        "200 OK",
        "404",
        "400",
        "404",
        "404",
        "400",
    ]
    assert found(entries[0]["resource"]) == ["003-899900000011", "003-899900000029"]
    assert len(found(entries[1]["resource"])) == 1
    assert entries[2]["resource"]["id"] == "001-F990780017"
    assert entries[3]["response"]["outcome"]["resourceType"] == "OperationOutcome"


async def test_a_batch_only_reads(client: httpx2.AsyncClient) -> None:
    for method in ("POST", "PUT", "DELETE", "PATCH", None, 1):
        told = bundle("Practitioner/1")
        told["entry"][0]["request"]["method"] = method
        answer = (await client.post("", json=told, headers=TYPE)).json()
        assert answer["entry"][0]["response"]["status"] == "405"


async def test_a_batch_with_half_a_character_is_refused(client: httpx2.AsyncClient) -> None:
    told = json.dumps(bundle("Practitioner?family=x")).replace("=x", "=\\ud800")
    assert refusal(await client.post("", content=told, headers=TYPE), 400) == "structure"


async def test_an_empty_batch_is_answered(client: httpx2.AsyncClient) -> None:
    answer = await client.post("", json={"resourceType": "Bundle", "type": "batch"}, headers=TYPE)
    assert valid(answer.json()) == {"resourceType": "Bundle", "type": "batch-response"}


@pytest.mark.parametrize(
    "told",
    [
        {"resourceType": "Bundle", "type": "transaction"},
        {"resourceType": "Patient"},
        {"resourceType": "Bundle", "type": "batch", "entry": {}},
        bundle(*["Practitioner"] * 21),
    ],
)
async def test_other_bundles_are_refused(client: httpx2.AsyncClient, told: dict[str, Any]) -> None:
    refusal(await client.post("", json=told, headers=TYPE), 400)


async def test_entries_that_are_no_requests_are_refused_one_by_one(client: httpx2.AsyncClient) -> None:
    told = {
        "resourceType": "Bundle",
        "type": "batch",
        "entry": [1, {}, {"request": 1}, {"request": {"method": "GET"}}],
    }
    answer = (await client.post("", json=told, headers=TYPE)).json()
    assert [each["response"]["status"] for each in answer["entry"]] == ["400"] * 4


async def test_a_search_in_a_batch_has_short_pages(client: httpx2.AsyncClient) -> None:
    answer = (await client.post("", json=bundle("Practitioner?_count=10000"), headers=TYPE)).json()
    assert "_count=200" in answer["entry"][0]["resource"]["link"][0]["url"]
