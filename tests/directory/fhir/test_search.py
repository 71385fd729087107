"""Every search parameter, what combines them, and what none is."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from directory.annuaire.published import Standing, publish
from tests.directory.fhir.place import (
    BASE,
    CARDIO,
    CH,
    LOIC,
    MEDECIN,
    ROBOT,
    WRITTEN_AT,
    Place,
    found,
    refusal,
    valid,
)

if TYPE_CHECKING:
    import httpx2

    from foundation.database import Database

ANNE, SPECIMEN, ZOE = "003-899900000011", "003-899900000029", "003-3990780017.2F4711"
HOSPITAL, CABINET = "001-F990780017", "001-R99900001"
AT_HOSPITAL, AT_CABINET, ALONE = "005-00000000000000a1", "005-00000000000000a2", "005-00000000000000a3"
NOS = "https://mos.esante.gouv.fr/NOS"
R256 = f"{NOS}/TRE_R256-TypeMessagerie/FHIR/TRE-R256-TypeMessagerie"
R257 = f"{NOS}/TRE_R257-TypeBAL/FHIR/TRE-R257-TypeBAL"


async def ids(client: httpx2.AsyncClient, query: str) -> set[str]:
    answer = await client.get(f"/{query}")
    assert answer.status_code == 200, answer.text
    return set(found(answer.json()))


# ref: F35
@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", {ANNE, SPECIMEN, ZOE}),
        (f"_id={ANNE}", {ANNE}),
        (f"_id={ANNE},{SPECIMEN},003-x,nothing", {ANNE, SPECIMEN}),
        ("active=true", {ANNE, SPECIMEN, ZOE}),
        ("active=false", set()),
        ("family=exem", {ANNE}),
        ("family=EXEMPLE", {ANNE}),
        ("family=specimen", {SPECIMEN}),
        ("family=xem", set()),
        ("family:contains=xem", {ANNE}),
        ("family:exact=EXEMPLE", {ANNE}),
        ("family:exact=Exemple", set()),
        ("family:exact=SPECIMEN", set()),
        ("family:exact=SPÉCIMEN", {SPECIMEN}),
        ("family:exact=SPECIMEN,EXEMPLE", {ANNE}),
        ("family:text=specimen", {SPECIMEN}),
        ("given=ann", {ANNE}),
        ("given=loic", {SPECIMEN}),
        ("name=anne", {ANNE}),
        ("name=exemple anne", {ANNE}),
        ("name:contains=pecimen", {SPECIMEN}),
        ("name:contains=exem,speci", {ANNE, SPECIMEN}),
        ("name:contains=exem&name:contains=ann", {ANNE}),
        ("name:contains=exem&name:contains=lo", set()),
        ("name=---", set()),
        ("identifier=99900000011", {ANNE}),
        ("identifier=899900000011", {ANNE}),
        ("identifier=https://rpps.esante.gouv.fr|99900000011", {ANNE}),
        ("identifier=http://rpps.fr|99900000011", {ANNE}),
        ("identifier=urn:oid:1.2.250.1.71.4.2.1|899900000011", {ANNE}),
        ("identifier=urn:oid:1.2.250.1.71.4.2.1|99900000011", set()),
        ("identifier=https://rpps.esante.gouv.fr|", {ANNE, SPECIMEN}),
        ("identifier=|99900000011", set()),
        ("identifier=urn:nobody|99900000011", set()),
        ("identifier-type=RPPS", {ANNE, SPECIMEN}),
        ("identifier-type=IDNPS", {ANNE, SPECIMEN, ZOE}),
        ("identifier-type=FINEG", set()),
        (f"mailbox-mss={MEDECIN}", {ANNE}),
        ("mailbox-mss=anne", {ANNE}),
        ("mailbox-mss:contains=%40medecin.mssante.fr", {ANNE}),
        ("mailbox-mss:contains=MEDECIN", {ANNE}),
        (f"mailbox-mss:exact={MEDECIN}", {ANNE}),
        (f"mailbox-mss:exact={MEDECIN.upper()}", set()),
        ("mailbox-mss:exact=anne", set()),
        (f"mailbox-mss={CH}", set()),
        (f"mailbox-mss={LOIC}", {SPECIMEN}),
        ("mailbox-mss-type=PER", {ANNE, SPECIMEN}),
        (f"mailbox-mss-type={R257}|PER", {ANNE, SPECIMEN}),
        (f"mailbox-mss-type={R256}|PER", {ANNE, SPECIMEN}),
        ("mailbox-mss-type=ORG", set()),
        ("mailbox-mss-type=urn:x|PER", set()),
        ("qualification-code=10", {ANNE}),
        ("qualification-code=SM54", {ANNE}),
        ("qualification-code=DE09", {ANNE}),
        (f"qualification-code={NOS}/TRE_G15-ProfessionSante/FHIR/TRE-G15-ProfessionSante|60", {SPECIMEN}),
        (f"qualification-code={NOS}/TRE_G15-ProfessionSante/FHIR/TRE-G15-ProfessionSante|SM54", set()),
        ("_lastUpdated=ge2023-11-15", {SPECIMEN}),
        ("_lastUpdated=2023-11-14", {ANNE}),
        ("_lastUpdated=2023", {ANNE, SPECIMEN}),
        ("_lastUpdated=ne2023-11-14", {SPECIMEN, ZOE}),
        ("_lastUpdated=lt2023", {ZOE}),
        ("_lastUpdated=gt2023-11-14T22:13:19Z", {ANNE, SPECIMEN}),
        ("_lastUpdated=le2023-11-14T23:13:20%2B01:00", {ANNE, ZOE}),
        ("_lastUpdated=ge2023-11-14&_lastUpdated=lt2023-11-15", {ANNE}),
        ("_lastUpdated=ap2023-11-15", {ANNE, SPECIMEN}),
        ("family=", {ANNE, SPECIMEN, ZOE}),
    ],
)  # fmt: skip
async def test_practitioners_are_found_by(client: httpx2.AsyncClient, query: str, expected: set[str]) -> None:
    assert await ids(client, f"Practitioner?{query}") == expected


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", {AT_HOSPITAL, AT_CABINET, ALONE}),
        ("identifier=00000000000000a1", {AT_HOSPITAL}),
        (f"practitioner={ANNE}", {AT_HOSPITAL, AT_CABINET}),
        (f"practitioner=Practitioner/{ANNE}", {AT_HOSPITAL, AT_CABINET}),
        (f"practitioner={BASE}/Practitioner/{ANNE}", {AT_HOSPITAL, AT_CABINET}),
        (f"practitioner:Practitioner={ANNE}", {AT_HOSPITAL, AT_CABINET}),
        (f"practitioner=Organization/{ANNE}", set()),
        (f"organization={HOSPITAL}", {AT_HOSPITAL}),
        (f"organization={HOSPITAL},{CABINET}", {AT_HOSPITAL, AT_CABINET}),
        ("practitioner.identifier=http://rpps.fr|99900000011", {AT_HOSPITAL, AT_CABINET}),
        ("practitioner.identifier=99900000011", {AT_HOSPITAL, AT_CABINET}),
        ("practitioner.identifier=899900000011", {AT_HOSPITAL, AT_CABINET}),
        ("organization.identifier=http://finess.sante.gouv.fr|990780017", {AT_HOSPITAL}),
        ("organization.identifier=urn:oid:1.2.250.1.71.4.2.2|1990780017", {AT_HOSPITAL}),
        ("organization.identifier=https://finess.esante.gouv.fr|1990780017", set()),
        ("mailbox-mss:contains=ch-des-essais", {AT_HOSPITAL}),
        (f"mailbox-mss={MEDECIN}", set()),
        ("mailbox-mss-type=PER", {AT_HOSPITAL}),
        ("role=S", {AT_HOSPITAL}),
        (f"role={NOS}/TRE_R23-ModeExercice/FHIR/TRE-R23-ModeExercice|L", {AT_CABINET, ALONE}),
        (f"role={NOS}/TRE_R21-Fonction/FHIR/TRE-R21-Fonction|FON-AU", {AT_HOSPITAL}),
        (f"role={NOS}/TRE_R21-Fonction/FHIR/TRE-R21-Fonction|L", set()),
        (f"role={NOS}/TRE_R21-Fonction/FHIR/TRE-R21-Fonction|FON-AU,L", {AT_HOSPITAL, AT_CABINET, ALONE}),
    ],
)  # fmt: skip
async def test_roles_are_found_by(client: httpx2.AsyncClient, query: str, expected: set[str]) -> None:
    assert await ids(client, f"PractitionerRole?{query}") == expected


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", {HOSPITAL, CABINET}),
        ("name=ch des", {HOSPITAL}),
        ("name=hopital", {HOSPITAL}),
        ("name:contains=exemple,essais", {HOSPITAL, CABINET}),
        ("name:exact=HÔPITAL D'ESSAI", {HOSPITAL}),
        ("name:exact=HOPITAL D'ESSAI", set()),
        ("address=75015", {HOSPITAL}),
        ("address:contains=essais", {HOSPITAL}),
        ("address-city=paris", {HOSPITAL}),
        ("address-postalcode=75", {HOSPITAL}),
        ("address-line:contains=essais", {HOSPITAL}),
        ("identifier=990780017", {HOSPITAL}),
        ("identifier=http://finess.sante.gouv.fr|990780017", {HOSPITAL}),
        ("identifier=http://sirene.fr|990780017", set()),
        ("identifier=urn:oid:1.2.250.1.71.4.2.2|1990780017", {HOSPITAL}),
        ("identifier=https://rppsrang.esante.gouv.fr|R99900001", {CABINET}),
        ("identifier=http://sirene.fr|1,990780017", {HOSPITAL}),
        ("identifier=https://finess.esante.gouv.fr|", {HOSPITAL}),
        ("identifier-type=FINEG", {HOSPITAL}),
        ("identifier-type=INTRN", {HOSPITAL, CABINET}),
        ("type=SA01", {HOSPITAL}),
        (f"type={NOS}/TRE_R02-SecteurActivite/FHIR/TRE-R02-SecteurActivite|SA01", {HOSPITAL}),
        ("type=SA05", set()),
        ("mailbox-mss:contains=%40", {HOSPITAL}),
        (f"mailbox-mss={CARDIO}", {HOSPITAL}),
        (f"mailbox-mss={CH}", set()),
        ("mailbox-mss-type=APP", {HOSPITAL}),
        ("mailbox-mss-type=PER", set()),
    ],
)  # fmt: skip
async def test_organizations_are_found_by(client: httpx2.AsyncClient, query: str, expected: set[str]) -> None:
    assert await ids(client, f"Organization?{query}") == expected


async def test_a_search_may_be_posted(client: httpx2.AsyncClient) -> None:
    answer = await client.post("/Practitioner/_search?active=true", data={"family": "exemple"})
    assert found(answer.json()) == [ANNE]
    links = {link["relation"]: link["url"] for link in answer.json()["link"]}
    assert links["self"] == f"{BASE}/Practitioner?active=true&family=exemple"


async def test_one_search_goes_over_several_types(client: httpx2.AsyncClient) -> None:
    answer = await client.get("?_type=Practitioner,PractitionerRole&mailbox-mss:contains=anne")
    assert found(answer.json()) == [ANNE, AT_HOSPITAL]
    assert found((await client.post("/_search", data={"_type": "Organization"})).json()) == [
        HOSPITAL,
        CABINET,
    ]
    assert refusal(await client.get(""), 400) == "required"
    assert refusal(await client.get("?_type=Patient"), 400) == "not-supported"
    assert refusal(await client.get("?_type=Practitioner,Organization&family=x"), 400) == "not-supported"


async def test_what_the_extracts_do_not_hold_matches_nothing_and_is_told(client: httpx2.AsyncClient) -> None:
    bundle = (await client.get("/Practitioner?number-smartcard=1")).json()
    assert found(bundle) == []
    assert "number-smartcard" in bundle["entry"][0]["resource"]["issue"][0]["details"]["text"]


async def test_a_parameter_without_a_value_is_left_out_and_told(client: httpx2.AsyncClient) -> None:
    bundle = (await client.get("/Practitioner?identifier=&family=exemple")).json()
    assert found(bundle) == [ANNE]
    assert bundle["entry"][0]["search"]["mode"] == "outcome"
    assert "identifier" in bundle["entry"][0]["resource"]["issue"][0]["details"]["text"]


async def test_an_unknown_parameter_is_refused_unless_leniency_is_asked_for(
    client: httpx2.AsyncClient,
) -> None:
    assert refusal(await client.get("/Practitioner?colour=red"), 400) == "not-supported"
    strict = await client.get("/Practitioner?colour=red", headers={"Prefer": "handling=strict"})
    assert refusal(strict, 400) == "not-supported"
    lenient = await client.get(
        "/Practitioner?colour=red&family=exemple", headers={"Prefer": "return=minimal; handling=lenient"}
    )
    bundle = lenient.json()
    assert found(bundle) == [ANNE]
    assert bundle["entry"][0]["search"]["mode"] == "outcome"
    assert "colour" in bundle["entry"][0]["resource"]["issue"][0]["details"]["text"]
    assert "colour" not in bundle["link"][0]["url"]


@pytest.mark.parametrize(
    "query",
    [
        "family:missing=true",
        "identifier:not=1",
        "mailbox-mss:text=x",
        "_count:x=1",
        "_lastUpdated=yesterday",
        "_lastUpdated=2023-13",
        "_lastUpdated=2023-01-01T10",
        "_count=-1",
        "_count=1.5",
        "_count=many",
        "_summary=all",
        "_total=some",
        "identifier=a|b|c",
        "_include=Practitioner:organization",
        "_elements=name;drop",
        "family=%FF",
        "family=a%00b",
        "&".join(["family=a"] * 1000),
        "&".join(["family=a"] * 51),
        "family=" + ",".join(["a"] * 300),
        "family=" + "a" * 5000,
    ],
)  # fmt: skip
async def test_a_malformed_search_is_refused(client: httpx2.AsyncClient, query: str) -> None:
    refusal(await client.get(f"/Practitioner?{query}"), 400)


@pytest.mark.parametrize(
    "text",
    [
        "' OR 1=1 --",
        "%25",
        "_",
        "*",
        "(zq%2B)%2B$",
        '"; DROP TABLE x; "',
        "\\",
        "a\\,b",
        "%F0%9F%98%80",
        "NEAR(a b)",
    ],
)
async def test_texts_that_mean_something_elsewhere_are_only_texts(
    client: httpx2.AsyncClient, text: str
) -> None:
    for name in ("family", "family:contains", "family:exact", "mailbox-mss", "mailbox-mss:contains", "_text"):
        assert await ids(client, f"Practitioner?{name}={text}") == set()


async def test_a_comma_behind_a_backslash_is_part_of_the_value(client: httpx2.AsyncClient) -> None:
    assert await ids(client, "Practitioner?family=zz,exemple") == {ANNE}
    assert await ids(client, "Practitioner?family=zz\\,exemple") == set()


async def test_free_words_are_looked_for_everywhere(client: httpx2.AsyncClient) -> None:
    assert await ids(client, "Practitioner?_text=exemple anne") == {ANNE}
    assert await ids(client, "Practitioner?_text=zoe") == {ZOE}


async def test_one_typing_error_in_free_words_is_forgiven_page_by_page(client: httpx2.AsyncClient) -> None:
    assert await ids(client, "Practitioner?_text=exmeple anne") == {ANNE}
    assert (await client.get("/Practitioner?_text=exmeple&_summary=count")).json()["total"] == 1
    first = (await client.get("/Practitioner?_text=exmeple,specimne&_count=1")).json()
    (following,) = [link["url"] for link in first["link"] if link["relation"] == "next"]
    second = (await client.get(following)).json()
    assert found(first) + found(second) == [ANNE, SPECIMEN]
    assert [link["relation"] for link in second["link"]] == ["self"]


async def test_a_huge_count_is_brought_down_and_none_counts(client: httpx2.AsyncClient) -> None:
    assert len(found((await client.get(f"/Practitioner?_count={10**30}")).json())) == 3
    bundle = (await client.get("/Practitioner?_count=0")).json()
    assert bundle["total"] == 3
    assert "entry" not in bundle


async def test_counts_and_totals(client: httpx2.AsyncClient) -> None:
    bundle = valid((await client.get("/Practitioner?family=exemple&_summary=count")).json())
    assert bundle["total"] == 1
    assert "entry" not in bundle
    assert "total" not in (await client.get("/Practitioner?_count=1")).json()
    assert (await client.get("/Practitioner?_count=1&_total=accurate")).json()["total"] == 3
    assert (await client.get("/Practitioner?_count=1&_total=estimate")).json()["total"] == 3
    assert (await client.get("/Practitioner?family=nobody")).json()["total"] == 0
    assert "total" not in (await client.get("/Practitioner?_total=none")).json()
    both = await client.get("?_type=Practitioner,Organization&_total=accurate&_count=2")
    assert both.json()["total"] == 5


async def test_what_matches_refer_to_is_included(client: httpx2.AsyncClient) -> None:
    bundle = (await client.get("/PractitionerRole?_include=*")).json()
    assert found(bundle) == [AT_HOSPITAL, AT_CABINET, ALONE]
    assert set(found(bundle, "include")) == {ANNE, SPECIMEN, HOSPITAL, CABINET}
    bundle = (
        await client.get("/PractitionerRole?_include=PractitionerRole:organization:Organization")
    ).json()
    assert set(found(bundle, "include")) == {HOSPITAL, CABINET}
    bundle = (await client.get(f"/Practitioner?_id={ANNE}&_revinclude=PractitionerRole:practitioner")).json()
    assert set(found(bundle, "include")) == {AT_HOSPITAL, AT_CABINET}
    bundle = (await client.get("/Organization?_revinclude=PractitionerRole:organization")).json()
    assert set(found(bundle, "include")) == {AT_HOSPITAL, AT_CABINET}
    bundle = (
        await client.get("/Organization?_revinclude=Device:organization&_include=Organization:partof")
    ).json()
    assert found(bundle, "include") == []


async def test_an_inclusion_that_also_matches_is_told_once(client: httpx2.AsyncClient) -> None:
    bundle = (await client.get("?_type=Practitioner,PractitionerRole&_include=*&active=true")).json()
    everything = found(bundle) + found(bundle, "include")
    assert len(everything) == len(set(everything))


async def test_elements_are_left_out_and_the_rest_is_marked(client: httpx2.AsyncClient) -> None:
    bundle = (await client.get(f"/Practitioner?mailbox-mss={MEDECIN}&_elements=identifier,telecom")).json()
    assert found(bundle) == [ANNE]
    resource = bundle["entry"][0]["resource"]
    assert resource.keys() == {"resourceType", "id", "meta", "language", "identifier", "telecom"}
    assert resource["meta"]["tag"][0]["code"] == "SUBSETTED"
    summary = (await client.get(f"/Practitioner?_id={ANNE}&_summary=true")).json()["entry"][0]["resource"]
    assert "qualification" not in summary
    assert "name" in summary
    text = (await client.get(f"/Practitioner?_id={ANNE}&_summary=text")).json()["entry"][0]["resource"]
    assert text.keys() == {"resourceType", "id", "meta", "language"}
    data = (await client.get(f"/Practitioner?_id={ANNE}&_summary=data")).json()["entry"][0]["resource"]
    assert "tag" not in data["meta"]


async def test_a_red_listed_box_is_found_by_nobody(publishing: Place, database: Database) -> None:
    (robot,) = (box for box in publishing.annuaire.base.boxes if box.address == ROBOT)
    searches = (f"mailbox-mss={ROBOT}", "mailbox-mss-type=APP", "mailbox-mss:contains=labo")
    async with publishing.client() as client:
        for query in searches:
            assert await ids(client, f"Organization?{query}") == {HOSPITAL}
        assert ROBOT in (await client.get(f"/Organization/{HOSPITAL}")).text
        await database.write(lambda uow: publish(uow, robot, Standing.RED_LIST, WRITTEN_AT))
        for query in searches:
            assert await ids(client, f"Organization?{query}") == set()
        for path in (f"Organization/{HOSPITAL}", "Organization", "Practitioner", "PractitionerRole"):
            assert ROBOT not in (await client.get(f"/{path}")).text
