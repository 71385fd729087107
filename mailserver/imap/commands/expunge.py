"""EXPUNGE and UID EXPUNGE (RFC 3501 §6.4.3, RFC 4315 §2.1)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mailserver.imap.grammar.commands import Numbering
from mailserver.imap.permission import Action, require
from mailserver.imap.replies import READ_ONLY, Reply, ok
from mailserver.store import expunge as store
from mailserver.store.selection import batches

if TYPE_CHECKING:
    from mailserver.imap.grammar import commands as c
    from mailserver.imap.session import Session


async def expunge(session: Session, command: c.Expunge) -> Reply:
    folder = session.folder
    if folder.is_read_only:
        return READ_ONLY
    if refused := require(folder.place, Action.EXPUNGE):
        return refused
    everything = [(0, len(folder.uids))]
    slices = everything if command.uids is None else folder.slices(Numbering.UID, command.uids)
    await expunge_deleted(session, slices)
    return ok("EXPUNGE completed", await session.tell_everything())


async def expunge_deleted(session: Session, slices: list[tuple[int, int]]) -> None:
    """Removes the messages with \\Deleted at these positions of the open folder."""
    folder, vault = session.folder, session.context.vault
    chosen = list(batches(folder.uids, slices))
    await session.context.database.write(
        lambda uow: store.expunge(uow, vault, folder.place.owner_id, folder.folder_id, chosen)
    )
