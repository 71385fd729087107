"""What professionals deposited since somebody's last visit, in the records towards which that person stands."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from sqlalchemy import func, or_, select

from dmp_bridge import record
from dmp_bridge.dossier import notices, traces
from dmp_bridge.dossier.case import asker_of, case_of_owner
from dmp_bridge.dossier.counter import Counter
from dmp_bridge.dossier.forms import Denied
from dmp_bridge.dossier.life import Status
from dmp_bridge.dossier.notices import NoticeEvent
from dmp_bridge.dossier.relations import RelationKind, relations_with
from dmp_bridge.dossier.tables import record_access
from dmp_bridge.record import Document, Origin
from dmp_bridge.rights.decide import decide
from dmp_bridge.rights.question import Question, Standing
from dmp_bridge.rights.vocabulary import Action
from dmp_bridge.tables import document

if TYPE_CHECKING:
    from collections.abc import Collection

    from sqlalchemy import Connection

    from directory.patients import Patient
    from dmp_bridge.dossier.caller import Caller
    from dmp_bridge.rights.professions import Professions
    from foundation.clock import Clock
    from foundation.database import Database, UnitOfWork

_MOST_RECORDS: Final = 500
_LOOKED_AT: Final = 200
"""Documents among which those are found that the caller may know of."""


@dataclass(frozen=True, slots=True)
class News:
    """The latest documents with their patients, the last filed first; `since` is the last visit, epoch ms."""

    since: int | None
    documents: tuple[tuple[Patient, Document], ...] = field(repr=False)


class NewsDesk(Counter):
    """Every method may raise Denied."""

    def __init__(self, database: Database, clock: Clock, professions: Professions) -> None:
        super().__init__(database, clock)
        self._professions = professions

    # ref: DMP-F28
    async def latest(self, caller: Caller, before: int, *, limit: int = 5) -> News:
        """The latest current documents of others since the caller's last visit, which ended `before` (epoch ms).

        Who was never there sees the latest of all. Masked ones and those the patient does not see are left out:
        they are asked for expressly. Each record of which something is told bears the trace of a search.
        """
        asked = Question(
            asker=asker_of(caller), standing=Standing(state=None), act=Action.LIST_AUTHORISED_RECORDS
        )
        reason = decide(asked)

        def unit(uow: UnitOfWork) -> News:
            traces.append(
                uow,
                caller,
                Action.LIST_AUTHORISED_RECORDS,
                owner_id=None,
                reason=reason,
                clock=self._clock,
            )
            return News(None, ()) if reason is not None else self._latest(uow, caller, before, limit)

        found = await self._database.write(unit)
        if reason is not None:
            raise Denied(reason)
        return found

    def _latest(self, uow: UnitOfWork, caller: Caller, before: int, limit: int) -> News:
        now = self._clock.millis()
        owners = {
            each.owner_id
            for each in relations_with(uow.connection, caller.id, now, limit=_MOST_RECORDS)
            if each.kind is not RelationKind.BLOCKED and each.holds(now)
        }
        since = _last_visit(uow.connection, owners, caller.id, before)
        found: list[tuple[Patient, Document]] = []
        for each in _filed_since(uow.connection, owners, since or 0):
            case = case_of_owner(uow.connection, caller, each.owner_id, now, self._professions)
            if case.own.owns(each)[0] or case.refusal(Action.SEARCH, case.facts(each)) is not None:
                continue
            found.append((case.patient, each))
            if len(found) == limit:
                break
        for owner_id in dict.fromkeys(holder.owner_id for holder, _ in found):
            traces.append(uow, caller, Action.SEARCH, owner_id=owner_id, clock=self._clock)
            notices.leave(uow, owner_id, NoticeEvent.ACCESS, now=now, caller=caller)
        return News(since, tuple(found))


def _last_visit(connection: Connection, owners: Collection[int], caller_id: str, before: int) -> int | None:
    table = record_access.c
    last: int | None = connection.execute(
        select(func.max(table.at)).where(
            or_(table.owner_id.in_(owners), table.owner_id.is_(None)),
            table.caller_id == caller_id,
            table.at < before,
        )
    ).scalar()
    return last


def _filed_since(connection: Connection, owners: Collection[int], since: int) -> list[Document]:
    table = document.c
    statement = (
        select(*record.DOCUMENT_COLUMNS)
        .where(
            table.owner_id.in_(owners),
            table.filed_at > since,
            table.status == Status.APPROVED.value,
            table.origin != Origin.PATIENT.value,
            table.masked_to_professionals.is_(False),
            table.invisible_to_patient.is_(False),
        )
        .order_by(table.filed_at.desc(), table.id.desc())
        .limit(_LOOKED_AT)
    )
    return [record.document_of(row) for row in connection.execute(statement)]
