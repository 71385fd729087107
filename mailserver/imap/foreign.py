"""What other processes commit reaches the sessions of this one: folders in use are looked at again when the file changed."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from foundation.log import get_logger

if TYPE_CHECKING:
    from foundation.database import Database
    from foundation.events import Events
    from mailserver.store.images import FolderImages

log = get_logger(__name__)

EVERY_SECONDS = 0.25
"""IDLE clients are to know within a second."""


async def follow(database: Database, images: FolderImages, events: Events) -> None:
    """Publishes `folder:…` for folders that another process changed; runs until it is cancelled.

    Our own changes were published when they were committed, and their images are as new as the database then.
    """
    known = database.data_version()
    while True:
        await asyncio.sleep(EVERY_SECONDS)
        try:
            version = database.data_version()
            if version != known:
                for folder_id in await images.outdated():
                    events.publish(f"folder:{folder_id}")
            known = version
        except Exception as error:
            log.error("imap.follow_failed", error=type(error).__name__)
