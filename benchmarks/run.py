"""A benchmark, and one run of it: its clock, its processor time, its memory."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmarks import measure

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from benchmarks.target import Target

_QUIET_SECONDS = 5.0


class NotOffered(Exception):
    """The server does not have what the row measures; the message names it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario(ABC):
    """One benchmark; `prepare` is called once for each server before the interleaved runs."""

    unit: str = "messages/s"
    """A rate ends in "/s"; of all others less is better."""
    accompanied: bool = False
    """Whether a second operator of our kind takes part; the rival then does not."""
    is_national: bool = False
    """Whether it searches the national directory, beside slapd and not beside a mail server."""
    is_steady: bool = False
    """Whether one run tells as much as several."""

    @abstractmethod
    def prepare(self, target: Target) -> None:
        """Raises NotOffered, or `load.Failed`."""

    def answers(self, target: Target) -> Mapping[str, object]:
        """What the server says to each command whose answer must be the same everywhere."""
        return {}

    @abstractmethod
    def run(self, target: Target, effort: float) -> Run:
        """`effort` is 1 for a whole run, less for a shorter one. Raises `load.Failed`."""


@dataclass(frozen=True, slots=True)
class Run:
    """What one run found: a figure in the row's unit, processor milliseconds per unit, peak memory in MB."""

    figure: float
    cpu_ms: float | None = None
    memory_mb: float | None = None
    client_ms: float | None = None
    """Processor milliseconds per unit of the load client, where it is ours."""


class Meter:
    """The clock, the processor time and the peak memory of one run."""

    def __init__(self, target: Target) -> None:
        self._target = target
        _each(target, measure.reset_peak)
        self._cpu = cpu_seconds(target)
        self._began = time.monotonic()

    def stop(self, units: int, *, elapsed: float | None = None, client_cpu: float | None = None) -> Run:
        """Ends the run; what the server still does for it afterwards counts as its processor time.

        A client that kept the time itself says how many seconds it saw, and used.
        """
        seconds = time.monotonic() - self._began if elapsed is None else elapsed
        settle(self._target)
        spent = cpu_seconds(self._target) - self._cpu
        memory = sum(measure.peak_megabytes(pid) for pid in self._target.pids)
        client = None if client_cpu is None else client_cpu * 1000 / units
        return Run(units / seconds, spent * 1000 / units, memory, client)


def share(messages: int, effort: float) -> int:
    """How many messages a run of that effort sends."""
    return max(20, round(messages * effort))


def cpu_seconds(target: Target) -> float:
    """Processor time of all processes of a service."""
    return sum(measure.cpu_seconds(pid) for pid in target.pids)


def _each(target: Target, act: Callable[[int], None]) -> None:
    for pid in target.pids:
        act(pid)


def settle(target: Target) -> None:
    """Waits until the service is idle, so that one run does not pay for another."""
    deadline = time.monotonic() + _QUIET_SECONDS
    spent = cpu_seconds(target)
    while time.monotonic() < deadline:
        time.sleep(0.2)
        before, spent = spent, cpu_seconds(target)
        if spent - before <= 0.01:
            return
