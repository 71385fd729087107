"""The door for uploads: what all of them hold in memory together is bounded, and each session sends one at a time."""

from __future__ import annotations

import asyncio
import contextlib
from http import HTTPStatus
from typing import TYPE_CHECKING, NoReturn

from starlette.exceptions import HTTPException

from mailserver.smtp.budget import MemoryBudget

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.requests import Request

LIGHT_BYTES = 256 * 1024
"""An answer without documents goes past the door: it must not wait for somebody's photographs."""
PATIENCE_SECONDS = 10.0
_RETRY_AFTER = {"retry-after": "30"}


class UploadDoor:
    """Lets uploads in while their octets fit; used from one event loop.

    `largest` is reckoned for a body that does not say its length.
    """

    def __init__(self, octets: int, *, largest: int, patience: float = PATIENCE_SECONDS) -> None:
        self._budget = MemoryBudget(octets)
        self._largest = largest
        self._patience = patience
        self._sessions: set[str] = set()
        self._changed = asyncio.Condition()
        self._writing = asyncio.Semaphore(1)

    @property
    def free(self) -> int:
        """Octets that no upload holds."""
        return self._budget.free

    @contextlib.asynccontextmanager
    async def entered(self, request: Request, session: str) -> AsyncIterator[None]:
        """Inside, the body may be read; 503 when there is no room, after the body was read away."""
        octets = _announced(request, self._largest)
        if octets <= LIGHT_BYTES:
            yield
            return
        async with self._alone(request, session):
            held = await self._budget.reserve(octets, self._patience)
            if not held:
                await _turn_away(request)
            try:
                yield
            finally:
                self._budget.release(held)

    @contextlib.asynccontextmanager
    async def writing(self, octets: int) -> AsyncIterator[None]:
        """Encoding and storing take several times the octets of the documents: one upload after the other."""
        if octets <= LIGHT_BYTES:
            yield
            return
        async with self._writing:
            yield

    @contextlib.asynccontextmanager
    async def _alone(self, request: Request, session: str) -> AsyncIterator[None]:
        # Waits: the first of two clicks has been cut off by the browser, or is about to be answered.
        try:
            async with asyncio.timeout(self._patience), self._changed:
                await self._changed.wait_for(lambda: session not in self._sessions)
                self._sessions.add(session)
        except TimeoutError:
            await _turn_away(request)
        try:
            yield
        finally:
            self._sessions.discard(session)
            async with self._changed:
                self._changed.notify_all()


async def _turn_away(request: Request) -> NoReturn:
    """Raises 503, when the browser has finished: one that is cut off while it sends shows no page at all."""
    async for _ in request.stream():
        pass
    raise HTTPException(HTTPStatus.SERVICE_UNAVAILABLE, headers=_RETRY_AFTER)


def _announced(request: Request, largest: int) -> int:
    length = request.headers.get("content-length", "")
    return int(length) if length.isascii() and length.isdecimal() and len(length) < 20 else largest
