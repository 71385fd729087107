from __future__ import annotations

import quopri
from datetime import timedelta
from email import message_from_bytes, policy
from typing import TYPE_CHECKING, Any

import pytest

from foundation.jobs import Worker, job
from mailserver.delivery import absence
from mailserver.delivery.absence import AbsenceRefused, Period
from mailserver.delivery.absence_answer import ABSENCE_JOB, SUBJECT, AbsenceAnswers
from mailserver.delivery.answering import Answering
from mailserver.delivery.robot import ANSWER_JOB
from mailserver.envelope import Accepted
from mailserver.patient_reply import PatientDesk
from tests.mailserver.place import DOMAIN, Place, Space, patient_address

if TYPE_CHECKING:
    from pathlib import Path

    from directory.bals import Bal
    from directory.patients import Patient
    from foundation.clock import FixedClock
    from foundation.database import Database
    from foundation.events import Events
    from foundation.vault import Vault

DAY_MS = 24 * 3600 * 1000
TEXT = "Je suis absente.\n\nEn cas d'urgence, appelez le 15."
THERE = "lea@pair.mssante.fr"


@pytest.fixture
def place(database: Database, vault: Vault, clock: FixedClock, tmp_path: Path) -> Place:
    return Place(database, vault, clock, tmp_path, trust=Space.of("pair.mssante.fr"))


@pytest.fixture
def worker(place: Place, events: Events) -> Worker:
    router = place.restarted()
    handlers = {
        ABSENCE_JOB: AbsenceAnswers(router, place.database).answer,
        ANSWER_JOB: Answering(router, place.settings.hostname).answer,
    }
    return Worker(place.database, events, place.clock, handlers)


@pytest.fixture
async def marie(place: Place) -> Bal:
    return await place.add("marie")


@pytest.fixture
async def paul(place: Place) -> Bal:
    return await place.add("paul")


async def leave(place: Place, bal: Bal, *, days: int = 14, after: int = 0, text: str = TEXT) -> None:
    """Is away for `days` days, from `after` days on."""
    now = place.clock.millis()
    period = Period(now + after * DAY_MS, now + (after + days) * DAY_MS)
    await place.database.write(lambda uow: absence.announce(uow, bal.owner_id, period, text, now))


def header_of(content: bytes) -> Any:
    return message_from_bytes(content, policy=policy.default)


# Who is away -------------------------------------------------------------------------------------------------


async def test_an_absence_is_set_replaced_and_ended(place: Place, marie: Bal) -> None:
    def found() -> absence.Absence | None:
        return place.database.read_now(lambda connection: absence.find(connection, marie.owner_id))

    assert found() is None
    await leave(place, marie, text=" Un\r\ndeux \n")
    kept = found()
    assert kept is not None
    assert kept.text == "Un\ndeux"
    assert "Un" not in repr(kept)
    place.clock.advance(timedelta(seconds=1))
    await leave(place, marie, text="Trois")
    kept = found()
    assert kept is not None
    assert (kept.text, kept.set_at) == ("Trois", place.clock.millis())
    for was_there in (True, False):
        assert await place.database.write(lambda uow: absence.end(uow, marie.owner_id)) is was_there
    assert found() is None


def test_a_period_begins_with_its_first_instant_and_ends_before_its_last() -> None:
    period = Period(10, 20)
    assert [at for at in (9, 10, 19, 20) if period.holds(at)] == [10, 19]


@pytest.mark.parametrize(
    ("start", "end", "text"),
    [
        (0, 1, ""),
        (0, 1, " \n"),
        (0, 1, "é" * 2049),
        (0, 1, "a\x1b[31m"),
        (0, 1, "a\u202eb"),
        (0, 1, "a\ud800"),
        (2, 1, TEXT),
        (1, 1, TEXT),
        (-2, -1, TEXT),
        (-2, 0, TEXT),
        (0, 367, TEXT),
    ],
)
async def test_what_is_no_absence_is_refused_in_a_french_sentence(
    place: Place, marie: Bal, start: int, end: int, text: str
) -> None:
    now = place.clock.millis()
    period = Period(now + start * DAY_MS, now + end * DAY_MS)
    with pytest.raises(AbsenceRefused, match=r"bsence"):
        await place.database.write(lambda uow: absence.announce(uow, marie.owner_id, period, text, now))
    assert place.database.read_now(lambda c: absence.find(c, marie.owner_id)) is None


# Who is answered ---------------------------------------------------------------------------------------------


async def test_who_writes_to_somebody_away_is_answered_in_their_words(
    place: Place, worker: Worker, marie: Bal, paul: Bal
) -> None:
    await leave(place, marie)
    references = ("References: <a@x> <b@x>",)
    await place.send(paul, marie.address, subject="Mme DURAND", headers=references, body="Son INS\r\n")
    await worker.drain()
    assert [kept.subject for kept in await place.kept(marie.owner_id)] == ["Mme DURAND"]
    (kept,) = await place.kept(paul.owner_id)
    header = header_of(kept.content)
    assert header["Return-Path"] == "<>"
    assert header["From"].addresses[0].addr_spec == marie.address
    assert header["To"].addresses[0].addr_spec == paul.address
    assert header["Subject"] == SUBJECT
    assert header["Auto-Submitted"] == "auto-replied (vacation)"
    assert header["In-Reply-To"] == "<m1@example.fr>"
    assert header["References"] == "<a@x> <b@x> <m1@example.fr>"
    assert header["Message-ID"].endswith(f"@{DOMAIN}>")
    assert header.get_content().splitlines()[:5] == [*TEXT.splitlines(), "", "-- "]
    for word in (b"DURAND", b"INS"):
        assert word not in quopri.decodestring(kept.content)


async def test_another_operator_s_sender_is_answered_through_the_queue(
    place: Place, worker: Worker, marie: Bal
) -> None:
    await leave(place, marie)
    assert isinstance(await place.receive(THERE, marie.address), Accepted)
    await worker.drain()
    (queued,) = await place.queued()
    assert (queued.sender, queued.to) == ("", {THERE: ("", None)})
    assert header_of(queued.content)["Auto-Submitted"] == "auto-replied (vacation)"


async def test_one_sender_is_told_once_in_seven_days_and_each_sender_once(
    place: Place, worker: Worker, marie: Bal, paul: Bal
) -> None:
    lea = await place.add("lea")
    await leave(place, marie, days=30)

    async def answers(sender: Bal, number: int) -> int:
        await place.send(sender, marie.address.upper(), message_id=f"<{number}@x>")
        await worker.drain()
        return len(await place.kept(sender.owner_id))

    assert [await answers(paul, 1), await answers(paul, 2), await answers(lea, 3)] == [1, 1, 1]
    place.clock.advance(timedelta(days=7) - timedelta(milliseconds=1))
    assert await answers(paul, 4) == 1
    place.clock.advance(timedelta(milliseconds=1))
    assert await answers(paul, 5) == 2


async def test_another_absence_is_told_anew(place: Place, worker: Worker, marie: Bal, paul: Bal) -> None:
    for number in (1, 2):
        place.clock.advance(timedelta(seconds=1))
        await leave(place, marie)
        await place.send(paul, marie.address, message_id=f"<{number}@x>")
        await worker.drain()
        assert len(await place.kept(paul.owner_id)) == number


async def test_nobody_is_answered_before_or_after(place: Place, marie: Bal, paul: Bal) -> None:
    await leave(place, marie, after=1, days=1)
    for days, jobs in ((0, 0), (1, 1), (8, 1)):
        place.clock.advance(timedelta(days=days))
        await place.send(paul, marie.address, message_id=f"<{days}@x>")
        assert place.count(job) == jobs


@pytest.mark.parametrize(
    "headers",
    [
        ("Auto-Submitted: auto-replied",),
        ("Auto-Submitted: auto-generated",),
        ("Precedence: bulk",),
        ("List-Id: <liste.pair.mssante.fr>",),
        ("X-Auto-Response-Suppress: All",),
        ("Content-Type: multipart/report; report-type=disposition-notification; boundary=x",),
    ],
)
async def test_machines_and_lists_are_not_answered(
    place: Place, marie: Bal, paul: Bal, headers: tuple[str, ...]
) -> None:
    await leave(place, marie)
    lines = [f"From: {paul.address}", f"To: {marie.address}", "Subject: a", *headers]
    content = ("\r\n".join(lines) + "\r\n\r\n").encode()
    assert isinstance(await place.send(paul, marie.address, content=content), Accepted)
    assert place.count(job) == 0
    await place.send(paul, marie.address)
    assert place.count(job) == 1


@pytest.mark.parametrize(
    "local",
    [
        "mailer-daemon",
        "MAILER-DAEMON",
        "owner-liste",
        "liste-request",
        "majordomo",
        "listserv",
        "no-reply",
        "noreply.dpi",
        "ne-pas-repondre",
        "ne_pas_repondre",
        "reponse.automatique-test",
    ],
)
async def test_addresses_behind_which_nobody_reads_are_not_answered(
    place: Place, marie: Bal, local: str
) -> None:
    await leave(place, marie)
    assert isinstance(await place.receive(f"{local}@pair.mssante.fr", marie.address, author=THERE), Accepted)
    assert place.count(job) == 0


async def test_a_report_is_not_answered(place: Place, marie: Bal) -> None:
    await leave(place, marie)
    assert isinstance(await place.receive("", marie.address, author=THERE), Accepted)
    assert place.count(job) == 0


async def test_the_software_of_a_structure_and_oneself_are_not_answered(place: Place, marie: Bal) -> None:
    await leave(place, marie)
    dpi = await place.add("dpi", type="APP")
    for sender in (dpi, marie):
        assert isinstance(await place.send(sender, marie.address), Accepted)
    assert place.count(job) == 0


@pytest.mark.parametrize(
    ("lines", "answered"),
    [
        (("To: Marie <marie@hopital-demo.mssante.fr>",), True),
        (("To: x@y.fr", "Cc: x@y.fr,\r\n Marie@Hopital-Demo.mssante.fr"), True),
        (("To: equipe: marie@hopital-demo.mssante.fr;",), True),
        (("Resent-To: marie@hopital-demo.mssante.fr",), True),
        (("To: x@y.fr",), False),
        (("To: anne-marie@hopital-demo.mssante.fr",), False),
        (("To: marie@hopital-demo.mssante.fr.example.fr",), False),
        (("X-To: marie@hopital-demo.mssante.fr", "Subject: marie@hopital-demo.mssante.fr"), False),
        ((), False),
    ],
)
async def test_who_got_a_blind_copy_does_not_show(
    place: Place, marie: Bal, paul: Bal, lines: tuple[str, ...], answered: bool
) -> None:
    await leave(place, marie)
    content = ("\r\n".join((f"From: {paul.address}", *lines)) + "\r\n\r\nBonjour\r\n").encode()
    assert isinstance(await place.send(paul, marie.address, content=content), Accepted)
    assert place.count(job) == int(answered)


async def test_two_who_are_away_do_not_answer_each_other_s_answers(
    place: Place, worker: Worker, marie: Bal, paul: Bal
) -> None:
    for bal in (marie, paul):
        await leave(place, bal)
    await place.send(paul, marie.address)
    await worker.drain()
    assert len(await place.kept(marie.owner_id)) == 1
    assert len(await place.kept(paul.owner_id)) == 1
    assert place.count(job) == 0


async def test_each_of_several_who_are_away_answers_and_those_present_do_not(
    place: Place, worker: Worker, marie: Bal, paul: Bal
) -> None:
    lea, anne = await place.add("lea"), await place.add("anne")
    for bal in (marie, lea):
        await leave(place, bal, text=f"Absence de {bal.name}")
    await place.send(paul, marie.address, lea.address, anne.address)
    await worker.drain()
    texts = sorted(
        header_of(kept.content).get_content().splitlines()[0] for kept in await place.kept(paul.owner_id)
    )
    assert texts == ["Absence de lea", "Absence de marie"]


async def test_what_was_ended_changed_or_suspended_meanwhile_is_not_told(
    place: Place, worker: Worker, marie: Bal, paul: Bal
) -> None:
    async def suspended() -> None:
        await place.suspend(marie)

    async def ended() -> None:
        await place.database.write(lambda uow: absence.end(uow, marie.owner_id))

    async def changed() -> None:
        place.clock.advance(timedelta(seconds=1))
        await leave(place, marie)

    for number, meanwhile in enumerate((ended, changed, suspended)):
        place.clock.advance(timedelta(seconds=1))
        await leave(place, marie)
        await place.send(paul, marie.address, message_id=f"<{number}@x>")
        assert place.count(job) == 1
        await meanwhile()
        await worker.drain()
        assert place.count(job) == 0
    assert await place.kept(paul.owner_id) == []


async def test_a_message_without_an_id_is_answered_by_the_one_it_was_given(
    place: Place, worker: Worker, marie: Bal, paul: Bal
) -> None:
    await leave(place, marie, text="ligne " * 600)
    await place.send(paul, marie.address, message_id=None)
    await worker.drain()
    (kept,) = await place.kept(paul.owner_id)
    assert header_of(kept.content)["In-Reply-To"] is not None
    assert max(map(len, kept.content.split(b"\r\n"))) < 200


# Patients ----------------------------------------------------------------------------------------------------


@pytest.fixture
async def patient(place: Place) -> Patient:
    return await place.add_patient()


async def begun(place: Place, marie: Bal, patient: Patient, **values: Any) -> int:
    """The conversation that a message of Marie makes."""
    await place.send(marie, patient_address(patient), **values)
    place.clock.advance(timedelta(seconds=1))
    return place.conversations(patient.owner_id)[0].id


async def test_a_patient_who_answers_reads_the_absence_in_the_conversation(
    place: Place, worker: Worker, marie: Bal, patient: Patient
) -> None:
    number = await begun(place, marie, patient, subject="Résultats")
    await leave(place, marie)
    desk = PatientDesk(place.router, place.database, place.clock, place.settings)
    assert isinstance(await desk.answer(patient, number, "Merci."), Accepted)
    await worker.drain()
    (found,) = place.conversations(patient.owner_id)
    assert found.id == number
    items = place.conversation(patient.owner_id, number).items
    assert [item.subject for item in items][-1] == SUBJECT
    assert len(items) == 3


async def test_an_absence_does_not_open_an_exchange_that_was_ended_meanwhile(
    place: Place, worker: Worker, marie: Bal, patient: Patient
) -> None:
    number = await begun(place, marie, patient, subject="Résultats")
    await leave(place, marie)
    desk = PatientDesk(place.router, place.database, place.clock, place.settings)
    assert isinstance(await desk.answer(patient, number, "Merci."), Accepted)
    await place.send(marie, patient_address(patient), subject="[FIN]", message_id="<fin@example.fr>")
    await worker.drain()
    (found,) = place.conversations(patient.owner_id)
    assert found.ended_by == marie.address
    assert len(place.conversation(patient.owner_id, number).items) == 4


async def test_an_ordinary_message_still_opens_it_again(place: Place, marie: Bal, patient: Patient) -> None:
    number = await begun(place, marie, patient, subject="Résultats")
    await place.send(marie, patient_address(patient), subject="[FIN]", message_id="<fin@example.fr>")
    await place.send(marie, patient_address(patient), subject="Résultats", message_id="<encore@example.fr>")
    assert place.conversation(patient.owner_id, number).ended_by is None
