"""From a mail with documents to the MDN in its sender's hands: once, here or at another operator."""

from __future__ import annotations

import json
from datetime import timedelta
from email import message_from_bytes
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import select

from dmp_bridge.intake import Bridge
from dmp_bridge.report import REPORT_JOB
from foundation.jobs import Job, Worker, job
from mailserver.envelope import Accepted
from mailserver.reading_receipt import ReceiptDesk
from tests.dmp_bridge.builders import PNG, cda, mail, xdm
from tests.mailserver.place import Place, Space, patient_address
from vaguemestre.bridging import handlers

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping
    from email.message import Message
    from pathlib import Path

    from directory.bals import Bal
    from directory.patients import Patient
    from foundation.clock import FixedClock
    from foundation.database import Database
    from foundation.events import Events
    from foundation.jobs import Handler
    from foundation.vault import Vault

REMOTE = "marie@ailleurs.mssante.fr"
GOOD = ("IHE_XDM.zip", "application/zip", xdm(cda()))
FOREIGN = ("IHE_XDM.zip", "application/zip", xdm(cda(ins="160012345678990"), ins="160012345678990"))
PROCESSED = "automatic-action/MDN-sent-automatically; processed"


@pytest.fixture
def place(database: Database, vault: Vault, clock: FixedClock, tmp_path: Path) -> Place:
    return Place(database, vault, clock, tmp_path, trust=Space.of("ailleurs.mssante.fr"))


@pytest.fixture
async def bridge(place: Place) -> AsyncIterator[Bridge]:
    bridge = Bridge(place.database, place.vault, place.clock, place.settings)
    yield bridge
    await bridge.close()


@pytest.fixture
async def marie(place: Place) -> Bal:
    return await place.add("marie")


@pytest.fixture
async def patient(place: Place) -> Patient:
    return await place.add_patient()


def work_of(place: Place, bridge: Bridge) -> Mapping[str, Handler]:
    """The handlers of a process that remembers nothing but what is on disk."""
    router = place.restarted()
    desk = ReceiptDesk(router, place.database, place.vault, place.clock, place.settings)
    return handlers(bridge, router, desk, place.settings, place.clock)


@pytest.fixture
def worker(place: Place, bridge: Bridge, events: Events) -> Worker:
    return Worker(place.database, events, place.clock, work_of(place, bridge))


def asking(
    sender: str, patient: Patient, *attachments: tuple[str, str, bytes], asks: str | None = None
) -> bytes:
    content = mail(*attachments, sender=sender, recipient=patient_address(patient))
    date = "Date: Thu, 13 Mar 2025 14:54:10 +0100"
    return f"{date}\r\nDisposition-Notification-To: {asks or sender}\r\n".encode() + content


def fate(content: bytes) -> str:
    found = message_from_bytes(content)
    assert found.get_content_type() == "multipart/report"
    [fields] = parts(parts(found)[1])
    return str(fields["Disposition"])


def parts(message: Message) -> list[Message]:
    children = message.get_payload()
    assert isinstance(children, list)
    return children  # type: ignore[return-value]


async def test_a_sender_here_finds_the_mdn_in_the_inbox(
    place: Place, worker: Worker, marie: Bal, patient: Patient
) -> None:
    content = asking(marie.address, patient, GOOD)
    await place.send(marie, patient_address(patient), content=content)
    await worker.drain()
    [told] = await place.kept(marie.owner_id)
    assert told.content.startswith(b"Return-Path: <>\r\n")
    assert fate(told.content) == PROCESSED
    assert content in told.content
    found = message_from_bytes(told.content)
    assert found["From"] == patient_address(patient)
    assert place.count(job) == 0


async def test_a_sender_elsewhere_gets_the_mdn_by_the_queue(
    place: Place, worker: Worker, patient: Patient
) -> None:
    content = asking(REMOTE, patient, FOREIGN)
    await place.receive(REMOTE, patient_address(patient), content=content)
    await worker.drain()
    [queued] = await place.queued()
    assert (queued.sender, list(queued.to)) == ("", [REMOTE])
    assert fate(queued.content).startswith(f"{PROCESSED}/Error: 904^")
    assert message_from_bytes(queued.content)["From"] == patient_address(patient)
    assert content in queued.content


async def test_an_ordinary_report_to_another_operator_comes_from_a_domain_of_ours(
    place: Place, worker: Worker, patient: Patient
) -> None:
    content = mail(FOREIGN, sender=REMOTE, recipient=patient_address(patient))
    await place.receive(REMOTE, patient_address(patient), content=content)
    await worker.drain()
    [queued] = await place.queued()
    found = message_from_bytes(queued.content)
    assert found["From"] == "MAILER-DAEMON@patient.mssante.fr"
    assert found.get_content_type() == "text/plain"


@pytest.mark.parametrize("attachment", [GOOD, FOREIGN])
async def test_a_crash_between_delivery_and_job_makes_no_second_mdn(
    place: Place,
    bridge: Bridge,
    events: Events,
    marie: Bal,
    patient: Patient,
    attachment: tuple[str, str, bytes],
) -> None:
    await place.send(marie, patient_address(patient), content=asking(marie.address, patient, attachment))
    await Worker(place.database, events, place.clock, {"bridge": bridge.handle}).drain()
    [row] = place.database.read_now(lambda connection: connection.execute(select(job)).all())
    assert row.kind == REPORT_JOB
    claimed = Job(row.id, row.kind, json.loads(row.payload), 1)
    await work_of(place, bridge)[REPORT_JOB](claimed)  # the unit that ends the job never runs
    place.clock.advance(timedelta(minutes=10))
    await Worker(place.database, events, place.clock, work_of(place, bridge)).drain()
    assert len(await place.kept(marie.owner_id)) == 1
    assert place.count(job) == 0


# ref: DMP-F13
async def test_an_mdn_to_a_patient_is_neither_bridged_nor_answered(
    place: Place, worker: Worker, marie: Bal, patient: Patient
) -> None:
    await place.send(marie, patient_address(patient), content=asking(marie.address, patient, FOREIGN))
    await worker.drain()
    [told] = await place.kept(marie.owner_id)
    _, _, returned = told.content.partition(b"\r\nDate: ")
    forged = f"From: {marie.address}\r\nDisposition-Notification-To: {marie.address}\r\n".encode()
    content = forged + b"Date: " + returned.replace(b"From: ", b"X-From: ", 1)
    assert isinstance(await place.send(marie, patient_address(patient), content=content), Accepted)
    await worker.drain()
    assert len(await place.kept(marie.owner_id)) == 1
    assert place.count(job) == 0
    assert len(place.conversations(patient.owner_id)) == 1


async def test_what_is_only_offered_makes_no_mdn(
    place: Place, worker: Worker, marie: Bal, patient: Patient
) -> None:
    content = asking(marie.address, patient, ("photo.png", "image/png", PNG))
    await place.send(marie, patient_address(patient), content=content)
    await worker.drain()
    assert await place.kept(marie.owner_id) == []
    assert place.count(job) == 0


async def test_an_mdn_is_asked_by_nobody_but_the_sender(
    place: Place, worker: Worker, marie: Bal, patient: Patient
) -> None:
    content = asking(marie.address, patient, GOOD, asks=REMOTE)
    await place.send(marie, patient_address(patient), content=content)
    await worker.drain()
    assert await place.kept(marie.owner_id) == []
    assert await place.queued() == []
