"""COPY and MOVE (RFC 3501 §6.4.7, RFC 6851), with COPYUID (RFC 4315 §3)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mailserver.imap.grammar.sequence import format_uid_set
from mailserver.imap.replies import MISSING_TARGET, READ_ONLY, Reply, ok
from mailserver.store.copy import Transfer, Transferred, transfer
from mailserver.store.folders import find_folder
from mailserver.store.selection import batches

if TYPE_CHECKING:
    from foundation.database import UnitOfWork
    from mailserver.imap.grammar import commands as c
    from mailserver.imap.session import Session


async def copy(session: Session, command: c.Copy) -> Reply:
    done = await _transfer(session, command, Transfer.COPY)
    if done is None:
        return MISSING_TARGET
    return ok("COPY completed", _copyuid(done))


async def move(session: Session, command: c.Move) -> Reply:
    """COPYUID comes untagged before the EXPUNGE responses (RFC 6851 §4.3)."""
    if session.folder.is_read_only:
        return READ_ONLY
    done = await _transfer(session, command, Transfer.MOVE)
    if done is None:
        return MISSING_TARGET
    code = _copyuid(done)
    if code is not None:
        session.send([ok("Moved", code).line("*")])
    return ok("MOVE completed")


async def _transfer(session: Session, command: c.Copy | c.Move, how: Transfer) -> Transferred | None:
    folder = session.folder
    chosen = list(batches(folder.uids, folder.slices(command.numbering, command.messages)))
    place = session.locate(command.mailbox)
    if place is None:
        return None
    now = session.context.clock.millis()

    def unit(uow: UnitOfWork) -> Transferred | None:
        target = find_folder(uow.connection, place.owner_id, place.name)
        if target is None:
            return None
        return transfer(uow, folder.folder_id, chosen, target, how, now=now)

    return await session.context.database.write(unit)


def _copyuid(done: Transferred) -> str | None:
    if not done.sources:
        return None
    sources, targets = format_uid_set(done.sources), format_uid_set(done.targets)
    return f"COPYUID {done.uidvalidity} {sources.decode('ascii')} {targets.decode('ascii')}"
