"""What a filter means for a mailbox, as a condition on the directory, and for an entry that is none, at once.

A filter is true, false or Undefined (RFC 4511 §4.5.1.7): unknown attributes, values that are none and rules that an
attribute does not have make an item Undefined, and so its negation.
"""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING

from directory.annuaire import conditions
from directory.annuaire.conditions import Condition, Everything, Nothing
from directory.annuaire.fields import Field
from directory.ldap import entries, filters, schema
from directory.ldap.filters import (
    Approximate,
    Equality,
    GreaterOrEqual,
    LessOrEqual,
    Present,
    Substrings,
)
from directory.ldap.names import MailboxName, find
from directory.ldap.results import Refused

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from directory.ldap.filters import Filter, Item
    from directory.ldap.schema import AttributeType

    Meaning = tuple[Condition, Condition]
    """Where a filter is true, and where it is false; elsewhere it is Undefined."""

_EVERYTHING, _NOTHING = Everything(), Nothing()
_UNDEFINED = (_NOTHING, _NOTHING)

_FIELDS: Mapping[str, tuple[Field, ...]] = MappingProxyType(
    {
        "cn": (Field.CN,),
        "sn": (Field.LAST_NAME,),
        "givenName": (Field.GIVEN_NAME,),
        "displayName": (Field.CN,),
        "mail": (Field.ADDRESS,),
        "title": (Field.PROFESSION,),
        "ou": (Field.SERVICE, Field.SKILL),
        "o": (Field.STRUCTURE,),
        "l": (Field.CITY,),
        "st": (Field.DEPARTMENT,),
        "postalCode": (Field.POSTAL_CODE,),
        "street": (Field.STREET,),
        "telephoneNumber": (Field.PHONE,),
        "employeeNumber": (Field.PERSON_ID,),
        "description": (Field.DESCRIPTION,),
        "TypeBAL": (Field.TYPE,),
        "IdentifiantPP": (Field.PERSON_ID,),
        "TypeIdentifiantPP": (Field.PERSON_ID_TYPE,),
        "profession": (Field.PROFESSION_CODE, Field.PROFESSION),
        "IdentifiantPM": (Field.STRUCTURE_ID,),
        "TypeIdentifiantPM": (Field.STRUCTURE_ID_TYPE,),
        "modifyTimestamp": (Field.UPDATED,),
    }
)


def condition_of(wanted: Filter) -> Condition:
    """The mailboxes for which a filter is true."""
    return filters.fold(wanted, _meaning, _conjunction, _disjunction, _negation)[0]


def _negation(meaning: Meaning) -> Meaning:
    true, false = meaning
    return false, true


def _conjunction(meanings: list[Meaning]) -> Meaning:
    return all_of([true for true, _ in meanings]), any_of([false for _, false in meanings])


def _disjunction(meanings: list[Meaning]) -> Meaning:
    return any_of([true for true, _ in meanings]), all_of([false for _, false in meanings])


def all_of(children: list[Condition]) -> Condition:
    """What meets every one, in the shortest form."""
    kept = [child for child in children if child != _EVERYTHING]
    if _NOTHING in kept:
        return _NOTHING
    return kept[0] if len(kept) == 1 else conditions.All(tuple(kept)) if kept else _EVERYTHING


def any_of(children: list[Condition]) -> Condition:
    """What meets one of them, in the shortest form."""
    kept = [child for child in children if child != _NOTHING]
    if _EVERYTHING in kept:
        return _EVERYTHING
    return kept[0] if len(kept) == 1 else conditions.Any(tuple(kept)) if kept else _NOTHING


def none_of(condition: Condition) -> Condition:
    """What does not meet it."""
    if condition == _EVERYTHING:
        return _NOTHING
    return _EVERYTHING if condition == _NOTHING else conditions.Not(condition)


def _meaning(item: Item) -> Meaning:
    attribute = schema.attribute_type(item.attribute)
    condition = _condition(attribute, item) if attribute is not None else None
    return _UNDEFINED if condition is None else (condition, none_of(condition))


def _condition(attribute: AttributeType, item: Item) -> Condition | None:
    """Where an item is true; None where it is Undefined."""
    if not _has_rule(attribute, item):
        return None
    special = _SPECIAL.get(attribute.name)
    if special is not None:
        return special(item)
    fields = _FIELDS.get(attribute.name, ())
    if isinstance(item, Present):
        return any_of([conditions.Present(field) for field in fields])
    if isinstance(item, Substrings):
        return _substrings(item, fields)
    value = _text(item.value)
    make = _COMPARES[type(item)]
    return None if value is None else any_of([make(field, value) for field in fields])


_COMPARES: Mapping[type, Callable[[Field, str], Condition]] = MappingProxyType(
    {
        Equality: conditions.Equal,
        Approximate: conditions.Approximate,
        GreaterOrEqual: conditions.AtLeast,
        LessOrEqual: conditions.AtMost,
    }
)


_CLASSES = frozenset({"objectClass", "structuralObjectClass"})


def _has_rule(attribute: AttributeType, item: Item) -> bool:
    match item:
        case Present():
            return True
        case Substrings():
            return attribute.syntax.substring is not None
        case GreaterOrEqual() | LessOrEqual():
            return attribute.syntax.ordering is not None
        case _:
            return attribute.syntax.equality is not None


def _substrings(item: Substrings, fields: tuple[Field, ...]) -> Condition | None:
    pieces = [item.initial, *item.parts, item.final]
    texts = [None if piece is None else _part(piece) for piece in pieces]
    if any(piece is not None and text is None for piece, text in zip(pieces, texts, strict=True)):
        return None
    initial, *parts, final = texts
    middle = tuple(part for part in parts if part is not None)
    if initial is None and final is None and not middle:
        return any_of([conditions.Present(field) for field in fields])
    return any_of([conditions.Substring(field, initial, middle, final) for field in fields])


def _part(octets: bytes) -> str | None:
    """A piece of a value; None for what no value holds. Spaces at its ends count."""
    try:
        text = octets.decode()
    except UnicodeDecodeError:
        return None
    return None if "\0" in text else text


def _text(octets: bytes) -> str | None:
    """A value of an assertion; None for one that no value can be: the item is Undefined."""
    text = _part(octets)
    return text if text is not None and text.strip() else None


# Attributes that are no column


def _object_class(item: Item) -> Condition | None:
    if isinstance(item, Present):
        return _EVERYTHING
    name = schema.class_name(_text(_value(item)) or "")
    has_surname = conditions.Present(Field.LAST_NAME)
    if name is None:
        return None
    if name in schema.PERSON_CLASSES:
        return _EVERYTHING if name in schema.PLACE_CLASSES else has_surname
    return conditions.Not(has_surname) if name in schema.PLACE_CLASSES else _NOTHING


def _structural_class(item: Item) -> Condition | None:
    if isinstance(item, Present):
        return _EVERYTHING
    name = schema.class_name(_text(_value(item)) or "")
    if name is None or name in ("inetOrgPerson", "organizationalRole"):
        return _object_class(item)
    return _NOTHING


def _structure_number(item: Item) -> Condition | None:
    """The number without the character of its kind, whichever kind that is."""
    if isinstance(item, Present):
        return conditions.Present(Field.STRUCTURE_ID)
    value = _text(_value(item))
    if value is None:
        return None
    plain = value.strip()
    kinds = entries.STRUCTURE_ID_KINDS
    return any_of([conditions.Equal(Field.STRUCTURE_ID, kind + plain) for kind in kinds])


def _structure_kind(item: Item) -> Condition | None:
    if isinstance(item, Present):
        return conditions.Present(Field.STRUCTURE_ID_TYPE)
    value = (_text(_value(item)) or "").strip()
    if not value:
        return None
    words = {word.casefold(): kind for kind, word in entries.STRUCTURE_ID_KINDS.items()}
    kind = value if value not in entries.STRUCTURE_ID_KINDS else ""
    kind = words.get(value.casefold(), kind)
    return conditions.Equal(Field.STRUCTURE_ID_TYPE, kind) if kind else _NOTHING


def _modified(item: Item) -> Condition | None:
    """Seconds, where the directory counts milliseconds."""
    if isinstance(item, Present):
        return none_of(conditions.AtMost(Field.UPDATED, "0"))
    second = _generalized_time(_text(_value(item)) or "")
    if second is None:
        return None
    first, last = str(second * 1000), str(second * 1000 + 999)
    if isinstance(item, GreaterOrEqual):
        return conditions.AtLeast(Field.UPDATED, first)
    never = none_of(conditions.AtMost(Field.UPDATED, "0"))
    least = never if isinstance(item, LessOrEqual) else conditions.AtLeast(Field.UPDATED, first)
    return all_of([least, conditions.AtMost(Field.UPDATED, last)])


def _generalized_time(text: str) -> int | None:
    """Seconds since 1970 of `20260313145410Z` (RFC 4517 §3.3.13, in UTC; a fraction does not count)."""
    plain = text.strip()
    digits, _, fraction = plain.removesuffix("Z").partition(".")
    if not plain.endswith("Z") or not digits.isascii() or len(digits) not in (10, 12, 14):
        return None
    if not (digits + fraction).isdecimal():
        return None
    try:
        return int(datetime.strptime(digits.ljust(14, "0"), "%Y%m%d%H%M%S").replace(tzinfo=UTC).timestamp())
    except (ValueError, OverflowError):
        return None


def _entry_dn(item: Item) -> Condition | None:
    if isinstance(item, Present):
        return _EVERYTHING
    try:
        name = find((_text(_value(item)) or "=").strip())
    except Refused:
        return None
    return conditions.Equal(Field.ADDRESS, name.address) if isinstance(name, MailboxName) else _NOTHING


def _constant(attribute: str, item: Item) -> Condition | None:
    """Of an attribute in which all mailboxes say the same."""
    if isinstance(item, Present):
        return _EVERYTHING
    said = {"hasSubordinates": "false", "subschemaSubentry": "cn=subschema"}[attribute]
    value = (_text(_value(item)) or "").strip().casefold()
    return _EVERYTHING if value == said else _NOTHING


def _value(item: Item) -> bytes:
    assert not isinstance(item, (Present, Substrings))  # the syntaxes of these attributes have no such rule
    return item.value


_SPECIAL: Mapping[str, Callable[[Item], Condition | None]] = MappingProxyType(
    {
        "objectClass": _object_class,
        "structuralObjectClass": _structural_class,
        "IdentifiantPM": _structure_number,
        "TypeIdentifiantPM": _structure_kind,
        "modifyTimestamp": _modified,
        "entryDN": _entry_dn,
        "hasSubordinates": partial(_constant, "hasSubordinates"),
        "subschemaSubentry": partial(_constant, "subschemaSubentry"),
    }
)


# An entry at hand


def holds(wanted: Filter, attributes: Mapping[str, tuple[str, ...]]) -> bool | None:
    """Whether a filter is true of an entry with these attributes; None where it is Undefined."""
    return filters.fold(wanted, lambda item: asserts(item, attributes), _all, _any, _NEGATED.__getitem__)


def _all(truths: list[bool | None]) -> bool | None:
    return False if False in truths else None if None in truths else True


def _any(truths: list[bool | None]) -> bool | None:
    return True if True in truths else None if None in truths else False


_NEGATED: Mapping[bool | None, bool | None] = MappingProxyType({True: False, False: True, None: None})


def asserts(item: Item, attributes: Mapping[str, tuple[str, ...]]) -> bool | None:
    """Whether one assertion is true of an entry with these attributes; None where it is Undefined."""
    attribute = schema.attribute_type(item.attribute)
    if attribute is None or not _has_rule(attribute, item):
        return None
    values = attributes.get(attribute.name, ())
    if isinstance(item, Present):
        return bool(values)
    plain = [_plain(value) for value in values]
    if isinstance(item, Substrings):
        pieces = [item.initial, *item.parts, item.final]
        texts = ["" if piece is None else _part(piece) for piece in pieces]
        if None in texts:
            return None
        return any(
            _has_pieces(value, [text.casefold() for text in texts if text is not None]) for value in plain
        )
    text = _text(item.value)
    if text is not None and attribute.name in _CLASSES:
        text = schema.class_name(text)
    if text is None:
        return None
    said = _plain(text)
    if isinstance(item, GreaterOrEqual):
        return any(value >= said for value in plain)
    if isinstance(item, LessOrEqual):
        return any(value <= said for value in plain)
    return said in plain


def _plain(value: str) -> str:
    return " ".join(value.casefold().split())


def _has_pieces(value: str, pieces: list[str]) -> bool:
    initial, *parts, final = pieces
    if not value.startswith(initial):
        return False
    start, end = len(initial), len(value) - len(final)
    for part in parts:
        found = value.find(part, start, end)
        if found < 0:
            return False
        start = found + len(part)
    return start <= end and value.endswith(final)
