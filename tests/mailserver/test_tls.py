"""The TLS layer alone, against the client's end of it: what goes in comes out, and little is kept."""

from __future__ import annotations

import ssl

import psutil
import pytest
import trustme

from mailserver.outbound.tls import ClientTls
from mailserver.tls import TlsLayer

MEGABYTE = b"0123456789abcdef" * 65_536


class Pair:
    """Both ends of a connection, after their handshake."""

    def __init__(self, server: ssl.SSLContext, client: ssl.SSLContext) -> None:
        self.server = TlsLayer(server)
        self.client = ClientTls(client, "localhost")
        octets = self.client.greet()
        while not self.server.shake_hands(octets):
            self.client.shake_hands(self.server.pending())
            octets = self.client.pending()
        assert self.client.shake_hands(self.server.pending())


@pytest.fixture(scope="module")
def contexts() -> tuple[ssl.SSLContext, ssl.SSLContext]:
    authority = trustme.CA()
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(server)
    client = ssl.create_default_context()
    authority.configure_trust(client)
    return server, client


@pytest.mark.parametrize("size", [0, 1, 16_384, 16_385, 100_000, len(MEGABYTE)])
def test_what_is_encrypted_is_decrypted(contexts: tuple[ssl.SSLContext, ssl.SSLContext], size: int) -> None:
    pair = Pair(*contexts)
    for here, there in ((pair.server, pair.client), (pair.client, pair.server)):
        assert there.decrypt(here.encrypt(MEGABYTE[:size])) == (MEGABYTE[:size], False)


@pytest.mark.parametrize("step", [1, 5, 8191, 8192, 20_000])
def test_octets_of_the_wire_may_be_cut_anywhere(
    contexts: tuple[ssl.SSLContext, ssl.SSLContext], step: int
) -> None:
    pair = Pair(*contexts)
    wire = pair.client.encrypt(MEGABYTE[:40_000]) + pair.client.encrypt(b"more") + pair.client.close()
    pieces = [pair.server.decrypt(wire[start : start + step]) for start in range(0, len(wire), step)]
    assert b"".join(content for content, _ in pieces) == MEGABYTE[:40_000] + b"more"
    assert [is_over for _, is_over in pieces].index(True) == len(pieces) - 1


def test_nothing_is_heard_after_the_end(contexts: tuple[ssl.SSLContext, ssl.SSLContext]) -> None:
    pair = Pair(*contexts)
    last, end = pair.client.encrypt(b"last"), pair.client.close()
    assert pair.server.decrypt(last + end + last) == (b"last", True)
    assert pair.client.decrypt(pair.server.encrypt(b"answer") + pair.server.close()) == (b"answer", True)


def test_a_connection_that_carried_much_keeps_little(
    contexts: tuple[ssl.SSLContext, ssl.SSLContext],
) -> None:
    """The buffers of OpenSSL never shrink: a megabyte at once would be held until the connection ends."""
    process = psutil.Process()
    pairs = [Pair(*contexts)]
    before = process.memory_info().rss
    for _ in range(40):
        pair = Pair(*contexts)
        assert len(pair.client.decrypt(pair.server.encrypt(MEGABYTE))[0]) == len(MEGABYTE)
        assert len(pair.server.decrypt(pair.client.encrypt(MEGABYTE))[0]) == len(MEGABYTE)
        pairs.append(pair)
    assert (process.memory_info().rss - before) / 40 < 300_000
