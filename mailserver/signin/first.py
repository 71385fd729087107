"""The box that the first sign-in of a professional makes, from what Pro Santé Connect and the directory say of them."""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING

from directory import own
from directory.bals import BalType, add_bal, find_bal
from directory.correspondents import person_name
from foundation import trail
from mailserver.store.append import create_folders

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from directory.annuaire.view import View
    from directory.bals import Bal, CreatesOwner
    from directory.psc.claims import Professional
    from foundation.clock import Clock
    from foundation.database import UnitOfWork

_LONGEST_LOCAL_PART = 60
_MOST_NAMESAKES = 1000
_NOT_IN_A_NAME = re.compile(r"[^a-z0-9]+")


def make_first_box(
    uow: UnitOfWork,
    vault: CreatesOwner,
    clock: Clock,
    professional: Professional,
    domain: str,
    view: View | None,
) -> Bal | None:
    """A personal box at `domain`, without a password; None where neither source tells a name.

    The directory's name goes before the claims': it is the one that correspondents find.
    """
    first, last, shown = _name(view, professional)
    local = ".".join(part for part in (_local(first), _local(last)) if part)[:_LONGEST_LOCAL_PART]
    address = _free(uow.connection, local.strip("."), domain) if local.strip(".") else None
    if address is None:
        return None
    made = add_bal(
        uow,
        vault,
        address=address,
        type=BalType.PER,
        name=shown,
        idnat=professional.idnat,
        password_hash=None,
        now=clock.millis(),
    )
    create_folders(uow, made.owner_id, clock.millis())
    subject = f"bal:{made.owner_id}"
    trail.append(uow, "bal.opened", actor=subject, subject=subject, outcome="first sign-in", clock=clock)
    own.added(uow, made)
    return made


def _name(view: View | None, professional: Professional) -> tuple[str, str, str]:
    """First name, last name, and the name that people see."""
    person = view.person(professional.idnat) if view is not None else None
    if person is not None and person.last_name:
        shown = person_name(person.title or person.civility, person.first_name, person.last_name)
        return person.first_name or "", person.last_name, shown
    shown = person_name(None, professional.given_name, professional.family_name)
    return professional.given_name, professional.family_name, shown


def _local(name: str) -> str:
    """`Hélène` as `helene`, `LE GOFF` as `le-goff`."""
    folded = unicodedata.normalize("NFKD", name.casefold()).encode("ascii", "ignore").decode()
    return _NOT_IN_A_NAME.sub("-", folded).strip("-")


def _free(connection: Connection, local: str, domain: str) -> str | None:
    """The address, with a number for a namesake; addresses of closed boxes are not given again."""
    for number in range(1, _MOST_NAMESAKES):
        address = f"{local}{number if number > 1 else ''}@{domain}"
        if find_bal(connection, address) is None:
            return address
    return None
