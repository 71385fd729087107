"""Keeps one worker process for examinations: started when needed, replaced when it dies, stopped when idle."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import os
import pickle
import sys
from typing import TYPE_CHECKING, Any

from dmp_bridge import cda, codes, findings, worker
from dmp_bridge.codes import ErrorCode
from dmp_bridge.findings import Finding, Kind
from foundation.log import get_logger
from foundation.mime.mss_headers import AttachedCda

if TYPE_CHECKING:
    from asyncio.subprocess import Process

    from foundation.settings import BridgeSettings

_log = get_logger(__name__)

_START_SECONDS = 30
_MAX_ANSWER = 512 * 1024 * 1024
# The worker never needs the secrets that an operator may have put into the environment.
_ENVIRONMENT = ("PATH", "PYTHONPATH", "LANG", "LC_ALL", "HOME", "VIRTUAL_ENV")
_ALLOWED: dict[tuple[str, str], type] = {
    (found.__module__, found.__qualname__): found
    for found in (
        findings.Finding,
        findings.Kind,
        findings.Clinical,
        cda.Attached,
        cda.PatientIdentity,
        codes.ErrorCode,
        AttachedCda,
    )
}

UNEXAMINED = "Les pièces jointes de ce message n'ont pas pu être examinées."


class _Died(Exception):
    """The worker ended without an answer; ``again`` when another may do better."""

    def __init__(self, *, again: bool) -> None:
        super().__init__()
        self.again = again


class Examiner:
    """Examines one message at a time in a process of its own; a message that kills it is refused with 906."""

    def __init__(self, settings: BridgeSettings, *, idle_seconds: float = 60.0) -> None:
        self._settings = settings
        self._idle_seconds = idle_seconds
        self._process: Process | None = None
        self._lock = asyncio.Lock()
        self._idle: asyncio.TimerHandle | None = None
        self._stopping: asyncio.Task[None] | None = None

    async def examine_message(self, message: bytes) -> tuple[Finding, ...]:
        """The findings of an RFC 5322 message."""
        return await self._examine("message", "", message)

    async def examine_file(self, name: str, data: bytes) -> tuple[Finding, ...]:
        """The findings of one file that came without a message."""
        return await self._examine("file", name, data)

    async def close(self) -> None:
        """Ends the worker; the next examination would start another."""
        async with self._lock:
            self._cancel_idle()
            await self._stop()

    async def _examine(self, kind: str, name: str, data: bytes) -> tuple[Finding, ...]:
        async with self._lock:
            self._cancel_idle()
            try:
                for attempt in (1, 2):
                    try:
                        return await self._ask(kind, name, data)
                    except _Died as died:
                        _log.warning("worker died", attempt=attempt, again=died.again)
                        if not died.again:
                            break
                return (Finding("", 0, name, "", len(data), Kind.REFUSED, UNEXAMINED, code=ErrorCode.OTHER),)
            finally:
                self._idle = asyncio.get_running_loop().call_later(self._idle_seconds, self._stop_when_idle)

    async def _ask(self, kind: str, name: str, data: bytes) -> tuple[Finding, ...]:
        process = await self._running()
        assert process.stdin is not None
        assert process.stdout is not None
        request = json.dumps({"kind": kind, "name": name[:500], "length": len(data)}).encode()
        try:
            async with asyncio.timeout(self._settings.timeout_seconds + _START_SECONDS):
                process.stdin.writelines([request, b"\n", data])
                await process.stdin.drain()
                length = int.from_bytes(await process.stdout.readexactly(8), "big")
                if length > _MAX_ANSWER:
                    raise _Died(again=False)
                packed = await process.stdout.readexactly(length)
            return await asyncio.to_thread(_unpack, packed)
        except (TimeoutError, pickle.UnpicklingError):
            await self._stop()
            raise _Died(again=False) from None
        except (asyncio.IncompleteReadError, ConnectionError):
            status = await self._stop()
            # SIGKILL from outside (memory of the whole machine) is worth one more try; its own limits are not.
            raise _Died(again=status == -9) from None
        except BaseException:
            # A cancelled examination leaves an answer in the pipe that belongs to nobody.
            await self._stop()
            raise

    async def _running(self) -> Process:
        if self._process is not None and self._process.returncode is None:
            return self._process
        await self._stop()
        settings = self._settings
        limits = (settings.memory_bytes, settings.timeout_seconds, settings.unzipped_bytes)
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            worker.__name__,
            *map(str, limits),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
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


class _FindingUnpickler(pickle.Unpickler):
    """Builds findings and nothing else: a worker that was taken over can send no code."""

    def find_class(self, module: str, name: str) -> Any:
        found = _ALLOWED.get((module, name))
        if found is None:
            raise pickle.UnpicklingError("not a finding")
        return found


def _unpack(packed: bytes) -> tuple[Finding, ...]:
    try:
        answer = _FindingUnpickler(io.BytesIO(packed)).load()
    except pickle.UnpicklingError:
        raise
    except Exception as fault:
        raise pickle.UnpicklingError("not findings") from fault
    if not isinstance(answer, tuple) or not all(isinstance(each, Finding) for each in answer):
        raise pickle.UnpicklingError("not findings")
    return answer
