"""Annotations of folders and of the server (METADATA, RFC 5464): small texts under names, private or for all."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import (
    Column,
    ForeignKey,
    Index,
    LargeBinary,
    String,
    Table,
    bindparam,
    delete,
    insert,
    select,
)

from foundation.database import metadata
from foundation.prepared import run
from mailserver.store.expunge import advance_modseq

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import Connection, Delete, Insert, Select

    from foundation.database import UnitOfWork

MAX_ENTRY = 255
MAX_ENTRIES = 100
"""Of one person, or of all together, on one folder or on the server."""
MAX_OF_PERSON = 2000
"""Of one person, or of all together, on all folders (of a box)."""
MAX_VALUE = 16 * 1024
SHARED = "/shared/"
"""What begins with this is seen by everybody who may see the folder; all else is one person's."""

folder_annotation = Table(
    "folder_annotation",
    metadata,
    Column("folder_id", ForeignKey("folder.id", ondelete="CASCADE"), primary_key=True),
    Column("person_id", ForeignKey("vault_owner.id", ondelete="CASCADE"), primary_key=True),
    Column("entry", String(MAX_ENTRY), primary_key=True),  # lower case
    Column("value", LargeBinary, nullable=False),
    Index("folder_annotation_by_person", "person_id"),
    sqlite_with_rowid=False,
)
"""Shared entries are kept under the owner of the box."""

server_annotation = Table(
    "server_annotation",
    metadata,
    Column("person_id", ForeignKey("vault_owner.id", ondelete="CASCADE"), primary_key=True),
    Column("entry", String(MAX_ENTRY), primary_key=True),
    Column("value", LargeBinary, nullable=False),
    sqlite_with_rowid=False,
)
"""What a person noted of no folder."""

_ON_FOLDER = (folder_annotation.c.folder_id == bindparam("in_folder")) & (
    folder_annotation.c.person_id == bindparam("person")
)
_ON_SERVER = server_annotation.c.person_id == bindparam("person")
_ENTRY: Any = bindparam("entry_")
_READ_FOLDER = select(folder_annotation.c.entry, folder_annotation.c.value).where(_ON_FOLDER)
_READ_SERVER = select(server_annotation.c.entry, server_annotation.c.value).where(_ON_SERVER)
_OF_PERSON = select(folder_annotation.c.folder_id).where(folder_annotation.c.person_id == bindparam("person"))
_DROP_FOLDER = delete(folder_annotation).where(_ON_FOLDER, folder_annotation.c.entry == _ENTRY)
_DROP_SERVER = delete(server_annotation).where(_ON_SERVER, server_annotation.c.entry == _ENTRY)
_INSERT_FOLDER = insert(folder_annotation)
_INSERT_SERVER = insert(server_annotation)


class TooManyAnnotations(Exception):
    """There would be more than MAX_ENTRIES on one folder, or MAX_OF_PERSON in all; nothing is changed."""


def read_annotations(
    connection: Connection, folder_id: int | None, person_id: int, box_id: int
) -> dict[str, bytes]:
    """All entries of a folder (None: the server) that a person sees, by name. `box_id` owns the folder."""
    if folder_id is None:
        return dict(run(connection, _READ_SERVER, {"person": person_id}).tuples())
    found: dict[str, bytes] = {}
    for owner, is_shared in ((person_id, False), (box_id, True)):
        rows = run(connection, _READ_FOLDER, {"in_folder": folder_id, "person": owner}).tuples()
        found |= {entry: value for entry, value in rows if entry.startswith(SHARED) is is_shared}
    return found


def write_annotations(
    uow: UnitOfWork, folder_id: int | None, person_id: int, box_id: int, values: Mapping[str, bytes | None]
) -> None:
    """Sets entries, or takes away those whose value is None. Raises TooManyAnnotations."""
    reading: Select[tuple[str, bytes]] = _READ_FOLDER
    dropping: Delete = _DROP_FOLDER
    adding: Insert = _INSERT_FOLDER
    place: dict[str, int] = {}
    if folder_id is None:
        reading, dropping, adding = _READ_SERVER, _DROP_SERVER, _INSERT_SERVER
    else:
        place = {"in_folder": folder_id}
    if folder_id is not None:
        # A note is a change of the folder to who comes back (RFC 7162 §3.2).
        advance_modseq(uow, folder_id)
    for entry, value in values.items():
        owner = box_id if entry.startswith(SHARED) else person_id
        uow.run(dropping, {**place, "person": owner, "entry_": entry})
        if value is None:
            continue
        row = {"person_id": owner, "entry": entry, "value": value}
        uow.run(adding, row if folder_id is None else {"folder_id": folder_id, **row})
        if len(uow.run(reading, {**place, "person": owner}).tuples()) > MAX_ENTRIES:
            raise TooManyAnnotations
        if len(uow.run(_OF_PERSON, {"person": owner}).tuples()) > MAX_OF_PERSON:
            raise TooManyAnnotations
