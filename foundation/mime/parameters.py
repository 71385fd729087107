"""Content-Type and Content-Disposition values are read: the word in front, the parameters behind (RFC 2045, 2231)."""

from __future__ import annotations

import re
from itertools import islice
from typing import TYPE_CHECKING, Final
from urllib.parse import quote, unquote_to_bytes

from foundation.mime.charsets import decode, decode_unlabelled

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

MAX_VALUE_BYTES: Final = 32_768
MAX_PARAMETERS: Final = 200

_PARAMETER: Final = re.compile(rb';\s*([^\s=;"]+)\s*=\s*(?:"([^"\\]*(?:\\.[^"\\]*)*)"?|([^;]*))', re.DOTALL)
_ESCAPED: Final = re.compile(rb"\\(.)", re.DOTALL)
_OUTSIDE: Final = re.compile(rb'[^"(\\]+|"[^"\\]*(?:\\.[^"\\]*)*"?|\\.?', re.DOTALL)
_INSIDE: Final = re.compile(rb"[^()\\]+|\\.?", re.DOTALL)
_EXTENDED: Final = re.compile(r"([^*]+)(?:\*([0-9]{1,3}))?(\*)?")

Parameters = tuple[tuple[str, str], ...]
"""Parameters as written, in their order: name, value without its quotes, RFC 2231 marks still in place."""

_Segment = tuple[str, bool]  # of a continued parameter: the text, and whether it is percent-encoded


def read_value(value: bytes) -> tuple[str, Parameters]:
    """The word in front (lower-case, without comments) and the parameters of an unfolded value."""
    value = value[:MAX_VALUE_BYTES]
    if b"(" in value:
        value = without_comments(value)
    word, semicolon, _ = value.partition(b";")
    lead = decode_unlabelled(word.strip()).lower()
    if not semicolon:
        return lead, ()
    found = islice(_PARAMETER.finditer(value, len(word)), MAX_PARAMETERS)
    return lead, tuple((decode_unlabelled(match[1]), _value(match)) for match in found)


def without_comments(value: bytes) -> bytes:
    """The value with each comment replaced by one space (RFC 5322 §3.2.2); nesting costs no recursion."""
    kept = []
    depth = 0
    position = 0
    while position < len(value):
        token = (_INSIDE if depth else _OUTSIDE).match(value, position)
        if token is not None:
            if not depth:
                kept.append(token[0])
            position = token.end()
            continue
        depth += 1 if value[position] == 0x28 else -1
        position += 1
        if not depth:
            kept.append(b" ")
    return b"".join(kept)


def decode_parameters(raw: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Parameters by lower-case name, continuations joined and character sets decoded (RFC 2231 §3, §4).

    The first of two parameters of one name counts; the extended form counts more than the plain one.
    """
    plain, segments = _sort(raw)
    return plain | {name: _decode(row) for name, row in segments.items()}


def join_parameters(raw: Parameters) -> Parameters:
    """Parameters as written, but each continued one as a whole; RFC 2231 §8 asks this of IMAP servers."""
    if not any("*" in name for name, _ in raw):
        return raw
    joined = [(name, value) for name, value in raw if "*" not in name]
    for name, row in _sort(raw)[1].items():
        if row[0][1]:
            joined.append((f"{name}*", "".join(value if encoded else quote(value) for value, encoded in row)))
        elif all(key.lower() != name for key, _ in joined):
            joined.append((name, "".join(value for value, _ in row)))
    return tuple(joined)


def _value(match: re.Match[bytes]) -> str:
    quoted = match[2]
    if quoted is None:
        return decode_unlabelled(match[3].strip())
    return decode_unlabelled(_ESCAPED.sub(rb"\1", quoted) if b"\\" in quoted else quoted)


def _sort(raw: Iterable[tuple[str, str]]) -> tuple[dict[str, str], dict[str, list[_Segment]]]:
    """The plain parameters, and the segments of the extended ones in their order; names in lower case."""
    plain: dict[str, str] = {}
    segments: dict[str, dict[int, _Segment]] = {}
    for name, value in raw:
        name = name.lower()
        if "*" not in name:
            plain.setdefault(name, value)
        elif (match := _EXTENDED.fullmatch(name)) is not None:
            numbered = segments.setdefault(match[1], {})
            numbered.setdefault(int(match[2] or 0), (value, match[3] is not None))
    return plain, {name: row for name, numbered in segments.items() if (row := _unbroken(numbered))}


def _unbroken(numbered: dict[int, _Segment]) -> list[_Segment]:
    row: list[_Segment] = []
    while len(row) in numbered:
        row.append(numbered[len(row)])
    return row


def _decode(row: Sequence[_Segment]) -> str:
    first, first_is_encoded = row[0]
    charset = None
    if first_is_encoded and first.count("'") >= 2:
        charset, _, first = first.split("'", 2)
    octets = [unquote_to_bytes(first) if first_is_encoded else first.encode("utf-8", "replace")]
    octets.extend(
        unquote_to_bytes(value) if encoded else value.encode("utf-8", "replace") for value, encoded in row[1:]
    )
    return decode(b"".join(octets), charset if charset else "utf-8" if not first_is_encoded else None)
