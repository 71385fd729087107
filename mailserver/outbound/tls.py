"""The client's end of TLS without a socket, beside the server's in `mailserver.tls`."""

from __future__ import annotations

import ssl

from mailserver.tls import TlsLayer


class ClientTls(TlsLayer):
    """One TLS connection to a server; `host` is named to it (SNI) and not compared with its certificate.

    Between operators the DN in the liste blanche counts, and the caller checks that one.
    """

    __slots__ = ()

    def __init__(self, context: ssl.SSLContext, host: str) -> None:
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._object = context.wrap_bio(self._incoming, self._outgoing, server_hostname=host)

    def greet(self) -> bytes:
        """The octets that begin the handshake."""
        self.shake_hands(b"")
        return self.pending()
