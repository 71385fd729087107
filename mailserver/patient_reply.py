"""A patient answers a professional: the message is written here, then goes the way of all mail.

No `X-MSS-…` header: those are the professionals'. The name shown is the patient's, the address the INS (ECO.3.1.2).
"""

from __future__ import annotations

import asyncio
import secrets
from binascii import b2a_base64
from email.headerregistry import Address as MailboxAddress
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from typing import TYPE_CHECKING

from directory.correspondents import correspondent
from directory.patients import patient_of
from foundation.clock import to_paris
from foundation.identifiers import Address
from mailserver.answers import TakenBefore, form_hash, take, was_taken
from mailserver.conversations import Basis, Received, add_sent, basis_of, may_reply
from mailserver.delivery.local import Rejected, SentCopy
from mailserver.delivery.trace import is_message_id
from mailserver.envelope import Accepted, Envelope, Origin, Refused
from mailserver.refusals import (
    ATTACHMENTS_TOO_BIG,
    EMPTY_ANSWER,
    FORBIDDEN_ATTACHMENT,
    INVALID_ADDRESS,
    PATIENT_BOX_CLOSED,
    PATIENT_TO_PATIENT,
    TOO_BIG,
    UNKNOWN_CONVERSATION,
    Refusal,
)
from mailserver.uploads import Upload, file_type, safe_name

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sqlalchemy import Connection

    from directory.annuaire.view import HasView
    from directory.patients import Patient
    from foundation.clock import Clock
    from foundation.database import Database, UnitOfWork
    from foundation.settings import Settings
    from mailserver.delivery.router import Router
    from mailserver.store.append import Appended

__all__ = ["PatientDesk", "Upload"]

_MAX_TEXT = 50_000
"""Characters; what the national web services allow in a body."""
_MAX_UPLOADS = 100
_ENCODED_AT_ONCE = 57 * 1024
_ONCE = Accepted("", ())


class PatientDesk:
    """Where patients hand in their answers."""

    def __init__(
        self,
        router: Router,
        database: Database,
        clock: Clock,
        settings: Settings,
        *,
        annuaire: HasView | None = None,
    ) -> None:
        self._router = router
        self._database = database
        self._clock = clock
        self._settings = settings
        self._annuaire = annuaire

    async def answer(
        self,
        patient: Patient,
        conversation_id: int,
        text: str,
        attachments: Sequence[Upload] = (),
        *,
        nonce: str = "",
    ) -> Accepted | Refused:
        """Answers in a conversation: delivered, kept in Sent and shown in the conversation, in one transaction.

        Refused when the professional ended the exchange, also when that happens in the same moment. The same
        answer with the same `nonce` is accepted again without a second message, also after a restart.
        """
        refusal = self._check(text, attachments)
        if refusal is not None:
            return Refused(refusal)
        form = None
        if nonce:
            form = await asyncio.to_thread(form_hash, nonce, conversation_id, text, attachments)

        view = self._annuaire.view() if self._annuaire is not None else None

        def look_up(connection: Connection) -> tuple[Refusal | None, Basis | None, str]:
            if form is not None and was_taken(connection, patient.owner_id, form):
                raise TakenBefore
            basis = basis_of(connection, patient.owner_id, conversation_id)
            name = correspondent(connection, view, basis.counterpart).name if basis is not None else ""
            return may_reply(connection, patient.owner_id, conversation_id), basis, name

        try:
            refusal, basis, name = self._database.read_now(look_up)
        except TakenBefore:
            return _ONCE
        if refusal is not None or basis is None:
            return Refused(refusal or UNKNOWN_CONVERSATION)
        sender = f"{patient.ins}@{self._settings.patient_domain}".lower()
        message_id = f"<{secrets.token_hex(16)}@{self._settings.patient_domain}>"
        to = _mailbox(name, basis.counterpart)
        author = _mailbox(patient.name, sender)
        if to is None or author is None:
            return Refused(INVALID_ADDRESS)
        if to.domain == self._settings.patient_domain:
            return Refused(PATIENT_TO_PATIENT)
        message = _headed(author, to, basis, message_id)
        message["Date"] = format_datetime(to_paris(self._clock.now()))
        # Encoding some megabytes to base64 takes a while.
        content = await asyncio.to_thread(_written, message, text, tuple(attachments))
        if len(content) > self._settings.limits.message_bytes:
            return Refused(ATTACHMENTS_TOO_BIG)
        now = self._clock.millis()

        def record(uow: UnitOfWork, appended: Appended) -> None:
            if form is not None:
                take(uow, patient.owner_id, form, now)
            ended = may_reply(uow.connection, patient.owner_id, conversation_id)
            if ended is not None:
                raise Rejected(ended)
            current = patient_of(uow.connection, patient.owner_id)
            if current is None or not current.box_is_open:
                raise Rejected(PATIENT_BOX_CLOSED)
            sent = Received(appended.mail_id, basis.counterpart, basis.subject, message_id, (), now)
            add_sent(uow, patient.owner_id, conversation_id, sent)

        envelope = Envelope(
            sender=sender,
            recipients=(basis.counterpart,),
            content=content,
            principal=None,
            peer="",
            helo="",
            protocol="HTTPS",
            origin=Origin.HOUSE,
        )
        try:
            answer = await self._router.deliver(envelope, SentCopy(patient.owner_id, record))
        except TakenBefore:
            return _ONCE
        if isinstance(answer, Accepted):
            # The page is the acknowledgement; each answer has a message id of its own.
            await self._router.acknowledged(answer)
        return answer

    def _check(self, text: str, attachments: Sequence[Upload]) -> Refusal | None:
        if not text.strip() and not any(each.data for each in attachments):
            return EMPTY_ANSWER
        if len(text) > _MAX_TEXT:
            return TOO_BIG
        # Base64 makes four characters of three octets.
        if sum(len(each.data) for each in attachments) * 4 // 3 > self._settings.limits.message_bytes:
            return ATTACHMENTS_TOO_BIG
        if len(attachments) > _MAX_UPLOADS or any(file_type(each) is None for each in attachments):
            return FORBIDDEN_ATTACHMENT
        return None


def _mailbox(name: str, address: str) -> MailboxAddress | None:
    parsed = Address.parse(address)
    if parsed is None:
        return None
    return MailboxAddress(_one_line(name), parsed.local, parsed.domain)


def _one_line(text: str) -> str:
    """Text that can start no header: every control character is a space."""
    return " ".join("".join(each if each.isprintable() else " " for each in text).split())


# ref: ECO.3.1.2
def _headed(author: MailboxAddress, to: MailboxAddress, basis: Basis, message_id: str) -> EmailMessage:
    message = EmailMessage(policy=SMTP)
    message["From"] = author
    message["To"] = to
    subject = _one_line(basis.subject)
    message["Subject"] = subject if subject.lower().startswith("re:") else f"Re: {subject}"
    message["Message-ID"] = message_id
    if basis.in_reply_to is not None and is_message_id(basis.in_reply_to):
        message["In-Reply-To"] = basis.in_reply_to
    references = [each for each in basis.references if is_message_id(each)]
    if references:
        message["References"] = " ".join(references)
    return message


def _written(head: EmailMessage, text: str, attachments: tuple[Upload, ...]) -> bytes:
    """The whole message. Attachments are encoded piece by piece, so that other threads get their turn."""
    body = _part()
    shown = text.replace("\r\n", "\n").replace("\r", "\n").replace("\0", "")
    shown = shown.encode("utf-8", "replace").decode("utf-8")
    body.set_content(shown, charset="utf-8", cte="quoted-printable")
    del body["MIME-Version"]
    top = head.as_bytes().removesuffix(b"\r\n") + b"MIME-Version: 1.0\r\n"
    if not attachments:
        return top + body.as_bytes()
    boundary = f"reponse-{secrets.token_hex(12)}".encode()
    pieces = [top, b'Content-Type: multipart/mixed; boundary="%b"\r\n\r\n' % boundary]
    pieces += [b"--%b\r\n" % boundary, body.as_bytes()]
    for upload in attachments:
        pieces += [b"\r\n--%b\r\n" % boundary, _attachment_head(upload), *_base64(upload.data)]
    pieces.append(b"\r\n--%b--\r\n" % boundary)
    return b"".join(pieces)


def _part() -> EmailMessage:
    return EmailMessage(policy=SMTP)


def _attachment_head(upload: Upload) -> bytes:
    found = file_type(upload)
    assert found is not None
    part = _part()
    charset = f'; charset="{_charset(upload.data)}"' if not found.signatures else ""
    part["Content-Type"] = found.media_type + charset
    part["Content-Transfer-Encoding"] = "base64"
    part.add_header("Content-Disposition", "attachment", filename=safe_name(upload.filename))
    return part.as_bytes()


def _base64(data: bytes) -> Iterator[bytes]:
    """Base64 in lines of 76 characters, each ended by CRLF."""
    for start in range(0, len(data), _ENCODED_AT_ONCE):
        encoded = b2a_base64(data[start : start + _ENCODED_AT_ONCE], newline=False)
        lines = [encoded[at : at + 76] for at in range(0, len(encoded), 76)]
        yield b"\r\n".join(lines) + b"\r\n"


def _charset(data: bytes) -> str:
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return "windows-1252"
    return "utf-8"
