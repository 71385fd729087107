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

    from starlette.responses import Response
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

_log = get_logger("portal")


class Guard:
    """ASGI middleware around every page.

    `limit` gives the bytes a request body may have, by path; `patience` the seconds between two pieces of it.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        limit: Callable[[str], int],
        failure: Callable[[int], Response],
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
        taken = 0

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
            nonlocal taken, whole
            if whole:
                return await receive()  # waits for the client to go away
            try:
                async with asyncio.timeout(self._patience):
                    message = await receive()
            except TimeoutError as error:
                raise HTTPException(408) from error
            whole = not message.get("more_body", False)
            taken += len(message.get("body", b""))
            if taken > limit:
                raise HTTPException(413)
            return message

        try:
            if _announced(scope) > limit:
                await self._drain(receive, _DRAINED * limit)
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

    async def _drain(self, receive: Receive, limit: int) -> None:
        """Reads a body away, up to `limit`: a browser that is cut off while it sends shows no page at all."""
        taken = 0
        with contextlib.suppress(TimeoutError):
            while taken <= limit:
                async with asyncio.timeout(self._patience):
                    message = await receive()
                taken += len(message.get("body", b""))
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
