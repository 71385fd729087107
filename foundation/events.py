"""Wake-ups inside one process: who waits for a topic learns that something changed, not what.

A topic is a short word and an id: `folder:12` (messages or flags of a folder), `owner:7` (anything new for a
BAL or a patient), `jobs`. Wake-ups are coalesced, so a slow listener never makes a queue grow.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType


class Events:
    """The switchboard; used from one event loop only."""

    def __init__(self) -> None:
        self._listeners: defaultdict[str, set[Subscription]] = defaultdict(set)

    def publish(self, topic: str) -> None:
        """Wakes everybody who listens to `topic`."""
        for subscription in self._listeners.get(topic, ()):
            subscription._notify(topic)

    def subscribe(self, *topics: str, wake: Callable[[], None] | None = None) -> Subscription:
        """A subscription to use as a context manager.

        With `wake` that is called at each wake-up, and whoever it wakes asks `take`; nobody may `wait` then.
        """
        subscription = Subscription(self, wake)
        for topic in topics:
            subscription.add(topic)
        return subscription

    def _add(self, topic: str, subscription: Subscription) -> None:
        self._listeners[topic].add(subscription)

    def _discard(self, topic: str, subscription: Subscription) -> None:
        listeners = self._listeners.get(topic)
        if listeners is None:
            return
        listeners.discard(subscription)
        if not listeners:
            del self._listeners[topic]


class Subscription:
    """What one listener has been told since it last asked."""

    __slots__ = ("_events", "_pending", "_topics", "_wake", "_woken")

    def __init__(self, events: Events, wake: Callable[[], None] | None) -> None:
        self._events = events
        self._topics: set[str] = set()
        self._pending: set[str] = set()
        self._woken: asyncio.Event | None = None
        if wake is None:
            self._woken = asyncio.Event()
            wake = self._woken.set
        self._wake = wake

    def add(self, topic: str) -> None:
        """Listens to one more topic."""
        self._topics.add(topic)
        self._events._add(topic, self)

    def discard(self, topic: str) -> None:
        """Stops listening to a topic; a wake-up that was not yet read is dropped."""
        self._topics.discard(topic)
        self._pending.discard(topic)
        self._events._discard(topic, self)

    async def wait(self, timeout: float | None = None) -> frozenset[str]:  # noqa: ASYNC109 - a time-out is an answer here
        """The topics that were published since the last call; empty after `timeout` seconds of silence."""
        assert self._woken is not None
        try:
            await asyncio.wait_for(self._woken.wait(), timeout)
        except TimeoutError:
            return frozenset()
        return self.take()

    def take(self) -> frozenset[str]:
        """The topics that were published since the last call, without waiting."""
        topics = frozenset(self._pending)
        self._pending.clear()
        if self._woken is not None:
            self._woken.clear()
        return topics

    def take_one(self, topic: str) -> bool:
        """Whether this topic was published since it was last taken."""
        if topic in self._pending:
            self._pending.discard(topic)
            return True
        return False

    def _notify(self, topic: str) -> None:
        self._pending.add(topic)
        self._wake()

    def close(self) -> None:
        """Forgets every topic."""
        for topic in tuple(self._topics):
            self.discard(topic)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
