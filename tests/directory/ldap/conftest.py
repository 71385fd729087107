"""A real server on loopback, with a directory in memory behind it and three mailboxes that can bind."""

from __future__ import annotations

import asyncio
import ssl
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest
import trustme
import uvloop

from directory.annuaire.view import GenerationGone
from directory.ldap.context import LdapContext, LdapLimits
from directory.ldap.doors import Caller, Denied, Near
from directory.ldap.server import LdapServer, Security
from tests.directory.ldap.client import Client
from tests.directory.ldap.people import FEW
from tests.directory.memory import MemoryView

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence

    from directory.annuaire.model import Mailbox
    from directory.annuaire.view import View

PASSWORD = "correct horse"
WRONG = "Identifiant ou mot de passe incorrect."


@dataclass
class Generations:
    """A directory in memory that can be renewed; it keeps what tests want kept."""

    kept: dict[str, MemoryView]
    current: str = "g1"
    seconds: list[float | None] = field(default_factory=list)
    """The time each search was given; None where it has that of the directory."""

    def view(self, generation: str | None = None, *, seconds: float | None = None) -> View:
        self.seconds.append(seconds)
        found = self.kept.get(generation or self.current)
        if found is None:
            raise GenerationGone("This generation is no longer kept.")
        return found

    def renew(self, boxes: Sequence[Mailbox]) -> None:
        self.current = f"g{len(self.kept) + 1}"
        self.kept[self.current] = MemoryView(boxes, generation=self.current)


@dataclass
class FewDoors:
    """Mailboxes with one password; a certificate opens the first."""

    logins: tuple[str, ...] = tuple(box.address for box in FEW)
    takes_certificates: bool = True
    denied: Denied | None = None
    certificates: dict[bytes, str] = field(default_factory=dict)
    withdrawn: set[str] = field(default_factory=set)
    asked: list[str] = field(default_factory=list)
    recent: set[str] = field(default_factory=set)

    async def password(self, login: str, password: str, *, peer: str) -> Caller | Denied:
        self.asked.append(login)
        if self.denied is not None:
            return self.denied
        if password != PASSWORD or login.lower() not in self.logins:
            return Denied(WRONG)
        return Caller(login.lower())

    async def certificate(self, login: str, der: bytes | None, *, peer: str) -> Caller | Denied:
        address = self.certificates.get(der or b"")
        if address is None or login not in ("", address):
            return Denied("Certificat refusé.")
        return Caller(address)

    def still_holds(self, caller: Caller) -> bool:
        return caller.address not in self.withdrawn

    async def near(self, caller: Caller) -> Near:
        box = next(box for box in FEW if box.address == caller.address)
        return Near(box.structure_id, frozenset(self.recent))


@dataclass
class Ldap:
    """The servers under test: one directory by StartTLS and by LDAPS."""

    server: LdapServer
    directory: Generations
    doors: FewDoors
    port: int
    tls_port: int
    client_tls: ssl.SSLContext
    clients: list[Client] = field(default_factory=list)

    async def connect(self, *, tls: bool = False) -> Client:
        port, context = (self.tls_port, self.client_tls) if tls else (self.port, None)
        client = await Client.connect(port, context)
        self.clients.append(client)
        return client

    async def signed_in(self, login: str = FEW[0].address) -> Client:
        client = await self.connect(tls=True)
        assert (await client.bind(login, PASSWORD)).code == "success"
        return client


@pytest.fixture
async def start(
    server_tls: ssl.SSLContext, client_tls: ssl.SSLContext
) -> AsyncIterator[Callable[..., Awaitable[Ldap]]]:
    """Starts servers with the mailboxes and limits a test wants."""
    started: list[Ldap] = []

    async def start_server(
        boxes: Sequence[Mailbox] = FEW, limits: LdapLimits | None = None, *, anonymous: bool = True
    ) -> Ldap:
        directory = Generations({"g1": MemoryView(boxes, generation="g1")})
        doors = FewDoors()
        context = LdapContext(directory, doors, server_tls, limits or LdapLimits(), anonymous)
        server = LdapServer(context)
        port = await server.listen("127.0.0.1", 0, Security.STARTTLS)
        tls_port = await server.listen("127.0.0.1", 0, Security.IMPLICIT_TLS)
        ldap = Ldap(server, directory, doors, port, tls_port, client_tls)
        started.append(ldap)
        return ldap

    yield start_server
    for ldap in started:
        for client in ldap.clients:
            await client.close()
        await ldap.server.close()


@pytest.fixture
async def ldap(start: Callable[..., Awaitable[Ldap]]) -> Ldap:
    """A server with a few mailboxes and default limits."""
    return await start()


@pytest.fixture
async def client(ldap: Ldap) -> Client:
    """A client in the clear that has not bound."""
    return await ldap.connect()


def pytest_asyncio_loop_factories(item: pytest.Item) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Both loops for a module that says so."""
    loops: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {"asyncio": asyncio.new_event_loop}
    if getattr(item.module, "BOTH_LOOPS", False):  # type: ignore[attr-defined]
        loops["uvloop"] = uvloop.new_event_loop
    return loops


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="session")
def server_tls(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    authority.configure_trust(context)
    context.verify_mode = ssl.CERT_OPTIONAL
    return context


@pytest.fixture(scope="session")
def client_tls(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context
