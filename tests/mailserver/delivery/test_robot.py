from __future__ import annotations

from datetime import timedelta
from email import message_from_bytes, policy
from typing import TYPE_CHECKING, Any

import pytest

from foundation.jobs import Worker, job
from foundation.vault import blob
from mailserver.delivery.answering import Answering, render_answer
from mailserver.delivery.robot import ANSWER_JOB, MAX_HOPS
from mailserver.envelope import Accepted, Refused
from mailserver.refusals import PATIENT_MAY_NOT_BEGIN, PATIENT_TO_PATIENT, RELAY_DENIED, UNKNOWN_MAILBOX
from mailserver.store.tables import mail
from tests.mailserver.place import DOMAIN, PATIENTS, Place, Space, patient_address, principal_of

if TYPE_CHECKING:
    from pathlib import Path

    from foundation.clock import FixedClock
    from foundation.database import Database
    from foundation.events import Events
    from foundation.vault import Vault

ROBOT = f"reponse.automatique-test@{DOMAIN}"
PATIENT_ROBOT = f"reponse.automatique-test@{PATIENTS}"
THERE = "lea@pair.mssante.fr"


@pytest.fixture
def space() -> Space:
    return Space.of("pair.mssante.fr")


@pytest.fixture
def place(database: Database, vault: Vault, clock: FixedClock, tmp_path: Path, space: Space) -> Place:
    return Place(database, vault, clock, tmp_path, trust=space)


def working(place: Place, events: Events) -> Worker:
    """A worker of a process that has just started."""
    answering = Answering(place.restarted(), place.settings.hostname)
    return Worker(place.database, events, place.clock, {ANSWER_JOB: answering.answer})


@pytest.fixture
def worker(place: Place, events: Events) -> Worker:
    return working(place, events)


def header_of(content: bytes) -> Any:
    return message_from_bytes(content, policy=policy.default)


# ref: F43
@pytest.mark.parametrize("robot", [ROBOT, PATIENT_ROBOT, ROBOT.upper(), f"Reponse.Automatique-Test@{DOMAIN}"])
async def test_a_professional_here_is_answered(place: Place, worker: Worker, robot: str) -> None:
    marie = await place.add("marie")
    references = ("References: <a@x> <b@x>",)
    answer = await place.send(marie, robot, subject="Secret", headers=references)
    assert isinstance(answer, Accepted)
    assert answer.owners == ()
    await worker.drain()
    [found] = await place.kept(marie.owner_id)
    header = header_of(found.content)
    assert header["From"].addresses[0].addr_spec == robot.lower()
    assert header["To"].addresses[0].addr_spec == marie.address
    assert header["Subject"] == "Réponse automatique à votre message de test"
    assert header["In-Reply-To"] == "<m1@example.fr>"
    assert header["References"] == "<a@x> <b@x> <m1@example.fr>"
    assert header["Auto-Submitted"] == "auto-replied"
    assert header["Return-Path"] == "<>"
    assert not header.defects
    text = header.get_content()
    assert "Message reçu le 13/03/2026 à 15:54:10 (heure de Paris)" in text
    assert f"Adresse qui répond : {robot.lower()}" in text
    assert "un logiciel connecté à cet opérateur (ESMTPSA)" in text
    assert answer.queue_id in text
    assert "Secret" not in found.content.decode()


async def test_a_professional_elsewhere_is_answered_through_the_queue(place: Place, worker: Worker) -> None:
    domains = frozenset({"pair.mssante.fr"})
    await place.receive(THERE, ROBOT, speaks_for=domains, peer_host="mail.pair.fr")
    await worker.drain()
    [queued] = await place.queued()
    assert (queued.sender, set(queued.to)) == ("", {THERE})
    text = header_of(queued.content).get_content()
    assert "le serveur mail.pair.fr, d'après son certificat (ESMTPS)" in text


async def test_what_is_written_to_the_robot_is_not_kept(place: Place, worker: Worker) -> None:
    marie, paul = await place.add("marie"), await place.add("paul")
    await place.send(marie, ROBOT, body="x" * 100_000)
    assert (place.count(mail), place.count(blob)) == (0, 0)
    [row] = place.trail()
    assert (row.action, row.outcome) == ("message.taken", "to-answer")
    await worker.drain()
    await place.send(marie, ROBOT, paul.address, message_id="<2@x>")
    assert len(await place.kept(paul.owner_id)) == 1


async def test_the_job_holds_no_subject_and_no_body(place: Place) -> None:
    marie = await place.add("marie")
    await place.send(marie, ROBOT, subject="Secret", body="Intime")
    payload = place.database.read_now(lambda connection: connection.execute(job.select()).one().payload)
    assert "Secret" not in payload
    assert "Intime" not in payload


@pytest.mark.parametrize(
    "headers",
    [
        ("Auto-Submitted: auto-replied",),
        ("auto-submitted:\r\n\tauto-generated; x=y",),
        ("AUTO-SUBMITTED : notified",),
        ("Auto-Submitted: nothing",),
        ("Precedence: bulk",),
        ("precedence:LIST",),
        ("Precedence: junk",),
        ("List-Id: <liste.example.fr>",),
        ("List-Unsubscribe: <mailto:x@example.fr>",),
        ("X-Auto-Response-Suppress: All",),
        ("X-Loop: oui",),
        tuple(f"Received: by hop{number}; Fri, 13 Mar 2026 15:54:10 +0100" for number in range(MAX_HOPS + 1)),
    ],
    ids=lambda headers: headers[0][:30],
)
async def test_programs_and_lists_are_not_answered(
    place: Place, worker: Worker, headers: tuple[str, ...]
) -> None:
    marie = await place.add("marie")
    assert isinstance(await place.send(marie, ROBOT, headers=headers), Accepted)
    assert place.count(job) == 0
    assert place.trail()[-1].outcome == "no-answer"
    await worker.drain()
    assert await place.kept(marie.owner_id) == []


@pytest.mark.parametrize(
    "headers",
    [
        ("Auto-Submitted: no",),
        ("Auto-Submitted: no (really)",),
        ("Auto-Submitted:\r\n no;x=y",),
        ("Precedence: first-class",),
        ("Subject-Of-Mine: Precedence: bulk",),
        tuple("Received: by hop; Fri, 13 Mar 2026 15:54:10 +0100" for _ in range(MAX_HOPS)),
    ],
    ids=lambda headers: headers[0][:30],
)
async def test_what_only_looks_like_a_program_is_answered(place: Place, headers: tuple[str, ...]) -> None:
    marie = await place.add("marie")
    await place.send(marie, ROBOT, headers=headers, body="Precedence: bulk\r\nList-Id: x\r\n")
    assert place.count(job) == 1


# ref: F43
@pytest.mark.parametrize(
    ("sender", "author"),
    [
        ("", "MAILER-DAEMON@pair.mssante.fr"),
        ("", THERE),
        ("MAILER-DAEMON@pair.mssante.fr", "MAILER-DAEMON@pair.mssante.fr"),
        ("reponse.automatique-test@pair.mssante.fr", "reponse.automatique-test@pair.mssante.fr"),
        ("Reponse.Automatique-Test@pair.mssante.fr", THERE),
    ],
)
async def test_reports_and_other_robots_are_not_answered(place: Place, sender: str, author: str) -> None:
    assert isinstance(await place.receive(sender, ROBOT, author=author), Accepted)
    assert place.count(job) == 0


async def test_an_answer_to_the_robot_is_not_answered(place: Place, worker: Worker) -> None:
    marie = await place.add("marie")
    await place.send(marie, ROBOT)
    await worker.drain()
    [found] = await place.kept(marie.owner_id)
    back = await place.receive("", ROBOT, content=found.content)
    assert isinstance(back, Accepted)
    assert place.count(job) == 0


async def test_a_message_that_comes_again_is_answered_once(place: Place, worker: Worker) -> None:
    await place.receive(THERE, ROBOT)
    await place.receive(THERE, ROBOT)
    await worker.drain()
    assert len(await place.queued()) == 1


async def test_one_message_to_two_robots_is_answered_once(place: Place, worker: Worker) -> None:
    marie = await place.add("marie")
    await place.send(marie, ROBOT, PATIENT_ROBOT)
    await worker.drain()
    assert len(await place.kept(marie.owner_id)) == 1


async def test_a_crash_between_the_answer_and_the_end_of_its_job_makes_no_second_answer(
    place: Place, events: Events, monkeypatch: pytest.MonkeyPatch
) -> None:
    marie = await place.add("marie")
    await place.send(marie, ROBOT)
    answering = Answering(place.router, place.settings.hostname)
    started = place.database.write

    async def crash(*_: object) -> None:
        raise OSError("the machine fell")

    async def answer_and_fall(claimed: Any) -> Any:
        unit = await answering.answer(claimed)
        monkeypatch.setattr(place.database, "write", crash)
        return unit

    falling = Worker(place.database, events, place.clock, {ANSWER_JOB: answer_and_fall})
    with pytest.raises(ExceptionGroup):
        await falling.drain()
    monkeypatch.setattr(place.database, "write", started)
    assert len(await place.kept(marie.owner_id)) == 1
    assert place.count(job) == 1
    place.clock.advance(timedelta(minutes=5))
    await working(place, events).drain()
    assert len(await place.kept(marie.owner_id)) == 1
    assert place.count(job) == 0


async def test_an_answer_waits_for_the_list_and_is_given_up_when_nobody_takes_it(
    place: Place, worker: Worker, space: Space
) -> None:
    await place.receive(THERE, ROBOT)
    await place.receive("a@gone.mssante.fr", ROBOT)
    space.white_list = None
    await worker.drain()
    assert place.count(job) == 2
    space.white_list = frozenset({"pair.mssante.fr"})
    place.clock.advance(timedelta(minutes=1))
    await worker.drain()
    assert place.count(job) == 0
    assert [set(queued.to) for queued in await place.queued()] == [{THERE}]


async def test_where_it_is_switched_off_nobody_has_that_address(
    database: Database, vault: Vault, clock: FixedClock, tmp_path: Path
) -> None:
    place = Place(database, vault, clock, tmp_path, auto_answer=False)
    marie = await place.add("marie")
    answer = await place.send(marie, ROBOT)
    assert isinstance(answer, Refused)
    assert answer.refusal is UNKNOWN_MAILBOX


async def test_a_box_of_that_name_takes_its_mail_itself(place: Place) -> None:
    marie, box = await place.add("marie"), await place.add("reponse.automatique-test")
    answer = await place.send(marie, ROBOT)
    assert isinstance(answer, Accepted)
    assert answer.owners == (box.owner_id,)
    assert place.count(job) == 0


async def test_who_may_write_to_the_robot(place: Place) -> None:
    marie, patient = await place.add("marie"), await place.add_patient()
    rules = place.rules
    for robot in (ROBOT, PATIENT_ROBOT):
        assert await rules.recipient(principal_of(marie), marie.address, robot) is None
        assert await rules.recipient(None, THERE, robot) is None
    assert await rules.recipient(None, patient_address(patient), ROBOT) is PATIENT_MAY_NOT_BEGIN
    assert await rules.recipient(None, patient_address(patient), PATIENT_ROBOT) is PATIENT_TO_PATIENT
    there = "reponse.automatique-test@pair.mssante.fr"
    assert await rules.recipient(principal_of(marie), marie.address, there) is None
    assert await rules.recipient(None, THERE, there) is RELAY_DENIED


async def test_a_patient_of_another_operator_begins_no_exchange_with_the_robot(
    database: Database, vault: Vault, clock: FixedClock, tmp_path: Path
) -> None:
    place = Place(database, vault, clock, tmp_path, trust=Space.of(PATIENTS), serves_patients=False)
    sender = f"279035121518989@{PATIENTS}"
    assert await place.rules.recipient(None, sender, ROBOT) is PATIENT_MAY_NOT_BEGIN
    assert await place.rules.recipient(None, sender, PATIENT_ROBOT) is RELAY_DENIED


async def test_a_message_without_id_or_with_an_odd_one_is_answered_all_the_same(
    place: Place, worker: Worker
) -> None:
    marie = await place.add("marie")
    await place.send(marie, ROBOT, message_id=None)
    await place.send(marie, ROBOT, message_id="<a b\u2028@x>", headers=("References: <x y> <é@x>",))
    await worker.drain()
    one, other = [header_of(found.content) for found in await place.kept(marie.owner_id)]
    assert one["In-Reply-To"].endswith(f"@mail.{DOMAIN}>")
    assert other["In-Reply-To"] is None
    assert other["References"] is None


def test_the_same_job_makes_the_same_bytes() -> None:
    payload = {
        "robot": ROBOT,
        "sender": THERE,
        "queue": "Q1",
        "at": 1_773_413_650_000,
        "message_id": "<m@x>",
        "references": ["<m@x>"],
        "protocol": "ESMTPS",
        "peer_host": "mail.pair.fr",
    }
    assert render_answer(payload, "mail.example.fr") == render_answer(payload, "mail.example.fr")
    assert render_answer(payload, "mail.example.fr").count(b"\n") == render_answer(
        payload, "mail.example.fr"
    ).count(b"\r\n")
