"""Secrets that a person reads from one screen and types into another: no letter that looks like a digit."""

from __future__ import annotations

import secrets

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
"""Crockford's base 32: without i, l, o and u."""
_READ_AS = str.maketrans({"o": "0", "i": "1", "l": "1", "-": None, " ": None})
_LONGEST = 100


def draw(groups: int) -> str:
    """A random secret of `groups` groups of four characters, 20 bits each: `7k2m-9qx4-…`."""
    return "-".join("".join(secrets.choice(_ALPHABET) for _ in range(4)) for _ in range(groups))


def plain_of(typed: str) -> str:
    """What was drawn, however it was typed: case, spaces and dashes do not count. Empty: too long to be one."""
    return typed.lower().translate(_READ_AS) if len(typed) <= _LONGEST else ""
