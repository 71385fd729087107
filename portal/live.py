"""Live pages: a stream of server-sent events that tells a browser to look again, never what there is to see."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from starlette.exceptions import HTTPException
from starlette.responses import StreamingResponse

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.types import Receive, Scope, Send

    from portal.context import PortalContext, Visit

HEARTBEAT_SECONDS = 15.0
STREAMS_OF_A_SESSION = 6
STREAMS_OF_AN_OWNER = 18
_CHANGE = b"event: change\ndata:\n\n"
_END = b"event: end\ndata:\n\n"
_HEARTBEAT = b": encore\n\n"
_OPENING = b"retry: 3000\n\n"


class Live:
    """The open streams of one portal; used from one event loop."""

    def __init__(self, context: PortalContext, *, heartbeat: float = HEARTBEAT_SECONDS) -> None:
        self._context = context
        self._heartbeat = heartbeat
        self._open: Counter[str] = Counter()
        self._streams = 0
        self._closing = False

    @property
    def streams(self) -> int:
        """How many streams are open."""
        return self._streams

    def close(self) -> None:
        """Lets every stream end at once, so that the server can stop."""
        self._closing = True
        self._context.events.publish(_CLOSING)

    async def answer(self, request: Request, visit: Visit) -> Response:
        """The stream of a visit's changes (HTML Standard §9.2); 429 beyond those of a session or an owner."""
        return _Stream(self.stream(visit), self._take(visit))

    def _take(self, visit: Visit) -> Callable[[], None]:
        """Counts a stream before it starts, so that requests in parallel count too; returns its release."""
        limits = (
            (visit.session.token_hash, STREAMS_OF_A_SESSION),
            (f"owner:{visit.owner_id}", STREAMS_OF_AN_OWNER),
        )
        if any(self._open[name] >= limit for name, limit in limits):
            raise HTTPException(429)
        for name, _ in limits:
            self._open[name] += 1
        self._streams += 1

        def release() -> None:
            self._streams -= 1
            for name, _ in limits:
                self._open[name] -= 1
                if not self._open[name]:
                    del self._open[name]

        return release

    async def stream(self, visit: Visit) -> AsyncIterator[bytes]:
        """`change` for each wake-up of the owner, a comment in silence, `end` when the session ends."""
        with self._context.events.subscribe(f"owner:{visit.owner_id}", _CLOSING) as subscription:
            yield _OPENING
            while not self._closing:
                woken = await subscription.wait(self._heartbeat)
                if self._closing or self._context.visit(visit.session.token) is None:
                    break
                yield _CHANGE if woken else _HEARTBEAT
            if not self._closing:
                yield _END


class _Stream(StreamingResponse):
    """A stream that gives its place back when the connection ends, also when not one byte went out."""

    def __init__(self, content: AsyncIterator[bytes], release: Callable[[], None]) -> None:
        super().__init__(content, media_type="text/event-stream", headers={"X-Accel-Buffering": "no"})
        self._release = release

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._release()


_CLOSING = "portal:closing"
