"""The benchmarks by name: how each presses on a server, and what one run of it found."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Protocol

from benchmarks import load, measure

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from benchmarks.target import Target

_READ_SECONDS = 3.0
_READERS = 4
_LETTERS = 1000
_QUIET_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Run:
    """What one run found: a rate per second, processor milliseconds per unit, peak memory in MB."""

    rate: float
    cpu_ms: float
    memory_mb: float


class Scenario(Protocol):
    """One benchmark; `prepare` is called once for each server before the interleaved runs."""

    @property
    def unit(self) -> str: ...

    def prepare(self, target: Target) -> None: ...

    def run(self, target: Target) -> Run: ...


@dataclass(frozen=True, slots=True)
class Deliver:
    """Durable delivery by SMTP, from the first connection until every message is visible by IMAP."""

    size: int
    connections: int
    messages: int
    unit: str = "messages/s"

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
        _settle(target)
        return found


@dataclass(frozen=True, slots=True)
class Envelopes:
    """Reading the list of a full inbox, as a mail program does when it opens it."""

    command: str = "FETCH 1:1000 (ENVELOPE FLAGS UID)"
    unit: str = "cycles/s"

    def prepare(self, target: Target) -> None:
        with load.Imap(target) as imap:
            imap.empty()
            load.fill(target, _LETTERS)
            load.wait_visible(imap, _LETTERS)
            imap.command("SELECT INBOX")
            imap.count(self.command)
        _settle(target)

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


class Meter:
    """The clock, the processor time and the peak memory of one run."""

    def __init__(self, target: Target) -> None:
        self._target = target
        _each(target, measure.reset_peak)
        self._cpu = cpu_seconds(target)
        self._began = time.monotonic()

    def stop(self, units: int) -> Run:
        """Ends the run; what the server still does for it afterwards counts as its processor time."""
        elapsed = time.monotonic() - self._began
        _settle(self._target)
        spent = cpu_seconds(self._target) - self._cpu
        memory = sum(measure.peak_megabytes(pid) for pid in self._target.pids)
        return Run(units / elapsed, spent * 1000 / units, memory)


def cpu_seconds(target: Target) -> float:
    """Processor time of all processes of a service."""
    return sum(measure.cpu_seconds(pid) for pid in target.pids)


def _each(target: Target, act: Callable[[int], None]) -> None:
    for pid in target.pids:
        act(pid)


def _settle(target: Target) -> None:
    """Waits until the service is idle, so that one run does not pay for another."""
    deadline = time.monotonic() + _QUIET_SECONDS
    spent = cpu_seconds(target)
    while time.monotonic() < deadline:
        time.sleep(0.2)
        before, spent = spent, cpu_seconds(target)
        if spent - before <= 0.01:
            return


SCENARIOS: Mapping[str, Scenario] = MappingProxyType(
    {
        "deliver_4k_1": Deliver(size=4096, connections=1, messages=400),
        "deliver_4k_10": Deliver(size=4096, connections=10, messages=1000),
        "deliver_4k_50": Deliver(size=4096, connections=50, messages=1500),
        "deliver_1m_10": Deliver(size=1 << 20, connections=10, messages=200),
        "imap_envelope": Envelopes(),
    }
)
"""Every benchmark by the name it has in results.json."""
