"""Octets both ways, in the clear and under TLS: odd pieces, broken records, ends of every kind, and who does not read."""

from __future__ import annotations

import asyncio
import socket
import ssl
import struct
import time
from typing import TYPE_CHECKING

import pytest

from mailserver.imap.connection import HIGH_WATER
from mailserver.imap.context import ImapLimits
from mailserver.imap.server import Security
from tests.mailserver.imap.conftest import PASSWORD, SIMPLE
from tests.mailserver.imap.wire import Wire, until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from tests.mailserver.imap.conftest import Imap

    Start = Callable[..., Awaitable[Imap]]

BOTH_LOOPS = True
LOGIN = f'a LOGIN marie@test.mssante.fr "{PASSWORD}"\r\n'.encode()
BAD_RECORD_MAC, RECORD_OVERFLOW = 20, 22  # RFC 8446 §6


class Secured:
    """A server with TLS from the first octet, and clients of it."""

    def __init__(self, imap: Imap, client_tls: ssl.SSLContext) -> None:
        self.imap = imap
        self.client_tls = client_tls
        self.wires: list[Wire] = []

    async def visit(self, *, selected: bool = False) -> Wire:
        wire = await Wire.open(self.imap.port, self.client_tls)
        self.wires.append(wire)
        await wire.shake_hands()
        await wire.line()
        if selected:
            await self.say(wire, LOGIN)
            await self.say(wire, b"a SELECT INBOX\r\n")
        return wire

    async def say(self, wire: Wire, command: bytes) -> list[bytes]:
        """Says a command with the tag "a"; the lines of its answer."""
        await wire.send(wire.seal(command))
        heard = await wire.until(lambda line: line.startswith(b"a "))
        assert heard[-1].startswith(b"a OK"), heard[-1]
        return heard


@pytest.fixture
async def secured(
    start: Start, server_tls: ssl.SSLContext, client_tls: ssl.SSLContext
) -> AsyncIterator[Secured]:
    limits = ImapLimits(stalled_seconds=0.3)
    secured = Secured(await start(limits, Security.IMPLICIT_TLS, server_tls), client_tls)
    yield secured
    for wire in secured.wires:
        wire.close()


async def gone(secured: Secured) -> None:
    await until(lambda: secured.imap.server.connections == 0)


async def test_each_octet_may_come_in_its_own_record(secured: Secured) -> None:
    wire = await secured.visit()
    command = b"a NOOP\r\n"
    await wire.send(b"".join(wire.seal(command[i : i + 1]) for i in range(len(command))))
    assert (await wire.line()).startswith(b"a OK")
    for octet in b"".join(wire.seal(command[i : i + 1]) for i in range(len(command))):
        await wire.send(bytes([octet]))
        await asyncio.sleep(0)
    assert (await wire.line()).startswith(b"a OK")
    await secured.say(wire, b"a LOGOUT\r\n")
    await gone(secured)


@pytest.mark.parametrize("size", [1, 8191, 16_383, 16_384, 16_385, 17_000, 300_000, 3_000_000])
async def test_what_is_written_is_what_is_read(secured: Secured, size: int) -> None:
    message = b"Subject: x\r\n\r\n" + bytes(97 + index % 26 for index in range(size))
    wire = await secured.visit(selected=True)
    await secured.say(wire, b"a APPEND INBOX {%d+}\r\n%s\r\n" % (len(message), message))
    heard = await secured.say(wire, b"a FETCH 1 BODY.PEEK[]\r\n")
    text = b"\r\n".join(heard)
    assert b"{%d}\r\n%s" % (len(message), message) in text
    await secured.say(wire, b"a LOGOUT\r\n")
    await gone(secured)


async def test_the_end_is_said_under_tls(secured: Secured) -> None:
    wire = await secured.visit()
    await wire.send(wire.seal(b"a LOGOUT\r\n"))
    assert b"a OK" in await wire.rest()
    assert wire.is_over
    await gone(secured)


async def test_who_says_the_end_is_still_answered(secured: Secured) -> None:
    wire = await secured.visit()
    await wire.send(wire.seal(LOGIN + b"b STATUS INBOX (MESSAGES)\r\nc NOOP\r\nd NOO") + wire.farewell())
    heard = await wire.rest()
    assert [line.partition(b" ")[0] for line in heard.splitlines()] == [b"a", b"*", b"b", b"c"]
    assert wire.is_over
    await gone(secured)


async def test_a_connection_that_ends_without_the_word_of_the_end_runs_no_half_command(
    secured: Secured,
) -> None:
    wire = await secured.visit(selected=True)
    await wire.send(wire.seal(b"a CREATE Whole\r\nb CREATE Half"))
    wire.writer.write_eof()
    heard = await wire.rest()
    assert b"a OK" in heard
    assert b"b " not in heard
    await gone(secured)


async def test_a_connection_cut_in_the_middle_of_a_record_is_forgotten(
    secured: Secured, capfd: pytest.CaptureFixture[str]
) -> None:
    for _ in range(20):
        wire = await secured.visit()
        record = wire.seal(b"a NOOP\r\n" * 1000)
        await wire.send(record[: len(record) // 2])
        connection = wire.writer.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        wire.writer.transport.abort()
    await gone(secured)
    assert "failed" not in "".join(capfd.readouterr())


async def test_a_record_that_was_changed_ends_the_connection(secured: Secured) -> None:
    wire = await secured.visit(selected=True)
    record = bytearray(wire.seal(b"a CREATE Changed\r\n"))
    record[-1] ^= 1
    await wire.send(bytes(record) + wire.seal(b"b NOOP\r\n"))
    with pytest.raises(ssl.SSLError, match="BAD_RECORD_MAC"):
        await wire.rest()
    await gone(secured)


async def test_a_record_that_is_too_long_ends_the_connection(secured: Secured) -> None:
    wire = await secured.visit()
    await wire.send(b"\x17\x03\x03" + (17_500).to_bytes(2, "big") + b"\0" * 17_500)
    with pytest.raises(ssl.SSLError, match="RECORD_OVERFLOW"):
        await wire.rest()
    await gone(secured)


async def test_a_client_that_never_reads_makes_us_hold_little_under_tls(secured: Secured) -> None:
    await secured.imap.deliver(SIMPLE + b"x" * 1_000_000)
    greedy = await secured.visit(selected=True)
    (connection,) = secured.imap.server._connections
    greedy.writer.transport.pause_reading()  # type: ignore[attr-defined]
    most = 0
    await greedy.send(greedy.seal(b"a FETCH 1 BODY.PEEK[]\r\n" * 300))
    other = await secured.visit(selected=True)
    while connection._transport is not None:
        most = max(most, connection._transport.get_write_buffer_size())
        await secured.say(other, b"a NOOP\r\n")
    assert HIGH_WATER < most < 4_000_000
    await secured.say(other, b"a LOGOUT\r\n")
    await gone(secured)


@pytest.mark.parametrize("security", [Security.PLAIN, Security.IMPLICIT_TLS])
async def test_input_that_nobody_reads_is_not_taken_in(
    start: Start, server_tls: ssl.SSLContext, client_tls: ssl.SSLContext, security: Security
) -> None:
    """The session waits for its client to read; meanwhile the client goes on sending."""
    imap = await start(ImapLimits(stalled_seconds=1.0), security, server_tls)
    await imap.deliver(SIMPLE + b"x" * 1_000_000)
    wire = await Wire.open(imap.port, client_tls)
    if security is Security.IMPLICIT_TLS:
        await wire.shake_hands()
    seal = wire.seal if security is Security.IMPLICIT_TLS else bytes
    await wire.send(seal(LOGIN + b"b SELECT INBOX\r\n" + b"c FETCH 1 BODY.PEEK[]\r\n" * 30))
    wire.writer.transport.pause_reading()  # type: ignore[attr-defined]
    (connection,) = imap.server._connections
    await until(lambda: connection._is_writing_paused)
    most = 0
    with pytest.raises(ConnectionError):
        while True:
            wire.writer.write(seal(b"d NOOP\r\n" * 10_000))
            async with asyncio.timeout(5):
                await wire.writer.drain()
            most = max(most, len(connection._incoming))
    assert HIGH_WATER < most < 4 * HIGH_WATER
    wire.close()


async def test_a_literal_in_two_writes_waits_for_no_delayed_acknowledgement(imap: Imap) -> None:
    await imap.deliver()

    def appends() -> float:
        with socket.create_connection(("127.0.0.1", imap.port), timeout=30) as client:
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 0)
            heard = client.makefile("rb")
            heard.readline()
            client.sendall(LOGIN)
            heard.readline()
            began = time.perf_counter()
            for _ in range(50):
                client.sendall(b"a STATUS {5}\r\n")
                assert heard.readline().startswith(b"+ ")
                client.sendall(b"INBOX")
                client.sendall(
                    b" (MESSAGES)\r\n"
                )  # which the client holds back until the first is acknowledged
                assert heard.readline().startswith(b"* STATUS")
                assert heard.readline().startswith(b"a OK")
            return time.perf_counter() - began

    # At best, for the machine may be busy; a delay would be there each time.
    assert min([await asyncio.to_thread(appends) for _ in range(3)]) < 50 * 0.040 / 4
