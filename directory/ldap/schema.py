"""The schema (RFC 4512 §4): attribute types and object classes, standard ones and our own.

Nobody publishes the object identifiers of the national LDAP directory; the names are those that installed software
asks for, the identifiers are ours (an arc of a UUID, ITU-T X.667).
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import resources
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

OWN_ARC: Final = "2.25.212046032744552463948043295359321559377"
SLAPD_FILE: Final = "mssante.schema"
_SYNTAXES: Final = "1.3.6.1.4.1.1466.115.121.1"


@dataclass(frozen=True, slots=True)
class Syntax:
    """A syntax with the matching rules of the attributes that have it; a missing rule makes a filter Undefined."""

    number: int
    description: str
    equality: str | None = None
    ordering: str | None = None
    substring: str | None = None

    @property
    def oid(self) -> str:
        return f"{_SYNTAXES}.{self.number}"


TEXT = Syntax(15, "Directory String", "caseIgnoreMatch", None, "caseIgnoreSubstringsMatch")
CODE = Syntax(
    15, "Directory String", "caseIgnoreMatch", "caseIgnoreOrderingMatch", "caseIgnoreSubstringsMatch"
)
WORD = Syntax(15, "Directory String", "caseIgnoreMatch")
IA5 = Syntax(26, "IA5 String", "caseIgnoreIA5Match", None, "caseIgnoreIA5SubstringsMatch")
TELEPHONE = Syntax(50, "Telephone Number", "telephoneNumberMatch", None, "telephoneNumberSubstringsMatch")
NAME = Syntax(12, "DN", "distinguishedNameMatch")
IDENTIFIER = Syntax(38, "OID", "objectIdentifierMatch")
TRUTH = Syntax(7, "Boolean", "booleanMatch")
TIME = Syntax(24, "Generalized Time", "generalizedTimeMatch", "generalizedTimeOrderingMatch")
NUMBER = Syntax(27, "INTEGER", "integerMatch")
_ATTRIBUTE = Syntax(3, "Attribute Type Description", "objectIdentifierFirstComponentMatch")
_CLASS = Syntax(37, "Object Class Description", "objectIdentifierFirstComponentMatch")
_RULE = Syntax(30, "Matching Rule Description", "objectIdentifierFirstComponentMatch")
_SYNTAX = Syntax(54, "LDAP Syntax Description", "objectIdentifierFirstComponentMatch")


@dataclass(frozen=True, slots=True)
class AttributeType:
    """RFC 4512 §4.1.2; the first of `names` is the one that is sent."""

    oid: str
    names: tuple[str, ...]
    syntax: Syntax
    is_single: bool = False
    usage: str = ""
    """"" for a user attribute, else directoryOperation or dSAOperation."""

    @property
    def name(self) -> str:
        return self.names[0]

    def __str__(self) -> str:
        """As in a subschema entry and in slapd's schema files."""
        syntax = self.syntax
        rules = (("EQUALITY", syntax.equality), ("ORDERING", syntax.ordering), ("SUBSTR", syntax.substring))
        parts = [f"( {self.oid} NAME {_quoted(self.names)}"]
        parts += [f"{keyword} {rule}" for keyword, rule in rules if rule]
        parts.append(f"SYNTAX {syntax.oid}")
        if self.is_single:
            parts.append("SINGLE-VALUE")
        if self.usage:
            parts.append(f"NO-USER-MODIFICATION USAGE {self.usage}")
        return " ".join([*parts, ")"])


@dataclass(frozen=True, slots=True)
class ObjectClass:
    """RFC 4512 §4.1.1."""

    oid: str
    name: str
    kind: str
    superior: str = "top"
    must: tuple[str, ...] = ()
    may: tuple[str, ...] = ()

    def __str__(self) -> str:
        parts = [f"( {self.oid} NAME '{self.name}'"]
        if self.superior:
            parts.append(f"SUP {self.superior}")
        parts.append(self.kind)
        parts += [
            f"{keyword} ( {' $ '.join(names)} )"
            for keyword, names in (("MUST", self.must), ("MAY", self.may))
            if names
        ]
        return " ".join([*parts, ")"])


def _quoted(names: tuple[str, ...]) -> str:
    quoted = " ".join(f"'{name}'" for name in names)
    return quoted if len(names) == 1 else f"( {quoted} )"


_OPERATION, _SERVER = "directoryOperation", "dSAOperation"
OBJECT_CLASS = AttributeType("2.5.4.0", ("objectClass",), IDENTIFIER)
ENTRY_DN = AttributeType("1.3.6.1.1.20", ("entryDN",), NAME, is_single=True, usage=_OPERATION)
HAS_SUBORDINATES = AttributeType("2.5.18.9", ("hasSubordinates",), TRUTH, is_single=True, usage=_OPERATION)
MODIFY_TIMESTAMP = AttributeType("2.5.18.2", ("modifyTimestamp",), TIME, is_single=True, usage=_OPERATION)
STRUCTURAL_OBJECT_CLASS = AttributeType(
    "2.5.21.9", ("structuralObjectClass",), IDENTIFIER, is_single=True, usage=_OPERATION
)
SUBSCHEMA_SUBENTRY = AttributeType(
    "2.5.18.10", ("subschemaSubentry",), NAME, is_single=True, usage=_OPERATION
)

OWN_ATTRIBUTES = (
    AttributeType(f"{OWN_ARC}.1.1", ("TypeBAL",), CODE, is_single=True),
    AttributeType(f"{OWN_ARC}.1.2", ("IdentifiantPP",), CODE),
    AttributeType(f"{OWN_ARC}.1.3", ("TypeIdentifiantPP",), CODE),
    AttributeType(f"{OWN_ARC}.1.4", ("profession",), CODE),
    AttributeType(f"{OWN_ARC}.1.5", ("IdentifiantPM",), WORD),
    AttributeType(f"{OWN_ARC}.1.6", ("TypeIdentifiantPM",), WORD),
)
"""Names seen in the LDAP code of French software (data/directory of the specifications)."""

# RFC 4519, RFC 4524, RFC 2798
STANDARD_ATTRIBUTES = (
    OBJECT_CLASS,
    AttributeType("2.5.4.3", ("cn", "commonName"), TEXT),
    AttributeType("2.5.4.4", ("sn", "surname"), TEXT),
    AttributeType("2.5.4.42", ("givenName", "gn"), TEXT),
    AttributeType("2.16.840.1.113730.3.1.241", ("displayName",), TEXT, is_single=True),
    AttributeType("0.9.2342.19200300.100.1.3", ("mail", "rfc822Mailbox"), IA5),
    AttributeType("2.5.4.12", ("title",), TEXT),
    AttributeType("2.5.4.11", ("ou", "organizationalUnitName"), TEXT),
    AttributeType("2.5.4.10", ("o", "organizationName"), TEXT),
    AttributeType("2.5.4.7", ("l", "localityName"), TEXT),
    AttributeType("2.5.4.8", ("st", "stateOrProvinceName"), TEXT),
    AttributeType("2.5.4.17", ("postalCode",), TEXT),
    AttributeType("2.5.4.9", ("street", "streetAddress"), TEXT),
    AttributeType("2.5.4.20", ("telephoneNumber",), TELEPHONE),
    AttributeType("2.16.840.1.113730.3.1.3", ("employeeNumber",), TEXT, is_single=True),
    AttributeType("2.5.4.13", ("description",), TEXT),
)

UNUSED_ATTRIBUTES = (
    AttributeType("0.9.2342.19200300.100.1.1", ("uid", "userid"), TEXT),
    AttributeType("0.9.2342.19200300.100.1.25", ("dc", "domainComponent"), IA5, is_single=True),
    AttributeType("0.9.2342.19200300.100.1.41", ("mobile", "mobileTelephoneNumber"), TELEPHONE),
    AttributeType("0.9.2342.19200300.100.1.20", ("homePhone", "homeTelephoneNumber"), TELEPHONE),
    AttributeType("0.9.2342.19200300.100.1.42", ("pager", "pagerTelephoneNumber"), TELEPHONE),
    AttributeType("2.5.4.18", ("postOfficeBox",), TEXT),
    AttributeType("2.5.4.15", ("businessCategory",), TEXT),
    AttributeType("2.5.4.43", ("initials",), TEXT),
    AttributeType("2.16.840.1.113730.3.1.2", ("departmentNumber",), TEXT),
    AttributeType("2.16.840.1.113730.3.1.4", ("employeeType",), TEXT),
    AttributeType("2.5.4.34", ("seeAlso",), NAME),
    AttributeType("0.9.2342.19200300.100.1.10", ("manager",), NAME),
    AttributeType("2.5.18.1", ("createTimestamp",), TIME, is_single=True, usage=_OPERATION),
    AttributeType("2.5.18.3", ("creatorsName",), NAME, is_single=True, usage=_OPERATION),
    AttributeType("2.5.18.4", ("modifiersName",), NAME, is_single=True, usage=_OPERATION),
)
"""No mailbox has one, and clients ask for them: a filter that negates one is True, not Undefined.

RFC 4512 §3.4 wants a server to know the last three; ldap3 searches by no schema without them.
"""

OPERATIONAL_ATTRIBUTES = (
    ENTRY_DN,
    HAS_SUBORDINATES,
    MODIFY_TIMESTAMP,
    STRUCTURAL_OBJECT_CLASS,
    SUBSCHEMA_SUBENTRY,
)

_SERVER_ATTRIBUTES = (
    AttributeType("1.3.6.1.4.1.1466.101.120.5", ("namingContexts",), NAME, usage=_SERVER),
    AttributeType("1.3.6.1.4.1.1466.101.120.13", ("supportedControl",), IDENTIFIER, usage=_SERVER),
    AttributeType("1.3.6.1.4.1.1466.101.120.7", ("supportedExtension",), IDENTIFIER, usage=_SERVER),
    AttributeType("1.3.6.1.4.1.4203.1.3.5", ("supportedFeatures",), IDENTIFIER, usage=_SERVER),
    AttributeType("1.3.6.1.4.1.1466.101.120.15", ("supportedLDAPVersion",), NUMBER, usage=_SERVER),
    AttributeType("1.3.6.1.4.1.1466.101.120.14", ("supportedSASLMechanisms",), TEXT, usage=_SERVER),
    AttributeType("1.3.6.1.1.4", ("vendorName",), TEXT, is_single=True, usage=_SERVER),
    AttributeType("2.5.21.5", ("attributeTypes",), _ATTRIBUTE, usage=_OPERATION),
    AttributeType("2.5.21.6", ("objectClasses",), _CLASS, usage=_OPERATION),
    AttributeType("2.5.21.4", ("matchingRules",), _RULE, usage=_OPERATION),
    AttributeType("1.3.6.1.4.1.1466.101.120.16", ("ldapSyntaxes",), _SYNTAX, usage=_OPERATION),
)
"""Of the root DSE and the subschema entry."""

ATTRIBUTES = (
    *STANDARD_ATTRIBUTES,
    *OWN_ATTRIBUTES,
    *UNUSED_ATTRIBUTES,
    *OPERATIONAL_ATTRIBUTES,
    *_SERVER_ATTRIBUTES,
)

BAL_CLASS = ObjectClass(
    f"{OWN_ARC}.2.1",
    "balMSSante",
    "AUXILIARY",
    must=("mail", "TypeBAL"),
    may=(
        *(each.name for each in OWN_ATTRIBUTES if each.name != "TypeBAL"),
        *("o", "displayName", "title", "givenName", "employeeNumber"),
    ),
)
PERSON_CLASSES: Final = ("top", "person", "organizationalPerson", "inetOrgPerson", "balMSSante")
PLACE_CLASSES: Final = ("top", "organizationalRole", "balMSSante")
"""Of a mailbox that is nobody's own: it has no surname, which a person must have."""
SUFFIX_CLASSES: Final = ("top", "dcObject", "organization")

_AT_WORK = ("title", "ou", "l", "st", "postalCode", "street", "postOfficeBox")
CLASSES = (
    ObjectClass("2.5.6.0", "top", "ABSTRACT", superior="", must=("objectClass",)),
    ObjectClass(
        "2.5.6.6",
        "person",
        "STRUCTURAL",
        must=("sn", "cn"),
        may=("telephoneNumber", "seeAlso", "description"),
    ),
    ObjectClass("2.5.6.7", "organizationalPerson", "STRUCTURAL", "person", may=_AT_WORK),
    ObjectClass(
        "2.16.840.1.113730.3.2.2",
        "inetOrgPerson",
        "STRUCTURAL",
        "organizationalPerson",
        may=(
            *("businessCategory", "departmentNumber", "displayName", "employeeNumber", "employeeType"),
            *("givenName", "homePhone", "initials", "mail", "manager", "mobile", "o", "pager", "uid"),
        ),
    ),
    ObjectClass(
        "2.5.6.8",
        "organizationalRole",
        "STRUCTURAL",
        must=("cn",),
        may=("telephoneNumber", "seeAlso", "description", *_AT_WORK[1:]),
    ),
    ObjectClass(
        "2.5.6.4",
        "organization",
        "STRUCTURAL",
        must=("o",),
        may=("telephoneNumber", "description", *_AT_WORK[2:]),
    ),
    ObjectClass("1.3.6.1.4.1.1466.344", "dcObject", "AUXILIARY", must=("dc",)),
    ObjectClass(
        "2.5.20.1",
        "subschema",
        "AUXILIARY",
        may=("attributeTypes", "objectClasses", "matchingRules", "ldapSyntaxes"),
    ),
    BAL_CLASS,
)

_RULES = (
    ("2.5.13.2", "caseIgnoreMatch", TEXT),
    ("2.5.13.3", "caseIgnoreOrderingMatch", TEXT),
    ("2.5.13.4", "caseIgnoreSubstringsMatch", Syntax(58, "Substring Assertion")),
    ("1.3.6.1.4.1.1466.109.114.2", "caseIgnoreIA5Match", IA5),
    ("1.3.6.1.4.1.1466.109.114.3", "caseIgnoreIA5SubstringsMatch", Syntax(58, "Substring Assertion")),
    ("2.5.13.20", "telephoneNumberMatch", TELEPHONE),
    ("2.5.13.21", "telephoneNumberSubstringsMatch", Syntax(58, "Substring Assertion")),
    ("2.5.13.1", "distinguishedNameMatch", NAME),
    ("2.5.13.0", "objectIdentifierMatch", IDENTIFIER),
    ("2.5.13.13", "booleanMatch", TRUTH),
    ("2.5.13.14", "integerMatch", NUMBER),
    ("2.5.13.27", "generalizedTimeMatch", TIME),
    ("2.5.13.28", "generalizedTimeOrderingMatch", TIME),
    ("2.5.13.30", "objectIdentifierFirstComponentMatch", IDENTIFIER),
)


def _every_name() -> Iterator[tuple[str, AttributeType]]:
    for attribute in ATTRIBUTES:
        yield attribute.oid, attribute
        for name in attribute.names:
            yield name.lower(), attribute


_BY_NAME: Mapping[str, AttributeType] = MappingProxyType(dict(_every_name()))
_CLASS_NAMES: Mapping[str, str] = MappingProxyType(
    {**{each.oid: each.name for each in CLASSES}, **{each.name.lower(): each.name for each in CLASSES}}
)


def attribute_type(description: str) -> AttributeType | None:
    """The attribute of a name or number in any case; None for an unknown one, and for one with options."""
    return _BY_NAME.get(description.lower().removeprefix("oid."))


def class_name(description: str) -> str | None:
    """The object class of a name or number in any case; None for an unknown one."""
    return _CLASS_NAMES.get(description.strip().lower().removeprefix("oid."))


def subschema() -> dict[str, tuple[str, ...]]:
    """The attributes of the subschema entry that describe the schema (RFC 4512 §4.2)."""
    syntaxes = {each.syntax.number: each.syntax for each in ATTRIBUTES}
    return {
        "attributeTypes": tuple(map(str, ATTRIBUTES)),
        "objectClasses": tuple(map(str, CLASSES)),
        "matchingRules": tuple(
            f"( {oid} NAME '{name}' SYNTAX {syntax.oid} )" for oid, name, syntax in _RULES
        ),
        "ldapSyntaxes": tuple(f"( {each.oid} DESC '{each.description}' )" for each in syntaxes.values()),
    }


def slapd_schema() -> str:
    """Our attributes and class as OpenLDAP's slapd includes them; the shipped file."""
    return resources.files("directory.ldap").joinpath(SLAPD_FILE).read_text(encoding="ascii")
