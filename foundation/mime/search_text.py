"""The words of a message for SEARCH, read once at delivery: header fields, addresses, texts and file names, folded."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, Final

from foundation.mime.addresses import GroupStart, RawAddress
from foundation.mime.casemap import fold_text
from foundation.mime.charsets import decode_unlabelled
from foundation.mime.entities import decode_references
from foundation.mime.excerpts import read_excerpt
from foundation.mime.fields import unfold
from foundation.mime.message_header import read_message_header
from foundation.mime.scanner import headers
from foundation.mime.transfer import IDENTITY
from foundation.mime.words import decode_words

if TYPE_CHECKING:
    from collections.abc import Iterable

    from foundation.mime.addresses import AddressEvent
    from foundation.mime.message_header import MessageHeader
    from foundation.mime.parts import Part

KEPT: Final = 256 * 1024
"""Octets of the fields, and of the decoded texts, that are kept of a message."""
LARGEST: Final = 16 * 1024 * 1024
"""The same where the message itself is read because not all was kept."""


class Section(IntEnum):
    """What SEARCH compares as an envelope tells it (RFC 9051 §6.4.4)."""

    SUBJECT = 0
    FROM = 1
    TO = 2
    CC = 3
    BCC = 4


@dataclass(frozen=True, slots=True)
class SearchText:
    """What is searched of one message, folded by `fold_text`.

    `head` is LF, a line "name: value" for each header field, then a line for each Section, which begins with TAB.
    The addresses of a section are "name <local@domain>", or the name of a group, with TAB between them. No value
    holds TAB or LF. `body` is the texts of all parts, the headers of messages inside, and file names, LF between them.
    """

    head: str
    body: str
    is_head_complete: bool
    """False where it was too long to keep: what is not found must be looked for in the message itself."""
    is_body_complete: bool


def read_search_text(message: bytes, root: Part, limit: int = KEPT) -> SearchText:
    """The searched text of a scanned message. `limit` bounds the head and the body each, in octets."""
    return search_text_of(message, root, read_message_header(message, root), limit)


def search_text_of(message: bytes, root: Part, header: MessageHeader, limit: int = KEPT) -> SearchText:
    """The same where the header of the message was read already."""
    lines, is_head_complete = _lines(header.lines, limit)
    lines = list(map(fold_text, lines))  # one by one: most are ASCII, which is quick
    sections = [
        decode_words(header.named.get(b"subject", b"")),
        *(_addresses(header.addresses[name]) for name in (b"from", b"to", b"cc", b"bcc")),
    ]
    # Folded apart from each other: folding takes away the TABs that part them.
    folded = [fold_text(section).replace("\n", "\t") for section in sections]
    texts, is_body_complete = _body(message, root, limit)
    body = fold_text("\n".join(texts))  # which may be longer than it was
    return SearchText(
        "\n".join(("", *lines, *(f"\t{section[:limit]}" for section in folded))),
        body[:limit],
        is_head_complete and all(len(section) <= limit for section in folded),
        is_body_complete and len(body) <= limit,
    )


def has_in_section(head: str, section: Section, needle: str) -> bool:
    """Whether a section of a `head` holds the folded needle; "" is in every section."""
    if needle not in head:
        return False
    return needle in head[head.index("\n\t") + 2 :].split("\n\t")[section]


def has_in_field(head: str, name: str, needle: str) -> bool:
    """Whether a header field of that name, in lower case, holds the folded needle; "" is in every field that is there."""
    if needle not in head or ":" in name or " " in name or not name.isprintable():
        return False
    key = f"\n{name}: "
    at = head.find(key)
    while at >= 0:
        start = at + len(key)
        end = head.index("\n", start)
        if head.find(needle, start, end) >= 0:
            return True
        at = head.find(key, end)
    return False


def has_in_fields(head: str, needle: str) -> bool:
    """Whether any line "name: value" of a `head` holds the folded needle; "" is in every header."""
    return "\n" not in needle and head.find(needle, 0, head.index("\n\t")) >= 0


def _fields(message: bytes, part: Part) -> list[tuple[bytes, bytes]]:
    return [(name, unfold(value)) for name, value in headers(message, part.header_start, part.body_start)]


def _lines(fields: Iterable[tuple[bytes, bytes]], limit: int) -> tuple[list[str], bool]:
    """Fields as "name: value", decoded, up to a limit in octets; and whether this is all of them."""
    rows = []
    for name, value in fields:
        row = b"%b: %b" % (name, value)
        limit -= len(row)
        if limit < 0:
            break
        rows.append(row)
    block = b"\n".join(rows)
    if block.isascii() and b"=?" not in block:
        return block.decode("ascii").split("\n") if rows else [], limit >= 0
    return [_decoded_line(row) for row in rows], limit >= 0


def _decoded_line(row: bytes) -> str:
    if row.isascii() and b"=?" not in row:
        return row.decode("ascii")
    name, _, value = row.partition(b": ")
    return f"{decode_unlabelled(name)}: {decode_words(value)}"


def _addresses(events: Iterable[AddressEvent]) -> str:
    """One a line, in the words of the ENVELOPE."""
    rows = []
    for event in events:
        if isinstance(event, RawAddress):
            name, local = decode_words(event.name), event.local or b"MISSING_MAILBOX"
            domain = event.domain or b"MISSING_DOMAIN"
            rows.append(f"{name} <{decode_unlabelled(local)}@{decode_unlabelled(domain)}>")
        elif isinstance(event, GroupStart):
            rows.append(decode_words(event.name))
    return "\n".join(rows)


def _body(message: bytes, root: Part, limit: int) -> tuple[list[str], bool]:
    texts: list[str] = []
    left = limit
    is_complete = True
    for part in root.walk():
        if left <= 0:
            return texts, False
        if part.filename is not None:
            texts.append(part.filename)
            left -= len(part.filename)
        if part.embedded is not None:
            lines, is_whole = _lines(_fields(message, part.embedded), left)
            texts += lines
            left -= sum(map(len, lines))
        elif _is_text(part, root):
            excerpt = read_excerpt(message, part, left)
            is_whole = excerpt.is_whole
            texts.append(decode_references(excerpt.text) if part.subtype == "html" else excerpt.text)
            left -= excerpt.octets
        else:
            continue
        is_complete = is_complete and is_whole
    return texts, is_complete


def _is_text(part: Part, root: Part) -> bool:
    if part.is_multipart:
        return False
    return part.media_type in ("text", "message") or (part is root and part.encoding in IDENTITY)
