"""Content transfer encodings (RFC 2045 §6) read leniently: broken input yields the bytes that can be had."""

from __future__ import annotations

import binascii
from typing import Final

_BASE64: Final = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")
_NOT_BASE64: Final = bytes(byte for byte in range(256) if byte not in _BASE64)

IDENTITY: Final = frozenset({"7bit", "8bit", "binary"})
"""The encodings that leave the bytes as they are."""


def decode_base64(data: bytes | memoryview) -> bytes:
    """The octets of base64 text; foreign characters are skipped, a cut last group gives what it holds."""
    try:
        return binascii.a2b_base64(data)
    except binascii.Error:
        letters = bytes(data).translate(None, _NOT_BASE64)
        whole = len(letters) - len(letters) % 4
        tail = letters[whole:]
        padded = tail + b"=" * (4 - len(tail)) if len(tail) > 1 else b""
        return binascii.a2b_base64(letters[:whole] + padded)


def decode_quoted_printable(data: bytes | memoryview) -> bytes:
    """The octets of quoted-printable text; a wrong escape stays as it was written."""
    return binascii.a2b_qp(data)


def decode(data: bytes | memoryview, encoding: str) -> bytes:
    """The octets behind one transfer encoding; an unknown one is taken as identity."""
    if encoding == "base64":
        return decode_base64(data)
    if encoding == "quoted-printable":
        return decode_quoted_printable(data)
    return bytes(data)
