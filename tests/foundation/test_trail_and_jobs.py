from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import delete, select, update

from foundation import jobs, trail
from foundation.jobs import Job, Worker

if TYPE_CHECKING:
    from collections.abc import Callable

    from foundation.clock import FixedClock
    from foundation.database import Database, UnitOfWork
    from foundation.events import Events


def note(uow: UnitOfWork, word: str) -> None:
    trail.append(
        uow, "test.done", actor="system", subject=f"thing:{word}", outcome="ok", detail={"word": word}
    )


async def test_a_whole_chain_verifies_across_transactions(database: Database) -> None:
    await database.write(lambda uow: [note(uow, word) for word in "abc"])
    await database.write(lambda uow: note(uow, "d"))
    result = await database.read(trail.verify)
    assert isinstance(result, trail.Verified)
    assert result.rows == 4


async def test_a_unit_that_fails_leaves_no_hole_in_the_chain(database: Database) -> None:
    import asyncio

    def fails(uow: UnitOfWork) -> None:
        note(uow, "never")
        raise ValueError

    await asyncio.gather(
        *(database.write(unit) for unit in (lambda uow: note(uow, "a"), fails, lambda uow: note(uow, "b"))),
        return_exceptions=True,
    )
    rows = await database.read(lambda connection: trail.last_rows(connection, 10))
    assert [row.subject for row in rows] == ["thing:a", "thing:b"]
    assert isinstance(await database.read(trail.verify), trail.Verified)


# ref: F42
@pytest.mark.parametrize(
    "tamper",
    [
        update(trail.trail).where(trail.trail.c.seq == 2).values(outcome="refused"),
        delete(trail.trail).where(trail.trail.c.seq == 2),
        update(trail.trail).where(trail.trail.c.seq == 2).values(at=0),
    ],
)
async def test_a_row_that_was_changed_or_removed_breaks_the_chain_there(
    database: Database, tamper: object
) -> None:
    await database.write(lambda uow: [note(uow, word) for word in "abc"])
    await database.write(lambda uow: uow.execute(tamper))  # type: ignore[arg-type]
    result = await database.read(trail.verify)
    assert isinstance(result, trail.Broken)
    assert result.seq == 2


def counting(effects: list[int], *, failures: int = 0) -> Callable[[Job], object]:
    left = failures

    async def handler(job: Job) -> Callable[[UnitOfWork], None]:
        nonlocal left
        if left:
            left -= 1
            raise RuntimeError("not now")
        return lambda uow: (effects.append(job.payload["n"]), note(uow, str(job.payload["n"])))[1]

    return handler


async def test_a_job_is_done_once_and_gone(database: Database, events: Events, clock: FixedClock) -> None:
    effects: list[int] = []
    await database.write(lambda uow: [jobs.enqueue(uow, "count", {"n": n}) for n in range(40)])
    worker = Worker(database, events, clock, {"count": counting(effects)})  # type: ignore[dict-item]
    await worker.drain()
    await worker.drain()
    assert sorted(effects) == list(range(40))
    assert await database.read(jobs.waiting) == 0


async def test_a_job_that_fails_is_tried_later_and_its_effects_are_undone(
    database: Database, events: Events, clock: FixedClock
) -> None:
    effects: list[int] = []
    await database.write(lambda uow: jobs.enqueue(uow, "count", {"n": 7}))
    worker = Worker(database, events, clock, {"count": counting(effects, failures=1)})  # type: ignore[dict-item]
    await worker.drain()
    assert effects == []
    assert await database.read(jobs.waiting) == 1
    clock.advance(timedelta(seconds=3))
    await worker.drain()
    assert effects == [7]


async def test_a_job_that_always_fails_is_given_up_and_traced(
    database: Database, events: Events, clock: FixedClock
) -> None:
    await database.write(lambda uow: jobs.enqueue(uow, "count", {"n": 7}))
    worker = Worker(database, events, clock, {"count": counting([], failures=99)})  # type: ignore[dict-item]
    for _ in range(jobs.MAX_ATTEMPTS):
        await worker.drain()
        clock.advance(timedelta(hours=2))
    assert await database.read(jobs.waiting) == 0
    [row] = await database.read(lambda connection: trail.last_rows(connection, 5))
    assert (row.action, row.outcome) == ("job.count", "given-up")


async def spend(worker: Worker, clock: FixedClock, times: int = jobs.MAX_ATTEMPTS) -> None:
    for _ in range(times):
        await worker.drain()
        clock.advance(timedelta(hours=2))


async def test_what_waits_for_a_job_is_told_once_that_it_is_given_up(
    database: Database, events: Events, clock: FixedClock
) -> None:
    told: list[int] = []
    await database.write(lambda uow: jobs.enqueue(uow, "count", {"n": 7}))
    worker = Worker(
        database,
        events,
        clock,
        {"count": counting([], failures=99)},  # type: ignore[dict-item]
        given_up={"count": lambda uow, job: (told.append(job.payload["n"]), note(uow, "told"))[1]},
    )
    await spend(worker, clock, jobs.MAX_ATTEMPTS - 1)
    assert told == []
    await spend(worker, clock, 3)
    assert told == [7]


async def test_a_job_in_hand_at_every_crash_is_given_up_and_told_at_the_next_start(
    database: Database, events: Events, clock: FixedClock
) -> None:
    told: list[int] = []
    await database.write(lambda uow: jobs.enqueue(uow, "count", {"n": 7}))
    spent = update(jobs.job).values(claimed_by="main", attempts=jobs.MAX_ATTEMPTS)
    await database.write(lambda uow: uow.execute(spent))
    effects: list[int] = []
    for _ in range(2):
        worker = Worker(
            database,
            events,
            clock,
            {"count": counting(effects)},  # type: ignore[dict-item]
            given_up={"count": lambda _uow, job: told.append(job.payload["n"])},
        )
        await worker.drain()
    assert (told, effects) == ([7], [])
    [row] = await database.read(lambda connection: trail.last_rows(connection, 5))
    assert (row.action, row.outcome) == ("job.count", "given-up")


async def test_a_job_given_up_by_the_next_process_while_it_was_in_hand_is_told_of_once(
    database: Database, events: Events, clock: FixedClock
) -> None:
    told: list[int] = []
    given_up = {"count": lambda _uow, job: told.append(job.payload["n"])}

    async def overtaken(_job: Job) -> Callable[[UnitOfWork], None]:
        await Worker(database, events, clock, {}, given_up=given_up).drain()
        raise RuntimeError("after the next process took this one for crashed")

    await database.write(lambda uow: jobs.enqueue(uow, "count", {"n": 7}))
    await database.write(lambda uow: uow.execute(update(jobs.job).values(attempts=jobs.MAX_ATTEMPTS - 1)))
    await Worker(database, events, clock, {"count": overtaken}, given_up=given_up).drain()
    assert told == [7]
    assert len(await database.read(lambda connection: trail.last_rows(connection, 5))) == 1


async def test_a_job_that_cannot_be_given_up_is_tried_again_and_nothing_of_it_is_kept(
    database: Database, events: Events, clock: FixedClock
) -> None:
    failing, told = [True], []

    def tell(uow: UnitOfWork, job: Job) -> None:
        note(uow, "half")
        if failing.pop():
            failing.append(False)
            raise RuntimeError("not now")
        told.append(job.payload["n"])

    await database.write(lambda uow: jobs.enqueue(uow, "count", {"n": 7}))
    handlers = {"count": counting([], failures=99)}
    worker = Worker(database, events, clock, handlers, given_up={"count": tell})  # type: ignore[arg-type]
    await spend(worker, clock)
    assert told == []
    assert await database.read(jobs.waiting) == 1
    assert await database.read(lambda connection: trail.last_rows(connection, 5)) == []
    await spend(worker, clock, 3)
    assert told == [7]
    assert await database.read(jobs.waiting) == 0


async def test_a_job_of_crashes_that_cannot_be_told_of_does_not_stop_the_others(
    database: Database, events: Events, clock: FixedClock
) -> None:
    def tell(_uow: UnitOfWork, _job: Job) -> None:
        raise RuntimeError("never")

    await database.write(lambda uow: jobs.enqueue(uow, "count", {"n": 7}))
    spent = update(jobs.job).values(claimed_by="main", attempts=jobs.MAX_ATTEMPTS)
    await database.write(lambda uow: uow.execute(spent))
    await database.write(lambda uow: jobs.enqueue(uow, "count", {"n": 8}))
    effects: list[int] = []
    handlers = {"count": counting(effects)}
    await Worker(database, events, clock, handlers, given_up={"count": tell}).drain()  # type: ignore[arg-type]
    assert effects == [8]
    assert await database.read(jobs.waiting) == 0


async def test_a_job_in_hand_at_a_crash_is_taken_up_again(
    database: Database, events: Events, clock: FixedClock
) -> None:
    await database.write(lambda uow: jobs.enqueue(uow, "count", {"n": 1}))
    await database.write(lambda uow: uow.execute(update(jobs.job).values(claimed_by="main", attempts=1)))
    effects: list[int] = []
    await Worker(database, events, clock, {"count": counting(effects)}).drain()  # type: ignore[dict-item]
    assert effects == [1]


async def test_a_job_that_waits_for_its_time_can_be_hastened(
    database: Database, events: Events, clock: FixedClock
) -> None:
    later = clock.millis() + 1000
    number = await database.write(lambda uow: jobs.enqueue(uow, "count", {"n": 3}, run_at=later))
    effects: list[int] = []
    worker = Worker(database, events, clock, {"count": counting(effects)})  # type: ignore[dict-item]
    await worker.drain()
    assert effects == []
    assert await database.write(lambda uow: jobs.hasten(uow, number))
    await worker.drain()
    assert effects == [3]
    assert not await database.write(lambda uow: jobs.hasten(uow, number))


async def test_a_job_that_was_given_up_is_not_hastened(database: Database) -> None:
    number = await database.write(lambda uow: jobs.enqueue(uow, "count", {"n": 3}))
    await database.write(lambda uow: uow.execute(update(jobs.job).values(claimed_by=jobs.GIVEN_UP)))
    assert not await database.write(lambda uow: jobs.hasten(uow, number))


async def test_a_job_for_nobody_here_is_left_alone(
    database: Database, events: Events, clock: FixedClock
) -> None:
    await database.write(lambda uow: jobs.enqueue(uow, "other", {}))
    await Worker(database, events, clock, {}).drain()
    assert await database.read(lambda c: c.execute(select(jobs.job.c.attempts)).scalar()) == 0
