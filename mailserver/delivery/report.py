"""Writes what a sender is told of a message: not delivered, late, delivered or passed on (RFC 3464, RFC 6522)."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from email.utils import format_datetime
from typing import TYPE_CHECKING

from foundation.clock import from_millis, to_paris
from foundation.mime.folding import fold
from foundation.mime.words import decode_words
from mailserver.delivery.status import Action, Reported, plain, status_part
from mailserver.delivery.trace import is_message_id
from mailserver.envelope import NOTHING_ASKED, RecipientDsn
from mailserver.refusals import (
    FOREIGN_SENDER_EXPECTED,
    PEER_REFUSED,
    REFUSALS,
    RELAY_DENIED,
    TLS_REQUIRED,
    TOO_BIG,
    Refusal,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

RETURNED_HEADER_BYTES = 64 * 1024
RETURNED_MESSAGE_BYTES = 1024 * 1024
"""A message above this comes back as its header, whatever RET asked for (RFC 3461 §4.3 allows it)."""
__all__ = ["Action", "Report", "Reported", "Undelivered", "render_report"]

_SUBJECT_TOO_BIG = "Undelivered Mail Returned to Sender"
_MAX_SUBJECT = 200
_MAX_PARAGRAPHS = 20
_MAX_NAMED = 50

_OUR_CODE = re.compile(r"5[0-9]{2}[ -](?:5\.[0-9]{1,3}\.[0-9]{1,3} )?(MSS-1[0-9]{2})(?: |$)")
_FOR_OPERATORS = frozenset({TLS_REQUIRED, RELAY_DENIED, FOREIGN_SENDER_EXPECTED})
"""Refusals of another Vaguemestre whose advice no writer of messages can follow."""

_SUBJECTS: Mapping[Action, str] = {
    Action.FAILED: "Message non distribué",
    Action.DELAYED: "Message retardé",
    Action.DELIVERED: "Message remis",
    Action.RELAYED: "Message transmis",
}
_SUCCESSES: Mapping[Action, str] = {
    Action.DELIVERED: "il est dans la boîte aux lettres du destinataire.",
    Action.RELAYED: "le serveur du destinataire l'a pris, mais ne confirme pas la remise.",
}


@dataclass(frozen=True, slots=True)
class Undelivered:
    """One recipient that did not get the message, why, and what its sender asked to be told."""

    recipient: str
    refusal: Refusal
    asked: RecipientDsn = NOTHING_ASKED


@dataclass(frozen=True, slots=True)
class Report:
    """What a report tells. Times are epoch ms; `content` is the message, or its header alone, with CRLF line ends.

    `identifier` is random: it makes the boundary, which no returned message may hold.
    """

    to: str
    domain: str
    hostname: str
    identifier: str
    at: int
    action: Action
    recipients: Sequence[Reported]
    arrived_at: int
    content: bytes = field(repr=False)
    envid: str | None = None
    ret: str | None = None
    retried_until: int | None = None


# ref: F14
def render_report(report: Report) -> bytes:
    """The whole message, ready to store; its reverse path is null, so no report can ever answer it."""
    boundary = f"rapport-{report.identifier.lower()}"
    header = _header(report.content)
    status_type, fields = status_part(report)
    returned_type, returned = _returned(report, header)
    subject = _SUBJECTS[report.action]
    if report.action is Action.FAILED and all(one.refusal is TOO_BIG for one in report.recipients):
        subject = _SUBJECT_TOO_BIG
    head = (
        "Return-Path: <>\r\n"
        f"From: Mail Delivery System <MAILER-DAEMON@{report.domain}>\r\n"
        f"To: {report.to}\r\n"
        f"{fold('Subject', subject).decode()}"
        f"Date: {format_datetime(to_paris(from_millis(report.at)))}\r\n"
        f"Message-ID: <rapport-{report.identifier.lower()}@{report.hostname}>\r\n"
        f"{_reference(header)}"
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
        f"{_text(report, header)}"
        f"--{boundary}\r\n"
        f"Content-Type: message/{status_type}\r\n"
        "\r\n"
    )
    third = (
        f"\r\n--{boundary}\r\nContent-Type: {returned_type}\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
    ).encode()
    return b"".join((head.encode(), fields, third, returned, f"\r\n--{boundary}--\r\n".encode()))


def _start(content: bytes) -> int:
    return content.find(b"\r\n") + 2 if content[:12].lower() == b"return-path:" else 0


def _header(content: bytes) -> bytes:
    """The header section of a message with its last CRLF, without the Return-Path that we wrote over it."""
    start = _start(content)
    end = content.find(b"\r\n\r\n", start)
    return content[start : end + 2] if end >= 0 else content[start:]


def _returned(report: Report, header: bytes) -> tuple[str, bytes]:
    """What comes back: the header, or the whole where that was asked of a failure (RFC 3461 §4.3)."""
    is_global = not header.isascii()
    is_wanted = report.ret == "FULL" and report.action is Action.FAILED
    if is_wanted and len(report.content) <= RETURNED_MESSAGE_BYTES and b"\r\n\r\n" in report.content:
        whole = report.content[_start(report.content) :]
        return "message/global" if is_global else "message/rfc822", whole
    kept = header
    if len(header) > RETURNED_HEADER_BYTES:
        kept = header[: header.rfind(b"\r\n", 0, RETURNED_HEADER_BYTES) + 2]
    return "message/global-headers" if is_global else "text/rfc822-headers", kept


def _field(header: bytes, name: bytes) -> str:
    """The first field of a name, decoded; the header was judged when the message came in."""
    lowered = b"\n" + header[:RETURNED_HEADER_BYTES].lower()
    at = lowered.find(b"\n" + name + b":")
    if at < 0:
        return ""
    start = end = at + len(name) + 1
    while (end := header.find(b"\r\n", end)) >= 0:
        if header[end + 2 : end + 3] not in (b" ", b"\t"):
            break
        end += 2
    return decode_words(header[start : end if end >= 0 else len(header)])


def _reference(header: bytes) -> str:
    """In-Reply-To and References, so that mail programs show the report beside the message."""
    found = _field(header, b"message-id")
    return f"In-Reply-To: {found}\r\nReferences: {found}\r\n" if is_message_id(found) else ""


# ref: F29
def _text(report: Report, header: bytes) -> str:
    subject = _field(header, b"subject")[:_MAX_SUBJECT]
    lines = [
        f"Votre message du {_moment(report.arrived_at)} (heure de Paris)",
        *([f"Objet : {subject}"] if subject else []),
        "",
    ]
    for cause, told in _causes(report.recipients).items():
        lines += [*_paragraph(report, cause, told), ""]
    lines += ["Ce rapport est automatique, une réponse ne serait lue par personne.", ""]
    return "\r\n".join(lines) + "\r\n"


@dataclass(frozen=True, slots=True)
class _Cause:
    """What one paragraph tells. `said` is the refusal that another Vaguemestre named in its reply."""

    refusal: Refusal | None
    said: Refusal | None
    server: str | None
    reply: str | None


def _causes(recipients: Sequence[Reported]) -> Mapping[_Cause, Sequence[Reported]]:
    """The recipients by cause; where servers say too many different things, by what we call it alone."""
    found: dict[_Cause, list[Reported]] = {}
    for one in recipients:
        found.setdefault(_cause(one), []).append(one)
    if len(found) <= _MAX_PARAGRAPHS:
        return found
    fewer: dict[_Cause, list[Reported]] = {}
    for cause, told in found.items():
        fewer.setdefault(replace(cause, server=None, reply=None), []).extend(told)
    return fewer


def _cause(one: Reported) -> _Cause:
    """Servers like to repeat the recipient in the reply; that makes no cause of its own."""
    reply = plain(one.reply).replace(one.address, "...") if one.reply is not None else None
    return _Cause(one.refusal, _said(one), plain(one.server) if one.server is not None else None, reply)


def _said(one: Reported) -> Refusal | None:
    """The peer's refusal where its reply has a code of our table."""
    found = _OUR_CODE.match(one.reply or "") if one.refusal == PEER_REFUSED else None
    return REFUSALS.get(found[1]) if found is not None else None


def _paragraph(report: Report, cause: _Cause, told: Sequence[Reported]) -> Iterator[str]:
    refusal, said = cause.refusal, cause.said
    # Quoted: "ici" and "l'autre opérateur" are as the other server sees it.
    sentence = _SUCCESSES.get(report.action, "") if refusal is None else refusal.sentence
    if said is not None:
        sentence = f"le serveur du destinataire répond « {said.sentence} »"
    yield f"{_SUBJECTS[report.action]} : {sentence[:1].lower()}{sentence[1:]}"
    yield from _named(told)
    if cause.reply is not None:
        server = f" ({cause.server})" if cause.server is not None else ""
        reply = plain(told[0].reply or "") if len(told) == 1 else cause.reply
        yield f"Réponse de l'autre serveur{server} : {reply}"
    elif told[0].reply is not None:
        yield "Réponses de l'autre serveur : voyez la partie technique de ce rapport"
    if report.action is Action.DELAYED and report.retried_until is not None:
        yield f"Nouveaux essais jusqu'au {_moment(report.retried_until)} (heure de Paris)"
    if refusal is not None:
        advice = said.advice if said is not None and said not in _FOR_OPERATORS else refusal.advice
        yield f"Que faire : {advice}"
        theirs = f", {said.code} chez l'autre opérateur" if said is not None else ""
        yield f"Code : {refusal.code}{theirs}"


def _named(told: Sequence[Reported]) -> Iterator[str]:
    if len(told) == 1:
        yield f"Destinataire : {told[0].address}"
        return
    yield f"Destinataires ({len(told)}) :"
    for one in told[:_MAX_NAMED]:
        yield f"- {one.address}"
    if len(told) > _MAX_NAMED:
        yield f"- et {len(told) - _MAX_NAMED} autres, nommés dans la partie technique de ce rapport"


def _moment(at: int) -> str:
    return to_paris(from_millis(at)).strftime("%d/%m/%Y à %H:%M")
