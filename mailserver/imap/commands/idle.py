"""IDLE (RFC 2177): the client is told what happens while it waits."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

from mailserver.imap.connection import Disconnected, ShuttingDown
from mailserver.imap.incoming import LineTooLong
from mailserver.imap.replies import Reply, bad, ok
from mailserver.imap.session import Goodbye, Sync

if TYPE_CHECKING:
    from foundation.events import Subscription
    from mailserver.imap.grammar import commands as c
    from mailserver.imap.session import Session

_MAX_LINE = 1024


async def idle(session: Session, command: c.Idle) -> Reply:
    session.send([b"+ idling\r\n"])
    topics = [] if session.selected is None else [f"folder:{session.selected.folder_id}"]
    with session.context.events.subscribe(*topics) as subscription:
        line = asyncio.ensure_future(session.connection.read_line(_MAX_LINE))
        try:
            await _tell_until(line, session, subscription)
        finally:
            if not line.done():
                line.cancel()
                with suppress(asyncio.CancelledError, Disconnected, ShuttingDown, LineTooLong):
                    await line
    if line.result().strip().upper() != b"DONE":
        return bad("Expected DONE")
    return ok("IDLE completed")


async def _tell_until(line: asyncio.Future[bytes], session: Session, subscription: Subscription) -> None:
    loop = asyncio.get_running_loop()
    deadline = loop.time() + session.limits.idle_seconds
    while not line.done():
        await _tell(session)
        woken = asyncio.ensure_future(subscription.wait())
        try:
            patience = min(deadline - loop.time(), session.limits.access_seconds)
            await asyncio.wait((line, woken), timeout=patience, return_when=asyncio.FIRST_COMPLETED)
        finally:
            woken.cancel()
            with suppress(asyncio.CancelledError):
                await woken
        session.check_access()
        if loop.time() >= deadline:
            raise Goodbye("Idle for too long")


async def _tell(session: Session) -> None:
    await session.tell(Sync.EVERYTHING)
    await session.connection.drain()
