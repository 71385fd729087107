"""Header fields that we write: encoded words where they are needed, lines no longer than mail allows."""

from __future__ import annotations

import binascii
import re
from typing import Final

MAX_LINE: Final = 76
MAX_WORD_OCTETS: Final = 42
"""Octets in one encoded word: 56 letters of base64 and the 12 of the frame stay below 75 (RFC 2047 §2)."""
MAX_BARE_WORD: Final = 900

_CONTROLS: Final = re.compile(r"[\x00-\x1f\x7f]+")
_ATOMS: Final = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~ -]*")


def fold(name: str, value: str) -> bytes:
    """One header field with its CRLF, unstructured text folded at spaces (RFC 5322 §2.2.3).

    Text that is not ASCII becomes encoded words. Control characters become spaces, so a value can never end its field.
    """
    text = _CONTROLS.sub(" ", value).strip()
    words = text.split(" ") if _is_plain(text) else encode_words(text).split(" ")
    lines = [f"{name}:"]
    for word in words:
        is_first = lines == [f"{name}:"]
        if word and not is_first and len(lines[-1]) + 1 + len(word) > MAX_LINE:
            lines.append(f" {word}")
        else:
            lines[-1] += f" {word}"
    return ("\r\n".join(lines) + "\r\n").encode("ascii")


def encode_words(text: str) -> str:
    """Text as UTF-8 encoded words (RFC 2047), cut between characters; plain ASCII text stays as it is."""
    if _is_plain(text):
        return text
    words = []
    piece = b""
    for character in text:
        octets = character.encode("utf-8", "replace")
        if len(piece) + len(octets) > MAX_WORD_OCTETS:
            words.append(_word(piece))
            piece = b""
        piece += octets
    words.append(_word(piece))
    return " ".join(words)


def format_address(name: str, address: str) -> str:
    """A mailbox as it is written into a header: the name quoted or encoded as it needs (RFC 5322 §3.4)."""
    name = _CONTROLS.sub(" ", name).strip()
    if not name:
        return f"<{address}>"
    if not name.isascii() or "=?" in name:
        return f"{encode_words(name)} <{address}>"
    if _ATOMS.fullmatch(name):
        return f"{name} <{address}>"
    quoted = name.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{quoted}" <{address}>'


def _is_plain(text: str) -> bool:
    """Whether text can be written as it is: ASCII, no word longer than a line may be (RFC 5322 §2.1.1)."""
    return text.isascii() and max(map(len, text.split(" "))) <= MAX_BARE_WORD


def _word(octets: bytes) -> str:
    return f"=?utf-8?b?{binascii.b2a_base64(octets, newline=False).decode('ascii')}?="
