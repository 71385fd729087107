"""The patients whose boxes and records this operator holds, their states, and who represents whom."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKey,
    Index,
    String,
    Table,
    bindparam,
    delete,
    insert,
    select,
    update,
)

from directory.bals import in_chunks
from foundation.database import metadata
from foundation.identifiers import INS_OIDS, OID_DEMO, OID_NIR, OID_TEST, Ins
from foundation.vault import vault_owner

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import date

    from sqlalchemy import Connection, Row

    from directory.bals import CreatesOwner
    from foundation.database import UnitOfWork

patient = Table(
    "patient",
    metadata,
    Column("owner_id", ForeignKey(vault_owner.c.id), primary_key=True, autoincrement=False),
    Column("ins", String(15), nullable=False, unique=True),
    Column("ins_oid", String(32), nullable=False),
    Column("birth_name", String(100), nullable=False),
    Column("first_names", String(200), nullable=False),
    Column("used_name", String(100)),
    Column("birth_date", String(10), nullable=False),  # YYYY-MM-DD; lunar dates have 00, so no DATE column
    Column("sex", String(1), nullable=False),
    Column("state", String(16), nullable=False),
    Column("password_hash", String(255)),
    Column("created_at", BigInteger, nullable=False),
    Column("closed_at", BigInteger),
)

representative = Table(
    "representative",
    metadata,
    Column("patient_owner", ForeignKey("patient.owner_id", ondelete="CASCADE"), primary_key=True),
    Column("representative_owner", ForeignKey("patient.owner_id", ondelete="CASCADE"), primary_key=True),
    Index("representative_by_representative", "representative_owner"),
)
"""A legal representative reads and answers in the place of the person."""

_COLUMNS = (
    patient.c.owner_id,
    patient.c.ins,
    patient.c.ins_oid,
    patient.c.birth_name,
    patient.c.first_names,
    patient.c.used_name,
    patient.c.birth_date,
    patient.c.sex,
    patient.c.state,
    patient.c.password_hash,
    patient.c.created_at,
    patient.c.closed_at,
)
_BY_INS = select(*_COLUMNS).where(patient.c.ins == bindparam("ins"))
_BY_INSES = select(*_COLUMNS).where(patient.c.ins.in_(bindparam("inses", expanding=True)))
_BY_OWNER = select(*_COLUMNS).where(patient.c.owner_id == bindparam("owner"))
_AFTER = (
    select(*_COLUMNS)
    .where(patient.c.ins > bindparam("after"))
    .order_by(patient.c.ins)
    .limit(bindparam("limit"))
)
_REPRESENTED = (
    select(*_COLUMNS)
    .join(representative, representative.c.patient_owner == patient.c.owner_id)
    .where(representative.c.representative_owner == bindparam("owner"))
    .order_by(patient.c.birth_date, patient.c.ins)
)
_REPRESENTATIVES = (
    select(*_COLUMNS)
    .join(representative, representative.c.representative_owner == patient.c.owner_id)
    .where(representative.c.patient_owner == bindparam("owner"))
    .order_by(patient.c.ins)
)

_BIRTH_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


# ref: F48
class PatientState(StrEnum):
    """How far a person's Mon espace santé is open."""

    ACTIVATED = "activated"
    """The person signed in once: messages and documents arrive and are read."""
    NOT_ACTIVATED = "not_activated"
    """Opened automatically, never signed in: professionals feed and read the record."""
    OPPOSED = "opposed"
    """The person objected: there is no record and no box."""
    CLOSED = "closed"
    """The person closed it: nothing arrives any more; what was there is kept for the time the law sets."""


# ref: DMP-F21
@dataclass(frozen=True, slots=True)
class Openness:
    """What a state allows: documents into the record, mail into the box, sign-in to the pages."""

    record: bool
    box: bool
    sign_in: bool


OPENNESS: Mapping[PatientState, Openness] = {
    PatientState.ACTIVATED: Openness(record=True, box=True, sign_in=True),
    PatientState.NOT_ACTIVATED: Openness(record=True, box=False, sign_in=True),  # a first sign-in activates
    PatientState.OPPOSED: Openness(record=False, box=False, sign_in=False),
    PatientState.CLOSED: Openness(record=False, box=False, sign_in=False),
}

_MOVES: Mapping[PatientState, frozenset[PatientState]] = {
    PatientState.ACTIVATED: frozenset({PatientState.CLOSED}),
    PatientState.NOT_ACTIVATED: frozenset(
        {PatientState.ACTIVATED, PatientState.OPPOSED, PatientState.CLOSED}
    ),
    PatientState.OPPOSED: frozenset({PatientState.NOT_ACTIVATED, PatientState.ACTIVATED}),
    PatientState.CLOSED: frozenset({PatientState.ACTIVATED}),
}


class PatientRefused(Exception):
    """A patient cannot be added or changed; the text is one sentence for the operator."""


@dataclass(frozen=True, slots=True)
class Patient:
    """A person with the five traits of the INS. `birth_date` is "YYYY-MM-DD" (lunar dates keep their 00),
    `sex` is M, F or U; times are epoch milliseconds.
    """

    owner_id: int
    ins: str = field(repr=False)
    ins_oid: str
    birth_name: str = field(repr=False)
    first_names: str = field(repr=False)
    used_name: str | None = field(repr=False)
    birth_date: str = field(repr=False)
    sex: str = field(repr=False)
    state: PatientState
    password_hash: str | None = field(repr=False)
    created_at: int
    closed_at: int | None

    @property
    def record_is_open(self) -> bool:
        """Whether professionals may feed and read the record."""
        return OPENNESS[self.state].record

    @property
    def box_is_open(self) -> bool:
        """Whether the person reads messages now."""
        return OPENNESS[self.state].box

    @property
    def may_sign_in(self) -> bool:
        return OPENNESS[self.state].sign_in

    @property
    def name(self) -> str:
        """The name the person uses, as shown: "Dominique PAT-TROIS"."""
        first = self.first_names.replace(",", " ").split()
        shown = "-".join(word.capitalize() for word in first[0].split("-")) if first else ""
        return f"{shown} {(self.used_name or self.birth_name).upper()}".strip()

    # ref: F33
    def is_minor(self, today: date) -> bool:
        """Under 18 on `today`; an unknown month or day counts as the latest possible one."""
        year, month, day = (int(part) for part in self.birth_date.split("-"))
        return (today.year - 18, today.month, today.day) < (year, month or 12, day or 31)


def add_patient(
    uow: UnitOfWork,
    vault: CreatesOwner,
    *,
    ins: str,
    birth_name: str,
    first_names: str,
    birth_date: str,
    sex: str,
    state: PatientState | str,
    password_hash: str | None,
    now: int,
    used_name: str | None = None,
    ins_oid: str = OID_NIR,
) -> Patient:
    """Makes a patient with a key of its own.

    Raises PatientRefused when a trait is malformed, the key of a real INS is wrong, or the INS is there already.
    """
    if ins_oid not in INS_OIDS:
        raise PatientRefused("The OID is not one of an INS.")
    parsed = Ins.parse(ins, oid=ins_oid)
    # the example documents of the ANS bear test INS whose key is wrong
    if parsed is None or not (parsed.key_is_right or ins_oid in {OID_TEST, OID_DEMO}):
        raise PatientRefused("The INS is not 15 characters with the right key.")
    if not _BIRTH_DATE.fullmatch(birth_date):
        raise PatientRefused("The date of birth is not YYYY-MM-DD.")
    if sex not in {"M", "F", "U"}:
        raise PatientRefused("The sex is not M, F or U.")
    if not birth_name.strip() or not first_names.strip():
        raise PatientRefused("The birth name and the first names are not empty.")
    if state not in set(PatientState):
        raise PatientRefused(f"{state} is not a state of a patient.")
    if find_patient(uow.connection, parsed.value) is not None:
        raise PatientRefused("A patient with this INS is there already.")
    made = Patient(
        owner_id=vault.create_owner(uow),
        ins=parsed.value,
        ins_oid=ins_oid,
        birth_name=birth_name.strip(),
        first_names=first_names.strip(),
        used_name=used_name or None,
        birth_date=birth_date,
        sex=sex,
        state=PatientState(state),
        password_hash=password_hash,
        created_at=now,
        closed_at=now if state == PatientState.CLOSED else None,
    )
    uow.execute(
        insert(patient),
        {column.key: getattr(made, column.key) for column in _COLUMNS} | {"state": made.state.value},
    )
    return made


def find_patient(connection: Connection, ins: str) -> Patient | None:
    """The patient of an INS, whatever the state."""
    row = connection.execute(_BY_INS, {"ins": ins.upper()}).first()
    return _patient(row) if row is not None else None


def find_patients(connection: Connection, inses: Iterable[str]) -> dict[str, Patient]:
    """The patients among `inses`, by INS in upper case."""
    found: dict[str, Patient] = {}
    for some in in_chunks({ins.upper() for ins in inses}):
        for row in connection.execute(_BY_INSES, {"inses": some}):
            found[row.ins] = _patient(row)
    return found


def patient_of(connection: Connection, owner_id: int) -> Patient | None:
    """The patient of an owner id."""
    row = connection.execute(_BY_OWNER, {"owner": owner_id}).first()
    return _patient(row) if row is not None else None


def list_patients(connection: Connection, *, after: str = "", limit: int = 1000) -> list[Patient]:
    """At most `limit` patients in the order of their INS, those behind `after`."""
    return [_patient(row) for row in connection.execute(_AFTER, {"after": after.upper(), "limit": limit})]


def set_patient_state(uow: UnitOfWork, ins: str, state: PatientState, now: int) -> Patient:
    """Activates, opposes, closes or reopens. Raises PatientRefused where that step does not exist."""
    current = _existing(uow, ins)
    if state is current.state:
        return current
    if state not in _MOVES[current.state]:
        raise PatientRefused(f"A patient's space that is {current.state} cannot become {state}.")
    return _change(uow, current, state=state.value, closed_at=now if state is PatientState.CLOSED else None)


def set_patient_password(uow: UnitOfWork, ins: str, password_hash: str | None) -> Patient:
    """Gives a patient another password, or none. Raises PatientRefused when there is no such patient."""
    return _change(uow, _existing(uow, ins), password_hash=password_hash)


def add_representative(uow: UnitOfWork, patient_owner: int, representative_owner: int) -> None:
    """Lets one patient act for another; a second time changes nothing. Raises PatientRefused for oneself."""
    if patient_owner == representative_owner:
        raise PatientRefused("Nobody represents themselves.")
    if representative_owner not in {
        each.owner_id for each in representatives_of(uow.connection, patient_owner)
    }:
        uow.execute(
            insert(representative),
            {"patient_owner": patient_owner, "representative_owner": representative_owner},
        )


def remove_representative(uow: UnitOfWork, patient_owner: int, representative_owner: int) -> bool:
    """Ends what one patient may do for another; False where it was nothing."""
    removed = uow.execute(
        delete(representative).where(
            representative.c.patient_owner == patient_owner,
            representative.c.representative_owner == representative_owner,
        )
    )
    return removed.rowcount > 0


def represented_by(connection: Connection, owner_id: int) -> list[Patient]:
    """Those for whom this person acts (a parent's children), oldest first."""
    return [_patient(row) for row in connection.execute(_REPRESENTED, {"owner": owner_id})]


def representatives_of(connection: Connection, owner_id: int) -> list[Patient]:
    """Those who act for this person."""
    return [_patient(row) for row in connection.execute(_REPRESENTATIVES, {"owner": owner_id})]


def _existing(uow: UnitOfWork, ins: str) -> Patient:
    found = find_patient(uow.connection, ins)
    if found is None:
        raise PatientRefused("There is no patient with this INS.")
    return found


def _change(uow: UnitOfWork, current: Patient, **values: Any) -> Patient:
    uow.execute(update(patient).where(patient.c.owner_id == current.owner_id).values(**values))
    changed = patient_of(uow.connection, current.owner_id)
    assert changed is not None
    return changed


def _patient(row: Row[*tuple[Any, ...]]) -> Patient:
    owner, ins, oid, birth_name, first_names, used_name, birth_date, sex, state, password, created, closed = (
        row
    )
    return Patient(
        owner,
        ins,
        oid,
        birth_name,
        first_names,
        used_name,
        birth_date,
        sex,
        PatientState(state),
        password,
        created,
        closed,
    )
