"""Which mailbox names a person sees, in all namespaces: what LIST, LSUB and NOTIFY choose from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mailserver.store.folders import ancestors, list_folders
from mailserver.store.subscriptions import subscribed_names

if TYPE_CHECKING:
    from mailserver.imap.session import Session
    from mailserver.store.folders import Folder


@dataclass(frozen=True, slots=True)
class Listed:
    """A name that LIST can show: a folder, a level above one, or a subscription to nothing."""

    name: str
    folder: Folder | None
    has_children: bool
    is_subscribed: bool


def visible(session: Session) -> list[Listed]:
    """Every name this person may see, sorted."""
    owner_id = session.owner_id
    folders, subscribed = session.context.database.read_now(
        lambda connection: (list_folders(connection, owner_id), subscribed_names(connection, owner_id))
    )
    by_name: dict[str, Folder | None] = {folder.name: folder for folder in folders}
    parents = {above for name in by_name for above in ancestors(name)}
    for name in (*parents, *subscribed):
        by_name.setdefault(name, None)
    return [
        Listed(name, by_name[name], has_children=name in parents, is_subscribed=name in subscribed)
        for name in sorted(by_name)
    ]
