"""What IMAP says about a message (ENVELOPE, BODY, BODYSTRUCTURE) is rendered once, at delivery (RFC 9051 §7.5.2)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from foundation.mime.addresses import GroupStart, RawAddress
from foundation.mime.dates import parse_date
from foundation.mime.message_header import ADDRESS_FIELDS, MessageHeader, read_message_header
from foundation.mime.parameters import join_parameters
from foundation.mime.search_text import SearchText, search_text_of
from foundation.mime.words import decode_words
from mailserver.imap.base_subject import base_subject
from mailserver.imap.preview import preview
from mailserver.imap.section import PartIndex, dump_parts, load_parts
from mailserver.imap.sort_keys import SortKeys, read_sort_keys
from mailserver.imap.threads import MAX_REFERENCES, ThreadKeys, read_thread_keys

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from foundation.mime.addresses import AddressEvent
    from foundation.mime.parameters import Parameters
    from foundation.mime.scanner import Part

__all__ = ["PartIndex", "Rendering", "load_parts", "render", "string"]

MAX_REFERENCES_BYTES: Final = 65_536
MAX_ID: Final = 998
MAX_SUBJECT: Final = 998

_QUOTABLE: Final = re.compile(rb"[\x01-\x09\x0b\x0c\x0e-\x7f]*")
_MESSAGE_ID: Final = re.compile(rb"<[^<>\x00-\x20\x7f]{1,%d}>" % (MAX_ID - 2))


@dataclass(frozen=True, slots=True)
class Rendering:
    """What is kept beside a stored message so that no client makes us read it again."""

    envelope: bytes
    """The value of ENVELOPE, with its parentheses; so BODY and BODYSTRUCTURE. May hold literals (`{5}` CR LF …)."""
    body: bytes
    bodystructure: bytes
    parts: bytes
    """For `load_parts`."""
    message_id: str | None
    """With its angle brackets; so the ids below."""
    in_reply_to: str | None
    references: tuple[str, ...]
    """The last MAX_REFERENCES of them, oldest first."""
    subject: str
    """Decoded, at most MAX_SUBJECT characters."""
    sent_at: int | None
    """The Date field in epoch milliseconds."""
    sent_day: int | None
    """Its day regardless of time and zone (SENTON), as `date.toordinal`."""
    sort_keys: SortKeys
    thread_keys: ThreadKeys
    preview: str
    search_text: SearchText


def render(message: bytes, root: Part) -> Rendering:
    """All that IMAP and the conversation view need to know of a message, from its bytes and its scanned structure."""
    header = read_message_header(message, root)
    fields = header.named
    body, bodystructure = _structure(message, root)
    sent = parse_date(fields[b"date"]) if b"date" in fields else None
    subject = decode_words(fields.get(b"subject", b""))
    base = base_subject(subject)
    references = fields.get(b"references", b"")[-MAX_REFERENCES_BYTES:]
    message_id, in_reply_to = fields.get(b"message-id", b""), fields.get(b"in-reply-to", b"")
    return Rendering(
        envelope=_envelope(header),
        body=body,
        bodystructure=bodystructure,
        parts=dump_parts(root),
        message_id=_first_id(message_id),
        in_reply_to=_first_id(in_reply_to),
        references=tuple(
            _ascii(reference) for reference in _MESSAGE_ID.findall(references)[-MAX_REFERENCES:]
        ),
        subject=subject[:MAX_SUBJECT],
        sent_at=sent.at if sent is not None else None,
        sent_day=sent.day.toordinal() if sent is not None else None,
        sort_keys=read_sort_keys(base.text, header),
        thread_keys=read_thread_keys(message_id, references, in_reply_to, is_reply=base.is_reply),
        preview=preview(message, root),
        search_text=search_text_of(message, root, header),
    )


def string(value: bytes) -> bytes:
    """An IMAP string (RFC 9051 §4.3): quoted when it can be, else a literal. NUL, which neither may hold, becomes "?"."""
    if b"\0" in value:
        value = value.replace(b"\0", b"?")
    if _QUOTABLE.fullmatch(value) is None:
        return b"{%d}\r\n%b" % (len(value), value)
    if b"\\" in value or b'"' in value:
        value = value.replace(b"\\", b"\\\\").replace(b'"', b'\\"')
    return b'"%b"' % value


def _nstring(value: bytes | None) -> bytes:
    return b"NIL" if value is None else string(value)


def _text(value: str | None) -> bytes:
    return b"NIL" if value is None else string(value.encode("utf-8", "replace"))


def _envelope(header: MessageHeader) -> bytes:
    fields = header.named
    addresses = {name: _addresses(header.addresses[name]) for name in ADDRESS_FIELDS}
    for name in (b"sender", b"reply-to"):
        if addresses[name] == b"NIL":
            addresses[name] = addresses[b"from"]
    return b"(%b %b %b %b %b)" % (
        _nstring(fields.get(b"date")),
        _nstring(fields.get(b"subject")),
        b" ".join(addresses.values()),
        _nstring(fields.get(b"in-reply-to")),
        _nstring(fields.get(b"message-id")),
    )


def _addresses(events: Sequence[AddressEvent]) -> bytes:
    rows = []
    for event in events:
        if isinstance(event, RawAddress):
            # A mailbox without a domain must not look like the start of a group, whose host is NIL.
            rows.append(
                b"(%b %b %b %b)"
                % (
                    string(event.name) if event.name else b"NIL",
                    string(event.route) if event.route else b"NIL",
                    string(event.local or b"MISSING_MAILBOX"),
                    string(event.domain or b"MISSING_DOMAIN"),
                )
            )
        elif isinstance(event, GroupStart):
            rows.append(b"(NIL NIL %b NIL)" % string(event.name))
        else:
            rows.append(b"(NIL NIL NIL NIL)")
    return b"(%b)" % b"".join(rows) if rows else b"NIL"


def _structure(message: bytes, root: Part) -> tuple[bytes, bytes]:
    """BODY and BODYSTRUCTURE. What follows the parts below a part waits on a stack: no recursion."""
    body: list[bytes] = []
    extended: list[bytes] = []
    waiting: list[Part | tuple[bytes, bytes]] = [root]
    while waiting:
        item = waiting.pop()
        if isinstance(item, tuple):
            body.append(item[0])
            extended.append(item[1])
            continue
        if item.is_multipart:
            before, after, extension = b"(", b" %b" % _text(item.subtype), _multipart_extension(item)
        else:
            before, after, extension = _single(message, item), _lines(item), _single_extension(item)
        body.append(before)
        extended.append(before)
        waiting.append((after + b")", after + extension + b")"))
        waiting.extend(reversed(item.children))
    return b"".join(body), b"".join(extended)


def _single(message: bytes, part: Part) -> bytes:
    fields = b"(%b %b %b %b %b %b %d" % (
        _text(part.media_type),
        _text(part.subtype),
        _parameters(_with_charset(part) if part.media_type == "text" else part.raw_parameters),
        _text(part.content_id),
        _text(part.description),
        _text(part.encoding),
        part.size,
    )
    if part.embedded is not None:
        return b"%b %b " % (fields, _envelope(read_message_header(message, part.embedded)))
    return fields


def _lines(part: Part) -> bytes:
    return b" %d" % part.lines if part.media_type == "text" or part.embedded is not None else b""


def _with_charset(part: Part) -> Parameters:
    if any(name.lower() == "charset" for name, _ in part.raw_parameters):
        return part.raw_parameters
    return (*part.raw_parameters, ("charset", "us-ascii"))


def _single_extension(part: Part) -> bytes:
    return b" %b %b" % (_text(part.md5), _placement(part))


def _multipart_extension(part: Part) -> bytes:
    return b" %b %b" % (_parameters(part.raw_parameters), _placement(part))


def _placement(part: Part) -> bytes:
    """Disposition, language and location, which end the extension data of every part."""
    disposition = b"NIL"
    if part.disposition is not None:
        parameters = _parameters(part.raw_disposition_parameters)
        disposition = b"(%b %b)" % (_text(part.disposition), parameters)
    return b"%b %b %b" % (disposition, _language(part.language), _text(part.location))


def _language(value: str | None) -> bytes:
    tags = [tag.strip() for tag in value.split(",")] if value else []
    return _list(tag for tag in tags if tag)


def _parameters(parameters: Parameters) -> bytes:
    return _list(word for parameter in join_parameters(parameters) for word in parameter)


def _list(words: Iterable[str]) -> bytes:
    rendered = b" ".join(_text(word) for word in words)
    return b"(%b)" % rendered if rendered else b"NIL"


def _first_id(value: bytes) -> str | None:
    match = _MESSAGE_ID.search(value)
    if match is not None:
        return _ascii(match[0])
    bare = value.replace(b"\0", b"").split(None, 1)
    return _ascii(bare[0][:MAX_ID]) if bare else None


def _ascii(value: bytes) -> str:
    return value.decode("utf-8", "replace")
