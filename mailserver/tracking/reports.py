"""What a report that came back says of a message: delivery status (RFC 3464) or disposition (RFC 8098). No state.

Lenient where programs are: the ANS's own sample of a notification is no valid MIME. Nothing said here is believed
yet; who may say it is `mailserver.tracking.answers`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from foundation.mime.bodies import TooLarge, decode_body
from foundation.mime.fields import split_fields, unfold

if TYPE_CHECKING:
    from collections.abc import Iterator

    from foundation.mime.parts import Part

MAX_REPORT_BYTES: Final = 1024 * 1024
"""A status part for a thousand recipients has about a third of this; a longer one is not read."""
MAX_TOLD: Final = 1_000
_MAX_PARTS: Final = 20
_MAX_HEADER: Final = 64 * 1024
_LOOSE_BYTES: Final = 64 * 1024
_MAX_SAID: Final = 512

_BLANK: Final = re.compile(rb"\r?\n[ \t]*\r?\n")
_MESSAGE_ID: Final = re.compile(r"<[^<>\s]{1,996}>")
_ERROR_CODE: Final = re.compile(r"\b(90[0-6])\b")
_STATUSES: Final = frozenset({"delivery-status", "global-delivery-status"})
_DISPOSITIONS: Final = frozenset({"disposition-notification", "global-disposition-notification"})
_RETURNED: Final = frozenset({"rfc822", "rfc822-headers", "global", "global-headers"})


class What(StrEnum):
    """What became of the message for one recipient."""

    DELIVERED = "delivered"
    RELAYED = "relayed"
    """Passed on to a server that confirms nothing: no more will be heard."""
    DELAYED = "delayed"
    FAILED = "failed"
    READ = "read"
    PROCESSED = "processed"
    """Taken into the record of a structure or a patient (ANS, PFI)."""
    REFUSED = "refused"
    """By such a record; `code` is one of 900 to 906 where one is named."""
    ENDED = "ended"
    """Deleted, dispatched or denied: an answer, and no news of a reading."""


_OF_ACTION: Final = {
    "delivered": What.DELIVERED,
    "relayed": What.RELAYED,
    "expanded": What.RELAYED,
    "delayed": What.DELAYED,
    "failed": What.FAILED,
}


@dataclass(frozen=True, slots=True)
class Told:
    """One recipient of a report. The addresses are as written, "" where there is none; `said` is one line of text."""

    what: What
    final: str = field(repr=False)
    original: str = field(default="", repr=False)
    code: str | None = None
    said: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class ArrivedReport:
    """A report as it was read. `message_ids` may name the message it is about, the surest first."""

    is_disposition: bool
    told: tuple[Told, ...]
    message_ids: tuple[str, ...] = field(repr=False)
    envid: str | None = None


def read_report(message: bytes, root: Part, in_reply_to: str | None) -> ArrivedReport | None:
    """The report in a message whose Content-Type is multipart/report; None where none can be read. Never raises."""
    body: bytes | None = None
    is_disposition = False
    returned: bytes = b""
    for part in root.children[:_MAX_PARTS]:
        if part.media_type == "message" and part.subtype in _STATUSES | _DISPOSITIONS and body is None:
            is_disposition = part.subtype in _DISPOSITIONS
            body = _body(message, part)
        elif part.subtype in _RETURNED and not returned:
            returned = message[part.body_start : min(part.end, part.body_start + _MAX_HEADER)]
    if body is None:
        body = _loose(message, root)
        is_disposition = True
    if body is None:
        return None
    blocks = [_fields(block) for block in _BLANK.split(body.strip(b"\r\n \t"), MAX_TOLD + 1)[: MAX_TOLD + 1]]
    first = blocks[0]
    told = tuple(_disposition(first) if is_disposition else _statuses(blocks))
    if not told:
        return None
    ids = [first.get(b"original-message-id"), _fields(_BLANK.split(returned, 1)[0]).get(b"message-id")]
    found = (_MESSAGE_ID.search(each) for each in (*ids, in_reply_to) if each)
    return ArrivedReport(
        is_disposition,
        told,
        tuple(dict.fromkeys(match[0] for match in found if match is not None)),
        first.get(b"original-envelope-id"),
    )


def _body(message: bytes, part: Part) -> bytes | None:
    if part.size > MAX_REPORT_BYTES:
        return None
    try:
        return decode_body(message, part, MAX_REPORT_BYTES)
    except TooLarge:
        return None


def _loose(message: bytes, root: Part) -> bytes | None:
    """The fields of a notification whose part is not marked as one: the lines around Disposition."""
    start = message[root.body_start : root.body_start + _LOOSE_BYTES]
    for block in _BLANK.split(start):
        if b"\ndisposition:" in b"\n" + block.lower():
            return block
    return None


def _fields(block: bytes) -> dict[bytes, str]:
    """The first field of each name, in lower case, on one line."""
    found: dict[bytes, str] = {}
    for name, value in split_fields(block):
        found.setdefault(name.lower(), _line(unfold(value)))
    return found


def _line(value: bytes) -> str:
    text = value[: 4 * _MAX_SAID].decode("utf-8", "replace")
    return " ".join("".join(each if each.isprintable() else " " for each in text).split())


def _address(typed: str | None) -> str:
    """The address behind `rfc822;`; "" where there is none."""
    return (typed or "").rpartition(";")[2].strip(" <>")


def _disposition(fields: dict[bytes, str]) -> Iterator[Told]:
    kind, _, modifiers = fields.get(b"disposition", "").rpartition(";")[2].strip().lower().partition("/")
    if not kind:
        return
    error = fields.get(b"error") or (modifiers if "error" in modifiers else "")
    code = None
    if error:
        what = What.REFUSED
        named = _ERROR_CODE.search(error)
        code = named[1] if named is not None else None
    elif kind.startswith("displayed"):
        what = What.READ
    elif kind.startswith("processed"):
        what = What.PROCESSED
    else:
        what = What.ENDED
    yield Told(
        what,
        _address(fields.get(b"final-recipient")),
        _address(fields.get(b"original-recipient")),
        code,
    )


def _statuses(blocks: list[dict[bytes, str]]) -> Iterator[Told]:
    for fields in blocks[1:]:
        what = _OF_ACTION.get(fields.get(b"action", "").partition(" ")[0].lower())
        if what is None:
            continue
        said = _address(fields.get(b"diagnostic-code")) or fields.get(b"status", "")
        yield Told(
            what,
            _address(fields.get(b"final-recipient")),
            _address(fields.get(b"original-recipient")),
            said=said[:_MAX_SAID] or None if what in (What.FAILED, What.DELAYED) else None,
        )
