"""A patient's reading receipt: one at most, to the sender that asked, whatever falls in between."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from datetime import timedelta
from email import message_from_bytes
from email.header import decode_header, make_header
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import select

from directory.patients import PatientState, set_patient_state
from foundation.jobs import Job, Worker, job
from mailserver.envelope import Accepted
from mailserver.reading_receipt import RECEIPT_JOB, Choice, ReceiptDesk, reading_receipt
from mailserver.store.tables import mail, message
from tests.mailserver.place import DOMAIN, Place, Space, envelope, patient_address
from tests.shared_data import shared

if TYPE_CHECKING:
    from email.message import Message
    from pathlib import Path

    from directory.bals import Bal
    from directory.patients import Patient
    from foundation.clock import FixedClock
    from foundation.database import Database
    from foundation.events import Events
    from foundation.vault import Vault

REMOTE = "marie@ailleurs.mssante.fr"


@pytest.fixture
def place(database: Database, vault: Vault, clock: FixedClock, tmp_path: Path) -> Place:
    return Place(database, vault, clock, tmp_path, trust=Space.of("ailleurs.mssante.fr"))


@pytest.fixture
def desk(place: Place) -> ReceiptDesk:
    return desk_of(place)


def desk_of(place: Place) -> ReceiptDesk:
    """A desk that remembers nothing but what is on disk."""
    return ReceiptDesk(place.restarted(), place.database, place.vault, place.clock, place.settings)


@pytest.fixture
async def marie(place: Place) -> Bal:
    return await place.add("marie")


@pytest.fixture
async def patient(place: Place) -> Patient:
    return await place.add_patient()


@pytest.fixture
def worker(place: Place, desk: ReceiptDesk, events: Events) -> Worker:
    return Worker(place.database, events, place.clock, {RECEIPT_JOB: desk.send})


def asking(to: str) -> tuple[str, ...]:
    return (f"Disposition-Notification-To: {to}",)


async def asked(place: Place, marie: Bal, patient: Patient, **values: object) -> int:
    """The mail of a letter from Marie that asks for a receipt."""
    fields = {"subject": "XDM/1.0/DDM+Résultats", "headers": asking(marie.address), **values}
    assert isinstance(await place.send(marie, patient_address(patient), **fields), Accepted)
    return (await place.kept(patient.owner_id))[-1].mail_id


def parts(message: Message) -> list[Message]:
    children = message.get_payload()
    assert isinstance(children, list)
    return children  # type: ignore[return-value]


# ref: F15
async def test_the_receipt_reaches_the_professional_who_asked(
    place: Place, desk: ReceiptDesk, worker: Worker, marie: Bal, patient: Patient
) -> None:
    mail_id = await asked(place, marie, patient)
    [original] = await place.kept(patient.owner_id)
    place.clock.advance(timedelta(hours=1))
    assert await desk.decide(patient, mail_id, Choice.SENT) is Choice.SENT
    await worker.drain()
    [kept] = await place.kept(marie.owner_id)
    assert kept.content.startswith(b"Return-Path: <>\r\n")
    found = message_from_bytes(kept.content)
    assert found.get_content_type() == "multipart/report"
    assert found.get_param("report-type") == "disposition-notification"
    assert (found["From"], found["To"]) == (patient_address(patient), marie.address)
    assert str(make_header(decode_header(found["Subject"]))) == "Lu : XDM/1.0/DDM+Résultats"
    assert found["In-Reply-To"] == "<m1@example.fr>"
    text, report, returned = parts(found)
    body = text.get_payload(decode=True)
    assert isinstance(body, bytes)
    assert body.decode().strip() == "Le message a été affiché le 13/03/2026 16:54."
    [fields] = parts(report)
    assert fields["Disposition"] == "manual-action/MDN-sent-manually; displayed"
    assert fields["Final-Recipient"] == f"rfc822;{patient_address(patient)}"
    assert fields["Original-Message-ID"] == "<m1@example.fr>"
    assert returned.get_content_type() == "message/rfc822"
    assert original.content in kept.content
    assert await place.kept(patient.owner_id, "Sent") == []


async def test_the_receipt_to_another_operator_goes_through_the_queue(
    place: Place, desk: ReceiptDesk, worker: Worker, patient: Patient
) -> None:
    await place.receive(REMOTE, patient_address(patient), headers=asking(REMOTE))
    [kept] = await place.kept(patient.owner_id)
    await desk.decide(patient, kept.mail_id, Choice.SENT)
    await worker.drain()
    [queued] = await place.queued()
    assert (queued.sender, list(queued.to)) == ("", [REMOTE])
    assert b"MDN-sent-manually; displayed" in queued.content


async def test_a_refusal_is_remembered_and_tells_nobody(
    place: Place, desk: ReceiptDesk, worker: Worker, marie: Bal, patient: Patient
) -> None:
    mail_id = await asked(place, marie, patient)
    assert await desk.decide(patient, mail_id, Choice.WITHHELD) is Choice.WITHHELD
    assert await desk_of(place).decide(patient, mail_id, Choice.SENT) is Choice.WITHHELD
    await worker.drain()
    assert await place.kept(marie.owner_id) == []
    assert place.count(job) == 0


async def test_many_clicks_at_once_make_one_receipt(
    place: Place, desk: ReceiptDesk, worker: Worker, marie: Bal, patient: Patient
) -> None:
    mail_id = await asked(place, marie, patient)
    wanted = (Choice.SENT, Choice.WITHHELD, Choice.SENT, Choice.SENT)
    made = await asyncio.gather(*(desk.decide(patient, mail_id, choice) for choice in wanted))
    assert len(set(made)) == 1
    await worker.drain()
    assert len(await place.kept(marie.owner_id)) == (1 if made[0] is Choice.SENT else 0)
    assert await desk.decide(patient, mail_id, Choice.SENT) is made[0]
    assert place.count(reading_receipt) == 1


async def test_a_crash_after_the_delivery_sends_no_second_receipt(
    place: Place, desk: ReceiptDesk, events: Events, marie: Bal, patient: Patient
) -> None:
    mail_id = await asked(place, marie, patient)
    await desk.decide(patient, mail_id, Choice.SENT)
    rows = place.database.read_now(lambda connection: connection.execute(select(job)).all())
    [waiting] = [row for row in rows if row.kind == RECEIPT_JOB]
    claimed = Job(waiting.id, waiting.kind, json.loads(waiting.payload), 1)
    await desk.send(claimed)  # the unit that ends the job never runs
    place.clock.advance(timedelta(minutes=5))
    later = desk_of(place)
    await Worker(place.database, events, place.clock, {RECEIPT_JOB: later.send}).drain()
    assert len(await place.kept(marie.owner_id)) == 1
    assert place.count(job) == 0


@pytest.mark.parametrize(
    "field",
    [
        "X-Nothing: 1",
        "Disposition-Notification-To: autre@hopital-demo.mssante.fr",
        f"Disposition-Notification-To: marie@{DOMAIN}, marie@{DOMAIN}",
        f"Disposition-Notification-To: marie@{DOMAIN}\r\nAuto-Submitted: auto-generated",
        "Disposition-Notification-To: " + "x" * 900,
    ],
)
async def test_no_receipt_goes_where_the_message_asks_for_none_that_may_be_sent(
    place: Place, desk: ReceiptDesk, marie: Bal, patient: Patient, field: str
) -> None:
    mail_id = await asked(place, marie, patient, headers=(field,))
    assert await desk.decide(patient, mail_id, Choice.SENT) is None
    assert place.count(reading_receipt) == place.count(job) == 0


async def test_a_return_path_that_the_sender_wrote_is_not_believed(
    place: Place, desk: ReceiptDesk, marie: Bal, patient: Patient
) -> None:
    other = "victime@ailleurs.mssante.fr"
    mail_id = await asked(place, marie, patient, headers=(f"Return-Path: <{other}>", *asking(other)))
    assert await desk.decide(patient, mail_id, Choice.SENT) is None


async def test_nobody_decides_for_somebody_else(
    place: Place, desk: ReceiptDesk, marie: Bal, patient: Patient
) -> None:
    mail_id = await asked(place, marie, patient)
    other = await place.add_patient("1600123456789")
    assert await desk.decide(other, mail_id, Choice.SENT) is None
    assert await desk.decide(patient, 999, Choice.SENT) is None
    assert place.count(reading_receipt) == 0


async def test_a_closed_box_sends_nothing(
    place: Place, desk: ReceiptDesk, marie: Bal, patient: Patient
) -> None:
    mail_id = await asked(place, marie, patient)
    await place.database.write(
        lambda uow: set_patient_state(uow, patient.ins, PatientState.CLOSED, place.clock.millis())
    )
    assert await desk.decide(patient, mail_id, Choice.SENT) is None


async def test_a_receipt_is_no_answer_and_may_follow_the_end_of_the_exchange(
    place: Place, desk: ReceiptDesk, worker: Worker, marie: Bal, patient: Patient
) -> None:
    mail_id = await asked(place, marie, patient)
    place.clock.advance(timedelta(seconds=1))
    await place.send(marie, patient_address(patient), subject="[FIN]", message_id="<m2@example.fr>")
    before = place.conversations(patient.owner_id)
    await desk.decide(patient, mail_id, Choice.SENT)
    await worker.drain()
    assert len(await place.kept(marie.owner_id)) == 1
    assert place.conversations(patient.owner_id) == before


async def test_the_box_of_the_professional_may_be_gone(
    place: Place, desk: ReceiptDesk, worker: Worker, marie: Bal, patient: Patient
) -> None:
    mail_id = await asked(place, marie, patient)
    await place.shut(marie)
    assert await desk.decide(patient, mail_id, Choice.SENT) is Choice.SENT
    await worker.drain()
    assert await place.kept(marie.owner_id) == []
    assert place.count(job) == 0


async def test_the_choice_goes_with_the_message(
    place: Place, desk: ReceiptDesk, marie: Bal, patient: Patient
) -> None:
    mail_id = await asked(place, marie, patient)
    await desk.decide(patient, mail_id, Choice.WITHHELD)
    await place.database.write(
        lambda uow: (
            uow.execute(message.delete().where(message.c.mail_id == mail_id)),
            uow.execute(mail.delete().where(mail.c.id == mail_id)),
        )
    )
    assert place.count(reading_receipt) == 0


async def test_the_trail_tells_the_choice_and_nothing_else(
    place: Place, desk: ReceiptDesk, marie: Bal, patient: Patient
) -> None:
    mail_id = await asked(place, marie, patient)
    await desk.decide(patient, mail_id, Choice.WITHHELD)
    row = place.trail()[-1]
    assert (row.action, row.actor, row.outcome) == (
        "message.receipt",
        f"patient:{patient.owner_id}",
        "withheld",
    )
    assert patient.ins not in str(row)


async def test_an_original_that_leaves_no_room_comes_back_as_its_header(
    database: Database, vault: Vault, clock: FixedClock, tmp_path: Path, events: Events
) -> None:
    place = Place(database, vault, clock, tmp_path, limits={"message_bytes": 100_000})
    marie, patient = await place.add("marie"), await place.add_patient()
    mail_id = await asked(place, marie, patient, body="x" * 70 + "\r\n" + ("y" * 900 + "\r\n") * 109)
    desk = desk_of(place)
    await desk.decide(patient, mail_id, Choice.SENT)
    await Worker(database, events, clock, {RECEIPT_JOB: desk.send}).drain()
    [kept] = await place.kept(marie.owner_id)
    assert parts(message_from_bytes(kept.content))[2].get_content_type() == "text/rfc822-headers"


BOUNDARY = "RAA14128.773615765"
ODD = (
    f"From: {REMOTE}\r\nTo: somebody@else.fr\r\nSubject: Lu : Bonjour\r\nMessage-ID: <mdn-1@x>\r\n"
    "Date: Thu, 13 Mar 2025 15:00:00 +0100\r\nMIME-Version: 1.0\r\n"
    f'Content-Type: multipart/report; report-type=disposition-notification;\r\n\tboundary="{BOUNDARY}"\r\n\r\n'
    f"--{BOUNDARY}\r\n\r\nLu.  \r\n--{BOUNDARY}\r\n"
    "Content-Type: message/disposition-notification\r\n\r\n"
    "Final-Recipient: rfc822;x@y.fr\r\nDisposition: manual-action/MDN-sent-manually; displayed\r\n\r\n"
    f"--{BOUNDARY}\r\nContent-Type: application/zip\r\n\r\nPK\r\n--—{BOUNDARY}--"
).encode()
"""As real programs write them: a line ends in spaces, and the last boundary has a dash that is none."""


def sample(name: str) -> bytes:
    return shared("mdn", name).read_bytes().replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")


# ref: F15
@pytest.mark.parametrize("name", ["", "mdn-ko-902.eml", "mdn-lecture-humaine.eml", "mdn-ok-processed.eml"])
async def test_a_notification_from_elsewhere_passes_untouched(
    place: Place, marie: Bal, patient: Patient, name: str
) -> None:
    """Delivery adds its trace on top and changes no byte below it, nor does it take it for a letter."""
    content = sample(name) if name else ODD
    answer = await place.receive("", patient_address(patient), marie.address, content=content)
    assert isinstance(answer, Accepted), answer
    for owner_id in (patient.owner_id, marie.owner_id):
        [kept] = await place.kept(owner_id)
        assert_untouched(kept.content, content)
    assert place.conversations(patient.owner_id) == []


# ref: ECO.3.1.6
async def test_a_notification_of_a_hosted_box_passes_untouched(
    place: Place, marie: Bal, patient: Patient
) -> None:
    """Mail programs send them under the null reverse-path."""
    content = ODD.replace(REMOTE.encode(), marie.address.encode())
    sent = replace(envelope(marie, patient_address(patient), REMOTE, content=content), sender="")
    answer = await place.router.deliver(sent)
    assert isinstance(answer, Accepted), answer
    [kept] = await place.kept(patient.owner_id)
    [queued] = await place.queued()
    assert_untouched(kept.content, content)
    assert_untouched(queued.content, content)
    assert place.conversations(patient.owner_id) == []


def assert_untouched(kept: bytes, content: bytes) -> None:
    assert kept.endswith(content)
    lines = kept.removesuffix(content).split(b"\r\n")
    names = [line.partition(b":")[0] for line in lines if line and line[:1] not in b" \t"]
    assert names == [b"Return-Path", b"Received"]
