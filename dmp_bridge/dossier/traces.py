"""The traces of a record: who did what with it, as what, when and why, refusals too (CSP R1111-43, L1111-19).

Names and motives stand here, where the patient reads them; the trail gets the digest of each row, so that its chain
proves the traces without telling anybody anything.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
from dataclasses import dataclass, field, fields
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import bindparam, delete, func, insert, or_, select

from dmp_bridge.dossier.denials import UNTOLD
from dmp_bridge.dossier.tables import record_access
from dmp_bridge.rights.vocabulary import Reason
from dmp_bridge.tables import document
from foundation import trail
from foundation.clock import from_millis, to_paris

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from sqlalchemy import Connection

    from dmp_bridge.dossier.caller import Caller
    from foundation.clock import Clock
    from foundation.database import UnitOfWork

DONE = "ok"
_PREFIX = "record."
_ERASED = "record.erased"
_ONLINE_MILLIS = 365 * 24 * 3600 * 1000
_ONLINE_TRACES = 100


@dataclass(frozen=True, slots=True)
class Trace:
    """One thing that was done with a record, or refused; `at` in epoch milliseconds, `detail` a JSON object.

    `outcome` is "ok" or the reason of the refusal, `action` an Action, an OwnAct or a Change.
    """

    id: int
    owner_id: int | None
    at: int
    action: str
    outcome: str
    document_id: int | None
    caller_id: str
    caller_name: str = field(repr=False)
    role: str
    profession: str
    skill: str
    structure_id: str
    structure_name: str
    mode: str
    motive: str = field(repr=False)
    channel: str
    is_secret: bool
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceQuery:
    """Which traces: from and before in epoch milliseconds, newest first, `before_id` the last one shown."""

    since: int | None = None
    until: int | None = None
    document_id: int | None = None
    actions: tuple[str, ...] = ()
    roles: tuple[str, ...] = ()
    by: str = ""
    """A caller whose traces alone are wanted."""
    but_not_by: str = ""
    """A caller whose traces are left out: who reads seldom looks for oneself."""
    before_id: int | None = None
    limit: int = 100


@dataclass(frozen=True, slots=True)
class Proven:
    """Every trace has its digest in the trail, and every digest its trace."""

    traces: int


@dataclass(frozen=True, slots=True)
class Disproven:
    """A trace was changed, removed or put in behind the back of the trail."""

    reason: str


_COLUMNS = tuple(record_access.c[each.name] for each in fields(Trace))
_NAMES = tuple(each.name for each in fields(Trace))
_INSERT = insert(record_access)
_AFTER = (
    select(*_COLUMNS)
    .where(record_access.c.id > bindparam("after"))
    .order_by(record_access.c.id)
    .limit(bindparam("limit"))
)


# ref: DMP-F27, DMP-F43
def append(
    uow: UnitOfWork,
    caller: Caller,
    action: str,
    *,
    owner_id: int | None,
    document_id: int | None = None,
    reason: Reason | None = None,
    clock: Clock,
    detail: Mapping[str, str | int | bool | None] | None = None,
) -> int:
    """Writes a trace in the caller's transaction and its digest into the trail; returns its number.

    `owner_id` None: somebody asked for an INS that nobody has. `detail` holds no name and no INS.
    """
    outcome = DONE if reason is None else reason.value
    values = {
        "owner_id": owner_id,
        "at": clock.millis(),
        "action": str(action)[:32],
        "outcome": outcome,
        "document_id": document_id,
        "caller_id": caller.id[:64],
        "caller_name": caller.name[:256],
        "role": caller.role.value,
        "profession": caller.profession[:16],
        "skill": caller.skill[:16],
        "structure_id": caller.structure_id[:64],
        "structure_name": caller.structure_name[:256],
        "mode": caller.mode.value,
        "motive": caller.motive[:512],
        "channel": caller.channel[:16],
        "is_secret": caller.is_secret,
        "detail": json.dumps(detail or {}, ensure_ascii=False, sort_keys=True),
    }
    number = uow.run(_INSERT, values).inserted_id
    trail.append(
        uow,
        f"{_PREFIX}{action}"[:64],
        actor=caller.id[:64] or "unknown",
        subject="unknown" if owner_id is None else f"patient:{owner_id}",
        outcome=outcome,
        detail={"access": number, "digest": _digest({"id": number, **values}), "document": document_id},
        clock=clock,
    )
    return number


class Audience(StrEnum):
    """Who reads traces: nobody is told by a trace of a document which they may not know of."""

    ALL = "all"
    PATIENT = "patient"
    REPRESENTATIVE = "representative"


def traces_of(
    connection: Connection,
    owner_id: int,
    query: TraceQuery,
    *,
    audience: Audience = Audience.ALL,
    caller_id: str | None = None,
) -> list[Trace]:
    """The traces of a record, the newest first; of one caller alone where one is given.

    Who reads only one's own is not told by them that a document is there which they were told is not.
    """
    table = record_access.c
    statement = select(*_COLUMNS).where(table.owner_id == owner_id)
    if caller_id is not None:
        untold = [each.value for each in (*UNTOLD, Reason.NO_DOCUMENT)]
        statement = statement.where(table.caller_id == caller_id, table.outcome.not_in(untold))
    if audience is not Audience.ALL:
        is_hidden = [document.c.invisible_to_patient.is_(True)]
        if audience is Audience.REPRESENTATIVE:
            is_hidden.append(document.c.invisible_to_representatives.is_(True))
            statement = statement.where(table.is_secret.is_(False))
        hidden = select(document.c.id).where(document.c.owner_id == owner_id, or_(*is_hidden))
        statement = statement.where(or_(table.document_id.is_(None), table.document_id.not_in(hidden)))
    if query.since is not None:
        statement = statement.where(table.at >= query.since)
    if query.until is not None:
        statement = statement.where(table.at < query.until)
    if query.document_id is not None:
        statement = statement.where(table.document_id == query.document_id)
    if query.actions:
        statement = statement.where(table.action.in_(query.actions))
    if query.roles:
        statement = statement.where(table.role.in_(query.roles))
    if query.by:
        statement = statement.where(table.caller_id == query.by)
    if query.but_not_by:
        statement = statement.where(table.caller_id != query.but_not_by)
    if query.before_id is not None:
        statement = statement.where(table.id < query.before_id)
    statement = statement.order_by(table.id.desc()).limit(query.limit)
    return [Trace(*row) for row in connection.execute(statement)]


def online_since(connection: Connection, owner_id: int, now: int, *, caller_id: str | None = None) -> int:
    """From when on professionals see traces: those of one year, or the last hundred (dmp.md §4.5); epoch ms."""
    table = record_access.c
    statement = select(table.at).where(table.owner_id == owner_id)
    if caller_id is not None:
        statement = statement.where(table.caller_id == caller_id)
    statement = statement.order_by(table.id.desc()).limit(1).offset(_ONLINE_TRACES - 1)
    hundredth: int | None = connection.execute(statement).scalar()
    return min(now - _ONLINE_MILLIS, hundredth or 0)


def erase(uow: UnitOfWork, owner_id: int, *, actor: str, clock: Clock) -> None:
    """Takes away the traces of a record that the law lets go; the trail says so, and the proof goes on."""
    last = uow.execute(
        select(func.max(record_access.c.id)).where(record_access.c.owner_id == owner_id)
    ).scalar()
    uow.execute(delete(record_access).where(record_access.c.owner_id == owner_id))
    trail.append(
        uow,
        _ERASED,
        actor=actor,
        subject=f"patient:{owner_id}",
        outcome=DONE,
        detail={"until": last or 0},
        clock=clock,
    )


def verify(connection: Connection) -> Proven | Disproven:
    """Compares each trace with its digest in the trail, whose own chain `trail.verify` walks."""
    table = trail.trail.c
    erased: dict[str, int] = {
        subject: max(int(json.loads(detail)["until"]), 0)
        for subject, detail in connection.execute(
            select(table.subject, table.detail).where(table.action == _ERASED).order_by(table.seq)
        )
    }
    digests = connection.execute(
        select(table.subject, table.detail)
        .where(table.action.startswith(_PREFIX, autoescape=True), table.action != _ERASED)
        .order_by(table.seq)
        .execution_options(yield_per=1000)
    )
    found, count = _all_rows(connection), 0
    trace = next(found, None)
    for subject, detail in digests:
        told = json.loads(detail)
        number = told.get("access")
        if trace is None or trace["id"] != number:
            if trace is not None and trace["id"] < number:
                return Disproven(f"trace {trace['id']} is not in the trail")
            if number <= erased.get(subject, 0):
                continue
            return Disproven(f"trace {number} is missing")
        if _digest(trace) != told.get("digest"):
            return Disproven(f"trace {number} was changed")
        count += 1
        trace = next(found, None)
    return Proven(count) if trace is None else Disproven(f"trace {trace['id']} is not in the trail")


def to_json(traces: Sequence[Trace]) -> str:
    """The traces as a JSON array, times in Paris."""
    return json.dumps([_told(each) for each in traces], ensure_ascii=False, indent=1)


def to_csv(traces: Sequence[Trace]) -> str:
    """The traces as a table that a spreadsheet opens: semicolons, one line each, times in Paris."""
    return csv_lines([_NAMES]) + csv_lines(_told(each).values() for each in traces)


CSV_HEAD: Final = tuple(
    "document" if name == "document_id" else name for name in _NAMES if name != "owner_id"
)
"""What the columns of `told_outside` are called."""


def told_outside(trace: Trace, documents: Mapping[int, str]) -> Iterable[object]:
    """The values of a line of the same table where numbers of this database say nothing: `documents` are uniqueIds."""
    told = _told(trace) | {"document_id": documents.get(trace.document_id or 0, "")}
    del told["owner_id"]
    return told.values()


def csv_lines(rows: Iterable[Iterable[object]]) -> str:
    """Lines of a table that a spreadsheet opens and takes nothing in for a formula."""
    text = io.StringIO()
    writer = csv.writer(text, delimiter=";", lineterminator="\r\n")
    for row in rows:
        writer.writerow([_harmless(value) for value in row])
    return text.getvalue()


def _harmless(value: object) -> object:
    """A spreadsheet takes a text that begins so for a formula."""
    return f"'{value}" if isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t")) else value


def _told(trace: Trace) -> dict[str, Any]:
    values = {name: getattr(trace, name) for name in _NAMES}
    return values | {"at": to_paris(from_millis(trace.at)).isoformat(timespec="milliseconds")}


def _digest(values: Mapping[str, Any]) -> str:
    told = json.dumps([values[name] for name in _NAMES], ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(told.encode()).hexdigest()


def _all_rows(connection: Connection) -> Iterator[Mapping[str, Any]]:
    after = 0
    while True:
        rows = connection.execute(_AFTER, {"after": after, "limit": 1000}).all()
        for row in rows:
            yield dict(zip(_NAMES, row, strict=True))
        if not rows:
            return
        after = rows[-1].id
