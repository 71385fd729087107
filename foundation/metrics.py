"""What the service counts and measures about itself, in the text format that Prometheus reads.

Labels come from closed sets (a listener's name, a code of the refusal table, an outcome), never from a message.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Gauge, ProcessCollector, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

from foundation.log import get_logger

if TYPE_CHECKING:
    from collections.abc import Callable

CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4

_log = get_logger(__name__)


class Metrics:
    """The counters and gauges of one operator; tests make their own."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry(auto_describe=False)
        ProcessCollector(registry=self._registry)
        self._accepted = Counter(
            "vaguemestre_accepted_messages",
            "Messages taken, by listener.",
            ["listener"],
            registry=self._registry,
        )
        self._refused = Counter(
            "vaguemestre_refusals",
            "Refusals spoken, by listener and code of the refusal table.",
            ["listener", "code"],
            registry=self._registry,
        )
        self._outbound = Counter(
            "vaguemestre_outbound_recipients",
            "Attempts to bring mail to another operator, by outcome and code of the refusal table.",
            ["outcome", "code"],
            registry=self._registry,
        )

        self._mss_headers = Counter(
            "vaguemestre_mss_headers",
            "What X-MSS fields of submitted messages are worth: set, absent, degraded.",
            ["header", "outcome"],
            registry=self._registry,
        )
        self._tracking_alerts = Counter(
            "vaguemestre_tracking_alerts",
            "Messages whose sender asked for a report or a receipt and had none in time.",
            registry=self._registry,
        )

    def accepted(self, listener: str) -> None:
        """A message is on disk."""
        self._accepted.labels(listener).inc()

    def refused(self, listener: str, code: str) -> None:
        """A refusal was spoken; `code` is `MSS-…`."""
        self._refused.labels(listener, code).inc()

    def outbound(self, outcome: str, code: str = "", recipients: int = 1) -> None:
        """An attempt for so many recipients ended: `outcome` is a word of the queue, `code` its `MSS-…` or empty."""
        self._outbound.labels(outcome, code).inc(recipients)

    def mss_header(self, header: str, outcome: str) -> None:
        """A field of a submitted message was judged: `header` is its name, `outcome` a word of `mss_headers`."""
        self._mss_headers.labels(header, outcome).inc()

    def tracking_alert(self) -> None:
        """Nothing came back in time for a message."""
        self._tracking_alerts.inc()

    def set_gauge(self, name: str, sentence: str, read: Callable[[], float]) -> None:
        """Shows `vaguemestre_<name>` with what `read` says at that moment. `read` is called in the event loop."""
        Gauge(f"vaguemestre_{name}", sentence, registry=self._registry).set_function(_careful(name, read))

    def render(self) -> bytes:
        """Everything in the text exposition format 0.0.4, of which CONTENT_TYPE is the type."""
        return generate_latest(self._registry)


def _careful(name: str, read: Callable[[], float]) -> Callable[[], float]:
    """One value that cannot be read must not hide the others."""

    def careful() -> float:
        try:
            return float(read())
        except Exception as error:
            _log.error("metrics.unreadable", gauge=name, kind=type(error).__name__)
            return math.nan

    return careful
