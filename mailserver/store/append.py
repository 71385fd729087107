"""Putting a message into a folder: the only way a mail is born, used by delivery, APPEND and the web."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sqlalchemy import bindparam, insert, select, update

from mailserver.store import quota
from mailserver.store.mail_keys import keep_keys
from mailserver.store.search_index import keep_text
from mailserver.store.subscriptions import subscribe
from mailserver.store.tables import folder, mail, message

if TYPE_CHECKING:
    from foundation.database import UnitOfWork
    from mailserver.imap.structure import Rendering

INBOX = "INBOX"
SPECIAL_FOLDERS: tuple[tuple[str, str | None], ...] = (
    (INBOX, None),
    ("Sent", "\\Sent"),
    ("Drafts", "\\Drafts"),
    ("Trash", "\\Trash"),
    ("Junk", "\\Junk"),
    ("Archive", "\\Archive"),
)
"""Folders of every new box and their use (RFC 6154 §2)."""

_FOLDER = select(folder.c.id, folder.c.uidvalidity, folder.c.uidnext, folder.c.modseq).where(
    folder.c.owner_id == bindparam("owner"), folder.c.name == bindparam("name_")
)
_ADVANCE = (
    update(folder)
    .where(folder.c.id == bindparam("folder"))
    .values(uidnext=bindparam("next_uid"), modseq=bindparam("next_modseq"))
)
_INSERT_MAIL = insert(mail)
_INSERT_MESSAGE = insert(message)


class NoSuchFolder(LookupError):
    """The owner has no folder of that name."""


@dataclass(frozen=True, slots=True)
class NewMail:
    """A message whose blob the owner was granted in the same transaction.

    `received_at` (INTERNALDATE) and `saved_at` (SAVEDATE, the same where it is None) are epoch ms.
    """

    blob_id: int
    size: int
    rendering: Rendering = field(repr=False)
    received_at: int
    flags: int = 0
    keywords: str = ""
    saved_at: int | None = None


@dataclass(frozen=True, slots=True)
class Appended:
    """Where the message stands now (APPENDUID of RFC 4315)."""

    folder_id: int
    uidvalidity: int
    uid: int
    mail_id: int


def create_folders(uow: UnitOfWork, owner_id: int, now: int) -> None:
    """The folders of a new box. `now` is epoch ms; UIDVALIDITY starts from it so that a box made anew differs."""
    uow.execute(
        insert(folder),
        [
            {
                "owner_id": owner_id,
                "name": name,
                "special_use": use,
                "uidvalidity": now // 1000,
                "uidnext": 1,
                "modseq": 1,
                "recent_uid": 1,
                "created_at": now,
            }
            for name, use in SPECIAL_FOLDERS
        ],
    )
    subscribe(uow, owner_id, [name for name, _ in SPECIAL_FOLDERS])
    quota.open_quota(uow, owner_id)


def append(uow: UnitOfWork, owner_id: int, folder_name: str, new: NewMail) -> Appended:
    """Adds a mail under the next UID; raises NoSuchFolder."""
    row = uow.run(_FOLDER, {"owner": owner_id, "name_": folder_name}).first()
    if row is None:
        raise NoSuchFolder(folder_name)
    rendering = new.rendering
    mail_id = uow.run(
        _INSERT_MAIL,
        {
            "owner_id": owner_id,
            "blob_id": new.blob_id,
            "size": new.size,
            "sent_at": rendering.sent_at,
            "message_id": rendering.message_id,
            "subject": rendering.subject[:998],
            "envelope": rendering.envelope,
            "body": rendering.body,
            "bodystructure": rendering.bodystructure,
            "parts": rendering.parts,
        },
    ).inserted_id
    keep_keys(uow, owner_id, mail_id, rendering)
    keep_text(uow, owner_id, mail_id, rendering.search_text)
    uid, modseq = row.uidnext, row.modseq + 1
    uow.run(_ADVANCE, {"folder": row.id, "next_uid": uid + 1, "next_modseq": modseq})
    uow.run(
        _INSERT_MESSAGE,
        {
            "folder_id": row.id,
            "uid": uid,
            "mail_id": mail_id,
            "flags": new.flags,
            "keywords": new.keywords,
            "modseq": modseq,
            "received_at": new.received_at,
            "saved_at": new.received_at if new.saved_at is None else new.saved_at,
            "size": new.size,
        },
    )
    quota.count(uow, owner_id, new.size, 1)
    uow.publish(f"folder:{row.id}")
    uow.publish(f"owner:{owner_id}")
    return Appended(row.id, row.uidvalidity, uid, mail_id)
