"""Between the LDAP server, which knows no mailboxes of ours, and the desk where everybody signs in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from directory.bals import BalType, bal_of
from directory.ldap.doors import NOBODY_NEAR, Caller, Denied, Near
from directory.listing import listing_of
from mailserver.address_book import recent_addresses
from mailserver.envelope import Principal
from mailserver.sasl.mechanisms import Mechanism
from mailserver.signin.application import Scope

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from foundation.database import Database
    from mailserver.envelope import Refused
    from mailserver.sasl.mechanisms import Doors


class LdapDoors:
    """The doors of mail for the scope of LDAP."""

    def __init__(self, doors: Doors, database: Database) -> None:
        self._doors = doors
        self._database = database

    @property
    def takes_certificates(self) -> bool:
        return Mechanism.EXTERNAL in self._doors.mechanisms()

    async def password(self, login: str, password: str, *, peer: str) -> Caller | Denied:
        return _told(await self._doors.password(login, password, peer=peer, scope=Scope.LDAP))

    async def certificate(self, login: str, der: bytes | None, *, peer: str) -> Caller | Denied:
        return _told(await self._doors.certificate(login, der, peer=peer, scope=Scope.LDAP))

    def still_holds(self, caller: Caller) -> bool:
        return isinstance(caller.ticket, Principal) and self._doors.still_holds(caller.ticket)

    async def near(self, caller: Caller) -> Near:
        principal = caller.ticket
        if not isinstance(principal, Principal):
            return NOBODY_NEAR

        def query(connection: Connection) -> Near:
            box = bal_of(connection, principal.owner_id)
            of_structure = box is not None and box.type in (BalType.ORG, BalType.APP)
            structure = (
                principal.idnat if of_structure else listing_of(connection, principal.owner_id).structure
            )
            return Near(structure, frozenset(recent_addresses(connection, principal.owner_id)))

        return await self._database.read(query)


def _told(answer: Principal | Refused) -> Caller | Denied:
    if isinstance(answer, Principal):
        return Caller(answer.address, answer)
    refusal = answer.refusal
    return Denied(f"{refusal.code} {refusal.sentence}", refusal.is_temporary)
