"""Boxes published, changed and taken away by PATCH: seen at once, by those who may, all or nothing."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from directory.annuaire.published import Standing, published
from directory.fhir.systems import MAILBOX
from foundation import trail
from tests.directory.fhir.place import (
    CARDIO,
    CH,
    KEY,
    LOIC,
    MEDECIN,
    OTHER_KEY,
    ROBOT,
    Place,
    found,
    refusal,
    valid,
)
from tests.directory.fhir.test_patch import body, operation, point, value
from tests.shared_data import shared

if TYPE_CHECKING:
    from collections.abc import Iterator

    import httpx2

    from foundation.database import Database

ANNE, HOSPITAL = "Practitioner/003-899900000011", "Organization/001-F990780017"
ROLE = "PractitionerRole/005-00000000000000a1"
NEW = "nouvelle.boite@medecin.mssante.fr"
TYPE = {"Content-Type": "application/fhir+json"}


def at(resource: str, address: str, attribute: str | None = None) -> str:
    path = f"{resource.partition('/')[0]}.telecom.where(value = '{address}')"
    if attribute in (None, "rank"):
        return path if attribute is None else f"{path}.rank"
    return f"{path}.extension('{MAILBOX}').extension('{attribute}').value"


def insert(resource: str, contact: dict[str, Any], index: int = 0) -> dict[str, Any]:
    path = f"{resource.partition('/')[0]}.telecom"
    return operation(
        "insert", path, {"name": "index", "valueInteger": index}, value(valueContactPoint=contact)
    )


async def patch(
    client: httpx2.AsyncClient, resource: str, *operations: dict[str, Any], **headers: str
) -> httpx2.Response:
    told = {name.replace("_", "-"): each for name, each in headers.items()}
    return await client.patch(f"/{resource}", content=json.dumps(body(*operations)), headers={**TYPE, **told})


def addresses(resource: dict[str, Any]) -> list[str]:
    return [each["value"] for each in resource.get("telecom", []) if each["system"] == "email"]


async def test_a_new_box_is_found_by_the_very_next_search(operator: httpx2.AsyncClient) -> None:
    answer = await patch(operator, ANNE, insert(ANNE, point(NEW, listeRouge=False, rank=2)))
    assert answer.status_code == 200, answer.text
    assert addresses(valid(answer.json())) == [MEDECIN, NEW]
    assert answer.headers["etag"] == (await operator.get(f"/{ANNE}")).headers["etag"]
    bundle = (await operator.get(f"/Practitioner?mailbox-mss={NEW}")).json()
    assert found(bundle) == ["003-899900000011"]
    assert bundle["entry"][0]["resource"] == answer.json()


async def test_a_box_of_each_type_hangs_on_its_resource(operator: httpx2.AsyncClient) -> None:
    for resource, kind in ((ANNE, "PER"), (ANNE, "CAB"), (ROLE, "PER"), (HOSPITAL, "ORG"), (HOSPITAL, "APP")):
        address = f"{kind}{resource[:13]}@medecin.mssante.fr".replace("/", "").lower()
        answer = await patch(operator, resource, insert(resource, point(address, kind)))
        assert answer.status_code == 200, answer.text
        assert address in addresses(answer.json())
    for resource, kind in ((ANNE, "ORG"), (ROLE, "CAB"), (ROLE, "APP"), (HOSPITAL, "PER"), (HOSPITAL, "CAB")):
        assert (
            refusal(await patch(operator, resource, insert(resource, point(NEW, kind))), 422)
            == "business-rule"
        )


async def test_a_box_of_the_national_extract_is_changed_over_it(
    operator: httpx2.AsyncClient, database: Database
) -> None:
    answer = await patch(
        operator,
        HOSPITAL,
        operation("replace", at(HOSPITAL, CARDIO, "description"), value(valueString="Secrétariat")),
    )
    (box,) = [each for each in answer.json()["telecom"] if each["value"] == CARDIO]
    assert {"url": "description", "valueString": "Secrétariat"} in box["extension"][1]["extension"]
    assert {"url": "service", "valueString": "CARDIOLOGIE"} in box["extension"][1]["extension"]
    row = await database.read(lambda connection: published(connection, CARDIO))
    assert row is not None
    assert row.mailbox.structure == "CH DES ESSAIS"


# ref: F35, F40
async def test_the_red_list_hides_at_once_and_lets_go_again(operator: httpx2.AsyncClient) -> None:
    red = at(ANNE, MEDECIN, "listeRouge")
    answer = await patch(operator, ANNE, operation("replace", red, value(valueBoolean=True)))
    assert addresses(answer.json()) == []
    assert found((await operator.get(f"/Practitioner?mailbox-mss={MEDECIN}")).json()) == []
    assert MEDECIN not in (await operator.get(f"/{ANNE}")).text
    again = await patch(operator, ANNE, operation("replace", red, value(valueBoolean=False)))
    assert addresses(again.json()) == [MEDECIN]
    assert again.json()["telecom"][0]["rank"] == 1


async def test_a_whole_replacement_does_not_show_what_is_hidden(operator: httpx2.AsyncClient) -> None:
    await patch(
        operator, ANNE, operation("replace", at(ANNE, MEDECIN, "listeRouge"), value(valueBoolean=True))
    )
    answer = await patch(
        operator,
        ANNE,
        operation("replace", at(ANNE, MEDECIN), value(valueContactPoint=point(MEDECIN, rank=3))),
    )
    assert answer.status_code == 200
    assert addresses(answer.json()) == []


async def test_what_a_whole_replacement_does_not_say_is_gone(operator: httpx2.AsyncClient) -> None:
    answer = await patch(
        operator,
        HOSPITAL,
        operation(
            "replace", at(HOSPITAL, ROBOT), value(valueContactPoint=point(ROBOT, "APP", service="LABO"))
        ),
    )
    (box,) = [each for each in answer.json()["telecom"] if each["value"] == ROBOT]
    assert "description" not in json.dumps(box)
    assert "LABO" in json.dumps(box)


async def test_a_deleted_box_is_gone_and_deleting_it_again_changes_nothing(
    operator: httpx2.AsyncClient,
) -> None:
    deletion = operation("delete", at(ANNE, MEDECIN))
    first = await patch(operator, ANNE, deletion)
    assert addresses(first.json()) == []
    again = await patch(operator, ANNE, deletion)
    assert (again.status_code, again.json()["meta"]) == (200, first.json()["meta"])
    assert found((await operator.get("/Practitioner?mailbox-mss:contains=medecin")).json()) == []
    back = await patch(operator, ANNE, insert(ANNE, point(MEDECIN)))
    assert addresses(back.json()) == [MEDECIN]


async def test_operations_are_done_in_their_order(operator: httpx2.AsyncClient) -> None:
    answer = await patch(
        operator,
        ANNE,
        operation("delete", at(ANNE, MEDECIN)),
        insert(ANNE, point(NEW)),
        operation("replace", at(ANNE, NEW, "rank"), value(valueInteger=7)),
        insert(ANNE, point("autre.boite@medecin.mssante.fr", rank=1), index=1),
    )
    assert [(each["value"], each["rank"]) for each in answer.json()["telecom"]] == [
        ("autre.boite@medecin.mssante.fr", 1),
        (NEW, 7),
    ]


async def test_all_operations_are_done_or_none(operator: httpx2.AsyncClient, database: Database) -> None:
    before = (await operator.get(f"/{ANNE}")).json()
    answer = await patch(
        operator,
        ANNE,
        operation("delete", at(ANNE, MEDECIN)),
        insert(ANNE, point(NEW)),
        operation("replace", at(ANNE, "absente@medecin.mssante.fr", "rank"), value(valueInteger=7)),
    )
    assert refusal(answer, 404) == "not-found"
    assert answer.json()["issue"][0]["expression"] == ["Parameters.parameter[2]"]
    assert (await operator.get(f"/{ANNE}")).json() == before
    assert await database.read(lambda connection: list(trail.rows(connection))) == []


async def test_an_index_behind_the_end_is_refused(operator: httpx2.AsyncClient) -> None:
    assert refusal(await patch(operator, ANNE, insert(ANNE, point(NEW), index=2)), 400) == "value"
    assert (await patch(operator, ANNE, insert(ANNE, point(NEW), index=1))).status_code == 200


@pytest.mark.parametrize(
    ("resource", "address", "kind"),
    [(ANNE, MEDECIN, "PER"), (ANNE, CH, "PER"), (HOSPITAL, CH, "ORG"), (ROLE, MEDECIN, "PER")],
)
async def test_an_address_is_one_boxes(
    operator: httpx2.AsyncClient, resource: str, address: str, kind: str
) -> None:
    assert (
        refusal(await patch(operator, resource, insert(resource, point(address, kind))), 409) == "duplicate"
    )


async def test_an_address_never_becomes_another_persons(publishing: Place) -> None:
    async with publishing.client() as operator:
        await patch(operator, ANNE, operation("delete", at(ANNE, MEDECIN)))
        loic = "Practitioner/003-899900000029"
        assert refusal(await patch(operator, loic, insert(loic, point(MEDECIN))), 409) == "conflict"


async def test_a_hidden_address_is_taken_too(operator: httpx2.AsyncClient) -> None:
    await patch(operator, ANNE, insert(ANNE, point(NEW, listeRouge=True)))
    loic = "Practitioner/003-899900000029"
    assert refusal(await patch(operator, loic, insert(loic, point(NEW))), 409) == "duplicate"
    again = await patch(operator, ANNE, insert(ANNE, point(NEW, listeRouge=True)))
    assert (again.status_code, addresses(again.json())) == (200, [MEDECIN])


@pytest.mark.parametrize(
    ("resource", "address", "attribute", "told"),
    [
        (ANNE, MEDECIN, "description", {"valueString": "x"}),
        (ANNE, MEDECIN, "service", {"valueString": "x"}),
        (ANNE, MEDECIN, "responsible", {"valueString": "x"}),
        (ROLE, CH, "phone", {"valueString": "0100000000"}),
    ],
)
async def test_a_persons_box_says_little(
    operator: httpx2.AsyncClient, resource: str, address: str, attribute: str, told: dict[str, Any]
) -> None:
    change = operation("replace", at(resource, address, attribute), value(**told))
    assert refusal(await patch(operator, resource, change), 422) == "business-rule"


async def test_what_is_not_public_is_kept_and_not_told(
    operator: httpx2.AsyncClient, database: Database
) -> None:
    contact = point(
        "cab@medecin.mssante.fr", "CAB", description="Cabinet", responsible="Mme TUTELLE", digitization=True
    )
    answer = await patch(operator, ANNE, insert(ANNE, contact))
    assert "TUTELLE" not in answer.text
    row = await database.read(lambda connection: published(connection, "cab@medecin.mssante.fr"))
    assert row is not None
    assert (row.mailbox.responsible, row.mailbox.digital, row.mailbox.description) == (
        "Mme TUTELLE",
        True,
        "Cabinet",
    )


async def test_a_person_needs_an_rpps_and_a_structure_a_national_identifier(
    operator: httpx2.AsyncClient,
) -> None:
    zoe, cabinet = "Practitioner/003-3990780017.2F4711", "Organization/001-R99900001"
    assert refusal(await patch(operator, zoe, insert(zoe, point(NEW))), 422) == "business-rule"
    assert refusal(await patch(operator, cabinet, insert(cabinet, point(NEW, "ORG"))), 422) == "business-rule"


async def test_the_type_of_a_box_never_changes(operator: httpx2.AsyncClient) -> None:
    whole = operation("replace", at(ANNE, MEDECIN), value(valueContactPoint=point(MEDECIN, "CAB")))
    assert refusal(await patch(operator, ANNE, whole), 422) == "business-rule"
    other = operation("replace", at(ANNE, MEDECIN), value(valueContactPoint=point(NEW)))
    assert refusal(await patch(operator, ANNE, other), 422) == "business-rule"
    await patch(operator, ANNE, operation("delete", at(ANNE, MEDECIN)))
    assert refusal(await patch(operator, ANNE, insert(ANNE, point(MEDECIN, "CAB"))), 422) == "business-rule"


async def test_another_operators_box_stays_as_it_is(publishing: Place) -> None:
    async with publishing.client(OTHER_KEY) as other, publishing.client() as operator:
        for change in (
            operation("delete", at(ANNE, MEDECIN)),
            operation("replace", at(ANNE, MEDECIN, "listeRouge"), value(valueBoolean=True)),
            operation("replace", at(ANNE, MEDECIN), value(valueContactPoint=point(MEDECIN))),
            insert(ANNE, point(NEW)),
        ):
            assert refusal(await patch(other, ANNE, change), 403) == "forbidden"
        foreign = "a.b@autre.mssante.fr"
        assert (await patch(other, ANNE, insert(ANNE, point(foreign)))).status_code == 200
        assert (
            refusal(await patch(operator, ANNE, operation("delete", at(ANNE, foreign))), 403) == "forbidden"
        )
        assert refusal(await patch(operator, ANNE, operation("delete", at(ANNE, LOIC))), 403) == "forbidden"
    async with publishing.client(None) as nobody:
        assert refusal(await patch(nobody, ANNE, operation("delete", at(ANNE, MEDECIN))), 401) == "login"


async def test_a_patch_of_a_version_that_is_past_is_refused(operator: httpx2.AsyncClient) -> None:
    etag = (await operator.get(f"/{ANNE}")).headers["etag"]
    rank = operation("replace", at(ANNE, MEDECIN, "rank"), value(valueInteger=5))
    answer = await patch(operator, ANNE, rank, If_Match=etag)
    assert answer.status_code == 200
    assert answer.headers["etag"] != etag
    assert refusal(await patch(operator, ANNE, rank, If_Match=etag), 412) == "conflict"
    assert (await patch(operator, ANNE, rank, If_Match=answer.headers["etag"])).status_code == 200


async def test_a_resource_is_named_by_its_identifiers(operator: httpx2.AsyncClient) -> None:
    rank = operation("replace", at(ANNE, MEDECIN, "rank"), value(valueInteger=5))
    for named in (
        "https://rpps.esante.gouv.fr|99900000011",
        "http://rpps.fr|99900000011",
        "urn:oid:1.2.250.1.71.4.2.1|899900000011",
    ):
        assert (await patch(operator, f"Practitioner?identifier={named}", rank)).status_code == 200
    drop = operation("delete", at(HOSPITAL, ROBOT))
    for named in ("http://finess.sante.gouv.fr|990780017", "urn:oid:1.2.250.1.71.4.2.2|1990780017"):
        assert (await patch(operator, f"Organization?identifier={named}", drop)).status_code == 200
    role = operation("replace", at(ROLE, CH, "rank"), value(valueInteger=5))
    both = "practitioner.identifier=http://rpps.fr|99900000011&organization.identifier=http://finess.sante.gouv.fr|990780017"
    assert (await patch(operator, f"PractitionerRole?{both}", role)).status_code == 200
    alone = "PractitionerRole?identifier=https://rpps.esante.gouv.fr|00000000000000a1"
    assert (await patch(operator, alone, role)).status_code == 200


async def test_identifiers_name_one_resource_or_none_is_patched(operator: httpx2.AsyncClient) -> None:
    drop = operation("delete", at(ANNE, MEDECIN))
    unknown = await patch(operator, "Practitioner?identifier=https://rpps.esante.gouv.fr|99900000099", drop)
    assert refusal(unknown, 404) == "not-found"
    role = operation("delete", at(ROLE, CH))
    several = await patch(
        operator, "PractitionerRole?practitioner.identifier=http://rpps.fr|99900000011", role
    )
    assert refusal(several, 412) == "multiple-matches"
    for wrong in ("", "?identifier=99900000011", "?family=exemple", "?identifier=a|b,c|d", "?active=true"):
        refusal(await patch(operator, f"Practitioner{wrong}", drop), 400)
    assert refusal(await patch(operator, f"{ANNE}?identifier=http://rpps.fr|99900000011", drop), 400)


@pytest.mark.parametrize(
    ("content", "kind", "status"),
    [
        ("{}", "application/fhir+json", 400),
        ("", "application/fhir+json", 400),
        ("nothing", "application/fhir+json", 400),
        ("[]", "application/fhir+json", 400),
        ('{"resourceType": "Parameters", "resourceType": "Parameters"}', "application/fhir+json", 400),
        ('{"resourceType": NaN}', "application/fhir+json", 400),
        ('{"a":' + "[" * 3000 + "]" * 3000 + "}", "application/fhir+json", 400),
        ("[" * 30_000, "application/fhir+json", 400),
        ('{"a":' + "9" * 5000 + "}", "application/fhir+json", 400),
        ('{"resourceType": "\\ud800"}', "application/fhir+json", 400),
        (" " * 70_000, "application/fhir+json", 413),
        ("[]", "application/json-patch+json", 415),
        ("<Parameters/>", "application/fhir+xml", 415),
        ("{}", "application/fhir+json; charset=latin-1", 415),
        ("{}", "", 415),
    ],
    ids=range(15),
)
async def test_a_body_that_is_no_patch_is_refused(
    operator: httpx2.AsyncClient, content: str, kind: str, status: int
) -> None:
    answer = await operator.patch(f"/{ANNE}", content=content, headers={"Content-Type": kind})
    refusal(answer, status)


async def test_a_patch_without_a_body_is_refused(operator: httpx2.AsyncClient) -> None:
    assert refusal(await operator.patch(f"/{ANNE}"), 400) == "required"


async def test_each_change_leaves_a_row_in_the_trail_without_a_name(
    operator: httpx2.AsyncClient, database: Database
) -> None:
    await patch(operator, ANNE, insert(ANNE, point(NEW)), operation("delete", at(ANNE, MEDECIN)))
    await patch(operator, ANNE, operation("replace", at(ANNE, NEW, "listeRouge"), value(valueBoolean=True)))
    rows = await database.read(lambda connection: list(trail.rows(connection)))
    assert sorted((row.action, row.outcome) for row in rows) == [
        ("directory.mailbox.changed", "red_list"),
        ("directory.mailbox.created", "shown"),
        ("directory.mailbox.removed", "removed"),
    ]
    assert {row.actor for row in rows} == {"api:demo"}
    told = repr(rows)
    assert "mssante" not in told
    assert "999000" not in told
    assert KEY not in told


async def test_a_box_that_was_suspended_may_be_published_anew(
    operator: httpx2.AsyncClient, database: Database, publishing: Place
) -> None:
    from directory.annuaire.published import set_standing

    await patch(operator, ANNE, insert(ANNE, point(NEW)))
    await database.write(lambda uow: set_standing(uow, NEW, Standing.SUSPENDED, 1))
    assert (await patch(operator, ANNE, operation("delete", at(ANNE, NEW)))).status_code == 200
    answer = await patch(operator, ANNE, insert(ANNE, point(NEW)))
    assert NEW in addresses(answer.json())


# The examples of the published specification


def examples() -> Iterator[tuple[str, str, dict[str, Any]]]:
    path = shared("directory", "openapi-balmss.yaml")
    for place, methods in yaml.safe_load(path.read_text(encoding="utf-8"))["paths"].items():
        if "patch" in methods:
            content = methods["patch"]["requestBody"]["content"]["application/fhir+json"]
            for name, example in content["examples"].items():
                yield place, name, example["value"]


# ref: F36
async def test_every_example_of_the_specification_is_done(operator: httpx2.AsyncClient) -> None:
    named = {
        "/Practitioner/{id}": ANNE,
        "/PractitionerRole/{id}": ROLE,
        "/Organization/{id}": HOSPITAL,
        "/Practitioner": "Practitioner?identifier=https://rpps.esante.gouv.fr|99900000011",
        "/PractitionerRole": "PractitionerRole?practitioner.identifier=urn:oid:1.2.250.1.71.4.2.1|899900000011&organization.identifier=http://finess.sante.gouv.fr|990780017",
        "/Organization": "Organization?identifier=http://finess.sante.gouv.fr|990780017",
    }
    done = 0
    for number, (place, name, example) in enumerate(examples()):
        resource = named[place]
        known = "structure@domain.mssante.fr" if "Organization" in place else "prenom.nom@domain.mssante.fr"
        address = f"e{number}@domain.mssante.fr"
        told = json.loads(json.dumps(example).replace(known, address))
        kind = "ORG" if "Organization" in place else "CAB" if "CAB" in name else "PER"
        if not name.startswith("insert"):
            made = await patch(
                operator, resource, insert(place.strip("/").partition("/")[0] + "/", point(address, kind))
            )
            assert made.status_code == 200, made.text
        answer = await operator.patch(f"/{resource}", content=json.dumps(told), headers=TYPE)
        assert answer.status_code == 200, (place, name, answer.text)
        hidden = name.startswith("delete") or '"valueBoolean": true' in json.dumps(told)
        assert (address in addresses(valid(answer.json()))) is not hidden, (place, name)
        done += 1
    assert done == 40


async def test_the_example_of_a_first_box_of_a_service_is_done(operator: httpx2.AsyncClient) -> None:
    example = shared("directory", "fhir-patch-insert-bal-org.json").read_text(encoding="utf-8")
    answer = await operator.patch(f"/{HOSPITAL}", content=example, headers=TYPE)
    assert answer.status_code == 200, answer.text
    assert "imagerie@ch-des-essais.mssante.fr" in addresses(answer.json())
