"""The body of one part is taken out of the message, its transfer encoding and its character set undone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from foundation.mime.charsets import decode
from foundation.mime.transfer import decode as decode_transfer

if TYPE_CHECKING:
    from foundation.mime.parts import Part


class TooLarge(Exception):
    """A decoded body is larger than the caller takes; `limit` in octets."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"the decoded body is larger than {limit} octets")
        self.limit = limit


def decode_body(message: bytes, part: Part, limit: int) -> bytes:
    """The octets of a part's body, decoded leniently (RFC 2045 §6). Raises TooLarge beyond `limit` octets."""
    data = decode_transfer(memoryview(message)[part.body_start : part.end], part.encoding)
    if len(data) > limit:
        raise TooLarge(limit)
    return data


def decode_text(message: bytes, part: Part, limit: int) -> str:
    """The text of a part's body, line ends as LF. Raises TooLarge beyond `limit` octets, never for a charset."""
    text = decode(decode_body(message, part, limit), part.parameters.get("charset"))
    return text.replace("\r\n", "\n") if "\r" in text else text
