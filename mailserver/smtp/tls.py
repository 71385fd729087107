"""The server's end of TLS without a socket: octets of the wire in and out, content in and out.

The layer of asyncio (and that of uvloop) drops the alert of a handshake that fails, so that the other operator
never learns what is wrong with its certificate, and holds 256 KB for each connection. Here the transport stays
as it is, and so do its flow control and its time-outs.
"""

from __future__ import annotations

import contextlib
import ssl

_RECORD = 16 * 1024  # octets a record holds at most (RFC 8446 §5.1)


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
        self._incoming.write(octets)
        content = []
        try:
            while record := self._object.read(_RECORD):
                content.append(record)
        except ssl.SSLWantReadError:
            return b"".join(content), False
        except ssl.SSLZeroReturnError:
            pass
        return b"".join(content), True

    def encrypt(self, content: bytes) -> bytes:
        """The octets to send for this content. Raises SSLError."""
        self._object.write(content)
        return self._outgoing.read()

    def close(self) -> bytes:
        """The octets that say that no more follows (close_notify), where they can still be said."""
        with contextlib.suppress(ssl.SSLError):  # it waits for the answer, for which we do not
            self._object.unwrap()
        return self._outgoing.read()

    @property
    def certificate(self) -> bytes | None:
        """The other side's certificate (DER), None when it showed none."""
        return self._object.getpeercert(binary_form=True)
