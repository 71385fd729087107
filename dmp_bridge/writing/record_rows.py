"""The rows of a record as lines of JSON, by names that stay when numbers change: for its export and its import."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sqlalchemy import BigInteger, Boolean, Integer, String, select

from dmp_bridge.dossier.consent_tables import (
    record_closing,
    record_consent,
    record_preference,
    record_relation,
)
from dmp_bridge.dossier.consents import Consent, ConsentKind
from dmp_bridge.dossier.life import Status
from dmp_bridge.dossier.relations import RelationKind
from dmp_bridge.dossier.tables import (
    association,
    document_revision,
    document_term,
    submission_reference,
    submission_set,
)
from dmp_bridge.tables import document

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from sqlalchemy import Column, Connection, Table

ROWS_FILE = "RECORD/ROWS.JSL"
VERSION = 1
MAX_ROWS = 500_000
_MAX_LINE = 2_000_000
_MAX_ALL = 256 * 1024 * 1024
"""Octets of all lines: 5 000 documents with their history have some twenty million."""
_BIGGEST = 2**31
_EARLIEST, _LATEST = -62_000_000_000_000, 253_370_000_000_000
"""Epoch milliseconds of the years 5 and 9998: no calendar goes further."""

_MEDIA_TYPE = re.compile(r"(?:[A-Za-z0-9._+-]+/[A-Za-z0-9._+-]+)?")
_WORDS: Mapping[tuple[str, str], frozenset[str]] = {
    (record_consent.name, "kind"): frozenset(ConsentKind),
    (record_consent.name, "value"): frozenset(Consent),
    (record_relation.name, "kind"): frozenset(RelationKind),
    (document_revision.name, "status"): frozenset(Status),
    (document.name, "confidentiality"): frozenset("NRV"),
}
"""What a column may say where the pages could not go on with anything else."""

_NUMBERS_OF_ENTRY = frozenset({"size", "creation_time", "service_start_time", "service_stop_time"})

# Columns that number rows of one database: the document or submission is told by its uniqueId in their place.
_NUMBERS = frozenset({"id", "owner_id", "blob_id", "display_blob_id", "mail_id"})
_DOCUMENTS = frozenset({"document_id", "source_id", "target_id"})
_PARTS: tuple[Table, ...] = (document_revision, association, document_term, submission_reference)
WILL: tuple[Table, ...] = (record_consent, record_relation, record_preference, record_closing)
"""What the patient said, and who stands how towards the record."""
TABLES: Mapping[str, Table] = {table.name: table for table in (submission_set, document, *_PARTS, *WILL)}


class RowsRefused(Exception):
    """The lines are not those of a record; the message names the line and no value."""


@dataclass(slots=True)
class RecordRows:
    """All rows of one record, tables in the order in which they can be entered; ``files`` is filled by the export."""

    rows: dict[str, list[dict[str, Any]]] = field(default_factory=lambda: {name: [] for name in TABLES})

    def of(self, table: Table) -> list[dict[str, Any]]:
        """The rows of a table."""
        return self.rows[table.name]


@dataclass(frozen=True, slots=True)
class Kept:
    """A document of an export: its row, and the numbers that it and its bytes have here."""

    row: dict[str, Any] = field(repr=False)
    blob_id: int
    number: int


# ref: DMP-F41
def gather(
    connection: Connection,
    owner_id: int,
    is_kept: Callable[[Mapping[str, Any]], bool],
    will: Sequence[Table] = WILL,
) -> tuple[RecordRows, list[Kept]]:
    """The rows of a record in one snapshot, and its documents with their blobs, submission by submission.

    Documents for which ``is_kept`` says no are left out with all that hangs on them. ``will`` are the tables of
    consents and relations to take along: whom a minor sees in secret is not for representatives.
    """
    found = RecordRows()
    submissions = {row["id"]: row for row in _rows(connection, submission_set, owner_id)}
    documents: dict[int, dict[str, Any]] = {}
    kept: list[Kept] = []
    for row in _rows(connection, document, owner_id):
        if not is_kept(row):
            continue
        submission = submissions.get(row["submission_id"])
        told = _plain(row) | {
            "submission_id": None if submission is None else submission["unique_id"],
            "has_display": row["display_blob_id"] is not None,
        }
        documents[row["id"]] = told
        kept.append(Kept(told, row["blob_id"], row["id"]))
    names = {number: row["unique_id"] for number, row in documents.items()}
    found.rows[document.name] = list(documents.values())
    for table in _PARTS:
        for row in _rows(connection, table, owner_id):
            if _DOCUMENTS & row.keys() and row.get("document_id", row.get("source_id")) in names:
                found.of(table).append(_plain(row) | _named(row, names))
    for row in found.of(submission_reference):
        row["submission_id"] = submissions[row["submission_id"]]["unique_id"]
    used = {row["submission_id"] for row in (*documents.values(), *found.of(submission_reference))}
    found.rows[submission_set.name] = [
        _plain(row) for row in submissions.values() if row["unique_id"] in used
    ]
    for table in will:
        found.of(table).extend(_plain(row) for row in _rows(connection, table, owner_id))
    return found, kept


def write_lines(head: Mapping[str, Any], rows: RecordRows) -> Iterator[bytes]:
    """The lines: a head that names the format and the patient, then a row each."""
    yield _line({"record": VERSION, **head})
    for table, listed in rows.rows.items():
        for row in listed:
            yield _line({"table": table, **row})


def read_lines(lines: Iterator[bytes]) -> tuple[dict[str, Any], RecordRows]:
    """What `write_lines` wrote, each value of the type of its column. Raises RowsRefused."""
    head: dict[str, Any] | None = None
    found, size = RecordRows(), 0
    for number, line in enumerate(lines, 1):
        size += len(line)
        if number > MAX_ROWS or len(line) > _MAX_LINE or size > _MAX_ALL:
            raise RowsRefused(f"line {number}: too much for one record")
        try:
            values = json.loads(line)
        except (ValueError, RecursionError):
            raise RowsRefused(f"line {number}: not JSON") from None
        if not isinstance(values, dict):
            raise RowsRefused(f"line {number}: not a row")
        if head is None:
            if values.pop("record", None) != VERSION:
                raise RowsRefused("the record is in a form this version does not read")
            head = values
            continue
        table = TABLES.get(values.pop("table", None) or "")
        if table is None:
            raise RowsRefused(f"line {number}: an unknown table")
        _check(number, table, values)
        found.of(table).append(values)
    if head is None:
        raise RowsRefused("the record is empty")
    return head, found


def _rows(connection: Connection, table: Table, owner_id: int) -> list[dict[str, Any]]:
    statement = select(table).where(table.c.owner_id == owner_id).order_by(*table.primary_key.columns)
    return [dict(row._mapping) for row in connection.execute(statement)]


def _plain(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name not in _NUMBERS}


def _named(row: Mapping[str, Any], names: Mapping[int, str]) -> dict[str, str | None]:
    return {column: names.get(row[column]) for column in _DOCUMENTS & row.keys()}


def _line(values: Mapping[str, Any]) -> bytes:
    return json.dumps(values, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


_EXTRA: Mapping[str, Mapping[str, type]] = {document.name: {"has_display": bool, "file": str}}


def _check(number: int, table: Table, values: Mapping[str, Any]) -> None:
    extra = _EXTRA.get(table.name, {})
    wanted = {column.name for column in table.c} - _NUMBERS
    if values.keys() != wanted | extra.keys():
        raise RowsRefused(f"line {number}: not the columns of {table.name}")
    for name, value in values.items():
        is_right = isinstance(value, extra[name]) if name in extra else _fits(table.c[name], value)
        if not is_right or not _is_said(table, name, value):
            raise RowsRefused(f"line {number}: {table.name}.{name} is of another kind")


def _is_said(table: Table, name: str, value: Any) -> bool:
    """Whether a text can be written at all, and is one of those its column knows."""
    if not isinstance(value, str):
        return True
    if name in ("media_type", "mime_type"):
        return _MEDIA_TYPE.fullmatch(value) is not None
    known = _WORDS.get((table.name, name))
    return value in known if known is not None else is_text(value)


def holds_entry(values: Mapping[str, Any]) -> bool:
    """Whether the members of an entry are texts, and its times and size numbers, as `to_json` writes them."""
    left: list[tuple[str, Any]] = list(values.items())
    while left:
        name, value = left.pop()
        if isinstance(value, dict):
            left += value.items()
        elif isinstance(value, list):
            left += [(name, each) for each in value]
        elif name in _NUMBERS_OF_ENTRY:
            if type(value) is not int or not _EARLIEST <= value < _LATEST:
                return False
        elif not isinstance(value, str) or not is_text(value):
            return False
    return True


def is_text(value: str) -> bool:
    """Whether it can be encoded: JSON may hold half a character (a surrogate alone)."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _fits(column: Column[Any], value: Any) -> bool:
    if value is None:
        return bool(column.nullable) or column.name == "submission_id"
    if column.name in _DOCUMENTS or column.name == "submission_id":
        return isinstance(value, str) and len(value) <= 256
    if isinstance(column.type, Boolean):
        return isinstance(value, bool)
    if isinstance(column.type, (BigInteger, Integer)):
        least, most = (_EARLIEST, _LATEST) if isinstance(column.type, BigInteger) else (-_BIGGEST, _BIGGEST)
        return isinstance(value, int) and not isinstance(value, bool) and least <= value < most
    if isinstance(column.type, String):
        return isinstance(value, str) and (column.type.length is None or len(value) <= column.type.length)
    return False
