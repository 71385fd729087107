"""Copying and moving messages into the box of another owner: each mail is made anew for them, over the same body."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import bindparam, delete, insert, select

from mailserver.store import quota, seen
from mailserver.store.copy import EVERYTHING, Carried, Transfer, Transferred, finish
from mailserver.store.expunge import release_unused_mails
from mailserver.store.mail_keys import copy_keys
from mailserver.store.search_index import copy_text
from mailserver.store.selection import PerBatch
from mailserver.store.tables import Flag, mail, message

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Any

    from sqlalchemy import Row

    from foundation.database import UnitOfWork
    from foundation.vault import Vault
    from mailserver.store.folders import Folder
    from mailserver.store.selection import UidBatch

MAX_MESSAGES = 5000
"""Of one command: every mail is made anew and its key wrapped again, while nobody else writes."""

_CARRIED = ("size", "sent_at", "message_id", "subject", "envelope", "body", "bodystructure", "parts")
_READ = PerBatch(
    lambda chosen: (
        select(
            message.c.uid,
            message.c.mail_id,
            message.c.flags,
            message.c.keywords,
            message.c.received_at,
            message.c.size,
        )
        .where(chosen)
        .order_by(message.c.uid)
    )
)
_REMOVE = PerBatch(lambda chosen: delete(message).where(chosen))
_BLOB_OF = select(mail.c.blob_id).where(mail.c.id == bindparam("mail"))
_CLONE = (
    insert(mail)
    .from_select(
        ["owner_id", "blob_id", *_CARRIED],
        select(
            bindparam("new_owner", type_=mail.c.owner_id.type),
            mail.c.blob_id,
            *(mail.c[name] for name in _CARRIED),
        ).where(mail.c.id == bindparam("mail")),
    )
    .returning(mail.c.id)
)
_INSERT = insert(message)


class TooManyMessages(Exception):
    """More than MAX_MESSAGES would be handed over at once."""


@dataclass(frozen=True, slots=True)
class Giver:
    """The folder that messages come from; `viewer` as in `Place`."""

    folder_id: int
    owner_id: int
    viewer: int | None = None


def hand_over(
    uow: UnitOfWork,
    vault: Vault,
    source: Giver,
    chosen: Iterable[UidBatch],
    target: Folder,
    how: Transfer,
    *,
    now: int,
    viewer: int | None = None,
    carried: Carried = EVERYTHING,
) -> Transferred:
    """Copies or moves messages to the end of `target`, a folder of another box; `viewer` as in the place of that.

    \\Seen goes along as the giver has it. Raises TooManyMessages.
    """
    mails: dict[int, int] = {}
    sources: list[int] = []
    octets = 0
    for batch in chosen:
        statement, names = _READ.bind(source.folder_id, batch)
        rows = uow.execute(statement, names).all()
        if not rows:
            continue
        if len(sources) + len(rows) > MAX_MESSAGES:
            raise TooManyMessages
        for row in rows:
            if row.mail_id not in mails:
                mails[row.mail_id] = clone_mail(uow, vault, row.mail_id, target.owner_id)
        _put(uow, rows, mails, source, target, target.uidnext + len(sources), now, viewer, carried)
        sources += [row.uid for row in rows]
        octets += sum(row.size for row in rows)
        if how is Transfer.MOVE:
            removal, names = _REMOVE.bind(source.folder_id, batch)
            uow.execute(removal, names)
    quota.count(uow, target.owner_id, octets, len(sources))
    if how is Transfer.MOVE:
        quota.count(uow, source.owner_id, -octets, -len(sources))
        release_unused_mails(uow, vault, source.owner_id, list(mails))
    return finish(uow, source.folder_id, sources, target, how)


def _put(
    uow: UnitOfWork,
    rows: Sequence[Row[Any]],
    mails: dict[int, int],
    source: Giver,
    target: Folder,
    next_uid: int,
    now: int,
    viewer: int | None,
    carried: Carried,
) -> None:
    uids = [row.uid for row in rows]
    if source.viewer is None:
        read = {row.uid for row in rows if row.flags & Flag.SEEN}
    else:
        read = set(seen.seen_by(uow.connection, source.folder_id, source.viewer, uids))
    if not carried.flags & Flag.SEEN:
        read.clear()
    kept = carried.flags & ~Flag.SEEN
    uow.run_each(
        _INSERT,
        [
            {
                "folder_id": target.id,
                "uid": next_uid + place,
                "mail_id": mails[row.mail_id],
                "flags": (row.flags & kept) | (Flag.SEEN if viewer is None and row.uid in read else 0),
                "keywords": row.keywords if carried.keywords else "",
                "modseq": target.modseq + 1,
                "received_at": row.received_at,
                "saved_at": now,
                "size": row.size,
            }
            for place, row in enumerate(rows)
        ],
    )
    if viewer is not None:
        new = [next_uid + place for place, uid in enumerate(uids) if uid in read]
        seen.note_seen(uow, target.id, viewer, new)


def clone_mail(uow: UnitOfWork, vault: Vault, mail_id: int, owner_id: int) -> int:
    """Makes a mail anew for another owner, everything that was rendered of it included; its id.

    The rows that belong to a mail: `mail`, `mail_key`, `mail_text`, the grant of its body. Raises BlobNotFound.
    """
    row = uow.run(_BLOB_OF, {"mail": mail_id}).first()
    assert row is not None
    vault.grant(uow, row.blob_id, owner_id)
    new_id: int = uow.execute(_CLONE, {"new_owner": owner_id, "mail": mail_id}).scalar_one()
    copy_keys(uow, mail_id, new_id, owner_id)
    copy_text(uow, mail_id, new_id, owner_id)
    return new_id
