"""Which mailbox names a person sees, in all namespaces: what LIST, LSUB and NOTIFY choose from."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from mailserver.store.access import is_shared_name, visible_folders
from mailserver.store.folders import ancestors, list_folders
from mailserver.store.subscriptions import subscribed_names

if TYPE_CHECKING:
    from mailserver.imap.session import Session
    from mailserver.store.folders import Folder
    from mailserver.store.rights import Place


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
    folders, shared, subscribed = session.context.database.read_now(
        lambda connection: (
            list_folders(connection, owner_id),
            visible_folders(connection, owner_id, types),
            subscribed_names(connection, owner_id),
        )
    )
    by_name: dict[str, Folder | None] = {
        folder.name: folder for folder in folders if not is_shared_name(folder.name)
    }
    # Uses are of one's own folders: a client asks for the \Sent, not for one of several.
    by_name |= {name: replace(folder, special_use=None) for name, folder, _ in shared}
    places = {name: place for name, _, place in shared}
    own = session.own_place("")
    parents = {above for name in by_name for above in ancestors(name)}
    for name in (*parents, *subscribed):
        by_name.setdefault(name, None)
    return [
        Listed(
            name,
            by_name[name],
            has_children=name in parents,
            is_subscribed=name in subscribed,
            place=places.get(name) or replace(own, name=name),
        )
        for name in sorted(by_name)
    ]
