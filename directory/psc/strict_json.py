"""Reads JSON from outside: one object, no name twice, bounded nesting, no NaN."""

from __future__ import annotations

import json
from typing import Any, NoReturn

MOST_CONTAINERS = 400
"""Objects and arrays in one text, so also its depth; a professional with fifty activities has sixty."""


def parse_object(text: bytes) -> dict[str, Any] | None:
    """The object that a UTF-8 text is; None for anything else. The caller bounds the size."""
    if text.count(b"{") + text.count(b"[") > MOST_CONTAINERS:
        return None
    try:
        found = json.loads(text.decode("utf-8"), object_pairs_hook=_unique, parse_constant=_refuse)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a name stands twice")  # two readers could each believe another one (RFC 7519 §4)
    return members


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no JSON")
