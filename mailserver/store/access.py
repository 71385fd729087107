"""Where the names of other people's folders lead: `Partages/<address>/<folder>`, and what a person may do there."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from sqlalchemy import and_, bindparam, select, union

from directory.bals import BalState, BalType, bal
from foundation.prepared import run
from mailserver.store.acl import delegation, folder_access
from mailserver.store.append import INBOX
from mailserver.store.folders import FOLDER_COLUMNS, SEPARATOR, Folder, ancestors
from mailserver.store.rights import Place, Right, rights_of
from mailserver.store.seen import personal_seen
from mailserver.store.tables import folder

if TYPE_CHECKING:
    from sqlalchemy import Connection

NAMESPACE = "Partages"
"""The first level of the names of other people's folders."""
_NOT_IN_A_LEVEL = "/*%"

_PERSON: Any = bindparam("person")
_DELEGATED_TO = and_(delegation.c.owner_id == bal.c.owner_id, delegation.c.member_id == _PERSON)
_LISTED_ON = and_(folder_access.c.folder_id == folder.c.id, folder_access.c.member_id == _PERSON)
_IS_OPEN = bal.c.state == BalState.ACTIVE.value
_SHARED_WITH = union(
    select(delegation.c.owner_id).where(delegation.c.member_id == _PERSON),
    select(folder.c.owner_id)
    .join(folder_access, folder_access.c.folder_id == folder.c.id)
    .where(folder_access.c.member_id == _PERSON),
)
_BOX = (
    select(bal.c.owner_id, bal.c.type, delegation.c.rights, personal_seen.c.owner_id.label("personal"))
    .select_from(
        bal.outerjoin(delegation, _DELEGATED_TO).outerjoin(
            personal_seen, personal_seen.c.owner_id == bal.c.owner_id
        )
    )
    .where(bal.c.address == bindparam("address"), _IS_OPEN)
)
_ON_NAME = (
    select(folder.c.id, folder_access.c.rights)
    .select_from(folder.outerjoin(folder_access, _LISTED_ON))
    .where(folder.c.owner_id == bindparam("owner"), folder.c.name == bindparam("name_"))
)
_OPENED = bal.join(folder, folder.c.owner_id == bal.c.owner_id).outerjoin(delegation, _DELEGATED_TO)
_OPENED = _OPENED.outerjoin(folder_access, _LISTED_ON)
_OPENED = _OPENED.outerjoin(personal_seen, personal_seen.c.owner_id == bal.c.owner_id)
_ON_FOLDER = (
    select(bal.c.type, delegation.c.rights, folder_access.c.rights.label("own"), personal_seen.c.owner_id)
    .select_from(_OPENED)
    .where(folder.c.id == bindparam("in_folder"), _IS_OPEN)
)
"""For `Database.look_up`: `in_folder` and `person`."""
_VISIBLE = (
    select(
        bal.c.address,
        bal.c.type,
        delegation.c.rights.label("box_rights"),
        folder_access.c.rights.label("own_rights"),
        personal_seen.c.owner_id.label("personal"),
        *FOLDER_COLUMNS,
    )
    .select_from(_OPENED)
    .where(bal.c.owner_id.in_(_SHARED_WITH), bal.c.owner_id != _PERSON, _IS_OPEN)
    .order_by(bal.c.address, folder.c.name)
)


def is_shared_name(name: str) -> bool:
    """Whether a name belongs to the boxes of others: nobody has a folder of their own there."""
    return name == NAMESPACE or name.startswith(NAMESPACE + SEPARATOR)


def can_be_a_level(address: str) -> bool:
    """Whether an address can stand in a folder name."""
    return not any(character in _NOT_IN_A_LEVEL for character in address)


def locate(
    connection: Connection, person_id: int, name: str, types: frozenset[BalType] = frozenset(BalType)
) -> Place | None:
    """Where `Partages/<address>/<folder>` leads for a person; None where they may not even know of it.

    Only boxes of `types` are opened. A folder that does not exist has the rights of the nearest level above it, and
    leads somewhere only for who may make it: to everybody else it looks like one that is hidden from them.
    """
    parts = name.split(SEPARATOR, 2)
    if len(parts) < 3 or parts[0] != NAMESPACE or not parts[2]:
        return None
    return locate_in(connection, person_id, parts[1], parts[2], types)


def locate_in(
    connection: Connection,
    person_id: int,
    address: str,
    name: str,
    types: frozenset[BalType] = frozenset(BalType),
) -> Place | None:
    """As `locate`, for a folder of the box of an address."""
    box = run(connection, _BOX, {"person": person_id, "address": address}).first()
    if box is None or box.owner_id == person_id or BalType(box.type) not in types:
        return None
    inner = _inbox_in_capitals(name)
    stripped = inner.removesuffix(SEPARATOR)
    text = box.rights or ""
    needed = {Right.LOOKUP, Right.CREATE}
    for level in (stripped, *reversed(ancestors(stripped))):
        names = {"owner": box.owner_id, "name_": level, "person": person_id}
        found = run(connection, _ON_NAME, names).first()
        if found is not None:
            text = text if found.rights is None else found.rights
            if level == stripped:
                needed = {Right.LOOKUP}
            break
    rights = rights_of(text)
    if not rights >= needed:
        return None
    return Place(box.owner_id, inner, rights, None if box.personal is None else person_id)


def place_now(
    connection: Connection,
    person_id: int,
    folder_id: int,
    place: Place,
    types: frozenset[BalType] = frozenset(BalType),
) -> Place | None:
    """The place of an open folder with the rights of this moment; None when the person may not read it any more."""
    row = run(connection, _ON_FOLDER, {"person": person_id, "in_folder": folder_id}).first()
    if row is None or BalType(row[0]) not in types:
        return None
    rights = rights_of(row[1] or "" if row[2] is None else row[2])
    if not rights >= {Right.LOOKUP, Right.READ}:
        return None
    viewer = None if row[3] is None else person_id
    if rights == place.rights and viewer == place.viewer:
        return place
    return replace(place, rights=rights, viewer=viewer)


def visible_folders(
    connection: Connection, person_id: int, types: frozenset[BalType] = frozenset(BalType)
) -> list[tuple[str, Folder, Place]]:
    """The folders of others that a person may see, by box and name: what they call it, the folder, its place."""
    found = []
    rows = run(connection, _VISIBLE, {"person": person_id})
    for address, kind, box_rights, own_rights, personal, *columns in rows:
        rights = rights_of((box_rights or "") if own_rights is None else own_rights)
        if Right.LOOKUP in rights and BalType(kind) in types:
            opened = Folder(*columns)
            viewer = None if personal is None else person_id
            name = SEPARATOR.join((NAMESPACE, address, opened.name))
            found.append((name, opened, Place(opened.owner_id, opened.name, rights, viewer)))
    return found


def _inbox_in_capitals(name: str) -> str:
    level, separator, rest = name.partition(SEPARATOR)
    return (INBOX if level.upper() == INBOX else level) + separator + rest
