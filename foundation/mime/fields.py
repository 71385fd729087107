"""A header block is cut into its fields (RFC 5322 §2.2), and folded values are unfolded."""

from __future__ import annotations

import re
from typing import Final

MAX_FIELDS: Final = 5_000
"""Fields of one header beyond this number are not looked at."""

_FIELD_END: Final = re.compile(rb"\r?\n(?![ \t])")
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
