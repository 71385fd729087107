"""The web server inside our own loop: uvicorn without its signals, on a socket that is already bound."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from typing import TYPE_CHECKING

import uvicorn

if TYPE_CHECKING:
    import ssl
    from collections.abc import Generator

    from starlette.types import ASGIApp

_GRACE_SECONDS = 3
_BACKLOG = 1024


class _Server(uvicorn.Server):
    """Stops when its owner says so; the process's signals belong to the operator as a whole."""

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        yield


class WebServer:
    """HTTPS on one address."""

    def __init__(self, application: ASGIApp, tls: ssl.SSLContext, host: str, port: int) -> None:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._socket = socket.socket(family, socket.SOCK_STREAM)
        try:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self._socket.bind((host, port))
        except OSError:
            self._socket.close()
            raise
        config = uvicorn.Config(
            application,
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            backlog=_BACKLOG,
            h11_max_incomplete_event_size=64 * 1024,
            timeout_keep_alive=15,
            timeout_graceful_shutdown=_GRACE_SECONDS,
        )
        config.load()
        config.ssl = tls
        self._server = _Server(config)
        self._task: asyncio.Task[None] | None = None

    @property
    def port(self) -> int:
        """The port that was bound, also when 0 was asked for."""
        port: int = self._socket.getsockname()[1]
        return port

    async def start(self) -> None:
        """Returns when connections are accepted."""
        self._task = asyncio.create_task(self._server.serve(sockets=[self._socket]), name="web")
        while not self._server.started:
            if self._task.done():
                await self._task
                raise RuntimeError("the web server stopped before it started")
            await asyncio.sleep(0.005)

    async def close(self) -> None:
        """Answers what was asked, then stops; streams are cut after a few seconds."""
        self._server.should_exit = True
        if self._task is not None:
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        self._socket.close()
