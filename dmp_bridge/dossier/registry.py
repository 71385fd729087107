"""Enters documents into a record and changes what is said of them; every version of the metadata is kept.

It decides nothing: what may be entered or changed is settled before, by the rules.
"""

from __future__ import annotations

import json
import secrets
import uuid
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any

from sqlalchemy import bindparam, func, insert, or_, select, tuple_, union, update

from dmp_bridge import record
from dmp_bridge.dossier.life import STATUS_WHEN_REPLACED, Status
from dmp_bridge.dossier.tables import (
    association,
    document_revision,
    document_term,
    submission_reference,
    submission_set,
)
from dmp_bridge.entry import to_json
from dmp_bridge.tables import document
from dmp_bridge.visibility import Visibility

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from sqlalchemy import Connection, Select

    from dmp_bridge.codes import Coded
    from dmp_bridge.dossier.forms import DocumentQuery, SubmissionQuery
    from dmp_bridge.entry import DocumentEntry, Relation
    from dmp_bridge.record import Document
    from foundation.database import UnitOfWork

EVENT, REFERENCE = "event", "reference"
REPLACING = frozenset({"RPLC", "XFRM_RPLC"})
_UUID = "urn:uuid:"
_TERMS = 50

_GAP = 1000
_HIGHEST = select(func.coalesce(func.max(document.c.id), 0))
_INSERT = insert(document)
_INSERT_REVISION = insert(document_revision)
_INSERT_SUBMISSION = insert(submission_set)
_INSERT_REFERENCE = insert(submission_reference)
_INSERT_TERM = insert(document_term)
_JOIN = (
    update(document)
    .where(document.c.id == bindparam("document"), document.c.submission_id.is_(None))
    .values(submission_id=bindparam("submission"))
)
_REFERS = select(submission_reference.c.document_id).where(
    submission_reference.c.submission_id == bindparam("submission"),
    submission_reference.c.document_id == bindparam("document"),
)
_INSERT_ASSOCIATION = insert(association)
_REVISE = (
    update(document)
    .where(document.c.id == bindparam("document"))
    .values(
        {
            name: bindparam(f"new_{name}")
            for name in (
                "status",
                "masked_to_professionals",
                "invisible_to_patient",
                "invisible_to_representatives",
                "invisible_since",
                "revealed_at",
                "entry_uuid",
                "metadata_version",
                "changed_at",
            )
        }
    )
)
_BY_ENTRY_UUID = select(document_revision.c.document_id).where(
    document_revision.c.entry_uuid == bindparam("uuid"), document_revision.c.owner_id == bindparam("owner")
)
_WAITING = select(association.c.id, association.c.kind, association.c.source_id, association.c.target).where(
    association.c.owner_id == bindparam("owner"),
    association.c.target == bindparam("target"),
    association.c.target_id.is_(None),
)
_MASKED_BY_PATIENT = (
    select(document.c.id)
    .join(document_revision, document_revision.c.document_id == document.c.id)
    .where(
        document.c.id == bindparam("document"),
        document.c.masked_to_professionals.is_(True),
        document_revision.c.masked_to_professionals.is_(True),
        document_revision.c.actor.startswith("patient:"),
    )
)
_BY_ID = select(*record.DOCUMENT_COLUMNS).where(document.c.id == bindparam("document"))
_SUBMISSION = select(submission_set.c.id).where(
    submission_set.c.owner_id == bindparam("owner"), submission_set.c.unique_id == bindparam("unique_id")
)


@dataclass(frozen=True, slots=True)
class Awaited:
    """An association whose target was not there when it came."""

    id: int
    kind: str
    source: Document


@dataclass(frozen=True, slots=True)
class Linked:
    """An association of a document with another one of its record; `target_id` None while that is not there."""

    entry_uuid: str
    kind: str
    source_id: int
    target: str
    target_id: int | None


@dataclass(frozen=True, slots=True)
class Revision:
    """One version of the metadata of a document; `actor` made it, `at` in epoch milliseconds."""

    document_id: int
    metadata_version: int
    entry_uuid: str
    status: str
    masked_to_professionals: bool
    invisible_to_patient: bool
    invisible_to_representatives: bool
    actor: str
    at: int


@dataclass(frozen=True, slots=True)
class SubmissionSet:
    """What was deposited together (IHE ITI TF-3 §4.2.3.3); `submitted_at` in epoch milliseconds."""

    id: int
    owner_id: int
    unique_id: str
    entry_uuid: str
    source_id: str
    title: str = field(repr=False)
    content_type: str
    depositor_id: str
    depositor_name: str = field(repr=False)
    depositor_structure: str
    submitted_at: int


def new_uuid() -> str:
    """An entryUUID or logicalId."""
    return f"{_UUID}{uuid.uuid4()}"


def document_by_id(connection: Connection, document_id: int) -> Document | None:
    """The document with this number, whosever record it is in."""
    row = connection.execute(_BY_ID, {"document": document_id}).first()
    return None if row is None else record.document_of(row)


def resolve(connection: Connection, owner_id: int, target: str) -> Document | None:
    """The document that a uniqueId names, or an entryUUID it bears or bore."""
    if target.startswith(_UUID):
        found = connection.execute(_BY_ENTRY_UUID, {"uuid": target, "owner": owner_id}).scalar()
        return None if found is None else document_by_id(connection, found)
    return record.document_by_unique_id(connection, owner_id, target)


def awaited_by(connection: Connection, owner_id: int, targets: Iterable[str]) -> list[Awaited]:
    """The associations that came before the document of this uniqueId or entryUUID."""
    found = []
    for target in {each for each in targets if each}:
        for row in connection.execute(_WAITING, {"owner": owner_id, "target": target}):
            source = document_by_id(connection, row.source_id)
            if source is not None:
                found.append(Awaited(row.id, row.kind, source))
    return found


def new_number(uow: UnitOfWork) -> int:
    """The number of the next document, some way behind the highest.

    Most numbers are nobody's, so that one that is not told of may as well not be there: who counts learns nothing.
    """
    row = uow.run(_HIGHEST, {}).first()
    assert row is not None
    highest: int = row[0]
    return highest + 1 + secrets.randbelow(_GAP)


# ref: DMP-F17
def enter(
    uow: UnitOfWork,
    values: Mapping[str, Any],
    entry: DocumentEntry,
    *,
    actor: str,
    at: int,
    entry_uuid: str = "",
    awaited: Sequence[Awaited] = (),
) -> tuple[int, str]:
    """Writes a document under these columns with the first version of its metadata; its number and entryUUID.

    `entry_uuid` is what the sender chose, taken where it is a UUID that nobody bears. `awaited` are the
    associations that may point at it; a relation of `entry` whose target is not there waits for it.
    """
    owner_id = values["owner_id"]
    chosen = entry_uuid if _is_free(uow.connection, entry_uuid) else new_uuid()
    invisible = values["invisible_to_patient"]
    document_id = uow.run(
        _INSERT,
        {
            **values,
            "id": new_number(uow),
            "logical_id": new_uuid(),
            "entry_uuid": chosen,
            "metadata_version": 1,
            "act_at": values["service_start_at"] or values["creation_at"] or 0,
            "facility_code": _code(entry.healthcare_facility_type_code),
            "setting_code": _code(entry.practice_setting_code),
            "entry": json.dumps(to_json(entry), ensure_ascii=False, separators=(",", ":")),
            "invisible_since": at if invisible else None,
            "announced_at": None,
            "revealed_at": None,
            "filed_at": at,
            "changed_at": at,
        },
    ).inserted_id
    _append_revision(uow, {**values, "entry_uuid": chosen}, document_id, 1, actor, at)
    terms = [(EVENT, each.code) for each in entry.event_codes[:_TERMS]]
    terms += [(REFERENCE, each.value) for each in entry.reference_ids[:_TERMS]]
    for kind, code in dict.fromkeys((kind, code[:256]) for kind, code in terms if code):
        uow.run(_INSERT_TERM, {"owner_id": owner_id, "kind": kind, "code": code, "document_id": document_id})
    for each in awaited:
        uow.execute(update(association).where(association.c.id == each.id).values(target_id=document_id))
    _relate(uow, owner_id, document_id, entry.relations)
    return document_id, chosen


def are_masked_by_patient(connection: Connection, document_ids: Sequence[int]) -> bool:
    """Whether the patient, or who represents the patient, masked one of these, which still is."""
    return any(
        connection.execute(_MASKED_BY_PATIENT, {"document": document_id}).first() is not None
        for document_id in document_ids
    )


def supersede(uow: UnitOfWork, document_ids: Iterable[int], *, actor: str, at: int) -> None:
    """A newer version takes the place of these: the registry's own change, so the entryUUID stays (TF-3 §4.2.2.2.3)."""
    for document_id in document_ids:
        found = document_by_id(uow.connection, document_id)
        if found is not None and STATUS_WHEN_REPLACED[found.status] is not found.status:
            _revise(uow, replace(found, status=STATUS_WHEN_REPLACED[found.status]), actor, at)


def revise(
    uow: UnitOfWork,
    found: Document,
    status: Status,
    visibilities: frozenset[Visibility],
    *,
    actor: str,
    at: int,
) -> Document:
    """The document under a new version of its metadata and a new entryUUID; the same where nothing changes."""
    if (status, visibilities) == (found.status, found.visibilities):
        return found
    hidden = Visibility.UNSEEN_BY_REPRESENTATIVES
    is_revealed = hidden in found.visibilities and hidden not in visibilities
    wanted = replace(
        found,
        status=status,
        masked_to_professionals=Visibility.MASKED in visibilities,
        invisible_to_patient=Visibility.UNSEEN in visibilities,
        invisible_to_representatives=hidden in visibilities,
        invisible_since=found.invisible_since if Visibility.UNSEEN in visibilities else None,
        revealed_at=at if is_revealed else found.revealed_at,
        entry_uuid=new_uuid(),
    )
    return _revise(uow, wanted, actor, at)


def associations_of(connection: Connection, owner_id: int, document_ids: Sequence[int]) -> list[Linked]:
    """Every association from or to these documents of a record."""
    found: dict[str, Linked] = {}
    columns = [association.c[name] for name in ("entry_uuid", "kind", "source_id", "target", "target_id")]
    for start in range(0, len(document_ids), 500):
        some = document_ids[start : start + 500]
        statement = select(*columns).where(
            association.c.owner_id == owner_id,
            or_(association.c.source_id.in_(some), association.c.target_id.in_(some)),
        )
        for row in connection.execute(statement):
            found[row.entry_uuid] = Linked(*row)
    return list(found.values())


def revisions_of(connection: Connection, document_id: int) -> list[Revision]:
    """Every version of the metadata of a document, the first one first."""
    columns = [document_revision.c[each.name] for each in fields(Revision)]
    statement = (
        select(*columns)
        .where(document_revision.c.document_id == document_id)
        .order_by(document_revision.c.metadata_version)
    )
    return [Revision(*row) for row in connection.execute(statement)]


def submissions_of(connection: Connection, owner_id: int, query: SubmissionQuery) -> list[SubmissionSet]:
    """The submission sets of a record that meet a query, the newest first."""
    table = submission_set.c
    statement = select(*(table[each.name] for each in fields(SubmissionSet))).where(
        table.owner_id == owner_id
    )
    for column, values in (
        (table.id, query.ids),
        (table.unique_id, query.unique_ids),
        (table.entry_uuid, query.entry_uuids),
        (table.source_id, query.source_ids),
        (table.content_type, query.content_types),
    ):
        if values:
            statement = statement.where(column.in_(values[:1000]))
    if query.document_ids:
        statement = statement.where(table.id.in_(_sets_of(query.document_ids)))
    if query.author:
        is_author = table.depositor_name.icontains(query.author, autoescape=True)
        statement = statement.where(or_(is_author, table.depositor_id == query.author))
    start, stop = query.submitted
    if start is not None:
        statement = statement.where(table.submitted_at >= start)
    if stop is not None:
        statement = statement.where(table.submitted_at < stop)
    if query.after is not None:
        statement = statement.where(tuple_(table.submitted_at, table.id) < query.after)
    statement = statement.order_by(table.submitted_at.desc(), table.id.desc()).limit(query.limit)
    return [SubmissionSet(*row) for row in connection.execute(statement)]


def submission(connection: Connection, number: int) -> SubmissionSet | None:
    """The submission set with this number, whosever record it is in."""
    columns = [submission_set.c[each.name] for each in fields(SubmissionSet)]
    row = connection.execute(select(*columns).where(submission_set.c.id == number)).first()
    return None if row is None else SubmissionSet(*row)


def owner_of(connection: Connection, query: DocumentQuery) -> int | None:
    """In whose record the first of the documents named by an identifier is; None where none is named or there."""
    named = []
    for column, values in (
        (document.c.id, query.ids),
        (document.c.logical_id, query.logical_ids),
        (document.c.unique_id, query.unique_ids),
    ):
        if values:
            named.append(column.in_(values[:1000]))
    if query.entry_uuids:
        borne = document_revision.c.entry_uuid.in_(query.entry_uuids[:1000])
        named.append(document.c.id.in_(select(document_revision.c.document_id).where(borne)))
    if not named:
        return None
    owner: int | None = connection.execute(
        select(document.c.owner_id).where(*named).order_by(document.c.id).limit(1)
    ).scalar()
    return owner


def submission_named(connection: Connection, owner_id: int, unique_id: str) -> int | None:
    """The number of the submission set with this uniqueId in a record."""
    names = {"owner": owner_id, "unique_id": unique_id}
    known: int | None = connection.execute(_SUBMISSION, names).scalar() if unique_id else None
    return known


def members_of(connection: Connection, submission_id: int) -> list[Document]:
    """The documents that a submission set brought or refers to."""
    statement = select(*record.DOCUMENT_COLUMNS).where(document.c.id.in_(members((submission_id,))))
    return [record.document_of(row) for row in connection.execute(statement)]


def members(submission_ids: Sequence[int] | Select[tuple[int]]) -> Select[tuple[int]]:
    """The numbers of the documents that these submission sets (1 000 at most) brought or refer to, as a query."""
    brought = select(document.c.id).where(document.c.submission_id.in_(submission_ids))
    named = submission_reference.c
    referred = select(named.document_id).where(named.submission_id.in_(submission_ids))
    return select(union(brought, referred).subquery().c.id)


def references_of(connection: Connection, submission_ids: Sequence[int]) -> dict[int, set[int]]:
    """By the number of a document, those of these submission sets that refer to it without having brought it."""
    found: dict[int, set[int]] = {}
    table = submission_reference.c
    statement = select(table.document_id, table.submission_id).where(table.submission_id.in_(submission_ids))
    for document_id, submission_id in connection.execute(statement):
        found.setdefault(document_id, set()).add(submission_id)
    return found


def submit(uow: UnitOfWork, values: Mapping[str, Any]) -> int:
    """Writes a submission set; its number."""
    return uow.run(_INSERT_SUBMISSION, {"entry_uuid": new_uuid(), **values}).inserted_id


def join(uow: UnitOfWork, found: Document, submission_id: int) -> None:
    """Makes a document a member of a submission set, once: the first one brought it, later ones refer to it."""
    if is_member(uow.connection, found, submission_id):
        return
    if found.submission_id is None:
        uow.execute(_JOIN, {"document": found.id, "submission": submission_id})
    else:
        refer(uow, found, submission_id)


# ref: DMP-F11
def refer(uow: UnitOfWork, found: Document, submission_id: int) -> None:
    """Makes a submission set refer to a document that was there before it (TF-3 §4.2.2.1.1), once."""
    if not is_member(uow.connection, found, submission_id):
        names = {"submission_id": submission_id, "document_id": found.id, "owner_id": found.owner_id}
        uow.execute(_INSERT_REFERENCE, names)


def is_member(connection: Connection, found: Document, submission_id: int) -> bool:
    """Whether a submission set brought a document or refers to it."""
    names = {"submission": submission_id, "document": found.id}
    return found.submission_id == submission_id or connection.execute(_REFERS, names).first() is not None


def _sets_of(document_ids: Sequence[int]) -> Select[tuple[int]]:
    """The numbers of the submission sets that brought one of these documents or refer to it, as a query."""
    brought = select(document.c.submission_id).where(document.c.id.in_(document_ids[:1000]))
    named = submission_reference.c
    referred = select(named.submission_id).where(named.document_id.in_(document_ids[:1000]))
    return select(union(brought, referred).subquery().c.submission_id)


def _revise(uow: UnitOfWork, wanted: Document, actor: str, at: int) -> Document:
    version = wanted.metadata_version + 1
    wanted = replace(wanted, metadata_version=version, changed_at=at)
    names = {
        f"new_{name}": getattr(wanted, name)
        for name in (
            "masked_to_professionals",
            "invisible_to_patient",
            "invisible_to_representatives",
            "invisible_since",
            "revealed_at",
            "entry_uuid",
            "metadata_version",
            "changed_at",
        )
    }
    uow.execute(_REVISE, {"document": wanted.id, "new_status": wanted.status.value, **names})
    columns = {
        "owner_id": wanted.owner_id,
        "status": wanted.status.value,
        "masked_to_professionals": wanted.masked_to_professionals,
        "invisible_to_patient": wanted.invisible_to_patient,
        "invisible_to_representatives": wanted.invisible_to_representatives,
        "entry_uuid": wanted.entry_uuid,
    }
    _append_revision(uow, columns, wanted.id, version, actor, at)
    return wanted


def _append_revision(
    uow: UnitOfWork, values: Mapping[str, Any], document_id: int, version: int, actor: str, at: int
) -> None:
    uow.run(
        _INSERT_REVISION,
        {
            "document_id": document_id,
            "metadata_version": version,
            "owner_id": values["owner_id"],
            "entry_uuid": values["entry_uuid"],
            "status": values["status"],
            "masked_to_professionals": values["masked_to_professionals"],
            "invisible_to_patient": values["invisible_to_patient"],
            "invisible_to_representatives": values["invisible_to_representatives"],
            "actor": actor[:64],
            "at": at,
        },
    )


def _relate(uow: UnitOfWork, owner_id: int, document_id: int, relations: Iterable[Relation]) -> None:
    for kind, target in dict.fromkeys((each.kind[:16], each.target[:256]) for each in relations):
        found = resolve(uow.connection, owner_id, target)
        uow.run(
            _INSERT_ASSOCIATION,
            {
                "owner_id": owner_id,
                "entry_uuid": new_uuid(),
                "kind": kind,
                "source_id": document_id,
                "target": target,
                "target_id": None if found is None or found.id == document_id else found.id,
            },
        )


def _is_free(connection: Connection, entry_uuid: str) -> bool:
    try:
        plain = f"{_UUID}{uuid.UUID(entry_uuid.removeprefix(_UUID))}"
    except ValueError:
        return False
    if plain != entry_uuid:
        return False
    taken = select(document_revision.c.document_id).where(document_revision.c.entry_uuid == entry_uuid)
    return connection.execute(taken.limit(1)).first() is None


def _code(coded: Coded | None) -> str:
    return "" if coded is None else coded.code[:64]
