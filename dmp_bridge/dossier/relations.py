"""How professionals and structures stand towards a record: attending, authorised, of the care team, blocked."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from sqlalchemy import bindparam, insert, or_, select, update

from dmp_bridge.dossier.consent_tables import record_relation

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection
    from sqlalchemy.engine import Row

    from foundation.database import UnitOfWork


class RelationKind(StrEnum):
    """In which way somebody stands towards a record."""

    ATTENDING = "attending"
    """Médecin traitant: one at a time."""
    AUTHORISED = "authorised"
    """Declared with the explicit consent of the patient (CSP R1111-46)."""
    TEAM = "team"
    """Of the care team, presumed to have the consent once the patient is informed (CSP L1110-12, R1111-46)."""
    BLOCKED = "blocked"
    """Named by the patient: never enters, whatever the mode."""


@dataclass(frozen=True, slots=True)
class Relation:
    """One standing; times in epoch milliseconds, `until` excluded, None without end."""

    id: int
    owner_id: int
    kind: RelationKind
    subject_id: str
    subject_name: str = field(repr=False)
    since: int
    until: int | None
    declared_by: str
    ended_at: int | None = None
    ended_by: str | None = None

    def holds(self, now: int) -> bool:
        return self.ended_at is None and self.since <= now and (self.until is None or now < self.until)


_OF_OWNER = (
    select(record_relation)
    .where(record_relation.c.owner_id == bindparam("owner"))
    .order_by(record_relation.c.since.desc(), record_relation.c.id.desc())
)
_STANDING = _OF_OWNER.where(record_relation.c.ended_at.is_(None))
_OF_SUBJECT = (
    select(record_relation)
    .where(
        record_relation.c.subject_id == bindparam("subject"),
        record_relation.c.ended_at.is_(None),
        or_(record_relation.c.until.is_(None), record_relation.c.until > bindparam("now")),
        record_relation.c.id > bindparam("after"),
    )
    .order_by(record_relation.c.id)
    .limit(bindparam("limit"))
)


def declare(
    uow: UnitOfWork,
    owner_id: int,
    kind: RelationKind,
    subject_id: str,
    actor: str,
    now: int,
    *,
    name: str = "",
    until: int | None = None,
) -> bool:
    """Lets a standing begin, or gives one that holds another end; False where nothing changes."""
    held = _held(uow.connection, owner_id, kind, subject_id)
    if any(each.until == until and each.holds(now) for each in held):
        return False
    _end(uow, held, actor, now)
    uow.execute(
        insert(record_relation),
        {
            "owner_id": owner_id,
            "kind": kind.value,
            "subject_id": subject_id[:64],
            "subject_name": name.strip()[:256] or next((each.subject_name for each in held), ""),
            "since": now,
            "until": until,
            "declared_by": actor[:64],
        },
    )
    return True


def withdraw(
    uow: UnitOfWork, owner_id: int, kind: RelationKind, subject_id: str, actor: str, now: int
) -> bool:
    """Ends a standing; False where there was none."""
    held = _held(uow.connection, owner_id, kind, subject_id)
    _end(uow, held, actor, now)
    return bool(held)


# ref: DMP-F26
def block(uow: UnitOfWork, owner_id: int, subject_id: str, actor: str, now: int, *, name: str = "") -> bool:
    """Shuts somebody out; what was declared before ends with it. False where it was so already."""
    for kind in (RelationKind.AUTHORISED, RelationKind.TEAM, RelationKind.ATTENDING):
        withdraw(uow, owner_id, kind, subject_id, actor, now)
    return declare(uow, owner_id, RelationKind.BLOCKED, subject_id, actor, now, name=name)


def unblock(uow: UnitOfWork, owner_id: int, subject_id: str, actor: str, now: int) -> bool:
    """Lets somebody ask again; an authorisation has to be declared anew."""
    return withdraw(uow, owner_id, RelationKind.BLOCKED, subject_id, actor, now)


def set_attending(
    uow: UnitOfWork, owner_id: int, subject_id: str, actor: str, now: int, *, name: str = ""
) -> bool:
    """Makes somebody the attending doctor in place of the former one; False where it was so already."""
    others = [
        each
        for each in relations_of(uow.connection, owner_id)
        if each.kind is RelationKind.ATTENDING and each.subject_id != subject_id
    ]
    _end(uow, others, actor, now)
    return declare(uow, owner_id, RelationKind.ATTENDING, subject_id, actor, now, name=name)


def relations_of(connection: Connection, owner_id: int) -> list[Relation]:
    """Those that nobody ended, the newest first; some may be out of date (`holds`)."""
    return [_relation(row) for row in connection.execute(_STANDING, {"owner": owner_id})]


def history_of(connection: Connection, owner_id: int) -> list[Relation]:
    """All of them, those that ended too, the newest first."""
    return [_relation(row) for row in connection.execute(_OF_OWNER, {"owner": owner_id})]


def relations_with(
    connection: Connection, subject_id: str, now: int, *, after: int = 0, limit: int = 1000
) -> list[Relation]:
    """The records towards which somebody stands (TD0.4), a page behind the relation `after`."""
    names = {"subject": subject_id, "now": now, "after": after, "limit": limit}
    return [_relation(row) for row in connection.execute(_OF_SUBJECT, names)]


def attending_of(connection: Connection, owner_id: int, now: int) -> Relation | None:
    """The attending doctor, None where none is known."""
    return next(
        (
            each
            for each in relations_of(connection, owner_id)
            if each.kind is RelationKind.ATTENDING and each.holds(now)
        ),
        None,
    )


def _held(connection: Connection, owner_id: int, kind: RelationKind, subject_id: str) -> list[Relation]:
    return [
        each
        for each in relations_of(connection, owner_id)
        if each.kind is kind and each.subject_id == subject_id[:64]
    ]


def _end(uow: UnitOfWork, ended: Sequence[Relation], actor: str, now: int) -> None:
    for each in ended:
        uow.execute(
            update(record_relation)
            .where(record_relation.c.id == each.id)
            .values(ended_at=now, ended_by=actor[:64])
        )


def _relation(row: Row[*tuple[object, ...]]) -> Relation:
    values = dict(row._mapping)
    return Relation(**(values | {"kind": RelationKind(row.kind)}))
