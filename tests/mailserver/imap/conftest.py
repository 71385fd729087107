"""A real server on loopback, with a store behind it and three mailboxes that can sign in."""

from __future__ import annotations

import asyncio
import ssl
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import pytest
import trustme
import uvloop

from directory.bals import BalType, add_bal
from foundation.mime.scanner import scan
from mailserver.envelope import Principal
from mailserver.imap.context import ImapContext, ImapLimits
from mailserver.imap.server import ImapServer, Security
from mailserver.imap.structure import render
from mailserver.store.append import Appended, NewMail, append, create_folders
from tests.mailserver.doors import FewDoors
from tests.mailserver.imap.client import Client

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping

    from foundation.clock import FixedClock
    from foundation.database import Database, UnitOfWork
    from foundation.events import Events
    from foundation.vault import Vault

PASSWORD = "correct horse"
SIMPLE = (
    b"Date: Fri, 13 Mar 2026 14:54:10 +0100\r\n"
    b"From: Marie Martin <marie.martin@hopital-demo.mssante.fr>\r\n"
    b"To: cabinet@hopital-demo.mssante.fr\r\n"
    b"Subject: Hello world\r\n"
    b"Message-ID: <simple@hopital-demo.mssante.fr>\r\n"
    b"\r\n"
    b"First line\r\nSecond line\r\n"
)


@dataclass
class Imap:
    """The server under test and what a test does to it."""

    server: ImapServer
    port: int
    database: Database
    vault: Vault
    clock: FixedClock
    sign_in: FewDoors
    clients: list[Client]

    @property
    def context(self) -> ImapContext:
        return self.server.context

    async def connect_raw(self) -> Client:
        client = await Client.connect(self.port)
        self.clients.append(client)
        return client

    async def connect(self) -> Client:
        client = await self.connect_raw()
        await client.line()
        return client

    async def signed_in(self, login: str = "marie@test.mssante.fr") -> Client:
        client = await self.connect()
        assert (await client.command(f'LOGIN {login} "{PASSWORD}"'))[-1].startswith("OK")
        return client

    async def selected(self, folder: str = "INBOX", login: str = "marie@test.mssante.fr") -> Client:
        client = await self.signed_in(login)
        assert (await client.command(f"SELECT {folder}"))[-1].startswith("OK [READ-WRITE]")
        return client

    async def deliver(
        self, message: bytes = SIMPLE, folder: str = "INBOX", flags: int = 0, keywords: str = ""
    ) -> Appended:
        return await deliver(self, 0, message, folder, flags, keywords)

    def owner(self, index: int = 0) -> int:
        return list(self.sign_in.principals.values())[index].owner_id


async def deliver(imap: Imap, owner: int, message: bytes, folder: str, flags: int, keywords: str) -> Appended:
    owner_id = imap.owner(owner)
    sealed = await imap.vault.seal(message)
    rendering = render(message, scan(message))

    def unit(uow: UnitOfWork) -> Appended:
        blob_id = imap.vault.store(uow, sealed, [owner_id])
        received_at = imap.clock.millis()
        return append(
            uow, owner_id, folder, NewMail(blob_id, len(message), rendering, received_at, flags, keywords)
        )

    return await imap.database.write(unit)


async def open_box(database: Database, vault: Vault, address: str, kind: BalType, now: int) -> int:
    def unit(uow: UnitOfWork) -> int:
        bal = add_bal(
            uow, vault, address=address, type=kind, name="N", idnat=None, password_hash=None, now=now
        )
        create_folders(uow, bal.owner_id, now)
        return bal.owner_id

    return await database.write(unit)


@pytest.fixture
async def start(
    database: Database, vault: Vault, events: Events, clock: FixedClock
) -> AsyncIterator[Callable[..., Awaitable[Imap]]]:
    """Starts servers with the limits and the protection a test wants."""
    started: list[Imap] = []

    async def start_server(
        limits: ImapLimits | None = None, security: Security = Security.PLAIN, tls: object = None
    ) -> Imap:
        sign_in = FewDoors(PASSWORD)
        for login in ("marie@test.mssante.fr", "paul@test.mssante.fr"):
            owner_id = await open_box(database, vault, login, BalType.PER, clock.millis())
            sign_in.principals[login] = Principal(owner_id, login, None, "")
        context = ImapContext(database, vault, events, clock, sign_in, limits=limits or ImapLimits())
        context = replace(context, tls=tls)  # type: ignore[arg-type]
        server = ImapServer(context)
        port = await server.listen("127.0.0.1", 0, security)
        imap = Imap(server, port, database, vault, clock, sign_in, [])
        started.append(imap)
        return imap

    yield start_server
    for imap in started:
        for client in imap.clients:
            await client.close()
        await imap.server.close()


@pytest.fixture
async def imap(start: Callable[..., Awaitable[Imap]]) -> Imap:
    """A plain server with default limits."""
    return await start()


def pytest_asyncio_loop_factories(item: pytest.Item) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Both loops for a module that says so."""
    loops: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {"asyncio": asyncio.new_event_loop}
    if getattr(item.module, "BOTH_LOOPS", False):  # type: ignore[attr-defined]
        loops["uvloop"] = uvloop.new_event_loop
    return loops


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def server_tls(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    return context


@pytest.fixture
def client_tls(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.SSLContext(
        ssl.PROTOCOL_TLS_CLIENT
    )  # without the system's authorities, which take long to read
    authority.configure_trust(context)
    return context
