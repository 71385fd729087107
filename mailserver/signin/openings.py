"""Which boxes a professional may open: their own, and those of structures that were delegated to them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import bindparam, select

from directory.bals import Bal, BalState, BalType, bal, bal_of, bals_of, find_bal
from foundation.identifiers import Address
from foundation.prepared import run
from mailserver.store.acl import DELEGATED, delegation
from mailserver.store.rights import ALL_RIGHTS, Right, rights_of

if TYPE_CHECKING:
    from sqlalchemy import Connection

MAXIMUM_LOGIN = 320
_NEEDED = frozenset({Right.LOOKUP, Right.READ})
_RIGHTS = select(delegation.c.rights).where(
    delegation.c.owner_id == bindparam("owner"), delegation.c.member_id == bindparam("member")
)
_POSTS_AS = (
    select(bal.c.address, delegation.c.rights)
    .join(bal, bal.c.owner_id == delegation.c.owner_id)
    .where(delegation.c.member_id == bindparam("member"), bal.c.state == BalState.ACTIVE.value)
)
_OF_MEMBER = select(delegation.c.owner_id).where(delegation.c.member_id == bindparam("member"))


@dataclass(frozen=True, slots=True)
class Opening:
    """A box a professional may open, and what they may do there. `person` is their own box where it is a delegate's."""

    bal: Bal
    rights: frozenset[Right] = ALL_RIGHTS
    person: Bal | None = None


def address_of(login: str) -> Address | None:
    """The address that somebody typed as a login; None where it is none."""
    return Address.parse(login) if len(login) <= MAXIMUM_LOGIN else None


def box_named(connection: Connection, login: str) -> Bal | None:
    """The box of what somebody typed as a login, whatever its state."""
    parsed = address_of(login)
    return find_bal(connection, str(parsed)) if parsed is not None else None


def only_personal(connection: Connection, idnat: str) -> Bal | None:
    """The personal box of a professional who has exactly one, whatever its state but closed."""
    found = [
        box
        for box in bals_of(connection, idnat)
        if box.type is BalType.PER and box.state is not BalState.CLOSED
    ]
    return found[0] if len(found) == 1 else None


def opening_of(connection: Connection, box: Bal, idnat: str) -> Opening | None:
    """How the professional of a national identifier opens this box; None where they may not.

    A personal or practice box is its bearer's. The identifier of a structure opens nothing by itself: its boxes
    are opened to persons, by name.
    """
    if box.idnat == idnat and box.type in (BalType.PER, BalType.CAB):
        return Opening(box)
    if box.type not in DELEGATED:
        return None
    for person in bals_of(connection, idnat):
        if person.type is BalType.PER and person.may_sign_in:
            rights = rights_in(connection, box.owner_id, person.owner_id)
            if rights >= _NEEDED:
                return Opening(box, rights, person)
    return None


def openings_of(connection: Connection, idnat: str) -> list[Opening]:
    """Every active box this professional may open: their own first, then those delegated to them, by address."""
    own = [
        box
        for box in bals_of(connection, idnat)
        if box.type in (BalType.PER, BalType.CAB) and box.may_sign_in
    ]
    found = {box.owner_id: Opening(box) for box in own}
    delegated: dict[int, Opening] = {}
    for person in own:
        if person.type is not BalType.PER:
            continue
        for (owner_id,) in run(connection, _OF_MEMBER, {"member": person.owner_id}):
            box = bal_of(connection, owner_id) if owner_id not in found else None
            if box is None or not box.may_sign_in or box.type not in DELEGATED:
                continue
            rights = rights_in(connection, owner_id, person.owner_id)
            if rights >= _NEEDED:
                delegated.setdefault(owner_id, Opening(box, rights, person))
    return [*found.values(), *sorted(delegated.values(), key=lambda each: each.bal.address)]


def posts_as(connection: Connection, person_id: int) -> frozenset[str]:
    """The addresses of other boxes in whose name a person may write."""
    rows = run(connection, _POSTS_AS, {"member": person_id})
    return frozenset(address for address, rights in rows if Right.POST in rights_of(rights))


def rights_in(connection: Connection, owner_id: int, person_id: int) -> frozenset[Right]:
    """What a person may do in a whole box that was opened to them; nothing where it was not."""
    row = run(connection, _RIGHTS, {"owner": owner_id, "member": person_id}).first()
    return rights_of(row.rights) if row is not None else frozenset()
