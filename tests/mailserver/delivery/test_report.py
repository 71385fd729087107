from __future__ import annotations

from datetime import UTC, datetime
from email import message_from_bytes, policy
from typing import TYPE_CHECKING

import pytest

from directory.patients import PatientState
from foundation.clock import to_millis
from foundation.mime.scanner import decode_text, scan
from mailserver.delivery.report import Action, Report, Reported, render_report
from mailserver.delivery.router import Router
from mailserver.envelope import Accepted, Envelope, Refused
from mailserver.refusals import (
    INVALID_PATIENT_ADDRESS,
    PATIENT_BOX_CLOSED,
    TOO_BIG,
    UNKNOWN_PATIENT,
    Refusal,
)
from mailserver.store.tables import mail
from tests.mailserver.place import PATIENTS, Place, letter, patient_address, principal_of

if TYPE_CHECKING:
    from pathlib import Path

    from foundation.clock import FixedClock
    from foundation.database import Database
    from foundation.vault import Vault

MARIE = "marie@hopital-demo.mssante.fr"
AT = to_millis(datetime(2026, 3, 13, 14, 54, 10, tzinfo=UTC))


@pytest.fixture
def place(database: Database, vault: Vault, clock: FixedClock, tmp_path: Path) -> Place:
    return Place(database, vault, clock, tmp_path, patients={"undeliverable": "report"})


def report(*recipients: Reported, header: bytes = b"Subject: x\r\n") -> bytes:
    return render_report(
        Report(
            to=MARIE,
            domain=PATIENTS,
            hostname="mail.example.fr",
            identifier="ABC",
            at=AT,
            action=Action.FAILED,
            recipients=recipients,
            arrived_at=AT,
            content=header + b"\r\n",
        )
    )


def test_a_report_has_the_three_parts_of_rfc_3464() -> None:
    content = report(Reported(f"279035121518989@{PATIENTS}", UNKNOWN_PATIENT))
    root = scan(content)
    assert root.parameters["report-type"] == "delivery-status"
    assert [part.content_type for part in root.children] == [
        "text/plain",
        "message/delivery-status",
        "text/rfc822-headers",
    ]
    parsed = message_from_bytes(content, policy=policy.default)
    assert parsed["Subject"] == "Message non distribué"
    assert parsed["Auto-Submitted"] == "auto-replied"
    assert parsed["Return-Path"] == "<>"
    assert parsed["From"].addresses[0].addr_spec == f"MAILER-DAEMON@{PATIENTS}"
    assert not parsed.defects
    status = parsed.get_payload()[1].get_payload()[1]
    assert status["Final-Recipient"] == f"rfc822; 279035121518989@{PATIENTS}"
    assert status["Action"] == "failed"
    assert status["Status"] == "5.1.1"
    assert status["Diagnostic-Code"].startswith("smtp; 550 5.1.1 MSS-113 Patient non trouve")


@pytest.mark.parametrize(
    "refusal", [UNKNOWN_PATIENT, PATIENT_BOX_CLOSED, INVALID_PATIENT_ADDRESS], ids=lambda each: each.code
)
def test_a_report_says_in_french_what_happened_and_what_to_do(refusal: Refusal) -> None:
    content = report(Reported(f"279035121518989@{PATIENTS}", refusal))
    text = decode_text(content, scan(content).children[0], 65_536)
    assert refusal.sentence[1:] in text
    assert refusal.advice in text
    assert refusal.code in text


def test_every_line_of_a_report_is_short_enough_and_ends_in_crlf() -> None:
    content = report(Reported(f"a@{PATIENTS}", UNKNOWN_PATIENT), Reported(f"b@{PATIENTS}", TOO_BIG))
    assert content.count(b"\n") == content.count(b"\r\n") == content.count(b"\r")
    assert max(map(len, content.split(b"\r\n"))) <= 998


def test_a_message_that_is_too_big_is_told_with_the_subject_people_know() -> None:
    content = report(Reported(f"a@{PATIENTS}", TOO_BIG))
    assert b"Subject: Undelivered Mail Returned to Sender\r\n" in content


def test_a_huge_header_is_returned_in_part_only() -> None:
    content = report(Reported(f"a@{PATIENTS}", UNKNOWN_PATIENT), header=b"X: " + b"y\r\n z" * 100_000)
    assert len(content) < 80_000
    assert scan(content).children[2].subtype == "rfc822-headers"


@pytest.mark.parametrize(
    ("state", "cause"),
    [
        (None, "patient non trouvé"),
        (PatientState.CLOSED, "la messagerie de l'usager est fermée"),
        (PatientState.OPPOSED, "la messagerie de l'usager est fermée"),
    ],
)
async def test_a_patient_who_cannot_be_reached_is_told_in_the_senders_inbox(
    place: Place, state: PatientState | None, cause: str
) -> None:
    marie = await place.add("marie")
    if state is not None:
        await place.add_patient(state=state)
    answer = await place.send(marie, f"279035121518989@{PATIENTS}", subject="Votre bilan")
    assert isinstance(answer, Accepted)
    assert answer.owners == ()
    [found] = await place.kept(marie.owner_id)
    assert found.subject == "Message non distribué"
    text = decode_text(found.content, scan(found.content).children[0], 65_536)
    assert f"Message non distribué : {cause}." in text
    assert b"Subject: Votre bilan\r\n" in found.content
    assert place.count(mail) == 1


async def test_an_invalid_patient_address_is_told_by_a_report(place: Place) -> None:
    marie = await place.add("marie")
    assert isinstance(await place.send(marie, f"oops@{PATIENTS}"), Accepted)
    [found] = await place.kept(marie.owner_id)
    assert b"Status: 5.1.3" in found.content


async def test_the_others_get_the_message_and_the_sender_one_report_for_all(place: Place) -> None:
    marie, paul = await place.add("marie"), await place.add("paul")
    patient = await place.add_patient("1850578006084")
    unknown = f"279035121518989@{PATIENTS}"
    answer = await place.send(marie, paul.address, unknown, patient_address(patient), f"oops@{PATIENTS}")
    assert isinstance(answer, Accepted)
    assert set(answer.owners) == {paul.owner_id, patient.owner_id}
    [found] = await place.kept(marie.owner_id)
    assert found.content.count(b"Final-Recipient:") == 2
    assert len(place.conversations(patient.owner_id)) == 1


async def test_the_null_sender_gets_no_report(place: Place) -> None:
    marie = await place.add("marie")
    content = letter(marie.address)
    answer = await place.router.deliver(
        Envelope("", (f"279035121518989@{PATIENTS}",), content, principal_of(marie), "", "", "ESMTPSA")
    )
    assert answer == Refused(UNKNOWN_PATIENT, f"279035121518989@{PATIENTS}")
    assert place.count(mail) == 0


async def test_an_answer_to_a_report_makes_one_report_and_no_loop(place: Place) -> None:
    marie = await place.add("marie")
    await place.send(marie, f"279035121518989@{PATIENTS}")
    await place.send(marie, f"mailer-daemon@{PATIENTS}", subject="Re: Message non distribué")
    assert len(await place.kept(marie.owner_id)) == 2


async def test_a_report_is_not_doubled_by_a_retransmission(place: Place) -> None:
    marie = await place.add("marie")
    content = letter(marie.address)
    to = f"279035121518989@{PATIENTS}"
    await place.send(marie, to, content=content)
    again = Router(place.database, place.vault, place.clock, place.settings)
    sent = Envelope(marie.address, (to,), content, principal_of(marie), "192.0.2.9", "autre", "ESMTPSA")
    assert isinstance(await again.deliver(sent), Accepted)
    assert len(await place.kept(marie.owner_id)) == 1


async def test_more_than_25_mb_never_reach_a_patient_even_where_the_operator_takes_more(
    database: Database, vault: Vault, clock: FixedClock, tmp_path: Path
) -> None:
    # N09
    place = Place(
        database,
        vault,
        clock,
        tmp_path,
        patients={"undeliverable": "report"},
        limits={"message_bytes": 30 * 1024 * 1024},
    )
    marie, paul = await place.add("marie"), await place.add("paul")
    patient = await place.add_patient()
    body = "x" * (26 * 1024 * 1024)
    answer = await place.send(marie, patient_address(patient), paul.address, body=body)
    assert isinstance(answer, Accepted)
    assert answer.owners == (paul.owner_id,)
    [found] = await place.kept(marie.owner_id)
    assert found.subject == "Undelivered Mail Returned to Sender"
    assert b"Status: 5.3.4" in found.content


async def test_where_refusal_is_set_nothing_is_stored(
    database: Database, vault: Vault, clock: FixedClock, tmp_path: Path
) -> None:
    place = Place(database, vault, clock, tmp_path)
    marie = await place.add("marie")
    answer = await place.send(marie, f"279035121518989@{PATIENTS}")
    assert answer == Refused(UNKNOWN_PATIENT, f"279035121518989@{PATIENTS}")
    assert place.count(mail) == 0


async def test_a_patient_who_never_signed_in_gets_the_message_for_later(place: Place) -> None:
    marie = await place.add("marie")
    patient = await place.add_patient(state=PatientState.NOT_ACTIVATED)
    assert isinstance(await place.send(marie, patient_address(patient)), Accepted)
    assert len(await place.kept(patient.owner_id)) == 1
    assert len(place.conversations(patient.owner_id)) == 1
