"""LIST, LSUB, NAMESPACE and STATUS (RFC 9051 §6.3.9-11, RFC 5258, RFC 5819, RFC 6154, RFC 8438)."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import replace
from typing import TYPE_CHECKING

from mailserver.imap.grammar import render
from mailserver.imap.grammar.listing import Return, Selection, StatusItem
from mailserver.imap.grammar.patterns import ListPattern
from mailserver.imap.mailboxes import Listed, visible
from mailserver.imap.permission import Action, require
from mailserver.imap.replies import MISSING, Reply, ok
from mailserver.store.access import NAMESPACE
from mailserver.store.folders import ancestors, look_up_folder
from mailserver.store.tables import Flag

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from mailserver.imap.grammar.listing import List, Lsub, Namespace, Status
    from mailserver.imap.session import Session
    from mailserver.store.folders import Folder
    from mailserver.store.images import FolderImage

_STATUSES_AT_ONCE = 20


async def namespace(session: Session, command: Namespace) -> Reply:
    prefix = NAMESPACE.encode("ascii")
    session.send([b'* NAMESPACE (("" "/")) (("%b/" "/")) NIL\r\n' % prefix])
    return ok("NAMESPACE completed")


async def list_mailboxes(session: Session, command: List) -> Reply:
    if not command.is_extended and not command.patterns[0]:
        session.send([b'* LIST (\\Noselect) "/" ""\r\n'])
        return ok("LIST completed")
    names = visible(session)
    chosen = {listed.name for listed in names if _is_selected(listed, command.selection)}
    below = {above for name in chosen for above in ancestors(name)}
    if Selection.RECURSIVEMATCH not in command.selection:
        below = set()
    patterns = [ListPattern(command.reference + pattern) for pattern in command.patterns if pattern]
    shown = 0
    for listed in names:
        if listed.name not in chosen and listed.name not in below:
            continue
        if not any(pattern.matches(listed.name) for pattern in patterns):
            continue
        session.send([_list_line(session, listed, command, has_match_below=listed.name in below)])
        if command.status and listed.folder is not None:
            await _send_status(session, listed.name, command.status)
            shown += 1
            if shown % _STATUSES_AT_ONCE == 0:
                await session.connection.drain()
    return ok("LIST completed")


def _is_selected(listed: Listed, selection: frozenset[Selection]) -> bool:
    if Selection.SUBSCRIBED in selection:
        if not listed.is_subscribed:
            return False
    elif listed.folder is None and not listed.has_children:
        return False  # a subscription to nothing
    return Selection.SPECIAL_USE not in selection or _use(listed) is not None


def _use(listed: Listed) -> str | None:
    return None if listed.folder is None else listed.folder.special_use


def _list_line(session: Session, listed: Listed, command: List, *, has_match_below: bool) -> bytes:
    attributes = ["\\HasChildren" if listed.has_children else "\\HasNoChildren"]
    if listed.folder is None:
        attributes.insert(0, "\\Noselect")
        if command.is_extended or session.dialect.is_rev2:
            attributes.insert(0, "\\NonExistent")
    elif listed.folder.special_use is not None:
        attributes.append(listed.folder.special_use)
    if listed.is_subscribed and (
        Selection.SUBSCRIBED in command.selection or Return.SUBSCRIBED in command.returns
    ):
        attributes.append("\\Subscribed")
    line = _line(session, b"LIST", listed.name, attributes)
    if has_match_below:
        criteria = [
            option for option in (Selection.SUBSCRIBED, Selection.SPECIAL_USE) if option in command.selection
        ]
        words = " ".join(f'"{option}"' for option in criteria)
        line += f' ("CHILDINFO" ({words}))'.encode("ascii")
    return line + b"\r\n"


async def list_subscribed(session: Session, command: Lsub) -> Reply:
    """RFC 3501 §6.3.9: a level above a subscribed name is shown only where "%" would hide that name."""
    pattern = ListPattern(command.reference + command.pattern)
    subscribed = {listed.name: listed for listed in visible(session) if listed.is_subscribed}
    names = set(subscribed)
    if command.pattern.endswith("%"):
        names.update(above for name in subscribed for above in ancestors(name))
    session.send(
        _line(session, b"LSUB", name, _lsub_attributes(subscribed.get(name))) + b"\r\n"
        for name in sorted(names)
        if pattern.matches(name)
    )
    return ok("LSUB completed")


def _lsub_attributes(listed: Listed | None) -> list[str]:
    return [] if listed is not None and listed.folder is not None else ["\\Noselect"]


def _line(session: Session, what: bytes, name: str, attributes: Iterable[str]) -> bytes:
    return b'* %b %b "/" %b' % (what, render.flags(attributes), session.mailbox(name))


async def status(session: Session, command: Status) -> Reply:
    return await _send_status(session, command.mailbox, command.items) or ok("STATUS completed")


async def _send_status(session: Session, name: str, items: Sequence[StatusItem]) -> Reply | None:
    """The STATUS response, or why there is none."""
    if StatusItem.HIGHESTMODSEQ in items:
        session.dialect = replace(session.dialect, tells_modseq=True)
    place = session.locate(name)
    if place is None:
        return MISSING
    if refused := require(place, Action.COUNT):
        return refused
    folder = look_up_folder(session.context.database, place.owner_id, place.name)
    image = None if folder is None else await session.shared.images.current(folder.id, place.viewer)
    if folder is None or image is None:
        return MISSING
    values = " ".join(f"{item} {_value(session, folder, image, item)}" for item in items)
    session.send([b"* STATUS " + session.mailbox(name) + f" ({values})\r\n".encode("ascii")])
    return None


def _value(session: Session, folder: Folder, image: FolderImage, item: StatusItem) -> int | str:
    match item:
        case StatusItem.MESSAGES:
            return len(image.uids)
        case StatusItem.UNSEEN:
            return image.unseen
        case StatusItem.DELETED:
            return image.deleted
        case StatusItem.RECENT:
            return len(image.uids) - bisect_left(image.uids, image.state.recent_uid)
        case StatusItem.UIDNEXT:
            return image.state.uidnext
        case StatusItem.UIDVALIDITY:
            return folder.uidvalidity
        case StatusItem.SIZE:
            return sum(image.sizes)
        case StatusItem.DELETED_STORAGE:
            marked = (
                size for size, flags in zip(image.sizes, image.flags, strict=True) if flags & Flag.DELETED
            )
            return sum(marked)
        case StatusItem.HIGHESTMODSEQ:
            return image.modseq
        case StatusItem.APPENDLIMIT:
            return session.limits.message_bytes
        case StatusItem.MAILBOXID:
            return f"(F{folder.id})"
