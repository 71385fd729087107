from __future__ import annotations

import asyncio
from datetime import timedelta
from email import message_from_bytes, policy
from typing import TYPE_CHECKING

import pytest

from directory.patients import PatientState, set_patient_state
from foundation.mime.headers import display_text
from foundation.mime.scanner import decode_body, scan
from mailserver.delivery.receipts import delivery_receipt
from mailserver.envelope import Accepted, Refused
from mailserver.patient_reply import PatientDesk, Upload
from mailserver.refusals import (
    ATTACHMENTS_TOO_BIG,
    DOMAIN_NOT_REACHABLE,
    EMPTY_ANSWER,
    EXCHANGE_ENDED,
    FORBIDDEN_ATTACHMENT,
    MAILBOX_CLOSED,
    PATIENT_BOX_CLOSED,
    REPLY_NOT_ALLOWED,
    TOO_BIG,
    UNKNOWN_CONVERSATION,
    Refusal,
)
from mailserver.store.tables import Flag
from mailserver.uploads import file_type, safe_name
from tests.mailserver.place import Place, envelope, letter, patient_address

if TYPE_CHECKING:
    from pathlib import Path

    from directory.bals import Bal
    from directory.patients import Patient
    from foundation.clock import FixedClock
    from foundation.database import Database
    from foundation.vault import Vault

PDF = Upload("analyses.pdf", "application/pdf", b"%PDF-1.4 " + bytes(range(256)) * 20)


@pytest.fixture
def place(database: Database, vault: Vault, clock: FixedClock, tmp_path: Path) -> Place:
    return Place(database, vault, clock, tmp_path)


@pytest.fixture
def desk(place: Place) -> PatientDesk:
    return PatientDesk(place.router, place.database, place.clock, place.settings)


@pytest.fixture
async def marie(place: Place) -> Bal:
    return await place.add("marie")


@pytest.fixture
async def patient(place: Place) -> Patient:
    return await place.add_patient()


async def begun(place: Place, marie: Bal, patient: Patient, **values: object) -> int:
    """The conversation that Marie's message makes."""
    place.clock.advance(timedelta(seconds=1))
    fields = {"subject": "XDM/1.0/DDM+CR PAT-TROIS", **values}
    assert isinstance(await place.send(marie, patient_address(patient), **fields), Accepted)
    place.clock.advance(timedelta(seconds=1))
    return place.conversations(patient.owner_id)[0].id


def refusal_of(answer: Accepted | Refused) -> Refusal:
    assert isinstance(answer, Refused), answer
    return answer.refusal


# ref: ECO.3.1.2
async def test_an_answer_reaches_the_professional_as_a_correct_message(
    place: Place, desk: PatientDesk, marie: Bal, patient: Patient
) -> None:
    conversation = await begun(place, marie, patient)
    text = "Bonjour docteur,\n\nMerci pour l'élément reçu €.\n.\n"
    assert isinstance(await desk.answer(patient, conversation, text), Accepted)
    [found] = await place.kept(marie.owner_id)
    parsed = message_from_bytes(found.content, policy=policy.default)
    author = parsed["From"].addresses[0]
    assert (author.display_name, author.addr_spec) == ("Dominique PAT-TROIS", patient_address(patient))
    assert parsed["To"].addresses[0].addr_spec == marie.address
    assert parsed["Subject"] == "Re: XDM/1.0/DDM+CR PAT-TROIS"
    assert parsed["In-Reply-To"] == parsed["References"] == "<m1@example.fr>"
    assert parsed["Message-ID"].endswith("@patient.mssante.fr>")
    assert parsed["Date"].datetime == place.clock.now().replace(microsecond=0)
    assert parsed.get_content_type() == "text/plain"
    assert parsed.get_content_charset() == "utf-8"
    assert not parsed.defects
    assert not [name for name in parsed if name.lower().startswith("x-mss")]
    assert display_text(found.content, scan(found.content)).split() == text.split()
    assert b"from " not in found.content.partition(b"Received:")[2][:5]


async def test_the_answer_is_kept_in_sent_and_shown_in_the_conversation(
    place: Place, desk: PatientDesk, marie: Bal, patient: Patient
) -> None:
    conversation = await begun(place, marie, patient)
    await desk.answer(patient, conversation, "Merci")
    [kept] = await place.kept(patient.owner_id, "Sent")
    assert kept.flags == Flag.SEEN
    shown = place.conversation(patient.owner_id, conversation)
    assert [(item.direction, item.can_reply) for item in shown.items] == [("in", True), ("out", False)]
    assert shown.items[1].mail_id == kept.mail_id
    assert shown.items[1].subject == "Re: CR PAT-TROIS"
    assert shown.last_at == place.clock.millis()
    assert await place.kept(patient.owner_id) != []


async def test_the_professional_answers_the_answer_in_the_same_conversation(
    place: Place, desk: PatientDesk, marie: Bal, patient: Patient
) -> None:
    conversation = await begun(place, marie, patient)
    await desk.answer(patient, conversation, "Merci")
    [found] = await place.kept(marie.owner_id)
    message_id = message_from_bytes(found.content)["Message-ID"]
    again = await begun(
        place,
        marie,
        patient,
        subject="Tout autre",
        message_id="<m2@x>",
        headers=(f"In-Reply-To: {message_id}",),
    )
    assert again == conversation
    await desk.answer(patient, conversation, "Encore merci")
    last = message_from_bytes((await place.kept(marie.owner_id))[-1].content, policy=policy.default)
    assert last["In-Reply-To"] == "<m2@x>"
    assert last["References"].split() == ["<m1@example.fr>", message_id, "<m2@x>"]


async def test_attachments_arrive_whole_with_their_names(
    place: Place, desk: PatientDesk, marie: Bal, patient: Patient
) -> None:
    conversation = await begun(place, marie, patient)
    uploads = [
        PDF,
        Upload("Résumé d'été.txt", "text/html", "été\r\n".encode()),
        Upload("C:\\photos\\moi.JPG", "application/x-evil", b"\xff\xd8\xff\xe0" + b"\0" * 300),
    ]
    assert isinstance(await desk.answer(patient, conversation, "Voici", uploads), Accepted)
    [found] = await place.kept(marie.owner_id)
    root = scan(found.content)
    parts = root.children[1:]
    assert [(part.content_type, part.filename) for part in parts] == [
        ("application/pdf", "analyses.pdf"),
        ("text/plain", "Résumé d'été.txt"),
        ("image/jpeg", "moi.JPG"),
    ]
    assert {part.encoding for part in parts} == {"base64"}
    assert [decode_body(found.content, part, 10**6) for part in parts] == [each.data for each in uploads]


@pytest.mark.parametrize(
    ("upload", "allowed"),
    [
        (Upload("a.pdf", "", b"%PDF-1.7"), True),
        (Upload("a.PNG", "", b"\x89PNG\r\n\x1a\nxx"), True),
        (Upload("a.tiff", "", b"MM\0*"), True),
        (Upload("a.rtf", "", b"{\\rtf1"), True),
        (Upload("a.doc", "", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"), True),
        (Upload("a.jpeg", "", b"\xff\xd8\xff"), True),
        (Upload("a.txt", "", b""), True),
        (Upload("a.docx", "", b"PK"), False),
        (Upload("a.exe", "", b"MZ"), False),
        (Upload("a.html", "", b"<html>"), False),
        (Upload("a.svg", "image/png", b"<svg>"), False),
        (Upload("a.pdf", "application/pdf", b"MZ\x90"), False),
        (Upload("a.pdf.exe", "", b"%PDF-1.7"), False),
        (Upload("a.txt", "", b"a\0b"), False),
        (Upload("pdf", "", b"%PDF-1.7"), False),
        (Upload("", "", b"%PDF-1.7"), False),
        (Upload("fdp\u202e.exe.pdf\u202c", "", b"MZ"), False),
    ],
    ids=lambda value: value.filename if isinstance(value, Upload) else "",
)
def test_a_file_is_what_its_name_and_its_first_bytes_say(upload: Upload, allowed: bool) -> None:
    assert (file_type(upload) is not None) is allowed


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("../../etc/passwd.txt", "passwd.txt"),
        ("a\r\nX-Forged: yes.pdf", "a X-Forged: yes.pdf"),
        ("fdp.\u202eexe.pdf", "fdp. exe.pdf"),
        ('a"b.pdf', "a'b.pdf"),
        ("x" * 500 + ".pdf", "x" * 116 + ".pdf"),
    ],
)
def test_a_file_name_loses_its_path_and_what_cannot_be_seen(name: str, safe: str) -> None:
    assert safe_name(name) == safe


async def test_a_forbidden_type_is_refused(
    place: Place, desk: PatientDesk, marie: Bal, patient: Patient
) -> None:
    conversation = await begun(place, marie, patient)
    answer = await desk.answer(patient, conversation, "x", [PDF, Upload("a.exe", "image/png", b"MZ")])
    assert refusal_of(answer) is FORBIDDEN_ATTACHMENT
    assert await place.kept(marie.owner_id) == []


async def test_more_than_25_mb_in_all_are_refused(
    place: Place, desk: PatientDesk, marie: Bal, patient: Patient
) -> None:
    conversation = await begun(place, marie, patient)
    half = Upload("a.pdf", "", b"%PDF-" + b"x" * (10 * 1024 * 1024))
    assert refusal_of(await desk.answer(patient, conversation, "x", [half, half])) is ATTACHMENTS_TOO_BIG


async def test_an_empty_answer_and_an_endless_one_are_refused(
    place: Place, desk: PatientDesk, marie: Bal, patient: Patient
) -> None:
    conversation = await begun(place, marie, patient)
    assert refusal_of(await desk.answer(patient, conversation, " \r\n\t")) is EMPTY_ANSWER
    assert refusal_of(await desk.answer(patient, conversation, "x" * 50_001)) is TOO_BIG
    assert isinstance(await desk.answer(patient, conversation, "", [PDF]), Accepted)


async def test_nothing_a_professional_wrote_can_start_a_header_of_the_answer(
    place: Place, desk: PatientDesk, marie: Bal, patient: Patient
) -> None:
    conversation = await begun(
        place,
        marie,
        patient,
        subject="=?utf-8?q?Bonjour=0D=0ABcc:_x@example.org=0D=0A?=",
        message_id="<a b@x>",
        headers=("References: <1@x> <\u2028Bcc: x@example.org>",),
    )
    assert isinstance(await desk.answer(patient, conversation, "Bcc: y@example.org\r\n\r\n"), Accepted)
    [found] = await place.kept(marie.owner_id)
    header = found.content.partition(b"\r\n\r\n")[0]
    assert not [line for line in header.split(b"\r\n") if line.lower().startswith(b"bcc")]


async def test_an_answer_to_a_closed_exchange_is_refused(
    place: Place, desk: PatientDesk, marie: Bal, patient: Patient
) -> None:
    conversation = await begun(place, marie, patient)
    await begun(place, marie, patient, subject="[FIN]", message_id="<fin@x>")
    assert refusal_of(await desk.answer(patient, conversation, "Mais")) is EXCHANGE_ENDED
    assert await place.kept(marie.owner_id) == []
    assert await place.kept(patient.owner_id, "Sent") == []


async def test_a_message_that_forbids_it_is_not_answered(
    place: Place, desk: PatientDesk, marie: Bal, patient: Patient
) -> None:
    conversation = await begun(place, marie, patient, headers=("X-MSS-MES: FIN",))
    assert refusal_of(await desk.answer(patient, conversation, "Mais")) is REPLY_NOT_ALLOWED


async def test_an_exchange_that_ends_while_the_answer_is_written_refuses_it(
    place: Place, desk: PatientDesk, marie: Bal, patient: Patient
) -> None:
    conversation = await begun(place, marie, patient)
    ending = asyncio.create_task(
        place.send(marie, patient_address(patient), subject="[FIN]", message_id="<fin@x>")
    )
    await asyncio.sleep(0)  # its transaction is handed in first
    answer = await desk.answer(patient, conversation, "Mais")
    assert isinstance(await ending, Accepted)
    assert refusal_of(answer) is EXCHANGE_ENDED
    assert await place.kept(marie.owner_id) == []
    assert await place.kept(patient.owner_id, "Sent") == []


async def test_nobody_answers_in_the_conversation_of_another(
    place: Place, desk: PatientDesk, marie: Bal, patient: Patient
) -> None:
    conversation = await begun(place, marie, patient)
    other = await place.add_patient("1850578006084")
    assert refusal_of(await desk.answer(other, conversation, "x")) is UNKNOWN_CONVERSATION
    assert refusal_of(await desk.answer(patient, conversation + 1, "x")) is UNKNOWN_CONVERSATION


async def test_a_patient_who_closed_the_space_writes_no_more(
    place: Place, desk: PatientDesk, marie: Bal, patient: Patient
) -> None:
    conversation = await begun(place, marie, patient)
    await place.database.write(
        lambda uow: set_patient_state(uow, patient.ins, PatientState.CLOSED, place.clock.millis())
    )
    assert refusal_of(await desk.answer(patient, conversation, "x")) is PATIENT_BOX_CLOSED
    assert await place.kept(patient.owner_id, "Sent") == []


async def test_a_professional_whose_box_is_gone_cannot_be_answered(
    place: Place, desk: PatientDesk, marie: Bal, patient: Patient
) -> None:
    conversation = await begun(place, marie, patient)
    await place.shut(marie)
    assert refusal_of(await desk.answer(patient, conversation, "x")) is MAILBOX_CLOSED


async def test_a_professional_of_another_operator_cannot_be_answered_yet(
    place: Place, desk: PatientDesk, patient: Patient
) -> None:
    outside = "a@ailleurs.mssante.fr"
    await place.router.deliver(envelope(outside, patient_address(patient), content=letter(outside)))
    [found] = place.conversations(patient.owner_id)
    assert refusal_of(await desk.answer(patient, found.id, "x")) is DOMAIN_NOT_REACHABLE


async def test_an_answer_leaves_no_receipt(
    place: Place, desk: PatientDesk, marie: Bal, patient: Patient
) -> None:
    conversation = await begun(place, marie, patient)
    before = place.count(delivery_receipt)
    await desk.answer(patient, conversation, "Merci")
    await place.router.close()
    assert place.count(delivery_receipt) == before
