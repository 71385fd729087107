"""The header of a message is cut once into what the envelope, SORT, THREAD and SEARCH are made of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from foundation.mime.addresses import read_addresses
from foundation.mime.fields import unfold
from foundation.mime.scanner import headers

if TYPE_CHECKING:
    from foundation.mime.addresses import AddressEvent
    from foundation.mime.parts import Part

ADDRESS_FIELDS: Final = (b"from", b"sender", b"reply-to", b"to", b"cc", b"bcc")
MAX_JOINED_BYTES: Final = 65_536
"""Fields of one name are joined up to this length."""

_NAMED: Final = frozenset(
    (b"date", b"subject", b"in-reply-to", b"message-id", b"references", *ADDRESS_FIELDS)
)
_JOINED: Final = frozenset((b"to", b"cc", b"bcc"))


@dataclass(frozen=True, slots=True)
class MessageHeader:
    """The fields of one header."""

    lines: list[tuple[bytes, bytes]]
    """Every field in its order: name as written, value unfolded."""
    named: dict[bytes, bytes]
    """The fields of an envelope, and References, by lower-case name. Of To, Cc and Bcc all, joined; of others the first."""
    addresses: dict[bytes, list[AddressEvent]]
    """What the ADDRESS_FIELDS say; an absent one has an empty list."""


def read_message_header(message: bytes, part: Part) -> MessageHeader:
    """The header of a message, or of one inside it. Never raises; linear in the header."""
    lines = [(name, unfold(value)) for name, value in headers(message, part.header_start, part.body_start)]
    named: dict[bytes, bytes] = {}
    for name, value in lines:
        name = name.lower()
        if name not in _NAMED:
            continue
        if name not in named:
            named[name] = value
        elif name in _JOINED and len(named[name]) < MAX_JOINED_BYTES:
            named[name] += b", " + value
    addresses = {name: list(read_addresses(named[name])) if name in named else [] for name in ADDRESS_FIELDS}
    return MessageHeader(lines, named, addresses)
