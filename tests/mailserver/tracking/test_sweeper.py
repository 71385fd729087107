"""Alerts where nothing came back in time, and the end of old histories."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from email import message_from_bytes, policy
from typing import TYPE_CHECKING, Any

import pytest

from foundation.jobs import Worker, job
from foundation.metrics import Metrics
from mailserver.envelope import Accepted, DsnRequest, RecipientDsn
from mailserver.tracking import sweeper, view
from mailserver.tracking.alert import AlertMail
from mailserver.tracking.sweeper import ALERT_JOB, Sweeper
from mailserver.tracking.tables import sent_month, tracked_message, tracked_recipient
from tests.mailserver.place import Place, Space
from tests.mailserver.tracking.reported import mdn

if TYPE_CHECKING:
    from pathlib import Path

    from directory.bals import Bal
    from foundation.clock import FixedClock
    from foundation.database import Database
    from foundation.events import Events
    from foundation.vault import Vault
    from mailserver.tracking.view import Message

LEA = "lea@pair.mssante.fr"
ASKS = ("Disposition-Notification-To: marie@hopital-demo.mssante.fr",)
DAY = timedelta(days=1)


@pytest.fixture
def place(database: Database, vault: Vault, clock: FixedClock, tmp_path: Path) -> Place:
    return of(database, vault, clock, tmp_path)


def of(database: Database, vault: Vault, clock: FixedClock, home: Path, **tracking: Any) -> Place:
    return Place(database, vault, clock, home, trust=Space.of("pair.mssante.fr"), tracking=tracking)


def sweeping(place: Place, metrics: Metrics | None = None) -> Sweeper:
    return Sweeper(place.database, place.clock, place.settings, metrics)


async def sent(place: Place, sender: Bal, *to: str, **values: Any) -> str:
    answer = await place.send(sender, *to, **values)
    assert isinstance(answer, Accepted), answer
    return answer.queue_id


def history(place: Place, name: str) -> Message:
    [found] = place.database.read_now(lambda connection: view.find(connection, name))
    return found


async def test_silence_is_an_alert_once(place: Place) -> None:
    marie, metrics = await place.add("marie"), Metrics()
    name = await sent(place, marie, LEA, headers=ASKS)
    place.clock.advance(DAY - timedelta(seconds=1))
    await sweeping(place, metrics).sweep()
    assert history(place, name).alerted_at is None
    place.clock.advance(timedelta(seconds=1))
    for _ in range(2):
        await sweeping(place, metrics).sweep()
    found = history(place, name)
    assert (found.alerted_at, found.is_alert) == (place.clock.millis(), True)
    assert "vaguemestre_tracking_alerts_total 1.0" in metrics.render().decode()
    [row] = [row for row in place.trail() if row.action == "tracking.alert"]
    assert (row.subject, row.outcome) == (f"queue:{name}", "silent")
    assert place.count(job) == 0


async def test_an_answer_that_comes_late_ends_the_alert(place: Place) -> None:
    marie = await place.add("marie")
    name = await sent(place, marie, LEA, headers=ASKS)
    place.clock.advance(DAY)
    await sweeping(place).sweep()
    await place.receive(LEA, marie.address, content=mdn(LEA, marie.address))
    assert not history(place, name).is_alert


async def test_who_asked_for_nothing_or_had_an_answer_is_not_alerted(place: Place) -> None:
    marie, paul = await place.add("marie"), await place.add("paul")
    names = [
        await sent(place, marie, LEA, message_id="<a@x>"),
        await sent(place, marie, paul.address, headers=ASKS, message_id="<b@x>"),
        await sent(
            place,
            marie,
            paul.address,
            message_id="<c@x>",
            dsn=DsnRequest(None, None, {paul.address: RecipientDsn(frozenset({"SUCCESS"}))}),
        ),
    ]
    await place.send(paul, marie.address, content=mdn(paul.address, marie.address, about="<b@x>"))
    place.clock.advance(2 * DAY)
    await sweeping(place).sweep()
    assert [history(place, name).alerted_at for name in names] == [None, None, None]


async def test_a_mail_tells_the_sender_where_the_operator_wants_that(
    database: Database, vault: Vault, clock: FixedClock, events: Events, tmp_path: Path
) -> None:
    place = of(database, vault, clock, tmp_path, alert_mail=True, alert_hours=1)
    marie = await place.add("marie")
    await sent(place, marie, LEA, "jean@pair.mssante.fr", headers=ASKS, subject="Bonjour é")
    await place.receive(LEA, marie.address, content=mdn(LEA, marie.address))
    clock.advance(timedelta(hours=1))
    await sweeping(place).sweep()
    mail = AlertMail(place.router, database, place.settings.hostname)
    await Worker(database, events, clock, {ALERT_JOB: mail.send}).drain()
    *_, alert = await place.kept(marie.owner_id)
    message = message_from_bytes(alert.content, policy=policy.default)
    assert message["Subject"] == "Sans nouvelle de votre message"
    assert message["In-Reply-To"] == "<m1@example.fr>"
    text = message.get_content()
    assert "Objet : Bonjour é" in text
    assert "- jean@pair.mssante.fr" in text
    assert LEA not in text
    assert place.count(job) == 0


async def test_a_mail_is_not_sent_when_the_answer_was_quicker(
    database: Database, vault: Vault, clock: FixedClock, events: Events, tmp_path: Path
) -> None:
    place = of(database, vault, clock, tmp_path, alert_mail=True)
    marie = await place.add("marie")
    await sent(place, marie, LEA, headers=ASKS)
    clock.advance(DAY)
    await sweeping(place).sweep()
    await place.receive(LEA, marie.address, content=mdn(LEA, marie.address))
    mail = AlertMail(place.router, database, place.settings.hostname)
    await Worker(database, events, clock, {ALERT_JOB: mail.send}).drain()
    assert [each.subject for each in await place.kept(marie.owner_id)] == ["rapport"]


# ref: ECO.4.1.2
async def test_histories_end_after_their_days_and_months_do_not(place: Place) -> None:
    marie = await place.add("marie")
    await sent(place, marie, LEA, message_id="<old@x>")
    place.clock.advance(90 * DAY)
    young = await sent(place, marie, LEA, message_id="<young@x>")
    place.clock.advance(90 * DAY + timedelta(seconds=1))
    await sweeping(place).sweep()
    assert (place.count(tracked_message), place.count(tracked_recipient)) == (1, 1)
    assert history(place, young).message_id == "<young@x>"
    assert place.count(sent_month) == 2


async def test_what_is_more_than_one_batch_is_swept_in_several(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweeper, "_OLDEST", sweeper._OLDEST.limit(2))
    monkeypatch.setattr(sweeper, "_BATCH", 2)
    marie = await place.add("marie")
    for number in range(3):
        await sent(place, marie, LEA, message_id=f"<{number}@x>")
    place.clock.advance(181 * DAY)
    swept = sweeping(place)
    assert await swept.sweep()
    assert not await swept.sweep()
    assert place.count(tracked_message) == 0


async def test_it_runs_until_cancelled(place: Place) -> None:
    marie = await place.add("marie")
    await sent(place, marie, LEA)
    place.clock.advance(181 * DAY)
    running = asyncio.create_task(sweeping(place).run())
    async with asyncio.timeout(5):
        while place.count(tracked_message):
            await asyncio.sleep(0)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
