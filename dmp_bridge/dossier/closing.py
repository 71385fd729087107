"""Closing a record, its archive of ten years, its deletion, and its reopening (CSP R1111-28, R1111-36)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from sqlalchemy import bindparam, delete, insert, select, update

from directory.patients import PatientState, find_patient, set_patient_state
from dmp_bridge.dossier.consent_tables import (
    record_closing,
    record_consent,
    record_guardianship,
    record_notice,
    record_preference,
    record_relation,
)
from dmp_bridge.dossier.notices import NoticeEvent, leave
from dmp_bridge.dossier.tables import (
    association,
    document_revision,
    document_term,
    submission_reference,
    submission_set,
)
from dmp_bridge.tables import document, filing
from foundation.clock import from_millis, to_millis, to_paris

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy import Connection

    from directory.patients import Patient
    from dmp_bridge.dossier.caller import Caller
    from foundation.database import UnitOfWork
    from foundation.vault import Vault

ARCHIVED_YEARS: Final = 10
"""CSP R1111-36: kept ten years, then deleted without being asked."""
REFLECTION_DAYS: Final = 30
"""How long a request for deletion may be taken back by reopening; the law gives three months to carry it out."""
_DOCUMENTS_AT_ONCE: Final = 100
_SHUT: Final = frozenset({PatientState.OPPOSED, PatientState.CLOSED})
_LAST = (
    select(record_closing)
    .where(record_closing.c.owner_id == bindparam("owner"), record_closing.c.reopened_at.is_(None))
    .order_by(record_closing.c.id.desc())
    .limit(1)
)
_DUE = (
    select(record_closing.c.owner_id)
    .where(
        record_closing.c.purge_at <= bindparam("now"),
        record_closing.c.reopened_at.is_(None),
        record_closing.c.purged_at.is_(None),
    )
    .distinct()
    .order_by(record_closing.c.owner_id)
    .limit(1000)
)
_SOME_DOCUMENTS = (
    select(document.c.id, document.c.blob_id, document.c.display_blob_id)
    .where(document.c.owner_id == bindparam("owner"))
    .limit(_DOCUMENTS_AT_ONCE)
)


class ClosingRefused(Exception):
    """That step does not exist from where the record stands; the text is one French sentence."""


@dataclass(frozen=True, slots=True)
class Closing:
    """The archive of a closed record; times in epoch milliseconds, `purge_at` when it is deleted."""

    id: int
    owner_id: int
    closed_at: int
    closed_by: str
    purge_at: int
    deletion_asked_at: int | None
    deletion_asked_by: str | None
    reopened_at: int | None
    purged_at: int | None


# ref: DMP-F21
def change_state(
    uow: UnitOfWork, ins: str, state: PatientState, actor: str, now: int, *, caller: Caller | None = None
) -> Patient:
    """Opens, opposes, closes or reopens a record, and begins or ends its archive. Raises PatientRefused."""
    before = find_patient(uow.connection, ins)
    patient = set_patient_state(uow, ins, state, now)
    if before is None or before.state is state:
        return patient
    was_shut, is_shut = before.state in _SHUT, state in _SHUT
    if is_shut and not was_shut:
        uow.execute(
            insert(record_closing),
            {
                "owner_id": patient.owner_id,
                "closed_at": now,
                "closed_by": actor[:64],
                "purge_at": to_millis(_years_later(from_millis(now), ARCHIVED_YEARS)),
            },
        )
        leave(uow, patient.owner_id, NoticeEvent.RECORD_CLOSED, caller=caller, now=now)
    elif was_shut and not is_shut:
        uow.execute(
            update(record_closing)
            .where(record_closing.c.owner_id == patient.owner_id, record_closing.c.reopened_at.is_(None))
            .values(reopened_at=now)
        )
        leave(uow, patient.owner_id, NoticeEvent.RECORD_REOPENED, caller=caller, now=now)
    return patient


def ask_deletion(uow: UnitOfWork, owner_id: int, actor: str, now: int) -> Closing:
    """The holder of a closed record wants it deleted now; it is, after the days of reflection.

    Raises ClosingRefused where the record is not closed or nothing is left of it.
    """
    closing = closing_of(uow.connection, owner_id)
    if closing is None or closing.purged_at is not None:
        raise ClosingRefused("Seul un dossier clos, dont il reste une archive, peut être supprimé.")
    if closing.deletion_asked_at is None:
        asked = to_millis(from_millis(now) + timedelta(days=REFLECTION_DAYS))
        uow.execute(
            update(record_closing)
            .where(record_closing.c.id == closing.id)
            .values(
                deletion_asked_at=now,
                deletion_asked_by=actor[:64],
                purge_at=min(closing.purge_at, asked),
            )
        )
    closing = closing_of(uow.connection, owner_id)
    assert closing is not None
    return closing


def closing_of(connection: Connection, owner_id: int) -> Closing | None:
    """The archive of a record that is closed; None for one that is open, or was never closed."""
    row = connection.execute(_LAST, {"owner": owner_id}).first()
    return None if row is None else Closing(*row)


def due(connection: Connection, now: int) -> list[int]:
    """The owners whose archive has come to its end."""
    return list(connection.execute(_DUE, {"now": now}).scalars())


# ref: DMP-F21
def purge(uow: UnitOfWork, vault: Vault, owner_id: int, now: int) -> bool:
    """Deletes a part of an archive whose time has come: rows and blobs; True once nothing is left of it.

    Called again until then, so that no transaction is long. What a patient said, wished and was told goes last. A
    record that was reopened meanwhile is left alone.
    """
    if owner_id not in due(uow.connection, now):
        return True
    documents = uow.execute(_SOME_DOCUMENTS, {"owner": owner_id}).all()
    if documents:
        for each in documents:
            for blob_id in filter(None, (each.blob_id, each.display_blob_id)):
                vault.release(uow, owner_id, blob_id)
        ids = [each.id for each in documents]
        uow.execute(delete(document_term).where(document_term.c.document_id.in_(ids)))
        uow.execute(delete(document_revision).where(document_revision.c.document_id.in_(ids)))
        uow.execute(delete(submission_reference).where(submission_reference.c.document_id.in_(ids)))
        uow.execute(delete(document).where(document.c.id.in_(ids)))
        return False
    for table in (
        association,
        submission_set,
        filing,
        record_consent,
        record_relation,
        record_preference,
        record_notice,
        record_guardianship,
    ):
        uow.execute(delete(table).where(table.c.owner_id == owner_id))
    uow.execute(
        update(record_closing)
        .where(record_closing.c.owner_id == owner_id, record_closing.c.purged_at.is_(None))
        .values(purged_at=now)
    )
    return True


def _years_later(instant: datetime, years: int) -> datetime:
    """The same day and hour in France; 29 February becomes 1 March, never earlier than the law says."""
    local = to_paris(instant)
    try:
        return local.replace(year=local.year + years)
    except ValueError:
        return local.replace(year=local.year + years, month=3, day=1)
