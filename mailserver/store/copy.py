"""Copying and moving messages between folders: rows, never bodies (RFC 3501 §6.4.7, RFC 6851)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from sqlalchemy import bindparam, case, delete, func, insert, select, update

from mailserver.store import quota, seen
from mailserver.store.expunge import advance_modseq, note_vanished
from mailserver.store.flags import ALL_FLAGS
from mailserver.store.selection import PerBatch, UidBatch
from mailserver.store.tables import folder, message

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

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


@dataclass(frozen=True, slots=True)
class Carried:
    """What of the flags goes along: these bits, and keywords or none."""

    flags: int = ALL_FLAGS
    keywords: int = 1


EVERYTHING = Carried()
_UIDS = PerBatch(lambda chosen: select(message.c.uid, message.c.size).where(chosen).order_by(message.c.uid))
_COPY = PerBatch(
    lambda chosen: insert(message).from_select(
        ["folder_id", "uid", "mail_id", "flags", "keywords", "modseq", "received_at", "saved_at", "size"],
        select(
            bindparam("target", type_=message.c.uid.type),
            bindparam("base", type_=message.c.uid.type) + func.row_number().over(order_by=message.c.uid),
            message.c.mail_id,
            message.c.flags.op("&")(bindparam("carried")),
            case((bindparam("with_keywords", type_=message.c.flags.type) != 0, message.c.keywords), else_=""),
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
    uow: UnitOfWork,
    source_id: int,
    chosen: Iterable[UidBatch],
    target: Folder,
    how: Transfer,
    *,
    now: int,
    carried: Carried = EVERYTHING,
) -> Transferred:
    """Copies or moves the chosen messages of the same box to the end of `target`, read in this unit; `now` is epoch ms."""
    is_personal = seen.is_personal(uow.connection, target.owner_id)
    sources: list[int] = []
    octets = 0
    for batch in chosen:
        statement, names = _UIDS.bind(source_id, batch)
        rows = uow.execute(statement, names).all()
        if not rows:
            continue
        uids, next_uid = [row.uid for row in rows], target.uidnext + len(sources)
        copying, names = _COPY.bind(source_id, batch)
        names |= {"target": target.id, "base": next_uid - 1, "target_modseq": target.modseq + 1, "now": now}
        uow.execute(copying, names | {"carried": carried.flags, "with_keywords": carried.keywords})
        if is_personal:
            seen.copy_seen(uow, source_id, uids, target.id, range(next_uid, next_uid + len(uids)))
        if how is Transfer.MOVE:
            removal, names = _REMOVE.bind(source_id, batch)
            uow.execute(removal, names)
        sources += uids
        octets += sum(row.size for row in rows)
    if how is Transfer.COPY:
        quota.count(uow, target.owner_id, octets, len(sources))
    return finish(uow, source_id, sources, target, how)


def finish(
    uow: UnitOfWork, source_id: int, sources: Sequence[int], target: Folder, how: Transfer
) -> Transferred:
    """What follows once the rows are there: numbers advance, who left is noted, listeners are woken."""
    if not sources:
        return Transferred(target.uidvalidity, (), target.uidnext)
    modseq = target.modseq + 1
    advanced = {"in_folder": target.id, "next_uid": target.uidnext + len(sources), "next_modseq": modseq}
    uow.execute(_ADVANCE, advanced)
    uow.publish(f"folder:{target.id}")
    uow.publish(f"owner:{target.owner_id}")
    if how is Transfer.MOVE:
        if target.id != source_id:
            modseq = advance_modseq(uow, source_id)
        note_vanished(uow, source_id, sources, modseq)
    return Transferred(target.uidvalidity, tuple(sources), target.uidnext)
