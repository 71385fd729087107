"""Looks after the queue: gives each domain that has mail due its lanes, and takes the queue up again after a crash.

A connection that is being made and one that carries mail are counted apart. Dead hosts fill only the first count,
however many there are, so they never keep a message from a server that answers.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

from foundation.log import get_logger
from mailserver.outbound.claims import destinations, forget_idle_domains, reclaim
from mailserver.outbound.client import Patience
from mailserver.outbound.connector import Connector
from mailserver.outbound.lanes import Lane, Place, Slots, Tools
from mailserver.outbound.outcome import Failure, Outcome
from mailserver.outbound.queue import TOPIC
from mailserver.outbound.resolver import Resolver
from mailserver.outbound.schedule import Schedule
from mailserver.outbound.settlement import AlreadySettled, Settler
from mailserver.outbound.sweeper import Sweeper
from mailserver.refusals import INTERNAL

if TYPE_CHECKING:
    import random

    from certs.trust import TrustSpace
    from foundation.clock import Clock
    from foundation.database import Database, UnitOfWork
    from foundation.events import Events
    from foundation.settings import Settings
    from foundation.vault import Vault
    from mailserver.outbound.claims import Claimed, Destination
    from mailserver.outbound.settlement import Counts, Reports

_log = get_logger(__name__)

_POLL_SECONDS = 2.0
"""A command line that changes the queue is another process, and wakes nobody."""
_PAUSE_SECONDS = 0.02
"""Between two looks at the queue while mail comes in fast."""
_LANES_OF_SLOT = 4
_GROW_AFTER_MILLIS = 1000
_FORGET_FROM = 100
_PATIENT_SECONDS = 20.0
"""How long a server that says nothing keeps its place where there is no other for a domain that did not fail yet."""


class Dispatcher:
    """Sends what is in the queue of one operator. One process runs one at a time under one `name`."""

    def __init__(
        self,
        database: Database,
        vault: Vault,
        clock: Clock,
        settings: Settings,
        events: Events,
        trust: TrustSpace,
        reports: Reports,
        counts: Counts | None = None,
        *,
        resolver: Resolver | None = None,
        patience: Patience | None = None,
        chance: random.Random | None = None,
        name: str = "main",
    ) -> None:
        outbound = settings.outbound
        schedule = Schedule(outbound, chance)
        settler = Settler(database, vault, clock, settings, schedule, reports, counts)
        connector = Connector(trust, resolver or Resolver(), settings.hostname, patience or Patience())
        slots = Slots(outbound.connections)
        self._tools = Tools(database, vault, clock, connector, settler, schedule, slots, name)
        self._sweeper = Sweeper(database, clock, schedule, settler, name)
        self._events = events
        self._most_of_domain = outbound.connections_per_domain
        self._most_lanes = outbound.connections * _LANES_OF_SLOT
        self._places: dict[str, Place] = {}
        self._tasks: dict[asyncio.Task[None], Lane] = {}
        self._left_in_hand: list[tuple[Claimed, Outcome]] = []
        self._has_begun = False
        self._is_closing = False
        self._grace = 0.0
        self._ended = asyncio.Event()

    async def run(self) -> None:
        """Works until cancelled or closed. A message in flight when it is cancelled is sent again at the next start."""
        tools = self._tools
        self._has_begun = True
        try:
            await tools.database.write(self._begin)
            with self._events.subscribe(TOPIC) as wake_ups:
                while not self._is_closing:
                    wake_ups.take()
                    seconds = await self._look()
                    await wake_ups.wait(seconds)
                    await asyncio.sleep(_PAUSE_SECONDS)
            await self._finish()
        finally:
            await self._stop()
            self._ended.set()

    async def close(self, grace: float = 10.0) -> None:
        """Starts nothing more, gives what is being sent `grace` seconds to end, and returns when `run` has ended."""
        self._is_closing = True
        self._grace = grace
        for lane in self._tasks.values():
            lane.end()
        self._events.publish(TOPIC)
        if self._has_begun:
            await self._ended.wait()

    def _begin(self, uow: UnitOfWork) -> None:
        reclaim(uow, self._tools.name)
        forget_idle_domains(uow, self._tools.clock.millis())

    async def _look(self) -> float:
        """One look at the queue; how long nothing will be due."""
        try:
            await self._put_back()
            swept = await self._sweeper.sweep()
            wait = await self._serve()
        except Exception as error:
            _log.error("outbound: queue not read", error=type(error).__name__)
            return _POLL_SECONDS
        return 0.0 if swept else wait

    async def _serve(self) -> float:
        tools = self._tools
        found = await tools.database.read(destinations)
        now = tools.clock.millis()
        soonest = now + int(_POLL_SECONDS * 1000)
        waiting: list[Destination] = []
        idle = 0
        for destination in found:
            if destination.earliest is None:
                idle += 1
                self._forget(destination.domain)
            elif max(destination.earliest, destination.not_before) > now:
                soonest = min(soonest, max(destination.earliest, destination.not_before))
            elif not self._is_served(destination, now):
                waiting.append(destination)
        waiting.sort(key=lambda each: (each.failures > 0, self._place(each.domain).started))
        for destination in waiting:
            self._start_first(destination)
        if idle >= _FORGET_FROM:
            await tools.database.write(lambda uow: forget_idle_domains(uow, now))
        return (soonest - now) / 1000

    def _is_served(self, destination: Destination, now: int) -> bool:
        """Whether lanes of the domain are there to take what is due; they are woken, or joined by one more."""
        place = self._places.get(destination.domain)
        if place is None or not place.lanes:
            return False
        assert destination.earliest is not None
        if not place.wake() and now - destination.earliest > _GROW_AFTER_MILLIS:
            self._grow(place)
        return True

    def _place(self, domain: str) -> Place:
        place = self._places.get(domain)
        if place is None:
            place = self._places[domain] = Place(domain, self._grow)
        return place

    def _forget(self, domain: str) -> None:
        place = self._places.get(domain)
        if place is not None and not place.lanes:
            del self._places[domain]

    def _start_first(self, destination: Destination) -> None:
        # Those that failed last time may fill half of the room, so that the others find some.
        room = self._most_lanes // 2 if destination.failures else self._most_lanes
        if len(self._tasks) >= room:
            if not destination.failures:
                self._make_room()
            return
        place = self._place(destination.domain)
        place.failures = destination.failures
        place.losses = 0
        place.most = self._most_of_domain
        self._start(place)

    def _make_room(self) -> None:
        """Gives up the server that has been silent longest, so that many of them cannot fill the room."""
        waits = [(lane.opening_since, lane) for lane in self._tasks.values()]
        since = [(start, lane) for start, lane in waits if start is not None]
        start, silent = min(since, key=lambda each: each[0], default=(0.0, None))
        if silent is not None and asyncio.get_running_loop().time() - start >= _PATIENT_SECONDS:
            silent.give_way()

    def _grow(self, place: Place) -> None:
        """One more lane, once those that are there all have a connection."""
        is_connecting = place.established < len(place.lanes)
        if not is_connecting and len(place.lanes) < place.most and len(self._tasks) < self._most_lanes:
            self._start(place)

    def _start(self, place: Place) -> None:
        if self._is_closing:
            return
        lane = Lane(self._tools, place)
        place.lanes.add(lane)
        place.started = asyncio.get_running_loop().time()
        task = asyncio.get_running_loop().create_task(lane.run())
        self._tasks[task] = lane
        task.add_done_callback(lambda done: self._gone(done, place))

    def _gone(self, task: asyncio.Task[None], place: Place) -> None:
        lane = self._tasks.pop(task)
        place.lanes.discard(lane)
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("outbound: lane failed", domain=place.domain, error=type(error).__name__)
            if lane.in_hand is not None:
                outcome = lane.outcome or Outcome.same(lane.in_hand.addresses, Failure(INTERNAL))
                self._left_in_hand.append((lane.in_hand, outcome.with_failures_as(Failure(INTERNAL))))
        self._events.publish(TOPIC)

    async def _put_back(self) -> None:
        """Puts off what a lane had in hand when it failed for a reason nobody thought of; who has it stays served.

        What cannot be written now is tried again at the next look, and keeps nothing else from its turn.
        """
        settler = self._tools.settler
        for left in tuple(self._left_in_hand):
            claimed, outcome = left
            try:
                with suppress(AlreadySettled):
                    await settler.settle(claimed, settler.verdict(claimed, outcome))
            except Exception as error:
                _log.error("outbound: not settled", queue=claimed.queue_id, error=type(error).__name__)
            else:
                self._left_in_hand.remove(left)

    async def _finish(self) -> None:
        for task, lane in self._tasks.items():
            if not lane.is_sending:
                task.cancel()
        if self._tasks:
            await asyncio.wait(tuple(self._tasks), timeout=self._grace)
            await asyncio.sleep(0)  # so that those that failed were heard of
        await self._put_back()

    async def _stop(self) -> None:
        tasks = tuple(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
