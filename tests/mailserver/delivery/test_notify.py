from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any

import pytest

from foundation.clock import from_millis
from mailserver.conversations import Direction
from mailserver.delivery.notify import Action, Notice, Reported, Reporter
from mailserver.delivery.trace import new_queue_id
from mailserver.envelope import Accepted
from mailserver.patient_reply import PatientDesk
from mailserver.refusals import EXCHANGE_ENDED, PEER_REFUSED, UNKNOWN_PATIENT, UNREACHABLE
from mailserver.store.tables import mail
from tests.mailserver.place import DOMAIN, PATIENTS, Place, Space, letter, patient_address

if TYPE_CHECKING:
    from pathlib import Path

    from foundation.clock import FixedClock
    from foundation.database import Database
    from foundation.events import Events
    from foundation.vault import Vault

THERE = "lea@pair.mssante.fr"


@pytest.fixture
def place(database: Database, vault: Vault, clock: FixedClock, tmp_path: Path) -> Place:
    return Place(database, vault, clock, tmp_path, trust=Space.of("pair.mssante.fr"))


@pytest.fixture
def reporter(place: Place) -> Reporter:
    return Reporter(place.vault, place.clock, place.settings, place.trust)


def notice(place: Place, to: str, **values: Any) -> Notice:
    fields: dict[str, Any] = {
        "action": Action.FAILED,
        "recipients": (Reported(THERE, PEER_REFUSED, reply="550 5.1.1 unknown"),),
        "queue_id": "Q1",
        "arrived_at": place.clock.millis(),
        "content": letter(to or "x@y.fr", THERE),
        **values,
    }
    return Notice(to, **fields)


async def tell(place: Place, reporter: Reporter, told: Notice) -> None:
    prepared = await reporter.prepare(told)
    await place.database.write(lambda uow: reporter.put(uow, prepared))


async def test_a_report_lies_in_the_inbox_of_its_reader_who_is_woken(
    place: Place, reporter: Reporter, events: Events
) -> None:
    marie = await place.add("marie")
    with events.subscribe(f"owner:{marie.owner_id}") as woken:
        await tell(place, reporter, notice(place, marie.address.upper()))
        assert await woken.wait(5)
    [report] = await place.kept(marie.owner_id)
    assert report.subject == "Message non distribué"
    [row] = place.trail()
    assert (row.action, row.actor, row.subject, row.outcome) == (
        "message.reported",
        "system",
        f"mail:{report.mail_id}",
        PEER_REFUSED.code,
    )


async def test_a_report_to_another_operator_is_queued_under_the_null_sender(
    place: Place, reporter: Reporter
) -> None:
    await tell(place, reporter, notice(place, "Léa@pair.mssante.fr"))
    [queued] = await place.queued()
    assert (queued.sender, queued.origin, queued.utf8) == ("", "report", True)
    assert queued.to == {"Léa@pair.mssante.fr": ("", None)}
    assert place.trail()[0].subject == f"queue:{queued.queue_id}"


@pytest.mark.parametrize(
    "to", ["", "a@ailleurs.mssante.fr", f"nobody@{DOMAIN}", f"closed@{DOMAIN}", f"279035121518989@{PATIENTS}"]
)
async def test_who_cannot_be_told_is_not_and_the_trail_says_so(
    place: Place, reporter: Reporter, to: str
) -> None:
    await place.shut(await place.add("closed"))
    await tell(place, reporter, notice(place, to))
    assert (place.count(mail), await place.queued()) == (0, [])
    [row] = place.trail()
    assert (row.action, row.subject, row.outcome) == ("message.dropped", "queue:Q1", PEER_REFUSED.code)


async def test_a_large_report_that_nobody_gets_leaves_no_file(
    place: Place, reporter: Reporter, tmp_path: Path
) -> None:
    body = secrets.token_hex(200_000)
    for to in ("a@ailleurs.mssante.fr", f"nobody@{DOMAIN}"):
        await tell(place, reporter, notice(place, to, content=letter(to, body=body), ret="FULL"))
    unused = await reporter.prepare(notice(place, THERE, content=letter(THERE, body=body), ret="FULL"))
    await reporter.discard(unused)
    await place.vault.settle()
    assert list((tmp_path / "vault").glob("*/*")) == []


@pytest.mark.parametrize(
    ("values", "recipients", "domain"),
    [
        ({}, (THERE,), DOMAIN),
        ({}, (f"279035121518989@{PATIENTS}",), PATIENTS),
        ({}, (f"279035121518989@{PATIENTS}", THERE), DOMAIN),
        ({"domains": ["Zèbre.mssante.fr", DOMAIN]}, (THERE,), "xn--zbre-5oa.mssante.fr"),
        ({"domains": []}, (THERE,), PATIENTS),
        ({"domains": [], "serves_patients": False}, (THERE,), f"mail.{DOMAIN}"),
    ],
)
async def test_a_report_comes_from_a_domain_that_a_strict_peer_finds_listed_for_us(
    database: Database,
    vault: Vault,
    clock: FixedClock,
    tmp_path: Path,
    values: dict[str, Any],
    recipients: tuple[str, ...],
    domain: str,
) -> None:
    place = Place(database, vault, clock, tmp_path, trust=Space.of("pair.mssante.fr"), **values)
    reporter = Reporter(vault, clock, place.settings, place.trust)
    told = tuple(Reported(each, PEER_REFUSED) for each in recipients)
    await tell(place, reporter, notice(place, THERE, recipients=told))
    [queued] = await place.queued()
    assert f"From: Mail Delivery System <MAILER-DAEMON@{domain}>\r\n".encode() in queued.content


async def test_a_report_to_somebody_here_comes_from_the_readers_own_domain(
    database: Database, vault: Vault, clock: FixedClock, tmp_path: Path
) -> None:
    domains = ["clinique.mssante.fr", DOMAIN]
    place = Place(database, vault, clock, tmp_path, trust=Space.of("pair.mssante.fr"), domains=domains)
    reporter = Reporter(vault, clock, place.settings, place.trust)
    marie, patient = await place.add("marie"), await place.add_patient()
    unknown = (Reported(f"279035121518989@{PATIENTS}", UNKNOWN_PATIENT),)
    for told in (
        notice(place, marie.address.upper()),
        notice(place, patient_address(patient)),
        notice(place, marie.address, recipients=unknown),
    ):
        await tell(place, reporter, told)
    [mine, of_patient] = await place.kept(marie.owner_id)
    [theirs] = await place.kept(patient.owner_id)
    assert f"<MAILER-DAEMON@{DOMAIN}>\r\n".encode() in mine.content
    assert f"<MAILER-DAEMON@{PATIENTS}>\r\n".encode() in of_patient.content
    assert f"<MAILER-DAEMON@{PATIENTS}>\r\n".encode() in theirs.content


async def test_two_reports_on_one_message_are_two_messages(place: Place, reporter: Reporter) -> None:
    marie = await place.add("marie")
    for action in (Action.DELAYED, Action.FAILED):
        await tell(place, reporter, notice(place, marie.address, action=action))
    found = await place.kept(marie.owner_id)
    assert [one.subject for one in found] == ["Message retardé", "Message non distribué"]
    ids = {
        line
        for one in found
        for line in one.content.split(b"\r\n")
        if line.startswith(b"Message-ID: <rapport")
    }
    assert len(ids) == 2


async def test_a_patient_is_told_in_the_conversation_that_an_answer_did_not_arrive(
    place: Place, reporter: Reporter
) -> None:
    patient = await place.add_patient()
    me = patient_address(patient)
    await place.receive(THERE, me, subject="Votre bilan")
    [conversation] = place.conversations(patient.owner_id)
    desk = PatientDesk(place.router, place.database, place.clock, place.settings)
    assert isinstance(await desk.answer(patient, conversation.id, "Merci"), Accepted)
    [queued] = await place.queued()
    told = notice(
        place,
        queued.sender,
        content=queued.content,
        recipients=(Reported(THERE, UNREACHABLE),),
        queue_id="Q2",
    )
    await tell(place, reporter, told)
    shown = place.conversation(patient.owner_id, conversation.id)
    assert [(item.direction, item.can_reply) for item in shown.items] == [
        (Direction.IN, True),
        (Direction.OUT, False),
        (Direction.NOTICE, False),
    ]
    assert shown.unread == 2
    assert shown.ending is None
    # The next answer is to the professional's message still, not to the report.
    assert isinstance(await desk.answer(patient, conversation.id, "Encore"), Accepted)
    again = (await place.queued())[-1].content
    assert b"\r\nSubject: Re: Votre bilan\r\n" in again
    assert b"\r\nIn-Reply-To: <m1@example.fr>\r\n" in again


async def test_a_report_opens_no_exchange_that_a_professional_ended(place: Place, reporter: Reporter) -> None:
    patient = await place.add_patient()
    me = patient_address(patient)
    await place.receive(THERE, me)
    [conversation] = place.conversations(patient.owner_id)
    desk = PatientDesk(place.router, place.database, place.clock, place.settings)
    await desk.answer(patient, conversation.id, "Merci")
    await place.receive(THERE, me, subject="[FIN]", message_id="<fin@x>")
    [queued] = await place.queued()
    await tell(place, reporter, notice(place, me, content=queued.content))
    answer = await desk.answer(patient, conversation.id, "Mais")
    assert not isinstance(answer, Accepted)
    assert answer.refusal is EXCHANGE_ENDED


def test_queue_ids_are_in_the_order_of_time_and_differ(clock: FixedClock) -> None:
    at = clock.millis()
    assert new_queue_id(at) < new_queue_id(at + 1)
    assert len({new_queue_id(at) for _ in range(50)}) == 50
    assert from_millis(int(new_queue_id(at)[:11], 16)) == clock.now()
