"""Copying and moving messages between folders of one owner: rows, never bodies (RFC 3501 §6.4.7, RFC 6851)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from sqlalchemy import bindparam, delete, func, insert, select, update

from mailserver.store.expunge import MODSEQ, SET_MODSEQ, note_vanished
from mailserver.store.selection import PerBatch, UidBatch
from mailserver.store.tables import folder, message

if TYPE_CHECKING:
    from collections.abc import Iterable

    from foundation.database import UnitOfWork
    from mailserver.store.folders import Folder


class Transfer(StrEnum):
    """Whether the source keeps the messages."""

    COPY = "copy"
    MOVE = "move"


@dataclass(frozen=True, slots=True)
class Transferred:
    """COPYUID (RFC 4315 §3): source UIDs ascending and, one for one, those in the target."""

    uidvalidity: int
    sources: tuple[int, ...]
    first_target: int

    @property
    def targets(self) -> range:
        """UIDs in the target folder."""
        return range(self.first_target, self.first_target + len(self.sources))


_UIDS = PerBatch(lambda chosen: select(message.c.uid).where(chosen).order_by(message.c.uid))
_COPY = PerBatch(
    lambda chosen: insert(message).from_select(
        ["folder_id", "uid", "mail_id", "flags", "keywords", "modseq", "received_at", "saved_at", "size"],
        select(
            bindparam("target", type_=message.c.uid.type),
            bindparam("base", type_=message.c.uid.type) + func.row_number().over(order_by=message.c.uid),
            message.c.mail_id,
            message.c.flags,
            message.c.keywords,
            bindparam("target_modseq", type_=message.c.modseq.type),
            message.c.received_at,
            bindparam("now", type_=message.c.saved_at.type),
            message.c.size,
        ).where(chosen),
    )
)
_REMOVE = PerBatch(lambda chosen: delete(message).where(chosen))
_ADVANCE = (
    update(folder)
    .where(folder.c.id == bindparam("in_folder"))
    .values(uidnext=bindparam("next_uid"), modseq=bindparam("next_modseq"))
)


def transfer(
    uow: UnitOfWork, source_id: int, chosen: Iterable[UidBatch], target: Folder, how: Transfer, *, now: int
) -> Transferred:
    """Copies or moves the chosen messages to the end of the folder `target`, read in this unit; `now` is epoch ms."""
    modseq = target.modseq + 1
    sources: list[int] = []
    for batch in chosen:
        sources += _copy_batch(uow, source_id, batch, target, target.uidnext + len(sources), now)
        if how is Transfer.MOVE:
            removal, names = _REMOVE.bind(source_id, batch)
            uow.execute(removal, names)
    if not sources:
        return Transferred(target.uidvalidity, (), target.uidnext)
    advanced = {"in_folder": target.id, "next_uid": target.uidnext + len(sources), "next_modseq": modseq}
    uow.execute(_ADVANCE, advanced)
    uow.publish(f"folder:{target.id}")
    uow.publish(f"owner:{target.owner_id}")
    if how is Transfer.MOVE:
        if target.id != source_id:
            modseq = 1 + (uow.execute(MODSEQ, {"in_folder": source_id}).scalar() or 0)
            uow.execute(SET_MODSEQ, {"in_folder": source_id, "next_modseq": modseq})
            uow.publish(f"folder:{source_id}")
        note_vanished(uow, source_id, sources, modseq)
    return Transferred(target.uidvalidity, tuple(sources), target.uidnext)


def _copy_batch(
    uow: UnitOfWork, source_id: int, batch: UidBatch, target: Folder, next_uid: int, now: int
) -> list[int]:
    statement, names = _UIDS.bind(source_id, batch)
    uids = list(uow.execute(statement, names).scalars())
    if uids:
        copying, names = _COPY.bind(source_id, batch)
        names |= {"target": target.id, "base": next_uid - 1, "target_modseq": target.modseq + 1, "now": now}
        uow.execute(copying, names)
    return uids
