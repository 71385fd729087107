"""GETMETADATA and SETMETADATA (RFC 5464): notes on folders and on the server, private or for all."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from mailserver.imap.grammar import render
from mailserver.imap.permission import Action, require
from mailserver.imap.replies import MISSING, NO_PERMISSION, Reply, no, ok
from mailserver.store.annotations import (
    MAX_VALUE,
    SHARED,
    TooManyAnnotations,
    read_annotations,
    write_annotations,
)
from mailserver.store.folders import look_up_folder
from mailserver.store.rights import Place, Right

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from mailserver.imap.grammar.metadata import GetMetadata, SetMetadata
    from mailserver.imap.session import Session

_USES = frozenset({Right.READ, Right.SEEN, Right.WRITE, Right.INSERT, Right.POST})
"""One of them is needed beside lookup (RFC 5464 §5)."""


async def get_metadata(session: Session, command: GetMetadata) -> Reply:
    place = _place(session, command.mailbox)
    if isinstance(place, Reply):
        return place
    folder_id, owner_id = place
    database = session.context.database
    found = await database.read(
        partial(read_annotations, folder_id=folder_id, person_id=session.person_id, box_id=owner_id)
    )
    shown: list[bytes] = []
    longest = 0
    for entry, value in _chosen(command, found):
        if value is not None and command.max_size is not None and len(value) > command.max_size:
            longest = max(longest, len(value))
            continue
        shown += (render.astring(entry.encode("ascii")), _value(value))
    if shown:
        name = session.mailbox(command.mailbox)
        session.send([b"* METADATA %b (%b)\r\n" % (name, b" ".join(shown))])
    return ok("GETMETADATA completed", f"METADATA LONGENTRIES {longest}" if longest else None)


def _chosen(command: GetMetadata, found: Mapping[str, bytes]) -> Iterator[tuple[str, bytes | None]]:
    """The entries that were named, NIL where there is none, and those below them as deep as was asked."""
    told = set()
    for entry in command.entries:
        below = [
            name
            for name in sorted(found)
            if name.startswith(entry + "/") and name[len(entry) + 1 :].count("/") < command.depth
        ]
        for name in (entry, *below):
            if name not in told:
                told.add(name)
                yield name, found.get(name)


def _value(value: bytes | None) -> bytes:
    if value is not None and b"\0" in value:
        return b"~" + render.literal(value)
    return render.nstring(value)


async def set_metadata(session: Session, command: SetMetadata) -> Reply:
    place = _place(
        session, command.mailbox, for_all=any(entry.startswith(SHARED) for entry in command.values)
    )
    if isinstance(place, Reply):
        return place
    if any(value is not None and len(value) > MAX_VALUE for value in command.values.values()):
        return no("A value is too long", f"METADATA MAXSIZE {MAX_VALUE}")
    folder_id, owner_id = place
    unit = partial(
        write_annotations,
        folder_id=folder_id,
        person_id=session.person_id,
        box_id=owner_id,
        values=command.values,
    )
    try:
        await session.context.database.write(unit)
    except TooManyAnnotations:
        return no("Too many entries", "METADATA TOOMANY")
    return ok("SETMETADATA completed")


def _place(session: Session, mailbox: str, *, for_all: bool = False) -> tuple[int | None, int] | Reply:
    """The folder (None: the server) and the owner of the box, or why it may not be done."""
    if not mailbox:
        return NO_PERMISSION if for_all else (None, session.person_id)
    place: Place | None = session.locate(mailbox)
    if place is None:
        return MISSING
    if place.rights.isdisjoint(_USES):
        return NO_PERMISSION
    if for_all and (refused := require(place, Action.NOTE_FOR_ALL)):
        return refused
    folder = look_up_folder(session.context.database, place.owner_id, place.name)
    return MISSING if folder is None else (folder.id, place.owner_id)
