from __future__ import annotations

from datetime import UTC, datetime
from email import message_from_bytes, policy
from typing import TYPE_CHECKING, Any

import pytest

from directory.patients import PatientState
from foundation.clock import to_millis
from foundation.mime.scanner import decode_text, scan
from mailserver.delivery.report import RETURNED_MESSAGE_BYTES, Action, Report, Reported, render_report
from mailserver.delivery.router import Router
from mailserver.delivery.status import status_of
from mailserver.envelope import Accepted, Envelope, Refused
from mailserver.refusals import (
    INVALID_PATIENT_ADDRESS,
    NO_MAIL_SERVER,
    PATIENT_BOX_CLOSED,
    PEER_REFUSED,
    PEER_WITHOUT_TLS,
    QUEUE_EXPIRED,
    RELAY_DENIED,
    TOO_BIG,
    UNKNOWN_PATIENT,
    UNREACHABLE,
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


def report(*recipients: Reported, header: bytes = b"Subject: x\r\n", **values: Any) -> bytes:
    fields: dict[str, Any] = {
        "to": MARIE,
        "domain": PATIENTS,
        "hostname": "mail.example.fr",
        "identifier": "ABC",
        "at": AT,
        "action": Action.FAILED,
        "recipients": recipients,
        "arrived_at": AT,
        "content": header + b"\r\ncorps\r\n",
        **values,
    }
    return render_report(Report(**fields))


def parsed(content: bytes) -> Any:
    found = message_from_bytes(content, policy=policy.default)
    assert not found.defects
    return found


def text_of(content: bytes) -> str:
    return decode_text(content, scan(content).children[0], 65_536)


# ref: F14
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


def test_a_delay_says_when_it_was_tried_where_and_until_when_it_will_be() -> None:
    content = report(
        Reported(
            "lea@pair.fr",
            UNREACHABLE,
            orcpt="rfc822;Lea+2BX@pair.fr",
            reply="421 4.3.2 try later",
            server="mx1.pair.fr",
            attempted_at=AT + 60_000,
        ),
        action=Action.DELAYED,
        envid="A+2B1",
        retried_until=AT + 48 * 3600 * 1000,
        domain="hopital-demo.mssante.fr",
    )
    found = parsed(content)
    assert found["Subject"] == "Message retardé"
    of_message, one = found.get_payload()[1].get_payload()
    assert of_message["Original-Envelope-Id"] == "A+1"
    assert of_message["Arrival-Date"] == "Fri, 13 Mar 2026 15:54:10 +0100"
    assert dict(one.items()) == {
        "Original-Recipient": "rfc822; Lea+X@pair.fr",
        "Final-Recipient": "rfc822; lea@pair.fr",
        "Action": "delayed",
        "Status": "4.3.2",
        "Remote-MTA": "dns; mx1.pair.fr",
        "Diagnostic-Code": "smtp; 421 4.3.2 try later",
        "Last-Attempt-Date": "Fri, 13 Mar 2026 15:55:10 +0100",
        "Will-Retry-Until": "Sun, 15 Mar 2026 15:54:10 +0100",
    }
    text = text_of(content)
    assert "Message retardé : le serveur du destinataire ne répond pas." in text
    assert "Réponse de l'autre serveur (mx1.pair.fr) : 421 4.3.2 try later" in text
    assert "Nouveaux essais jusqu'au 15/03/2026 à 15:54 (heure de Paris)" in text
    assert UNREACHABLE.advice in text


@pytest.mark.parametrize(
    ("action", "subject", "words"),
    [
        (Action.DELIVERED, "Message remis", "il est dans la boîte aux lettres du destinataire"),
        (Action.RELAYED, "Message transmis", "ne confirme pas la remise"),
    ],
)
def test_good_news_is_told_without_a_cause(action: Action, subject: str, words: str) -> None:
    content = report(Reported("lea@pair.fr"), action=action)
    found = parsed(content)
    assert found["Subject"] == subject
    one = found.get_payload()[1].get_payload()[1]
    assert (one["Action"], one["Status"]) == (action.value, "2.0.0")
    assert "Diagnostic-Code" not in one
    assert words in text_of(content)
    assert "MSS-" not in text_of(content)


@pytest.mark.parametrize(
    ("action", "refusal", "reply", "status"),
    [
        (Action.FAILED, PEER_REFUSED, "550 5.1.1 unknown", "5.1.1"),
        (Action.FAILED, PEER_REFUSED, "550-5.2.1 first line", "5.2.1"),
        (Action.FAILED, PEER_REFUSED, "550 no such user", "5.0.0"),
        (Action.FAILED, QUEUE_EXPIRED, "451 4.3.0 later", "5.4.7"),
        (Action.FAILED, UNREACHABLE, None, "5.4.1"),
        (Action.DELAYED, UNREACHABLE, None, "4.4.1"),
        (Action.DELAYED, PEER_WITHOUT_TLS, None, "4.7.10"),
        (Action.RELAYED, None, "250 2.6.0 taken", "2.6.0"),
        (Action.RELAYED, None, "250 OK", "2.0.0"),
    ],
)
def test_the_status_is_the_other_servers_where_it_fits_the_action(
    action: Action, refusal: Refusal | None, reply: str | None, status: str
) -> None:
    assert status_of(action, Reported("a@b.fr", refusal, reply=reply)) == status


@pytest.mark.parametrize(
    ("values", "lines"),
    [
        ({"refusal": UNKNOWN_PATIENT}, {"Diagnostic-Code": "smtp; 550 5.1.1 MSS-113 Patient non trouve."}),
        (
            {"refusal": NO_MAIL_SERVER},
            {
                "Diagnostic-Code": "x-vaguemestre; 5.4.4 MSS-160 Aucun serveur de messagerie n'est declare "
                "pour le domaine du destinataire."
            },
        ),
        (
            {"refusal": TOO_BIG, "server": "mx.pair.fr"},
            {"Remote-MTA": "dns; mx.pair.fr", "Diagnostic-Code": f"x-vaguemestre; {TOO_BIG.smtp_text}"},
        ),
        (
            {"refusal": PEER_REFUSED, "server": "127.0.0.1", "reply": "550 no"},
            {"Remote-MTA": "dns; [127.0.0.1]", "Diagnostic-Code": "smtp; 550 no"},
        ),
        (
            {"refusal": PEER_REFUSED, "server": "::1", "reply": "550 no"},
            {"Remote-MTA": "dns; [IPv6:::1]", "Diagnostic-Code": "smtp; 550 no"},
        ),
    ],
)
def test_what_we_found_ourselves_is_not_given_for_the_reply_of_a_server(
    values: dict[str, Any], lines: dict[str, str]
) -> None:
    one = parsed(report(Reported("a@b.fr", **values))).get_payload()[1].get_payload()[1]
    assert {name: one[name] for name in ("Remote-MTA", "Diagnostic-Code") if name in one} == lines


def test_what_another_vaguemestre_refuses_is_told_in_its_own_words_with_their_accents() -> None:
    reply = f"550 {UNKNOWN_PATIENT.smtp_text}"
    content = report(Reported("a@b.fr", PEER_REFUSED, reply=reply, server="mx.pair.fr"))
    text = text_of(content)
    assert "Message non distribué : le serveur du destinataire répond « Patient non trouvé. »\n" in text
    assert f"Réponse de l'autre serveur (mx.pair.fr) : {reply}\n" in text
    assert f"Que faire : {UNKNOWN_PATIENT.advice}\n" in text
    assert "Code : MSS-163, MSS-113 chez l'autre opérateur\n" in text
    assert PEER_REFUSED.advice not in text
    one = parsed(content).get_payload()[1].get_payload()[1]
    assert (one["Status"], one["Diagnostic-Code"]) == ("5.1.1", f"smtp; {reply}")


def test_advice_of_another_vaguemestre_to_its_peers_is_not_given_to_who_wrote_the_message() -> None:
    text = text_of(report(Reported("a@b.fr", PEER_REFUSED, reply=f"550 {RELAY_DENIED.smtp_text}")))
    assert RELAY_DENIED.sentence in text
    assert RELAY_DENIED.advice not in text
    assert PEER_REFUSED.advice in text


@pytest.mark.parametrize(
    ("refusal", "reply"),
    [
        (PEER_REFUSED, "550 5.1.1 unknown, see MSS-113"),
        (PEER_REFUSED, "550 5.1.1 MSS-199 unknown"),
        (PEER_REFUSED, "550 5.1.1 MSS-1130 unknown"),
        (QUEUE_EXPIRED, "451 4.3.0 MSS-190 Incident technique."),
    ],
)
def test_a_reply_that_is_not_written_like_ours_is_only_quoted(refusal: Refusal, reply: str) -> None:
    text = text_of(report(Reported("a@b.fr", refusal, reply=reply)))
    assert refusal.sentence[1:] in text
    assert refusal.advice in text
    assert reply in text
    assert "répond «" not in text


def test_recipients_with_one_cause_share_a_paragraph_that_names_fifty() -> None:
    addresses = [f"dr{number}@pair.fr" for number in range(1000)]
    told = [
        Reported(each, PEER_REFUSED, reply=f"550 5.1.1 <{each}>: User unknown", server="mx.pair.fr")
        for each in addresses
    ]
    content = report(*told, Reported("b@pair.fr", UNREACHABLE))
    text = text_of(content)
    assert text.count("Message non distribué :") == 2
    assert "Destinataires (1000) :\n- dr0@pair.fr\n" in text
    assert "- dr49@pair.fr\n- et 950 autres, nommés dans la partie technique de ce rapport\n" in text
    assert "Réponse de l'autre serveur (mx.pair.fr) : 550 5.1.1 <...>: User unknown\n" in text
    assert "Destinataire : b@pair.fr\n" in text
    assert content.count(b"Final-Recipient:") == 1001


def test_servers_that_say_something_else_of_each_recipient_do_not_make_a_report_endless() -> None:
    told = [
        Reported(f"dr{number}@pair.fr", PEER_REFUSED, reply=f"550 5.1.1 no, case {number}")
        for number in range(1000)
    ]
    content = report(*told)
    text = text_of(content)
    assert text.count("Message non distribué :") == 1
    assert "Réponses de l'autre serveur : voyez la partie technique de ce rapport\n" in text
    assert content.count(b"Diagnostic-Code: smtp; 550 5.1.1 no, case ") == 1000


@pytest.mark.parametrize(
    ("ret", "action", "size", "subtype"),
    [
        ("FULL", Action.FAILED, 10, "rfc822"),
        ("HDRS", Action.FAILED, 10, "rfc822-headers"),
        (None, Action.FAILED, 10, "rfc822-headers"),
        ("FULL", Action.DELAYED, 10, "rfc822-headers"),
        ("FULL", Action.DELIVERED, 10, "rfc822-headers"),
        ("FULL", Action.FAILED, RETURNED_MESSAGE_BYTES, "rfc822-headers"),
    ],
)
def test_the_whole_comes_back_of_a_failure_where_it_was_asked_and_is_not_too_big(
    ret: str | None, action: Action, size: int, subtype: str
) -> None:
    header = b"From: a@b.fr\r\nSubject: x\r\n"
    sent = b"Return-Path: <a@b.fr>\r\n" + header + b"\r\n" + b"x" * size + b"\r\n"
    content = report(Reported("a@b.fr", UNKNOWN_PATIENT), content=sent, ret=ret, action=action)
    assert scan(content).children[2].subtype == subtype
    returned = header + b"\r\n" + b"x" * size + b"\r\n" if subtype == "rfc822" else header
    assert content.endswith(
        b"Content-Transfer-Encoding: 8bit\r\n\r\n" + returned + b"\r\n--rapport-abc--\r\n"
    )
    assert b"Return-Path: <a@b.fr>" not in content


@pytest.mark.parametrize("content", [b"", b"Subject: x\r\nMessage-ID: <a@b>\r\n"])
def test_of_a_message_whose_body_is_not_at_hand_the_header_comes_back(content: bytes) -> None:
    found = report(Reported("a@b.fr", UNKNOWN_PATIENT), content=content, ret="FULL")
    assert scan(found).children[2].subtype == "rfc822-headers"
    assert found.endswith(content + b"\r\n--rapport-abc--\r\n")


def test_a_report_stands_beside_the_message_it_is_about_and_names_it() -> None:
    header = b"message-ID: <m1@x>\r\nSubject: =?utf-8?q?Compte_rendu_d=27=C3=A9t=C3=A9?=\r\n\tde Marie\r\n"
    content = report(Reported("a@b.fr", UNKNOWN_PATIENT), header=header)
    found = parsed(content)
    assert found["In-Reply-To"] == found["References"] == "<m1@x>"
    assert "Objet : Compte rendu d'été de Marie\n" in text_of(content)
    assert "Votre message du 13/03/2026 à 15:54 (heure de Paris)" in text_of(content)


@pytest.mark.parametrize("field", [b"", b"Message-ID: <a b@x>\r\n", b"Message-ID: <%b@x>\r\n" % (b"a" * 300)])
def test_a_message_id_that_is_none_is_not_referred_to(field: bytes) -> None:
    assert b"References" not in report(Reported("a@b.fr", UNKNOWN_PATIENT), header=b"Subject: x\r\n" + field)


@pytest.mark.parametrize(
    "values",
    [
        {"reply": "550 5.1.1 no\r\nX-Forged: yes\r\n\r\n--rapport-abc--\x1b[2J"},
        {"reply": "550 " + "x" * 5000},
        {"reply": "550 " + "é\u202e" * 50},
        {"server": "mx\r\nX-Forged: yes"},
        {"orcpt": "rfc822;a+0D+0AX-Forged:+20yes"},
        {"orcpt": "x\r\nX-Forged: yes;a"},
        {"orcpt": "rfc822;+00+1B"},
    ],
)
def test_nothing_that_others_say_can_write_into_a_report(values: dict[str, str]) -> None:
    content = report(Reported("a@b.fr", PEER_REFUSED, **values), envid="a+0D+0AX-Forged:+20yes")
    assert b"\r\nX-Forged" not in content
    assert b"\x1b" not in content
    assert b"Original-Envelope-Id" not in content
    assert max(map(len, content.split(b"\r\n"))) <= 998
    assert len(scan(content).children) == 3


def test_addresses_beyond_ascii_are_written_as_rfc_6533_says() -> None:
    sent = "From: é@b.fr\r\nSubject: x\r\n\r\ncorps\r\n".encode()
    recipient = Reported("léa@pair.fr", PEER_REFUSED, orcpt="utf-8;l\\x{E9}a@pair.fr")
    content = report(recipient, content=sent, ret="FULL")
    assert [part.content_type for part in scan(content).children] == [
        "text/plain",
        "message/global-delivery-status",
        "message/global",
    ]
    assert "\r\nFinal-Recipient: utf-8; léa@pair.fr\r\n".encode() in content
    assert b"\r\nOriginal-Recipient: utf-8; l\\x{E9}a@pair.fr\r\n" in content
    headers = report(recipient, content=sent)
    assert scan(headers).children[2].content_type == "message/global-headers"


# ref: F29
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


# ref: F29
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


# ref: F29
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
