"""IDLE (RFC 9051 §6.3.13): the client is told what happens while it waits."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from mailserver.imap.connection import TimedOut
from mailserver.imap.replies import Reply, bad, ok
from mailserver.imap.session import Goodbye, Sync

if TYPE_CHECKING:
    from mailserver.imap.grammar import commands as c
    from mailserver.imap.session import Session

_MAX_LINE = 1024


async def idle(session: Session, command: c.Idle) -> Reply:
    session.send([b"+ idling\r\n"])
    topics = [] if session.selected is None else [f"folder:{session.selected.folder_id}"]
    # No task and no future of its own: thousands of sessions spend their days here.
    with session.context.events.subscribe(*topics, wake=session.connection.nudge):
        line = await _tell_until_line(session)
    if line.strip().upper() != b"DONE":
        return bad("Expected DONE")
    return ok("IDLE completed")


async def _tell_until_line(session: Session) -> bytes:
    connection, limits, loop = session.connection, session.limits, asyncio.get_running_loop()
    last = loop.time() + limits.idle_seconds
    while True:
        session.check_access()
        await session.tell(Sync.EVERYTHING)
        if session.watch is not None:
            await session.watch.tell()
        await connection.drain()
        line = connection.take_line(_MAX_LINE)
        if line is not None:
            return line
        connection.deadline = min(last, loop.time() + limits.access_seconds)
        try:
            await connection.wait()
        except TimedOut:
            if loop.time() >= last:
                raise Goodbye("Idle for too long") from None
