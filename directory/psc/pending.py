"""Requests that browsers carried to Pro Santé Connect and have not brought back yet, in memory."""

from __future__ import annotations

import hmac
from collections import OrderedDict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from directory.psc.relying_party import Begun
    from foundation.clock import Clock

LIFE = 10 * 60_000
"""Milliseconds that a person may take to sign in there."""
MOST = 10_000


class Pending:
    """At most MOST requests, the oldest making room; each is given back once, to the browser that made it.

    For one process: where several serve the pages, they are kept in a table instead.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._begun: OrderedDict[str, tuple[Begun, int]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._begun)

    def add(self, begun: Begun) -> None:
        """Keeps a request; its `state` also goes into a cookie of the browser."""
        self._begun[begun.state] = (begun, self._clock.millis() + LIFE)
        while len(self._begun) > MOST or next(iter(self._begun.values()))[1] <= self._clock.millis():
            self._begun.popitem(last=False)

    def take(self, state: str, cookie: str) -> Begun | None:
        """The request of the `state` that came back, when the cookie of the browser says the same; None when it
        is unknown, was taken already or is too old.

        Without the cookie anybody could finish somebody else's sign-in, and be taken for them (RFC 6749 §10.12).
        """
        if not hmac.compare_digest(state.encode("utf-8", "replace"), cookie.encode("utf-8", "replace")):
            return None
        begun, until = self._begun.pop(state, (None, 0))
        return begun if self._clock.millis() < until else None
