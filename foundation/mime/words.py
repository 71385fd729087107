"""Encoded words (RFC 2047) become the text that a person reads."""

from __future__ import annotations

import binascii
import re
from typing import Final

from foundation.mime.charsets import decode, decode_unlabelled
from foundation.mime.transfer import decode_base64

MAX_WORDS_BYTES: Final = 65_536
"""More of one header value than this is never decoded."""

_WORD: Final = re.compile(rb"=\?([^?\s*]{1,40})(?:\*[^?\s]{0,40})?\?([bBqQ])\?([^?]*)\?=")
_CONTROLS: Final = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]+")


def decode_words(raw: bytes | str) -> str:
    """One header value as text on one line, its encoded words decoded (RFC 2047 §6).

    White space between two encoded words is dropped, and their octets are joined before they are decoded when the
    character set is the same: many programs cut a character in two. Control characters become one space, so the
    answer can never start a new header line. Never raises; linear in the input.
    """
    data = raw.encode("utf-8", "replace") if isinstance(raw, str) else raw
    data = data[:MAX_WORDS_BYTES]
    text = _decode(data) if b"=?" in data else decode_unlabelled(data)
    if text.isprintable():
        return text.strip()
    return _CONTROLS.sub(" ", text).strip()


def _decode(data: bytes) -> str:
    text: list[str] = []
    octets: list[bytes] = []  # of the encoded words in a row that share one character set
    charset = ""
    end = 0
    for word in _WORD.finditer(data):
        gap = data[end : word.start()]
        name = word[1].decode("ascii", "replace").lower()
        if octets and (gap.strip() or name != charset):
            text.append(decode(b"".join(octets), charset))
            octets.clear()
        if gap.strip() or end == 0:
            text.append(decode_unlabelled(gap))
        charset = name
        octets.append(_octets(word[2], word[3]))
        end = word.end()
    text.append(decode(b"".join(octets), charset))
    text.append(decode_unlabelled(data[end:]))
    return "".join(text)


def _octets(encoding: bytes, encoded: bytes) -> bytes:
    if encoding in b"bB":
        return decode_base64(encoded)
    return binascii.a2b_qp(encoded, header=True)
