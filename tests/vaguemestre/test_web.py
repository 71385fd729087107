"""The web server: bounded connections, and heads of requests that have to come."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from typing import TYPE_CHECKING

import pytest
import trustme
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from vaguemestre.web import WebServer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.requests import Request
    from starlette.responses import Response

AT_ONCE = 0.05
GET = b"GET / HTTP/1.1\r\nHost: portail.test\r\n\r\n"


async def _hello(request: Request) -> Response:
    await request.body()
    return PlainTextResponse("Bonjour")


class House:
    """A web server with its authority, and clients of it."""

    def __init__(self, connections: int = 100, per_address: int = 100, head_seconds: float = 60.0) -> None:
        authority = trustme.CA()
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("127.0.0.1").configure_cert(tls)
        self.trust = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        authority.configure_trust(self.trust)
        self.server = WebServer(
            Starlette(routes=[Route("/", _hello, methods=["GET", "POST"])]),
            tls,
            "127.0.0.1",
            0,
            connections=connections,
            connections_per_address=per_address,
            head_seconds=head_seconds,
        )

    async def connect(self, source: str = "127.0.0.1") -> Client:
        async with asyncio.timeout(5):
            reader, writer = await asyncio.open_connection(
                "127.0.0.1", self.server.port, ssl=self.trust, local_addr=(source, 0)
            )
        return Client(reader, writer)


class Client:
    """One connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def get(self) -> bytes:
        self.writer.write(GET)
        async with asyncio.timeout(5):
            head = await self.reader.readuntil(b"\r\n\r\n")
            assert b"content-length: 7" in head
            return await self.reader.readexactly(7)

    async def ends(self) -> None:
        """Waits until the server has closed the connection."""
        with contextlib.suppress(ConnectionError):
            async with asyncio.timeout(5):
                assert await self.reader.read() == b""

    async def close(self) -> None:
        self.writer.close()
        with contextlib.suppress(OSError):
            await self.writer.wait_closed()


@contextlib.asynccontextmanager
async def serving(**limits: float) -> AsyncIterator[House]:
    house = House(**limits)  # type: ignore[arg-type]
    await house.server.start()
    try:
        yield house
    finally:
        await house.server.close()


async def test_requests_are_answered_one_after_the_other_on_one_connection() -> None:
    async with serving() as house:
        client = await house.connect()
        assert [await client.get() for _ in range(3)] == [b"Bonjour"] * 3
        await client.close()


async def test_one_address_too_many_is_refused_and_the_others_are_served() -> None:
    async with serving(per_address=3) as house:
        clients = [await house.connect() for _ in range(3)]
        with pytest.raises(OSError):
            await house.connect()
        elsewhere = await house.connect("127.0.0.2")
        assert [await each.get() for each in (*clients, elsewhere)] == [b"Bonjour"] * 4
        await clients.pop().close()
        clients.append(await until_served(house))
        for each in (*clients, elsewhere):
            await each.close()


async def test_all_addresses_together_are_bounded() -> None:
    async with serving(connections=2) as house:
        clients = [await house.connect(f"127.0.0.{number}") for number in (1, 2)]
        with pytest.raises(OSError):
            await house.connect("127.0.0.3")
        for each in clients:
            assert await each.get() == b"Bonjour"
            await each.close()
        await (await until_served(house)).close()


@pytest.mark.parametrize("begun", [b"", b"GET / HT", b"GET / HTTP/1.1\r\nX-Long: ", b"\r\n"])
async def test_a_head_that_does_not_come_ends_the_connection(begun: bytes) -> None:
    async with serving(head_seconds=AT_ONCE) as house:
        client = await house.connect()
        client.writer.write(begun)
        await client.ends()
        await client.close()


async def test_a_head_that_does_not_come_ends_the_connection_also_after_an_answer() -> None:
    async with serving(head_seconds=0.5) as house:
        client = await house.connect()
        assert await client.get() == b"Bonjour"
        client.writer.write(b"\r\n")
        await client.ends()
        await client.close()


async def test_a_handshake_that_does_not_come_ends_the_connection_and_gives_its_place_back() -> None:
    async with serving(per_address=1, head_seconds=0.2) as house:
        reader, writer = await asyncio.open_connection("127.0.0.1", house.server.port)
        with pytest.raises(OSError):
            await house.connect()
        async with asyncio.timeout(5):
            with contextlib.suppress(ConnectionError):
                assert await reader.read() == b""
        writer.close()
        await (await until_served(house)).close()


async def test_a_client_that_speaks_no_tls_is_cut_off_and_its_place_given_back() -> None:
    async with serving(per_address=1) as house:
        reader, writer = await asyncio.open_connection("127.0.0.1", house.server.port)
        writer.write(GET)
        async with asyncio.timeout(5):
            with contextlib.suppress(ConnectionError):
                assert b"Bonjour" not in await reader.read()
        writer.close()
        await (await until_served(house)).close()


async def test_a_body_may_take_longer_than_a_head() -> None:
    async with serving(head_seconds=0.3) as house:
        client = await house.connect()
        client.writer.write(b"POST / HTTP/1.1\r\nHost: portail.test\r\nContent-Length: 2\r\n\r\na")
        await client.writer.drain()
        # Longer than the deadline of a head, shown by one that runs out meanwhile.
        other = await house.connect()
        await other.ends()
        client.writer.write(b"b")
        async with asyncio.timeout(5):
            assert b"200 OK" in await client.reader.readuntil(b"\r\n\r\n")
        await client.close()
        await other.close()


async def test_a_client_that_asks_for_nothing_does_not_hold_up_the_stop() -> None:
    """Its program reads when it asks: it does not hear that the connection ends."""
    house = House()
    await house.server.start()

    def asked_once() -> ssl.SSLSocket:
        plain = socket.create_connection(("127.0.0.1", house.server.port), timeout=5)
        connection = house.trust.wrap_socket(plain, server_hostname="127.0.0.1")
        connection.sendall(GET)
        answer = b""
        while not answer.endswith(b"Bonjour"):
            answer += connection.recv(4096)
        return connection

    with await asyncio.to_thread(asked_once):
        closing = asyncio.create_task(house.server.close())
        done, _ = await asyncio.wait([closing], timeout=2)  # the grace of those who are being answered is 3 s
        await closing
    assert done


async def until_served(house: House) -> Client:
    """A connection as soon as there is room: the server learns of a closed one a moment later."""
    async with asyncio.timeout(5):
        while True:
            with contextlib.suppress(OSError):
                return await house.connect()
