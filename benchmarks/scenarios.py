"""The benchmarks by name: how each presses on a server, and what one run of it found."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Protocol

from benchmarks import load
from benchmarks.exchange import NewConnections, Outbound, TwoOperators
from benchmarks.run import Meter, Run, settle

if TYPE_CHECKING:
    from collections.abc import Mapping

    from benchmarks.target import Target

_READ_SECONDS = 3.0
_READERS = 4
_LETTERS = 1000


class Scenario(Protocol):
    """One benchmark; `prepare` is called once for each server before the interleaved runs."""

    @property
    def unit(self) -> str: ...

    @property
    def accompanied(self) -> bool:
        """Whether a second operator of our kind takes part; the rival then does not."""
        ...

    def prepare(self, target: Target) -> None: ...

    def run(self, target: Target) -> Run: ...


@dataclass(frozen=True, slots=True)
class Deliver:
    """Durable delivery by SMTP, from the first connection until every message is visible by IMAP."""

    size: int
    connections: int
    messages: int
    unit: str = "messages/s"
    accompanied: bool = False

    def prepare(self, target: Target) -> None:
        with load.Imap(target) as imap:
            imap.empty()
            load.send(target, size=self.size, connections=self.connections, messages=self.connections * 2)
            load.wait_visible(imap, self.connections * 2)
            imap.empty()

    def run(self, target: Target) -> Run:
        with load.Imap(target) as imap:
            meter = Meter(target)
            load.send(target, size=self.size, connections=self.connections, messages=self.messages)
            load.wait_visible(imap, self.messages)
            found = meter.stop(self.messages)
            imap.empty()
        settle(target)
        return found


@dataclass(frozen=True, slots=True)
class Envelopes:
    """Reading the list of a full inbox, as a mail program does when it opens it."""

    command: str = "FETCH 1:1000 (ENVELOPE FLAGS UID)"
    unit: str = "cycles/s"
    accompanied: bool = False

    def prepare(self, target: Target) -> None:
        with load.Imap(target) as imap:
            imap.empty()
            load.fill(target, _LETTERS)
            load.wait_visible(imap, _LETTERS)
            imap.command("SELECT INBOX")
            imap.count(self.command)
        settle(target)

    def run(self, target: Target) -> Run:
        clients = [load.Imap(target) for _ in range(_READERS)]
        try:
            for client in clients:
                client.command("SELECT INBOX")
            meter = Meter(target)
            return meter.stop(_read_all(clients, self.command))
        finally:
            for client in clients:
                client.__exit__()


def _read_all(clients: list[load.Imap], command: str) -> int:
    """Cycles done by all clients in about `_READ_SECONDS`; the clock stops when the last has its answer."""
    until = time.monotonic() + _READ_SECONDS
    done = [0] * len(clients)
    failures: list[Exception] = []

    def read(number: int) -> None:
        try:
            while time.monotonic() < until:
                clients[number].count(command)
                done[number] += 1
        except (OSError, load.Failed) as failure:
            failures.append(failure)

    threads = [threading.Thread(target=read, args=(number,)) for number in range(len(clients))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise load.Failed(str(failures[0]))
    return sum(done)


SCENARIOS: Mapping[str, Scenario] = MappingProxyType(
    {
        "deliver_4k_1": Deliver(size=4096, connections=1, messages=400),
        "deliver_4k_10": Deliver(size=4096, connections=10, messages=1000),
        "deliver_4k_50": Deliver(size=4096, connections=50, messages=1500),
        "deliver_1m_10": Deliver(size=1 << 20, connections=10, messages=200),
        "mx_tls_new_connection": NewConnections(size=4096, connections=10, messages=600),
        "outbound_10k": Outbound(size=10_240, connections=8, messages=500),
        "two_operators_4k": TwoOperators(size=4096, connections=8, messages=500),
        "imap_envelope": Envelopes(),
    }
)
"""Every benchmark by the name it has in results.json."""
