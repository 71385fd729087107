"""Tells the sender what became of the documents of a mail: by an MDN where one was asked for, else only a refusal.

Neither tells anything of the patient's record (ANS, integration of documents received by MSSanté, dmp.md §4.6).
"""

from __future__ import annotations

import hashlib
import unicodedata
from dataclasses import dataclass, field, replace
from email.utils import format_datetime
from typing import TYPE_CHECKING

from dmp_bridge.codes import ErrorCode
from dmp_bridge.findings import Kind
from dmp_bridge.offer import FILED_BY_PATIENT
from dmp_bridge.record import State
from foundation.clock import to_paris
from foundation.mime.headers import fold
from foundation.mime.notifications import (
    Action,
    Fate,
    Notification,
    given_again,
    is_automatic,
    notified,
    subject_of,
)
from foundation.mime.scanner import scan

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from dmp_bridge.record import Filing
    from foundation.mime.parts import Part

REPORT_JOB = "bridge-report"
"""Payload: that of the job "bridge" (`owner_id`, `mail_id`, `blob_id`, `sender`, `message_id`) and `at`, epoch ms."""

_PREFIX = "[KO Intégration système !]"
_NOT_INTEGRATED = (
    "Le message ci-dessous a bien été remis, mais il n'a pas pu être intégré automatiquement au dossier du patient"
    " pour la raison suivante :"
)
_PLAIN: Mapping[str, str] = {"«": '"', "»": '"', "’": "'", "œ": "oe"}
_LARGEST = 25 * 1024 * 1024
_TEXT = b"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n"
_ORIGINAL = (
    b'Content-Type: message/rfc822\r\nContent-Disposition: attachment; filename="message_original.eml"\r\n'
)
_DOCUMENTS = frozenset({Kind.XDM_DOCUMENT.value, Kind.CDA.value})
_IN_RECORD = frozenset({State.FILED, State.DUPLICATE, State.DELETED})


# ref: F17
@dataclass(frozen=True, slots=True)
class Report:
    """A report to the sender of a refused document (ANS, PFI: "courriel standard").

    ``original`` is the mail that is given back whole, b"" for none, with ``attached`` of its parts once more.
    """

    to: str
    subject: str = field(repr=False)
    text: str = field(repr=False)
    message_id: str | None
    original: bytes = field(default=b"", repr=False)
    attached: tuple[Part, ...] = field(default=(), repr=False)

    def render(
        self, *, author: str, hostname: str, identifier: str, at: datetime, largest: int = _LARGEST
    ) -> bytes:
        """The whole message, ready to deliver under the null reverse path; lines end in CRLF.

        What would make it more than ``largest`` bytes is left out: first the attachments, then the original.
        """
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
        )
        text = _TEXT + b"\r\n" + self.text.replace("\n", "\r\n").encode()
        room = largest - len(header) - len(text) - 1024
        if not self.original or len(self.original) > room:
            return header + text
        # Nobody can write a message that contains a boundary made from its own digest.
        digest = hashlib.sha256(identifier.encode() + self.original).hexdigest()
        boundary = f"retour-{digest[:40]}"
        part = f"\r\n--{boundary}\r\n".encode()
        eight_bit = b"" if self.original.isascii() else b"Content-Transfer-Encoding: 8bit\r\n"
        whole = (part, _ORIGINAL, eight_bit, b"\r\n", self.original)
        again = [piece for each in self.attached for piece in (part, *given_again(self.original, each))]
        if sum(map(len, (*whole, *again))) > room:
            again = []
        kind = f'Content-Type: multipart/mixed; boundary="{boundary}"\r\n'.encode()
        head = header + kind + b"Content-Transfer-Encoding: 8bit\r\n"
        return b"".join((head, part, text, *whole, *again, f"\r\n--{boundary}--\r\n".encode()))


def settles(results: Iterable[tuple[str, State]]) -> bool:
    """Whether the kinds and states of a mail's attachments answer a request for an MDN.

    They do when a document was refused, or when every clinical document is in the record. What is only offered was
    not processed: nobody is told « intégré » of what the patient may leave aside.
    """
    listed = list(results)
    if any(state is State.REFUSED for _, state in listed):
        return True
    documents = [state for kind, state in listed if kind in _DOCUMENTS]
    return bool(documents) and all(state in _IN_RECORD for state in documents)


def is_answered(filings: Sequence[Filing]) -> bool:
    """Whether the bridge answers a request for an MDN on these filings; one message gets one (RFC 8098 §2.1)."""
    return settles((each.kind, _as_judged(each)) for each in filings)


# ref: DMP-F13
def compose(
    message: bytes,
    filings: Sequence[Filing],
    *,
    sender: str,
    message_id: str | None,
    recipients: Sequence[str] = (),
) -> Report | Notification | None:
    """What the sender is told of ``filings``; None when there is nobody to tell or nothing to say.

    An MDN where the message asks its own sender's address to be notified (RFC 8098 §2.1), else a report on what was
    refused. ``recipients`` is the patient's address. The subject, the file names and the addresses are the sender's
    own words; the rest are fixed sentences.
    """
    refused = [each for each in filings if each.state is State.REFUSED]
    if not sender or is_automatic(message):
        return None
    to = notified(message, sender)
    if to is not None and recipients:
        return _notification(message, filings, refused, to, recipients[0]) if is_answered(filings) else None
    if not refused:
        return None
    lines = [
        "Bonjour,",
        "",
        "Un document de votre message n'a pas pu être intégré au dossier du patient.",
        "Le message lui-même a bien été remis.",
        *(f"Destinataire : {address}" for address in recipients),
        "",
        *_told(refused),
        "Ce rapport est automatique, une réponse ne serait lue par personne.",
        "",
    ]
    return Report(
        to=sender,
        subject=_refusing(refused[0], subject_of(message)),
        text="\n".join(lines),
        message_id=message_id,
    )


# ref: F16
def _notification(
    message: bytes, filings: Sequence[Filing], refused: Sequence[Filing], to: str, patient: str
) -> Notification:
    integrated = [each for each in filings if each.kind in _DOCUMENTS and _as_judged(each) in _IN_RECORD]
    subject = subject_of(message)
    if not refused:
        text = "Le document a été intégré."
        if len(integrated) > 1:
            text = f"Les {len(integrated)} documents ont été intégrés."
        return Notification(
            patient.lower(), to, subject, f"{text}\n", Action.AUTOMATIC, Fate.PROCESSED, original=message
        )
    code = _code(refused[0])
    lines = [
        f"{_NOT_INTEGRATED} {code.value} {code.label}.",
        "",
        *_told(refused),
        *(f"Pièce jointe : {each.filename or '(sans nom)'} : intégrée." for each in integrated),
        "",
    ]
    return Notification(
        patient.lower(),
        to,
        _refusing(refused[0], subject),
        "\n".join(lines),
        Action.AUTOMATIC,
        Fate.PROCESSED,
        original=message,
        error=in_ascii(code),
        attached=_not_integrated(message, filings),
    )


def returning(report: Report, message: bytes, filings: Sequence[Filing]) -> Report:
    """The report with the mail it is about, and once more what of it is not in the record."""
    return replace(report, original=message, attached=_not_integrated(message, filings))


def _told(refused: Iterable[Filing]) -> list[str]:
    lines = []
    for each in refused:
        code = _code(each)
        lines += [
            f"Pièce jointe : {each.filename or '(sans nom)'}",
            f"Erreur {code.value} : {code.label}",
            f"Motif : {each.sentence}",
            f"Que faire : {code.advice}",
            "",
        ]
    return lines


def _refusing(first: Filing, subject: str) -> str:
    return f"{_PREFIX}[{_code(first).value}] {subject}".rstrip()


def _code(refused: Filing) -> ErrorCode:
    return ErrorCode(refused.code or ErrorCode.OTHER)


def _as_judged(filing: Filing) -> State:
    """The state that the bridge gave: what the patient filed afterwards was offered, whenever this is asked."""
    return State.OFFERED if filing.sentence == FILED_BY_PATIENT else filing.state


def _not_integrated(message: bytes, filings: Sequence[Filing]) -> tuple[Part, ...]:
    """The attachments that are not in the record as a whole, to be given again beside the original."""
    wanted = {
        each.part
        for each in filings
        if each.document_id is None or _as_judged(each) not in _IN_RECORD | {State.COPY}
    }
    return tuple(part for part in scan(message).walk() if part.number in wanted and not part.is_multipart)


def in_ascii(code: ErrorCode) -> str:
    """`904^Document…`: a code and its label as the fields of a notification can hold them."""
    plain = "".join(_PLAIN.get(character, character) for character in code.label)
    return f"{code.value}^{unicodedata.normalize('NFKD', plain).encode('ascii', 'ignore').decode('ascii')}"
