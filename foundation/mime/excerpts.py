"""The beginning of a part's text is decoded without decoding what follows it."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from foundation.mime.charsets import decode
from foundation.mime.transfer import decode as decode_transfer

if TYPE_CHECKING:
    from foundation.mime.parts import Part

_OCTETS_FOR_THREE: Final = MappingProxyType({"base64": 5, "quoted-printable": 9})
"""Octets of a transfer encoding, line ends included, that hold three octets or more."""


@dataclass(frozen=True, slots=True)
class Excerpt:
    """Decoded text; `octets` is how many octets it was before its character set was undone."""

    text: str
    octets: int
    is_whole: bool


def read_excerpt(message: bytes, part: Part, limit: int) -> Excerpt:
    """At most `limit` octets of a text part, cut after a line end where there is one. Never raises."""
    end = part.body_start + limit * _OCTETS_FOR_THREE.get(part.encoding, 3) // 3 + 4
    is_whole = end >= part.end
    data = decode_transfer(memoryview(message)[part.body_start : min(end, part.end)], part.encoding)
    if len(data) > limit:
        data, is_whole = data[:limit], False
    if not is_whole:
        # Not in the middle of a character: UTF-8 cut short would be read as something else.
        data = data[: data.rfind(b"\n") + 1] or data
    return Excerpt(decode(data, part.parameters.get("charset")), len(data), is_whole)
