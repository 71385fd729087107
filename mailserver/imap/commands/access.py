"""Access lists: SETACL, DELETEACL, GETACL, LISTRIGHTS and MYRIGHTS (RFC 4314 §3).

Identifiers are addresses of personal mailboxes of this operator; there is no `anyone` for health data.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from directory.bals import BalState, BalType, bal_of, find_bal
from foundation import trail
from mailserver.imap.grammar import render
from mailserver.imap.grammar.access import RightsChange
from mailserver.imap.permission import Action, require
from mailserver.imap.replies import MISSING, Reply, bad, no, ok
from mailserver.store import acl, seen
from mailserver.store.access import can_be_a_level
from mailserver.store.folders import find_folder, look_up_folder
from mailserver.store.rights import ALL_RIGHTS, Right, rights_text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from directory.bals import Bal
    from foundation.database import UnitOfWork
    from mailserver.imap.grammar.access import DeleteAcl, GetAcl, ListRights, MyRights, SetAcl
    from mailserver.imap.session import Session
    from mailserver.store.folders import Folder
    from mailserver.store.rights import Place

_OBSOLETE: Mapping[str, frozenset[Right]] = {
    "c": frozenset({Right.CREATE}),
    "d": frozenset({Right.DELETE_MAILBOX, Right.DELETE_MESSAGES, Right.EXPUNGE}),
}
"""Rights of RFC 2086, and what they stand for (RFC 4314 §2.1.1)."""
_NOBODY = no("Only people with a mailbox of their own here are given rights, one by one", "CANNOT")
_OWNER = no("The owner has all rights, always", "CANNOT")
_NOT_ADMINISTER = no("Only its bearer says who opens a personal mailbox", "CANNOT")
_NOT_SHARED = no("Personal mailboxes are not shared here", "NOPERM")


class _Refused(Exception):
    def __init__(self, reply: Reply) -> None:
        super().__init__(reply.text)
        self.reply = reply


async def set_acl(session: Session, command: SetAcl) -> Reply:
    named: set[Right] = set()
    for letter in command.rights:
        if letter in _OBSOLETE:
            named |= _OBSOLETE[letter]
        elif letter in set(Right):
            named.add(Right(letter))
        else:
            return bad("There is no such right")
    return await _change(
        session, command.mailbox, command.identifier, command.change, frozenset(named), "SETACL"
    )


async def delete_acl(session: Session, command: DeleteAcl) -> Reply:
    nothing: frozenset[Right] = frozenset()
    return await _change(
        session, command.mailbox, command.identifier, RightsChange.REPLACE, nothing, "DELETEACL"
    )


async def _change(
    session: Session,
    mailbox: str,
    identifier: str,
    change: RightsChange,
    named: frozenset[Right],
    name: str,
) -> Reply:
    place = session.locate(mailbox)
    if place is None:
        return MISSING
    if refused := require(place, Action.CHANGE_ACCESS):
        return refused

    def unit(uow: UnitOfWork) -> None:
        folder = find_folder(uow.connection, place.owner_id, place.name)
        if folder is None:
            raise _Refused(MISSING)
        member = find_bal(uow.connection, identifier)
        box = bal_of(uow.connection, place.owner_id)
        if member is None or member.type is not BalType.PER or member.state is BalState.CLOSED:
            raise _Refused(_NOBODY)
        if member.owner_id == place.owner_id:
            raise _Refused(_OWNER)
        listed = {each.owner_id: each.rights for each in acl.access_list(uow.connection, folder)}
        before = listed.get(member.owner_id, frozenset())
        after = _changed(before, change, named)
        if box is None:
            raise _Refused(MISSING)
        if not_given := _refusal(session, box, after - before):
            raise _Refused(not_given)
        acl.set_access(uow, folder, member.owner_id, after)
        if seen.is_personal(uow.connection, place.owner_id):
            seen.begin(uow, place.owner_id, member.owner_id)
        _trace(session, uow, folder, member, after)

    try:
        await session.context.database.write(unit)
    except _Refused as refusal:
        return refusal.reply
    except acl.TooManyMembers:
        return no("Too many people have rights here", "LIMIT")
    return ok(f"{name} completed")


def _changed(before: frozenset[Right], change: RightsChange, named: frozenset[Right]) -> frozenset[Right]:
    if change is RightsChange.ADD:
        return before | named
    return before - named if change is RightsChange.REMOVE else named


def _refusal(session: Session, box: Bal, given: frozenset[Right]) -> Reply | None:
    """Why these rights are not given on folders of this box; taking away is always allowed."""
    if not given:
        return None
    if box.type not in session.context.opened_types:
        return _NOT_SHARED
    if box.type is BalType.PER and Right.ADMINISTER in given:
        return _NOT_ADMINISTER
    return None if can_be_a_level(box.address) else _NOT_SHARED


def _trace(session: Session, uow: UnitOfWork, folder: Folder, member: Bal, rights: frozenset[Right]) -> None:
    trail.append(
        uow,
        "access.granted" if rights else "access.revoked",
        actor=f"bal:{session.person_id}",
        subject=f"bal:{folder.owner_id}",
        outcome="ok",
        detail={"member": member.owner_id, "folder": folder.id, "rights": rights_text(rights)},
        clock=session.context.clock,
    )


async def get_acl(session: Session, command: GetAcl) -> Reply:
    place = session.locate(command.mailbox)
    if place is None:
        return MISSING
    if refused := require(place, Action.SEE_ACCESS):
        return refused
    folder = _folder(session, place)
    if folder is None:
        return MISSING
    owner, listed = session.context.database.read_now(
        lambda connection: (bal_of(connection, place.owner_id), acl.access_list(connection, folder))
    )
    entries = [] if owner is None else [(owner.address, ALL_RIGHTS)]
    entries += [(member.address, member.rights) for member in listed]
    pairs = b"".join(
        b" %b %b" % (render.astring(address.encode("utf-8")), _written(rights)) for address, rights in entries
    )
    session.send([b"* ACL " + session.mailbox(command.mailbox) + pairs + b"\r\n"])
    return ok("GETACL completed")


async def list_rights(session: Session, command: ListRights) -> Reply:
    """The owner has every right; others may be given each by itself."""
    place = session.locate(command.mailbox)
    if place is None:
        return MISSING
    if refused := require(place, Action.SEE_ACCESS):
        return refused
    if _folder(session, place) is None:
        return MISSING
    owner, member = session.context.database.read_now(
        lambda connection: (bal_of(connection, place.owner_id), find_bal(connection, command.identifier))
    )
    if owner is not None and member is not None and member.owner_id == owner.owner_id:
        words = _written(ALL_RIGHTS)
    elif member is None or member.type is not BalType.PER or owner is None:
        return _NOBODY
    else:
        givable = [right for right in Right if not _refusal(session, owner, frozenset({right}))]
        words = b" ".join([b'""', *(right.encode("ascii") for right in (*givable, *_virtual(givable)))])
    identifier = render.astring(command.identifier.encode("utf-8"))
    session.send([b"* LISTRIGHTS %b %b %b\r\n" % (session.mailbox(command.mailbox), identifier, words)])
    return ok("LISTRIGHTS completed")


async def my_rights(session: Session, command: MyRights) -> Reply:
    place = session.locate(command.mailbox)
    if place is None or _folder(session, place) is None:
        return MISSING
    session.send([b"* MYRIGHTS %b %b\r\n" % (session.mailbox(command.mailbox), _written(place.rights))])
    return ok("MYRIGHTS completed")


def _folder(session: Session, place: Place) -> Folder | None:
    return look_up_folder(session.context.database, place.owner_id, place.name)


def _virtual(rights: frozenset[Right] | list[Right]) -> str:
    return "".join(letter for letter, parts in _OBSOLETE.items() if not parts.isdisjoint(rights))


def _written(rights: frozenset[Right]) -> bytes:
    """With the obsolete letters, for clients that know no others."""
    return (rights_text(rights) + _virtual(rights)).encode("ascii")
