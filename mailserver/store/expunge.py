"""Removing messages for good, and with the last row of a mail its body (RFC 3501 §6.4.3)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import bindparam, delete, exists, insert, select, update

from mailserver.store import quota
from mailserver.store.selection import BATCH, PerBatch, UidBatch
from mailserver.store.tables import Flag, folder, mail, message, vanished

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from foundation.database import UnitOfWork
    from foundation.vault import Vault

_IS_DELETED = message.c.flags.op("&")(int(Flag.DELETED)) != 0
_DELETED = PerBatch(
    lambda chosen: (
        select(message.c.uid, message.c.mail_id, message.c.size)
        .where(chosen, _IS_DELETED)
        .order_by(message.c.uid)
    )
)
_REMOVE = PerBatch(lambda chosen: delete(message).where(chosen, _IS_DELETED))
_IS_THE_ONE = (message.c.folder_id == bindparam("in_folder")) & (message.c.uid == bindparam("uid_"))
_ONE = select(message.c.mail_id, message.c.size).where(_IS_THE_ONE)
_REMOVE_ONE = delete(message).where(_IS_THE_ONE)
_UNUSED = select(mail.c.id, mail.c.blob_id).where(
    mail.c.id.in_(bindparam("mails", expanding=True)), ~exists().where(message.c.mail_id == mail.c.id)
)
_DELETE_MAILS = delete(mail).where(mail.c.id.in_(bindparam("mails", expanding=True)))
MODSEQ = select(folder.c.modseq).where(folder.c.id == bindparam("in_folder"))
SET_MODSEQ = (
    update(folder).where(folder.c.id == bindparam("in_folder")).values(modseq=bindparam("next_modseq"))
)
_VANISH = insert(vanished)


def expunge(uow: UnitOfWork, vault: Vault, owner_id: int, folder_id: int, chosen: Iterable[UidBatch]) -> None:
    """Removes the messages with \\Deleted among the chosen ones."""
    uids: list[int] = []
    mails: list[int] = []
    octets = 0
    for batch in chosen:
        statement, names = _DELETED.bind(folder_id, batch)
        rows = uow.execute(statement, names).all()
        if not rows:
            continue
        uids += [row.uid for row in rows]
        mails += [row.mail_id for row in rows]
        octets += sum(row.size for row in rows)
        removal, names = _REMOVE.bind(folder_id, batch)
        uow.execute(removal, names)
    if not uids:
        return
    modseq = advance_modseq(uow, folder_id)
    note_vanished(uow, folder_id, uids, modseq)
    quota.count(uow, owner_id, -octets, -len(uids))
    release_unused_mails(uow, vault, owner_id, mails)


def remove(uow: UnitOfWork, vault: Vault, owner_id: int, folder_id: int, uid: int) -> bool:
    """Removes one message, whatever its flags; False where it is gone."""
    names = {"in_folder": folder_id, "uid_": uid}
    row = uow.run(_ONE, names).first()
    if row is None:
        return False
    uow.run(_REMOVE_ONE, names)
    modseq = advance_modseq(uow, folder_id)
    note_vanished(uow, folder_id, [uid], modseq)
    quota.count(uow, owner_id, -row.size, -1)
    release_unused_mails(uow, vault, owner_id, [row.mail_id])
    return True


def advance_modseq(uow: UnitOfWork, folder_id: int) -> int:
    """Gives the folder its next modification sequence, and says that it changed."""
    row = uow.run(MODSEQ, {"in_folder": folder_id}).first()
    modseq = 1 + (0 if row is None else row.modseq)
    uow.run(SET_MODSEQ, {"in_folder": folder_id, "next_modseq": modseq})
    uow.publish(f"folder:{folder_id}")
    return modseq


def note_vanished(uow: UnitOfWork, folder_id: int, uids: Iterable[int], modseq: int) -> None:
    """Keeps for clients that come back that these UIDs left the folder at this modification sequence."""
    uow.run_each(_VANISH, [{"folder_id": folder_id, "modseq": modseq, "uid": uid} for uid in uids])


def release_unused_mails(uow: UnitOfWork, vault: Vault, owner_id: int, mails: Sequence[int]) -> None:
    """Deletes those of the mails that no folder holds any more, and gives their bodies back to the vault."""
    candidates = list(dict.fromkeys(mails))
    for start in range(0, len(candidates), BATCH):
        unused = uow.execute(_UNUSED, {"mails": candidates[start : start + BATCH]}).all()
        if not unused:
            continue
        uow.execute(_DELETE_MAILS, {"mails": [row.id for row in unused]})
        for row in unused:
            vault.release(uow, owner_id, row.blob_id)
