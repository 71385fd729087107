"""A recording gate, a listener on a free port, and a raw client that speaks in lines."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

import pytest
import trustme
import uvloop

from mailserver.envelope import Accepted, Envelope, Principal, Refused
from mailserver.refusals import UNKNOWN_MAILBOX
from mailserver.sasl.mechanisms import Exchange, Mechanism, Visitor, offered
from mailserver.signin.application import Scope
from mailserver.smtp.budget import MemoryBudget
from mailserver.smtp.listener import Listener, listen, listen_tls
from mailserver.smtp.policy import Limits, ListenerPolicy, mx_plain, submission_plain
from tests.mailserver.doors import FewDoors

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping

    from mailserver.refusals import Refusal
    from mailserver.smtp.gate import Client
    from tests.mailserver.smtp.doors import Door, Visit
    from tests.mailserver.smtp.trusted import Papers

HOSTNAME = "smtp.hopital.mssante.fr"
LOGIN = "anne@hopital.mssante.fr"
PASSWORD = "correct horse battery"


@dataclass
class RecordingGate:
    """Believes everybody, keeps every message, and can be told to wait, fail or refuse."""

    delivered: list[Envelope] = field(default_factory=list)
    acknowledgements: list[str] = field(default_factory=list)
    doors: FewDoors = field(
        default_factory=lambda: FewDoors(PASSWORD, {LOGIN: Principal(1, LOGIN, None, "Anne")})
    )
    handshakes: list[ssl.SSLError] = field(default_factory=list)
    error: Exception | None = None
    refusal: Refusal | None = None
    acknowledgement_error: Exception | None = None
    started: asyncio.Event = field(default_factory=asyncio.Event)
    may_finish: asyncio.Event = field(default_factory=asyncio.Event)
    finished: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.may_finish.set()

    @property
    def logins(self) -> list[tuple[str, str]]:
        return self.doors.logins

    def mechanisms(self, client: Client) -> tuple[Mechanism, ...]:
        return offered(self.doors, self._visitor(client))

    async def sign_in(
        self,
        client: Client,
        mechanism: Mechanism,
        initial: bytes | None,
        ask: Callable[[bytes], Awaitable[bytes]],
    ) -> Principal | Refused:
        return await Exchange(self.doors, self._visitor(client), ask, initial).conduct(mechanism)

    def _visitor(self, client: Client) -> Visitor:
        return Visitor(
            client.peer, Scope.SMTP, client.certificate, b"endpoint" if client.is_secured else None
        )

    async def sender(self, client: Client, sender: str) -> Refusal | None:
        if sender.startswith("crash"):
            raise RuntimeError("secret /var/db password=x")
        return None

    async def recipient(self, client: Client, sender: str, recipient: str) -> Refusal | None:
        return UNKNOWN_MAILBOX if recipient.startswith("nobody") else None

    async def handshake_failed(self, client: Client, error: ssl.SSLError) -> None:
        self.handshakes.append(error)

    async def deliver(self, client: Client, envelope: Envelope) -> Accepted | Refused:
        self.started.set()
        await self.may_finish.wait()
        if self.error is not None:
            raise self.error
        if self.refusal is not None:
            return Refused(self.refusal)
        self.delivered.append(envelope)
        self.finished.set()
        return Accepted(f"Q{len(self.delivered)}", (1,))

    async def acknowledged(self, accepted: Accepted) -> None:
        if self.acknowledgement_error is not None:
            raise self.acknowledgement_error
        self.acknowledgements.append(accepted.queue_id)


class Talk:
    """A raw client: what is sent is sent as written."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    @classmethod
    async def open(cls, port: int, tls: ssl.SSLContext | None = None) -> Self:
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", port, ssl=tls, server_hostname="localhost" if tls else None
        )
        return cls(reader, writer)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.writer.close()
        with contextlib.suppress(OSError):  # the server closed first
            await self.writer.wait_closed()

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def answer(self) -> str:
        """One reply, its lines joined by LF; "" at the end of the connection."""
        lines = []
        while True:
            line = (await asyncio.wait_for(self.reader.readline(), 10)).decode("ascii")
            if not line:
                return "\n".join(lines)
            assert line.endswith("\r\n")
            lines.append(line[:-2])
            if line[3] == " ":
                return "\n".join(lines)

    async def say(self, line: str | bytes) -> str:
        """Send a command line, return the reply."""
        await self.send((line.encode() if isinstance(line, str) else line) + b"\r\n")
        return await self.answer()

    async def answer_to_bad_command(self) -> str:
        """The reply to something that is no command; "" once the server has closed."""
        with contextlib.suppress(ConnectionError):
            await self.send(b"XYZZY\r\n")
        return await self.answer()

    async def is_closed(self) -> bool:
        """Wait until the server has closed; False when it says something instead."""
        try:
            return await asyncio.wait_for(self.reader.read(1), 10) == b""
        except ConnectionError:
            return True

    async def start_tls(self, context: ssl.SSLContext) -> None:
        """STARTTLS and the handshake."""
        assert (await self.say("STARTTLS")) == "220 2.0.0 Ready to start TLS"
        await self.writer.start_tls(context, server_hostname="localhost")

    async def begin(self) -> Self:
        """Greeting and EHLO."""
        assert (await self.answer()).startswith("220 ")
        assert (await self.say("EHLO client.example")).startswith("250")
        return self

    async def ready(self) -> Self:
        """Up to the point where content may be sent."""
        await self.begin()
        assert await self.say("MAIL FROM:<a@b.mssante.fr>") == "250 2.1.0 Ok"
        assert await self.say("RCPT TO:<c@b.mssante.fr>") == "250 2.1.5 Ok"
        assert (await self.say("DATA")).startswith("354 ")
        return self


class Harbour:
    """Opens listeners that share a gate and closes them after the test."""

    def __init__(self, gate: RecordingGate, budget: MemoryBudget, context: ssl.SSLContext) -> None:
        self.gate = gate
        self.budget = budget
        self._context = context
        self._listeners: list[Listener] = []

    async def open(self, policy: ListenerPolicy) -> Listener:
        """A port in clear without STARTTLS."""
        return self._keep(await listen(policy, self.gate, self.budget, host="127.0.0.1", port=0))

    async def open_starttls(self, policy: ListenerPolicy, tls: ssl.SSLContext | None = None) -> Listener:
        tls = tls or self._context
        return self._keep(await listen(policy, self.gate, self.budget, host="127.0.0.1", port=0, tls=tls))

    async def open_tls(self, policy: ListenerPolicy, tls: ssl.SSLContext | None = None) -> Listener:
        tls = tls or self._context
        return self._keep(await listen_tls(policy, self.gate, self.budget, host="127.0.0.1", port=0, tls=tls))

    def _keep(self, listener: Listener) -> Listener:
        self._listeners.append(listener)
        return listener

    async def close(self) -> None:
        for listener in self._listeners:
            await listener.close(grace=0)


def pytest_asyncio_loop_factories(item: pytest.Item) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Both loops for a module that says so."""
    loops: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {"asyncio": asyncio.new_event_loop}
    if getattr(item.module, "BOTH_LOOPS", False):  # type: ignore[attr-defined]
        loops["uvloop"] = uvloop.new_event_loop
    return loops


@pytest.fixture(scope="session")
def papers(tmp_path_factory: pytest.TempPathFactory) -> Papers:
    from tests.mailserver.smtp.trusted import Papers

    return Papers.make(tmp_path_factory.mktemp("papers"))


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="session")
def server_context(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost", "127.0.0.1").configure_cert(context)
    return context


@pytest.fixture(scope="session")
def client_context(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


@pytest.fixture
async def gate() -> RecordingGate:
    return RecordingGate()


@pytest.fixture
def budget() -> MemoryBudget:
    return MemoryBudget()


@pytest.fixture
async def harbour(
    gate: RecordingGate, budget: MemoryBudget, server_context: ssl.SSLContext
) -> AsyncIterator[Harbour]:
    opened = Harbour(gate, budget, server_context)
    yield opened
    gate.may_finish.set()
    await opened.close()


@pytest.fixture(params=["submission", "submissions", "mx"])
async def door(request: pytest.FixtureRequest, harbour: Harbour, authority: trustme.CA) -> Door:
    """Each way in that a real operator has."""
    from tests.mailserver.smtp.doors import Door, Way

    return Door(Way(request.param), harbour, authority)


@pytest.fixture
async def visit(door: Door) -> AsyncIterator[Visit]:
    """A client at each of the doors, before the greeting."""
    async with await door.visit(await door.open()) as opened:
        yield opened


@pytest.fixture
async def port(harbour: Harbour) -> int:
    """A port where anybody may write without signing in."""
    return (await harbour.open(mx_plain(HOSTNAME))).port


@pytest.fixture
async def talk(port: int) -> AsyncIterator[Talk]:
    async with await Talk.open(port) as opened:
        yield opened


@pytest.fixture
async def signing_talk(harbour: Harbour) -> AsyncIterator[Talk]:
    """A conversation in clear where passwords are taken."""
    listener = await harbour.open(submission_plain(HOSTNAME))
    async with await Talk.open(listener.port) as opened:
        yield await opened.begin()


def limited(**limits: float) -> ListenerPolicy:
    """The open port with other limits."""
    return mx_plain(HOSTNAME, Limits(**limits))  # type: ignore[arg-type]


async def until(condition: Callable[[], bool]) -> None:
    """Let the server work until something holds; the test's own timeout ends a wait in vain."""
    while not condition():
        turn = asyncio.get_running_loop().create_future()
        await asyncio.wait([turn], timeout=0.005)
