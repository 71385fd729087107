from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import select

from foundation.jobs import job
from mailserver.conversations import (
    Ending,
    list_conversations,
    mark_read,
    may_reply,
    may_write_to,
    shown_subject,
    thread_key,
    unread_count,
)
from mailserver.envelope import Accepted
from mailserver.refusals import (
    EXCHANGE_ENDED,
    PATIENT_MAY_NOT_BEGIN,
    REPLY_NOT_ALLOWED,
    UNKNOWN_CONVERSATION,
    Refusal,
)
from tests.mailserver.place import DOMAIN, Place, envelope, letter, patient_address
from tests.shared_data import shared

if TYPE_CHECKING:
    from pathlib import Path

    from directory.bals import Bal
    from directory.patients import Patient
    from foundation.clock import FixedClock
    from foundation.database import Database
    from foundation.events import Events
    from foundation.vault import Vault


@pytest.fixture
def place(database: Database, vault: Vault, clock: FixedClock, tmp_path: Path) -> Place:
    return Place(database, vault, clock, tmp_path)


@pytest.fixture
async def marie(place: Place) -> Bal:
    return await place.add("marie")


@pytest.fixture
async def patient(place: Place) -> Patient:
    return await place.add_patient()


async def write(place: Place, sender: Bal, patient: Patient, **values: object) -> None:
    place.clock.advance(timedelta(seconds=1))
    answer = await place.send(sender, patient_address(patient), **values)
    assert isinstance(answer, Accepted), answer
    await place.router.acknowledged(answer)


def replying(place: Place, patient: Patient, conversation_id: int) -> Refusal | None:
    return place.database.read_now(
        lambda connection: may_reply(connection, patient.owner_id, conversation_id)
    )


def writing(place: Place, patient: Patient, address: str) -> Refusal | None:
    return place.database.read_now(lambda connection: may_write_to(connection, patient.owner_id, address))


async def test_a_professionals_message_opens_a_conversation(
    place: Place, marie: Bal, patient: Patient
) -> None:
    await write(place, marie, patient, subject="XDM/1.0/DDM+CR d'imagerie PAT-TROIS DOMINIQUE 28/03/1979")
    [found] = place.conversations(patient.owner_id)
    assert found.subject == "CR d'imagerie PAT-TROIS DOMINIQUE 28/03/1979"
    assert (found.counterpart.address, found.unread, found.ended_by) == (marie.address, 1, None)
    assert replying(place, patient, found.id) is None
    [item] = place.conversation(patient.owner_id, found.id).items
    assert (item.direction, item.can_reply, item.message_id) == ("in", True, "<m1@example.fr>")
    [kept] = await place.kept(patient.owner_id)
    assert item.mail_id == kept.mail_id
    assert await place.vault.read(patient.owner_id, item.blob_id) == kept.content


async def test_a_message_that_answers_joins_the_conversation_whatever_its_subject(
    place: Place, marie: Bal, patient: Patient
) -> None:
    await write(place, marie, patient, subject="Résultats", message_id="<1@x>")
    await write(place, marie, patient, subject="Suite", message_id="<2@x>", headers=("In-Reply-To: <1@x>",))
    await write(
        place, marie, patient, subject="Encore", message_id="<3@x>", headers=("References: <0@x> <2@x>",)
    )
    [found] = place.conversations(patient.owner_id)
    assert found.unread == 3
    items = place.conversation(patient.owner_id, found.id).items
    assert [item.message_id for item in items] == ["<1@x>", "<2@x>", "<3@x>"]


async def test_the_same_subject_of_the_same_professional_is_one_conversation(
    place: Place, marie: Bal, patient: Patient
) -> None:
    await write(place, marie, patient, subject="Votre bilan", message_id="<1@x>")
    await write(place, marie, patient, subject="Re: XDM/1.0/DDM+votre  bilan", message_id="<2@x>")
    await write(place, marie, patient, subject="Autre chose", message_id="<3@x>")
    assert [each.subject for each in place.conversations(patient.owner_id)] == ["Autre chose", "Votre bilan"]


async def test_another_professional_never_joins_a_conversation(
    place: Place, marie: Bal, patient: Patient
) -> None:
    paul = await place.add("paul")
    await write(place, marie, patient, subject="Votre bilan", message_id="<1@x>")
    await write(
        place, paul, patient, subject="Votre bilan", message_id="<2@x>", headers=("References: <1@x>",)
    )
    assert {each.counterpart.address for each in place.conversations(patient.owner_id)} == {
        marie.address,
        paul.address,
    }


async def test_two_patients_of_one_message_have_a_conversation_each(
    place: Place, marie: Bal, patient: Patient
) -> None:
    other = await place.add_patient("1850578006084")
    await place.send(marie, patient_address(patient), patient_address(other))
    assert len(place.conversations(patient.owner_id)) == len(place.conversations(other.owner_id)) == 1


# ref: F32
async def test_the_answer_goes_to_reply_to_and_the_application_is_no_contact(
    place: Place, patient: Patient
) -> None:
    # ECO.2.2.5
    robot = await place.add("app-ris", type="APP")
    secretariat = await place.add("secretariat", type="ORG")
    reply_to = f'Reply-To: "Secretariat" <{secretariat.address.upper()}>'
    await write(place, robot, patient, headers=(reply_to,))
    [found] = place.conversations(patient.owner_id)
    assert found.counterpart.address == secretariat.address
    assert writing(place, patient, secretariat.address) is None
    assert writing(place, patient, robot.address) is PATIENT_MAY_NOT_BEGIN


@pytest.mark.parametrize(
    "reply_to", [f"nobody@{DOMAIN}", "not an address", "279035121518989@patient.mssante.fr"]
)
async def test_a_reply_to_that_is_no_box_is_ignored(
    place: Place, marie: Bal, patient: Patient, reply_to: str
) -> None:
    await write(place, marie, patient, headers=(f"Reply-To: {reply_to}",))
    [found] = place.conversations(patient.owner_id)
    assert found.counterpart.address == marie.address


# ref: ECO.2.2.8, F30
async def test_a_message_with_fin_cannot_be_answered(place: Place, marie: Bal, patient: Patient) -> None:
    await write(place, marie, patient, headers=("X-MSS-MES: FIN",))
    [found] = place.conversations(patient.owner_id)
    assert (found.ended_by, found.ending) == (marie.address, Ending.MESSAGE)
    assert replying(place, patient, found.id) is REPLY_NOT_ALLOWED
    [item] = place.conversation(patient.owner_id, found.id).items
    assert not item.can_reply


async def test_fin_in_lower_case_is_not_honoured(place: Place, marie: Bal, patient: Patient) -> None:
    # N01
    await write(place, marie, patient, headers=("X-MSS-MES: fin",))
    [found] = place.conversations(patient.owner_id)
    assert replying(place, patient, found.id) is None


# ref: F30
async def test_the_subject_fin_ends_every_exchange_with_that_professional(
    place: Place, marie: Bal, patient: Patient
) -> None:
    paul = await place.add("paul")
    await write(place, marie, patient, subject="Un", message_id="<1@x>")
    await write(place, marie, patient, subject="Deux", message_id="<2@x>")
    await write(place, paul, patient, subject="Trois", message_id="<3@x>")
    await write(place, marie, patient, subject="[FIN]", message_id="<4@x>")
    by_subject = {each.subject: each for each in place.conversations(patient.owner_id)}
    assert set(by_subject) == {"Un", "Deux", "Trois"}
    assert replying(place, patient, by_subject["Un"].id) is EXCHANGE_ENDED
    assert replying(place, patient, by_subject["Deux"].id) is EXCHANGE_ENDED
    assert replying(place, patient, by_subject["Trois"].id) is None
    assert by_subject["Deux"].ended_by == marie.address
    assert writing(place, patient, marie.address) is EXCHANGE_ENDED


# ref: F30
@pytest.mark.parametrize("subject", ["[fin]", " [fin]", "Re: [FIN]", "[FIN] merci"])
async def test_a_subject_that_is_not_exactly_fin_ends_nothing(
    place: Place, marie: Bal, patient: Patient, subject: str
) -> None:
    # N03
    await write(place, marie, patient, subject="Un", message_id="<1@x>")
    await write(place, marie, patient, subject=subject, message_id="<2@x>")
    assert all(replying(place, patient, each.id) is None for each in place.conversations(patient.owner_id))


@pytest.mark.parametrize("ending", [{"headers": ("X-MSS-MES: FIN",)}, {"subject": "[FIN]"}])
async def test_a_later_ordinary_message_opens_the_exchange_again(
    place: Place, marie: Bal, patient: Patient, ending: dict[str, object]
) -> None:
    await write(place, marie, patient, message_id="<1@x>")
    await write(place, marie, patient, message_id="<2@x>", **ending)
    [closed] = place.conversations(patient.owner_id)
    assert replying(place, patient, closed.id) is not None
    await write(place, marie, patient, message_id="<3@x>")
    [open_again] = place.conversations(patient.owner_id)
    assert open_again.id == closed.id
    assert (open_again.ended_by, open_again.ending) == (None, None)
    assert replying(place, patient, open_again.id) is None


async def test_nobody_writes_in_the_conversation_of_another_patient(
    place: Place, marie: Bal, patient: Patient
) -> None:
    other = await place.add_patient("1850578006084")
    await write(place, marie, patient)
    [found] = place.conversations(patient.owner_id)
    assert replying(place, other, found.id) is UNKNOWN_CONVERSATION
    assert place.conversations(other.owner_id) == []


async def test_reading_brings_the_unread_count_to_zero_and_wakes_the_page(
    place: Place, marie: Bal, patient: Patient, events: Events
) -> None:
    await write(place, marie, patient, message_id="<1@x>")
    await write(place, marie, patient, message_id="<2@x>")
    [found] = place.conversations(patient.owner_id)
    count = place.database.read_now(lambda connection: unread_count(connection, patient.owner_id))
    assert (found.unread, count) == (2, 2)
    with events.subscribe(f"owner:{patient.owner_id}") as woken:
        await place.database.write(lambda uow: mark_read(uow, patient.owner_id, found.id))
        assert await woken.wait(5)
    assert place.conversations(patient.owner_id)[0].unread == 0


async def test_another_patient_cannot_mark_it_read(place: Place, marie: Bal, patient: Patient) -> None:
    await write(place, marie, patient)
    [found] = place.conversations(patient.owner_id)
    await place.database.write(lambda uow: mark_read(uow, patient.owner_id + 1000, found.id))
    assert place.conversations(patient.owner_id)[0].unread == 1


async def test_conversations_come_newest_first_and_page_by_page(
    place: Place, marie: Bal, patient: Patient
) -> None:
    for number in range(5):
        await write(place, marie, patient, subject=f"S{number}", message_id=f"<{number}@x>")

    def page(before: int | None) -> list[tuple[int, str]]:
        found = place.database.read_now(
            lambda connection: list_conversations(connection, patient.owner_id, limit=2, before=before)
        )
        return [(each.id, each.subject) for each in found]

    first = page(None)
    second = page(first[-1][0])
    third = page(second[-1][0])
    assert [subject for _, subject in first + second + third] == ["S4", "S3", "S2", "S1", "S0"]
    assert page(third[-1][0]) == []
    assert page(10_000) == []


async def test_a_message_with_a_document_becomes_a_job_of_ids(
    place: Place, marie: Bal, patient: Patient
) -> None:
    content = (
        f"From: {marie.address}\r\nMessage-ID: <d@x>\r\nMIME-Version: 1.0\r\n"
        "Content-Type: multipart/mixed; boundary=b\r\n\r\n"
        "--b\r\n\r\nVoici.\r\n--b\r\nContent-Type: application/pdf\r\n"
        "Content-Disposition: attachment; filename=cr.pdf\r\n\r\n%PDF-1.4\r\n--b--\r\n"
    ).encode()
    await write(place, marie, patient, content=content)
    rows = place.database.read_now(
        lambda connection: connection.execute(select(job.c.kind, job.c.payload)).all()
    )
    [kept] = await place.kept(patient.owner_id)
    [(kind, payload)] = rows
    assert kind == "bridge"
    said = json.loads(payload)
    assert said.pop("queue")
    assert said == {
        "owner_id": patient.owner_id,
        "mail_id": kept.mail_id,
        "blob_id": 1,
        "sender": marie.address,
        "message_id": "<d@x>",
    }


async def test_a_message_without_a_document_makes_no_job(place: Place, marie: Bal, patient: Patient) -> None:
    await write(place, marie, patient)
    assert place.count(job) == 0


async def test_a_reading_receipt_lies_in_the_inbox_but_is_no_conversation(
    place: Place, marie: Bal, patient: Patient
) -> None:
    content = (
        f"From: {marie.address}\r\nMIME-Version: 1.0\r\n"
        "Content-Type: multipart/report; report-type=disposition-notification; boundary=b\r\n\r\n"
        "--b\r\n\r\nLu.\r\n--b--\r\n"
    ).encode()
    await write(place, marie, patient, content=content)
    assert len(await place.kept(patient.owner_id)) == 1
    assert place.conversations(patient.owner_id) == []


async def test_the_samples_of_the_rules_do_what_the_rules_say(place: Place, patient: Patient) -> None:
    marie = "marie.martin@medecin.mssante.fr"
    await place.add("sert-a-rien")
    for name in ("02-pro-vers-patient-reponse-bloquee.eml", "03-pro-vers-patient-objet-FIN.eml"):
        content = shared("mails", name).read_bytes().replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
        place.clock.advance(timedelta(seconds=1))
        answer = await place.router.deliver(envelope(marie, patient_address(patient), content=content))
        assert isinstance(answer, Accepted)
        [found] = place.conversations(patient.owner_id)
        expected = REPLY_NOT_ALLOWED if name.startswith("02") else EXCHANGE_ENDED
        assert replying(place, patient, found.id) is expected
    assert found.subject == "CR d'imagerie médicale PAT-TROIS DOMINIQUE 28/03/1979"


# ref: F32
async def test_the_sample_of_an_application_is_answered_at_its_secretariat(
    place: Place, patient: Patient
) -> None:
    name = "07-bal-app-vers-patient-reply-to.eml"
    content = shared("mails", name).read_bytes().replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
    sender = "app-ris@imagerie-b.mssante.fr"
    await place.router.deliver(envelope(sender, patient_address(patient), content=content))
    [found] = place.conversations(patient.owner_id)
    assert found.counterpart.address == "secretariat@imagerie-b.mssante.fr"


# ref: ECO.3.1.3
@pytest.mark.parametrize(
    ("subject", "shown"),
    [
        ("XDM/1.0/DDM+CR PAT-TROIS", "CR PAT-TROIS"),
        ("Re: XDM/1.0/DDM+CR", "Re: CR"),
        ("[Annule et remplace] XDM/1.0/DDM+CR", "[Annule et remplace] CR"),
        ("XDM/1.0/DDM", "(sans objet)"),
        ("", "(sans objet)"),
        ("Question", "Question"),
        ("Résultats : tout va bien", "Résultats : tout va bien"),
        ("Note XDM/1.0/DDM+", "Note XDM/1.0/DDM+"),
    ],
)
def test_the_structured_prefix_is_never_shown(subject: str, shown: str) -> None:
    # ECO.3.1.3
    assert shown_subject(subject) == shown


def test_reply_words_do_not_part_a_thread() -> None:
    keys = {
        thread_key(subject)
        for subject in (
            "CR",
            "Re: CR",
            "RE : Tr: cr",
            "XDM/1.0/DDM+CR",
            "[Annule et remplace] XDM/1.0/DDM+CR",
        )
    }
    assert keys == {"cr"}


def test_a_subject_of_prefixes_without_end_is_read_in_bounded_time() -> None:
    assert len(thread_key("Re: " * 100_000)) <= 4096


async def test_a_letter_of_a_peer_opens_a_conversation_too(place: Place, patient: Patient) -> None:
    outside = "a@ailleurs.mssante.fr"
    await place.router.deliver(envelope(outside, patient_address(patient), content=letter(outside)))
    [found] = place.conversations(patient.owner_id)
    assert found.counterpart.address == outside
