"""Keeps one confined worker process: started when needed, replaced when it dies, stopped when idle."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
from typing import TYPE_CHECKING, TypeVar

from foundation.log import get_logger

if TYPE_CHECKING:
    from asyncio.subprocess import Process
    from collections.abc import Callable, Mapping, Sequence

_log = get_logger(__name__)

_T = TypeVar("_T")
_START_SECONDS = 30
_MAX_ANSWER = 512 * 1024 * 1024
_PIPE_BYTES = 1024 * 1024
"""What goes through a pipe at once: a mail with its documents, without a change of process for each 64 KB."""
# The worker never needs the secrets that an operator may have put into the environment.
_ENVIRONMENT = ("PATH", "PYTHONPATH", "LANG", "LC_ALL", "HOME", "VIRTUAL_ENV")


class Unbelievable(Exception):
    """What the worker answered is not what it may answer."""


class GaveUp(Exception):
    """No worker lived through the request: its time, its memory or its honesty ended."""


class _Died(Exception):
    """The worker ended without an answer; ``again`` when another may do better."""

    def __init__(self, *, again: bool) -> None:
        super().__init__()
        self.again = again


class Confined:
    """One process that answers one request at a time: ``python -m MODULE ARGUMENTS``, see `dmp_bridge.worker.serve`."""

    def __init__(
        self, module: str, arguments: Sequence[str], *, timeout_seconds: int, idle_seconds: float = 60.0
    ) -> None:
        self._module = module
        self._arguments = tuple(arguments)
        self._timeout_seconds = timeout_seconds
        self._idle_seconds = idle_seconds
        self._process: Process | None = None
        self._lock = asyncio.Lock()
        self._idle: asyncio.TimerHandle | None = None
        self._stopping: asyncio.Task[None] | None = None

    async def close(self) -> None:
        """Ends the worker; the next request would start another."""
        async with self._lock:
            self._cancel_idle()
            await self._stop()

    async def ask(self, request: Mapping[str, object], data: bytes, read: Callable[[bytes], _T]) -> _T:
        """What ``read`` makes of the worker's answer, in a thread; it raises Unbelievable for anything else.

        Raises GaveUp when the request killed the worker, or the second one too.
        """
        async with self._lock:
            self._cancel_idle()
            try:
                for attempt in (1, 2):
                    try:
                        return await self._ask(request, data, read)
                    except _Died as died:
                        _log.warning("worker died", attempt=attempt, again=died.again)
                        if not died.again:
                            break
                raise GaveUp
            finally:
                self._idle = asyncio.get_running_loop().call_later(self._idle_seconds, self._stop_when_idle)

    async def _ask(self, request: Mapping[str, object], data: bytes, read: Callable[[bytes], _T]) -> _T:
        process = await self._running()
        assert process.stdin is not None
        assert process.stdout is not None
        line = json.dumps({**request, "length": len(data)}).encode()
        try:
            async with asyncio.timeout(self._timeout_seconds + _START_SECONDS):
                process.stdin.writelines([line, b"\n", data])
                await process.stdin.drain()
                length = int.from_bytes(await process.stdout.readexactly(8), "big")
                if length > _MAX_ANSWER:
                    raise Unbelievable
                answer = await process.stdout.readexactly(length)
            return await asyncio.to_thread(read, answer)
        except (TimeoutError, Unbelievable):
            await self._stop()
            raise _Died(again=False) from None
        except (asyncio.IncompleteReadError, ConnectionError):
            status = await self._stop()
            # SIGKILL from outside (memory of the whole machine) is worth one more try; its own limits are not.
            raise _Died(again=status == -9) from None
        except BaseException:
            # A cancelled request leaves an answer in the pipe that belongs to nobody.
            await self._stop()
            raise

    async def _running(self) -> Process:
        if self._process is not None and self._process.returncode is None:
            return self._process
        await self._stop()
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            self._module,
            *self._arguments,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            limit=_PIPE_BYTES,
            env={name: os.environ[name] for name in _ENVIRONMENT if name in os.environ},
        )
        return self._process

    async def _stop(self) -> int | None:
        """Ends the worker and returns its exit status; negative is the signal that ended it."""
        process, self._process = self._process, None
        if process is None:
            return None
        if process.stdin is not None:
            process.stdin.close()
        status: int | None = None
        try:
            async with asyncio.timeout(2):
                status = await process.wait()
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
        if process.stdout is not None:
            # What is left of an answer is read away, so that the pipe closes with the process.
            while await process.stdout.read(1024 * 1024):
                continue
        return status

    def _cancel_idle(self) -> None:
        if self._idle is not None:
            self._idle.cancel()
            self._idle = None

    def _stop_when_idle(self) -> None:
        self._idle = None
        self._stopping = asyncio.create_task(self._stop_if_free())

    async def _stop_if_free(self) -> None:
        async with self._lock:
            if self._idle is None:
                await self._stop()
