"""Logical ids: the keys of the directory, with a prefix for their kind, in the letters FHIR allows."""

from __future__ import annotations

import re
from types import MappingProxyType

from directory.fhir.systems import ResourceType

_PREFIX = MappingProxyType(
    {
        ResourceType.ORGANIZATION: "001-",
        ResourceType.PRACTITIONER: "003-",
        ResourceType.PRACTITIONER_ROLE: "005-",
    }
)
_LONGEST = 64
_KEPT = re.compile(r"[A-Za-z0-9]")
_WRITTEN = re.compile(r"(?:[A-Za-z0-9]|\.[0-9A-F]{2})+")
_ESCAPE = re.compile(r"\.([0-9A-F]{2})")


def logical_id(kind: ResourceType, key: str) -> str:
    """``3620100057/70326SR`` → ``003-3620100057.2F70326SR`` (FHIR R4 §2.24.0.1, id)."""
    if not key.isalnum() or not key.isascii():
        key = "".join(
            letter if _KEPT.fullmatch(letter) else "".join(f".{byte:02X}" for byte in letter.encode())
            for letter in key
        )
    return _PREFIX[kind] + key


def key_of(kind: ResourceType, text: str) -> str | None:
    """The key that a logical id of this kind names; None for any other text."""
    prefix = _PREFIX[kind]
    body = text[len(prefix) :]
    if len(text) > _LONGEST or not text.startswith(prefix) or not _WRITTEN.fullmatch(body):
        return None
    try:
        key = _ESCAPE.sub(lambda found: chr(int(found[1], 16)), body).encode("latin-1").decode()
    except UnicodeError:
        return None
    return key if logical_id(kind, key) == text else None
