"""Takes the attachments out of a message and examines them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from dmp_bridge import archive
from dmp_bridge.examine import Attachment, examine_attachments
from dmp_bridge.findings import Finding, Kind, refused
from foundation.mime.headers import attachments
from foundation.mime.scanner import TooLarge, decode_body, scan

if TYPE_CHECKING:
    from dmp_bridge.archive import ArchiveLimits

# More files than this in one message are no letter. The rest is refused: it may be a document, and nobody is told
# « intégré » of what was not looked at.
MAX_ATTACHMENTS = 200

_TOO_MANY = "Le message contient trop de pièces jointes : celle-ci n'a pas été examinée."


def examine_message(message: bytes, limits: ArchiveLimits = archive.DEFAULT) -> tuple[Finding, ...]:
    """The findings of every attachment of an RFC 5322 message, in its order. Never raises on any bytes."""
    root = scan(message)
    listed = attachments(message, root)
    taken: list[Attachment] = []
    beyond: list[Finding] = []
    for number, attachment in enumerate(listed):
        part = attachment.part
        if number >= MAX_ATTACHMENTS:
            beyond.append(_unread(part.number, attachment.filename, attachment.media_type, attachment.size))
            continue
        try:
            # A decoded body is never larger than the message that holds it.
            data = decode_body(message, part, len(message))
        except TooLarge:
            beyond.append(_unread(part.number, attachment.filename, attachment.media_type, attachment.size))
            continue
        taken.append(Attachment(part.number, attachment.filename, data))
    findings = examine_attachments(taken, limits)
    # What was not examined may be the very file that must not be seen.
    hidden = any(finding.hidden for finding in findings)
    return (*findings, *(replace(finding, hidden=hidden) for finding in beyond))


def _unread(part: str, filename: str, media_type: str, size: int) -> Finding:
    return refused(Finding(part, 0, filename, media_type, size, Kind.REFUSED), _TOO_MANY)
