"""Entries: what the attributes of a mailbox say, the suffix, the subschema, and the choice of what a search sends."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from types import MappingProxyType
from typing import TYPE_CHECKING, Self

from directory.ldap import messages, schema
from directory.ldap.ber import string
from directory.ldap.names import SUBSCHEMA, SUFFIX, dn_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from directory.annuaire.model import Mailbox
    from directory.ldap.schema import AttributeType

    Values = tuple[str, ...]

STRUCTURE_ID_KINDS: Mapping[str, str] = MappingProxyType(
    {"0": "ADELI", "1": "FINESS", "2": "SIREN", "3": "SIRET", "4": "RPPS"}
)
"""TRE_G07: the first character of an IdNat_Struct, and the word of installed software for it."""


def _some(*values: str | None) -> Values:
    """Those there are, each once: a server may not hold equal values (X.501)."""
    found: dict[str, str] = {}
    for value in values:
        if value and (plain := " ".join(value.casefold().split())):
            found.setdefault(plain, value)
    return tuple(found.values())


def _one(column: str) -> Callable[[Mailbox], Values]:
    def values(mailbox: Mailbox) -> Values:
        value = getattr(mailbox, column)
        return (value,) if value else ()

    return values


def is_person(mailbox: Mailbox) -> bool:
    """Whether the entry is a person's: a person must have a surname (RFC 4519 §3.12)."""
    return bool(mailbox.last_name)


def _classes(mailbox: Mailbox) -> Values:
    return schema.PERSON_CLASSES if is_person(mailbox) else schema.PLACE_CLASSES


def _structure_number(mailbox: Mailbox) -> Values:
    number = (mailbox.structure_id or "")[1:]
    return (number,) if number else ()


def _structure_kind(mailbox: Mailbox) -> Values:
    kind = mailbox.structure_id_type
    return (STRUCTURE_ID_KINDS.get(kind, kind),) if kind else ()


def _modified(mailbox: Mailbox) -> Values:
    if not mailbox.updated_at:
        return ()
    return (f"{datetime.fromtimestamp(mailbox.updated_at // 1000, UTC):%Y%m%d%H%M%SZ}",)


VALUES: Mapping[str, Callable[[Mailbox], Values]] = MappingProxyType(
    {
        "objectClass": _classes,
        "cn": lambda mailbox: _some(*mailbox.common_names),
        "sn": _one("last_name"),
        "givenName": _one("first_name"),
        "displayName": lambda mailbox: mailbox.common_names[:1],
        "mail": _one("address"),
        "title": _one("profession"),
        "ou": lambda mailbox: _some(mailbox.service, mailbox.skill),
        "o": lambda mailbox: _some(mailbox.structure, mailbox.structure_sign),
        "l": _one("city"),
        "st": _one("department"),
        "postalCode": _one("postal_code"),
        "street": _one("street"),
        "telephoneNumber": _one("phone"),
        "employeeNumber": _one("person_id"),
        "description": _one("description"),
        "TypeBAL": lambda mailbox: (mailbox.type.value,),
        "IdentifiantPP": _one("person_id"),
        "TypeIdentifiantPP": _one("person_id_type"),
        "profession": lambda mailbox: _some(mailbox.profession_code, mailbox.profession),
        "IdentifiantPM": _structure_number,
        "TypeIdentifiantPM": _structure_kind,
        "entryDN": lambda mailbox: (dn_of(mailbox.address),),
        "hasSubordinates": lambda _: ("FALSE",),
        "modifyTimestamp": _modified,
        "structuralObjectClass": lambda mailbox: _classes(mailbox)[-2:-1],
        "subschemaSubentry": lambda _: (SUBSCHEMA,),
    }
)
"""What a mailbox says in each attribute."""

SUFFIX_ENTRY: Mapping[str, Values] = MappingProxyType(
    {
        "objectClass": schema.SUFFIX_CLASSES,
        "dc": ("mssante",),
        "o": ("MSSanté",),
        "entryDN": (SUFFIX,),
        "hasSubordinates": ("TRUE",),
        "structuralObjectClass": ("organization",),
        "subschemaSubentry": (SUBSCHEMA,),
    }
)

SUBSCHEMA_ENTRY: Mapping[str, Values] = MappingProxyType(
    {
        "objectClass": ("top", "subschema"),
        "cn": ("Subschema",),
        "entryDN": (SUBSCHEMA,),
        "subschemaSubentry": (SUBSCHEMA,),
        **schema.subschema(),
    }
)


def values_of(mailbox: Mailbox) -> dict[str, Values]:
    """Every attribute of a mailbox that has values, by its first name."""
    return {name: values for name, of in VALUES.items() if (values := of(mailbox))}


@dataclass(frozen=True, slots=True)
class Selection:
    """Which attributes a search sends (RFC 4511 §4.5.1.8), each ready as an element."""

    names: tuple[tuple[str, bytes], ...]
    types_only: bool

    @classmethod
    def of(cls, wanted: Iterable[str], *, types_only: bool) -> Self:
        """Of the names of the request; unknown ones are left out, none at all are all user attributes."""
        asked = tuple(wanted)
        chosen: dict[str, AttributeType] = {}
        for name in asked or ("*",):
            if name in ("*", "+"):
                chosen |= _USER if name == "*" else _OPERATIONAL
            elif (found := schema.attribute_type(name)) is not None:
                chosen[found.name] = found
        return cls(tuple((name, string(name)) for name in chosen), types_only)

    def of_mailbox(self, number: bytes, mailbox: Mailbox) -> bytes:
        """The SearchResultEntry of a mailbox; `number` is the message's, as an element."""
        sent = []
        types_only = self.types_only
        for name, element in self.names:
            of = VALUES.get(name)
            if of is not None and (values := of(mailbox)):
                said = () if types_only else [value.encode() for value in values]
                sent.append(messages.attribute(element, said))
        return messages.entry(number, dn_of(mailbox.address), sent)

    def of_entry(self, number: bytes, name: str, attributes: Mapping[str, Values]) -> bytes:
        """The SearchResultEntry of an entry that is no mailbox."""
        sent = [
            messages.attribute(element, () if self.types_only else map(str.encode, attributes[each]))
            for each, element in self.names
            if attributes.get(each)
        ]
        return messages.entry(number, name, sent)


_USER = {each.name: each for each in schema.ATTRIBUTES if not each.usage}
_OPERATIONAL = {each.name: each for each in schema.ATTRIBUTES if each.usage}
