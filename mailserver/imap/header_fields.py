"""Header blocks cut into fields, kept byte for byte (RFC 3501 §6.4.5, HEADER.FIELDS)."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


def keep_fields(header: bytes, names: Iterable[bytes], *, invert: bool) -> bytes:
    """The fields of these names (or, inverted, all others) as written, and the empty line that ends a header."""
    wanted = {name.lower() for name in names}
    kept: list[bytes] = []
    keeps = False
    for line in header.splitlines(keepends=True) if b"\r" not in header else _lines(header):
        if line[:1] not in (b" ", b"\t"):
            if not line.strip(b"\r\n"):
                break
            keeps = (line.partition(b":")[0].rstrip(b" \t\r\n").lower() in wanted) is not invert
        if keeps:
            # A header that the message ends with may lack its last line end.
            kept.append(line if line.endswith(b"\n") else line + b"\r\n")
    return b"".join(kept) + b"\r\n"


def _lines(header: bytes) -> Iterable[bytes]:
    # Only LF ends a line here: bytes.splitlines would also cut at a lone CR.
    start = 0
    while (end := header.find(b"\n", start)) >= 0:
        yield header[start : end + 1]
        start = end + 1
    if start < len(header):
        yield header[start:]
