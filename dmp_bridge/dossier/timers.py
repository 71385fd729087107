"""What the calendar does to records: documents to be announced, majority, guardianships, the end of archives.

Each record is looked at and changed in one transaction of its own: cut short at any point, the next look goes on there.
"""

from __future__ import annotations

import asyncio
from calendar import monthrange
from datetime import date, timedelta
from functools import partial
from typing import TYPE_CHECKING, Final

from sqlalchemy import bindparam, select, update

from directory.patients import patient, patient_of, representative
from dmp_bridge.dossier import closing, traces
from dmp_bridge.dossier.caller import Caller
from dmp_bridge.dossier.life import Change, Status
from dmp_bridge.dossier.minority import GuardianshipKind, end_representation, guardianships_of, is_protected
from dmp_bridge.dossier.notices import NoticeEvent, leave
from dmp_bridge.dossier.registry import document_by_id, revise
from dmp_bridge.rights.vocabulary import Role
from dmp_bridge.tables import document
from dmp_bridge.visibility import Visibility
from foundation.clock import from_millis, to_millis, to_paris
from foundation.log import get_logger

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Connection

    from foundation.clock import Clock
    from foundation.database import Database, UnitOfWork
    from foundation.vault import Vault

ANNOUNCED_AFTER: Final = timedelta(days=14)
"""CSP R1111-53: two weeks after the deposit the patient is told of an update."""
_EVERY_SECONDS: Final = 3600.0
_PAGE: Final = 1000
_SYSTEM: Final = Caller(role=Role.OPERATOR, id="system", channel="calendar")
_log = get_logger(__name__)

_UNSEEN = (
    select(document.c.id, document.c.invisible_since, document.c.announced_at)
    .where(
        document.c.invisible_to_patient.is_(True),
        document.c.status != Status.DELETED.value,
        document.c.invisible_since <= bindparam("since"),
        document.c.id > bindparam("after"),
    )
    .order_by(document.c.id)
    .limit(_PAGE)
)
_REPRESENTED_ADULTS = (
    select(patient.c.owner_id)
    .join(representative, representative.c.patient_owner == patient.c.owner_id)
    .where(patient.c.birth_date <= bindparam("born"))
    .distinct()
)


# ref: DMP-F19
def visible_from(invisible_since: int) -> int:
    """When a document shows itself: the same day of the next month in France, at the same hour; epoch ms."""
    local = to_paris(from_millis(invisible_since))
    year, month = (local.year + 1, 1) if local.month == 12 else (local.year, local.month + 1)
    last = monthrange(year, month)[1]
    shown = local.replace(year=year, month=month, day=min(local.day, last))
    return to_millis(shown + timedelta(days=1) if local.day > last else shown)


class Timers:
    """Keeps the calendar of the records; several processes may do it at once.

    `empty_box` deletes a part of what the same person has elsewhere, and says whether nothing is left.
    """

    def __init__(
        self,
        database: Database,
        vault: Vault,
        clock: Clock,
        empty_box: Callable[[UnitOfWork, Vault, int], bool] = lambda _uow, _vault, _owner_id: True,
    ) -> None:
        self._database = database
        self._vault = vault
        self._clock = clock
        self._empty_box = empty_box

    async def run(self) -> None:
        """Looks each hour until cancelled."""
        while True:
            try:
                await self.look()
            except Exception as error:
                _log.error("records: calendar not looked at", error=type(error).__name__)
            await asyncio.sleep(_EVERY_SECONDS)

    async def look(self) -> int:
        """Takes the steps that are due; returns how many. A record that fails does not keep the others waiting."""
        taken = 0
        for document_id in await self._database.read(self._unseen):
            taken += await self._step(partial(self._show_or_announce, document_id=document_id))
        for owner_id in await self._database.read(self._grown_up):
            taken += await self._step(partial(self._come_of_age, owner_id=owner_id))
        for owner_id in await self._database.read(self._archived):
            while not await self._step(partial(self._purge, owner_id=owner_id)):
                pass
            taken += 1
        return taken

    async def _step(self, unit: Callable[[UnitOfWork], int]) -> int:
        try:
            return await self._database.write(unit)
        except Exception as error:
            _log.error("record: step not taken", error=type(error).__name__)
            return 1

    def _unseen(self, connection: Connection) -> list[int]:
        now = self._clock.millis()
        since = now - int(ANNOUNCED_AFTER.total_seconds() * 1000)
        due: list[int] = []
        after = 0
        while rows := connection.execute(_UNSEEN, {"since": since, "after": after}).all():
            after = rows[-1].id
            due += [
                row.id for row in rows if row.announced_at is None or visible_from(row.invisible_since) <= now
            ]
        return due

    # ref: DMP-F19
    def _show_or_announce(self, uow: UnitOfWork, document_id: int) -> int:
        found, now = document_by_id(uow.connection, document_id), self._clock.millis()
        if found is None or not found.invisible_to_patient or found.invisible_since is None:
            return 0
        if visible_from(found.invisible_since) <= now:
            seen = found.visibilities - {Visibility.UNSEEN}
            revise(uow, found, found.status, seen, actor=_SYSTEM.id, at=now)
            self._trace(uow, Change.SHOW_TO_PATIENT.value, found.owner_id, document_id)
            leave(uow, found.owner_id, NoticeEvent.DOCUMENT_VISIBLE, document_id=document_id, now=now)
            uow.publish(f"owner:{found.owner_id}")
            return 1
        if found.announced_at is None:
            uow.execute(update(document).where(document.c.id == document_id).values(announced_at=now))
            leave(uow, found.owner_id, NoticeEvent.RECORD_UPDATED, now=now)
            return 1
        return 0

    def _today(self) -> date:
        return to_paris(from_millis(self._clock.millis())).date()

    def _grown_up(self, connection: Connection) -> list[int]:
        today = self._today()
        # 29 February: whoever is born on it comes of age on 1 March of a common year
        born = f"{today.year - 18:04d}-{today.month:02d}-{today.day:02d}"
        return list(connection.execute(_REPRESENTED_ADULTS, {"born": born}).scalars())

    # ref: DMP-F20
    def _come_of_age(self, uow: UnitOfWork, owner_id: int) -> int:
        """Ends parental authority at eighteen; a guardian of an adult stays until the judgment ends."""
        holder, now = patient_of(uow.connection, owner_id), self._clock.millis()
        if holder is None or holder.is_minor(self._today()):
            return 0
        guardians = {
            each.representative_owner
            for each in guardianships_of(uow.connection, owner_id)
            if each.kind is GuardianshipKind.TUTELLE and each.holds(now)
        }
        ended = [
            each
            for each in uow.execute(
                select(representative.c.representative_owner).where(
                    representative.c.patient_owner == owner_id
                )
            ).scalars()
            if each not in guardians
        ]
        for each in ended:
            end_representation(uow, owner_id, each, _SYSTEM.id, now)
        if ended:
            self._trace(uow, "end-representation", owner_id, None)
            if not is_protected(uow.connection, owner_id, now):
                leave(uow, owner_id, NoticeEvent.MAJORITY, now=now)
        return len(ended)

    def _archived(self, connection: Connection) -> list[int]:
        return closing.due(connection, self._clock.millis())

    def _purge(self, uow: UnitOfWork, owner_id: int) -> int:
        now = self._clock.millis()
        if owner_id not in closing.due(uow.connection, now):
            return 1  # reopened meanwhile
        is_done = self._empty_box(uow, self._vault, owner_id) and closing.purge(
            uow, self._vault, owner_id, now
        )
        if is_done:
            traces.erase(uow, owner_id, actor=_SYSTEM.id, clock=self._clock)
        return int(is_done)

    def _trace(self, uow: UnitOfWork, action: str, owner_id: int, document_id: int | None) -> None:
        traces.append(uow, _SYSTEM, action, owner_id=owner_id, document_id=document_id, clock=self._clock)
