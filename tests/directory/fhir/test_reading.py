"""One resource by its id; versions, formats, keys; what is not there."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from msgspec.structs import replace

from directory.annuaire.fields import Field
from directory.annuaire.model import Mailbox, Role, Structure
from directory.bals import BalType
from directory.fhir import systems
from directory.fhir.access import Caller
from directory.fhir.names import key_of, logical_id
from directory.fhir.resources import contact_point, organization, practitioner, practitioner_role
from directory.fhir.systems import ResourceType
from tests.directory.fhir.place import (
    BASE,
    BOXES,
    CH,
    LOIC,
    MEDECIN,
    PEOPLE,
    PLACES,
    ROLES,
    Place,
    place,
    refusal,
    valid,
)
from tests.shared_data import shared

if TYPE_CHECKING:
    import httpx2

    from foundation.clock import FixedClock

ANNE = "003-899900000011"


async def test_a_resource_is_read_with_its_own_boxes(client: httpx2.AsyncClient) -> None:
    anne = valid((await client.get(f"/Practitioner/{ANNE}")).json())
    assert [each["value"] for each in anne["telecom"]] == [MEDECIN]
    role = valid((await client.get("/PractitionerRole/005-00000000000000a1")).json())
    assert [each["value"] for each in role["telecom"]] == [CH]
    assert role["practitioner"]["reference"] == f"Practitioner/{ANNE}"
    hospital = valid((await client.get(f"/{role['organization']['reference']}")).json())
    assert [each["value"] for each in hospital["telecom"] if each["system"] == "email"] == [
        "cardiologie@ch-des-essais.mssante.fr",
        "labo.resultats@ch-des-essais.mssante.fr",
    ]
    assert valid((await client.get("/PractitionerRole/005-00000000000000a3")).json())["active"]


async def test_what_the_extracts_no_longer_name_is_gone(fhir: Place, client: httpx2.AsyncClient) -> None:
    at = 1_773_356_400_000  # 2026-03-13 in Paris, the day before in UTC
    gone = {
        "Practitioner/003-899900000098": (Field.IDNAT, "899900000098"),
        "PractitionerRole/005-00000000000000b9": (Field.ROLE_ID, "00000000000000b9"),
        "Organization/001-F990780098": (Field.STRUCTURE_ID, "f990780098"),
    }
    for path, key in gone.items():
        assert refusal(await client.get(f"/{path}"), 404) == "not-found"
        fhir.annuaire.base.removed[key] = at
        answer = await client.get(f"/{path}")
        assert refusal(answer, 410) == "deleted"
        assert "depuis le 13/03/2026." in answer.text
    assert refusal(await client.get("/Practitioner/003-899900000099"), 404) == "not-found"


async def test_what_is_not_there_is_not_found(client: httpx2.AsyncClient) -> None:
    for path in (
        "Practitioner/003-899900000099",
        "Practitioner/x",
        "Organization/001-1990780017",
        "Practitioner/001-F990780017",
    ):
        assert refusal(await client.get(f"/{path}"), 404) == "not-found"
    for path in ("Patient", "Patient/1", "Practitioner/1/_history", "$everything"):
        refusal(await client.get(f"/{path}"), 404)
    for method, path in (
        ("PUT", f"Practitioner/{ANNE}"),
        ("DELETE", f"Practitioner/{ANNE}"),
        ("POST", "Practitioner"),
        ("PUT", ""),
        ("PATCH", ""),
        ("POST", "metadata"),
    ):
        answer = await client.request(method, f"/{path}", json={})
        assert refusal(answer, 405) == "not-supported"
        assert "PATCH" in answer.headers["allow"]


async def test_a_version_that_is_known_is_not_sent_again(client: httpx2.AsyncClient) -> None:
    answer = await client.get(f"/Practitioner/{ANNE}")
    etag = answer.headers["etag"]
    assert etag == f'W/"{answer.json()["meta"]["versionId"]}"'
    assert answer.headers["last-modified"] == "Tue, 14 Nov 2023 22:13:20 GMT"
    again = await client.get(f"/Practitioner/{ANNE}", headers={"If-None-Match": f'"x", {etag}'})
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", etag)
    other = await client.get(f"/Practitioner/{ANNE}", headers={"If-None-Match": '"x"'})
    assert other.status_code == 200
    part = await client.get(f"/Practitioner/{ANNE}?_elements=name")
    assert part.headers["etag"] == etag
    assert "telecom" not in part.json()


async def test_a_read_has_no_criteria(client: httpx2.AsyncClient) -> None:
    assert refusal(await client.get(f"/Practitioner/{ANNE}?family=x"), 400) == "not-supported"


@pytest.mark.parametrize(
    ("accept", "status"),
    [
        ("application/fhir+json", 200),
        ("application/json;q=0.9, text/html", 200),
        ("text/html,application/xhtml+xml,*/*;q=0.8", 200),
        ("application/fhir+xml", 406),
        ("application/json;q=0", 406),
        ("text/turtle", 406),
    ],
)
async def test_only_json_is_spoken(client: httpx2.AsyncClient, accept: str, status: int) -> None:
    assert (await client.get(f"/Practitioner/{ANNE}", headers={"Accept": accept})).status_code == status


async def test_the_format_of_the_query_goes_before_the_header(client: httpx2.AsyncClient) -> None:
    for name in ("json", "application/fhir%2Bjson", "application/json"):
        answer = await client.get(
            f"/Practitioner/{ANNE}?_format={name}", headers={"Accept": "application/xml"}
        )
        assert answer.status_code == 200
    assert refusal(await client.get(f"/Practitioner/{ANNE}?_format=xml"), 406) == "not-supported"
    assert (await client.get(f"/Practitioner/{ANNE}?_pretty=true")).text.startswith('{\n  "resourceType"')


async def test_a_key_is_asked_for_and_checked(fhir: Place, clock: FixedClock) -> None:
    async with fhir.client(key=None) as nobody:
        assert refusal(await nobody.get("/Practitioner"), 401) == "login"
        assert (await nobody.get("/metadata")).status_code == 200
    async with fhir.client(key="wrong") as stranger:
        assert refusal(await stranger.get("/Practitioner"), 401) == "login"
    open_place = place(None, clock, nobody=Caller("anonymous"))
    async with open_place.client(key=None) as nobody:
        assert (await nobody.get("/Practitioner")).status_code == 200
    async with open_place.client(key="wrong") as stranger:
        assert refusal(await stranger.get("/Practitioner"), 401) == "login"


@pytest.mark.parametrize(
    "key", ["899900000011", "3990780017/4711", "1990780017", "R99900001", "a.b-c_é", ".2F"]
)
def test_ids_and_keys_are_each_others_image(key: str) -> None:
    for kind in ResourceType:
        identity = logical_id(kind, key)
        assert key_of(kind, identity) == key
        assert all(letter.isascii() and (letter.isalnum() or letter in ".-") for letter in identity)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "003",
        "003-",
        "899900000011",
        "003-a/b",
        "003-.2f",
        "003-.41",
        "003-.FF",
        "003-" + "1" * 80,
        "001-1",
    ],
)
def test_what_is_no_id_names_no_key(text: str) -> None:
    assert key_of(ResourceType.PRACTITIONER, text) is None


def shape(value: Any) -> Any:
    """The names of elements and the systems of codes, without the values."""
    if isinstance(value, dict):
        return {
            name: each if name in ("url", "system", "use") else shape(each) for name, each in value.items()
        }
    if isinstance(value, list):
        return [shape(each) for each in value]
    return type(value).__name__


def test_a_practitioner_has_the_shape_of_the_published_example() -> None:
    example = json.loads(shared("directory", "fhir-practitioner-bal-per.json").read_text(encoding="utf-8"))
    ours = practitioner(PEOPLE[0], [BOXES[0]])
    assert shape(ours["identifier"]) == shape(example["identifier"])
    assert shape(ours["name"]) == shape(example["name"])
    assert shape(ours["telecom"]) == shape(example["telecom"])
    assert ours["meta"]["profile"] == example["meta"]["profile"]
    assert ours["meta"]["source"] == example["meta"]["source"]
    assert example.keys() <= ours.keys()
    told = {
        (coding["system"], coding["code"])
        for each in ours["qualification"]
        for coding in each["code"]["coding"]
    }
    wanted = {
        (coding["system"], coding["code"])
        for each in example["qualification"]
        for coding in each["code"]["coding"]
    }
    assert wanted <= told


def test_an_organization_has_the_shape_of_the_published_example() -> None:
    example = json.loads(shared("directory", "fhir-organization-bal-org.json").read_text(encoding="utf-8"))
    box = Mailbox("x@ch-des-essais.mssante.fr", BalType.ORG, description="Service", service="CARDIO", rank=1)
    ours = organization(PLACES[0], [box])
    assert shape(ours["identifier"][:2]) == shape(example["identifier"])
    assert shape(contact_point(box)) == shape(example["telecom"][0])
    assert shape(ours["type"][0]["extension"]) == shape(example["type"][0]["extension"])
    assert example.keys() <= ours.keys()


def test_every_element_that_is_told_is_fhir() -> None:
    for person in PEOPLE:
        valid(practitioner(person, BOXES))
    for role in (*ROLES, Role("f" * 16, "8", pharmacist_section_code="A", pharmacist_section="Titulaire")):
        valid(practitioner_role(role, BOXES))
    empty = Structure("F1")
    full = Structure(*(f"{name}" for name in Structure._fields[:-1]), updated_at=1)
    for structure in (*PLACES, empty, full):
        valid(organization(structure, BOXES))


def test_the_responsible_person_of_a_box_is_not_told() -> None:
    box = Mailbox("x@y.mssante.fr", BalType.ORG, responsible="Mme SECRET", phone="0199999999")
    assert "SECRET" not in json.dumps(contact_point(box))
    assert "0199999999" not in json.dumps(contact_point(box))


def test_boxes_stand_in_the_order_of_their_ranks() -> None:
    boxes = [
        replace(BOXES[0], address=f"{name}@y.mssante.fr", rank=rank)
        for name, rank in (("a", None), ("b", 2), ("c", 1))
    ]
    assert [each["value"][0] for each in practitioner(PEOPLE[0], boxes)["telecom"]] == ["c", "b", "a"]


async def test_the_capability_statement_says_what_is_served(client: httpx2.AsyncClient) -> None:
    told = valid((await client.get("/metadata")).json())
    assert told["fhirVersion"] == "4.0.1"
    assert told["implementation"]["url"] == BASE
    (rest,) = told["rest"]
    assert {each["code"] for each in rest["interaction"]} == {"batch", "search-system"}
    for resource in rest["resource"]:
        name = resource["type"]
        assert {each["code"] for each in resource["interaction"]} == {"read", "search-type", "patch"}
        for parameter in resource["searchParam"]:
            value = {"date": "2023", "reference": "001-x"}.get(parameter["type"], "x")
            answer = await client.get(f"/{name}?{parameter['name']}={value}")
            assert answer.status_code == 200, (name, parameter["name"], answer.text)
        for include in resource.get("searchInclude", []):
            assert (await client.get(f"/{name}?_include={include}")).status_code == 200
        for include in resource.get("searchRevInclude", []):
            assert (await client.get(f"/{name}?_revinclude={include}")).status_code == 200
        valid((await client.get(f"/{name}")).json())


async def test_what_is_served_is_in_the_capability_statement(client: httpx2.AsyncClient) -> None:
    """Every parameter the Annuaire's own statement names is there, and mailbox-mss-type and _text beside them."""
    told = (await client.get("/metadata")).json()
    named = {
        resource["type"]: {each["name"] for each in resource["searchParam"]}
        for resource in told["rest"][0]["resource"]
    }
    common = {
        "_id",
        "_lastUpdated",
        "_text",
        "active",
        "data-information-system",
        "data-registration-authority",
        "identifier",
        "mailbox-mss",
        "mailbox-mss-type",
    }
    assert named["Practitioner"] >= common | {
        "family",
        "given",
        "identifier-type",
        "name",
        "number-smartcard",
        "qualification-code",
        "type-smartcard",
    }
    assert named["PractitionerRole"] >= common | {"organization", "practitioner", "role"}
    assert named["Organization"] >= common | {
        "address",
        "address-city",
        "address-line",
        "address-postalcode",
        "identifier-type",
        "name",
        "partof",
        "pharmacy-licence",
        "type",
    }


async def test_a_box_of_the_extract_is_told_with_both_extensions(client: httpx2.AsyncClient) -> None:
    (box,) = (await client.get("/Practitioner?mailbox-mss=" + LOIC)).json()["entry"][0]["resource"]["telecom"]
    assert [each["url"] for each in box["extension"]] == [systems.EMAIL_TYPE, systems.MAILBOX]
