"""Which requests follow from what a box is and what the directory is known to have."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from directory.bals import Bal, BalState, BalType
from directory.listing import Listing
from directory.publication import (
    Entry,
    Incomplete,
    Publication,
    Step,
    done,
    entry_of,
    refused,
    sending,
    steps,
)

METADATA = "https://interop.esante.gouv.fr/ig/fhir/annuaire/StructureDefinition/as-ext-mailbox-mss-metadata"
RPPS = "899900000011"
FINESS = "1990780017"
ADDRESS = "anne.exemple@ch-des-essais.mssante.fr"


def box(type: BalType = BalType.PER, idnat: str | None = RPPS, **values: Any) -> Bal:
    fields = {"state": BalState.ACTIVE, "password_hash": None, "red_list": False, "created_at": 0, **values}
    return Bal(owner_id=1, address=ADDRESS, type=type, name="Anne EXEMPLE", idnat=idnat, **fields)


def wanted(listing: Listing | None = None, **values: Any) -> Entry:
    found = entry_of(box(**values), listing or Listing())
    assert found is not None
    return found


def service(**values: Any) -> Entry:
    return wanted(Listing(**values), type=BalType.ORG, idnat=FINESS)


def parts(step: Step) -> dict[str, Any]:
    """The parts of the only operation, each with its value."""
    (operation,) = json.loads(step.patch.body)["parameter"]
    return {
        part["name"]: next(value for name, value in part.items() if name != "name")
        for part in operation["part"]
    }


def spoken(found: list[Step]) -> list[tuple[str, str, str]]:
    return [(step.patch.resource, parts(step)["type"], parts(step)["path"]) for step in found]


@pytest.mark.parametrize(
    ("values", "listing", "resource", "query"),
    [
        ({}, Listing(), "Practitioner", [("identifier", "https://rpps.esante.gouv.fr|99900000011")]),
        (
            {},
            Listing(structure=FINESS),
            "PractitionerRole",
            [
                ("practitioner.identifier", "https://rpps.esante.gouv.fr|99900000011"),
                ("organization.identifier", "http://finess.sante.gouv.fr|990780017"),
            ],
        ),
        (
            {"idnat": "0991234567"},
            Listing(),
            "Practitioner",
            [("identifier", "urn:oid:1.2.250.1.71.4.2.1|0991234567")],
        ),
        (
            {"type": BalType.ORG, "idnat": FINESS},
            Listing(),
            "Organization",
            [("identifier", f"urn:oid:1.2.250.1.71.4.2.2|{FINESS}")],
        ),
        (
            {"type": BalType.APP, "idnat": "339178000100015"},
            Listing(),
            "Organization",
            [("identifier", "urn:oid:1.2.250.1.71.4.2.2|339178000100015")],
        ),
        (
            {"type": BalType.CAB},
            Listing(),
            "Practitioner",
            [("identifier", "https://rpps.esante.gouv.fr|99900000011")],
        ),
    ],
)
def test_a_box_is_looked_for_by_the_identifiers_of_its_bearer(
    values: dict[str, Any], listing: Listing, resource: str, query: list[tuple[str, str]]
) -> None:
    found = wanted(listing, **values)
    assert (found.resource, list(found.query)) == (resource, query)


@pytest.mark.parametrize(
    ("type", "idnat"),
    [
        (BalType.PER, None),
        (BalType.PER, FINESS),
        (BalType.ORG, None),
        (BalType.ORG, RPPS),
        (BalType.CAB, None),
    ],
)
def test_a_box_without_its_identifier_is_incomplete(type: BalType, idnat: str | None) -> None:
    with pytest.raises(Incomplete, match="idnat"):
        entry_of(box(type, idnat), Listing())


@pytest.mark.parametrize("state", [BalState.SUSPENDED, BalState.CLOSED])
def test_a_box_that_is_not_in_service_is_not_in_the_directory(state: BalState) -> None:
    entry = wanted()
    assert entry_of(box(state=state), Listing()) is None
    (step,) = steps(Publication(1, published=entry), None)
    assert spoken([step]) == [("Practitioner", "delete", f"Practitioner.telecom.where(value = '{ADDRESS}')")]
    assert done(Publication(1, published=entry), step) == Publication(1)


def test_a_new_box_is_inserted_with_all_it_says() -> None:
    entry = service(service="Admissions", description="Imagerie", responsible="Chef de service", rank=1)
    (step,) = steps(Publication(1), entry)
    said = parts(step)
    assert (said["type"], said["path"], said["index"]) == ("insert", "Organization.telecom", 0)
    point = said["value"]
    assert (point["system"], point["value"], point["rank"]) == ("email", ADDRESS, 1)
    kind, metadata = point["extension"]
    assert kind["valueCoding"]["code"] == "MSSANTE"
    assert metadata["url"] == METADATA
    (type_, *others) = metadata["extension"]
    assert type_["valueCodeableConcept"]["coding"][0]["code"] == "ORG"
    assert others == [
        {"url": "listeRouge", "valueBoolean": False},
        {"url": "description", "valueString": "Imagerie"},
        {"url": "service", "valueString": "Admissions"},
        {"url": "responsible", "valueString": "Chef de service"},
    ]
    assert done(Publication(1), step).published == entry


def test_what_the_directory_has_is_not_sent_again() -> None:
    assert steps(Publication(1, published=wanted()), wanted()) == []
    assert steps(Publication(1), None) == []


@pytest.mark.parametrize(
    ("before", "after", "path", "value"),
    [
        (Listing(description="a"), Listing(description="b"), ".extension('description').value", "b"),
        (Listing(rank=2), Listing(rank=1), ".rank", 1),
        (Listing(service="a"), Listing(service="b"), ".extension('service').value", "b"),
    ],
)
def test_one_value_that_changes_is_replaced_alone(
    before: Listing, after: Listing, path: str, value: Any
) -> None:
    known, now = (wanted(each, type=BalType.ORG, idnat=FINESS) for each in (before, after))
    (step,) = steps(Publication(1, published=known), now)
    said = parts(step)
    assert said["type"] == "replace"
    assert said["path"].startswith(f"Organization.telecom.where(value = '{ADDRESS}')")
    assert said["path"].endswith(path)
    assert said["value"] == value


def test_the_red_list_is_one_attribute() -> None:
    (step,) = steps(Publication(1, published=wanted()), wanted(red_list=True))
    said = parts(step)
    assert said["path"].endswith(f".extension('{METADATA}').extension('listeRouge').value")
    assert said["value"] is True


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (Listing(), Listing(description="b")),
        (Listing(description="a"), Listing()),
        (Listing(description="a", service="a"), Listing(description="b", service="b")),
    ],
)
def test_a_value_that_comes_or_goes_and_several_at_once_replace_the_whole(
    before: Listing, after: Listing
) -> None:
    known, now = (wanted(each, type=BalType.ORG, idnat=FINESS) for each in (before, after))
    (step,) = steps(Publication(1, published=known), now)
    assert parts(step)["path"] == f"Organization.telecom.where(value = '{ADDRESS}')"
    assert parts(step)["value"]["value"] == ADDRESS


def test_a_box_that_moves_to_a_structure_leaves_its_place_before_it_takes_the_other() -> None:
    before, after = wanted(), wanted(Listing(structure=FINESS))
    row = Publication(1, published=before)
    found = steps(row, after)
    assert [(step.patch.resource, parts(step)["type"]) for step in found] == [
        ("Practitioner", "delete"),
        ("PractitionerRole", "insert"),
    ]
    row = done(row, found[0])
    assert row.published is None
    assert steps(row, after) == found[1:]


def test_what_was_sent_without_an_answer_is_put_right_whatever_became_of_it() -> None:
    first = Publication(1)
    (insert,) = steps(first, wanted())
    row = sending(first, insert)
    assert sending(row, insert) == row
    (step,) = steps(row, wanted(red_list=True))
    assert parts(step)["type"] == "replace"
    assert step.otherwise is not None
    assert b'"insert"' in step.otherwise.body
    assert done(row, step) == replace(first, published=wanted(red_list=True))


def test_what_may_have_arrived_elsewhere_is_taken_away_first() -> None:
    row = sending(Publication(1), steps(Publication(1), wanted())[0])
    found = steps(row, wanted(Listing(structure=FINESS)))
    assert [(parts(step)["type"], step.may_be_gone) for step in found] == [
        ("delete", True),
        ("insert", False),
    ]


def test_after_a_refusal_nothing_is_unsure() -> None:
    (insert,) = steps(Publication(1), wanted())
    assert refused(sending(Publication(1), insert), insert) == Publication(1)


def test_a_quote_in_an_address_does_not_end_the_literal() -> None:
    entry = replace(wanted(), address="o'neil@ch.mssante.fr")
    (step,) = steps(Publication(1, published=entry), None)
    assert parts(step)["path"] == r"Practitioner.telecom.where(value = 'o\'neil@ch.mssante.fr')"
