"""Where mail goes, asked of a name server that answers as each test wants."""

from __future__ import annotations

import asyncio
import contextlib
import random
from typing import TYPE_CHECKING, Any

import dns.asyncresolver
import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset
import pytest

from mailserver.outbound.outcome import Failure
from mailserver.outbound.resolver import Host, Resolver, RoutesOnly
from mailserver.refusals import NO_MAIL_SERVER, UNREACHABLE

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

Zone = dict[tuple[str, str], list[str] | str]
"""(name, kind) → records, or the name of a response code; "silence" answers nothing."""


class NameServer(asyncio.DatagramProtocol):
    def __init__(self, zone: Zone) -> None:
        self.zone = zone
        self.asked: list[tuple[str, str]] = []
        self.transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, addr: Any) -> None:
        query = dns.message.from_wire(data)
        question = query.question[0]
        key = (question.name.to_text(omit_final_dot=True), dns.rdatatype.to_text(question.rdtype))
        self.asked.append(key)
        found = self.zone.get(key)
        if found == "silence":
            return
        response = dns.message.make_response(query)
        response.flags |= dns.flags.RA
        if isinstance(found, str):
            response.set_rcode(dns.rcode.from_text(found))
        elif found:
            response.answer.append(dns.rrset.from_text_list(question.name, 60, "IN", key[1], found))
        elif not any(name == key[0] for name, _ in self.zone):
            response.set_rcode(dns.rcode.NXDOMAIN)
        self.transport.sendto(response.to_wire(), addr)


@contextlib.asynccontextmanager
async def resolving(zone: Zone) -> AsyncIterator[tuple[Resolver, NameServer]]:
    loop = asyncio.get_running_loop()
    transport, server = await loop.create_datagram_endpoint(
        lambda: NameServer(zone), local_addr=("127.0.0.1", 0)
    )
    stub = dns.asyncresolver.Resolver(configure=False)
    stub.nameservers = ["127.0.0.1"]
    stub.port = transport.get_extra_info("sockname")[1]
    stub.timeout = stub.lifetime = 2
    try:
        yield Resolver(stub, random.Random(1)), server
    finally:
        transport.close()


async def find(zone: Zone, domain: str = "pair.mssante.fr") -> list[tuple[str, str]] | Failure:
    async with resolving(zone) as (resolver, _):
        found = await resolver.find(domain, None)
    return found if isinstance(found, Failure) else [(host.name, host.address) for host in found]


async def test_hosts_come_by_preference_with_all_their_addresses() -> None:
    zone: Zone = {
        ("pair.mssante.fr", "MX"): ["20 second.example.", "10 First.example."],
        ("first.example", "A"): ["192.0.2.1"],
        ("first.example", "AAAA"): ["2001:db8::1"],
        ("second.example", "A"): ["192.0.2.2"],
    }
    assert await find(zone) == [
        ("first.example", "2001:db8::1"),
        ("first.example", "192.0.2.1"),
        ("second.example", "192.0.2.2"),
    ]


async def test_hosts_of_one_preference_take_turns() -> None:
    zone: Zone = {("pair.mssante.fr", "MX"): [f"10 h{number}.example." for number in range(4)]}
    zone |= {(f"h{number}.example", "A"): [f"192.0.2.{number}"] for number in range(4)}
    async with resolving(zone) as (resolver, _):
        firsts = set()
        for _ in range(30):
            found = await resolver.find("pair.mssante.fr", None)
            assert not isinstance(found, Failure)
            firsts.add(found[0].name)
    assert len(firsts) == 4


async def test_without_mx_the_domain_itself_is_the_host() -> None:
    assert await find({("pair.mssante.fr", "A"): ["192.0.2.1"]}) == [("pair.mssante.fr", "192.0.2.1")]


async def test_a_null_mx_takes_no_mail() -> None:
    failure = await find({("pair.mssante.fr", "MX"): ["0 ."], ("pair.mssante.fr", "A"): ["192.0.2.1"]})
    assert failure == Failure(NO_MAIL_SERVER, "DNS: null MX")


async def test_a_domain_that_does_not_exist_has_no_server() -> None:
    assert await find({}) == Failure(NO_MAIL_SERVER, "DNS: NXDOMAIN")


async def test_a_domain_without_any_record_of_use_has_no_server() -> None:
    failure = await find({("pair.mssante.fr", "TXT"): ['"hello"']})
    assert isinstance(failure, Failure)
    assert failure.refusal is NO_MAIL_SERVER


async def test_mx_that_name_nothing_are_no_server() -> None:
    failure = await find({("pair.mssante.fr", "MX"): ["10 gone.example."]})
    assert isinstance(failure, Failure)
    assert failure.refusal is NO_MAIL_SERVER


@pytest.mark.parametrize("code", ["SERVFAIL", "REFUSED"])
async def test_a_name_server_that_is_ill_is_asked_again_later(code: str) -> None:
    failure = await find({("pair.mssante.fr", "MX"): code})
    assert isinstance(failure, Failure)
    assert failure.refusal is UNREACHABLE


async def test_a_name_server_that_is_ill_about_the_only_host_is_asked_again_later() -> None:
    failure = await find(
        {
            ("pair.mssante.fr", "MX"): ["10 a.example.", "20 gone.example."],
            ("a.example", "A"): "SERVFAIL",
            ("a.example", "AAAA"): "SERVFAIL",
        }
    )
    assert isinstance(failure, Failure)
    assert failure.refusal is UNREACHABLE


async def test_half_an_answer_about_a_host_is_enough() -> None:
    zone: Zone = {
        ("pair.mssante.fr", "MX"): ["10 a.example."],
        ("a.example", "A"): ["192.0.2.1"],
        ("a.example", "AAAA"): "SERVFAIL",
    }
    assert await find(zone) == [("a.example", "192.0.2.1")]


async def test_a_silent_name_server_is_not_waited_for_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mailserver.outbound.resolver._SECONDS", 0.2)
    failure = await find({("pair.mssante.fr", "MX"): "silence"})
    assert isinstance(failure, Failure)
    assert failure.refusal is UNREACHABLE


async def test_the_number_of_hosts_and_addresses_is_bounded() -> None:
    zone: Zone = {("pair.mssante.fr", "MX"): [f"{number} h{number}.example." for number in range(30)]}
    for number in range(30):
        zone[f"h{number}.example", "A"] = [f"192.0.2.{each}" for each in range(20)]
    async with resolving(zone) as (resolver, server):
        found = await resolver.find("pair.mssante.fr", None)
    assert not isinstance(found, Failure)
    assert len(found) == 20
    assert len({name for name, kind in server.asked if kind == "A"}) == 5


async def test_a_route_asks_nobody() -> None:
    async with resolving({}) as (resolver, server):
        assert await resolver.find("pair.mssante.fr", ("127.0.0.1", 2525)) == (
            Host("127.0.0.1", "127.0.0.1", 2525),
        )
        named = await resolver.find("pair.mssante.fr", ("localhost", 2525))
        assert not isinstance(named, Failure)
        assert "127.0.0.1" in {host.address for host in named}
        unknown = await resolver.find("pair.mssante.fr", ("nowhere.invalid", 25))
        assert isinstance(unknown, Failure)
        assert unknown.refusal is UNREACHABLE
        assert not server.asked


async def test_a_sandbox_knows_routes_and_asks_nobody() -> None:
    found = await RoutesOnly().find("essai.mssante.fr", ("127.0.0.1", 2525))
    assert isinstance(found, tuple)
    assert (found[0].address, found[0].port) == ("127.0.0.1", 2525)
    lost = await RoutesOnly().find("essai.mssante.fr", None)
    assert isinstance(lost, Failure)
    assert lost.refusal is NO_MAIL_SERVER
