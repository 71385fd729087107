"""Writes « Message non distribué »: the report a sender finds in the INBOX (RFC 3464, RFC 6522)."""

from __future__ import annotations

from dataclasses import dataclass, field
from email.utils import format_datetime
from typing import TYPE_CHECKING

from foundation.clock import to_paris
from mailserver.refusals import TOO_BIG

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from mailserver.refusals import Refusal

_SUBJECT = "=?utf-8?q?Message_non_distribu=C3=A9?="
_SUBJECT_TOO_BIG = "Undelivered Mail Returned to Sender"
_RETURNED_HEADER_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class Undelivered:
    """One recipient that did not get the message, and why."""

    recipient: str
    refusal: Refusal


@dataclass(frozen=True, slots=True)
class Report:
    """What a report tells. `arrived` is aware; `header` is the returned header section, each field ended by CRLF."""

    to: str
    domain: str
    hostname: str
    queue_id: str
    arrived: datetime
    undelivered: Sequence[Undelivered]
    header: bytes = field(repr=False)


def render_report(report: Report) -> bytes:
    """The whole message, ready to store; its reverse path is null, so no report can ever answer it."""
    date = format_datetime(to_paris(report.arrived))
    # The queue id is random: no returned header can hold the boundary.
    boundary = f"rapport-{report.queue_id.lower()}"
    too_big = all(one.refusal is TOO_BIG for one in report.undelivered)
    head = (
        "Return-Path: <>\r\n"
        f"From: Mail Delivery System <MAILER-DAEMON@{report.domain}>\r\n"
        f"To: {report.to}\r\n"
        f"Subject: {_SUBJECT_TOO_BIG if too_big else _SUBJECT}\r\n"
        f"Date: {date}\r\n"
        f"Message-ID: <rapport-{report.queue_id.lower()}@{report.hostname}>\r\n"
        "Auto-Submitted: auto-replied\r\n"
        "MIME-Version: 1.0\r\n"
        "Content-Type: multipart/report; report-type=delivery-status;\r\n"
        f'\tboundary="{boundary}"\r\n'
        "Content-Transfer-Encoding: 8bit\r\n"
        "\r\n"
        f"--{boundary}\r\n"
        "Content-Type: text/plain; charset=utf-8\r\n"
        "Content-Transfer-Encoding: 8bit\r\n"
        "\r\n"
        f"{_text(report.undelivered)}"
        f"--{boundary}\r\n"
        "Content-Type: message/delivery-status\r\n"
        "\r\n"
        f"Reporting-MTA: dns; {report.hostname}\r\n"
        f"Arrival-Date: {date}\r\n"
        f"{_fields(report.undelivered)}"
        f"--{boundary}\r\n"
        "Content-Type: text/rfc822-headers\r\n"
        "Content-Transfer-Encoding: 8bit\r\n"
        "\r\n"
    )
    return head.encode() + _whole_fields(report.header) + f"\r\n--{boundary}--\r\n".encode()


def _text(undelivered: Sequence[Undelivered]) -> str:
    lines = []
    for one in undelivered:
        cause = one.refusal.sentence
        lines += [
            f"Message non distribué : {cause[:1].lower()}{cause[1:]}",
            f"Destinataire : {one.recipient}",
            f"Que faire : {one.refusal.advice}",
            f"Code : {one.refusal.code}",
            "",
        ]
    lines += ["Ce rapport est automatique, une réponse ne serait lue par personne.", ""]
    return "\r\n".join(lines) + "\r\n"


def _fields(undelivered: Sequence[Undelivered]) -> str:
    blocks = [
        "\r\n"
        f"Final-Recipient: rfc822; {one.recipient}\r\n"
        "Action: failed\r\n"
        f"Status: {one.refusal.enhanced}\r\n"
        f"Diagnostic-Code: smtp; {one.refusal.reply} {one.refusal.smtp_text}\r\n"
        for one in undelivered
    ]
    return "".join(blocks) + "\r\n"


def _whole_fields(header: bytes) -> bytes:
    if len(header) <= _RETURNED_HEADER_BYTES:
        return header
    end = header.rfind(b"\r\n", 0, _RETURNED_HEADER_BYTES)
    return header[: end + 2] if end >= 0 else b""
