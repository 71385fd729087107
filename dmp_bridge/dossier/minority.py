"""Minors and protected adults: who represents them, and what ends at eighteen."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from sqlalchemy import bindparam, insert, select, update

from directory.patients import add_representative, remove_representative, representatives_of
from dmp_bridge.dossier.consent_tables import record_guardianship
from foundation.clock import from_millis, to_paris

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from directory.patients import Patient
    from foundation.database import UnitOfWork


class GuardianshipKind(StrEnum):
    """Why somebody stands beside a person."""

    PARENTAL = "parental"
    """Holder of parental authority: acts for a minor until the majority."""
    TUTELLE = "tutelle"
    """Represents a protected adult (CSP L1111-2; CASF L113-1)."""
    CURATELLE = "curatelle"
    """Assists only: opens no record (Code civil 440)."""


@dataclass(frozen=True, slots=True)
class Guardianship:
    """One guardianship; times in epoch milliseconds."""

    id: int
    owner_id: int
    representative_owner: int
    kind: GuardianshipKind
    since: int
    until: int | None
    declared_by: str
    ended_at: int | None = None
    ended_by: str | None = None

    def holds(self, now: int) -> bool:
        return self.ended_at is None and self.since <= now and (self.until is None or now < self.until)


_STANDING = (
    select(record_guardianship)
    .where(record_guardianship.c.owner_id == bindparam("owner"), record_guardianship.c.ended_at.is_(None))
    .order_by(record_guardianship.c.id)
)


def guardianships_of(connection: Connection, owner_id: int) -> list[Guardianship]:
    """Those that nobody ended."""
    return [
        Guardianship(**(dict(row._mapping) | {"kind": GuardianshipKind(row.kind)}))
        for row in connection.execute(_STANDING, {"owner": owner_id})
    ]


def is_protected(connection: Connection, owner_id: int, now: int) -> bool:
    """Whether the person is an adult under guardianship (tutelle)."""
    return any(
        each.kind is GuardianshipKind.TUTELLE and each.holds(now)
        for each in guardianships_of(connection, owner_id)
    )


# ref: DMP-F20
def acting_for(connection: Connection, patient: Patient, now: int) -> list[Patient]:
    """Those who represent this person at `now` (epoch ms): of an adult the guardians (tutelle) alone, none after its end.

    Nobody waits for the calendar to be kept: who came of age today is represented by no parent any more.
    """
    is_minor = patient.is_minor(to_paris(from_millis(now)).date())
    told = guardianships_of(connection, patient.owner_id)
    kinds = {GuardianshipKind.TUTELLE} | ({GuardianshipKind.PARENTAL} if is_minor else set())
    holding = {each.representative_owner for each in told if each.kind in kinds and each.holds(now)}
    # Parents were written down before guardianships were.
    untold = {each.representative_owner for each in told} if is_minor else None
    return [
        each
        for each in representatives_of(connection, patient.owner_id)
        if each.owner_id in holding or (untold is not None and each.owner_id not in untold)
    ]


def represent(
    uow: UnitOfWork,
    owner_id: int,
    representative_owner: int,
    kind: GuardianshipKind,
    actor: str,
    now: int,
    *,
    until: int | None = None,
) -> None:
    """Lets somebody represent (or, under curatelle, assist) a person. Raises PatientRefused for oneself."""
    end_representation(uow, owner_id, representative_owner, actor, now)
    if kind is not GuardianshipKind.CURATELLE:
        add_representative(uow, owner_id, representative_owner)
    uow.execute(
        insert(record_guardianship),
        {
            "owner_id": owner_id,
            "representative_owner": representative_owner,
            "kind": kind.value,
            "since": now,
            "until": until,
            "declared_by": actor[:64],
        },
    )


def end_representation(
    uow: UnitOfWork, owner_id: int, representative_owner: int, actor: str, now: int
) -> bool:
    """Ends what somebody may do for a person; False where it was nothing."""
    held = [
        each
        for each in guardianships_of(uow.connection, owner_id)
        if each.representative_owner == representative_owner
    ]
    for each in held:
        uow.execute(
            update(record_guardianship)
            .where(record_guardianship.c.id == each.id)
            .values(ended_at=now, ended_by=actor[:64])
        )
    return remove_representative(uow, owner_id, representative_owner) or bool(held)
