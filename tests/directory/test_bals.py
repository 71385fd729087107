from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from directory.bals import (
    Bal,
    BalRefused,
    BalState,
    BalType,
    add_bal,
    bal_of,
    bals_of,
    find_bal,
    find_bals,
    list_bals,
    set_password,
    set_red_list,
    set_state,
)

if TYPE_CHECKING:
    from foundation.database import Database, UnitOfWork
    from foundation.vault import Vault

NOW = 1_773_413_650_000


async def add(database: Database, vault: Vault, address: str, **changes: Any) -> Bal:
    values: dict[str, Any] = {
        "type": BalType.PER,
        "name": "Marie MARTIN",
        "idnat": "899900000011",
        "password_hash": "$argon2id$secret",
        "now": NOW,
    }
    return await database.write(lambda uow: add_bal(uow, vault, address=address, **(values | changes)))


async def test_a_new_box_is_active_and_found_in_any_case(database: Database, vault: Vault) -> None:
    made = await add(database, vault, "Marie.Martin@Hopital.mssante.fr")
    assert made.address == "marie.martin@hopital.mssante.fr"
    assert (made.state, made.may_sign_in) == (BalState.ACTIVE, True)
    assert await database.read(lambda c: find_bal(c, "MARIE.MARTIN@HOPITAL.MSSANTE.FR")) == made
    assert await database.read(lambda c: bal_of(c, made.owner_id)) == made
    assert await database.read(lambda c: find_bal(c, "nobody@hopital.mssante.fr")) is None


async def test_many_boxes_are_found_at_once(database: Database, vault: Vault) -> None:
    def many(uow: UnitOfWork) -> None:
        for number in range(600):
            add_bal(
                uow,
                vault,
                address=f"box{number}@demo.mssante.fr",
                type="ORG",
                name="X",
                idnat=None,
                password_hash=None,
                now=NOW,
            )

    await database.write(many)
    wanted = [f"BOX{number}@demo.mssante.fr" for number in range(1200)]
    found = await database.read(lambda c: find_bals(c, wanted))
    assert len(found) == 600
    assert found["box7@demo.mssante.fr"].type is BalType.ORG
    page = await database.read(lambda c: list_bals(c, limit=10))
    following = await database.read(lambda c: list_bals(c, after=page[-1].address, limit=1))
    assert [bal.address for bal in page] == sorted(found)[:10]
    assert following[0].address == sorted(found)[10]


async def test_the_boxes_of_one_bearer_are_found(database: Database, vault: Vault) -> None:
    second = await add(database, vault, "m@b.mssante.fr")
    first = await add(database, vault, "m@a.mssante.fr")
    await add(database, vault, "x@a.mssante.fr", idnat="899900000029")
    assert await database.read(lambda c: bals_of(c, "899900000011")) == [first, second]


@pytest.mark.parametrize(
    ("address", "changes", "sentence"),
    [
        ("m@a.mssante.fr", {}, "exists already"),
        ("M@A.mssante.fr", {}, "exists already"),
        ("no address", {}, "is not a mail address"),
        ("b@a.mssante.fr", {"type": "XXX"}, "is not a type"),
        ("b@a.mssante.fr", {"name": " "}, "1 to 255"),
    ],
)
async def test_it_refuses_a_box_with_a_sentence(
    database: Database, vault: Vault, address: str, changes: dict[str, Any], sentence: str
) -> None:
    await add(database, vault, "m@a.mssante.fr")
    with pytest.raises(BalRefused, match=sentence):
        await add(database, vault, address, **changes)


async def test_a_suspended_box_receives_and_comes_back(database: Database, vault: Vault) -> None:
    made = await add(database, vault, "m@a.mssante.fr")
    suspended = await database.write(lambda uow: set_state(uow, made.address, BalState.SUSPENDED, NOW))
    assert (suspended.may_sign_in, suspended.closed_at) == (False, None)
    resumed = await database.write(lambda uow: set_state(uow, made.address, BalState.ACTIVE, NOW))
    assert resumed == made


# ref: F39
async def test_a_closed_box_neither_opens_again_nor_frees_its_address(
    database: Database, vault: Vault
) -> None:
    made = await add(database, vault, "m@a.mssante.fr")
    closed = await database.write(lambda uow: set_state(uow, made.address, BalState.CLOSED, NOW + 1))
    assert (closed.may_sign_in, closed.closed_at) == (False, NOW + 1)
    with pytest.raises(BalRefused, match="does not open again"):
        await database.write(lambda uow: set_state(uow, made.address, BalState.ACTIVE, NOW + 2))
    with pytest.raises(BalRefused, match="existed and was closed"):
        await add(database, vault, "m@a.mssante.fr")


async def test_password_and_red_list_change(database: Database, vault: Vault) -> None:
    made = await add(database, vault, "m@a.mssante.fr")
    assert (await database.write(lambda uow: set_password(uow, made.address, "new"))).password_hash == "new"
    assert (await database.write(lambda uow: set_red_list(uow, made.address, red_list=True))).red_list is True
    with pytest.raises(BalRefused, match="There is no mailbox"):
        await database.write(lambda uow: set_password(uow, "x@a.mssante.fr", "new"))


async def test_a_password_hash_does_not_show_in_a_repr(database: Database, vault: Vault) -> None:
    assert "argon2" not in repr(await add(database, vault, "m@a.mssante.fr"))
