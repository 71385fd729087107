"""APPEND (RFC 3501 §6.3.11), with APPENDUID (RFC 4315 §3)."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from foundation.mime.scanner import scan
from mailserver.imap import flags
from mailserver.imap.replies import MISSING_TARGET, Reply, no, ok
from mailserver.imap.structure import Rendering, render
from mailserver.store.append import Appended, NewMail, NoSuchFolder, append
from mailserver.store.flags import join_keywords
from mailserver.store.folders import find_folder

if TYPE_CHECKING:
    from foundation.database import UnitOfWork
    from mailserver.imap.grammar import commands as c
    from mailserver.imap.session import Session

_OFF_LOOP_BYTES = 16 * 1024
"""A longer message is read in a thread."""


async def append_message(session: Session, command: c.Append) -> Reply:
    message = command.message
    if not message or b"\0" in message:
        return no("A message is neither empty nor has NUL octets", "CANNOT")
    context, owner_id = session.context, session.owner_id
    if context.database.read_now(lambda conn: find_folder(conn, owner_id, command.mailbox)) is None:
        return MISSING_TARGET
    if len(message) > _OFF_LOOP_BYTES:
        rendering = await asyncio.to_thread(_render, message)
    else:
        rendering = _render(message)
    sealed = await context.vault.seal(message)
    received_at = context.clock.millis() if command.received_at is None else command.received_at

    def unit(uow: UnitOfWork) -> Appended:
        new = NewMail(
            blob_id=context.vault.store(uow, sealed, [owner_id]),
            size=len(message),
            rendering=rendering,
            received_at=received_at,
            flags=flags.bits(command.flags.system),
            keywords=join_keywords(command.flags.keywords),
            saved_at=context.clock.millis(),
        )
        return append(uow, owner_id, command.mailbox, new)

    try:
        appended = await context.database.write(unit)
    except NoSuchFolder:
        await context.vault.discard(sealed)
        return MISSING_TARGET
    except Exception:
        # Not for a cancellation: the writer may still commit a row that names the file.
        await context.vault.discard(sealed)
        raise
    return ok("APPEND completed", f"APPENDUID {appended.uidvalidity} {appended.uid}")


def _render(message: bytes) -> Rendering:
    return render(message, scan(message))
