"""Work that follows a transaction: enqueued in it, done exactly once as far as the database can tell.

A handler prepares (reads, parses, calls out) and returns a unit of work; the worker runs that unit and removes
the job in one transaction. A crash before it leaves the job for the next start; after it, nothing is left to do.
A job that fails for the last time is given up in one transaction with what its kind has to do then.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from sqlalchemy import (
    BigInteger,
    Column,
    Index,
    Integer,
    String,
    Table,
    delete,
    func,
    insert,
    or_,
    select,
    update,
)

from foundation import trail
from foundation.database import UnitOfWork, identity, metadata
from foundation.log import get_logger

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from foundation.clock import Clock
    from foundation.database import Database
    from foundation.events import Events

job = Table(
    "job",
    metadata,
    identity("id"),
    Column("kind", String(64), nullable=False),
    Column("payload", String, nullable=False),
    Column("run_at", BigInteger, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("claimed_by", String(64)),  # None: waiting; "!": given up
    Index("job_by_time", "run_at"),
)

TOPIC = "jobs"
GIVEN_UP = "!"
MAX_ATTEMPTS = 8
_BATCH = 16
_POLL_SECONDS = 1.0  # a command beside the service wakes nobody, and a person waits for what it enqueued
_INSERT = insert(job)
_COLUMNS = (job.c.id, job.c.kind, job.c.payload, job.c.attempts)
_log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Job:
    """One piece of work. `payload` holds ids, never health data."""

    id: int
    kind: str
    payload: dict[str, Any]
    attempts: int


Handler = Callable[[Job], Awaitable[Callable[[UnitOfWork], None]]]
GivingUp = Callable[[UnitOfWork, Job], None]
"""What is done in the transaction in which a job is given up: somebody may wait for its outcome."""
_NOTHING: Mapping[str, GivingUp] = MappingProxyType({})


def enqueue(uow: UnitOfWork, kind: str, payload: Mapping[str, Any], *, run_at: int = 0) -> int:
    """Adds a job to the caller's transaction, to run at `run_at` (epoch ms; 0: at once); returns its id."""
    values = {
        "kind": kind,
        "payload": json.dumps(payload, separators=(",", ":")),
        "run_at": run_at,
        "attempts": 0,
    }
    result = uow.execute(_INSERT, values)
    uow.publish(TOPIC)
    assert result.inserted_primary_key is not None
    job_id: int = result.inserted_primary_key[0]
    return job_id


def hasten(uow: UnitOfWork, job_id: int) -> bool:
    """Lets a job run at once that waits for its time; False where it is done or given up."""
    alive = or_(job.c.claimed_by.is_(None), job.c.claimed_by != GIVEN_UP)
    hastened = uow.execute(update(job).where(job.c.id == job_id, alive).values(run_at=0)).rowcount > 0
    if hastened:
        uow.publish(TOPIC)
    return hastened


def waiting(connection: Connection) -> int:
    """How many jobs are not done yet."""
    given_up = job.c.claimed_by == GIVEN_UP
    undone = select(func.count()).select_from(job).where(or_(job.c.claimed_by.is_(None), ~given_up))
    return connection.execute(undone).scalar_one()


def _job(row: Any) -> Job:
    return Job(row.id, row.kind, json.loads(row.payload), row.attempts)


class Worker:
    """Takes jobs and hands them to their handlers, several at a time; `given_up` by the kind of the job."""

    def __init__(
        self,
        database: Database,
        events: Events,
        clock: Clock,
        handlers: Mapping[str, Handler],
        *,
        given_up: Mapping[str, GivingUp] = _NOTHING,
        name: str = "main",
        concurrency: int = 4,
    ) -> None:
        self._database = database
        self._events = events
        self._clock = clock
        self._handlers = dict(handlers)
        self._given_up = dict(given_up)
        self._name = name
        self._concurrency = concurrency

    async def run(self) -> None:
        """Works until cancelled; a job in hand is left to be claimed again by the same name."""
        await self._reclaim()
        with self._events.subscribe(TOPIC) as wake_ups:
            while True:
                wake_ups.take()
                if not await self._work():
                    await wake_ups.wait(_POLL_SECONDS)

    async def drain(self) -> None:
        """Works until no job is due; for tests and commands."""
        await self._reclaim()
        while await self._work():
            pass

    async def _work(self) -> bool:
        jobs = await self._database.write(self._claim)
        if not jobs:
            return False
        limit = asyncio.Semaphore(self._concurrency)

        async def one(claimed: Job) -> None:
            async with limit:
                await self._do(claimed)

        async with asyncio.TaskGroup() as tasks:
            for claimed in jobs:
                tasks.create_task(one(claimed))
        return True

    async def _reclaim(self) -> None:
        mine = job.c.claimed_by == self._name
        # A job that was in hand at every one of eight crashes is taken to be their cause.
        spent = select(*_COLUMNS).where(mine, job.c.attempts >= MAX_ATTEMPTS)
        for row in await self._database.read(lambda connection: connection.execute(spent).all()):
            found = _job(row)
            try:
                await self._give_up(found, "crash")
            except Exception as error:
                # To try it again would end in the same crash: nobody is told of this one.
                _log.error("job given up untold", job=found.id, kind=found.kind, error=type(error).__name__)
                await self._database.write(partial(self._leave, spent=found, reason="crash"))
        await self._database.write(lambda uow: uow.execute(update(job).where(mine).values(claimed_by=None)))

    def _claim(self, uow: UnitOfWork) -> list[Job]:
        due = (
            select(*_COLUMNS)
            .where(
                job.c.claimed_by.is_(None),
                job.c.run_at <= self._clock.millis(),
                job.c.kind.in_(self._handlers),
            )
            .order_by(job.c.run_at, job.c.id)
            .limit(_BATCH)
        )
        rows = uow.execute(due).all()
        if rows:
            ids = [row.id for row in rows]
            uow.execute(
                update(job)
                .where(job.c.id.in_(ids))
                .values(claimed_by=self._name, attempts=job.c.attempts + 1)
            )
        return [replace(found, attempts=found.attempts + 1) for found in map(_job, rows)]

    async def _do(self, claimed: Job) -> None:
        try:
            unit = await self._handlers[claimed.kind](claimed)

            def finish(uow: UnitOfWork) -> None:
                unit(uow)
                uow.execute(delete(job).where(job.c.id == claimed.id))

            await self._database.write(finish)
        except Exception as error:
            _log.error(
                "job failed",
                job=claimed.id,
                kind=claimed.kind,
                attempt=claimed.attempts,
                error=type(error).__name__,
            )
            await self._failed(claimed, type(error).__name__)

    async def _failed(self, claimed: Job, reason: str) -> None:
        if claimed.attempts >= MAX_ATTEMPTS:
            try:
                await self._give_up(claimed, reason)
                return
            except Exception as error:
                # Whoever waits for the outcome has to be told: the job is tried, and given up, once more.
                _log.error("job not given up", job=claimed.id, kind=claimed.kind, error=type(error).__name__)
        await self._database.write(lambda uow: self._postpone(uow, claimed))

    async def _give_up(self, spent: Job, reason: str) -> None:
        def unit(uow: UnitOfWork) -> None:
            if self._leave(uow, spent, reason) and spent.kind in self._given_up:
                self._given_up[spent.kind](uow, spent)

        await self._database.write(unit)

    def _leave(self, uow: UnitOfWork, spent: Job, reason: str) -> bool:
        """Whether the job was still in hand: one that was done or given up meanwhile is told of already."""
        in_hand = update(job).where(job.c.id == spent.id, job.c.claimed_by == self._name)
        if not uow.execute(in_hand.values(claimed_by=GIVEN_UP)).rowcount:
            return False
        trail.append(
            uow, f"job.{spent.kind}", actor="system", subject=f"job:{spent.id}", outcome="given-up",
            detail={"error": reason}, clock=self._clock,
        )  # fmt: skip
        return True

    def _postpone(self, uow: UnitOfWork, claimed: Job) -> None:
        delay = min(3600, 2**claimed.attempts) * 1000
        uow.execute(
            update(job)
            .where(job.c.id == claimed.id)
            .values(claimed_by=None, run_at=self._clock.millis() + delay)
        )
