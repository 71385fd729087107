"""Empties a box whose owner has everything deleted: messages, their bodies, conversations."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sqlalchemy import bindparam, delete, select

from mailserver.conversations import conversation_table
from mailserver.store.expunge import remove
from mailserver.store.tables import folder, message

if TYPE_CHECKING:
    from foundation.database import UnitOfWork
    from foundation.vault import Vault

_AT_ONCE: Final = 100
_SOME = (
    select(message.c.folder_id, message.c.uid)
    .join(folder, folder.c.id == message.c.folder_id)
    .where(folder.c.owner_id == bindparam("owner"))
    .limit(_AT_ONCE)
)


def empty(uow: UnitOfWork, vault: Vault, owner_id: int) -> bool:
    """Removes a part of a box; True once nothing is left. Called again until then, so that no transaction is long."""
    found = uow.execute(_SOME, {"owner": owner_id}).all()
    for each in found:
        remove(uow, vault, owner_id, each.folder_id, each.uid)
    if found:
        return False
    uow.execute(delete(conversation_table).where(conversation_table.c.owner_id == owner_id))
    return True
