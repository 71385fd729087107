"""How many connections there may be, how long each waits, and how little an idle one holds."""

from __future__ import annotations

import asyncio
import math
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

import psutil
import pytest

from mailserver.imap.connection import Connection, Disconnected, Security, TimedOut
from mailserver.imap.context import ImapContext, ImapLimits
from mailserver.imap.incoming import LineTooLong
from tests.mailserver.imap.conftest import PASSWORD, SIMPLE
from tests.mailserver.imap.wire import Wire, until

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator, Awaitable, Callable

    from tests.mailserver.imap.conftest import Imap

    Start = Callable[..., Awaitable[Imap]]
    Story = Callable[[Connection], Awaitable[None]]

BOTH_LOOPS = True
LOGIN = f'LOGIN marie@test.mssante.fr "{PASSWORD}"'


async def test_connections_of_one_mailbox_are_bounded(start: Start) -> None:
    imap = await start(ImapLimits(connections_per_person=2))
    first, second = await imap.signed_in(), await imap.signed_in()
    third = await imap.connect()
    assert (await third.command(LOGIN))[-1].startswith("NO [LIMIT] ")
    assert (await third.command(LOGIN.replace("marie", "paul")))[-1].startswith("OK")
    await first.command("LOGOUT")
    assert await first.is_closed()
    fourth = await imap.signed_in()
    assert (await second.command("UNAUTHENTICATE"))[-1].startswith("OK")
    fifth = await imap.signed_in()
    assert (await second.command(LOGIN))[-1].startswith("NO [LIMIT] ")
    for client in (second, third, fourth, fifth):
        client.writer.transport.abort()
    await until(lambda: imap.server.connections == 0)
    assert not imap.server._persons._by_origin


async def test_connections_are_bounded_in_total(start: Start) -> None:
    imap = await start(ImapLimits(connections=2))
    await imap.connect()
    await imap.connect()
    third = await imap.connect_raw()
    assert await third.line() == "* BYE [UNAVAILABLE] Too many connections"
    assert await third.is_closed()
    assert imap.server.connections == 2


async def test_who_is_turned_away_is_not_counted(start: Start) -> None:
    imap = await start(ImapLimits(connections_per_peer=1))
    kept = await imap.connect()
    for _ in range(20):
        refused = await imap.connect_raw()
        assert (await refused.line()).startswith("* BYE [LIMIT] ")
    assert imap.server.connections == 1
    await kept.command("LOGOUT")
    assert await kept.is_closed()
    assert (await (await imap.connect()).command("NOOP"))[-1].startswith("OK")


async def test_a_literal_that_drips_is_cut_though_it_never_stalls(start: Start) -> None:
    imap = await start(ImapLimits(stalled_seconds=0.2, literal_bytes_per_second=1_000_000))
    client = await imap.signed_in()
    await client.send("a APPEND INBOX {100000}\r\n")
    assert (await client.line()).startswith("+ ")
    closed = asyncio.create_task(client.is_closed())
    drops = 0
    while not closed.done():
        with suppress(ConnectionError):
            await client.send(b"x")
        drops += 1
        await asyncio.wait([closed], timeout=0.02)
    assert drops > 5


class Alone:
    """A server of connections without sessions: each runs the story of its test."""

    def __init__(self, story: Story) -> None:
        self.handshakes = ThreadPoolExecutor(1)
        self.connections: list[Connection] = []
        self.story = story
        self.outcome: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def enter(self, connection: Connection) -> bytes | None:
        self.connections.append(connection)
        return None

    def leave(self, connection: Connection) -> None:
        self.connections.remove(connection)

    def enter_person(self, owner_id: int) -> bool:
        return True

    def leave_person(self, owner_id: int) -> None:
        pass

    async def serve(self, connection: Connection) -> None:
        try:
            await self.story(connection)
        except Exception as error:
            self.outcome.set_exception(error)
        else:
            self.outcome.set_result(None)


@pytest.fixture
async def tell(imap: Imap) -> AsyncIterator[Callable[[Story], Awaitable[asyncio.StreamWriter]]]:
    """Connects to a story; it has to end well."""
    opened: list[tuple[asyncio.Server, asyncio.StreamWriter, Alone]] = []

    async def begin(story: Story) -> asyncio.StreamWriter:
        context: ImapContext = replace(imap.context, limits=ImapLimits(stalled_seconds=5))
        host = Alone(story)
        server = await asyncio.get_running_loop().create_server(
            lambda: Connection(context, Security.PLAIN, host), "127.0.0.1", 0
        )
        _, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        opened.append((server, writer, host))
        return writer

    yield begin
    for server, writer, host in opened:
        try:
            async with asyncio.timeout(10):
                await host.outcome
        finally:  # what stays open would keep the loop from its end
            writer.close()
            server.close()
            async with asyncio.timeout(10):
                await until(lambda host=host: not host.connections)
            host.handshakes.shutdown()


Tell = "Callable[[Story], Awaitable[asyncio.StreamWriter]]"


async def test_a_deadline_that_passes_ends_the_wait(tell: Tell) -> None:
    async def story(connection: Connection) -> None:
        loop = asyncio.get_running_loop()
        for _ in range(3):
            connection.deadline = due = loop.time() + 0.03
            with pytest.raises(TimedOut):
                await connection.next_line(100)
            assert due - 0.002 <= loop.time()
        connection.deadline = loop.time() + 0.03
        with pytest.raises(TimedOut):
            await connection.wait()

    await tell(story)


async def test_one_timer_serves_all_deadlines(tell: Tell) -> None:
    async def story(connection: Connection) -> None:
        loop = asyncio.get_running_loop()
        timers = set()
        for number in range(100):
            connection.deadline = loop.time() + 1800
            assert await connection.next_line(100) == b"%d" % number
            timers.add(id(connection._timer))
            await asyncio.sleep(0)
            connection.write(b"more\r\n")
        assert len(timers) == 1
        # A nearer one is kept as well, and so is the next that is far.
        connection.deadline = loop.time() + 0.03
        with pytest.raises(TimedOut):
            await connection.next_line(100)
        connection.deadline = loop.time() + 0.03
        writer.write(b"near\r\n")
        assert await connection.next_line(100) == b"near"
        connection.deadline = loop.time() + 1800
        loop.call_later(0.06, writer.write, b"far\r\n")
        assert await connection.next_line(100) == b"far"
        connection.deadline = math.inf
        loop.call_later(0.06, writer.write, b"whenever\r\n")
        assert await connection.next_line(100) == b"whenever"

    writer = await tell(story)
    for number in range(100):
        writer.write(b"%d\r\n" % number)
        await asyncio.sleep(0.001)


async def test_a_line_that_is_there_needs_no_wait(tell: Tell) -> None:
    async def story(connection: Connection) -> None:
        assert connection.take_line(100) is None
        assert await connection.next_line(100) == b"one"
        assert connection.take_line(100) == b"two"
        assert connection.take_line(100) is None
        assert connection.has_waiting_input
        with pytest.raises(LineTooLong):
            connection.take_line(2)
        writer.close()
        with pytest.raises(Disconnected):
            await connection.next_line(100)

    writer = await tell(story)
    writer.write(b"one\r\ntwo\r\nthr")


async def test_a_nudge_ends_a_wait_and_is_not_lost(tell: Tell) -> None:
    async def story(connection: Connection) -> None:
        loop = asyncio.get_running_loop()
        connection.nudge()
        await connection.wait()
        loop.call_soon(connection.nudge)
        await connection.wait()
        connection.deadline = loop.time() + 0.03
        with pytest.raises(TimedOut):
            await connection.wait()
        connection.deadline = math.inf
        loop.call_soon(connection.nudge)
        loop.call_later(0.01, writer.write, b"line\r\n")
        assert await connection.next_line(100) == b"line"

    writer = await tell(story)


async def idle(imap: Imap, client_tls: ssl.SSLContext | None) -> Wire | asyncio.StreamWriter:
    """One more session that idles on its INBOX; what keeps it open."""
    commands = [f"a {LOGIN}\r\n".encode(), b"b SELECT INBOX\r\n", b"c IDLE\r\n"]
    if client_tls is None:
        reader, writer = await asyncio.open_connection("127.0.0.1", imap.port)
        await reader.readline()
        for command, end in zip(commands, (b"a OK", b"b OK", b"+ "), strict=True):
            writer.write(command)
            while not (await reader.readline()).startswith(end):
                pass
        return writer
    wire = await Wire.open(imap.port, client_tls)
    await wire.shake_hands()
    await wire.line()
    for command, end in zip(commands, (b"a OK", b"b OK", b"+ "), strict=True):
        await wire.send(wire.seal(command))
        await wire.until(lambda line, end=end: line.startswith(end))
    return wire


@pytest.mark.parametrize(("security", "most"), [(Security.PLAIN, 60_000), (Security.IMPLICIT_TLS, 130_000)])
async def test_an_idle_session_holds_little(
    start: Start,
    server_tls: ssl.SSLContext,
    client_tls: ssl.SSLContext,
    security: Security,
    most: int,
) -> None:
    """Both ends are in this process: the client's costs half, and under TLS more than half."""
    limits = ImapLimits(connections_per_person=500)
    imap = await start(limits, security, server_tls)
    client = client_tls if security is Security.IMPLICIT_TLS else None
    for _ in range(50):
        await imap.deliver(SIMPLE)
    process = psutil.Process()
    kept = [await idle(imap, client) for _ in range(20)]
    before = process.memory_info().rss
    kept += [await idle(imap, client) for _ in range(300)]
    assert (process.memory_info().rss - before) / 300 < most
    for each in kept:
        each.close()
    await until(lambda: imap.server.connections == 0)
