"""Mail that arrives by SMTP."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmarks import load
from benchmarks.run import Meter, Run, Scenario, settle, share

if TYPE_CHECKING:
    from benchmarks.target import Target


@dataclass(frozen=True, slots=True, kw_only=True)
class Deliver(Scenario):
    """Durable delivery by SMTP, from the first connection until every message is visible by IMAP."""

    size: int
    connections: int
    messages: int

    def prepare(self, target: Target) -> None:
        with load.Imap(target) as imap:
            imap.empty()
            load.send(target, size=self.size, connections=self.connections, messages=self.connections * 2)
            load.wait_visible(imap, self.connections * 2)
            imap.empty()

    def run(self, target: Target, effort: float) -> Run:
        messages = share(self.messages, effort)
        with load.Imap(target) as imap:
            meter = Meter(target)
            load.send(target, size=self.size, connections=self.connections, messages=messages)
            load.wait_visible(imap, messages)
            found = meter.stop(messages)
            imap.empty()
        settle(target)
        return found
