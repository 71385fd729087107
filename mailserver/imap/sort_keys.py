"""What SORT compares of a message, read once at delivery (RFC 5256 §3, RFC 5957)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from foundation.mime.addresses import GroupStart, RawAddress
from foundation.mime.casemap import unicode_casemap
from foundation.mime.charsets import decode_unlabelled
from foundation.mime.words import decode_words

if TYPE_CHECKING:
    from collections.abc import Sequence

    from foundation.mime.addresses import AddressEvent
    from foundation.mime.message_header import MessageHeader

MAX_KEY: Final = 256
"""Characters of a key; what is longer is compared by its beginning."""


@dataclass(frozen=True, slots=True)
class SortKeys:
    """Keys under i;unicode-casemap: they compare by code point. An absent field is ""."""

    base_subject: str
    from_: str
    """The local part of the first address, or the name of the group that begins there; so `to` and `cc`."""
    to: str
    cc: str
    display_from: str
    """The display name of the first address, or the address where it has none; so `display_to`."""
    display_to: str


def read_sort_keys(base_subject: str, header: MessageHeader) -> SortKeys:
    """The keys of a message, from its base subject in its own letters and its header."""
    from_, to, cc = (header.addresses[name] for name in (b"from", b"to", b"cc"))
    return SortKeys(
        _key(base_subject), _key(_mailbox(from_)), _key(_mailbox(to)), _key(_mailbox(cc)),
        _key(_display(from_)), _key(_display(to)),
    )  # fmt: skip


def _key(text: str) -> str:
    return unicode_casemap(text[:MAX_KEY])[:MAX_KEY]


def _mailbox(addresses: Sequence[AddressEvent]) -> str:
    first = addresses[0] if addresses else None
    if isinstance(first, RawAddress):
        return decode_unlabelled(first.local)
    return decode_words(first.name) if isinstance(first, GroupStart) else ""


def _display(addresses: Sequence[AddressEvent]) -> str:
    first = addresses[0] if addresses else None
    if isinstance(first, RawAddress):
        name = decode_words(first.name)
        return name or f"{decode_unlabelled(first.local)}@{decode_unlabelled(first.domain)}"
    return decode_words(first.name) if isinstance(first, GroupStart) else ""
