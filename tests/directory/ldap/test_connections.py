"""Connections under strain: floods, slow readers, abandoned searches, crowds, wrong TLS, the end of the server."""

from __future__ import annotations

import asyncio
import ssl
import threading
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import pytest
import trustme

from directory.annuaire.view import TooSlow
from directory.ldap.context import LdapLimits
from directory.ldap.server import LdapServer, Security
from tests.directory.ldap.client import (
    START_TLS,
    Client,
    abandon_message,
    extended_message,
    read,
    search_message,
    unbind_message,
)
from tests.directory.ldap.people import FEW, MARIE, people
from tests.directory.memory import MemoryView

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection

    from directory.annuaire.conditions import Condition
    from directory.annuaire.model import Mailbox
    from tests.directory.ldap.conftest import Ldap

BOTH_LOOPS = True
SLOW = "(description=*)"
"""No index helps this one."""


@dataclass
class GatedView(MemoryView):
    """Answers the searches that no index helps when a test lets it."""

    gate: threading.Event = field(default_factory=threading.Event)
    entered: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    failure: Exception | None = None

    def mailboxes(
        self,
        condition: Condition,
        limit: int,
        *,
        own_structure: str | None = None,
        recent: Collection[str] = frozenset(),
    ) -> list[Mailbox]:
        if "Present" in repr(condition):
            self.entered.release()
            if self.failure is not None:
                raise self.failure
            assert self.gate.wait(20)
        return super().mailboxes(condition, limit, own_structure=own_structure, recent=recent)

    async def is_entered(self) -> None:
        assert await asyncio.to_thread(self.entered.acquire, timeout=20)


def gated(ldap: Ldap) -> GatedView:
    view = GatedView(FEW, generation="g1")
    ldap.directory.kept["g1"] = view
    return view


async def test_a_slow_search_delays_no_other_client(ldap: Ldap) -> None:
    view = gated(ldap)
    slow, quick = await ldap.connect(), await ldap.connect()
    slow.send(search_message(1, SLOW))
    await view.is_entered()
    for _ in range(20):
        assert len((await quick.search("(sn=martin)")).entries) == 1
    view.gate.set()
    assert len((await slow.found()).entries) == 1


async def test_an_abandoned_search_is_not_answered(ldap: Ldap) -> None:
    view = gated(ldap)
    client = await ldap.connect()
    client.send(search_message(1, SLOW))
    await view.is_entered()
    client.send(search_message(2, "(sn=martin)") + search_message(3, "(sn=durand)", attributes=["1.1"]))
    client.send(abandon_message(4, 1) + abandon_message(5, 2))
    # The server has read the abandons once it has read a request of another connection after them.
    other = await ldap.connect()
    assert (await other.search("(sn=martin)")).done.code == "success"
    view.gate.set()
    found = await client.found()
    assert (found.done.number, len(found.entries)) == (3, 1)


async def test_what_is_over_or_unknown_may_be_abandoned(client: Client) -> None:
    assert (await client.search("(sn=martin)")).done.number == 1
    client.send(abandon_message(2, 1) + abandon_message(3, 77) + search_message(4, "(sn=martin)"))
    assert (await client.found()).done.number == 4


async def test_a_flood_of_abandoned_searches_leaves_a_session_that_works(ldap: Ldap) -> None:
    client = await ldap.connect()
    flood = b"".join(
        search_message(number, "(cn=*a*)") + abandon_message(number + 1, number)
        for number in range(1, 2001, 2)
    )
    client.send(flood + search_message(5000, "(sn=martin)", attributes=["1.1"]))
    async with asyncio.timeout(20):
        while True:
            response = await client.response()
            if response.number == 5000:
                break
    assert response.kind == "searchResEntry"


async def test_requests_that_wait_are_bounded_and_all_answered_in_order(
    start: Callable[..., Awaitable[Ldap]],
) -> None:
    ldap = await start(limits=LdapLimits(pending=4))
    client = await ldap.connect()
    client.send(
        b"".join(search_message(number, "(sn=martin)", attributes=["1.1"]) for number in range(1, 301))
    )
    done = [(await client.found()).done.number for _ in range(300)]
    assert done == list(range(1, 301))


async def test_a_search_past_the_time_of_the_client_ends(ldap: Ldap) -> None:
    view = gated(ldap)
    client = await ldap.connect()
    found = await client.search(SLOW, seconds=1)
    assert (found.entries, found.done.code) == ([], "timeLimitExceeded")
    view.gate.set()


async def test_a_search_past_the_time_of_the_server_ends(start: Callable[..., Awaitable[Ldap]]) -> None:
    ldap = await start(limits=LdapLimits(search_seconds=0.05))
    view = gated(ldap)
    client = await ldap.connect()
    assert (await client.search(SLOW)).done.code == "adminLimitExceeded"
    view.gate.set()


async def test_a_search_that_no_index_helps_has_the_time_of_the_settings_or_of_the_client(
    start: Callable[..., Awaitable[Ldap]],
) -> None:
    ldap = await start(limits=LdapLimits(search_seconds=7.0))
    client = await ldap.connect()
    for asked, seconds in ((SLOW, 0), (SLOW, 3), (SLOW, 60), ("(sn=martin)", 0)):
        assert (await client.search(asked, seconds=seconds)).done.code == "success"
    assert ldap.directory.seconds == [7.0, 3, 7.0, None]


async def test_a_search_the_directory_gives_up_is_refused(ldap: Ldap) -> None:
    view = gated(ldap)
    view.failure = TooSlow("Too slow.")
    client = await ldap.connect()
    refused = (await client.search(SLOW)).done
    assert refused.code == "adminLimitExceeded"
    assert (await client.search("(sn=martin)")).done.code == "success"


async def test_a_directory_that_fails_ends_the_session_without_a_word_of_it(ldap: Ldap) -> None:
    view = gated(ldap)
    view.failure = RuntimeError("SELECT secret FROM table")
    client = await ldap.connect()
    notice = (await client.search(SLOW)).done
    assert (notice.number, notice.code, notice.diagnostic) == (0, "other", "Internal error")
    assert await client.is_over()


async def test_too_many_slow_searches_are_told_that_the_server_is_busy(
    start: Callable[..., Awaitable[Ldap]],
) -> None:
    ldap = await start(limits=LdapLimits(waiting_searches=2))
    view = gated(ldap)
    clients = [await ldap.connect() for _ in range(2)]
    for client in clients:
        client.send(search_message(1, SLOW))
    await view.is_entered()
    late = await ldap.connect()
    assert (await late.search(SLOW)).done.code == "busy"
    assert (await late.search("(sn=martin)")).done.code == "success"
    view.gate.set()
    for client in clients:
        assert (await client.found()).done.code == "success"
    assert (await late.search(SLOW)).done.code == "success"


# Slow and silent clients


@pytest.mark.parametrize("tls", [False, True])
async def test_who_reads_nothing_is_cut_and_holds_little(
    start: Callable[..., Awaitable[Ldap]], *, tls: bool
) -> None:
    ldap = await start(people(900), LdapLimits(stalled_seconds=0.2))
    client = await ldap.connect(tls=tls)
    client.writer.transport.pause_reading()
    client.send(b"".join(search_message(number, "(mail=*)") for number in range(1, 200)))
    async with asyncio.timeout(20):
        while ldap.server.connections:
            await asyncio.sleep(0.01)


async def test_who_says_nothing_is_sent_away(start: Callable[..., Awaitable[Ldap]]) -> None:
    ldap = await start(limits=LdapLimits(bind_seconds=0.05, idle_seconds=60))
    client = await ldap.connect()
    notice = await client.response()
    assert (notice.number, notice.code) == (0, "unavailable")
    assert await client.is_over()


async def test_who_never_shakes_hands_is_cut(start: Callable[..., Awaitable[Ldap]]) -> None:
    ldap = await start(limits=LdapLimits(handshake_seconds=0.05))
    client = await Client.connect(ldap.tls_port)
    ldap.clients.append(client)
    with pytest.raises((ConnectionError, AssertionError)):
        await client.response()


async def test_unbind_ends_the_connection(client: Client) -> None:
    client.send(search_message(1, "(sn=martin)", attributes=["1.1"]) + unbind_message(2))
    client.send(search_message(3, "(sn=martin)"))
    assert (await client.found()).done.number == 1
    assert await client.is_over()


async def test_who_asks_and_stops_sending_is_still_answered(client: Client) -> None:
    client.send(search_message(1, "(sn=martin)", attributes=["1.1"]))
    client.writer.write_eof()
    assert len((await client.found()).entries) == 1
    assert await client.is_over()


# TLS


async def test_what_follows_start_tls_in_the_clear_ends_the_connection(ldap: Ldap, client: Client) -> None:
    """CVE-2011-0411: somebody in between could have put it there."""
    client.send(extended_message(1, START_TLS) + search_message(2, "(sn=martin)"))
    notice = await client.response()
    assert (notice.number, notice.code) == (0, "protocolError")
    assert await client.is_over()


async def test_octets_that_are_no_tls_behind_start_tls_end_the_connection(client: Client) -> None:
    assert (await client.extended(START_TLS)).code == "success"
    client.send(search_message(2, "(sn=martin)"))
    alert = await client.reader.read()
    assert alert[:1] in (b"\x15", b"")  # an alert of TLS, or nothing; no answer in the clear


async def test_a_certificate_of_a_foreign_authority_is_refused_with_an_alert(
    ldap: Ldap, authority: trustme.CA
) -> None:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    trustme.CA().issue_cert("software.example").configure_cert(context)
    with pytest.raises(ssl.SSLError, match=r"(?i)alert"):
        client = await Client.connect(ldap.tls_port, context)
        ldap.clients.append(client)
        client.send(search_message(1, "(sn=martin)"))
        await client.response()
    good = await ldap.connect(tls=True)
    assert (await good.search("(sn=martin)")).done.code == "success"


async def test_a_client_that_does_not_trust_the_server_ends_its_own_connection_alone(ldap: Ldap) -> None:
    with pytest.raises(ssl.SSLCertVerificationError):
        await Client.connect(ldap.tls_port, ssl.create_default_context())
    good = await ldap.connect(tls=True)
    assert (await good.search("(sn=martin)")).done.code == "success"


async def test_plain_ldap_on_the_tls_port_is_not_answered_in_the_clear(ldap: Ldap) -> None:
    client = await Client.connect(ldap.tls_port)
    ldap.clients.append(client)
    client.send(search_message(1, "(sn=martin)"))
    assert (await client.reader.read())[:1] in (b"\x15", b"")


async def test_a_listener_of_implicit_tls_needs_a_certificate(ldap: Ldap) -> None:
    without = LdapServer(replace(ldap.server.context, tls=None))
    with pytest.raises(ValueError, match="certificate"):
        await without.listen("127.0.0.1", 0, Security.IMPLICIT_TLS)
    port = await without.listen("127.0.0.1", 0, Security.STARTTLS)
    client = await Client.connect(port)
    assert (await client.extended(START_TLS)).code == "protocolError"
    await client.close()
    await without.close()


# Crowds, and the end


async def test_one_address_has_so_many_connections_and_no_more(start: Callable[..., Awaitable[Ldap]]) -> None:
    ldap = await start(limits=LdapLimits(connections=10, connections_per_address=3))
    inside = [await ldap.connect() for _ in range(3)]
    for client in inside:
        assert await client.who_am_i() == ""
    turned_away = await ldap.connect()
    notice = await turned_away.response()
    assert (notice.number, notice.code) == (0, "busy")
    assert "address" in notice.diagnostic
    assert await turned_away.is_over()
    inside[0].send(unbind_message(9))
    assert await inside[0].is_over()
    assert await (await ldap.connect()).who_am_i() == ""


async def test_a_closing_server_tells_everybody(start: Callable[..., Awaitable[Ldap]]) -> None:
    ldap = await start()
    plain, over_tls = await ldap.connect(), await ldap.signed_in(MARIE.address)
    assert await plain.who_am_i() == ""
    await ldap.server.close()
    for client in (plain, over_tls):
        notice = await client.response()
        assert (notice.number, notice.code) == (0, "unavailable")
        assert await client.is_over()
    with pytest.raises(OSError):
        await Client.connect(ldap.port)


async def test_a_search_in_progress_is_answered_before_the_end(ldap: Ldap) -> None:
    view = gated(ldap)
    client = await ldap.connect()
    client.send(search_message(1, SLOW, attributes=["1.1"]))
    await view.is_entered()
    closing = asyncio.create_task(ldap.server.close())
    view.gate.set()
    assert len((await client.found()).entries) == 1
    await closing


async def test_nothing_of_a_request_is_in_the_log(
    ldap: Ldap, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    client = await ldap.connect(tls=True)
    await client.bind(MARIE.address, "wrong")
    await client.search("(sn=martin)")
    client.send(b"\x30\x80")
    assert read(await client.octets()).code == "protocolError"
    said: Any = capsys.readouterr()
    assert "martin" not in (said.out + said.err + caplog.text).lower()
