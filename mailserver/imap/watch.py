"""What a client asked to be told without asking again (NOTIFY, RFC 5465): which events of which mailboxes, and when."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mailserver.imap.grammar import render
from mailserver.imap.grammar.notify import Among, Event
from mailserver.imap.mailboxes import visible
from mailserver.imap.session import Sync
from mailserver.store.access import is_shared_name
from mailserver.store.append import INBOX
from mailserver.store.folders import SEPARATOR
from mailserver.store.rights import Right

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    from mailserver.imap.grammar.fetch import FetchAttribute
    from mailserver.imap.grammar.notify import EventGroup
    from mailserver.imap.mailboxes import Listed
    from mailserver.imap.session import Session
    from mailserver.store.images import FolderImage

    FetchNew = Callable[[Session, list[int], tuple[FetchAttribute, ...]], Awaitable[None]]

MAX_WATCHED = 2000
"""Mailboxes that one session may watch."""
_MOST_NEW = 500
"""New messages whose attributes are told at once."""
_SELECTED = (Among.SELECTED, Among.SELECTED_DELAYED)
_OF_MESSAGES = frozenset({Event.MESSAGE_NEW, Event.MESSAGE_EXPUNGE, Event.FLAG_CHANGE})


class TooMuchToWatch(Exception):
    """More mailboxes than a session may watch."""


@dataclass(slots=True)
class _Watched:
    """A mailbox and the modification sequence that was last told of it; None before anything was."""

    name: str
    uidvalidity: int
    is_subscribed: bool
    viewer: int | None
    events: frozenset[Event]
    modseq: int | None = None


class Watch:
    """The events of one session. Its subscription nudges the connection; `tell` says what happened."""

    def __init__(self, session: Session, groups: tuple[EventGroup, ...], fetch_new: FetchNew) -> None:
        self._session = session
        self._groups = [group for group in groups if group.among not in _SELECTED]
        self._selected = next((group for group in groups if group.among in _SELECTED), None)
        self._fetch_new = fetch_new
        self._folders = self._look()
        if len(self._folders) > MAX_WATCHED:
            raise TooMuchToWatch
        self._subscription = session.context.events.subscribe(
            f"owner:{session.owner_id}",
            *(f"folder:{folder_id}" for folder_id in self._folders),
            wake=session.connection.nudge,
        )
        self._open: int | None = None

    def close(self) -> None:
        """Stops watching."""
        self._subscription.close()

    def _look(self) -> dict[int, _Watched]:
        return {
            listed.folder.id: _Watched(
                listed.name,
                listed.folder.uidvalidity,
                listed.is_subscribed,
                listed.place.viewer,
                self._events_of(listed),
            )
            for listed in visible(self._session)
            if listed.folder is not None and Right.READ in listed.place.rights
        }

    def _events_of(self, listed: Listed) -> frozenset[Event]:
        """Those of the first group that has the mailbox (RFC 5465 §6)."""
        for group in self._groups:
            if _has(group, listed):
                return group.events
        return frozenset()

    async def status(self) -> None:
        """STATUS of every watched mailbox that is not open, so that the client starts from the truth (RFC 5465 §3.1)."""
        for folder_id, watched in self._folders.items():
            if watched.events & _OF_MESSAGES and not self._is_open(folder_id):
                await self._tell_status(folder_id, watched)
                await self._session.connection.drain()

    async def tell(self) -> None:
        """Says what happened since the last call; between commands and while the client idles."""
        self._follow_open_folder()
        topics = self._subscription.take()
        if not topics:
            return
        if f"owner:{self._session.owner_id}" in topics:
            self._tell_names()
        for folder_id, watched in tuple(self._folders.items()):
            if f"folder:{folder_id}" not in topics or self._is_open(folder_id):
                continue
            if watched.events & _OF_MESSAGES:
                await self._tell_status(folder_id, watched)
        if self._open is not None and f"folder:{self._open}" in topics:
            await self._tell_open()
        await self._session.connection.drain()

    def _is_open(self, folder_id: int) -> bool:
        return self._session.selected is not None and self._session.selected.folder_id == folder_id

    def _follow_open_folder(self) -> None:
        selected = self._session.selected
        folder_id = None if selected is None else selected.folder_id
        if folder_id == self._open:
            return
        if self._open is not None and self._open not in self._folders:
            self._subscription.discard(f"folder:{self._open}")
        self._open = folder_id
        if folder_id is not None:
            self._subscription.add(f"folder:{folder_id}")

    async def _tell_open(self) -> None:
        group, folder = self._selected, self._session.selected
        if group is None or folder is None or not group.events:
            return
        first_new = folder.image.state.uidnext
        delays = group.among is Among.SELECTED_DELAYED
        await self._session.tell(Sync.NO_EXPUNGES if delays else Sync.EVERYTHING)
        if group.attributes:
            new = [uid for uid in folder.image.uids[-_MOST_NEW:] if uid >= first_new]
            if new:
                await self._fetch_new(self._session, new, group.attributes)

    async def _tell_status(self, folder_id: int, watched: _Watched) -> None:
        image = await self._session.shared.images.current(folder_id, watched.viewer)
        if image is None or image.modseq == watched.modseq:
            return
        watched.modseq = image.modseq
        self._session.send([self._status_line(watched, image)])

    def _status_line(self, watched: _Watched, image: FolderImage) -> bytes:
        """Both numbers by which a client tells that anything changed, whatever it did (RFC 5465 §5.1-3)."""
        items = b"MESSAGES %d UIDNEXT %d UIDVALIDITY %d UNSEEN %d HIGHESTMODSEQ %d" % (
            len(image.uids),
            image.state.uidnext,
            watched.uidvalidity,
            image.unseen,
            image.modseq,
        )
        return b"* STATUS %b (%b)\r\n" % (self._session.mailbox(watched.name), items)

    def _tell_names(self) -> None:
        before, after = self._folders, self._look()
        self._folders = after
        for folder_id in before.keys() - after.keys():
            if folder_id != self._open:
                self._subscription.discard(f"folder:{folder_id}")
        for folder_id in after.keys() - before.keys():
            self._subscription.add(f"folder:{folder_id}")
        self._session.send(self._name_lines(before, after))
        for folder_id, watched in after.items():
            if folder_id in before:
                watched.modseq = before[folder_id].modseq

    def _name_lines(self, before: dict[int, _Watched], after: dict[int, _Watched]) -> Iterable[bytes]:
        for folder_id, old in before.items():
            if folder_id not in after and Event.MAILBOX_NAME in old.events:
                yield self._list_line(old.name, ["\\NonExistent"])
        for folder_id, new in after.items():
            known = before.get(folder_id)
            if known is None or known.name != new.name:
                if Event.MAILBOX_NAME in new.events:
                    yield self._list_line(new.name, [], known.name if known is not None else None)
            elif known.is_subscribed != new.is_subscribed and Event.SUBSCRIPTION_CHANGE in new.events:
                yield self._list_line(new.name, ["\\Subscribed"] if new.is_subscribed else [])

    def _list_line(self, name: str, attributes: list[str], old_name: str | None = None) -> bytes:
        line = b'* LIST %b "/" %b' % (render.flags(attributes), self._session.mailbox(name))
        if old_name is not None:
            line += b' ("OLDNAME" (%b))' % self._session.mailbox(old_name)
        return line + b"\r\n"


def _has(group: EventGroup, listed: Listed) -> bool:
    match group.among:
        case Among.INBOXES:
            return listed.name == INBOX or listed.name.endswith(SEPARATOR + INBOX)
        case Among.PERSONAL:
            return not is_shared_name(listed.name)
        case Among.SUBSCRIBED:
            return listed.is_subscribed
        case Among.SUBTREE:
            return any(
                listed.name == name or listed.name.startswith(name + SEPARATOR) for name in group.names
            )
        case _:
            return listed.name in group.names
