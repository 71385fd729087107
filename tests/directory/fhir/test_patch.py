"""The grammar of patches: which bodies and which paths are read, and why the others are not."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from directory.bals import BalType
from directory.fhir.patch import Attribute, Change, Delete, Insert, Point, Replace, operations_of
from directory.fhir.systems import MAILBOX, ResourceType
from foundation.fhir.outcome import Refused

ADDRESS = "a.b@medecin.mssante.fr"
HERE = f"Practitioner.telecom.where(value = '{ADDRESS}')"
META = f"{HERE}.extension('{MAILBOX}')"


def operation(kind: str, path: str, *parts: dict[str, Any]) -> dict[str, Any]:
    told = [{"name": "type", "valueCode": kind}, {"name": "path", "valueString": path}, *parts]
    return {"name": "operation", "part": told}


def body(*operations: dict[str, Any]) -> dict[str, Any]:
    return {"resourceType": "Parameters", "parameter": list(operations)}


def value(**told: Any) -> dict[str, Any]:
    return {"name": "value", **told}


def point(address: str = ADDRESS, kind: Any = "PER", **said: Any) -> dict[str, Any]:
    rank = {"rank": said.pop("rank")} if "rank" in said else {}
    extension = [{"url": "type", "valueCode": kind}] if kind is not None else []
    extension += [
        {"url": name, "valueBoolean" if isinstance(each, bool) else "valueString": each}
        for name, each in said.items()
    ]
    return {
        "system": "email",
        "value": address,
        **rank,
        "extension": [{"url": MAILBOX, "extension": extension}],
    }


def read(*operations: dict[str, Any]) -> list[Any]:
    return list(operations_of(body(*operations), ResourceType.PRACTITIONER))


def refused(parameters: Any, kind: ResourceType = ResourceType.PRACTITIONER) -> int:
    with pytest.raises(Refused) as error:
        operations_of(parameters, kind)
    return error.value.status


@pytest.mark.parametrize(
    ("path", "attribute"),
    [
        (f"{HERE}.rank", Attribute.RANK),
        (f"{META}.extension('listeRouge').value", Attribute.RED_LIST),
        (f"{META}.extension('listeRouge').valueBoolean", Attribute.RED_LIST),
        (f"{META}.extension('listeRouge')", Attribute.RED_LIST),
        (f"{HERE}.extension.where(url = '{MAILBOX}').extension.where(url='listeRouge').value", Attribute.RED_LIST),
        (f"  Practitioner . telecom.where( value='{ADDRESS}' ).rank ", Attribute.RANK),
        (f"Practitioner.telecom.where(system = 'email' and value = '{ADDRESS}').rank", Attribute.RANK),
        (f"Practitioner.telecom.where(value = '{ADDRESS.upper()}').rank", Attribute.RANK),
    ],
)  # fmt: skip
def test_paths_to_an_attribute_are_read(path: str, attribute: Attribute) -> None:
    assert read(operation("delete", path)) == [Change(ADDRESS, attribute, None)]


def test_each_operation_is_read() -> None:
    assert read(
        operation("insert", "Practitioner.telecom", {"name": "index", "valueInteger": 0}, value(valueContactPoint=point())),
        operation("replace", HERE, value(valueContactPoint=point(kind=None, listeRouge=True, rank=2))),
        operation("replace", f"{HERE}.rank", value(valueInteger=3)),
        operation("replace", f"{META}.extension('description').value", value(valueString=" Un texte ")),
        operation("replace", f"{META}.extension('listeRouge').value", value(valueBoolean=False)),
        operation("delete", HERE),
    ) == [
        Insert(Point(ADDRESS, BalType.PER, {}), 0),
        Replace(ADDRESS, Point(ADDRESS, None, {Attribute.RANK: 2, Attribute.RED_LIST: True})),
        Change(ADDRESS, Attribute.RANK, 3),
        Change(ADDRESS, Attribute.DESCRIPTION, "Un texte"),
        Change(ADDRESS, Attribute.RED_LIST, False),
        Delete(ADDRESS),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "told",
    [
        {"valueCode": "CAB"},
        {"valueCoding": {"system": "x", "code": "CAB"}},
        {"valueCodeableConcept": {"coding": [{"system": "x", "code": "CAB"}]}},
    ],
)
def test_a_type_is_read_in_each_form(told: dict[str, Any]) -> None:
    contact = {
        "system": "email",
        "value": ADDRESS,
        "extension": [{"url": MAILBOX, "extension": [{"url": "type", **told}]}],
    }
    (insert,) = read(
        operation(
            "insert",
            "Practitioner.telecom",
            {"name": "index", "valueInteger": 0},
            value(valueContactPoint=contact),
        )
    )
    assert insert.point.type is BalType.CAB


@pytest.mark.parametrize(
    "path",
    [
        "",
        "telecom",
        "Practitioner",
        "Organization.telecom",
        "Practitioner.telecom[0]",
        "Practitioner.telecom.first()",
        "Practitioner.telecom.where(value = 'a' or value = 'b')",
        f"Practitioner.telecom.where(value != '{ADDRESS}')",
        f'Practitioner.telecom.where(value = "{ADDRESS}")',
        f"Practitioner.telecom.where(value = '{ADDRESS}'",
        f"Practitioner.telecom.where(value = '{ADDRESS}' and value = '{ADDRESS}'",
        "Practitioner.telecom.where(system = 'email')",
        f"Practitioner.telecom.where(system = 'phone' and value = '{ADDRESS}')",
        f"{HERE}.",
        f"{HERE}.period",
        f"{HERE}.rank.value",
        f"{HERE}.extension('urn:x').extension('listeRouge').value",
        f"{META}",
        f"{META}.value",
        f"{META}.extension('colour').value",
        f"{META}.extension('rank').value",
        f"{META}.extension('listeRouge').value.value",
        f"{META}.extension('listeRouge').id",
        "Practitioner.telecom.where(value = 'a\\x41')",
        "Practitioner.telecom;",
        "Practitioner.telecom" + ".where(value = 'a')" * 100,
        "(" * 900,
        "'" * 901,
        "\\" * 900,
    ],
)
def test_other_paths_are_refused(path: str) -> None:
    assert refused(body(operation("replace", path, value(valueBoolean=True)))) == 400


@pytest.mark.parametrize(
    "path",
    [f"{HERE}.value", f"{HERE}.system", f"{META}.extension('type').value", f"{META}.extension('type')"],
)
def test_address_and_type_never_change(path: str) -> None:
    assert refused(body(operation("replace", path, value(valueString="x")))) == 422


@pytest.mark.parametrize(
    "address",
    ["", "x", "a@b", "a@mssante.fr", "a@gmail.com", "a b@x.mssante.fr", "a@@x.mssante.fr", "a@x.mssante.fr.evil.com", "a\n@x.mssante.fr", "<a@x.mssante.fr>", "a@x.mssante.fr\u0000", "a" * 65 + "@x.mssante.fr", "a..b@x.mssante.fr", "a@.mssante.fr"],
)  # fmt: skip
def test_only_addresses_of_the_trust_space_are_published(address: str) -> None:
    contact = point(address)
    insert = operation(
        "insert",
        "Practitioner.telecom",
        {"name": "index", "valueInteger": 0},
        value(valueContactPoint=contact),
    )
    assert refused(body(insert)) == 422


def test_the_interoperability_domain_of_apicrypt_is_one_of_them() -> None:
    (deletion,) = read(
        operation("delete", "Practitioner.telecom.where(value = 'a.b@interop-mssante.apicrypt.org')")
    )
    assert deletion.address == "a.b@interop-mssante.apicrypt.org"


INDEX = {"name": "index", "valueInteger": 0}


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"resourceType": "Patient"},
        {"resourceType": "Parameters"},
        {"resourceType": "Parameters", "parameter": []},
        {"resourceType": "Parameters", "parameter": {}},
        {"resourceType": "Parameters", "parameter": [1]},
        {"resourceType": "Parameters", "parameter": [{"name": "x", "part": []}]},
        {"resourceType": "Parameters", "parameter": [{"name": "operation"}]},
        {"resourceType": "Parameters", "parameter": [{"name": "operation", "part": "x"}]},
        {"resourceType": "Parameters", "parameter": [{"name": "operation", "part": [1]}]},
        body({"name": "operation", "part": [{"name": "type", "valueCode": "delete"}]}),
        body({"name": "operation", "part": [{"name": "type", "valueString": "delete"}, {"name": "path", "valueString": HERE}]}),
        body(operation("delete", HERE, {"name": "path", "valueString": HERE})),
        body(operation("delete", HERE, {"name": "colour", "valueString": "x"})),
        body(operation("move", HERE)),
        body(operation("add", "Practitioner", value(valueContactPoint=point()))),
        body(operation("insert", HERE, INDEX, value(valueContactPoint=point()))),
        body(operation("insert", "Practitioner.telecom", value(valueContactPoint=point()))),
        body(operation("insert", "Practitioner.telecom", {"name": "index", "valueInteger": -1}, value(valueContactPoint=point()))),
        body(operation("insert", "Practitioner.telecom", {"name": "index", "valueInteger": True}, value(valueContactPoint=point()))),
        body(operation("insert", "Practitioner.telecom", INDEX, value(valueString="x"))),
        body(operation("insert", "Practitioner.telecom", INDEX, value(valueContactPoint={**point(), "period": {}}))),
        body(operation("insert", "Practitioner.telecom", INDEX, value(valueContactPoint={**point(), "extension": {}}))),
        body(operation("insert", "Practitioner.telecom", INDEX, value(valueContactPoint={**point(), "extension": [{"url": "urn:x"}]}))),
        body(operation("insert", "Practitioner.telecom", INDEX, value(valueContactPoint={**point(), "extension": [{"url": MAILBOX}] * 21}))),
        body(operation("insert", "Practitioner.telecom", INDEX, value(valueContactPoint=point(colour="red")))),
        body(operation("insert", "Practitioner.telecom", INDEX, value(valueContactPoint=point(kind=12)))),
        body(operation("replace", "Practitioner.telecom", value(valueContactPoint=point()))),
        body(operation("replace", f"{HERE}.rank", value(valueString="1"))),
        body(operation("replace", f"{HERE}.rank", value(valueInteger=1.5))),
        body(operation("replace", f"{HERE}.rank", value(valueInteger=True))),
        body(operation("replace", f"{HERE}.rank")),
        body(operation("replace", f"{META}.extension('listeRouge').value", value(valueString="true"))),
        body(operation("replace", f"{META}.extension('description').value", value(valueBoolean=True))),
        body(operation("delete", "Practitioner.telecom")),
        body(*[operation("delete", HERE)] * 101),
    ],
)  # fmt: skip
def test_malformed_bodies_are_refused(wrong: dict[str, Any]) -> None:
    assert refused(wrong) == 400


@pytest.mark.parametrize(
    "contact",
    [
        {**point(), "system": "phone"},
        point(kind="XYZ"),
        point(rank=0),
        point(rank=1001),
        point(description=""),
        point(description="a" * 256),
        point(description="a\nb"),
        {**point(), "extension": [{"url": "https://hl7.fr/ig/fhir/core/StructureDefinition/fr-core-contact-point-email-type", "valueCoding": {"code": "AUTRE"}}]},
    ],
)  # fmt: skip
def test_values_no_rule_allows_are_refused(contact: dict[str, Any]) -> None:
    assert (
        refused(body(operation("insert", "Practitioner.telecom", INDEX, value(valueContactPoint=contact))))
        == 422
    )


def test_what_is_said_of_a_person_shows_in_no_repr() -> None:
    (change,) = read(
        operation("replace", f"{META}.extension('responsible').value", value(valueString="Mme SECRET"))
    )
    assert "SECRET" not in repr(change)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20), lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(["name", "part", "parameter", "resourceType", "url", "extension", "value", "valueCode", "valueString", "valueContactPoint"]), inner, max_size=5), max_leaves=20,
)  # fmt: skip


@given(json_values)
def test_any_json_is_read_or_refused(told: Any) -> None:
    try:
        operations_of(
            {"resourceType": "Parameters", "parameter": [{"name": "operation", "part": told}]},
            ResourceType.PRACTITIONER,
        )
    except Refused as error:
        assert error.status in (400, 422)


@given(st.text(alphabet="Practitioner.telcmwhsvu=()' \\anxg", max_size=80))
def test_any_path_is_read_or_refused(path: str) -> None:
    try:
        read(operation("delete", path))
    except Refused as error:
        assert error.status in (400, 422)
