"""Modified UTF-7, the form of mailbox names on the wire (RFC 3501 §5.1.3)."""

from __future__ import annotations

import binascii
from functools import lru_cache


def decode(raw: bytes) -> str:
    """The name; raises ValueError for anything `encode` would not have written."""
    if b"&" not in raw:
        name = raw.decode("ascii")
        if not name.isprintable():
            raise ValueError("control character")
        return name
    pieces: list[str] = []
    position = 0
    while (shift := raw.find(b"&", position)) >= 0:
        pieces.append(raw[position:shift].decode("ascii"))
        end = raw.find(b"-", shift)
        if end < 0:
            raise ValueError("the shift is not closed")
        pieces.append(_decode_shift(raw[shift + 1 : end]))
        position = end + 1
    pieces.append(raw[position:].decode("ascii"))
    name = "".join(pieces)
    # One name has one spelling (RFC 3501 §5.1.3): what does not come back the same is refused.
    if encode(name) != raw:
        raise ValueError("not the canonical form")
    return name


def _decode_shift(encoded: bytes) -> str:
    if not encoded:
        return "&"
    padded = encoded.replace(b",", b"/") + b"=" * (-len(encoded) % 4)
    try:
        return binascii.a2b_base64(padded, strict_mode=True).decode("utf-16-be")
    except binascii.Error as error:
        raise ValueError("not base64") from error


@lru_cache(maxsize=512)
def encode(name: str) -> bytes:
    """The name as it goes over the wire; raises UnicodeEncodeError for a lone surrogate."""
    pieces: list[bytes] = []
    run: list[str] = []
    for character in name:
        if " " <= character <= "~":
            if run:
                pieces.append(_encode_run("".join(run)))
                run.clear()
            pieces.append(b"&-" if character == "&" else character.encode("ascii"))
        else:
            run.append(character)
    if run:
        pieces.append(_encode_run("".join(run)))
    return b"".join(pieces)


def _encode_run(run: str) -> bytes:
    encoded = binascii.b2a_base64(run.encode("utf-16-be"), newline=False)
    return b"&" + encoded.rstrip(b"=").replace(b"/", b",") + b"-"
