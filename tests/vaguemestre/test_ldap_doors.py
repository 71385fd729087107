"""LDAP is opened by the desk of mail: application passwords for it, own passwords, certificates."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from directory.bals import BalState, BalType, set_state
from directory.ldap.doors import Caller, Denied, Near
from mailserver.refusals import (
    ACCOUNT_SUSPENDED,
    APPLICATION_OUT_OF_SCOPE,
    CERTIFICATE_REFUSED,
    WRONG_PASSWORD,
)
from mailserver.signin import application
from mailserver.signin.application import Scope
from mailserver.signin.desk import SignIn
from tests.mailserver.place import Place
from vaguemestre.ldap_doors import LdapDoors

if TYPE_CHECKING:
    from pathlib import Path

    from directory.bals import Bal
    from foundation.clock import FixedClock
    from foundation.database import Database
    from foundation.vault import Vault

PEER = "192.0.2.7"


@pytest.fixture
def place(database: Database, vault: Vault, clock: FixedClock, tmp_path: Path) -> Place:
    return Place(database, vault, clock, tmp_path)


@pytest.fixture
async def marie(place: Place) -> Bal:
    return await place.add("marie")


@pytest.fixture
def doors(place: Place) -> LdapDoors:
    return LdapDoors(SignIn(place.database, place.clock, place.settings), place.database)


async def application_password(place: Place, box: Bal, *scopes: Scope) -> tuple[int, str]:
    made, plain = await place.database.write(
        lambda uow: application.make(
            uow, box.owner_id, name="Carnet", scopes=set(scopes), now=place.clock.millis(), expires_at=None
        )
    )
    return made.id, plain


async def test_an_application_password_for_ldap_opens_it_until_it_is_revoked(
    place: Place, marie: Bal, doors: LdapDoors
) -> None:
    number, plain = await application_password(place, marie, Scope.LDAP)
    caller = await doors.password(marie.address, plain, peer=PEER)
    assert isinstance(caller, Caller)
    assert caller.address == marie.address
    assert doors.still_holds(caller)
    await place.database.write(
        lambda uow: application.revoke(uow, marie.owner_id, number, now=place.clock.millis())
    )
    assert not doors.still_holds(caller)


async def test_an_application_password_for_something_else_does_not(
    place: Place, marie: Bal, doors: LdapDoors
) -> None:
    _, plain = await application_password(place, marie, Scope.IMAP)
    denied = await doors.password(marie.address, plain, peer=PEER)
    assert denied == Denied(f"{APPLICATION_OUT_OF_SCOPE.code} {APPLICATION_OUT_OF_SCOPE.sentence}")


async def test_a_wrong_password_and_a_suspended_box_are_told_as_by_mail(
    place: Place, marie: Bal, doors: LdapDoors
) -> None:
    denied = await doors.password(marie.address, "wrong", peer=PEER)
    assert denied == Denied(f"{WRONG_PASSWORD.code} {WRONG_PASSWORD.sentence}")
    _, plain = await application_password(place, marie, Scope.LDAP)
    await place.database.write(
        lambda uow: set_state(uow, marie.address, BalState.SUSPENDED, place.clock.millis())
    )
    denied = await doors.password(marie.address, plain, peer=PEER)
    assert denied == Denied(f"{ACCOUNT_SUSPENDED.code} {ACCOUNT_SUSPENDED.sentence}")


async def test_without_a_trust_space_no_certificate_opens_anything(doors: LdapDoors) -> None:
    assert not doors.takes_certificates
    denied = await doors.certificate("", b"der", peer=PEER)
    assert denied == Denied(f"{CERTIFICATE_REFUSED.code} {CERTIFICATE_REFUSED.sentence}")


async def test_a_box_has_its_structure_and_its_correspondents_near(
    place: Place, marie: Bal, doors: LdapDoors
) -> None:
    unit = await place.add("cardio", type=BalType.ORG, idnat="1990000016")
    await place.send(unit, marie.address)
    _, plain = await application_password(place, marie, Scope.LDAP)
    caller = await doors.password(marie.address, plain, peer=PEER)
    assert isinstance(caller, Caller)
    assert await doors.near(caller) == Near(None, frozenset({unit.address}))


async def test_nobody_in_particular_holds_nothing_and_has_nobody_near(doors: LdapDoors) -> None:
    nobody = Caller("marie@hopital-demo.mssante.fr")
    assert not doors.still_holds(nobody)
    assert await doors.near(nobody) == Near()
