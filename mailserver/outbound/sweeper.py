"""Decides on what waits too long without another attempt: tells of delays, gives up, carries out what was dropped."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

from foundation.log import get_logger
from mailserver.outbound.claims import cause_of_domain, claim_these, overdue, release
from mailserver.outbound.outcome import Failure
from mailserver.outbound.settlement import AlreadySettled
from mailserver.outbound.verdict import Fate, Verdict, expired, known, last_failure
from mailserver.refusals import DROPPED_BY_OPERATOR, UNREACHABLE

if TYPE_CHECKING:
    from collections.abc import Awaitable, Iterable

    from foundation.clock import Clock
    from foundation.database import Database, UnitOfWork
    from mailserver.outbound.claims import Claimed
    from mailserver.outbound.schedule import Schedule
    from mailserver.outbound.settlement import Settler

_log = get_logger(__name__)
_Causes = dict[str, Failure | None]


class Sweeper:
    """Goes through the queue of one operator."""

    def __init__(
        self, database: Database, clock: Clock, schedule: Schedule, settler: Settler, name: str
    ) -> None:
        self._database = database
        self._clock = clock
        self._schedule = schedule
        self._settler = settler
        self._name = name

    async def sweep(self) -> bool:
        """Decides on a batch of each kind; whether there may be more."""
        now = self._clock.millis()
        found = await self._database.read(
            lambda connection: overdue(
                connection,
                now,
                warning=self._schedule.warned_before(now),
                expiry=self._schedule.expired_before(now),
            )
        )
        if not (found.dropped or found.expired or found.late):
            return False
        causes: _Causes = {}

        def claim(uow: UnitOfWork) -> tuple[list[Claimed], list[Claimed], list[Claimed]]:
            claimed = (
                claim_these(uow, found.dropped, self._name),
                claim_these(uow, found.expired, self._name),
                claim_these(uow, found.late, self._name),
            )
            for domain in {each.domain for kind in claimed for each in kind}:
                causes[domain] = known(*cause_of_domain(uow, domain))
            return claimed

        dropped, too_old, late = await self._database.write(claim)
        work = [self._careful(each, self._drop(each)) for each in dropped]
        work += [self._careful(each, self._expire(each, causes)) for each in too_old]
        work += [self._careful(each, self._warn(each, causes)) for each in late]
        return all(await asyncio.gather(*work))

    async def drop(self, keys: Iterable[tuple[int, str]]) -> int:
        """Drops what nobody is sending at this moment; how many that were. Whatever fails is raised.

        What was not done by then is left to the dispatcher.
        """
        claimed = await self._database.write(lambda uow: claim_these(uow, keys, self._name))
        left = list(claimed)
        try:
            while left:
                with suppress(AlreadySettled):  # a dispatcher that started in between has done it
                    await self._drop(left[-1])
                left.pop()
        except BaseException:
            await self._database.write(lambda uow: self._leave(uow, left))
            raise
        return len(claimed)

    def _leave(self, uow: UnitOfWork, left: Iterable[Claimed]) -> None:
        for each in left:
            release(uow, each, self._name)

    async def _drop(self, claimed: Claimed) -> None:
        await self._settler.settle(claimed, dropped(claimed))

    async def _expire(self, claimed: Claimed, causes: _Causes) -> None:
        fates = _fates(claimed, causes)
        failed = tuple(Fate(fate.waiting, expired(fate.failure)) for fate in fates)
        await self._settler.settle(claimed, Verdict(failed=failed, was_tried=False))

    async def _warn(self, claimed: Claimed, causes: _Causes) -> None:
        await self._settler.warn(claimed, Verdict(deferred=tuple(_fates(claimed, causes)), was_tried=False))

    async def _careful(self, claimed: Claimed, work: Awaitable[None]) -> bool:
        """One message that cannot be decided on keeps no other from it; it is looked at again later."""
        try:
            await work
        except Exception as error:
            _log.error("outbound: not decided", queue=claimed.queue_id, error=type(error).__name__)
            await self._database.write(lambda uow: release(uow, claimed, self._name))
            return False
        return True


def dropped(claimed: Claimed) -> Verdict:
    """The operator took the message out for everybody it was still waiting for."""
    fates = tuple(Fate(waiting, Failure(DROPPED_BY_OPERATOR)) for waiting in claimed.waiting)
    return Verdict(failed=fates, was_tried=False)


def _fates(claimed: Claimed, causes: _Causes) -> Iterable[Fate]:
    for waiting in claimed.waiting:
        cause = last_failure(claimed, waiting, causes.get(claimed.domain))
        yield Fate(waiting, cause or Failure(UNREACHABLE))
