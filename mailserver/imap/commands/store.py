"""STORE (RFC 3501 §6.4.6)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mailserver.imap import flags
from mailserver.imap.grammar.commands import Numbering, StoreMode
from mailserver.imap.replies import READ_ONLY, Reply, no, ok
from mailserver.imap.session import Session, Sync
from mailserver.store.flags import Change, FlagChange, TooManyKeywords, change_flags
from mailserver.store.selection import batches

if TYPE_CHECKING:
    from mailserver.imap.grammar import commands as c

_CHANGES = {
    StoreMode.REPLACE: Change.REPLACE,
    StoreMode.ADD: Change.ADD,
    StoreMode.REMOVE: Change.REMOVE,
}


async def store(session: Session, command: c.Store) -> Reply:
    folder = session.folder
    slices = folder.slices(command.numbering, command.messages)
    if folder.is_read_only:
        return READ_ONLY
    chosen = list(batches(folder.uids, slices))
    change = FlagChange(_CHANGES[command.mode], flags.bits(command.flags.system), command.flags.keywords)
    try:
        changed = await session.context.database.write(
            lambda uow: change_flags(uow, folder.folder_id, chosen, change)
        )
    except TooManyKeywords:
        return no("Too many keywords on one message", "LIMIT")
    uids = [message.uid for message in changed.messages]
    folder.was_told(uids, changed.modseq)
    await session.tell(Sync.NO_EXPUNGES)
    if not command.silent:
        with_uid = command.numbering is Numbering.UID
        session.send(folder.fetch_lines(uids, session.dialect, with_uid=with_uid))
    if len(changed.messages) < sum(stop - start for start, stop in slices):
        return ok("Some messages were expunged meanwhile", "EXPUNGEISSUED")
    return ok("STORE completed")
