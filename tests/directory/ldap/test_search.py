"""What a search finds: scopes, filters of every kind, three-valued logic, attributes, limits."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from directory.ldap.context import LdapLimits
from tests.directory.ldap.client import SUFFIX
from tests.directory.ldap.people import FEW, HELENE, MARIE, PAUL, SOFTWARE, UNIT, people

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tests.directory.ldap.client import Client
    from tests.directory.ldap.conftest import Ldap

PERSONS = (MARIE, PAUL, HELENE)
EVERYBODY = FEW


def name_of(box: object) -> str:
    return f"mail={getattr(box, 'address', '')},{SUFFIX}"


FILTERS = [
    ("(mail=marie.martin@hopital-demo.mssante.fr)", (MARIE,)),
    ("(MAIL=MARIE.MARTIN@hopital-demo.mssante.fr)", (MARIE,)),
    ("(rfc822Mailbox=marie.martin@hopital-demo.mssante.fr)", (MARIE,)),
    ("(0.9.2342.19200300.100.1.3=marie.martin@hopital-demo.mssante.fr)", (MARIE,)),
    ("(sn=martin)", (MARIE,)),
    ("(surname=Martin)", (MARIE,)),
    ("(sn=lefevre)", (HELENE,)),
    ("(givenName=HELENE)", (HELENE,)),
    ("(gn=Paul)", (PAUL,)),
    ("(cn=Marie MARTIN)", (MARIE,)),
    ("(commonName=martin marie)", (MARIE,)),
    ("(cn=*mar*)", (MARIE,)),
    ("(cn=mar*ie*tin)", (MARIE,)),
    ("(cn=*tin)", (MARIE,)),
    ("(cn=cardio*)", (UNIT,)),
    ("(displayName=*durand*)", (PAUL,)),
    ("(mail=*@hopital-demo.mssante.fr)", (MARIE, HELENE, UNIT, SOFTWARE)),
    ("(title=m\\c3\\a9decin)", (MARIE, HELENE)),
    ("(ou=neurologie)", (MARIE,)),
    ("(ou=*generale)", (HELENE,)),
    ("(o=hopital demo)", (MARIE, HELENE, UNIT)),
    ("(o=*demo du mans)", (MARIE,)),
    ("(l=le mans)", (MARIE, HELENE, UNIT)),
    ("(postalCode=75015)", (PAUL,)),
    ("(st=paris)", (PAUL,)),
    ("(street=1 r des essais)", (MARIE,)),
    ("(telephoneNumber=0243000001)", (MARIE,)),
    ("(employeeNumber=99900000025)", (PAUL,)),
    ("(description=*cardiologie*)", (UNIT,)),
    ("(TypeBAL=per)", PERSONS),
    ("(typebal=ORG)", (UNIT,)),
    ("(IdentifiantPP=99900000017)", (MARIE,)),
    ("(IdentifiantPP>=99900000025)", (PAUL, HELENE)),
    ("(IdentifiantPP<=99900000025)", (MARIE, PAUL)),
    ("(TypeIdentifiantPP=8)", PERSONS),
    ("(profession=10)", (MARIE, HELENE)),
    ("(profession=infirmier)", (PAUL,)),
    ("(IdentifiantPM=990000016)", (MARIE, HELENE, UNIT)),
    ("(IdentifiantPM=99900000000011)", (SOFTWARE,)),
    ("(TypeIdentifiantPM=finess)", (MARIE, HELENE, UNIT)),
    ("(TypeIdentifiantPM=SIRET)", (SOFTWARE,)),
    ("(TypeIdentifiantPM=SIREN)", ()),
    ("(&(sn=martin)(givenName=marie))", (MARIE,)),
    ("(&(sn=martin)(givenName=paul))", ()),
    ("(|(sn=martin)(sn=durand))", (MARIE, PAUL)),
    ("(&(l=le mans)(!(TypeBAL=PER)))", (UNIT,)),
    ("(!(sn=*))", (UNIT, SOFTWARE)),
    ("(&(!(sn=martin))(TypeBAL=PER))", (PAUL, HELENE)),
    ("(sn~=martn)", (MARIE,)),
    ("(sn~=lefevre)", (HELENE,)),
    ("(objectClass=*)", EVERYBODY),
    ("(objectClass=top)", EVERYBODY),
    ("(objectClass=balMSSante)", EVERYBODY),
    ("(objectClass=inetOrgPerson)", PERSONS),
    ("(objectClass=2.16.840.1.113730.3.2.2)", PERSONS),
    ("(objectClass=organizationalRole)", (UNIT, SOFTWARE)),
    ("(structuralObjectClass=inetOrgPerson)", PERSONS),
    ("(!(objectClass=person))", (UNIT, SOFTWARE)),
    ("(hasSubordinates=FALSE)", EVERYBODY),
    ("(entryDN=MAIL=paul.durand@cabinet.mssante.fr, DC=mssante , dc=FR)", (PAUL,)),
    ("(subschemaSubentry=cn=Subschema)", EVERYBODY),
    ("(modifyTimestamp=20260313145410Z)", (MARIE, HELENE)),
    ("(modifyTimestamp>=20260313145411Z)", (UNIT, SOFTWARE)),
    ("(modifyTimestamp<=20260313145410Z)", (MARIE, PAUL, HELENE)),
    ("(mail=dpi+labo@hopital-demo.mssante.fr)", (SOFTWARE,)),
]
UNDEFINED = [
    "(shoeSize=43)",
    "(!(shoeSize=43))",
    "(sn>=a)",
    "(!(sn>=a))",
    "(sn=\\ff)",
    "(!(sn=\\ff))",
    "(sn=*\\ff*)",
    "(sn=\\00)",
    "(objectClass=*son)",
    "(objectClass=unheardOf)",
    "(!(objectClass=unheardOf))",
    "(IdentifiantPM=*99*)",
    "(modifyTimestamp>=yesterday)",
    "(entryDN=nobody)",
    "(cn;lang-fr=Marie MARTIN)",
    "(&(mail=*)(shoeSize=43))",
]
"""Filters for which neither they nor their negation finds anything."""


@pytest.mark.parametrize(("wanted", "expected"), FILTERS, ids=[wanted for wanted, _ in FILTERS])
async def test_a_filter_finds_who_matches(wanted: str, expected: tuple[object, ...], client: Client) -> None:
    found = await client.search(wanted, scope="one", attributes=["1.1"])
    assert found.done.code == "success"
    assert sorted(found.names) == sorted(name_of(box).replace("dpi+", "dpi\\+") for box in expected)


@pytest.mark.parametrize("wanted", UNDEFINED)
async def test_an_undefined_filter_finds_nobody(wanted: str, client: Client) -> None:
    found = await client.search(wanted)
    assert (found.names, found.done.code) == ([], "success")


async def test_what_is_undefined_spoils_no_alternative(client: Client) -> None:
    found = await client.search("(|(shoeSize=43)(sn=martin))", attributes=["mail"])
    assert found.mails == [MARIE.address]


async def test_an_attribute_that_no_mailbox_has_is_false_and_not_undefined(client: Client) -> None:
    found = await client.search("(&(sn=martin)(!(mobile=*))(!(uid=marie)))", attributes=["mail"])
    assert found.mails == [MARIE.address]


async def test_an_extensible_filter_is_refused(client: Client) -> None:
    found = await client.search("(cn:dn:2.5.13.2:=Marie MARTIN)")
    assert (found.names, found.done.code) == ([], "inappropriateMatching")
    assert (await client.search("(sn=martin)")).done.code == "success"


async def test_thunderbird_finds_by_words_of_the_name_and_parts_of_the_address(client: Client) -> None:
    def thunderbird(typed: str) -> str:
        first, _, rest = typed.partition(" ")
        return f"(|(cn=*{first}*{rest}*)(mail=*{typed}*)(givenName=*{first}*)(sn=*{typed}*))"

    for typed, expected in (
        ("mar", [MARIE]),
        ("marie martin", [MARIE]),
        ("martin marie", [MARIE]),
        ("hopital-demo", [MARIE, HELENE, UNIT, SOFTWARE]),
        ("xyzzy", []),
    ):
        found = await client.search(
            thunderbird(typed).replace("**", "*"), attributes=["cn", "mail"], size=100
        )
        assert sorted(found.mails) == sorted(box.address for box in expected)


# Scopes


@pytest.mark.parametrize(
    ("base", "scope", "expected"),
    [
        (SUFFIX, "base", [SUFFIX]),
        ("DC = MSSante , dc=fr", "base", [SUFFIX]),
        (name_of(MARIE), "base", [name_of(MARIE)]),
        (name_of(MARIE), "sub", [name_of(MARIE)]),
        (name_of(MARIE), "one", []),
        (name_of(SOFTWARE).replace("+", "\\2b"), "base", [name_of(SOFTWARE).replace("+", "\\+")]),
        (
            "mail=dpi\\+labo@hopital-demo.mssante.fr,dc=mssante,dc=fr",
            "base",
            [name_of(SOFTWARE).replace("+", "\\+")],
        ),
        ("cn=subschema", "base", ["cn=Subschema"]),
    ],
)
async def test_a_scope_begins_at_its_base(base: str, scope: str, expected: list[str], client: Client) -> None:
    found = await client.search("(objectClass=*)", base=base, scope=scope)
    assert (found.names, found.done.code) == (expected, "success")


async def test_the_whole_tree_has_the_suffix_and_one_level_has_not(client: Client) -> None:
    whole = await client.search("(objectClass=*)")
    below = await client.search("(objectClass=*)", scope="one")
    assert whole.names[0] == SUFFIX
    assert sorted(whole.names[1:]) == sorted(below.names)
    assert len(below.names) == len(FEW)


@pytest.mark.parametrize(
    ("base", "code", "matched"),
    [
        ("mail=nobody@hopital-demo.mssante.fr,dc=mssante,dc=fr", "noSuchObject", SUFFIX),
        ("mail=x,mail=paul.durand@cabinet.mssante.fr,dc=mssante,dc=fr", "noSuchObject", SUFFIX),
        ("cn=marie,dc=mssante,dc=fr", "noSuchObject", SUFFIX),
        ("mail=a+cn=b,dc=mssante,dc=fr", "noSuchObject", ""),
        ("dc=mssante+dc=fr", "noSuchObject", ""),
        ("dc=example,dc=com", "noSuchObject", ""),
        ("dc=fr", "noSuchObject", ""),
        ("mssante", "invalidDNSyntax", ""),
        ("dc=mssante,dc=fr,", "invalidDNSyntax", ""),
        ('dc="mssante",dc=fr', "invalidDNSyntax", ""),
        ("dc=mssante\\,dc=fr", "noSuchObject", ""),
        ("dc=\\zz", "invalidDNSyntax", ""),
        ("dc=\\", "invalidDNSyntax", ""),
        ("mail=" + "x" * 2000 + ",dc=mssante,dc=fr", "invalidDNSyntax", ""),
    ],
)
async def test_a_base_that_is_not_there_is_refused(
    base: str, code: str, matched: str, client: Client
) -> None:
    done = (await client.search("(objectClass=*)", base=base)).done
    assert (done.code, done.matched) == (code, matched)
    assert done.diagnostic


# Attributes


# ref: F38
async def test_a_person_has_the_names_of_inetorgperson_and_those_of_installed_software(
    client: Client,
) -> None:
    (entry,) = (await client.search("(sn=martin)")).entries
    assert entry.attributes == {
        "objectClass": ["top", "person", "organizationalPerson", "inetOrgPerson", "balMSSante"],
        "cn": ["Marie MARTIN", "MARTIN Marie"],
        "sn": ["MARTIN"],
        "givenName": ["Marie"],
        "displayName": ["Marie MARTIN"],
        "mail": ["marie.martin@hopital-demo.mssante.fr"],
        "title": ["Médecin"],
        "ou": ["Neurologie"],
        "o": ["HOPITAL DEMO", "Hôpital démo du Mans"],
        "l": ["LE MANS"],
        "st": ["Sarthe"],
        "postalCode": ["72000"],
        "street": ["1 R DES ESSAIS"],
        "telephoneNumber": ["0243000001"],
        "employeeNumber": ["99900000017"],
        "TypeBAL": ["PER"],
        "IdentifiantPP": ["99900000017"],
        "TypeIdentifiantPP": ["8"],
        "profession": ["10", "Médecin"],
        "IdentifiantPM": ["990000016"],
        "TypeIdentifiantPM": ["FINESS"],
    }


async def test_a_box_that_is_nobodys_own_is_a_role_and_has_no_surname(client: Client) -> None:
    (entry,) = (await client.search("(TypeBAL=ORG)")).entries
    assert entry.attributes["objectClass"] == ["top", "organizationalRole", "balMSSante"]
    assert entry.attributes["cn"] == ["Cardiologie, HOPITAL DEMO"]
    assert not {"sn", "givenName", "IdentifiantPP"} & set(entry.attributes)


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (["mail"], {"mail"}),
        (["MAIL", "Surname", "unheardOf"], {"mail", "sn"}),
        (["1.1"], set()),
        (["1.1", "mail"], {"mail"}),
        (["2.5.4.4"], {"sn"}),
        (
            ["+"],
            {"entryDN", "hasSubordinates", "modifyTimestamp", "structuralObjectClass", "subschemaSubentry"},
        ),
        (["modifytimestamp", "l"], {"modifyTimestamp", "l"}),
    ],
)
async def test_only_what_was_asked_for_is_sent(wanted: list[str], expected: set[str], client: Client) -> None:
    (entry,) = (await client.search("(sn=martin)", attributes=wanted)).entries
    assert set(entry.attributes) == expected


async def test_an_empty_list_and_a_star_are_all_user_attributes(client: Client) -> None:
    (every,) = (await client.search("(sn=martin)", attributes=[])).entries
    (star,) = (await client.search("(sn=martin)", attributes=["*"])).entries
    (both,) = (await client.search("(sn=martin)", attributes=["*", "+"])).entries
    assert every.attributes == star.attributes
    assert set(star.attributes) < set(both.attributes)
    assert both.attributes["modifyTimestamp"] == ["20260313145410Z"]
    assert both.attributes["structuralObjectClass"] == ["inetOrgPerson"]
    assert both.attributes["entryDN"] == [name_of(MARIE)]


async def test_types_without_values(client: Client) -> None:
    (entry,) = (await client.search("(sn=martin)", attributes=["mail", "cn"], types_only=True)).entries
    assert entry.attributes == {"mail": [], "cn": []}


async def test_the_suffix_is_an_organization(client: Client) -> None:
    (entry,) = (await client.search("(dc=mssante)")).entries
    assert entry.attributes == {
        "objectClass": ["top", "dcObject", "organization"],
        "dc": ["mssante"],
        "o": ["MSSanté"],
    }


# Limits


async def test_a_size_limit_of_the_client_is_kept(start: Callable[..., Awaitable[Ldap]]) -> None:
    client = await (await start(people(60))).connect()
    found = await client.search("(mail=*)", size=10, attributes=["mail"])
    assert (len(found.entries), found.done.code) == (10, "sizeLimitExceeded")
    exact = await client.search("(mail=*)", size=60, attributes=["mail"])
    assert (len(exact.entries), exact.done.code) == (60, "success")


async def test_the_server_has_its_own_limit(start: Callable[..., Awaitable[Ldap]]) -> None:
    client = await (await start(people(60), LdapLimits(entries=25))).connect()
    for size in (0, 40):
        found = await client.search("(objectClass=*)", size=size, attributes=["1.1"])
        assert (len(found.entries), found.done.code) == (25, "sizeLimitExceeded")
    assert found.names[0] == SUFFIX


async def test_boxes_of_ones_own_structure_come_first(ldap: Ldap) -> None:
    client = await ldap.signed_in(UNIT.address)
    found = await client.search("(mail=*)", attributes=["o"])
    structures = [entry.attributes.get("o", [""])[0] for entry in found.entries]
    assert structures[:3] == ["HOPITAL DEMO"] * 3


async def test_recent_correspondents_come_before_them(ldap: Ldap) -> None:
    ldap.doors.recent.add(SOFTWARE.address)
    client = await ldap.signed_in(UNIT.address)
    assert (await client.search("(mail=*)", attributes=["mail"])).mails[0] == SOFTWARE.address
    await client.bind()
    assert (await client.search("(mail=*)", attributes=["mail"])).mails[-1] == SOFTWARE.address


# Compare


@pytest.mark.parametrize(
    ("dn", "attribute", "value", "code"),
    [
        (name_of(MARIE), "sn", "martin", "compareTrue"),
        (name_of(MARIE), "sn", "durand", "compareFalse"),
        (name_of(MARIE), "description", "x", "compareFalse"),
        (name_of(MARIE), "shoeSize", "x", "undefinedAttributeType"),
        (name_of(MARIE) + "x", "sn", "x", "noSuchObject"),
        (SUFFIX, "dc", "MSSANTE", "compareTrue"),
        ("", "supportedLDAPVersion", "3", "compareTrue"),
        ("cn=Subschema", "cn", "subschema", "compareTrue"),
    ],
)
async def test_compare(dn: str, attribute: str, value: str, code: str, client: Client) -> None:
    assert (await client.compare(dn, attribute, value)).code == code
