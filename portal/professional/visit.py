"""Who is behind a request for a professional's page: the session, the box that is open, and the delegate in it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import bindparam, select

from directory.bals import BalType, bal_of
from foundation.prepared import run
from mailserver.signin.openings import Opening, openings_of, rights_in
from mailserver.store.acl import DELEGATED, delegation
from mailserver.store.rights import Right
from portal import sessions
from portal.sessions import Strength

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from directory.bals import Bal
    from portal.sessions import Session

_OF_MEMBER = select(delegation.c.owner_id).where(delegation.c.member_id == bindparam("member"))
_NEEDED = frozenset({Right.LOOKUP, Right.READ})


@dataclass(frozen=True, slots=True)
class Visit:
    """A signed-in professional, and the box that is open."""

    session: Session
    opening: Opening

    @property
    def bal(self) -> Bal:
        """The box that is open."""
        return self.opening.bal

    @property
    def person(self) -> Bal | None:
        """The own box of a delegate who opened this one; None where it is their own."""
        return self.opening.person

    @property
    def owner_id(self) -> int:
        """Whose messages may be shown."""
        return self.bal.owner_id

    @property
    def bearer(self) -> Bal:
        """The own box of who is there."""
        return self.person or self.bal

    @property
    def actor(self) -> str:
        """Who is there, as the trail names them."""
        return f"bal:{self.bearer.owner_id}"

    @property
    def is_strong(self) -> bool:
        """Whether the session was opened with two factors."""
        return self.session.strength.is_strong


def find(connection: Connection, token: str | None, now: int) -> Visit | None:
    """Who holds a session's token; `now` is epoch ms.

    None when the session has ended, its box is suspended or closed, the delegation is withdrawn, or the password
    that opened it is another by now.
    """
    session = sessions.find(connection, token, now)
    if session is None:
        return None
    bal = bal_of(connection, session.owner_id)
    if bal is None or not bal.may_sign_in:
        return None
    opening = Opening(bal)
    if session.person_id is not None:
        person = bal_of(connection, session.person_id)
        delegated = _opening(connection, bal, person) if person is not None else None
        if delegated is None:
            return None
        opening = delegated
    visit = Visit(session, opening)
    if session.strength is not Strength.PSC and session.credential != credential_of(visit.bearer):
        return None
    return visit


def credential_of(bal: Bal) -> bytes:
    """A digest of what is stored about a box's password: with another password its sessions end."""
    return hashlib.sha256((bal.password_hash or "").encode()).digest()


def openings(connection: Connection, visit: Visit) -> list[Opening]:
    """The boxes this visit may open without a new sign-in: its own first, then those delegated to it, by address.

    Pro Santé Connect vouches for the person, hence for all the boxes of this person; a password for its box alone.
    """
    bearer = visit.bearer
    if visit.session.strength is Strength.PSC and bearer.idnat is not None:
        return openings_of(connection, bearer.idnat)
    return [Opening(bearer), *_delegated_to(connection, bearer)]


def _delegated_to(connection: Connection, person: Bal) -> list[Opening]:
    found = []
    for (owner_id,) in run(connection, _OF_MEMBER, {"member": person.owner_id}):
        bal = bal_of(connection, owner_id)
        if bal is not None and bal.may_sign_in:
            opening = _opening(connection, bal, person)
            if opening is not None:
                found.append(opening)
    return sorted(found, key=lambda opening: opening.bal.address)


def _opening(connection: Connection, bal: Bal, person: Bal) -> Opening | None:
    """How a person opens a box that was delegated to them; None where it is not."""
    if bal.type not in DELEGATED or person.type is not BalType.PER or not person.may_sign_in:
        return None
    rights = rights_in(connection, bal.owner_id, person.owner_id)
    return Opening(bal, rights, person) if rights >= _NEEDED else None
