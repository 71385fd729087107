"""Inflates what a CDA says it holds compressed (HL7 ED.compression)."""

from __future__ import annotations

import zlib

MAX_BYTES = 64 * 1024 * 1024
_METHODS = frozenset({"DF", "GZ", "ZL"})
_ZLIB_OR_GZIP = 47
_BARE_DEFLATE = -15


def inflate(data: bytes, method: str, limit: int = MAX_BYTES) -> bytes:
    """The bytes behind DF (RFC 1951), GZ (RFC 1952) or ZL (RFC 1950); producers take one of them for another.

    Raises ValueError for another method, for damage and for more than `limit` bytes.
    """
    if method not in _METHODS:
        raise ValueError("unknown method")
    for window in (_ZLIB_OR_GZIP, _BARE_DEFLATE):
        stream = zlib.decompressobj(window)
        try:
            inflated = stream.decompress(data, limit)
        except zlib.error:
            continue
        if stream.eof:
            return inflated
    raise ValueError("damaged or too large")
