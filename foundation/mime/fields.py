"""A header block is cut into its fields (RFC 5322 §2.2), and folded values are unfolded."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Collection

MAX_FIELDS: Final = 5_000
"""Fields of one header beyond this number are not looked at."""

_FIELD_END: Final = re.compile(rb"\r?\n(?![ \t])")
_FIELD_START: Final = re.compile(rb"(?<=\n)(?![ \t\r\n])")
_FOLD: Final = re.compile(rb"\r?\n")


def split_fields(block: bytes) -> list[tuple[bytes, bytes]]:
    """The fields of a header block in their order: name as written, value as written (still folded).

    A line without a name and colon is left out.
    """
    fields = []
    for field in _FIELD_END.split(block, MAX_FIELDS)[:MAX_FIELDS]:
        name, colon, value = field.partition(b":")
        if colon:
            name = name.rstrip()
            if name and b" " not in name:
                fields.append((name, value))
    return fields


def unfold(value: bytes) -> bytes:
    """A field value on one line, without the white space around it (RFC 5322 §2.2.3)."""
    if b"\n" in value:
        value = _FOLD.sub(b"", value)
    return value.strip(b" \t\r\n")


def only_fields(block: bytes, names: Collection[bytes]) -> bytes:
    """The fields of these names (lower-case), as written, and the empty line (RFC 9051 §6.4.5, HEADER.FIELDS)."""
    return b"".join(field for name, field in _whole_fields(block) if name in names) + b"\r\n"


def other_fields(block: bytes, names: Collection[bytes]) -> bytes:
    """The fields of all names but these (lower-case), and the empty line (RFC 9051 §6.4.5, HEADER.FIELDS.NOT)."""
    return b"".join(field for name, field in _whole_fields(block) if name not in names) + b"\r\n"


def _whole_fields(block: bytes) -> list[tuple[bytes, bytes]]:
    block = block.rstrip(b"\r\n") + b"\r\n" if block.endswith(b"\n") else block
    whole = []
    for field in _FIELD_START.split(block):
        name, colon, _ = field.partition(b":")
        if colon:
            whole.append((name.rstrip().lower(), field if field.endswith(b"\n") else field + b"\r\n"))
    return whole
