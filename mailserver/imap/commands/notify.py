"""NOTIFY (RFC 5465): the client is told of events between its commands."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mailserver.imap.commands.fetch import fetch
from mailserver.imap.grammar.commands import Fetch, Numbering
from mailserver.imap.grammar.sequence import SequenceSet
from mailserver.imap.replies import Reply, no, ok
from mailserver.imap.watch import TooMuchToWatch, Watch

if TYPE_CHECKING:
    from mailserver.imap.grammar.fetch import FetchAttribute
    from mailserver.imap.grammar.notify import Notify
    from mailserver.imap.session import Session


async def notify(session: Session, command: Notify) -> Reply:
    session.stop_watching()
    if command.groups is not None:
        try:
            session.watch = Watch(session, command.groups, _fetch_new)
        except TooMuchToWatch:
            return no("Too many mailboxes to watch", "NOTIFICATIONOVERFLOW")
        if command.with_status:
            await session.watch.status()
    return ok("NOTIFY completed")


async def _fetch_new(session: Session, uids: list[int], attributes: tuple[FetchAttribute, ...]) -> None:
    messages = SequenceSet(tuple((uid, uid) for uid in uids))
    await fetch(session, Fetch(Numbering.UID, messages, attributes))
