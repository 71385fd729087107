"""Mails whose examination is given up: their senders are told, once, and no answer is answered."""

from __future__ import annotations

from datetime import timedelta
from email import message_from_bytes
from email.header import decode_header, make_header
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import select, update

from directory.integration import set_deposits
from dmp_bridge import record
from dmp_bridge.deposit import Deposits
from dmp_bridge.hl7.outbox import HL7_JOB
from dmp_bridge.intake import Bridge
from dmp_bridge.record import State
from foundation import jobs
from foundation.jobs import Worker, job
from mailserver.envelope import Accepted
from mailserver.reading_receipt import ReceiptDesk
from mailserver.tracking import view
from tests.dmp_bridge.builders import cda, mail, xdm
from tests.mailserver.place import Place, Space, patient_address
from vaguemestre.bridging import deposit_handlers, given_up, handlers, told_of_record

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from email.message import Message
    from pathlib import Path

    from directory.bals import Bal
    from directory.patients import Patient
    from dmp_bridge.findings import Finding
    from foundation.clock import FixedClock
    from foundation.database import Database
    from foundation.events import Events
    from foundation.vault import Vault

REMOTE = "labo@ailleurs.mssante.fr"
PACKAGE = ("IHE_XDM.zip", "application/zip", xdm(cda()))


class Unexaminable(Bridge):
    """A bridge whose examiner never comes to an end."""

    async def examine(self, message: bytes) -> tuple[Finding, ...]:
        raise RuntimeError("the worker is gone")


class House:
    """An operator with a patient and a structure's box, and a bridge that examines nothing."""

    def __init__(
        self, place: Place, events: Events, bridge: Unexaminable, app: Bal, patient: Patient
    ) -> None:
        self.place, self.app, self.patient = place, app, patient
        self._events, self._bridge = events, bridge

    def worker(self) -> Worker:
        place, router = self.place, self.place.restarted()
        told = told_of_record(place.clock)
        deposits = Deposits(
            place.database,
            place.vault,
            place.clock,
            place.settings,
            self._bridge.examine,
            destinations={},
            tell=told,
        )
        receipts = ReceiptDesk(router, place.database, place.vault, place.clock, place.settings)
        work = {
            **handlers(self._bridge, router, receipts, place.settings, place.clock),
            **deposit_handlers(deposits, router, place.settings, place.clock),
        }
        return Worker(
            place.database, self._events, place.clock, work, given_up=given_up(self._bridge, deposits)
        )

    async def wait(self) -> None:
        """Until the jobs are given up, and what comes of it is done; a process that begins anew each time."""
        for _ in range(jobs.MAX_ATTEMPTS + 1):
            await self.worker().drain()
            self.place.clock.advance(timedelta(hours=2))

    async def get(
        self, to: str, *, asks: bool = True, subject: str = "XDM/1.0/DDM+x", fields: str = ""
    ) -> str:
        head = f"Date: Thu, 13 Mar 2025 14:54:10 +0100\r\n{fields}"
        if asks:
            head += f"Disposition-Notification-To: {REMOTE}\r\n"
        content = head.encode() + mail(PACKAGE, sender=REMOTE, recipient=to, subject=subject)
        accepted = await self.place.receive(REMOTE, to, content=content)
        assert isinstance(accepted, Accepted)
        return accepted.queue_id

    async def answers(self) -> list[Message]:
        return [message_from_bytes(each.content) for each in await self.place.queued()]


@pytest.fixture
async def house(
    database: Database, vault: Vault, clock: FixedClock, tmp_path: Path, events: Events
) -> AsyncIterator[House]:
    place = Place(database, vault, clock, tmp_path, trust=Space.of("ailleurs.mssante.fr"))
    app = await place.add("dpi", type="APP", idnat="1990700012")
    await database.write(lambda uow: set_deposits(uow, app, deposits=True))
    patient = await place.add_patient()
    told = told_of_record(clock)
    bridge = Unexaminable(database, vault, clock, place.settings, tell=told)
    yield House(place, events, bridge, app, patient)
    await bridge.close()


def fate(told: Message) -> str:
    assert told.get_content_type() == "multipart/report"
    report = told.get_payload()[1]  # type: ignore[index]
    [fields] = report.get_payload()  # type: ignore[union-attr]
    return str(fields["Disposition"])  # type: ignore[index]


# ref: DMP-F13
@pytest.mark.parametrize("box", ["patient", "deposit"])
async def test_who_asked_for_a_notification_gets_the_ko_once(house: House, box: str) -> None:
    await house.get(patient_address(house.patient) if box == "patient" else house.app.address)
    for _ in range(2):
        await house.wait()
    [told] = await house.answers()
    assert "processed/Error: 906^" in fate(told)
    assert str(make_header(decode_header(told["Subject"]))).startswith("[KO Intégration système !][906]")
    assert house.place.database.read_now(jobs.waiting) == 0


@pytest.mark.parametrize("box", ["patient", "deposit"])
async def test_who_asked_for_none_is_told_by_an_ordinary_mail(house: House, box: str) -> None:
    await house.get(patient_address(house.patient) if box == "patient" else house.app.address, asks=False)
    await house.wait()
    [told] = await house.answers()
    assert told.get_content_type() in ("text/plain", "multipart/mixed")
    assert b"906" in told.as_bytes()


@pytest.mark.parametrize(
    ("fields", "subject"),
    [
        ("Auto-Submitted: auto-replied\r\n", "XDM/1.0/DDM+x"),
        ("", "[KO Intégration système !][906] XDM/1.0/DDM+x"),
    ],
)
async def test_an_answer_is_not_answered(house: House, fields: str, subject: str) -> None:
    house.place.clock.advance(timedelta(seconds=1))
    await house.get(house.app.address, asks=False, fields=fields, subject=subject)
    # As if it had been in hand at every crash: nothing of it was read.
    spent = update(job).values(claimed_by="main", attempts=jobs.MAX_ATTEMPTS)
    await house.place.database.write(lambda uow: uow.execute(spent))
    await house.wait()
    assert await house.answers() == []
    assert house.place.database.read_now(jobs.waiting) == 0


@pytest.mark.parametrize("box", ["patient", "deposit"])
async def test_a_mail_that_brought_the_process_down_each_time_is_answered_at_the_next_start(
    house: House, box: str
) -> None:
    await house.get(patient_address(house.patient) if box == "patient" else house.app.address)
    spent = update(job).values(claimed_by="main", attempts=jobs.MAX_ATTEMPTS)
    await house.place.database.write(lambda uow: uow.execute(spent))
    await house.wait()
    [told] = await house.answers()
    assert "processed/Error: 906^" in fate(told)


async def test_the_mail_counts_as_refused_for_the_patient_and_in_its_history(house: House) -> None:
    marie = await house.place.add("marie")
    address = patient_address(house.patient)
    content = mail(PACKAGE, sender=marie.address, recipient=address)
    sent = await house.place.send(marie, address, content=content)
    assert isinstance(sent, Accepted)
    await house.wait()
    [[row]] = house.place.database.read_now(
        lambda connection: list(record.filings_of(connection, house.patient.owner_id, range(99)).values())
    )
    assert (row.state, row.code, row.part) == (State.REFUSED, "906", "")
    [history] = house.place.database.read_now(lambda connection: view.find(connection, sent.queue_id))
    [line] = history.recipients
    assert line.stage is view.Stage.REFUSED


async def test_messages_for_a_hospital_are_sent_later_though_their_job_is_given_up(house: House) -> None:
    await house.place.database.write(lambda uow: jobs.enqueue(uow, HL7_JOB, {"box": house.app.address}))
    spent = update(job).values(claimed_by="main", attempts=jobs.MAX_ATTEMPTS)
    await house.place.database.write(lambda uow: uow.execute(spent))
    await house.worker().drain()
    assert house.place.database.read_now(jobs.waiting) == 1
    kinds = house.place.database.read_now(
        lambda connection: (
            connection.execute(select(job.c.kind).where(job.c.claimed_by.is_(None))).scalars().all()
        )
    )
    assert kinds == [HL7_JOB]
    house.place.clock.advance(timedelta(hours=1))
    await house.worker().drain()
    assert house.place.database.read_now(jobs.waiting) == 0
