"""Clients that are slow, many, or half there: each is bounded in time and memory, and none holds up the next."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from typing import TYPE_CHECKING

import psutil
import pytest

from tests.mailserver.smtp.conftest import until
from tests.mailserver.smtp.doors import Way

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterator

    from mailserver.smtp.listener import Listener
    from tests.mailserver.smtp.conftest import RecordingGate
    from tests.mailserver.smtp.doors import Door

CROWD = 400
CLIENT_HELLO = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"  # its first octets; 512 are announced


@contextlib.contextmanager
def crowd(listener: Listener, count: int = CROWD) -> Iterator[list[socket.socket]]:
    """Connections in clear of clients that cost us next to nothing."""
    with contextlib.ExitStack() as stack:
        yield [
            stack.enter_context(socket.create_connection(("127.0.0.1", listener.port), timeout=30))
            for _ in range(count)
        ]


def half_way(door: Door, client: socket.socket) -> None:
    """Stops in the middle of the first thing that is to be said."""
    if door.way is Way.SUBMISSIONS:
        client.sendall(CLIENT_HELLO)
    else:
        client.recv(512)
        client.sendall(b"EHL")


def in_the_handshake(door: Door, client: socket.socket) -> None:
    """Stops in the middle of TLS."""
    if door.way is not Way.SUBMISSIONS:
        client.recv(512)
        client.sendall(b"EHLO x\r\n")
        client.recv(512)
        client.sendall(b"STARTTLS\r\n")
        client.recv(512)
    client.sendall(CLIENT_HELLO)


def under_tls(door: Door, client: socket.socket) -> ssl.SSLSocket:
    """Stops in the middle of a command under TLS."""
    if door.way is not Way.SUBMISSIONS:
        client.recv(512)
        client.sendall(b"STARTTLS\r\n")
        client.recv(512)
    secured = door.client.wrap_socket(client, server_hostname="localhost")
    if door.way is Way.SUBMISSIONS:
        secured.recv(512)
    secured.sendall(b"EHL")
    return secured


async def quickest_answer(door: Door, listener: Listener) -> float:
    """Seconds that a new client needs from its connection to its 250, at best."""
    best = 60.0
    for _ in range(5):
        began = time.perf_counter()
        async with await door.visit(listener) as quick:
            await quick.ready()
            assert (await quick.say("x\r\n.")).startswith("250")
        best = min(best, time.perf_counter() - began)
    return best


async def test_400_half_open_clients_do_not_hold_up_the_next(door: Door, gate: RecordingGate) -> None:
    listener = await door.open()
    process = psutil.Process()
    before = process.memory_info().rss
    with crowd(listener) as clients:
        for client in clients:
            await asyncio.to_thread(half_way, door, client)
        await until(lambda: listener.connections == CROWD)
        assert (process.memory_info().rss - before) / CROWD < 100_000
        assert await quickest_answer(door, listener) < 0.1
    assert len(gate.delivered) == 5


async def test_400_endless_handshakes_do_not_hold_up_the_next(door: Door, gate: RecordingGate) -> None:
    listener = await door.open()
    with crowd(listener) as clients:
        for client in clients:
            await asyncio.to_thread(in_the_handshake, door, client)
        await until(lambda: listener.connections == CROWD)
        assert await quickest_answer(door, listener) < 0.1


async def test_400_clients_that_stop_under_tls_do_not_hold_up_the_next(
    door: Door, gate: RecordingGate
) -> None:
    listener = await door.open()
    process = psutil.Process()
    with crowd(listener) as clients:
        secured = [await asyncio.to_thread(under_tls, door, clients[0])]
        before = process.memory_info().rss
        for client in clients[1:]:
            secured.append(await asyncio.to_thread(under_tls, door, client))
        # Both ends of OpenSSL are in this process.
        assert (process.memory_info().rss - before) / CROWD < 200_000
        assert await quickest_answer(door, listener) < 0.1
        for client in secured:
            client.close()


async def test_a_handshake_that_never_ends_is_cut_off(door: Door) -> None:
    listener = await door.open(handshake=0.2)
    with crowd(listener, 1) as (client,):
        await asyncio.to_thread(in_the_handshake, door, client)
        assert await asyncio.to_thread(client.recv, 512) == b""
    await until(lambda: listener.connections == 0)


async def test_a_handshake_is_counted_as_a_connection(door: Door) -> None:
    listener = await door.open(connections=2)
    with crowd(listener, 2) as clients:
        for client in clients:
            await asyncio.to_thread(in_the_handshake, door, client)
        await until(lambda: listener.connections == 2)
        with crowd(listener, 1) as (third,):
            said = await asyncio.to_thread(third.recv, 512)
        # Under TLS from the first octet there is nobody yet to be told.
        assert said == b"" if door.way is Way.SUBMISSIONS else said.startswith(b"421 4.7.0 MSS-106 ")


async def test_octets_that_are_not_tls_end_the_handshake(door: Door) -> None:
    listener = await door.open()
    with crowd(listener, 1) as (client,):
        if door.way is not Way.SUBMISSIONS:
            await asyncio.to_thread(client.recv, 512)
            client.sendall(b"STARTTLS\r\n")
            await asyncio.to_thread(client.recv, 512)
        client.sendall(b"EHLO client.example\r\nMAIL FROM:<a@b.fr>\r\n" * 100)
        said = b""
        while octets := await asyncio.to_thread(client.recv, 512):
            said += octets
        assert b"250" not in said
    await until(lambda: listener.connections == 0)


async def test_a_slow_line_is_timed_out(door: Door) -> None:
    listener = await door.open(idle=0.3)
    async with await door.visit(listener) as visit:
        await visit.begin()
        await visit.send(b"NOO")
        assert (await visit.answer()).startswith("421 4.4.2 ")
        assert await visit.is_closed()


async def test_content_slower_than_the_minimum_is_timed_out(door: Door, gate: RecordingGate) -> None:
    listener = await door.open(block=0.3, bytes_per_second=1_000_000)
    async with await door.visit(listener) as visit:
        await visit.ready()
        answer = asyncio.create_task(visit.answer())
        while not answer.done():
            with contextlib.suppress(ConnectionError):
                await visit.send(b"drip\r\n")
            await asyncio.wait([answer], timeout=0.05)
        assert answer.result().startswith("421 4.4.2 ")
    assert gate.delivered == []


async def test_content_that_flows_is_not_timed_out(door: Door, gate: RecordingGate) -> None:
    listener = await door.open(idle=0.5, block=0.5, bytes_per_second=1)
    async with await door.visit(listener) as visit:
        await visit.ready()
        answer = asyncio.create_task(visit.answer())
        for _ in range(12):
            await visit.send(b"x" * 70 + b"\r\n")
            await asyncio.wait([answer], timeout=0.06)
        await visit.send(b".\r\n")
        assert (await answer).startswith("250")
    assert len(gate.delivered) == 1


async def test_who_never_reads_replies_is_dropped(door: Door) -> None:
    listener = await door.open(idle=0.3, junk=10_000_000)
    async with await door.visit(listener) as visit:
        await visit.begin()
        visit.writer.transport.pause_reading()  # type: ignore[attr-defined]
        with pytest.raises(ConnectionError):
            for _ in range(1000):
                await visit.send(b"HELP\r\n" * 10_000)


@pytest.mark.parametrize("limit", ["connections", "connections_per_peer"])
async def test_connections_are_counted_in_total_and_by_address(door: Door, limit: str) -> None:
    listener = await door.open(**{limit: 2})
    first, second = await door.visit(listener), await door.visit(listener)
    await first.begin()
    await second.begin()
    with crowd(listener, 1) as (third,):
        said = await asyncio.to_thread(third.recv, 512)
        assert said == b"" if door.way is Way.SUBMISSIONS else said.startswith(b"421 4.7.0 MSS-106 ")
    assert listener.connections == 2
    await first.say("QUIT")
    assert await first.is_closed()
    await until(lambda: listener.connections == 1)
    async with await door.visit(listener) as another:
        await another.begin()
    for visit in (first, second):
        visit.writer.close()


async def test_who_comes_and_goes_is_forgotten(door: Door) -> None:
    listener = await door.open()
    for _ in range(3):
        with crowd(listener, 50):
            pass
    await until(lambda: listener.connections == 0)
