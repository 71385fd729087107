"""Tells the sender that a document was not integrated, with its code, and nothing of the patient's record."""

from __future__ import annotations

from dataclasses import dataclass, field
from email.utils import format_datetime
from typing import TYPE_CHECKING

from dmp_bridge.codes import ErrorCode
from dmp_bridge.record import State
from foundation.clock import to_paris
from foundation.mime.headers import fold
from foundation.mime.scanner import header, scan

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from dmp_bridge.record import Filing

REPORT_JOB = "bridge-report"
"""Payload: that of the job "bridge" (`owner_id`, `mail_id`, `blob_id`, `sender`, `message_id`) and `at`, epoch ms."""

_PREFIX = "[KO Intégration système !]"


@dataclass(frozen=True, slots=True)
class Report:
    """A report to the sender of a refused document (ANS, PFI: "courriel standard")."""

    to: str
    subject: str = field(repr=False)
    text: str = field(repr=False)
    message_id: str | None

    def render(self, *, author: str, hostname: str, identifier: str, at: datetime) -> bytes:
        """The whole message, ready to deliver under the null reverse path; lines end in CRLF."""
        answered = fold("In-Reply-To", self.message_id) if self.message_id else b""
        header = (
            fold("From", author)
            + fold("To", self.to)
            + fold("Subject", self.subject)
            + fold("Date", format_datetime(to_paris(at)))
            + fold("Message-ID", f"<{identifier}@{hostname}>")
            + answered
            + fold("Auto-Submitted", "auto-replied")
            + b"MIME-Version: 1.0\r\n"
            + b"Content-Type: text/plain; charset=utf-8\r\n"
            + b"Content-Transfer-Encoding: 8bit\r\n"
        )
        return header + b"\r\n" + self.text.replace("\n", "\r\n").encode()


def compose(
    message: bytes,
    filings: Sequence[Filing],
    *,
    sender: str,
    message_id: str | None,
    recipients: Sequence[str] = (),
) -> Report | None:
    """The report on the refused among ``filings``; None when there is nobody to tell or nothing to say.

    The subject, the file names and the addresses of the recipients are the sender's own words; the rest are
    fixed sentences.
    """
    refused = [each for each in filings if each.state is State.REFUSED]
    if not refused or not sender or _is_automatic(message):
        return None
    subject = " ".join((header(message, scan(message), "Subject") or "").split())[:500]
    lines = [
        "Bonjour,",
        "",
        "Un document de votre message n'a pas pu être intégré au dossier du patient.",
        "Le message lui-même a bien été remis.",
        *(f"Destinataire : {address}" for address in recipients),
        "",
    ]
    for each in refused:
        code = ErrorCode(each.code or ErrorCode.OTHER)
        lines += [
            f"Pièce jointe : {each.filename or '(sans nom)'}",
            f"Erreur {code.value} : {code.label}",
            f"Motif : {each.sentence}",
            f"Que faire : {code.advice}",
            "",
        ]
    lines += ["Ce rapport est automatique, une réponse ne serait lue par personne.", ""]
    return Report(
        to=sender,
        subject=f"{_PREFIX}[{refused[0].code or ErrorCode.OTHER.value}] {subject}".rstrip(),
        text="\n".join(lines),
        message_id=message_id,
    )


def _is_automatic(message: bytes) -> bool:
    """Reports answer people, never programs (RFC 3834 §2)."""
    root = scan(message)
    submitted = (header(message, root, "Auto-Submitted") or "no").partition(";")[0].strip().lower()
    return submitted != "no" or root.content_type == "multipart/report"
