"""Looks at the histories now and then: says where nothing came back in time, and forgets what is old enough."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, Protocol

from sqlalchemy import bindparam, delete, func, select, update

from foundation import jobs, trail
from foundation.log import get_logger
from mailserver.tracking.tables import tracked_message, tracked_recipient

if TYPE_CHECKING:
    from foundation.clock import Clock
    from foundation.database import Database, UnitOfWork
    from foundation.settings import Settings

ALERT_JOB: Final = "tracking-alert"
"""Payload: `message` (row of the tracked message) and `at`, epoch ms. Only where `tracking.alert_mail` says so."""

_EVERY_SECONDS: Final = 60.0
_BATCH: Final = 200
_DAY_MILLIS: Final = 24 * 3600 * 1000
_log = get_logger(__name__)

_M = tracked_message.c
_R = tracked_recipient.c
_SILENT = (
    select(func.count())
    .select_from(tracked_recipient)
    .where(_R.message_id == _M.id, _R.awaits > 0)
    .scalar_subquery()
)
_DUE = (
    select(_M.id, _M.owner_id, _M.queue_id, _SILENT.label("silent"))
    .where(_M.due_at <= bindparam("now"))
    .order_by(_M.due_at)
    .limit(_BATCH)
)
_SETTLED = update(tracked_message).where(_M.id == bindparam("key")).values(due_at=None)
_ALERTED = (
    update(tracked_message).where(_M.id == bindparam("key")).values(due_at=None, alerted_at=bindparam("at"))
)
# Rows are numbered in the order of time: the oldest are found without an index of their own.
_OLDEST = select(_M.id, _M.received_at).order_by(_M.id).limit(_BATCH)
_FORGET = delete(tracked_message).where(_M.id == bindparam("key"))


class Counts(Protocol):
    """Counts alerts; `foundation.metrics.Metrics`."""

    def tracking_alert(self) -> None: ...


class Sweeper:
    """Sweeps for one operator; several processes may do it at once."""

    def __init__(
        self, database: Database, clock: Clock, settings: Settings, counts: Counts | None = None
    ) -> None:
        self._database = database
        self._clock = clock
        self._life = settings.tracking.days * _DAY_MILLIS
        self._mails = settings.tracking.alert_mail
        self._counts = counts

    async def run(self) -> None:
        """Sweeps each minute until cancelled."""
        while True:
            try:
                more = True
                while more:
                    more = await self.sweep()
            except Exception as error:
                _log.error("tracking: not swept", error=type(error).__name__)
            await asyncio.sleep(_EVERY_SECONDS)

    async def sweep(self) -> bool:
        """Looks at a batch of each kind; whether there may be more."""
        return await self._database.write(lambda uow: max(self._alert(uow), self._forget(uow)) >= _BATCH)

    def _alert(self, uow: UnitOfWork) -> int:
        now = self._clock.millis()
        due = list(uow.run(_DUE, {"now": now}))
        for row in due:
            if not row.silent:
                uow.run(_SETTLED, {"key": row.id})
                continue
            uow.run(_ALERTED, {"key": row.id, "at": now})
            if self._mails:
                # The time makes a repeated alert the same message, byte for byte.
                jobs.enqueue(uow, ALERT_JOB, {"message": row.id, "at": now})
            trail.append(
                uow,
                "tracking.alert",
                actor="system",
                subject=f"queue:{row.queue_id}",
                outcome="silent",
                detail={"owner": row.owner_id, "recipients": row.silent},
                clock=self._clock,
            )
            if self._counts is not None:
                uow.after_commit(self._counts.tracking_alert)
        return len(due)

    # ref: ECO.4.1.2
    def _forget(self, uow: UnitOfWork) -> int:
        """Removes what is older than `tracking.days`, oldest first."""
        before = self._clock.millis() - self._life
        old = [row.id for row in uow.run(_OLDEST, {}) if row.received_at < before]
        uow.run_each(_FORGET, [{"key": key} for key in old])
        return len(old)
