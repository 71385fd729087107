"""The records a session has open: under a name without a meaning, so that no INS stands in an address or a log.

Each page of a record names its access: two patients open in two tabs are never taken for each other. The mode of an
emergency belongs to one access and ends with it.
"""

from __future__ import annotations

import secrets
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

from dmp_bridge.rights.vocabulary import Mode
from portal import sessions

if TYPE_CHECKING:
    from foundation.database import UnitOfWork
    from portal.sessions import Session

MOST: Final = 10
"""Records that stay open at a time; the one opened first is closed for another."""
_KEY: Final = "records"


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """One record that is open: whose it is, in which mode and with which motive. The traits may be empty."""

    id: str
    ins: str = field(repr=False)
    birth_name: str = field(default="", repr=False)
    first_names: str = field(default="", repr=False)
    birth_date: str = field(default="", repr=False)
    sex: str = ""
    mode: Mode = Mode.NORMAL
    motive: str = field(default="", repr=False)

    @property
    def path(self) -> str:
        """Where its pages are."""
        return f"/pro/dossier/{self.id}"


def begin(uow: UnitOfWork, session: Session, access: Access) -> Access:
    """Opens a record, under a new name."""
    named = replace(access, id=secrets.token_urlsafe(12))
    _keep(uow, session, named)
    return named


def change(uow: UnitOfWork, session: Session, access: Access) -> None:
    """Keeps another mode of an access that is open; nothing where it was closed meanwhile."""
    if access.id in _kept(sessions.pocket_of(uow.connection, session)):
        _keep(uow, session, access)


def end(uow: UnitOfWork, session: Session, access_id: str) -> None:
    """Closes a record."""
    pocket = sessions.pocket_of(uow.connection, session)
    kept = {name: each for name, each in _kept(pocket).items() if name != access_id}
    sessions.fill_pocket(uow, session, {**pocket, _KEY: kept})


def find(session: Session, access_id: str) -> Access | None:
    """The access of this name; None where it is closed, or another session's."""
    found = _kept(session.pocket).get(access_id)
    return Access(**{**found, "id": access_id, "mode": Mode(found["mode"])}) if found is not None else None


def _keep(uow: UnitOfWork, session: Session, access: Access) -> None:
    pocket = sessions.pocket_of(uow.connection, session)
    kept = _kept(pocket) | {access.id: asdict(access)}
    oldest = list(kept)[: max(len(kept) - MOST, 0)]
    sessions.fill_pocket(
        uow, session, {**pocket, _KEY: {name: each for name, each in kept.items() if name not in oldest}}
    )


def _kept(pocket: dict[str, Any]) -> dict[str, dict[str, Any]]:
    kept: dict[str, dict[str, Any]] = pocket.get(_KEY, {})
    return kept
