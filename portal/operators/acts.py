"""What an operator does to a box, from a page, a command or the sandbox: the change, its trace, its publication, in one.

`actor` is who does it, as the trail names them: `operator` from the command line, `operator:12` from a page,
`system` for the calendar.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from directory import integration, own
from directory.bals import (
    Bal,
    BalRefused,
    BalState,
    BalType,
    add_bal,
    find_bal,
    keep,
    set_name,
    set_state,
)
from directory.listing import Listing, put_listing
from foundation import trail
from foundation.identifiers import Address, is_idnat
from mailserver.signin import scram
from mailserver.signin.brake import forget
from mailserver.store.append import create_folders
from portal.sessions import end_all

if TYPE_CHECKING:
    from collections.abc import Collection

    from foundation.clock import Clock
    from foundation.database import UnitOfWork
    from foundation.vault import Vault
    from mailserver.signin.choosing import Chosen

OPERATOR = "operator"


def hosted_address(address: str, domains: Collection[str]) -> str:
    """The address of a box as it is written, in a domain hosted here. Raises BalRefused."""
    parsed = Address.parse(address)
    if parsed is None or parsed.domain not in domains:
        hosted = ", ".join(domains)
        raise BalRefused(
            f"{address} is not an address of a domain hosted here ({hosted}).",
            f"Donnez une adresse d’un domaine servi ici : {hosted}.",
        )
    return str(parsed)


def make_bal(
    uow: UnitOfWork,
    vault: Vault,
    clock: Clock,
    *,
    address: str,
    type: BalType,
    name: str,
    idnat: str | None,
    password: Chosen | None,
    listing: Listing | None = None,
    red_list: bool = False,
    actor: str = OPERATOR,
) -> Bal:
    """A new box with its folders, of which the directory is not told. Raises BalRefused."""
    _check_idnat(idnat)
    bal = add_bal(
        uow,
        vault,
        address=address,
        type=type,
        name=name,
        idnat=idnat,
        password_hash=password.password_hash if password is not None else None,
        now=clock.millis(),
        red_list=red_list,
    )
    scram.store(uow, bal.owner_id, password.verifier if password is not None else None)
    create_folders(uow, bal.owner_id, clock.millis())
    if listing is not None:
        put_listing(uow, bal, listing)
    _trace(uow, clock, "bal.opened", bal, "ok", actor)
    return bal


def open_bal(
    uow: UnitOfWork,
    vault: Vault,
    clock: Clock,
    *,
    address: str,
    type: BalType,
    name: str,
    idnat: str | None,
    password: Chosen | None,
    listing: Listing | None = None,
    red_list: bool = False,
    actor: str = OPERATOR,
) -> Bal:
    """As `make_bal`, and publishes it."""
    bal = make_bal(
        uow,
        vault,
        clock,
        address=address,
        type=type,
        name=name,
        idnat=idnat,
        password=password,
        listing=listing,
        red_list=red_list,
        actor=actor,
    )
    own.added(uow, bal)
    return bal


# ref: F39
def change_bal(
    uow: UnitOfWork,
    clock: Clock,
    address: str,
    state: BalState,
    *,
    reason: str = "",
    version: int | None = None,
    actor: str = OPERATOR,
) -> Bal:
    """Suspends, resumes or closes a box. Raises BalRefused; BalChanged where it has another `version` by now."""
    bal = set_state(uow, address, state, clock.millis(), reason=reason, version=version)
    if not bal.may_sign_in:
        end_all(uow, bal.owner_id)
    _trace(uow, clock, "bal.state", bal, state.value, actor)
    own.changed(uow, bal, clock.millis())
    return bal


def edit_bal(
    uow: UnitOfWork,
    clock: Clock,
    address: str,
    *,
    name: str,
    idnat: str | None,
    listing: Listing,
    version: int | None = None,
    actor: str = OPERATOR,
) -> Bal:
    """Changes what is said of a box. Raises BalRefused, BalChanged."""
    current = box_of(uow, address)
    if current.state is BalState.CLOSED:
        raise BalRefused(f"The mailbox {current.address} is closed.", "Cette boîte est fermée.")
    _check_idnat(idnat)
    if current.idnat is not None and idnat != current.idnat:
        raise BalRefused(
            f"The mailbox {current.address} stays its bearer's: its identifier does not change.",
            "Une boîte reste celle de son porteur : son identifiant ne change pas.",
        )
    bal = set_name(uow, address, name, idnat, version=version)
    put_listing(uow, bal, listing)
    _trace(uow, clock, "bal.edited", bal, "changed", actor)
    own.changed(uow, bal, clock.millis())
    return bal


# ref: DMP-F13
def integrate_bal(
    uow: UnitOfWork,
    clock: Clock,
    address: str,
    *,
    deposits: bool | None,
    forwards_to: str | None,
    actor: str = OPERATOR,
) -> Bal:
    """Says what a box does with structured documents by itself; None leaves it as it is. Raises BalRefused."""
    bal = box_of(uow, address)
    if bal.state is BalState.CLOSED:
        raise BalRefused(f"The mailbox {bal.address} is closed.", "Cette boîte est fermée.")
    if deposits is not None:
        integration.set_deposits(uow, bal, deposits=deposits)
    if forwards_to is not None:
        integration.set_forwarding(uow, bal, forwards_to)
    _trace(uow, clock, "bal.integration", bal, "changed", actor)
    return bal


# ref: F40
def red_list_bal(
    uow: UnitOfWork,
    clock: Clock,
    address: str,
    *,
    red_list: bool,
    version: int | None = None,
    actor: str = OPERATOR,
) -> Bal:
    """Puts a box on the red list or takes it off. Raises BalRefused, BalChanged."""
    bal = own.set_red_list(uow, address, red_list=red_list, now=clock.millis(), version=version)
    _trace(uow, clock, "bal.red_list", bal, "on" if red_list else "off", actor)
    return bal


def keep_bal(uow: UnitOfWork, clock: Clock, address: str, *, actor: str = OPERATOR) -> Bal:
    """Opposes the suspension of a box for inactivity. Raises BalRefused."""
    bal = keep(uow, address, clock.millis())
    _trace(uow, clock, "bal.kept", bal, "ok", actor)
    return bal


def unlock_bal(uow: UnitOfWork, clock: Clock, address: str, *, actor: str = OPERATOR) -> bool:
    """Forgets the failures counted against a box; False where there were none. Raises BalRefused."""
    box = box_of(uow, address)
    had_failed = [forget(uow, account) for account in (box.address, f"second factor of {box.owner_id}")]
    if not any(had_failed):
        return False
    _trace(uow, clock, "signin.unlocked", box, "unlocked", actor)
    return True


def box_of(uow: UnitOfWork, address: str) -> Bal:
    """The box of an address, whatever its state. Raises BalRefused where there is none."""
    found = find_bal(uow.connection, address)
    if found is None:
        raise BalRefused(f"There is no mailbox {address}.")
    return found


def _check_idnat(idnat: str | None) -> None:
    if idnat is not None and not is_idnat(idnat):
        raise BalRefused(
            f"{idnat} is no national identifier: 8 and an RPPS, 1 and a FINESS, 3 and a SIRET number.",
            "L’identifiant national est 8 et un numéro RPPS, 1 et un FINESS, ou 3 et un SIRET.",
        )


def _trace(uow: UnitOfWork, clock: Clock, action: str, bal: Bal, outcome: str, actor: str) -> None:
    trail.append(uow, action, actor=actor, subject=f"bal:{bal.owner_id}", outcome=outcome, clock=clock)
