"""From a FHIR search to the directory: parameters become conditions, rows become resources, page by page."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from directory.annuaire import conditions
from directory.annuaire.conditions import AtLeast, Equal, Everything, Not, Nothing, Present, Substring, Words
from directory.annuaire.fields import Field
from directory.annuaire.view import TooSlow
from directory.fhir import systems
from directory.fhir.by_mailbox import ByMailbox
from directory.fhir.names import key_of
from directory.fhir.registers import REGISTERS
from directory.fhir.systems import ResourceType
from directory.folding import fold
from foundation.fhir.capability import Kind
from foundation.fhir.search import DateRange, Token

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from directory.annuaire.conditions import Condition
    from directory.annuaire.view import View
    from directory.fhir.query import Criterion

    Test = Callable[[Any], bool]
    Reading = Callable[[View, Token], tuple[Condition, Test | None]]

CHUNK = 100
"""Rows that are fetched at once."""
_SECONDS = 10.0
_DAY = 86_400_000
_MOST_STRUCTURES = 50
_OF_MAILBOXES = frozenset({"mailbox-mss", "mailbox-mss-type"})


@dataclass(frozen=True, slots=True)
class Plan:
    """What to ask the directory for, and what of the answer does not count after all."""

    kind: ResourceType
    condition: Condition
    tests: tuple[Test, ...] = ()

    by_mailbox: ByMailbox | None = None
    """Finds the same, sooner."""

    def rows(self, view: View, after: str, limit: int) -> Iterator[tuple[str, Any]]:
        """At most `limit` rows behind the position `after`, each with its own.

        Raises TooSlow when most of what is found does not count.
        """
        if self.by_mailbox is not None:
            yield from self.by_mailbox.rows(view, after, limit)
            return
        register = REGISTERS[self.kind]
        deadline = time.monotonic() + _SECONDS
        while limit > 0:
            wanted = CHUNK if self.tests else min(limit, CHUNK)
            found = register.rows(view, self.condition, wanted, after)
            for row in found:
                if all(test(row) for test in self.tests):
                    yield register.key(row), row
                    limit -= 1
                    if limit == 0:
                        return
            if len(found) < wanted:
                return
            after = register.key(found[-1])
            if time.monotonic() > deadline and self.tests:
                raise TooSlow("La recherche demande trop de temps : il faut la préciser.")

    def count(self, view: View, at_most: int) -> int:
        """How many rows there are, at most `at_most`."""
        if self.tests:
            return sum(1 for _ in self.rows(view, "", at_most))
        return REGISTERS[self.kind].count(view, self.condition, at_most)


def plan(view: View, kind: ResourceType, criteria: Iterable[Criterion]) -> Plan:
    """The plan for one resource type."""
    wanted: list[Condition] = []
    tests: list[Test] = []
    of_mailboxes: list[Condition] = []
    for criterion in criteria:
        alternatives = [_alternative(view, kind, criterion, value) for value in criterion.values]
        wanted.append(_any([condition for condition, _ in alternatives]))
        if criterion.parameter.name in _OF_MAILBOXES:
            of_mailboxes.append(wanted[-1])
        if any(test is not None for _, test in alternatives):
            tests.append(_one_of([test for _, test in alternatives if test is not None]))
    wanted = [each for each in wanted if not isinstance(each, Everything)]
    if not wanted:
        return Plan(kind, Everything(), tuple(tests))
    condition = wanted[0] if len(wanted) == 1 else conditions.All(tuple(wanted))
    if wanted == of_mailboxes:
        return Plan(kind, condition, by_mailbox=ByMailbox(kind, wanted[0], tuple(wanted[1:])))
    return Plan(kind, condition, tuple(tests))


def _one_of(tests: list[Test]) -> Test:
    return lambda row: any(test(row) for test in tests)


def _any(alternatives: list[Condition]) -> Condition:
    kept = tuple(each for each in alternatives if not isinstance(each, Nothing))
    if any(isinstance(each, Everything) for each in kept):
        return Everything()
    if not kept:
        return Nothing()
    return kept[0] if len(kept) == 1 else conditions.Any(kept)


def _alternative(
    view: View, kind: ResourceType, criterion: Criterion, value: str | Token | DateRange
) -> tuple[Condition, Test | None]:
    """The condition for one value, and the test that what meets it has to pass, where the index is too wide."""
    parameter = criterion.parameter
    if not parameter.stored:
        return Nothing(), None
    if isinstance(value, DateRange):
        return _when(value), None
    if isinstance(value, Token):
        return (
            _TOKENS[kind, parameter.name](view, value)
            if (kind, parameter.name) in _TOKENS
            else _code(kind, parameter.name, value)
        )
    if parameter.kind is Kind.REFERENCE:
        return _reference(parameter.name, criterion.modifier, value), None
    if parameter.name == "_text":
        return Words(value), None
    return _string(_STRINGS[parameter.name, kind], criterion.modifier, value)


def _when(value: DateRange) -> Condition:
    """Times are compared with the half-open interval that a date of some precision is (FHIR R4 §3.1.1.4.6)."""
    from_start, from_end = AtLeast(Field.UPDATED, str(value.start)), AtLeast(Field.UPDATED, str(value.end))
    match value.prefix:
        case "ge":
            return from_start
        case "gt" | "sa":
            return from_end
        case "lt" | "eb":
            return Not(from_start)
        case "le":
            return Not(from_end)
        case "ne":
            return conditions.Any((Not(from_start), from_end))
        case "ap":
            return conditions.All(
                (
                    AtLeast(Field.UPDATED, str(value.start - _DAY)),
                    Not(AtLeast(Field.UPDATED, str(value.end + _DAY))),
                )
            )
        case _:
            return conditions.All((from_start, Not(from_end)))


_NAMES = (Field.LAST_NAME, Field.GIVEN_NAME, Field.CN)
_PLACES = (Field.STREET, Field.CITY, Field.POSTAL_CODE, Field.DEPARTMENT, Field.COUNTRY)
_STRINGS: dict[tuple[str, ResourceType], tuple[Field, ...]] = {
    ("family", ResourceType.PRACTITIONER): (Field.LAST_NAME,),
    ("given", ResourceType.PRACTITIONER): (Field.GIVEN_NAME,),
    ("name", ResourceType.PRACTITIONER): _NAMES,
    ("name", ResourceType.ORGANIZATION): (Field.STRUCTURE,),
    ("address", ResourceType.ORGANIZATION): _PLACES,
    ("address-line", ResourceType.ORGANIZATION): (Field.STREET,),
    ("address-city", ResourceType.ORGANIZATION): (Field.CITY,),
    ("address-postalcode", ResourceType.ORGANIZATION): (Field.POSTAL_CODE,),
    **{("mailbox-mss", kind): (Field.ADDRESS,) for kind in ResourceType},
}


def _string(fields: tuple[Field, ...], modifier: str, value: str) -> tuple[Condition, Test | None]:
    if fields != (Field.ADDRESS,) and not fold(value):
        return Nothing(), None
    match modifier:
        case "exact":
            if fields == (Field.ADDRESS,):  # addresses are in lower case
                return (Equal(Field.ADDRESS, value), None) if value == value.lower() else (Nothing(), None)
            found = _any([Equal(field, value) for field in fields])
            return found, lambda row: any(value in written(row, field) for field in fields)
        case "contains":
            return _any([Substring(field, parts=(value,)) for field in fields]), None
        case "text":
            words = fold(value).split()
            return (
                conditions.All(
                    tuple(_any([Substring(field, parts=(word,)) for field in fields]) for word in words)
                ),
                None,
            )
        case _:
            return _any([Substring(field, initial=value) for field in fields]), None


def written(row: Any, field: Field) -> tuple[str, ...]:
    """The values of a field of a person or structure as they stand in the resource."""
    values: tuple[str | None, ...]
    match field:
        case Field.GIVEN_NAME:
            values = (row.first_name,)
        case Field.CN:
            values = (f"{row.first_name} {row.last_name}",)
        case Field.STRUCTURE:
            values = (row.name, row.sign)
        case Field.STREET:
            parts = (row.street_number, row.street_repeat, row.street_type, row.street_name)
            values = (" ".join(part for part in parts if part),)
        case _:
            values = (getattr(row, field.value),)
    return tuple(value for value in values if value)


def _reference(name: str, modifier: str, value: str) -> Condition:
    """`003-…`, `Practitioner/003-…` or the whole address of the resource."""
    kind = ResourceType.PRACTITIONER if name == "practitioner" else ResourceType.ORGANIZATION
    head, _, identity = value.rpartition("/")
    named = modifier or head.rpartition("/")[2]
    key = key_of(kind, identity) if named in ("", kind.value) else None
    if key is None:
        return Nothing()
    return Equal(Field.IDNAT if kind is ResourceType.PRACTITIONER else Field.STRUCTURE_ID, key)


def _code(kind: ResourceType, name: str, value: Token) -> tuple[Condition, Test | None]:
    """A code that fields of its own hold, by the systems they come from."""
    fields = [field for system, field in _CODES[name, kind] if value.system is None or value.system == system]
    fields = list(dict.fromkeys(fields))
    if not value.code:
        return _any([Present(field) for field in fields]), None
    return _any([Equal(field, value.code) for field in fields]), None


_CODES: dict[tuple[str, ResourceType], tuple[tuple[str, Field], ...]] = {
    ("qualification-code", ResourceType.PRACTITIONER): (
        (systems.PROFESSION, Field.PROFESSION_CODE),
        (systems.CATEGORY, Field.CATEGORY_CODE),
        *((system, Field.SKILL_CODE) for system in systems.SKILLS.values()),
        *((system, Field.DIPLOMA_CODE) for system in systems.DIPLOMAS.values()),
    ),
    ("type", ResourceType.ORGANIZATION): ((systems.SECTOR, Field.SECTOR_CODE),),
    ("role", ResourceType.PRACTITIONER_ROLE): (
        (systems.FUNCTION, Field.FUNCTION_CODE),
        (systems.KIND, Field.KIND_CODE),
        (systems.PRACTICE, Field.PRACTICE_CODE),
        (systems.PHARMACIST_SECTION, Field.PHARMACIST_SECTION_CODE),
    ),
    **{
        ("mailbox-mss-type", kind): ((systems.BOX_TYPE, Field.TYPE), (systems.MAIL_KIND, Field.TYPE))
        for kind in ResourceType
    },
}


def _id(kind: ResourceType) -> Reading:
    register = REGISTERS[kind]

    def read(_: View, value: Token) -> tuple[Condition, Test | None]:
        key = key_of(kind, value.code) if not value.system else None
        if key is None:
            return Nothing(), None
        return Equal(register.field, key), lambda row: bool(register.key(row) == key)

    return read


def _active(_: View, value: Token) -> tuple[Condition, Test | None]:
    """What is served is active: what the extracts no longer name is not in them."""
    return (Everything() if value.code == "true" else Nothing()), None


def person_condition(value: Token) -> Condition:
    """The persons an identifier names."""
    match value:
        case Token(None, code) if code:
            # roles say the IdNat_PS alone: kind (8 RPPS, 0 ADELI) and number
            numbers = (Equal(Field.IDNAT, kind + code) for kind in ("", "8", "0"))
            return conditions.Any((*numbers, Equal(Field.PERSON_ID, code)))
        case Token(systems.IDNAT_PS, code):
            return Equal(Field.IDNAT, code) if code else Everything()
        case Token(systems.RPPS, code):
            return Equal(Field.IDNAT, "8" + code) if code else Equal(Field.PERSON_ID_TYPE, "8")
        case _:
            return Nothing()


def _person(_: View, value: Token) -> tuple[Condition, Test | None]:
    return person_condition(value), None


def _person_type(_: View, value: Token) -> tuple[Condition, Test | None]:
    known = value.system in (None, systems.IDENTIFIER_TYPES)
    if known and value.code == "IDNPS":
        return Everything(), None
    return (Equal(Field.PERSON_ID_TYPE, "8") if known and value.code == "RPPS" else Nothing()), None


def structure_condition(value: Token) -> tuple[Condition, Test | None]:
    """The structures an identifier names."""
    everyone = tuple(name for names in _STRUCTURE_IDS.values() for name in names)
    attributes = everyone if value.system is None else _STRUCTURE_IDS.get(value.system)
    if attributes is None:
        return Nothing(), None
    if not value.code:
        return _any([_has(each) for each in attributes]), None
    return (
        Equal(Field.STRUCTURE_ID, value.code),
        lambda row: any(getattr(row, each) == value.code for each in attributes),
    )


_STRUCTURE_IDS = {
    systems.IDNAT_STRUCT: ("idnat",),
    systems.FINESS: ("finess",),
    systems.SIRENE: ("siret", "siren"),
    systems.RPPS_RANK: ("id",),
}
_STRUCTURE_TYPES = {"IDNST": "idnat", "FINEG": "finess", "SIRET": "siret", "SIREN": "siren", "INTRN": "id"}


def _has(attribute: str) -> Condition:
    """The structures with an identifier of a sort; each has an `id`."""
    return Everything() if attribute == "id" else Present(Field(attribute))


def _structure(_: View, value: Token) -> tuple[Condition, Test | None]:
    return structure_condition(value)


def _structure_type(_: View, value: Token) -> tuple[Condition, Test | None]:
    attribute = _STRUCTURE_TYPES.get(value.code)
    if attribute is None or value.system not in (None, systems.IDENTIFIER_TYPES):
        return Nothing(), None
    return _has(attribute), None


def _in_structure(view: View, value: Token) -> tuple[Condition, Test | None]:
    """Roles in the structures an identifier names."""
    condition, test = structure_condition(value)
    if not value.code:
        return Nothing(), None
    found = view.structures(condition, _MOST_STRUCTURES)
    ids = [each.id for each in found if test is None or test(each)]
    return _any([Equal(Field.STRUCTURE_ID, each) for each in ids]), None


def _role_id(_: View, value: Token) -> tuple[Condition, Test | None]:
    known = value.system in (None, systems.ROLE) and value.code
    return (Equal(Field.ROLE_ID, value.code) if known else Nothing()), None


_TOKENS: dict[tuple[ResourceType, str], Reading] = {
    (ResourceType.PRACTITIONER, "identifier"): _person,
    (ResourceType.PRACTITIONER, "identifier-type"): _person_type,
    (ResourceType.ORGANIZATION, "identifier"): _structure,
    (ResourceType.ORGANIZATION, "identifier-type"): _structure_type,
    (ResourceType.PRACTITIONER_ROLE, "identifier"): _role_id,
    (ResourceType.PRACTITIONER_ROLE, "practitioner.identifier"): _person,
    (ResourceType.PRACTITIONER_ROLE, "organization.identifier"): _in_structure,
    **{(kind, "_id"): _id(kind) for kind in ResourceType},
    **{(kind, "active"): _active for kind in ResourceType},
}
