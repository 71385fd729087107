"""Two operators in one process: what one queues is handed to the other, as the connection between them would."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from directory.patients import PatientState, set_patient_state
from foundation.events import Events
from foundation.jobs import Worker, job
from foundation.vault import Vault, write_master_key
from mailserver.conversations import Direction, Ending
from mailserver.delivery.answering import Answering
from mailserver.delivery.local import BRIDGE_JOB
from mailserver.delivery.robot import ANSWER_JOB
from mailserver.envelope import Accepted, DsnRequest, RecipientDsn, Refused
from mailserver.outbound.tables import outbound_delivery, outbound_message, outbound_recipient
from mailserver.patient_reply import PatientDesk
from mailserver.refusals import DOMAIN_NOT_REACHABLE, EXCHANGE_ENDED, REPLY_NOT_ALLOWED
from tests.database import open_empty
from tests.mailserver.place import DOMAIN, PATIENTS, Place, Space, patient_address

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from foundation.clock import FixedClock
    from foundation.database import Database

OTHER = "mes.example.fr"


@pytest.fixture
def hospital(database: Database, vault: Vault, clock: FixedClock, tmp_path: Path) -> Place:
    """Professionals only."""
    space = Space.of(DOMAIN, OTHER, PATIENTS)
    return Place(database, vault, clock, tmp_path, trust=space, serves_patients=False)


@pytest.fixture
async def citizens(clock: FixedClock, tmp_path: Path) -> AsyncIterator[Place]:
    """Mon espace santé: patients, and no professional but its own."""
    home = tmp_path / "mes"
    home.mkdir()
    database = await open_empty(home / "test.db", Events())
    write_master_key(home / "master.key")
    vault = Vault.open(database, f"file://{home / 'vault'}", home / "master.key")
    space = Space.of(DOMAIN, OTHER, PATIENTS)
    yield Place(database, vault, clock, home, trust=space, domains=[OTHER], hostname=f"mail.{OTHER}")
    await database.close()


async def carry(one: Place, other: Place) -> list[Accepted | Refused]:
    """Brings what `one` has queued to `other`, without the Return-Path, and empties the queue."""
    answers = []
    speaks_for = frozenset({*one.settings.domains, *([PATIENTS] if one.settings.serves_patients else [])})
    for queued in await one.queued():
        dsn = DsnRequest(
            queued.ret,
            queued.envid,
            {to: RecipientDsn(frozenset(notify.split(",")) - {""}) for to, (notify, _) in queued.to.items()},
        )
        answers.append(
            await other.receive(
                queued.sender,
                *queued.to,
                content=queued.content.partition(b"\r\n")[2],
                dsn=dsn,
                speaks_for=speaks_for,
                peer_host=one.settings.hostname,
            )
        )
    for table in (outbound_recipient, outbound_delivery, outbound_message):
        await one.database.write(lambda uow, table=table: uow.execute(table.delete()))  # type: ignore[misc]
    return answers


async def test_a_professional_and_a_patient_write_to_each_other_across_operators(
    hospital: Place, citizens: Place
) -> None:
    marie, patient = await hospital.add("marie"), await citizens.add_patient()
    me = patient_address(patient)
    assert isinstance(await hospital.send(marie, me, subject="XDM/1.0/DDM+CR PAT-TROIS"), Accepted)
    [arrived] = await carry(hospital, citizens)
    assert isinstance(arrived, Accepted)
    [conversation] = citizens.conversations(patient.owner_id)
    assert (conversation.counterpart.address, conversation.subject) == (marie.address, "CR PAT-TROIS")
    [inbox] = await citizens.kept(patient.owner_id)
    assert inbox.content.count(b"Received: ") == 2

    desk = PatientDesk(citizens.router, citizens.database, citizens.clock, citizens.settings)
    answer = await desk.answer(patient, conversation.id, "Merci docteur")
    assert isinstance(answer, Accepted)
    assert answer.owners == ()
    [row] = [row for row in citizens.trail() if row.action == "message.queued"]
    assert row.actor == f"patient:{patient.owner_id}"
    assert len(await citizens.kept(patient.owner_id, "Sent")) == 1
    shown = citizens.conversation(patient.owner_id, conversation.id)
    assert [item.direction for item in shown.items] == [Direction.IN, Direction.OUT]
    [back] = await carry(citizens, hospital)
    assert isinstance(back, Accepted)
    [found] = await hospital.kept(marie.owner_id)
    assert found.subject == "Re: XDM/1.0/DDM+CR PAT-TROIS"
    assert f"Return-Path: <{me}>\r\n".encode() in found.content
    assert b"In-Reply-To: <m1@example.fr>" in found.content

    await hospital.send(marie, me, subject="[FIN]", message_id="<fin@x>")
    await carry(hospital, citizens)
    assert citizens.conversations(patient.owner_id)[0].ending is Ending.EXCHANGE
    refused = await desk.answer(patient, conversation.id, "Mais")
    assert isinstance(refused, Refused)
    assert refused.refusal is EXCHANGE_ENDED


async def test_a_message_that_forbids_it_is_not_answered_across_operators(
    hospital: Place, citizens: Place
) -> None:
    marie, patient = await hospital.add("marie"), await citizens.add_patient()
    await hospital.send(marie, patient_address(patient), headers=("X-MSS-MES: FIN",))
    await carry(hospital, citizens)
    [conversation] = citizens.conversations(patient.owner_id)
    desk = PatientDesk(citizens.router, citizens.database, citizens.clock, citizens.settings)
    refused = await desk.answer(patient, conversation.id, "Mais")
    assert isinstance(refused, Refused)
    assert refused.refusal is REPLY_NOT_ALLOWED


async def test_an_answer_to_a_domain_that_left_the_list_is_refused_and_stored_nowhere(
    hospital: Place, citizens: Place
) -> None:
    marie, patient = await hospital.add("marie"), await citizens.add_patient()
    await hospital.send(marie, patient_address(patient))
    await carry(hospital, citizens)
    [conversation] = citizens.conversations(patient.owner_id)
    assert citizens.trust is not None
    citizens.trust.white_list = frozenset({OTHER})
    desk = PatientDesk(citizens.router, citizens.database, citizens.clock, citizens.settings)
    refused = await desk.answer(patient, conversation.id, "Merci")
    assert isinstance(refused, Refused)
    assert refused.refusal is DOMAIN_NOT_REACHABLE
    assert await citizens.kept(patient.owner_id, "Sent") == []
    assert await citizens.queued() == []


@pytest.mark.parametrize(
    ("reply_to", "counterpart"),
    [
        (f"secretariat@{DOMAIN}", f"secretariat@{DOMAIN}"),
        (f"x@{OTHER}", f"marie@{DOMAIN}"),
        ("x@ailleurs.example", f"marie@{DOMAIN}"),
    ],
)
async def test_a_patient_answers_where_an_answer_can_go(
    hospital: Place, citizens: Place, reply_to: str, counterpart: str
) -> None:
    marie, patient = await hospital.add("marie"), await citizens.add_patient()
    await hospital.send(marie, patient_address(patient), headers=(f"Reply-To: {reply_to}",))
    await carry(hospital, citizens)
    [conversation] = citizens.conversations(patient.owner_id)
    assert conversation.counterpart.address == counterpart


async def test_documents_for_a_patient_of_the_other_operator_are_bridged_there_alone(
    hospital: Place, citizens: Place
) -> None:
    marie, patient = await hospital.add("marie"), await citizens.add_patient()
    content = (
        f"From: <{marie.address}>\r\nMessage-ID: <doc@x>\r\nMIME-Version: 1.0\r\n"
        'Content-Type: application/pdf; name="a.pdf"\r\n\r\n%PDF-1.7\r\n'
    ).encode()
    await hospital.send(marie, patient_address(patient), content=content)
    assert hospital.count(job) == 0
    await carry(hospital, citizens)
    kinds = citizens.database.read_now(lambda connection: connection.execute(job.select()).all())
    assert [row.kind for row in kinds] == [BRIDGE_JOB]


async def test_success_is_told_across_operators(hospital: Place, citizens: Place) -> None:
    marie, patient = await hospital.add("marie"), await citizens.add_patient()
    to = patient_address(patient)
    request = DsnRequest("HDRS", "E1", {to: RecipientDsn(frozenset({"SUCCESS"}))})
    await hospital.send(marie, to, dsn=request)
    await carry(hospital, citizens)
    [told] = await carry(citizens, hospital)
    assert isinstance(told, Accepted)
    [report] = await hospital.kept(marie.owner_id)
    assert report.subject == "Message remis"
    assert b"Original-Envelope-Id: E1\r\n" in report.content


async def test_a_closed_patient_is_told_by_a_report_across_operators(
    hospital: Place, clock: FixedClock, citizens: Place
) -> None:
    marie, patient = await hospital.add("marie"), await citizens.add_patient()
    other = await citizens.add_patient("1850578006084")
    await citizens.database.write(
        lambda uow: set_patient_state(uow, patient.ins, PatientState.CLOSED, clock.millis())
    )
    await hospital.send(marie, patient_address(patient), patient_address(other))
    await carry(hospital, citizens)
    assert len(await citizens.kept(other.owner_id)) == 1
    await carry(citizens, hospital)
    [report] = await hospital.kept(marie.owner_id)
    assert report.subject == "Message non distribué"
    assert f"MAILER-DAEMON@{PATIENTS}".encode() in report.content


async def test_the_robot_of_the_patients_domain_answers_across_operators_and_the_robots_never_each_other(
    hospital: Place, citizens: Place
) -> None:
    marie = await hospital.add("marie")
    await hospital.send(marie, f"reponse.automatique-test@{PATIENTS}")
    await carry(hospital, citizens)
    answering = Answering(citizens.router, citizens.settings.hostname)
    await Worker(citizens.database, Events(), citizens.clock, {ANSWER_JOB: answering.answer}).drain()
    [queued] = await citizens.queued()
    answers = await carry(citizens, hospital)
    assert [type(each) for each in answers] == [Accepted]
    [found] = await hospital.kept(marie.owner_id)
    assert found.subject == "Réponse automatique à votre message de test"
    again = await hospital.receive(
        "", f"reponse.automatique-test@{DOMAIN}", content=queued.content, speaks_for=frozenset({PATIENTS})
    )
    assert isinstance(again, Accepted)
    assert hospital.count(job) == 0
