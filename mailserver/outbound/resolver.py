"""Where mail for a domain goes: its route where the operator set one, else its MX in the DNS (RFC 5321 §5.1).

Every way the DNS can answer has its own outcome: a domain that says it takes no mail, one that does not exist and a
name server that is ill are three things, and only the last is worth another try.
"""

from __future__ import annotations

import asyncio
import ipaddress
import random
import socket
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING

import dns.asyncresolver
import dns.exception
import dns.resolver
from dns.rdatatype import AAAA, MX, A

from mailserver.outbound.outcome import Failure
from mailserver.refusals import NO_MAIL_SERVER, UNREACHABLE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dns.rdatatype import RdataType
    from dns.rdtypes.ANY.MX import MX as MxRecord  # noqa: N811 - a class, beside the number of its kind

_SMTP = 25
_MOST_HOSTS = 5
_MOST_ADDRESSES = 4
"""Of one host."""
_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Host:
    """A server that may be tried: its name, as TLS is told, and one of its addresses."""

    name: str
    address: str
    port: int


class Resolver:
    """Finds the servers of domains."""

    def __init__(
        self, resolver: dns.asyncresolver.Resolver | None = None, chance: random.Random | None = None
    ) -> None:
        """`resolver` is the system's unless given; it is made at the first question, as a route needs none."""
        self._resolver = resolver
        self._chance = chance or random.Random()  # noqa: S311 - spreads load, guards nothing

    async def find(self, domain: str, route: tuple[str, int] | None) -> tuple[Host, ...] | Failure:
        """The addresses to try, best first, bounded in number; or why there are none."""
        if route is not None:
            return await _routed(*route)
        try:
            names = await self._names(domain)
            if isinstance(names, Failure):
                return names
            hosts: list[Host] = []
            trouble: Failure | None = None
            for name in names:
                found = await self._addresses(name)
                if isinstance(found, Failure):
                    trouble = found
                else:
                    hosts += [Host(name, address, _SMTP) for address in found[:_MOST_ADDRESSES]]
            if hosts:
                return tuple(hosts)
            return trouble or Failure(NO_MAIL_SERVER, f"no address of {names[0]}")
        except dns.exception.DNSException as error:
            return Failure(UNREACHABLE, f"DNS: {type(error).__name__}")

    async def _names(self, domain: str) -> Sequence[str] | Failure:
        """The mail servers by preference, those of one preference shuffled."""
        try:
            answer = await self._query(domain, MX)
        except dns.resolver.NXDOMAIN:
            return Failure(NO_MAIL_SERVER, "DNS: NXDOMAIN")
        except dns.resolver.NoAnswer:
            return (domain,)
        records: list[MxRecord] = sorted(answer, key=lambda record: record.preference)
        if any(record.exchange == dns.name.root for record in records):
            if len(records) == 1:
                return Failure(NO_MAIL_SERVER, "DNS: null MX")  # RFC 7505
            records = [record for record in records if record.exchange != dns.name.root]
        names: list[str] = []
        for _, equals in groupby(records, key=lambda record: record.preference):
            group = [record.exchange.to_text(omit_final_dot=True).lower() for record in equals]
            self._chance.shuffle(group)
            names += group
        return tuple(dict.fromkeys(names))[:_MOST_HOSTS]

    async def _addresses(self, name: str) -> list[str] | Failure:
        """IPv6 and IPv4 in the order they are to be tried; empty where the name has none."""
        kinds = (AAAA, A)
        answers = await asyncio.gather(*(self._query(name, kind) for kind in kinds), return_exceptions=True)
        found: list[str] = []
        trouble: Failure | None = None
        for answer in answers:
            if isinstance(answer, (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer)):
                continue
            if isinstance(answer, dns.exception.DNSException):
                trouble = Failure(UNREACHABLE, f"DNS: {type(answer).__name__}")
            elif isinstance(answer, BaseException):
                raise answer
            else:
                addresses = [record.address for record in answer]
                self._chance.shuffle(addresses)
                found += addresses
        return found if found or trouble is None else trouble

    async def _query(self, name: str, kind: RdataType) -> dns.resolver.Answer:
        if self._resolver is None:
            self._resolver = await asyncio.to_thread(dns.asyncresolver.Resolver)
        return await self._resolver.resolve(name, kind, lifetime=_SECONDS, search=False)


class RoutesOnly(Resolver):
    """For a sandbox, whose domains are fictive: what has no route has no server, and nobody is asked."""

    async def find(self, domain: str, route: tuple[str, int] | None) -> tuple[Host, ...] | Failure:
        """The address of the route."""
        return await _routed(*route) if route is not None else Failure(NO_MAIL_SERVER, "no route")


async def _routed(name: str, port: int) -> tuple[Host, ...] | Failure:
    """A route names one host, by an address or by what this machine calls it."""
    try:
        ipaddress.ip_address(name)
    except ValueError:
        pass
    else:
        return (Host(name, name, port),)
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(_SECONDS):
            found = await loop.getaddrinfo(name, port, type=socket.SOCK_STREAM)
    except (OSError, TimeoutError):
        return Failure(UNREACHABLE, "the host of the route is not known")
    addresses = dict.fromkeys(str(entry[4][0]) for entry in found)
    return tuple(Host(name, address, port) for address in tuple(addresses)[:_MOST_ADDRESSES])
