"""A year passes: who is silent is warned by mail, then suspended; who signs in is left alone."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from directory.bals import Bal, BalState, BalType, bal_of, note_sign_in
from foundation import jobs
from foundation.jobs import Worker
from foundation.metrics import Metrics
from mailserver.envelope import Refused
from mailserver.refusals import MAILBOX_CLOSED, MAILBOX_SUSPENDED
from mailserver.store import acl
from mailserver.store.rights import rights_of
from portal.operators import acts
from tests.mailserver.place import Place
from vaguemestre.lifecycle import WARNING_JOB, LifeCycle, WarningMail

if TYPE_CHECKING:
    from pathlib import Path

    from foundation.clock import FixedClock
    from foundation.database import Database
    from foundation.events import Events
    from foundation.vault import Vault

YEAR, MONTH, DAY = timedelta(days=365), timedelta(days=30), timedelta(days=1)


class Calendar:
    """An operator whose time a test moves."""

    def __init__(self, place: Place, events: Events) -> None:
        self.place = place
        self.metrics = Metrics()
        self.life = LifeCycle(place.database, place.clock, place.settings, self.metrics)
        mail = WarningMail(place.router, place.database, place.settings)
        self.worker = Worker(place.database, events, place.clock, {WARNING_JOB: mail.send})

    async def passes(self, time: timedelta) -> int:
        """Moves the time on and does what is due then; how many boxes that were."""
        self.place.clock.advance(time)
        taken = await self.life.look()
        await self.worker.drain()
        return taken

    async def signs_in(self, bal: Bal) -> None:
        now = self.place.clock.millis()
        await self.place.database.write(lambda uow: note_sign_in(uow, bal.owner_id, now))

    def again(self, bal: Bal) -> Bal:
        found = self.place.database.read_now(lambda connection: bal_of(connection, bal.owner_id))
        assert found is not None
        return found

    def trail(self) -> list[tuple[str, str, str]]:
        return [(row.action, row.actor, row.outcome) for row in self.place.trail()]


@pytest.fixture
def place(database: Database, vault: Vault, clock: FixedClock, tmp_path: Path) -> Place:
    return Place(database, vault, clock, tmp_path, lifecycle={"close_days": 90})


@pytest.fixture
def calendar(place: Place, events: Events) -> Calendar:
    return Calendar(place, events)


# ref: F39
async def test_a_silent_box_is_warned_then_suspended_then_closed(calendar: Calendar) -> None:
    place = calendar.place
    marie, paul = await place.add("marie"), await place.add("paul")
    assert await calendar.passes(YEAR - DAY) == 0
    await calendar.signs_in(paul)
    assert await calendar.passes(DAY) == 1
    (told,) = await place.kept(marie.owner_id)
    text = told.content.decode()
    assert told.subject == "Votre boîte aux lettres va être suspendue"
    assert marie.address in text
    assert "12/04/2027" in text
    assert "vaguemestre_warned_mailboxes 1.0" in calendar.metrics.render().decode()
    assert await calendar.passes(MONTH - DAY) == 0
    assert calendar.again(marie).state is BalState.ACTIVE
    assert await calendar.passes(DAY) == 1
    assert calendar.again(marie).state is BalState.SUSPENDED
    answer = await place.send(paul, marie.address)
    assert isinstance(answer, Refused)
    assert answer.refusal is MAILBOX_SUSPENDED
    assert await calendar.passes(timedelta(days=90)) == 1
    assert calendar.again(marie).state is BalState.CLOSED
    answer = await place.send(paul, marie.address)
    assert isinstance(answer, Refused)
    assert (answer.refusal, answer.refusal.reply) == (MAILBOX_CLOSED, 550)
    assert calendar.again(paul).state is BalState.ACTIVE
    assert calendar.trail() == [
        ("bal.warned", "system", "inactivity"),
        *[each for each in calendar.trail() if each[0] == "message.delivered"],
        ("bal.state", "system", "suspended"),
        ("bal.state", "system", "closed"),
    ]


async def test_signing_in_opposes_and_the_year_begins_anew(calendar: Calendar) -> None:
    marie = await calendar.place.add("marie")
    assert await calendar.passes(YEAR) == 1
    await calendar.signs_in(marie)
    assert calendar.again(marie).warned_at is None
    assert await calendar.passes(MONTH * 2) == 0
    assert await calendar.passes(YEAR - MONTH * 2) == 1
    assert len(await calendar.place.kept(marie.owner_id)) == 2


async def test_an_operator_opposes_too(calendar: Calendar) -> None:
    place = calendar.place
    marie = await place.add("marie")
    await calendar.passes(YEAR)
    await place.database.write(lambda uow: acts.keep_bal(uow, place.clock, marie.address))
    assert await calendar.passes(MONTH) == 0
    assert calendar.again(marie).state is BalState.ACTIVE


async def test_a_box_that_came_back_has_a_year_again(calendar: Calendar) -> None:
    place = calendar.place
    marie = await place.add("marie")
    await calendar.passes(YEAR)
    await calendar.passes(MONTH)
    await place.database.write(lambda uow: acts.change_bal(uow, place.clock, marie.address, BalState.ACTIVE))
    assert await calendar.passes(YEAR - DAY) == 0
    assert await calendar.passes(DAY) == 1


async def test_a_structures_box_lives_by_whom_it_is_open_to(calendar: Calendar) -> None:
    place = calendar.place
    service, marie = await place.add("service", type=BalType.ORG), await place.add("marie")
    now = place.clock.millis()
    await place.database.write(
        lambda uow: acl.grant(uow, service.owner_id, marie.owner_id, rights_of("lrs"), now=now)
    )
    place.clock.advance(DAY * 100)
    await calendar.signs_in(marie)
    assert await calendar.passes(YEAR - DAY) == 0
    assert await calendar.passes(DAY) == 2


async def test_looking_twice_does_nothing_twice(calendar: Calendar) -> None:
    marie = await calendar.place.add("marie")
    assert await calendar.passes(YEAR) == 1
    assert [await calendar.passes(timedelta(0)) for _ in range(3)] == [0, 0, 0]
    assert len(await calendar.place.kept(marie.owner_id)) == 1


async def test_a_crash_in_one_box_leaves_the_others_done_and_this_one_to_do(
    calendar: Calendar, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = calendar.place
    boxes = [await place.add(name) for name in ("a", "b", "c")]
    enqueue = jobs.enqueue

    def cut(uow: Any, kind: str, payload: Any, **more: Any) -> int:
        if payload["owner_id"] == boxes[1].owner_id:
            raise RuntimeError
        return enqueue(uow, kind, payload, **more)

    place.clock.advance(YEAR)
    monkeypatch.setattr(jobs, "enqueue", cut)
    assert await calendar.life.look() == 2
    assert [calendar.again(each).warned_at is not None for each in boxes] == [True, False, True]
    monkeypatch.undo()
    assert await calendar.passes(timedelta(0)) == 1
    assert [len(await place.kept(each.owner_id)) for each in boxes] == [1, 1, 1]


async def test_a_warning_that_is_void_by_now_is_not_sent(calendar: Calendar) -> None:
    marie = await calendar.place.add("marie")
    calendar.place.clock.advance(YEAR)
    await calendar.life.look()
    await calendar.signs_in(marie)
    await calendar.worker.drain()
    assert await calendar.place.kept(marie.owner_id) == []


async def test_a_sign_in_is_written_once_a_day(calendar: Calendar) -> None:
    marie = await calendar.place.add("marie")
    await calendar.signs_in(marie)
    first = calendar.again(marie).last_sign_in_at
    calendar.place.clock.advance(timedelta(hours=8))
    await calendar.signs_in(marie)
    assert calendar.again(marie).last_sign_in_at == first
    calendar.place.clock.advance(timedelta(minutes=6))
    await calendar.signs_in(marie)
    assert calendar.again(marie).last_sign_in_at == calendar.place.clock.millis()
