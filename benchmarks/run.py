"""One run of a benchmark: its clock, its processor time, its memory."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmarks import measure

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.target import Target

_QUIET_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Run:
    """What one run found: a rate per second, processor milliseconds per unit, peak memory in MB."""

    rate: float
    cpu_ms: float
    memory_mb: float


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
        settle(self._target)
        spent = cpu_seconds(self._target) - self._cpu
        memory = sum(measure.peak_megabytes(pid) for pid in self._target.pids)
        return Run(units / elapsed, spent * 1000 / units, memory)


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
