"""The rows of an import that is not switched yet: put beside the directory, compared with it, taken over."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import Table, and_, bindparam, delete, func, insert, literal, or_, select, update

from directory.bals import CHUNK
from directory.extracts import ExtractKind
from directory.rows import activity_row, entry_row
from directory.tables import (
    directory_activity,
    directory_entry,
    directory_import,
    directory_tombstone,
    staged_activity,
    staged_entry,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from sqlalchemy import ColumnElement, Connection

    from directory.extracts import Record
    from directory.sources import Source
    from foundation.database import UnitOfWork

_INTERRUPTED_AFTER_MILLIS = 6 * 3600 * 1000


@dataclass(frozen=True, slots=True)
class Target:
    """Where the rows of a kind of extract go. Rows with the same `key` are the same thing, told twice."""

    live: Table
    staged: Table
    key: str
    row: Callable[[Record], dict[str, Any]]

    @property
    def columns(self) -> list[str]:
        """What both tables have."""
        return [column.key for column in self.live.columns if column.key in self.staged.columns]


TARGETS: Mapping[ExtractKind, Target] = {
    ExtractKind.MAILBOXES: Target(directory_entry, staged_entry, "address", entry_row),
    ExtractKind.ACTIVITIES: Target(directory_activity, staged_activity, "digest", activity_row),
}
"""The kinds of which something is kept."""


@dataclass(frozen=True, slots=True)
class Difference:
    """What separates the staged rows from the directory.

    `rows` counts the distinct staged things, `fresh` the places of those that are new or changed; `changed`
    and `removed` are keys of the directory. `base` is the import the comparison was made against.
    """

    base: int | None
    base_rows: int | None
    rows: int
    fresh: list[int]
    changed: list[Any]
    removed: list[Any]


def begin(uow: UnitOfWork, *, kind: ExtractKind, source: Source, now: int) -> int:
    """Notes that an import starts; returns its id. One that has been loading for hours is given up."""
    uow.execute(
        update(directory_import)
        .where(
            directory_import.c.state == "loading",
            directory_import.c.started_at < now - _INTERRUPTED_AFTER_MILLIS,
        )
        .values(state="refused", reason="interrupted", finished_at=now)
    )
    made = uow.execute(
        insert(directory_import),
        {
            "extract": kind.value,
            "source": source.name,
            "generated_at": source.generated_at,
            "started_at": now,
            "state": "loading",
        },
    )
    assert made.inserted_primary_key is not None
    import_id: int = made.inserted_primary_key[0]
    return import_id


def stage(uow: UnitOfWork, *, target: Target, rows: Sequence[Mapping[str, Any]]) -> None:
    """Puts some rows beside the directory."""
    uow.execute(insert(target.staged), rows)


def compare(connection: Connection, *, kind: ExtractKind, import_id: int) -> Difference:
    """What the import would change; of several lines with one key the first one counts."""
    target = TARGETS[kind]
    live, staged = target.live.c, target.staged.c
    live_key, staged_key = live[target.key], staged[target.key]
    base = connection.execute(
        select(directory_import.c.id, directory_import.c.rows)
        .where(directory_import.c.extract == kind.value, directory_import.c.state == "switched")
        .order_by(directory_import.c.id.desc())
        .limit(1)
    ).first()
    first = (
        select(func.min(staged.place).label("place"))
        .where(staged.import_id == import_id)
        .group_by(staged_key)
        .subquery()
    )
    rows = connection.execute(select(func.count()).select_from(first)).scalar_one()
    differing = (
        select(staged.place, live_key)
        .select_from(first)
        .join(target.staged, and_(staged.import_id == import_id, staged.place == first.c.place))
        .join(target.live, live_key == staged_key, isouter=True)
        .where(or_(live_key.is_(None), live.digest != staged.digest))
        .order_by(staged.place)
    )
    fresh: list[int] = []
    changed: list[Any] = []
    for place, known in connection.execute(differing):
        fresh.append(place)
        if known is not None:
            changed.append(known)
    still_there = select(staged.place).where(staged.import_id == import_id, staged_key == live_key).exists()
    removed = list(connection.execute(select(live_key).where(~still_there)).scalars())
    return Difference(
        base.id if base is not None else None,
        base.rows if base is not None else None,
        rows,
        fresh,
        changed,
        removed,
    )


def switch(
    uow: UnitOfWork,
    *,
    kind: ExtractKind,
    import_id: int,
    difference: Difference,
    facts: Mapping[str, Any],
    now: int,
) -> bool:
    """Writes the difference and ends the import; False, and nothing written, when the directory is no longer
    the one that was compared. `facts` are further columns of the import.
    """
    target = TARGETS[kind]
    latest = uow.execute(
        select(func.max(directory_import.c.id)).where(
            directory_import.c.extract == kind.value, directory_import.c.state == "switched"
        )
    ).scalar_one()
    if latest != difference.base:
        return False
    live_key = target.live.c[target.key]
    for some in _chunks([*difference.removed, *difference.changed]):
        uow.execute(delete(target.live).where(live_key.in_(some)))
    _take_over(uow, target, import_id, difference.fresh, now)
    if kind is ExtractKind.MAILBOXES:
        _bury(uow, difference.removed, import_id, now)
    uow.execute(
        update(directory_import)
        .where(directory_import.c.id == import_id)
        .values(
            state="switched",
            finished_at=now,
            rows=difference.rows,
            added=len(difference.fresh) - len(difference.changed),
            changed=len(difference.changed),
            removed=len(difference.removed),
            **facts,
        )
    )
    return True


def refuse(uow: UnitOfWork, *, import_id: int, reason: str, now: int) -> None:
    """Ends an import that changed nothing."""
    uow.execute(
        update(directory_import)
        .where(directory_import.c.id == import_id)
        .values(state="refused", reason=reason[:500], finished_at=now)
    )


def left_over(connection: Connection, *, target: Target) -> list[int]:
    """Imports that have ended and still have staged rows."""
    loading = select(directory_import.c.id).where(directory_import.c.state == "loading")
    import_id = target.staged.c.import_id
    return list(connection.execute(select(import_id).where(import_id.not_in(loading)).distinct()).scalars())


def clear_some(uow: UnitOfWork, *, target: Target, import_id: int, limit: int) -> bool:
    """Drops up to `limit` staged rows; True while there are more."""
    staged = target.staged.c
    start = uow.execute(select(func.min(staged.place)).where(staged.import_id == import_id)).scalar()
    if start is None:
        return False
    uow.execute(delete(target.staged).where(staged.import_id == import_id, staged.place < start + limit))
    return True


def _take_over(uow: UnitOfWork, target: Target, import_id: int, places: Iterable[int], now: int) -> None:
    columns, staged = target.columns, target.staged.c
    copied: list[ColumnElement[Any]] = [staged[name] for name in columns]
    if "updated_at" in target.live.columns:
        columns = [*columns, "updated_at"]
        copied.append(literal(now))
    statement = insert(target.live).from_select(
        columns,
        select(*copied).where(
            staged.import_id == bindparam("import"),
            staged.place.between(bindparam("first"), bindparam("last")),
        ),
    )
    for first, last in runs(places):
        uow.execute(statement, {"import": import_id, "first": first, "last": last})


def _bury(uow: UnitOfWork, removed: Sequence[str], import_id: int, now: int) -> None:
    tombstone = directory_tombstone.c
    for some in _chunks(removed):
        uow.execute(delete(directory_tombstone).where(tombstone.address.in_(some)))
        uow.execute(
            insert(directory_tombstone),
            [{"address": address, "removed_at": now, "import_id": import_id} for address in some],
        )
    back = select(directory_entry.c.address).where(directory_entry.c.address == tombstone.address).exists()
    uow.execute(delete(directory_tombstone).where(back))


def runs(places: Iterable[int]) -> Iterator[tuple[int, int]]:
    """Rising numbers as runs without a gap: 1, 2, 3, 7 → (1, 3), (7, 7)."""
    first = last = None
    for place in places:
        if first is None or last is None:
            first = last = place
        elif place == last + 1:
            last = place
        else:
            yield first, last
            first = last = place
    if first is not None and last is not None:
        yield first, last


def _chunks(values: Sequence[Any]) -> Iterator[Sequence[Any]]:
    for start in range(0, len(values), CHUNK):
        yield values[start : start + CHUNK]
