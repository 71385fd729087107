"""Disposition notifications (MDN): whom a message lets be told of its fate, and the message that tells it (RFC 8098)."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field
from email.utils import format_datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from foundation.clock import to_paris
from foundation.identifiers import Address
from foundation.mime.addresses import MailAddress, parse_addresses
from foundation.mime.content import TEXT, read_content
from foundation.mime.fields import split_fields, unfold
from foundation.mime.folding import fold
from foundation.mime.words import decode_words

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from foundation.mime.parts import Part

MAX_REQUEST_BYTES: Final = 2_000
"""One address with its name; a longer Disposition-Notification-To asks for nothing that we answer."""
MAX_SUBJECT: Final = 500
_MAX_HEADER_BYTES: Final = 2 * 1024 * 1024
_MAX_RETURNED_HEADER_BYTES: Final = 64 * 1024
_BLANK_LINE: Final = re.compile(rb"\n\r?\n")
_REQUIRED: Final = re.compile(rb"=\s*required\b", re.IGNORECASE)
_MESSAGE_ID: Final = re.compile(r"<[!-;=?-~]{1,250}>")


class Action(StrEnum):
    """Who decided that a notification is sent (RFC 8098 §3.2.6.1)."""

    AUTOMATIC = "automatic-action/MDN-sent-automatically"
    MANUAL = "manual-action/MDN-sent-manually"


class Fate(StrEnum):
    """What happened to the message (RFC 8098 §3.2.6.2)."""

    DISPLAYED = "displayed"
    PROCESSED = "processed"


class _Header:
    """The fields of a message's header that notifications look at."""

    def __init__(self, message: bytes) -> None:
        blank = _BLANK_LINE.search(message, 0, _MAX_HEADER_BYTES)
        self.end = blank.end() if blank is not None else min(len(message), _MAX_HEADER_BYTES)
        self.block = message[: self.end]
        self._fields = [(name.lower(), value) for name, value in split_fields(self.block)]

    def all(self, name: bytes) -> list[bytes]:
        """Every value of a field, unfolded."""
        return [unfold(value) for found, value in self._fields if found == name]

    def first(self, name: bytes) -> bytes | None:
        return next((unfold(value) for found, value in self._fields if found == name), None)

    @property
    def is_report(self) -> bool:
        content = read_content(self.block, TEXT)
        return (content.media_type, content.subtype) == ("multipart", "report")

    @property
    def is_automatic(self) -> bool:
        submitted = (self.first(b"auto-submitted") or b"no").partition(b";")[0].strip().lower()
        return submitted != b"no" or self.is_report


def is_report(message: bytes) -> bool:
    """Whether a message is a delivery report or a disposition notification (RFC 6522)."""
    return _Header(message).is_report


def is_automatic(message: bytes) -> bool:
    """Whether a program wrote this message, so that no other program answers it (RFC 3834 §2)."""
    return _Header(message).is_automatic


def is_answer(message: bytes) -> bool:
    """Whether a program wrote this message as an answer to another one: a report, or what says so (RFC 3834 §5)."""
    header = _Header(message)
    submitted = (header.first(b"auto-submitted") or b"").partition(b";")[0].strip().lower()
    return submitted == b"auto-replied" or header.is_report


def reply_to(message: bytes) -> str:
    """The one address to which an answer is to go, where the message names another than its author; else ""."""
    asked = parse_addresses(_Header(message).first(b"reply-to") or b"")
    if len(asked) != 1 or not isinstance(asked[0], MailAddress):
        return ""
    address = Address.parse(asked[0].address)
    return str(address) if address is not None else ""


def return_path(message: bytes) -> str:
    """The reverse-path that the final delivery wrote on top of a message; "" for the null one, or without one."""
    written = _Header(message).first(b"return-path")
    address = Address.parse(written.decode("utf-8", "replace").strip(" <>")) if written else None
    return str(address) if address is not None else ""


# ref: F15
def notified(message: bytes, sender: str) -> str | None:
    """The one address that a message asks to be notified at, when it is that of its envelope sender; else None.

    None as well where RFC 8098 §2.1 keeps programs silent: several addresses or fields, the null sender, a message
    that is itself an answer, and an option that has to be understood (§2.2; we know none).
    """
    header = _Header(message)
    requests = header.all(b"disposition-notification-to")
    if len(requests) != 1 or len(requests[0]) > MAX_REQUEST_BYTES or header.is_automatic:
        return None
    if any(_REQUIRED.search(options) for options in header.all(b"disposition-notification-options")):
        return None
    asked = parse_addresses(requests[0])
    if len(asked) != 1 or not isinstance(asked[0], MailAddress) or not asked[0].domain:
        return None
    address, path = Address.parse(asked[0].address), Address.parse(sender)
    if address is None or path is None or str(address) != str(path):
        return None
    # A notification in ASCII cannot name an internationalised mailbox (RFC 6533 §4).
    return str(address) if str(address).isascii() else None


@dataclass(frozen=True, slots=True)
class Notification:
    """What became of ``original``, told to the one who asked (RFC 8098 §3).

    ``author`` is the recipient on whose behalf it is sent; ``error`` one line of ASCII, with which the French
    profile marks what failed (ANS, PFI); ``attached`` are parts of the original that are given once more.
    """

    author: str
    to: str
    subject: str = field(repr=False)
    text: str = field(repr=False)
    action: Action
    fate: Fate
    original: bytes = field(repr=False)
    error: str | None = None
    attached: tuple[Part, ...] = field(default=(), repr=False)

    def render(self, *, hostname: str, identifier: str, at: datetime, largest: int) -> bytes:
        """The whole message, ready to deliver under the null reverse-path; the same bytes for the same arguments.

        What would make it more than ``largest`` bytes is left out: first the attachments, then the original's body.
        """
        # Nobody can write a message that contains a boundary made from its own digest.
        boundary = f"avis-{hashlib.sha256(identifier.encode() + self.original).hexdigest()[:40]}"
        header = _Header(self.original)
        head = self._head(header, hostname, identifier, at, boundary)
        part = f"--{boundary}\r\n".encode()
        report = (
            b"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n",
            self.text.replace("\n", "\r\n").encode("utf-8", "replace"),
            b"\r\n",
            part,
            b"Content-Type: message/disposition-notification\r\n\r\n",
            self._fields(header, hostname),
            b"\r\n",
        )
        start = b"".join((head, part, *report))
        whole = (_EMBEDDED if self.original.isascii() else _EMBEDDED_8BIT, self.original, b"\r\n")
        again = [piece for each in self.attached for piece in (part, *given_again(self.original, each))]
        end = f"--{boundary}--\r\n".encode()
        room = largest - len(start) - len(part) - len(end)
        if sum(map(len, (*whole, *again))) <= room:
            return b"".join((start, part, *whole, *again, end))
        if sum(map(len, whole)) <= room:
            return b"".join((start, part, *whole, end))
        return b"".join((start, part, _HEADER_ONLY, _whole_fields(header.block), b"\r\n", end))

    def _head(self, header: _Header, hostname: str, identifier: str, at: datetime, boundary: str) -> bytes:
        answered = _message_id(header)
        automatic = fold("Auto-Submitted", "auto-replied") if self.action is Action.AUTOMATIC else b""
        return (
            fold("Date", format_datetime(to_paris(at)))
            + fold("From", self.author)
            + fold("To", self.to)
            + fold("Message-ID", f"<{identifier}@{hostname}>")
            + fold("Subject", self.subject)
            + (fold("In-Reply-To", answered) + fold("References", answered) if answered else b"")
            + automatic
            + b"MIME-Version: 1.0\r\n"
            + b"Content-Type: multipart/report; report-type=disposition-notification;\r\n"
            + f' boundary="{boundary}"\r\n'.encode()
            + b"Content-Transfer-Encoding: 8bit\r\n\r\n"
        )

    def _fields(self, header: _Header, hostname: str) -> bytes:
        message_id = _message_id(header)
        error = f"/Error: {self.error}" if self.error is not None else ""
        lines = [
            f"Reporting-UA: {hostname}; Vaguemestre",
            f"Original-Recipient: rfc822;{_original_recipient(header) or self.author}",
            f"Final-Recipient: rfc822;{self.author}",
            *([f"Original-Message-ID: {message_id}"] if message_id else []),
            f"Disposition: {self.action.value}; {self.fate.value}{error}",
            # The current profile reads the error here, the older one behind the fate (ANS, PFI 1.1).
            *([f"Error: {self.error}"] if self.error is not None else []),
        ]
        return ("\r\n".join(lines) + "\r\n").encode("ascii", "replace")


_EMBEDDED: Final = b"Content-Type: message/rfc822\r\n\r\n"
_EMBEDDED_8BIT: Final = b"Content-Type: message/rfc822\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
_HEADER_ONLY: Final = b"Content-Type: text/rfc822-headers\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"


def subject_of(message: bytes) -> str:
    """The subject of a message on one line, decoded, of at most MAX_SUBJECT characters."""
    return " ".join(decode_words(_Header(message).first(b"subject") or b"").split())[:MAX_SUBJECT]


def _message_id(header: _Header) -> str | None:
    """The id of the original where it can be written into a line of ours."""
    found = _MESSAGE_ID.fullmatch((header.first(b"message-id") or b"").decode("utf-8", "replace").strip())
    return found[0] if found is not None else None


def _original_recipient(header: _Header) -> str | None:
    """What the sender wrote before mail servers changed it (RFC 8098 §2.3); of several fields, none counts."""
    values = header.all(b"original-recipient")
    kind, _, written = (
        values[0].decode("utf-8", "replace").partition(";") if len(values) == 1 else ("", "", "")
    )
    address = Address.parse(written.strip())
    if kind.strip().lower() != "rfc822" or address is None or not str(address).isascii():
        return None
    return f"{address.local}@{address.domain}"


def given_again(original: bytes, part: Part) -> Sequence[bytes]:
    """A part of a message as a part of its answer: its Content fields and its body as they stand."""
    fields = [
        name + b":" + value + b"\r\n"
        for name, value in split_fields(original[part.header_start : part.body_start])
        if name.lower().startswith(b"content-")
    ]
    return (*fields, b"\r\n", original[part.body_start : part.end], b"\r\n")


def _whole_fields(block: bytes) -> bytes:
    if len(block) <= _MAX_RETURNED_HEADER_BYTES:
        return block
    return block[: block.rfind(b"\n", 0, _MAX_RETURNED_HEADER_BYTES) + 1]
