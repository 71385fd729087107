"""Entries: what the attributes of a mailbox say, the suffix, the subschema, and the choice of what a search sends."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from operator import attrgetter
from types import MappingProxyType
from typing import TYPE_CHECKING, Self

from directory.ldap import messages, schema
from directory.ldap.ber import string
from directory.ldap.names import SUBSCHEMA, SUFFIX, dn_of

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence

    from directory.annuaire.model import Mailbox

    Values = tuple[str, ...]
    _One = Callable[[Mailbox], str | None]
    _Several = Callable[[Mailbox], Values]
    _Tell = Callable[[Mailbox], bytes]

_MOST_KEPT = 50_000
"""Entries that were sent lately: about 1 KB each."""
_MOST_ALIKE = 2048
"""Towns, structures, services and the like of which the attributes are kept."""

STRUCTURE_ID_KINDS: Mapping[str, str] = MappingProxyType(
    {"0": "ADELI", "1": "FINESS", "2": "SIREN", "3": "SIRET", "4": "RPPS"}
)
"""TRE_G07: the first character of an IdNat_Struct, and the word of installed software for it."""


def _differ(first: str, second: str) -> bool:
    """Whether a server may hold both values (X.501); neither is empty or begins with a space."""
    if first[0].casefold()[0] != second[0].casefold()[0]:
        return True
    return first.casefold().split() != second.casefold().split()


def _each_once(first: str | None, second: str | None) -> Values:
    """Those there are."""
    if not first or not second:
        present = first or second
        return (present,) if present else ()
    return (first, second) if _differ(first, second) else (first,)


def _common_names(mailbox: Mailbox) -> Values:
    names = mailbox.common_names
    return names if len(names) == 1 or _differ(*names) else names[:1]


def is_person(mailbox: Mailbox) -> bool:
    """Whether the entry is a person's: a person must have a surname (RFC 4519 §3.12)."""
    return bool(mailbox.last_name)


def _classes(mailbox: Mailbox) -> Values:
    return schema.PERSON_CLASSES if is_person(mailbox) else schema.PLACE_CLASSES


def _structure_number(mailbox: Mailbox) -> str | None:
    return mailbox.structure_id[1:] if mailbox.structure_id else None


def _structure_kind(mailbox: Mailbox) -> str | None:
    kind = mailbox.structure_id_type
    return STRUCTURE_ID_KINDS.get(kind, kind) if kind else None


def _modified(mailbox: Mailbox) -> str | None:
    if not mailbox.updated_at:
        return None
    return f"{datetime.fromtimestamp(mailbox.updated_at // 1000, UTC):%Y%m%d%H%M%SZ}"


_ONE: Mapping[str, _One] = MappingProxyType(
    {
        "sn": attrgetter("last_name"),
        "givenName": attrgetter("first_name"),
        "displayName": attrgetter("display_name"),
        "mail": attrgetter("address"),
        "title": attrgetter("profession"),
        "l": attrgetter("city"),
        "st": attrgetter("department"),
        "postalCode": attrgetter("postal_code"),
        "street": attrgetter("street"),
        "telephoneNumber": attrgetter("phone"),
        "employeeNumber": attrgetter("person_id"),
        "description": attrgetter("description"),
        "TypeBAL": attrgetter("type"),
        "IdentifiantPP": attrgetter("person_id"),
        "TypeIdentifiantPP": attrgetter("person_id_type"),
        "IdentifiantPM": _structure_number,
        "TypeIdentifiantPM": _structure_kind,
        "entryDN": lambda mailbox: dn_of(mailbox.address),
        "hasSubordinates": lambda _: "FALSE",
        "modifyTimestamp": _modified,
        "structuralObjectClass": lambda mailbox: _classes(mailbox)[-2],
        "subschemaSubentry": lambda _: SUBSCHEMA,
    }
)
"""What a mailbox says in the attributes that have one value at most."""

_SEVERAL: Mapping[str, _Several] = MappingProxyType(
    {
        "objectClass": _classes,
        "cn": _common_names,
        "ou": lambda mailbox: _each_once(mailbox.service, mailbox.skill),
        "o": lambda mailbox: _each_once(mailbox.structure, mailbox.structure_sign),
        "profession": lambda mailbox: _each_once(mailbox.profession_code, mailbox.profession),
    }
)
"""What it says in the others."""

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


# ref: F38
def values_of(mailbox: Mailbox) -> dict[str, Values]:
    """Every attribute of a mailbox that has values, by its first name."""
    single = {name: (value,) for name, of in _ONE.items() if (value := of(mailbox))}
    return single | {name: values for name, of in _SEVERAL.items() if (values := of(mailbox))}


@dataclass(frozen=True, slots=True)
class Selection:
    """Which attributes a search sends (RFC 4511 §4.5.1.8)."""

    names: tuple[str, ...]
    types_only: bool

    @classmethod
    def of(cls, wanted: Iterable[str], *, types_only: bool) -> Self:
        """Of the names of the request; unknown ones are left out, none at all are all user attributes."""
        asked = tuple(wanted)
        chosen: dict[str, None] = {}
        for name in asked or ("*",):
            if name in ("*", "+"):
                chosen |= _USER if name == "*" else _OPERATIONAL
            elif (found := schema.attribute_type(name)) is not None:
                chosen[found.name] = None
        return cls(tuple(chosen), types_only)

    def of_mailboxes(self, mailboxes: Sequence[Mailbox]) -> list[bytes]:
        """The SearchResultEntry of each mailbox."""
        told = _types_of if self.types_only else _entry_of
        return [told(self.names, mailbox) for mailbox in mailboxes]

    def of_entry(self, name: str, attributes: Mapping[str, Values]) -> bytes:
        """The SearchResultEntry of an entry that is no mailbox."""
        sent = [
            messages.attribute(_ELEMENTS[each], () if self.types_only else map(str.encode, attributes[each]))
            for each in self.names
            if attributes.get(each)
        ]
        return messages.entry(name, sent)


class _Heads(dict[int, bytes]):
    """What stands before the one value of an attribute, by how many octets the value has."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self._element = _ELEMENTS[name]

    def __missing__(self, octets: int) -> bytes:
        whole = messages.attribute(self._element, (bytes(octets),))
        head = self[octets] = whole[: len(whole) - octets]
        return head


class _Pairs(dict[int, tuple[bytes, bytes]]):
    """What stands before and between the two values of an attribute that have as many octets."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self._element = _ELEMENTS[name]

    def __missing__(self, octets: int) -> tuple[bytes, bytes]:
        value = string("\0" * octets)
        between = value[: len(value) - octets]
        whole = messages.attribute(self._element, [bytes(octets)] * 2)
        pair = self[octets] = whole[: len(whole) - len(value) - octets], between
        return pair


class _Alike:
    """Attributes that many mailboxes say alike, told once for all that have the same `key`."""

    def __init__(self, key: Callable[[Mailbox], Hashable], names: Iterable[str]) -> None:
        self._key = key
        self._tellers = [_TELLERS[name] for name in names]
        self._told: dict[Hashable, bytes] = {}

    def __call__(self, mailbox: Mailbox) -> bytes:
        key = self._key(mailbox)
        told = self._told.get(key)
        if told is None:
            if len(self._told) >= _MOST_ALIKE:
                self._told.clear()
            told = self._told[key] = b"".join([tell(mailbox) for tell in self._tellers])
        return told


@lru_cache(maxsize=_MOST_KEPT)
def _entry_of(names: tuple[str, ...], mailbox: Mailbox) -> bytes:
    """Kept, since what people look for is the same few; so is the mailbox itself, by the directory."""
    return messages.entry(dn_of(mailbox.address), [tell(mailbox) for tell in _tellers(names)])


def _types_of(names: tuple[str, ...], mailbox: Mailbox) -> bytes:
    said = values_of(mailbox)
    types = [messages.attribute(_ELEMENTS[name], ()) for name in names if name in said]
    return messages.entry(dn_of(mailbox.address), types)


@lru_cache(maxsize=16)
def _tellers(names: tuple[str, ...]) -> list[_Tell]:
    """What tells the attributes of a selection."""
    alike = {name for _, group in _ALIKE for name in group}
    told: list[_Tell] = [_TELLERS[name] for name in names if name in _TELLERS and name not in alike]
    for key, group in _ALIKE:
        wanted = [name for name in names if name in group]
        if wanted:
            told.append(_Alike(key, wanted))
    return told


def _tell_one(name: str, of: _One) -> _Tell:
    heads = _Heads(name)

    def tell(mailbox: Mailbox) -> bytes:
        value = of(mailbox)
        if not value:
            return b""
        octets = value.encode()
        return heads[len(octets)] + octets

    return tell


def _tell_several(name: str, of: _Several) -> _Tell:
    heads, pairs = _Heads(name), _Pairs(name)

    def tell(mailbox: Mailbox) -> bytes:
        told = [value.encode() for value in of(mailbox)]
        match told:
            case []:
                return b""
            case [only]:
                return heads[len(only)] + only
            case [first, second] if len(first) == len(second):  # the names of a person, either way round
                before, between = pairs[len(first)]
                return before + first + between + second
            case _:
                return messages.attribute(_ELEMENTS[name], told)

    return tell


_USER = {each.name: None for each in schema.ATTRIBUTES if not each.usage}
_OPERATIONAL = {each.name: None for each in schema.ATTRIBUTES if each.usage}
_ELEMENTS: Mapping[str, bytes] = MappingProxyType(
    {each.name: string(each.name) for each in schema.ATTRIBUTES}
)
_TELLERS: Mapping[str, _Tell] = MappingProxyType(
    {
        **{name: _tell_one(name, of) for name, of in _ONE.items()},
        **{name: _tell_several(name, of) for name, of in _SEVERAL.items()},
    }
)
"""What tells each attribute that a mailbox may have: nothing where it has no value."""
_ALIKE: tuple[tuple[Callable[[Mailbox], Hashable], tuple[str, ...]], ...] = (
    (
        lambda mailbox: (mailbox.type, mailbox.person_id_type, is_person(mailbox)),
        ("objectClass", "structuralObjectClass", "TypeBAL", "TypeIdentifiantPP"),
    ),
    (attrgetter("profession", "profession_code"), ("title", "profession")),
    (attrgetter("service", "skill"), ("ou",)),
    (attrgetter("routing", "postal_code", "department"), ("l", "postalCode", "st")),
)
"""What tells attributes that many mailboxes have in common, and which these are."""
