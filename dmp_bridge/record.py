"""Reads and writes the documents of a record and the filing of attachments; it decides nothing."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, fields, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from sqlalchemy import bindparam, delete, insert, select, update

from dmp_bridge import codes
from dmp_bridge.codes import Coded
from dmp_bridge.dossier.life import Status
from dmp_bridge.entry import DocumentEntry, confidentiality_codes, from_json
from dmp_bridge.tables import document as document_table
from dmp_bridge.tables import filing as filing_table
from dmp_bridge.visibility import Visibility

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlalchemy import Connection

    from foundation.database import UnitOfWork

__all__ = [
    "Document",
    "Filing",
    "Origin",
    "Reader",
    "State",
    "Status",
    "described",
    "document",
    "document_by_unique_id",
    "document_of",
    "filing",
    "filings_of",
    "list_documents",
    "replace_filings",
    "settle_filing",
    "versions",
]


class Origin(StrEnum):
    """Who put the document into the record."""

    PROFESSIONAL = "professional"
    PATIENT = "patient"
    STRUCTURE = "structure"
    SYSTEM = "system"


class State(StrEnum):
    """What became of an attachment."""

    FILED = "filed"
    DUPLICATE = "duplicate"
    OFFERED = "offered"
    REFUSED = "refused"
    COPY = "copy"
    KEPT = "kept"
    DELETED = "deleted"
    """Sent for the document of the record to be deleted, and so it was."""


class Reader(StrEnum):
    """Who looks at the record; each does not see what is invisible to them."""

    PATIENT = "patient"
    REPRESENTATIVE = "representative"


@dataclass(frozen=True, slots=True)
class Document:
    """One document of a record; times in epoch milliseconds, ``media_type`` of what a person is shown.

    ``display_blob_id`` names what is shown in place of the original (the file in an N1, the PDF copy of an N3).
    ``entry`` is the rest of its metadata in JSON, which `described` reads; ``act_at`` is what lists are sorted by.
    """

    id: int
    owner_id: int
    unique_id: str
    set_id: str | None
    version_number: int
    status: Status
    origin: Origin
    title: str = field(repr=False)
    type_code: str
    class_code: str | None
    category: str
    format_code: str
    confidentiality: str
    masked_to_professionals: bool
    invisible_to_patient: bool
    invisible_to_representatives: bool
    language: str
    creation_at: int | None
    service_start_at: int | None
    service_stop_at: int | None
    author_id: str
    author_name: str
    author_specialty: str
    institution: str
    institution_id: str
    sender: str
    size: int
    sha1: str
    media_type: str
    blob_id: int
    display_blob_id: int | None
    mail_id: int
    filed_at: int
    logical_id: str
    entry_uuid: str
    metadata_version: int
    mime_type: str
    act_at: int
    facility_code: str
    setting_code: str
    entry: str = field(repr=False)
    depositor_id: str
    depositor_structure: str
    submission_id: int | None
    invisible_since: int | None
    announced_at: int | None
    revealed_at: int | None
    changed_at: int

    @property
    def visibilities(self) -> frozenset[Visibility]:
        """From whom it is hidden."""
        flags = (self.masked_to_professionals, self.invisible_to_patient, self.invisible_to_representatives)
        return frozenset(each for each, is_set in zip(Visibility, flags, strict=True) if is_set)


@dataclass(frozen=True, slots=True)
class Filing:
    """What became of one attachment; ``sentence`` is French and is shown to the patient.

    ``title`` and ``category`` are those of a clinical document. What is ``hidden`` must not be shown or given
    to the patient.
    """

    id: int
    owner_id: int
    mail_id: int
    mail_blob_id: int
    part: str
    item: int
    filename: str = field(repr=False)
    media_type: str
    size: int
    kind: str
    state: State
    code: str | None
    sentence: str
    document_id: int | None
    title: str | None = field(repr=False)
    category: str | None
    hidden: bool
    sender: str
    at: int


DOCUMENT_COLUMNS = tuple(document_table.c[each.name] for each in fields(Document))
_STATUS, _ORIGIN = ([each.name for each in fields(Document)].index(name) for name in ("status", "origin"))
# A list of a large record makes thousands: looking up costs a tenth of calling the enumeration.
_STATUSES, _ORIGINS = {each.value: each for each in Status}, {each.value: each for each in Origin}
_FILING_COLUMNS = tuple(filing_table.c[each.name] for each in fields(Filing))
_BY_ID = select(*DOCUMENT_COLUMNS).where(
    document_table.c.owner_id == bindparam("owner"), document_table.c.id == bindparam("document")
)
_BY_UNIQUE_ID = select(*DOCUMENT_COLUMNS).where(
    document_table.c.owner_id == bindparam("owner"), document_table.c.unique_id == bindparam("unique_id")
)
_BY_SET = (
    select(*DOCUMENT_COLUMNS)
    .where(document_table.c.owner_id == bindparam("owner"), document_table.c.set_id == bindparam("set_id"))
    .order_by(document_table.c.version_number.desc(), document_table.c.id.desc())
)
_FILING = select(*_FILING_COLUMNS).where(
    filing_table.c.owner_id == bindparam("owner"), filing_table.c.id == bindparam("filing")
)
_OF_MAIL = (
    select(*_FILING_COLUMNS)
    .where(
        filing_table.c.owner_id == bindparam("owner"),
        filing_table.c.mail_id.in_(bindparam("mails", expanding=True)),
    )
    .order_by(filing_table.c.mail_id, filing_table.c.id)
)
_FORGET_FILINGS = delete(filing_table).where(
    filing_table.c.owner_id == bindparam("owner"), filing_table.c.mail_id == bindparam("mail")
)
_INSERT_FILING = insert(filing_table)
_IN_CHUNKS_OF = 500


# ref: DMP-F18
def list_documents(
    connection: Connection,
    owner_id: int,
    *,
    reader: Reader = Reader.PATIENT,
    category: str | None = None,
    status: Status | None = Status.APPROVED,
) -> list[Document]:
    """The documents a reader sees, the newest act first; ``status`` None also gives the former versions."""
    query = select(*DOCUMENT_COLUMNS).where(
        document_table.c.owner_id == owner_id, document_table.c.invisible_to_patient.is_(False)
    )
    if reader is Reader.REPRESENTATIVE:
        query = query.where(document_table.c.invisible_to_representatives.is_(False))
    if category is not None:
        query = query.where(document_table.c.category == category)
    if status is not None:
        query = query.where(document_table.c.status == status.value)
    query = query.order_by(document_table.c.act_at.desc(), document_table.c.id.desc())
    return [document_of(row) for row in connection.execute(query)]


# ref: DMP-F20
def document(
    connection: Connection, owner_id: int, document_id: int, *, reader: Reader = Reader.PATIENT
) -> Document | None:
    """One document of the record, None when there is none or this reader must not know of it."""
    row = connection.execute(_BY_ID, {"owner": owner_id, "document": document_id}).first()
    if row is None:
        return None
    found = document_of(row)
    hidden = found.invisible_to_patient or (
        reader is Reader.REPRESENTATIVE and found.invisible_to_representatives
    )
    return None if hidden else found


def document_by_unique_id(connection: Connection, owner_id: int, unique_id: str) -> Document | None:
    """The document with this uniqueId, whoever may see it."""
    row = connection.execute(_BY_UNIQUE_ID, {"owner": owner_id, "unique_id": unique_id}).first()
    return None if row is None else document_of(row)


def versions(connection: Connection, owner_id: int, set_id: str) -> list[Document]:
    """Every version of one set, the highest first, whoever may see it."""
    return [document_of(row) for row in connection.execute(_BY_SET, {"owner": owner_id, "set_id": set_id})]


def described(found: Document) -> DocumentEntry:
    """Everything XDS says of a document: what was kept at its filing, under the words it bears now."""
    kept = from_json(json.loads(found.entry))
    return replace(
        kept,
        unique_id=found.unique_id,
        mime_type=found.mime_type,
        size=found.size,
        hash=found.sha1,
        title=found.title,
        language_code=found.language,
        creation_time=found.creation_at,
        service_start_time=found.service_start_at,
        service_stop_time=found.service_stop_at,
        class_code=kept.class_code or _class(found.class_code),
        type_code=kept.type_code or _type(found.type_code),
        format_code=kept.format_code
        or Coded(
            found.format_code, codes.format_system(found.format_code), codes.format_label(found.format_code)
        ),
        confidentiality_codes=confidentiality_codes(
            found.confidentiality, *(each.value for each in Visibility if each in found.visibilities)
        ),
    )


def _class(code: str | None) -> Coded | None:
    return None if code is None else Coded(code, codes.CLASS_SYSTEM, codes.class_label(code))


def _type(code: str) -> Coded:
    kind = codes.document_type(code)
    return Coded(code, codes.type_system(code), kind.label if kind else code)


def filings_of(connection: Connection, owner_id: int, mail_ids: Iterable[int]) -> dict[int, list[Filing]]:
    """What became of the attachments of these mails, by mail, in the order of each message."""
    wanted = list(mail_ids)
    found: dict[int, list[Filing]] = {}
    for start in range(0, len(wanted), _IN_CHUNKS_OF):
        names = {"owner": owner_id, "mails": wanted[start : start + _IN_CHUNKS_OF]}
        for row in connection.execute(_OF_MAIL, names):
            found.setdefault(row.mail_id, []).append(_filing(row))
    return found


def filing(connection: Connection, owner_id: int, filing_id: int) -> Filing | None:
    """One filing row."""
    row = connection.execute(_FILING, {"owner": owner_id, "filing": filing_id}).first()
    return None if row is None else _filing(row)


def replace_filings(uow: UnitOfWork, owner_id: int, mail_id: int, rows: list[dict[str, Any]]) -> list[int]:
    """Writes what became of the attachments of a mail in place of what was written before; returns the ids.

    In place of: a database may give the number of a deleted mail to a new one.
    """
    uow.run(_FORGET_FILINGS, {"owner": owner_id, "mail": mail_id})
    return [uow.run(_INSERT_FILING, row).inserted_id for row in rows]


def refuse_filing(
    uow: UnitOfWork, owner_id: int, mail_id: int, place: tuple[str, int], *, code: str, sentence: str
) -> None:
    """What was in the record is refused elsewhere: `place` is the part and the item of the attachment."""
    uow.execute(
        update(filing_table)
        .where(
            filing_table.c.owner_id == owner_id,
            filing_table.c.mail_id == mail_id,
            filing_table.c.part == place[0][:64],
            filing_table.c.item == place[1],
        )
        .values(state=State.REFUSED.value, code=code, sentence=sentence)
    )


def settle_filing(uow: UnitOfWork, filing_id: int, *, state: State, sentence: str, document_id: int) -> None:
    """An offer was accepted."""
    uow.execute(
        update(filing_table)
        .where(filing_table.c.id == filing_id)
        .values(state=state.value, sentence=sentence, document_id=document_id, code=None)
    )


def document_of(row: Any) -> Document:
    """The document of a row of `DOCUMENT_COLUMNS`."""
    values = list(row)
    values[_STATUS], values[_ORIGIN] = _STATUSES[values[_STATUS]], _ORIGINS[values[_ORIGIN]]
    return Document(*values)


def _filing(row: Any) -> Filing:
    return Filing(**(dict(row._mapping) | {"state": State(row.state)}))
