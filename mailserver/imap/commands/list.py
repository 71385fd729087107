"""LIST, LSUB and NAMESPACE (RFC 3501 §6.3.8-9, RFC 2342, RFC 3348, RFC 6154)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mailserver.imap.grammar import render
from mailserver.imap.grammar.patterns import ListPattern
from mailserver.imap.replies import Reply, ok
from mailserver.store.folders import ancestors, list_folders

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mailserver.imap.grammar import commands as c
    from mailserver.imap.session import Session
    from mailserver.store.folders import Folder


@dataclass(frozen=True, slots=True)
class _Listed:
    """A name that LIST can show: a folder, or a level above one that is none itself."""

    name: str
    folder: Folder | None
    has_children: bool


async def namespace(session: Session, command: c.Namespace) -> Reply:
    session.send([b'* NAMESPACE (("" "/")) NIL NIL\r\n'])
    return ok("NAMESPACE completed")


async def list_mailboxes(session: Session, command: c.List) -> Reply:
    if not command.pattern:
        session.send([b'* LIST (\\Noselect) "/" ""\r\n'])
        return ok("LIST completed")
    pattern = ListPattern(command.reference + command.pattern)
    session.send(
        _line(b"LIST", listed, _attributes(listed))
        for listed in _tree(await _folders(session))
        if pattern.matches(listed.name)
        and not (command.special_use and (listed.folder is None or listed.folder.special_use is None))
    )
    return ok("LIST completed")


async def list_subscribed(session: Session, command: c.Lsub) -> Reply:
    pattern = ListPattern(command.reference + command.pattern)
    subscribed = [folder for folder in await _folders(session) if folder.is_subscribed]
    shows_levels = command.pattern.endswith("%")
    session.send(
        _line(b"LSUB", listed, [] if listed.folder is not None else ["\\Noselect"])
        for listed in _tree(subscribed)
        if (listed.folder is not None or shows_levels) and pattern.matches(listed.name)
    )
    return ok("LSUB completed")


async def _folders(session: Session) -> list[Folder]:
    owner_id = session.owner_id
    return session.context.database.read_now(lambda connection: list_folders(connection, owner_id))


def _tree(folders: Iterable[Folder]) -> list[_Listed]:
    by_name: dict[str, Folder | None] = {}
    parents: set[str] = set()
    for folder in folders:
        by_name[folder.name] = folder
        above = ancestors(folder.name)
        parents.update(above)
        for level in above:
            by_name.setdefault(level, None)
    return [_Listed(name, by_name[name], name in parents) for name in sorted(by_name)]


def _attributes(listed: _Listed) -> list[str]:
    attributes = ["\\HasChildren" if listed.has_children else "\\HasNoChildren"]
    if listed.folder is None:
        attributes.insert(0, "\\Noselect")
    elif listed.folder.special_use is not None:
        attributes.append(listed.folder.special_use)
    return attributes


def _line(name: bytes, listed: _Listed, attributes: list[str]) -> bytes:
    return b'* %b %b "/" %b\r\n' % (name, render.flags(attributes), render.mailbox(listed.name))
