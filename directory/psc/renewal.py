"""A value fetched from elsewhere: one fetch at a time, not too often, and the last good value kept."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Generic, TypeVar

from directory.psc.https import Unreachable
from foundation.log import get_logger

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from foundation.clock import Clock

SPACING = 5_000
"""Milliseconds between the beginnings of two fetches."""

_log = get_logger(__name__)
T = TypeVar("T")


class Renewal(Generic[T]):
    """Holds the last good value of `fetch`. Whoever needs a newer one joins the fetch under way or the next one,
    which begins SPACING after the one before: however many ask, the other side is asked once in that time.
    """

    def __init__(
        self,
        name: str,
        fetch: Callable[[], Awaitable[T]],
        clock: Clock,
        pause: Callable[[float], Awaitable[object]],
    ) -> None:
        self.value: T | None = None
        self.fetched_at = 0
        """Epoch milliseconds of the value."""
        self.failed = False
        """Whether the last fetch failed."""
        self.is_asking = False
        """Whether a request is on its way: what it brings may be older than what the caller knows."""
        self._name = name
        self._fetch = fetch
        self._clock = clock
        self._pause = pause
        self._began: int | None = None
        self._task: asyncio.Task[None] | None = None

    def age(self) -> int:
        """Milliseconds since the value was fetched; meaningless without a value."""
        return self._clock.millis() - self.fetched_at

    def begin(self) -> asyncio.Task[None]:
        """Sees to it that a fetch is under way or about to be; never raises when awaited."""
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run())
        return self._task

    async def renew(self) -> None:
        """Waits for the fetch under way, or the next one, to end."""
        await asyncio.shield(self.begin())

    async def aclose(self) -> None:
        """Ends a fetch under way."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        if self._began is not None:
            wait = self._began + SPACING - self._clock.millis()
            if wait > 0:
                await self._pause(min(wait, SPACING) / 1000)
        self._began = self._clock.millis()
        self.is_asking = True
        try:
            self.value = await self._fetch()
        except Unreachable as error:
            self.failed = True
            _log.warning("psc.unreachable", wanted=self._name, reason=str(error))
        else:
            self.failed = False
            self.fetched_at = self._began
        finally:
            self.is_asking = False
