"""Reads a message once, before the transaction: checked, stamped, scanned and rendered. Pure computation."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from foundation.clock import to_millis
from foundation.identifiers import Address
from foundation.mime.mss_headers import MssHeaders, read_mss_headers
from foundation.mime.packages import PACKAGE_SUBJECT, is_package_name
from foundation.mime.scanner import scan
from mailserver.conversations import Ending
from mailserver.delivery.receipts import digest_of
from mailserver.delivery.recipients import canonical
from mailserver.delivery.trace import Header, Stamp, check_author, read_header, stamped
from mailserver.envelope import Origin
from mailserver.imap.structure import Rendering, render
from mailserver.refusals import Refusal
from mailserver.tracking.reports import ArrivedReport, read_report

if TYPE_CHECKING:
    from datetime import datetime

    from foundation.mime.scanner import Part
    from mailserver.envelope import Envelope


@dataclass(frozen=True, slots=True)
class Prepared:
    """Everything about a message that does not depend on the accounts. `at` is epoch ms.

    `box` is the address in whose name somebody who signed in sends it, None for mail of others.
    `author` and `reply_to` are who may be answered, from From and Reply-To; `author_refusal` is what the author check
    says while only the box that signed in counts as owned.
    """

    queue_id: str
    at: int
    digest: bytes = field(repr=False)
    box: str | None = field(repr=False)
    header: Header = field(repr=False)
    content: bytes = field(repr=False)
    rendering: Rendering = field(repr=False)
    has_attachments: bool
    carries_package: bool
    """An IHE_XDM archive, or at least the subject of one (ANS, integration of documents)."""
    authors: tuple[str, ...] = field(repr=False)
    author_refusal: Refusal | None
    author: str | None
    reply_to: str | None
    ending: Ending | None
    mss: MssHeaders
    """Of a message that a box of this operator submits; of others they are not read."""
    report: ArrivedReport | None = field(repr=False)


def prepare(envelope: Envelope, queue_id: str, at: datetime, hostname: str) -> Prepared | Refusal:
    """Reads and stamps the message of an envelope; a refusal where it is not one."""
    header = read_header(envelope.content)
    if isinstance(header, Refusal):
        return header
    principal = envelope.principal
    content = stamped(
        envelope.content,
        header,
        Stamp(
            return_path=envelope.sender,
            helo=envelope.helo,
            peer=envelope.peer,
            hostname=hostname,
            protocol=envelope.protocol,
            queue_id=queue_id,
            # With several recipients the field would tell one of them about another.
            recipient=envelope.recipients[0] if len(envelope.recipients) == 1 else None,
            at=at,
        ),
    )
    root = scan(content)
    rendering = render(content, root)
    authors = header.authors
    return Prepared(
        queue_id,
        to_millis(at),
        digest_of(envelope),
        _box(envelope, authors),
        header,
        content,
        rendering,
        _has_attachments(root),
        _carries_package(root, rendering.subject),
        authors,
        check_author(header, authors, (principal.address,) if principal is not None else None),
        None if header.is_report else _first(authors),
        _first(header.reply_to),
        _ending(header),
        read_mss_headers(header.kept) if envelope.origin is Origin.SUBMISSION else MssHeaders(),
        read_report(content, root, rendering.in_reply_to) if header.is_report else None,
    )


def _box(envelope: Envelope, authors: tuple[str, ...]) -> str | None:
    """Of the reverse-path; where that is the box that signed in or null, of From (Sender and Reply-To say nothing)."""
    if envelope.principal is None:
        return None
    own = envelope.principal.address
    sender = canonical(envelope.sender) or own
    return sender if sender != own or own in authors else next(iter(authors), own)


def _first(addresses: tuple[str, ...]) -> str | None:
    return addresses[0] if addresses and Address.parse(addresses[0]) is not None else None


def _ending(header: Header) -> Ending | None:
    if header.ends_exchange:
        return Ending.EXCHANGE
    return Ending.MESSAGE if header.forbids_reply else None


def _has_attachments(root: Part) -> bool:
    """Whether anything but the text that a person reads is in the message."""
    return any(
        not part.is_multipart and (part.media_type != "text" or part.filename is not None)
        for part in root.walk()
    )


def _carries_package(root: Part, subject: str) -> bool:
    return subject.startswith(PACKAGE_SUBJECT) or any(
        is_package_name(part.filename or "") for part in root.walk() if not part.is_multipart
    )
