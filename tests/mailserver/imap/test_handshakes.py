"""Handshakes that are slow, many, false or hostile: each is counted and bounded, and none holds up the next."""

from __future__ import annotations

import asyncio
import shutil
import socket
import ssl
import threading
import time
from contextlib import AsyncExitStack, ExitStack
from typing import TYPE_CHECKING

import pytest
import trustme

from certs.tls import Identity, server_context
from mailserver.imap.context import ImapLimits
from mailserver.imap.server import Security
from mailserver.tls import TlsLayer
from tests.mailserver.imap.conftest import PASSWORD
from tests.mailserver.imap.wire import Wire, until

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from tests.mailserver.imap.conftest import Imap

BOTH_LOOPS = True
CROWD = 300
CLIENT_HELLO = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"  # its first octets; 512 are announced
ALERT = b"\x15\x03"


@pytest.fixture(params=[Security.IMPLICIT_TLS, Security.STARTTLS])
async def door(
    request: pytest.FixtureRequest,
    start: Callable[..., Awaitable[Imap]],
    server_tls: ssl.SSLContext,
    client_tls: ssl.SSLContext,
) -> Callable[..., Awaitable[Door]]:
    """A listener of either kind, with the limits and the certificate a test wants."""

    async def open_door(limits: ImapLimits | None = None, tls: ssl.SSLContext | None = None) -> Door:
        imap = await start(limits, request.param, tls or server_tls)
        return Door(imap, request.param, client_tls)

    return open_door


class Door:
    """Where handshakes begin: at once, or behind STARTTLS."""

    def __init__(self, imap: Imap, security: Security, client_tls: ssl.SSLContext) -> None:
        self.imap = imap
        self.security = security
        self.client_tls = client_tls

    async def wire(self, context: ssl.SSLContext | None = None) -> Wire:
        wire = await Wire.open(self.imap.port, context or self.client_tls)
        if self.security is Security.STARTTLS:
            assert (await wire.reader.readline()).startswith(b"* OK")
            await wire.send(b"s STARTTLS\r\n")
            assert (await wire.reader.readline()).startswith(b"s OK")
        return wire

    async def secured(self, *, slowly: bool = False) -> Wire:
        wire = await self.wire()
        await wire.shake_hands(slowly=slowly)
        if self.security is Security.IMPLICIT_TLS:
            assert (await wire.line()).startswith(b"* OK")
        return wire

    def stuck(self) -> socket.socket:
        """A client that stops in its first flight; blocks."""
        client = socket.create_connection(("127.0.0.1", self.imap.port), timeout=30)
        if self.security is Security.STARTTLS:
            client.recv(512)
            client.sendall(b"s STARTTLS\r\n")
            client.recv(512)
        client.sendall(CLIENT_HELLO)
        return client


OpenDoor = "Callable[..., Awaitable[Door]]"


async def answers(wire: Wire) -> bool:
    await wire.send(wire.seal(b"n NOOP\r\n"))
    return (await wire.line()).startswith(b"n OK")


async def test_a_handshake_that_comes_octet_by_octet_is_waited_for(door: OpenDoor) -> None:
    wire = await (await door()).secured(slowly=True)
    assert await answers(wire)
    wire.close()


async def test_a_handshake_that_stalls_is_cut(door: OpenDoor) -> None:
    here = await door(ImapLimits(handshake_seconds=0.2))
    wire = await here.wire()
    await wire.send(CLIENT_HELLO)
    assert await wire.reader.read() == b""
    half = await here.wire()
    await half.send(half.hello())
    await half.finish()
    with pytest.raises(EOFError):
        while True:
            await half._hear()
    await until(lambda: here.imap.server.connections == 0)
    for each in (wire, half):
        each.close()


@pytest.mark.parametrize(
    ("garbage", "alert"),
    [
        (b"a LOGIN marie secret\r\n" * 100, b""),
        (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b""),
        (b"\x16\x03\x01\x00\x04\x01\x00\x00\x00", ALERT),
        (b"\x16\x03\x01\x00\x20" + b"\x7f" * 32, ALERT),
        (b"\x17\x03\x03\x00\x10" + b"\0" * 16, ALERT),
        (b"\x16\x03\x03\xff\xff" + b"\0" * 70_000, ALERT),
        (b"\0" * 100_000, b""),
    ],
)
async def test_what_is_no_client_hello_ends_the_connection(
    door: OpenDoor, garbage: bytes, alert: bytes
) -> None:
    here = await door()
    wire = await here.wire()
    await wire.send(garbage)
    heard = await wire.reader.read()
    assert heard.startswith(alert)
    assert b"OK" not in heard
    wire.close()
    await until(lambda: here.imap.server.connections == 0)


async def test_a_client_learns_why_its_handshake_failed(
    door: OpenDoor, authority: trustme.CA, client_tls: ssl.SSLContext
) -> None:
    demanding = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(demanding)
    authority.configure_trust(demanding)
    demanding.verify_mode = ssl.CERT_REQUIRED
    here = await door(tls=demanding)
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        client_tls.minimum_version = ssl.TLSVersion.TLSv1_2
        client_tls.maximum_version = version
        wire = await here.wire()
        with pytest.raises(ssl.SSLError, match="ALERT"):
            await wire.send(wire.hello())
            # Much comes behind it that we do not want: it must not cost the client its alert.
            await wire.send(await wire.finish() + wire.seal(b"a NOOP\r\n" * 300_000))
            await wire.rest()
        assert await wire.reader.read() == b""  # an end, and no reset, which may overtake the alert
        wire.close()
        await wire.writer.wait_closed()
    await until(lambda: here.imap.server.connections == 0)


async def test_a_handshake_is_counted_as_a_connection(door: OpenDoor) -> None:
    here = await door(ImapLimits(connections_per_peer=2))
    with ExitStack() as stack:
        for _ in range(2):
            stack.enter_context(await asyncio.to_thread(here.stuck))
        await until(lambda: here.imap.server.connections == 2)
        reader, writer = await asyncio.open_connection("127.0.0.1", here.imap.port)
        told = await reader.read()
        writer.close()
    # Under TLS from the first octet there is nobody yet to be told.
    says_so = here.security is Security.STARTTLS
    assert told == (b"* BYE [LIMIT] Too many connections from this address\r\n" if says_so else b"")
    await until(lambda: here.imap.server.connections == 0)


async def test_300_clients_in_a_handshake_do_not_hold_up_the_next(door: OpenDoor) -> None:
    here = await door()
    with ExitStack() as stack:
        for _ in range(CROWD):
            stack.enter_context(await asyncio.to_thread(here.stuck))
        await until(lambda: here.imap.server.connections == CROWD)
        best = 60.0
        for _ in range(5):
            began = time.perf_counter()
            wire = await here.secured()
            assert await answers(wire)
            best = min(best, time.perf_counter() - began)
            wire.close()
        assert best < 0.1


async def test_arithmetic_is_done_beside_the_loop(door: OpenDoor, monkeypatch: pytest.MonkeyPatch) -> None:
    threads: list[str] = []

    def watched(
        layer: TlsLayer,
        octets: bytes,
        inner: Callable[[TlsLayer, bytes], bool] = TlsLayer.shake_hands,
    ) -> bool:
        threads.append(threading.current_thread().name)
        return inner(layer, octets)

    monkeypatch.setattr(TlsLayer, "shake_hands", watched)
    wire = await (await door()).secured()
    wire.close()
    assert threads
    assert all(name.startswith("imap-handshake") for name in threads)


async def test_commands_that_come_with_the_end_of_the_handshake_are_answered(door: OpenDoor) -> None:
    here = await door()
    wire = await here.wire()
    await wire.send(wire.hello())
    last = await wire.finish()
    await wire.send(last + wire.seal(b"a NOOP\r\nb NOOP\r\n"))
    heard = await wire.until(lambda line: line.startswith(b"b "))
    assert [line[:4] for line in heard[-2:]] == [b"a OK", b"b OK"]
    wire.close()


async def test_octets_in_the_clear_behind_starttls_are_never_commands(
    start: Callable[..., Awaitable[Imap]], server_tls: ssl.SSLContext, client_tls: ssl.SSLContext
) -> None:
    imap = await start(security=Security.STARTTLS, tls=server_tls)
    injected = b"i LOGIN marie@test.mssante.fr {%d+}\r\n%s\r\n" % (len(PASSWORD), PASSWORD.encode())
    # In the same packet, with a true handshake behind it.
    wire = await Wire.open(imap.port, client_tls)
    await wire.reader.readline()
    await wire.send(b"s STARTTLS\r\n" + injected + wire.hello())
    assert await wire.reader.read() == b"* BYE Nothing may follow STARTTLS before TLS\r\n"
    wire.close()
    # After the OK: taken for a handshake, which it is not.
    wire = await Wire.open(imap.port, client_tls)
    await wire.reader.readline()
    await wire.send(b"s STARTTLS\r\n")
    assert (await wire.reader.readline()).startswith(b"s OK")
    await wire.send(injected + wire.hello())
    assert b"i OK" not in await wire.reader.read()
    wire.close()
    await until(lambda: imap.server.connections == 0)


async def test_a_certificate_that_the_client_shows_is_known(
    door: OpenDoor, authority: trustme.CA, client_tls: ssl.SSLContext
) -> None:
    asking = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(asking)
    authority.configure_trust(asking)
    asking.verify_mode = ssl.CERT_OPTIONAL
    here = await door(tls=asking)
    connections = here.imap.server._connections
    async with AsyncExitStack() as stack:
        stack.callback((await here.secured()).close)
        (anonymous,) = connections
        await until(lambda: anonymous.is_encrypted)
        assert anonymous.peer_certificate is None
        shown = authority.issue_cert("dispositif.exemple.fr")
        shown.configure_cert(client_tls)
        stack.callback((await here.secured()).close)
        (known,) = connections - {anonymous}
        await until(lambda: known.is_encrypted)
        assert known.peer_certificate == ssl.PEM_cert_to_DER_cert(shown.cert_chain_pems[0].bytes().decode())


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")
class TestOpenssl:
    """`openssl s_client` as the client."""

    @pytest.fixture
    def identity(self, tmp_path: Path) -> Identity:
        issued = trustme.CA(key_type=trustme.KeyType.RSA).issue_cert(
            "localhost", key_type=trustme.KeyType.RSA
        )
        certificate, key = tmp_path / "certificate.pem", tmp_path / "key.pem"
        for blob in issued.cert_chain_pems:
            blob.write_to_path(certificate, append=True)
        issued.private_key_pem.write_to_path(key)
        return Identity(certificate, key)

    async def say(
        self, port: int, *options: str, lines: list[bytes], after: bytes = b"Vaguemestre ready"
    ) -> str:
        """Says each line when something was heard after the one before; what was heard, to the end."""
        program = await asyncio.create_subprocess_exec(
            *("openssl", "s_client", "-connect", f"127.0.0.1:{port}", *options),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        assert program.stdin is not None
        assert program.stdout is not None
        heard = b""
        async with asyncio.timeout(20):
            while b"\n" not in heard.partition(after)[2] and (octets := await program.stdout.read(65_536)):
                heard += octets
            for line in lines:
                program.stdin.write(line)
                heard += await program.stdout.read(65_536)
            heard += await program.stdout.read()
            await program.wait()
        return heard.decode()

    async def test_it_speaks_with_the_server(
        self, start: Callable[..., Awaitable[Imap]], identity: Identity
    ) -> None:
        imap = await start(security=Security.IMPLICIT_TLS, tls=server_context(identity))
        for version in ("-tls1_2", "-tls1_3"):
            heard = await self.say(imap.port, version, "-crlf", lines=[b"a LOGOUT\n"])
            assert "* OK [CAPABILITY" in heard
            assert "a OK LOGOUT completed" in heard
            # It says so of an end without close_notify.
            assert "unexpected eof" not in heard

    async def test_starttls_is_understood(
        self, start: Callable[..., Awaitable[Imap]], identity: Identity
    ) -> None:
        imap = await start(security=Security.STARTTLS, tls=server_context(identity))
        heard = await self.say(
            imap.port, "-starttls", "imap", "-crlf", lines=[b"a LOGOUT\n"], after=b"Verify return code"
        )
        assert "New, TLSv1.3" in heard
        assert "a OK LOGOUT completed" in heard

    async def test_a_new_handshake_on_the_same_connection_is_refused(
        self, start: Callable[..., Awaitable[Imap]], identity: Identity
    ) -> None:
        imap = await start(security=Security.IMPLICIT_TLS, tls=server_context(identity))
        heard = await self.say(imap.port, "-tls1_2", "-crlf", lines=[b"R\n"])
        assert "RENEGOTIATING" in heard
        assert "no renegotiation" in heard
        await until(lambda: imap.server.connections == 0)

    async def test_keys_may_change(self, start: Callable[..., Awaitable[Imap]], identity: Identity) -> None:
        imap = await start(security=Security.IMPLICIT_TLS, tls=server_context(identity))
        heard = await self.say(imap.port, "-tls1_3", "-crlf", lines=[b"K\n", b"a NOOP\n", b"b LOGOUT\n"])
        assert "KEYUPDATE" in heard
        assert "a OK" in heard
        assert "b OK" in heard

    @pytest.mark.parametrize("version", ["-tls1", "-tls1_1"])
    async def test_old_versions_are_refused(
        self, start: Callable[..., Awaitable[Imap]], identity: Identity, version: str
    ) -> None:
        imap = await start(security=Security.IMPLICIT_TLS, tls=server_context(identity))
        heard = await self.say(imap.port, version, "-cipher", "ALL:@SECLEVEL=0", lines=[])
        assert "alert protocol version" in heard
        assert "* OK" not in heard
