"""Which mailbox names a person sees, in all namespaces: what LIST, LSUB and NOTIFY choose from."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from mailserver.store.access import is_shared_name, visible_folders
from mailserver.store.folders import ancestors, list_folders
from mailserver.store.rights import Place, Right
from mailserver.store.subscriptions import subscribed_names

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from mailserver.imap.session import Session
    from mailserver.store.folders import Folder


@dataclass(frozen=True, slots=True)
class Listed:
    """A name that LIST can show: a folder, a level above one, or a subscription to nothing."""

    name: str
    folder: Folder | None
    has_children: bool
    is_subscribed: bool
    place: Place


def visible(session: Session) -> list[Listed]:
    """Every name this person may see, sorted."""
    owner_id, types = session.owner_id, session.context.opened_types
    own, shared, subscribed = session.context.database.read_now(
        lambda connection: (
            _own_folders(connection, owner_id, session.person_id),
            visible_folders(connection, owner_id, types),
            subscribed_names(connection, owner_id),
        )
    )
    by_name: dict[str, Folder | None] = {folder.name: folder for folder, _ in own}
    # Uses are of one's own folders: a client asks for the \Sent, not for one of several.
    by_name |= {name: replace(folder, special_use=None) for name, folder, _ in shared}
    places = {place.name: place for _, place in own} | {name: place for name, _, place in shared}
    if session.person_id != owner_id:
        subscribed &= by_name.keys()  # the bearer's, of folders that are hidden from this delegate
    parents = {above for name in by_name for above in ancestors(name)}
    for name in (*parents, *subscribed):
        by_name.setdefault(name, None)
    nothing: frozenset[Right] = frozenset()
    return [
        Listed(
            name,
            by_name[name],
            has_children=name in parents,
            is_subscribed=name in subscribed,
            place=places.get(name) or Place(owner_id, name, nothing),
        )
        for name in sorted(by_name)
    ]


def _own_folders(connection: Connection, owner_id: int, person_id: int) -> list[tuple[Folder, Place]]:
    """The folders of the box that was signed in to, as far as who did may see them."""
    if person_id != owner_id:
        return [
            (folder, place)
            for _, folder, place in visible_folders(connection, person_id)
            if folder.owner_id == owner_id
        ]
    return [
        (folder, Place(owner_id, folder.name))
        for folder in list_folders(connection, owner_id)
        if not is_shared_name(folder.name)
    ]
