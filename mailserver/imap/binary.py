"""Transfer encodings undone a piece at a time, for BINARY of messages that are not held in memory (RFC 3516)."""

from __future__ import annotations

import binascii
from typing import TYPE_CHECKING, Protocol

from foundation.mime.transfer import decode_base64, decode_quoted_printable
from mailserver.imap.section import Encoding

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_ALPHABET = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/="
_FOREIGN = bytes(byte for byte in range(256) if byte not in _ALPHABET)


class Decoder(Protocol):
    """Gives the octets of encoded text, as many as are certain; broken text gives what can be had."""

    def feed(self, text: bytes) -> bytes:
        """The octets that this piece completes."""
        ...

    def finish(self) -> bytes:
        """The octets that were held back."""
        ...


class _Identity:
    def feed(self, text: bytes) -> bytes:
        return text

    def finish(self) -> bytes:
        return b""


class _Base64:
    """Foreign characters are skipped, the first padding ends the data, a cut last group gives what it holds."""

    def __init__(self) -> None:
        self._held = b""
        self._has_ended = False

    def feed(self, text: bytes) -> bytes:
        if self._has_ended:
            return b""
        letters, padding, _ = (self._held + text.translate(None, _FOREIGN)).partition(b"=")
        if padding:
            self._has_ended, self._held = True, b""
            return decode_base64(letters)
        whole = len(letters) - len(letters) % 4
        self._held = letters[whole:]
        return binascii.a2b_base64(letters[:whole])

    def finish(self) -> bytes:
        return decode_base64(self._held)


class _QuotedPrintable:
    """A wrong escape stays as it was written."""

    def __init__(self) -> None:
        self._held = b""

    def feed(self, text: bytes) -> bytes:
        text = self._held + text
        # An escape, or a soft line break, may be cut in two: both begin with "=" and have at most three octets.
        cut = text.find(b"=", max(len(text) - 2, 0))
        cut = len(text) if cut < 0 else cut
        self._held = text[cut:]
        return decode_quoted_printable(text[:cut])

    def finish(self) -> bytes:
        return decode_quoted_printable(self._held)


_DECODERS: Mapping[Encoding, Callable[[], Decoder]] = {
    Encoding.IDENTITY: _Identity,
    Encoding.BASE64: _Base64,
    Encoding.QUOTED_PRINTABLE: _QuotedPrintable,
}


class UnknownEncoding(ValueError):
    """Nobody knows how to undo the transfer encoding of the part (RFC 3516 §4.3)."""


def decoder(encoding: Encoding) -> Decoder:
    """Raises UnknownEncoding."""
    make = _DECODERS.get(encoding)
    if make is None:
        raise UnknownEncoding
    return make()


def decoded(text: bytes, encoding: Encoding) -> bytes:
    """All at once; raises UnknownEncoding."""
    undoing = decoder(encoding)
    return undoing.feed(text) + undoing.finish()
