"""Running an operator in the foreground until SIGTERM or Ctrl-C, on uvloop."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import resource
import signal
from typing import TYPE_CHECKING

import uvloop

from foundation.log import get_logger
from vaguemestre.app import Operator
from vaguemestre.memory import bound_allocator, trim

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from foundation.settings import Settings
    from vaguemestre.app import PlainAddresses

_log = get_logger(__name__)
_COLLECTED_EVERY = 20_000
"""Objects more than were freed, of those that may be in a circle."""


def _allow_many_files() -> None:
    """Each connection is an open file: the soft limit of most shells, 1024, is raised to the hard one."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def serve_until_told(
    settings: Settings,
    *,
    plain: PlainAddresses | None = None,
    ready: Callable[[Operator], Awaitable[None]] | None = None,
) -> None:
    """Starts, calls `ready` when every listener answers, and returns after a clean stop."""
    bound_allocator()
    _allow_many_files()

    async def session() -> None:
        told = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, told.set)
        operator = await Operator.start(settings, plain=plain)
        # What start-up made lives as long as the process: the collector need not look at it again.
        gc.collect()
        gc.freeze()
        # An answer is made of thousands of objects that live for a moment: they are no sign of any that stay.
        gc.set_threshold(_COLLECTED_EVERY, 20, 20)
        trim()
        try:
            if ready is not None:
                await ready(operator)
            _log.info("serving", ports=operator.ports)
            await told.wait()
            _log.info("stopping")
        finally:
            await operator.stop()

    uvloop.run(session())
