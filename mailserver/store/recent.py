"""Who is told first of new messages: the \\Recent flag (RFC 3501 §2.3.2)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import bindparam, update

from mailserver.store.images import folder_state
from mailserver.store.tables import folder

if TYPE_CHECKING:
    from foundation.database import UnitOfWork

_CLAIM = update(folder).where(folder.c.id == bindparam("in_folder")).values(recent_uid=folder.c.uidnext)


def claim_recent(uow: UnitOfWork, folder_id: int) -> tuple[int, int]:
    """Takes the messages that no session was told are \\Recent: UIDs from the first number up to, not with, the second."""
    state = folder_state(uow.connection, folder_id)
    if state is None or state.recent_uid >= state.uidnext:
        return 0, 0
    uow.execute(_CLAIM, {"in_folder": folder_id})
    uow.publish(f"folder:{folder_id}")
    return state.recent_uid, state.uidnext
