"""The outermost layer of the portal: security headers, bounded bodies, and no error that tells its inside."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from foundation.log import get_logger

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "frame-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
PREVIEW_POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'self'"
)
"""For the content of a preview's frame: it is shown inside our own page, and runs and sends nothing."""

_HEADERS = {
    "Content-Security-Policy": PAGE_POLICY,
    "Strict-Transport-Security": "max-age=63072000; includeSubDomains",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    # `same-origin`, not `no-referrer`: the latter makes browsers post our own forms with `Origin: null`.
    "Referrer-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}

_DRAINED = 3
_SLOWEST = 4096
"""Octets a second: a body that comes more slowly on the whole holds a connection, and a place at a door, for nothing."""

_log = get_logger("portal")


class Guard:
    """ASGI middleware around every page.

    `limit` gives the bytes a request body may have, by path; `patience` the seconds between two pieces of it, and how
    long all of it may take beyond its time at the slowest pace.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        limit: Callable[[str], int],
        failure: Callable[[int], ASGIApp],
        patience: float = 30.0,
    ) -> None:
        self._app = app
        self._patience = patience
        self._limit = limit
        self._failure = failure

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        limit = self._limit(scope["path"])
        static = scope["path"].startswith("/static/")
        started = whole = False
        body = _Body(receive, self._patience)

        async def guarded_send(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
                if static:
                    headers["Cache-Control"] = "no-cache"  # asked again each time, answered 304
            await send(message)

        async def bounded_receive() -> Message:
            nonlocal whole
            if whole:
                return await receive()  # waits for the client to go away
            try:
                message = await body.piece()
            except TimeoutError as error:
                raise HTTPException(408) from error
            whole = not message.get("more_body", False)
            if body.taken > limit:
                raise HTTPException(413)
            return message

        try:
            if _announced(scope) > limit:
                await _drain(body, _DRAINED * limit)
                await self._failure(413)(scope, receive, guarded_send)
                return
            await self._app(scope, bounded_receive, guarded_send)
        except ClientDisconnect:
            return
        except Exception as error:
            # The text of an error may quote a row: its kind and place are all that is written down.
            _log.error("page.failed", error=type(error).__name__, place=_place(error))
            if not started:
                await self._failure(500)(scope, receive, guarded_send)


class _Body:
    """The body of a request, piece by piece."""

    def __init__(self, receive: Receive, patience: float) -> None:
        self._receive = receive
        self._patience = patience
        self._waited = 0.0
        self.taken = 0

    async def piece(self) -> Message:
        """The next piece. Raises TimeoutError when the client is too slow, at this piece or on the whole."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        left = self._patience + self.taken / _SLOWEST - self._waited
        async with asyncio.timeout(min(left, self._patience)):
            message = await self._receive()
        self._waited += loop.time() - began
        self.taken += len(message.get("body", b""))
        return message


async def _drain(body: _Body, limit: int) -> None:
    """Reads a body away, up to `limit`: a browser that is cut off while it sends shows no page at all."""
    with contextlib.suppress(TimeoutError):
        while body.taken <= limit:
            message = await body.piece()
            if message["type"] != "http.request" or not message.get("more_body", False):
                return


def _announced(scope: Scope) -> int:
    for name, value in scope["headers"]:
        if name == b"content-length":
            return int(value) if value.isdigit() and len(value) < 20 else 0
    return 0


def _place(error: BaseException) -> str:
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    if trace is None:
        return "?"
    code = trace.tb_frame.f_code
    return f"{trace.tb_frame.f_globals.get('__name__', '?')}.{code.co_name}:{trace.tb_lineno}"
