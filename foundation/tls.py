"""The server's end of TLS without a socket: octets of the wire in and out, content in and out.

The layer of asyncio (and that of uvloop) drops the alert of a handshake that fails, so that the other side
never learns what is wrong with its certificate, and holds 256 KB for each connection. Here the transport stays
as it is, and so do its flow control and its time-outs; a large content passes in pieces, because the buffers of
OpenSSL keep the size they once had.
"""

from __future__ import annotations

import contextlib
import ssl

_RECORD = 16 * 1024  # octets a record holds at most (RFC 8446 §5.1)
_PIECE = 8 * 1024  # octets of the wire taken in at once


class TlsLayer:
    """One TLS connection. After an SSLError of any method `pending` holds the alert, and nothing else follows."""

    __slots__ = ("_incoming", "_object", "_outgoing")

    def __init__(self, context: ssl.SSLContext) -> None:
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._object = context.wrap_bio(self._incoming, self._outgoing, server_side=True)

    def pending(self) -> bytes:
        """What is to be sent now."""
        return self._outgoing.read()

    def shake_hands(self, octets: bytes) -> bool:
        """Go on with the handshake; True once it is done. Raises SSLError."""
        self._incoming.write(octets)
        try:
            self._object.do_handshake()
        except ssl.SSLWantReadError:
            return False
        return True

    def decrypt(self, octets: bytes) -> tuple[bytes, bool]:
        """The content in these octets, and whether the other side said that no more follows. Raises SSLError."""
        content: list[bytes] = []
        is_over = False
        with memoryview(octets) as wire:
            # Once more without any: octets may have come with the end of the handshake.
            for start in range(0, len(wire) or 1, _PIECE):
                self._incoming.write(wire[start : start + _PIECE])
                is_over = self._read_into(content)
                if is_over:
                    break
        return b"".join(content), is_over

    def _read_into(self, content: list[bytes]) -> bool:
        try:
            # Asked before, for an empty reading raises an error, which takes longer than the decryption.
            while self._incoming.pending or self._object.pending():
                record = self._object.read(_RECORD)
                if not record:
                    return True
                content.append(record)
        except ssl.SSLWantReadError:
            return False
        except ssl.SSLZeroReturnError:
            return True
        return False

    def encrypt(self, content: bytes) -> bytes:
        """The octets to send for this content. Raises SSLError."""
        if len(content) <= _RECORD:
            self._object.write(content)
            return self._outgoing.read()
        records = []
        with memoryview(content) as whole:
            for start in range(0, len(whole), _RECORD):
                self._object.write(whole[start : start + _RECORD])
                records.append(self._outgoing.read())
        return b"".join(records)

    def close(self) -> bytes:
        """The octets that say that no more follows (close_notify), where they can still be said."""
        with contextlib.suppress(ssl.SSLError):  # it waits for the answer, for which we do not
            self._object.unwrap()
        return self._outgoing.read()

    @property
    def certificate(self) -> bytes | None:
        """The other side's certificate (DER), None when it showed none."""
        return self._object.getpeercert(binary_form=True)
