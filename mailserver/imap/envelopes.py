"""Reading back what `structure` rendered: the fields of a stored ENVELOPE, for SEARCH."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TypeAlias

from foundation.mime.words import decode_words

Value: TypeAlias = "bytes | list[Value] | None"

_PUNCTUATION = re.compile(r'[\s<>@"\\,;:()]+')


@dataclass(frozen=True, slots=True)
class EnvelopeFields:
    """What SEARCH compares, case-folded; None where the field is not there.

    Addresses are written "name <local@domain>", one a line, the name of a group alone on its line.
    """

    date: str | None
    subject: str | None
    sender: str
    to: str
    cc: str
    bcc: str
    in_reply_to: str | None
    message_id: str | None


def read_envelope(envelope: bytes) -> EnvelopeFields:
    """The fields of a rendered ENVELOPE."""
    date, subject, from_, _sender, _reply_to, to, cc, bcc, in_reply_to, message_id = _values(envelope)
    return EnvelopeFields(
        _text(date),
        _text(subject),
        _addresses(from_),
        _addresses(to),
        _addresses(cc),
        _addresses(bcc),
        _text(in_reply_to),
        _text(message_id),
    )


class Glance:
    """A first look at envelopes for one text: most that do not hold it are put aside without reading them."""

    __slots__ = ("_words",)

    def __init__(self, needle: str) -> None:
        words = _PUNCTUATION.split(needle) if needle.isascii() else []
        self._words = [word.encode("ascii") for word in words if word]

    def may_hold(self, envelope: bytes) -> bool:
        """False when no field of the envelope can hold the text (which is case-folded)."""
        if b"=?" in envelope or not envelope.isascii():
            return True
        folded = envelope.lower()
        return all(word in folded for word in self._words)


def _text(value: Value) -> str | None:
    return decode_words(value).casefold() if isinstance(value, bytes) else None


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
        byte = envelope[position]
        if byte == 0x28:  # (
            stack.append([])
            position += 1
        elif byte == 0x29:  # )
            done = stack.pop()
            stack[-1].append(done)
            position += 1
        elif byte == 0x20:
            position += 1
        elif byte == 0x22:  # "
            position += 1
            end = _closing_quote(envelope, position)
            stack[-1].append(_unquoted(envelope[position:end]))
            position = end + 1
        elif byte == 0x7B:  # {
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


def _closing_quote(text: bytes, position: int) -> int:
    while True:
        end = text.index(b'"', position)
        escape = text.find(b"\\", position, end)
        if escape < 0:
            return end
        position = escape + 2


def _unquoted(text: bytes) -> bytes:
    if b"\\" not in text:
        return text
    return text.replace(b"\\\\", b"\0").replace(b"\\", b"").replace(b"\0", b"\\")
