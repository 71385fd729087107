"""Who may be notified of a message, and the message that notifies."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from email import message_from_bytes
from email.header import decode_header, make_header
from typing import TYPE_CHECKING

import pytest

from foundation.mime.notifications import (
    Action,
    Fate,
    Notification,
    is_automatic,
    is_report,
    notified,
    return_path,
    subject_of,
)
from foundation.mime.scanner import scan

if TYPE_CHECKING:
    from email.message import Message

MARIE = "marie.martin@medecin.mssante.fr"
PATIENT = "279035121518989@patient.mssante.fr"
AT = datetime(2025, 3, 13, 14, tzinfo=UTC)
LARGEST = 25 * 1024 * 1024


def letter(*fields: str | bytes, body: bytes = b"Bonjour.\r\n") -> bytes:
    lines = [b"From: " + MARIE.encode(), b"To: " + PATIENT.encode(), b"Subject: Bonjour"]
    lines += [field if isinstance(field, bytes) else field.encode() for field in fields]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


def asking(value: str | bytes) -> bytes:
    written = value if isinstance(value, bytes) else value.encode()
    return letter(b"Disposition-Notification-To: " + written)


@pytest.mark.parametrize(
    "value",
    [
        MARIE,
        f"<{MARIE}>",
        f"Dr Marie MARTIN <{MARIE}>",
        f'"MARTIN, Marie" <{MARIE}>',
        f"=?utf-8?q?D=C3=A9mo=2C?= <{MARIE}>",
        f"(rappel) {MARIE}",
        f"{MARIE} (Dr Martin)",
        f"Marie\r\n <{MARIE}>",
        "Marie.Martin@MEDECIN.mssante.fr",
    ],
)
def test_the_sender_that_asks_is_notified(value: str) -> None:
    assert notified(asking(value), MARIE) == MARIE


# ref: F15
@pytest.mark.parametrize(
    "value",
    [
        "",
        "<>",
        "marie.martin",
        "autre@medecin.mssante.fr",
        f"{MARIE}, {MARIE}",
        f"{MARIE}, autre@ailleurs.fr",
        f"Equipe: {MARIE};",
        f"{MARIE} <autre@ailleurs.fr>",
        f"<{MARIE}> <autre@ailleurs.fr>",
        f"<{MARIE}@ailleurs.fr>",
        f'"{MARIE}"@ailleurs.fr',
        f'"{MARIE}"',
        "=?utf-8?q?marie=2Emartin=40medecin=2Emssante=2Efr?=",
        "=?utf-8?q?=3Cmarie=2Emartin=40medecin=2Emssante=2Efr=3E?= <autre@ailleurs.fr>",
        f"{MARIE}\x00",
        f"{MARIE}\x0b",
        "marie.martin@medecin.mssante.fr.ailleurs.fr",
        f"{MARIE} {'x' * 50_000}",
        b"<marie.martin@medecin.mssante.fr\xff>",
        b"\xff" * 3000,
    ],
)
def test_whoever_is_not_plainly_the_sender_is_not(value: str | bytes) -> None:
    assert notified(asking(value), MARIE) is None


def test_nobody_is_notified_where_nobody_asks() -> None:
    assert notified(letter(), MARIE) is None


def test_the_null_sender_is_never_notified() -> None:
    assert notified(asking(MARIE), "") is None


def test_two_requests_are_none() -> None:
    field = f"Disposition-Notification-To: {MARIE}"
    assert notified(letter(field, field), MARIE) is None


def test_a_request_in_the_body_is_none() -> None:
    assert notified(letter(body=f"Disposition-Notification-To: {MARIE}\r\n".encode()), MARIE) is None


def test_a_request_behind_a_header_of_fifty_kilobytes_counts() -> None:
    padding = [f"X-Padding-{number}: {'x' * 900}" for number in range(56)]
    message = letter(*padding, f"Disposition-Notification-To: {MARIE}")
    assert message.index(b"\r\n\r\n") > 50_000
    assert notified(message, MARIE) == MARIE


@pytest.mark.parametrize(
    "field",
    [
        "Auto-Submitted: auto-replied",
        "auto-submitted: auto-generated; x=y",
        "Content-Type: multipart/report; report-type=delivery-status; boundary=b",
        "Content-Type: Multipart/Report; boundary=b",
    ],
)
def test_an_answer_is_never_answered(field: str) -> None:
    message = letter(field, f"Disposition-Notification-To: {MARIE}")
    assert is_automatic(message)
    assert notified(message, MARIE) is None


def test_only_a_report_is_one() -> None:
    assert is_report(letter("Content-Type: multipart/report; boundary=b"))
    assert not is_report(letter("Content-Type: multipart/reports; boundary=b"))
    assert not is_report(letter("Auto-Submitted: auto-replied"))
    assert not is_automatic(letter("Auto-Submitted: no"))


@pytest.mark.parametrize(
    ("options", "answered"),
    [
        ("signed-receipt-protocol=optional,pkcs7-signature", True),
        ("signed-receipt-protocol=required,pkcs7-signature", False),
        ("x= Required ,y", False),
    ],
)
def test_an_option_that_must_be_understood_is_not(options: str, *, answered: bool) -> None:
    message = letter(f"Disposition-Notification-To: {MARIE}", f"Disposition-Notification-Options: {options}")
    assert (notified(message, MARIE) is not None) is answered


def test_a_mailbox_that_is_not_ascii_gets_no_notification_in_ascii() -> None:
    assert notified(asking("médecin@demo.mssante.fr"), "médecin@demo.mssante.fr") is None


@pytest.mark.parametrize(
    "noise", [b"", b"\r\n", b"\n\n", b"\x00" * 500, b"a" * 3_000_000, b": x\r\n" * 20_000]
)
def test_any_bytes_are_read_without_an_error(noise: bytes) -> None:
    assert notified(noise, MARIE) is None
    assert return_path(noise) == ""
    assert not is_report(noise)
    assert subject_of(noise) == ""


def test_the_return_path_is_the_uppermost() -> None:
    below = letter("Return-Path: <autre@ailleurs.fr>")
    assert return_path(b"Return-Path: <Marie@Medecin.mssante.fr>\r\n" + below) == "marie@medecin.mssante.fr"
    assert return_path(b"Return-Path: <>\r\n" + below) == ""
    assert return_path(b"Return-Path: <pas une adresse>\r\n") == ""


ORIGINAL = letter(
    "Message-ID: <m1@medecin.mssante.fr>",
    "MIME-Version: 1.0",
    "Content-Type: multipart/mixed; boundary=b",
    body=(
        b"--b\r\n\r\nBonjour.\r\n--b\r\nContent-Type: application/zip;\r\n name=IHE_XDM.zip\r\n"
        b"X-Other: 1\r\nContent-Transfer-Encoding: base64\r\n\r\nUEsDBA==\r\n--b--\r\n"
    ),
)
TOLD = Notification(
    PATIENT, MARIE, "Objet é", "Le document a été intégré.\n", Action.AUTOMATIC, Fate.PROCESSED, ORIGINAL
)


def rendered(told: Notification, *, largest: int = LARGEST) -> bytes:
    data = told.render(hostname="mail.demo.fr", identifier="mdn.1.2", at=AT, largest=largest)
    assert len(data) <= largest
    assert b"\n" not in data.replace(b"\r\n", b"")
    return data


def parts(message: Message) -> list[Message]:
    children = message.get_payload()
    assert isinstance(children, list)
    return children  # type: ignore[return-value]


def fields(data: bytes) -> dict[str, str]:
    """The machine-readable part."""
    [_, report, *_] = parts(message_from_bytes(data))
    [block] = parts(report)
    return {name: str(value) for name, value in block.items()}


def test_a_notification_is_what_the_rfc_says() -> None:
    data = rendered(TOLD)
    message = message_from_bytes(data)
    assert message.get_content_type() == "multipart/report"
    assert message.get_param("report-type") == "disposition-notification"
    assert (message["From"], message["To"]) == (PATIENT, MARIE)
    assert str(make_header(decode_header(message["Subject"]))) == "Objet é"
    assert message["In-Reply-To"] == "<m1@medecin.mssante.fr>"
    assert message["Message-ID"] == "<mdn.1.2@mail.demo.fr>"
    assert message["Auto-Submitted"] == "auto-replied"
    assert message["Disposition-Notification-To"] is None
    text, _, original = parts(message)
    body = text.get_payload(decode=True)
    assert isinstance(body, bytes)
    assert body.decode() == "Le document a été intégré.\r\n"
    assert original.get_content_type() == "message/rfc822"
    assert fields(data) == {
        "Reporting-UA": "mail.demo.fr; Vaguemestre",
        "Original-Recipient": f"rfc822;{PATIENT}",
        "Final-Recipient": f"rfc822;{PATIENT}",
        "Original-Message-ID": "<m1@medecin.mssante.fr>",
        "Disposition": "automatic-action/MDN-sent-automatically; processed",
    }


def test_the_original_comes_back_byte_for_byte() -> None:
    data = rendered(TOLD)
    assert ORIGINAL in data
    embedded = scan(data).children[2].children[0]
    assert data[embedded.header_start : embedded.end] == ORIGINAL


def test_the_same_notification_is_the_same_bytes() -> None:
    assert rendered(TOLD) == rendered(TOLD)
    assert rendered(TOLD) != rendered(replace(TOLD, original=ORIGINAL + b"x"))


def test_an_error_stands_where_both_profiles_look_for_it() -> None:
    found = fields(rendered(replace(TOLD, error="902^Identifiant de patient inconnu")))
    assert found["Disposition"].endswith("; processed/Error: 902^Identifiant de patient inconnu")
    assert found["Error"] == "902^Identifiant de patient inconnu"


def test_attachments_are_given_again_as_they_were() -> None:
    package = scan(ORIGINAL).children[1]
    again = parts(message_from_bytes(rendered(replace(TOLD, attached=(package,)))))[3]
    assert again.get_content_type() == "application/zip"
    assert again.get_filename() == "IHE_XDM.zip"
    assert again["X-Other"] is None
    assert again.get_payload(decode=True) == b"PK\x03\x04"


def test_a_message_that_is_its_own_attachment_gives_no_header_of_its_own_twice() -> None:
    original = letter(
        "Content-Type: application/zip", "Content-Transfer-Encoding: base64", body=b"UEsDBA==\r\n"
    )
    told = replace(TOLD, original=original, attached=(scan(original),))
    again = parts(message_from_bytes(rendered(told)))[3]
    assert again.keys() == ["Content-Type", "Content-Transfer-Encoding"]
    assert again.get_payload(decode=True) == b"PK\x03\x04"


def test_what_makes_it_too_large_is_left_out_piece_by_piece() -> None:
    big = letter(
        "MIME-Version: 1.0",
        "Content-Type: multipart/mixed; boundary=b",
        body=b"--b\r\nContent-Type: application/pdf\r\n\r\n" + b"x" * 40_000 + b"\r\n--b--\r\n",
    )
    told = replace(TOLD, original=big, attached=(scan(big).children[0],))
    assert len(parts(message_from_bytes(rendered(told, largest=90_000)))) == 4
    whole = parts(message_from_bytes(rendered(told, largest=60_000)))
    assert [part.get_content_type() for part in whole][2:] == ["message/rfc822"]
    headers = parts(message_from_bytes(rendered(told, largest=20_000)))
    assert [part.get_content_type() for part in headers][2:] == ["text/rfc822-headers"]
    assert f"To: {PATIENT}" in str(headers[2].get_payload())


def test_the_header_of_an_original_that_is_all_header_is_cut() -> None:
    original = letter(*(f"X-Padding: {'x' * 900}" for _ in range(1000)))
    assert len(rendered(replace(TOLD, original=original), largest=100_000)) < 80_000


@pytest.mark.parametrize(
    "written",
    [
        "<m1@x\r\n Bcc: <z@z>",
        "<m1@x> <m2@x>",
        "m1@x",
        "<é@x>",
        f"<{'x' * 400}@x>",
    ],
)
def test_an_odd_message_id_starts_no_field(written: str) -> None:
    data = rendered(replace(TOLD, original=letter(f"Message-ID: {written}")))
    message = message_from_bytes(data)
    assert message["In-Reply-To"] is None
    assert message["Bcc"] is None
    assert "Original-Message-ID" not in fields(data)


def test_words_of_others_start_no_field() -> None:
    original = letter("Subject: x").replace(b"Subject: Bonjour", b"Subject: =?utf-8?q?a=0D=0ABcc:_x@y.fr?=")
    data = rendered(replace(TOLD, original=original, subject=f"Lu : {subject_of(original)}\r\nBcc: z@z.fr"))
    message = message_from_bytes(data)
    assert message["Bcc"] is None
    assert "a Bcc: x@y.fr" in message["Subject"]


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ("rfc822;Service@Hopital.mssante.fr", "rfc822;Service@hopital.mssante.fr"),
        ("RFC822; <x>", f"rfc822;{PATIENT}"),
        ("x400;somebody@else.fr", f"rfc822;{PATIENT}"),
        ("rfc822;a@b.fr\r\n Disposition: deleted", f"rfc822;{PATIENT}"),
        ("rfc822;é@b.fr", f"rfc822;{PATIENT}"),
    ],
)
def test_the_original_recipient_is_told_where_it_can_be_read(written: str, told: str) -> None:
    found = fields(rendered(replace(TOLD, original=letter(f"Original-Recipient: {written}"))))
    assert found["Original-Recipient"] == told
    assert found["Final-Recipient"] == f"rfc822;{PATIENT}"


def test_a_boundary_in_the_original_does_not_end_the_notification() -> None:
    first = rendered(TOLD)
    boundary = message_from_bytes(first).get_boundary()
    assert boundary is not None
    hostile = letter(body=f"--{boundary}--\r\n--{boundary}\r\n\r\nfaux\r\n".encode())
    assert len(parts(message_from_bytes(rendered(replace(TOLD, original=hostile))))) == 3
