"""What the server tells of itself: the root DSE and the subschema."""

from __future__ import annotations

from importlib import resources
from typing import TYPE_CHECKING

from directory.ldap import schema
from directory.ldap.entries import values_of
from tests.directory.ldap.client import ldap3
from tests.directory.ldap.people import FEW, people

if TYPE_CHECKING:
    from tests.directory.ldap.client import Client
    from tests.directory.ldap.conftest import Ldap


async def test_the_root_tells_what_the_server_does(ldap: Ldap, client: Client) -> None:
    found = await client.search("(objectClass=*)", base="", scope="base", attributes=["+", "*"])
    (root,) = found.entries
    assert root.dn == ""
    assert root.attributes == {
        "objectClass": ["top"],
        "namingContexts": ["dc=mssante,dc=fr"],
        "subschemaSubentry": ["cn=Subschema"],
        "supportedLDAPVersion": ["3"],
        "supportedControl": ["1.2.840.113556.1.4.319"],
        "supportedExtension": ["1.3.6.1.4.1.4203.1.11.3", "1.3.6.1.4.1.1466.20037"],
        "supportedFeatures": ["1.3.6.1.4.1.4203.1.5.1", "1.3.6.1.4.1.4203.1.5.3"],
        "vendorName": ["Vaguemestre"],
    }
    over_tls = await ldap.connect(tls=True)
    (root,) = (
        await over_tls.search("(objectClass=*)", base="", scope="base", attributes=["supportedExtension"])
    ).entries
    assert root.attributes == {"supportedExtension": ["1.3.6.1.4.1.4203.1.11.3"]}


async def test_the_root_is_there_for_base_searches_alone(client: Client) -> None:
    for scope in ("one", "sub"):
        found = await client.search("(objectClass=*)", base="", scope=scope)
        assert (found.names, found.done.code) == ([], "noSuchObject")
        assert "dc=mssante,dc=fr" in found.done.diagnostic


async def test_a_filter_chooses_among_the_servers_entries_too(client: Client) -> None:
    for wanted, names in (
        ("(supportedLDAPVersion=3)", [""]),
        ("(supportedLDAPVersion=2)", []),
        ("(!(supportedLDAPVersion=2))", [""]),
        ("(!(unheardOf=2))", []),
    ):
        assert (await client.search(wanted, base="", scope="base")).names == names


async def test_the_subschema_describes_every_name_that_is_sent(client: Client) -> None:
    found = await client.search(
        "(objectClass=subschema)",
        base="cn=Subschema",
        scope="base",
        attributes=["attributeTypes", "objectClasses", "matchingRules", "ldapSyntaxes"],
    )
    (entry,) = found.entries
    read = ldap3.SchemaInfo(
        "cn=Subschema",
        {name: [value.encode() for value in values] for name, values in entry.attributes.items()},
        {},
    )
    everything = await client.search("(objectClass=*)", attributes=["*", "+"])
    sent = {name for each in everything.entries for name in each.attributes}
    assert sent <= set(read.attribute_types)
    assert {"balMSSante", "inetOrgPerson", "organizationalRole"} <= set(read.object_classes)
    for each in everything.entries:
        for name in each.attributes["objectClass"]:
            assert name in read.object_classes
    syntaxes = set(read.ldap_syntaxes)
    rules = {name for rule in read.matching_rules.values() for name in rule.name}
    for described in read.attribute_types.values():
        assert described.syntax in syntaxes
        named = [*(described.equality or ()), *(described.ordering or ()), *(described.substring or ())]
        assert set(named) <= rules


def test_every_entry_has_what_its_classes_demand_and_nothing_they_do_not_allow() -> None:
    known = {each.name: each for each in schema.CLASSES}
    for box in (*FEW, *people(50)):
        said = values_of(box)
        user = {name for name in said if name not in {each.name for each in schema.OPERATIONAL_ATTRIBUTES}}
        classes = [known[name] for name in said["objectClass"]]
        demanded = {name for each in classes for name in each.must}
        allowed = demanded | {name for each in classes for name in each.may}
        assert demanded <= user <= allowed


def test_the_shipped_schema_file_is_the_table() -> None:
    shipped = schema.slapd_schema()
    described = [
        *(f"attributetype {each}" for each in schema.OWN_ATTRIBUTES),
        f"objectclass {schema.BAL_CLASS}",
    ]
    assert [line for line in shipped.splitlines() if line and not line.startswith("#")] == described
    assert resources.files("directory.ldap").joinpath(schema.SLAPD_FILE).is_file()


def test_names_and_numbers_are_given_once() -> None:
    names = [name.lower() for each in schema.ATTRIBUTES for name in each.names]
    numbers = [each.oid for each in (*schema.ATTRIBUTES, *schema.CLASSES)]
    assert len(names) == len(set(names))
    assert len(numbers) == len(set(numbers))
