"""From the values of an extract's line to the columns of the directory's tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import String

from directory.bals import BalType
from directory.extracts import FIELDS, ExtractKind
from directory.folding import fold
from directory.tables import staged_activity, staged_entry
from foundation.identifiers import Address

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import Table

    from directory.extracts import Record

_TYPES = frozenset(BalType)
_TRUE = frozenset({"true", "1", "o", "oui", "vrai", "y"})
_ENTRY_FIELDS = tuple(FIELDS[ExtractKind.MAILBOXES])
_ACTIVITY_FIELDS = tuple(FIELDS[ExtractKind.ACTIVITIES])


class Impossible(Exception):
    """A line says something that no row can hold; the text is the reason without the content."""


def _widths(table: Table) -> Mapping[str, int]:
    return {
        column.key: column.type.length
        for column in table.columns
        if isinstance(column.type, String) and column.type.length is not None
    }


_ENTRY_WIDTHS = _widths(staged_entry)
_ACTIVITY_WIDTHS = _widths(staged_activity)


def entry_row(record: Record) -> dict[str, Any]:
    """The columns of a published mailbox. Raises Impossible."""
    row: dict[str, Any] = dict(zip(_ENTRY_FIELDS, (value or None for value in record.values), strict=True))
    address = Address.parse(row["address"] or "")
    if address is None:
        raise Impossible("no mail address")
    kind = (row["type"] or "").upper()
    if kind not in _TYPES:
        raise Impossible("no type of mailbox")
    postal_code, locality = row["postal_code"], row.pop("locality")
    first, _, rest = (locality or "").partition(" ")
    by_code = first.isdecimal() and len(first) == 5
    street = [row.pop(name) for name in ("street_number", "street_repeat", "street_type", "street_name")]
    row["type"] = kind
    row["address"] = str(address)
    row["domain"] = address.domain
    row["digital"] = (row["digital"] or "").casefold() in _TRUE
    row["postal_code"] = postal_code or (first if by_code else None)
    row["city"] = (rest.strip() if by_code else locality) or None
    row["street"] = " ".join(part for part in street if part) or None
    row["digest"] = record.digest
    row["folded"] = search_text(row)
    _measure(row, _ENTRY_WIDTHS)
    return row


def activity_row(record: Record) -> dict[str, Any]:
    """The columns of a professional's activity. Raises Impossible."""
    row: dict[str, Any] = dict(zip(_ACTIVITY_FIELDS, (value or None for value in record.values), strict=True))
    if row["idnat"] is None:
        raise Impossible("no national identifier")
    locality = row.pop("locality")
    if row["city"] is None and locality is not None:
        first, _, rest = locality.partition(" ")
        row["city"] = (rest.strip() if first.isdecimal() else locality) or None
    row["digest"] = record.digest
    _measure(row, _ACTIVITY_WIDTHS)
    return row


def search_text(row: Mapping[str, Any]) -> str:
    """What a search looks at, folded: who, where, what, and the address itself."""
    names = (
        "first_name",
        "last_name",
        "structure",
        "structure_sign",
        "service",
        "profession",
        "skill",
        "city",
        "postal_code",
        "person_id",
        "structure_id",
        "address",
    )
    return fold(" ".join([row[name] for name in names if row[name]]))


def _measure(row: Mapping[str, Any], widths: Mapping[str, int]) -> None:
    for name, width in widths.items():
        value = row[name]
        if value is not None and len(value) > width:
            raise Impossible(f"{name} longer than {width} characters")
