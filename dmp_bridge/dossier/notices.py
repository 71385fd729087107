"""What people are to be told about a record: rows that the page shows, and an e-mail that says they are there."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from sqlalchemy import bindparam, insert, select, update

from directory.patients import patient_of
from dmp_bridge.dossier.consent_tables import record_notice
from dmp_bridge.dossier.minority import acting_for
from dmp_bridge.dossier.preferences import preferences_of
from dmp_bridge.dossier.relations import attending_of
from dmp_bridge.rights.vocabulary import Role
from dmp_bridge.tables import document
from foundation import jobs
from foundation.clock import from_millis, to_paris

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlalchemy import Connection
    from sqlalchemy.engine import Row

    from dmp_bridge.dossier.caller import Caller
    from dmp_bridge.dossier.preferences import Preferences
    from foundation.database import UnitOfWork

NOTICE_JOB: Final = "record-notice"
"""Payload: `addressee` and `id`: everything that waits for this person goes into one mail."""


class NoticeEvent(StrEnum):
    """What happened."""

    DOCUMENT_ADDED = "document-added"
    DOCUMENT_CHANGED = "document-changed"
    ACCESS = "access"
    EMERGENCY_ACCESS = "emergency-access"
    CONSENT_CHANGED = "consent-changed"
    RECORD_UPDATED = "record-updated"
    """A document waits to be announced for two weeks (CSP R1111-53)."""
    DOCUMENT_VISIBLE = "document-visible"
    """It is shown after one month (CSP R1111-53)."""
    RECORD_CLOSED = "record-closed"
    RECORD_REOPENED = "record-reopened"
    MAJORITY = "majority"
    """Eighteen: nobody represents the holder any more."""


class Addressee(StrEnum):
    """Who is told."""

    HOLDER = "holder"
    REPRESENTATIVE = "representative"
    ATTENDING = "attending"


class NoticeState(StrEnum):
    """WAITING for its mail, SENT, SHOWN on the page only, or FAILED for good."""

    WAITING = "waiting"
    SENT = "sent"
    SHOWN = "shown"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Notice:
    """One thing to tell; `addressee_id` is an owner id, or the PS_IdNat of the attending doctor; `at` epoch ms."""

    id: int
    owner_id: int
    event: NoticeEvent
    addressee: Addressee
    addressee_id: str
    document_id: int | None
    caller_id: str
    at: int
    state: NoticeState
    settled_at: int | None


_SAME_VISIT: Final = 3600 * 1000
"""Several reads of one person within an hour are one access to be told of."""
_OF_DOCUMENTS: Final = frozenset(
    {NoticeEvent.DOCUMENT_ADDED, NoticeEvent.DOCUMENT_CHANGED, NoticeEvent.DOCUMENT_VISIBLE}
)
_OF_ACCESS: Final = frozenset({NoticeEvent.ACCESS, NoticeEvent.EMERGENCY_ACCESS})
_FLAGS = select(document.c.invisible_to_patient, document.c.invisible_to_representatives).where(
    document.c.owner_id == bindparam("owner"), document.c.id == bindparam("document")
)
_LAST_VISIT = (
    select(record_notice.c.at)
    .where(
        record_notice.c.owner_id == bindparam("owner"),
        record_notice.c.at > bindparam("since"),
        record_notice.c.event == bindparam("event"),
        record_notice.c.caller_id == bindparam("caller"),
    )
    .limit(1)
)
_OF_ADDRESSEE = (
    select(record_notice)
    .where(
        record_notice.c.addressee == bindparam("addressee"), record_notice.c.addressee_id == bindparam("id")
    )
    .order_by(record_notice.c.at.desc(), record_notice.c.id.desc())
    .limit(bindparam("limit"))
)
_OF_RECORD = _OF_ADDRESSEE.where(record_notice.c.owner_id == bindparam("owner"))
_WAITING = _OF_ADDRESSEE.where(record_notice.c.state == NoticeState.WAITING.value)


# ref: DMP-F28
def leave(
    uow: UnitOfWork,
    owner_id: int,
    event: NoticeEvent,
    *,
    now: int,
    document_id: int | None = None,
    caller: Caller | None = None,
) -> None:
    """Leaves word for everybody who is to be told, in the caller's transaction.

    The holder is not told what the holder did. A document invisible to the patient leaves no word of itself; what
    representatives may not know is told to the minor's own page alone, by no mail.
    """
    patient = patient_of(uow.connection, owner_id)
    if patient is None:
        return
    unseen, unseen_by_representatives = _hidden(uow.connection, owner_id, document_id)
    if unseen and event in _OF_DOCUMENTS:
        return
    if event in _OF_ACCESS and caller is not None and _was_told(uow.connection, owner_id, event, caller, now):
        return
    is_by_holder = caller is not None and caller.role is Role.PATIENT
    is_secret = unseen_by_representatives or (caller is not None and caller.is_secret)
    is_minor = patient.is_minor(to_paris(from_millis(now)).date())
    values: dict[str, object] = {
        "owner_id": owner_id,
        "event": event.value,
        "document_id": None if unseen else document_id,
        "caller_id": caller.id[:64] if caller is not None else "",
        "at": now,
    }
    if not is_by_holder:
        _leave_for(uow, values, Addressee.HOLDER, owner_id, owner_id, is_by_mail=not (is_secret and is_minor))
    if not is_secret:
        for each in acting_for(uow.connection, patient, now):
            if caller is None or caller.owner_id != each.owner_id:
                _leave_for(uow, values, Addressee.REPRESENTATIVE, each.owner_id, owner_id, is_by_mail=True)
    if event is NoticeEvent.EMERGENCY_ACCESS:
        attending = attending_of(uow.connection, owner_id, now)
        if attending is not None and (caller is None or caller.id != attending.subject_id):
            _insert(uow, values, Addressee.ATTENDING, attending.subject_id, NoticeState.WAITING)


def notices_of(connection: Connection, owner_id: int, *, limit: int = 100) -> list[Notice]:
    """What the holder is told about the own record, the newest first."""
    return notices_for(connection, owner_id, Addressee.HOLDER, str(owner_id), limit=limit)


def notices_for(
    connection: Connection, owner_id: int, addressee: Addressee, addressee_id: str, *, limit: int = 100
) -> list[Notice]:
    """What one person is told about one record, the newest first."""
    names = {"owner": owner_id, "addressee": addressee.value, "id": addressee_id, "limit": limit}
    return [_notice(row) for row in connection.execute(_OF_RECORD, names)]


def waiting_for(connection: Connection, addressee: Addressee, addressee_id: str) -> list[Notice]:
    """What has not been mailed yet to one person, the newest first."""
    names = {"addressee": addressee.value, "id": addressee_id, "limit": 1000}
    return [_notice(row) for row in connection.execute(_WAITING, names)]


def settle(uow: UnitOfWork, notices: Iterable[Notice], state: NoticeState, now: int) -> None:
    """The mail was sent, or it cannot be."""
    ids = [each.id for each in notices]
    for start in range(0, len(ids), 500):
        uow.execute(
            update(record_notice)
            .where(record_notice.c.id.in_(ids[start : start + 500]))
            .values(state=state.value, settled_at=now)
        )


def _leave_for(
    uow: UnitOfWork,
    values: dict[str, object],
    addressee: Addressee,
    told_owner: int,
    owner_id: int,
    *,
    is_by_mail: bool,
) -> None:
    wishes = preferences_of(uow.connection, told_owner)
    event = NoticeEvent(str(values["event"]))
    is_mailed = is_by_mail and bool(wishes.email) and _wishes(wishes, event)
    _insert(uow, values, addressee, str(told_owner), NoticeState.WAITING if is_mailed else NoticeState.SHOWN)
    uow.publish(f"owner:{told_owner}")


def _insert(
    uow: UnitOfWork, values: dict[str, object], addressee: Addressee, addressee_id: str, state: NoticeState
) -> None:
    uow.execute(
        insert(record_notice),
        values
        | {
            "addressee": addressee.value,
            "addressee_id": addressee_id[:64],
            "state": state.value,
            "settled_at": values["at"] if state is NoticeState.SHOWN else None,
        },
    )
    if state is NoticeState.WAITING:
        jobs.enqueue(uow, NOTICE_JOB, {"addressee": addressee.value, "id": addressee_id[:64]})


def _wishes(wishes: Preferences, event: NoticeEvent) -> bool:
    match event:
        case NoticeEvent.DOCUMENT_ADDED | NoticeEvent.DOCUMENT_CHANGED:
            return wishes.told_of_documents
        case NoticeEvent.ACCESS:
            return wishes.told_of_access
        case NoticeEvent.CONSENT_CHANGED:
            return wishes.told_of_consents
        case _:
            return True


def _hidden(connection: Connection, owner_id: int, document_id: int | None) -> tuple[bool, bool]:
    if document_id is None:
        return False, False
    row = connection.execute(_FLAGS, {"owner": owner_id, "document": document_id}).first()
    return (False, False) if row is None else (bool(row[0]), bool(row[1]))


def _was_told(connection: Connection, owner_id: int, event: NoticeEvent, caller: Caller, now: int) -> bool:
    names = {
        "owner": owner_id,
        "since": now - _SAME_VISIT,
        "event": event.value,
        "caller": caller.id[:64],
    }
    return connection.execute(_LAST_VISIT, names).first() is not None


def _notice(row: Row[*tuple[object, ...]]) -> Notice:
    return Notice(
        **(
            dict(row._mapping)
            | {
                "event": NoticeEvent(row.event),
                "addressee": Addressee(row.addressee),
                "state": NoticeState(row.state),
            }
        )
    )
