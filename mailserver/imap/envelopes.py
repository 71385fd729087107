"""Reading back what `structure` rendered: the fields of a stored ENVELOPE, for SEARCH."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from foundation.mime.words import decode_words

Value: TypeAlias = "bytes | list[Value] | None"


@dataclass(frozen=True, slots=True)
class EnvelopeFields:
    """What SEARCH compares, case-folded; addresses as "name <local@domain>", one a line."""

    date: bytes
    subject: str
    sender: str
    to: str
    cc: str
    bcc: str


def read_envelope(envelope: bytes) -> EnvelopeFields:
    """The fields of a rendered ENVELOPE."""
    date, subject, from_, _sender, _reply_to, to, cc, bcc = _values(envelope)[:8]
    return EnvelopeFields(
        date if isinstance(date, bytes) else b"",
        decode_words(subject).casefold() if isinstance(subject, bytes) else "",
        _addresses(from_),
        _addresses(to),
        _addresses(cc),
        _addresses(bcc),
    )


def _addresses(value: Value) -> str:
    if not isinstance(value, list):
        return ""
    lines = []
    for address in value:
        if not isinstance(address, list) or len(address) != 4:
            continue
        name, _route, local, domain = (
            field.decode("utf-8", "replace") if isinstance(field, bytes) else "" for field in address
        )
        # A group opens with its name where an address has its local part, and no domain (RFC 3501 §7.4.2).
        lines.append(f"{decode_words(name)} <{local}@{domain}>" if domain else decode_words(local))
    return "\n".join(lines).casefold()


def _values(envelope: bytes) -> list[Value]:
    """The parenthesised values, without recursion; what we wrote ourselves needs no bounds."""
    stack: list[list[Value]] = [[]]
    position = 0
    while position < len(envelope):
        byte = envelope[position : position + 1]
        if byte == b"(":
            stack.append([])
            position += 1
        elif byte == b")":
            done = stack.pop()
            stack[-1].append(done)
            position += 1
        elif byte == b" ":
            position += 1
        elif byte == b'"':
            end = position + 1
            while envelope[end] != 0x22:
                end += 2 if envelope[end] == 0x5C else 1
            stack[-1].append(_unquoted(envelope[position + 1 : end]))
            position = end + 1
        elif byte == b"{":
            end = envelope.index(b"}", position)
            start = end + 3
            position = start + int(envelope[position + 1 : end])
            stack[-1].append(envelope[start:position])
        else:
            stack[-1].append(None)
            position += 3
    values = stack[0][0]
    assert isinstance(values, list)
    return values


def _unquoted(text: bytes) -> bytes:
    if b"\\" not in text:
        return text
    return text.replace(b"\\\\", b"\0").replace(b"\\", b"").replace(b"\0", b"\\")
