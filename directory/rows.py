"""From the values of an extract's line to rows of the directory's files."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, NamedTuple

from directory.bals import BalType
from directory.extracts import FIELDS, ExtractKind
from foundation.identifiers import Address, is_idnat

if TYPE_CHECKING:
    from collections.abc import Sequence

    from directory.extracts import Record

LONGEST_VALUE = 400
"""Characters; the longest column of the real extracts has some 150."""
_TYPES = frozenset(kind.value for kind in BalType)
_TRUE = frozenset({"true", "1", "o", "oui", "vrai", "y"})
_ACTIVITY_FIELDS = tuple(FIELDS[ExtractKind.ACTIVITIES])

PERSON_COLUMNS = _ACTIVITY_FIELDS[: _ACTIVITY_FIELDS.index("profession") + 1]
ROLE_COLUMNS = (
    "idnat",
    "structure_id",
    *_ACTIVITY_FIELDS[_ACTIVITY_FIELDS.index("category_code") : _ACTIVITY_FIELDS.index("phone") + 1],
)
STRUCTURE_COLUMNS = (
    "id",
    "idnat",
    *_ACTIVITY_FIELDS[_ACTIVITY_FIELDS.index("finess") : _ACTIVITY_FIELDS.index("country") + 1],
    "phone",
    *_ACTIVITY_FIELDS[_ACTIVITY_FIELDS.index("phone_2") :],
    "sector_code",
    "sector",
)
_PERSON_ENDS = len(PERSON_COLUMNS)
_ROLE_BEGINS = _ACTIVITY_FIELDS.index("category_code")
_PHONE = _ACTIVITY_FIELDS.index("phone")
_TECHNICAL = _ACTIVITY_FIELDS.index("technical_id")
_FINESS = _ACTIVITY_FIELDS.index("finess")
_CITY = _ACTIVITY_FIELDS.index("city")
_ROUTING = _ACTIVITY_FIELDS.index("routing")
_PHONE_2 = _ACTIVITY_FIELDS.index("phone_2")
_SECTOR = _ACTIVITY_FIELDS.index("sector_code")
_ROLE_CODES = tuple(
    place for place in range(_ROLE_BEGINS, _PHONE) if _ACTIVITY_FIELDS[place].endswith("_code")
)

Values = tuple[str | int | None, ...]
"""A row, in the order of its columns."""


class Impossible(Exception):
    """A line says something that no row can hold; the text is the reason without the content."""


class Activity(NamedTuple):
    """What a line of PS_LibreAcces_Personne_activite says, in the order of the three column lists.

    `role_id` is the same for the same activity every day; `structure` is None where the line names none.
    """

    person: Values
    role_id: str
    role: Values
    structure: Values | None


def mailbox_row(record: Record) -> Values:
    """A mailbox in the order of the columns of the extract's fields. Raises Impossible."""
    address_text, kind, digital, *others = record.values
    address = Address.parse(address_text)
    if address is None:
        raise Impossible("no mail address")
    kind = kind.upper()
    if kind not in _TYPES:
        raise Impossible("no type of mailbox")
    _measure(record.values)
    # the routing line begins with the postal code: some rows say it there alone
    if not others[-3] and (code := others[-4].partition(" ")[0]).isdecimal() and len(code) == 5:
        others[-3] = code
    return (
        str(address),
        kind,
        int(digital.casefold() in _TRUE),
        *[value or None for value in others],
    )


def activity_row(record: Record) -> Activity:
    """The person, role and structure of a line. Raises Impossible."""
    _measure(record.values)
    values: list[str | None] = [value or None for value in record.values]
    idnat = values[0]
    if idnat is None:
        raise Impossible("no national identifier")
    if len(idnat) > 64:
        raise Impossible("national identifier too long")
    structure = _structure(values)
    structure_id = structure[0] if structure is not None else None
    said = "|".join([idnat, str(structure_id), *(record.values[place] for place in _ROLE_CODES)])
    return Activity(
        person=tuple(values[:_PERSON_ENDS]),
        role_id=hashlib.blake2b(said.encode(), digest_size=8).hexdigest(),
        role=(idnat, structure_id, *values[_ROLE_BEGINS : _PHONE + 1]),
        structure=structure,
    )


def qualification_row(record: Record) -> Values:
    """(idnat, code, label, type code, type label) of a line of the other two extracts. Raises Impossible."""
    _measure(record.values)
    idnat, code, *labels = record.values
    if not idnat or not code:
        raise Impossible("no national identifier or no code")
    return (idnat, code, *(label or None for label in labels))


def digest_of(values: Sequence[str | int | None]) -> bytes:
    """What tells whether a row changed since yesterday."""
    said = "|".join(["" if value is None else str(value) for value in values])
    return hashlib.blake2b(said.encode(), digest_size=16).digest()


def _structure(values: Sequence[str | None]) -> Values | None:
    technical_id, former_id, finess, _, siret, siren = values[_TECHNICAL : _FINESS + 4]
    idnat = former_id if former_id is not None and is_idnat(former_id) else None
    if idnat is None and finess is not None:
        idnat = "1" + finess
    if idnat is None and siret is not None:
        idnat = "3" + siret
    if idnat is None and siren is not None:
        idnat = "2" + siren
    structure_id = technical_id or idnat
    if structure_id is None:
        return None
    address = list(values[_FINESS:_PHONE_2])
    if values[_CITY] is None and (routing := values[_ROUTING]) is not None:
        first, _, rest = routing.partition(" ")
        address[_CITY - _FINESS] = (rest.strip() if first.isdecimal() else routing) or None
    return (
        structure_id,
        idnat,
        *address,
        values[_PHONE],
        *values[_PHONE_2:],
        *values[_SECTOR : _SECTOR + 2],
    )


def _measure(values: Sequence[str]) -> None:
    if len(max(values, key=len)) > LONGEST_VALUE:
        raise Impossible(f"a value longer than {LONGEST_VALUE} characters")
