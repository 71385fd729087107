from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any

import pytest

from directory.patients import (
    OPENNESS,
    Patient,
    PatientRefused,
    PatientState,
    add_patient,
    add_representative,
    find_patient,
    find_patients,
    list_patients,
    patient_of,
    representatives_of,
    represented_by,
    set_patient_password,
    set_patient_state,
)
from foundation.identifiers import OID_NIR, OID_TEST, ins_key

if TYPE_CHECKING:
    from foundation.database import Database
    from foundation.vault import Vault

NOW = 1_773_413_650_000


def ins(number: str) -> str:
    return number + ins_key(number)


ADULT, CHILD, CORSICAN = ins("2800175999001"), ins("1120175999002"), ins("185102A999003")


async def add(database: Database, vault: Vault, number: str = ADULT, **changes: Any) -> Patient:
    values: dict[str, Any] = {
        "ins_oid": OID_TEST,
        "birth_name": "DESSAI",
        "first_names": "JEANNE-MARIE CLAIRE",
        "birth_date": "1980-01-15",
        "sex": "F",
        "state": PatientState.ACTIVATED,
        "password_hash": "$argon2id$secret",
        "now": NOW,
    }
    return await database.write(lambda uow: add_patient(uow, vault, ins=number, **(values | changes)))


async def test_a_patient_is_found_by_ins_in_any_case_and_by_owner(database: Database, vault: Vault) -> None:
    made = await add(database, vault, CORSICAN)
    assert await database.read(lambda c: find_patient(c, CORSICAN.lower())) == made
    assert await database.read(lambda c: patient_of(c, made.owner_id)) == made
    assert await database.read(lambda c: find_patient(c, ADULT)) is None
    other = await add(database, vault)
    found = await database.read(lambda c: find_patients(c, [CORSICAN.lower(), ADULT, CHILD]))
    assert found == {CORSICAN: made, ADULT: other}
    assert await database.read(lambda c: list_patients(c, after=min(CORSICAN, ADULT))) == [
        found[max(CORSICAN, ADULT)]
    ]


async def test_the_name_shown_is_the_one_in_use(database: Database, vault: Vault) -> None:
    assert (await add(database, vault)).name == "Jeanne-Marie DESSAI"
    assert (await add(database, vault, CHILD, used_name="Essai")).name == "Jeanne-Marie ESSAI"


# ref: F33
@pytest.mark.parametrize(
    ("birth_date", "today", "minor"),
    [
        ("2008-03-14", date(2026, 3, 13), True),
        ("2008-03-13", date(2026, 3, 13), False),
        ("2008-00-00", date(2026, 12, 30), True),
        ("2008-00-00", date(2026, 12, 31), False),
        ("1980-01-15", date(2026, 3, 13), False),
    ],
)
async def test_a_minor_is_under_eighteen(
    database: Database, vault: Vault, birth_date: str, today: date, minor: bool
) -> None:
    assert (await add(database, vault, birth_date=birth_date)).is_minor(today) is minor


@pytest.mark.parametrize(
    ("number", "changes"),
    [
        (ADULT, {}),
        (CHILD[:-2] + "00", {"ins_oid": OID_NIR}),
        ("123", {}),
        (CHILD, {"ins_oid": "1.2.3"}),
        (CHILD, {"birth_date": "15/01/1980"}),
        (CHILD, {"sex": "X"}),
        (CHILD, {"birth_name": " "}),
        (CHILD, {"state": "asleep"}),
    ],
)
async def test_it_refuses_a_malformed_or_second_patient_without_naming_the_person(
    database: Database, vault: Vault, number: str, changes: dict[str, Any]
) -> None:
    await add(database, vault)
    with pytest.raises(PatientRefused) as caught:
        await add(database, vault, number, **changes)
    assert number not in str(caught.value)


async def test_a_test_identity_may_have_a_wrong_key(database: Database, vault: Vault) -> None:
    assert (await add(database, vault, CHILD[:-2] + "00")).ins_oid == OID_TEST


# ref: DMP-F21
def test_every_state_says_what_it_opens() -> None:
    assert set(OPENNESS) == set(PatientState)


# ref: DMP-F21
async def test_states_move_only_along_their_steps(database: Database, vault: Vault) -> None:
    async def move(state: PatientState, now: int = NOW) -> Patient:
        return await database.write(lambda uow: set_patient_state(uow, ADULT, state, now))

    new = await add(database, vault, state=PatientState.NOT_ACTIVATED)
    assert (new.record_is_open, new.box_is_open) == (True, False)
    activated = await move(PatientState.ACTIVATED)
    assert (activated.record_is_open, activated.box_is_open) == (True, True)
    with pytest.raises(PatientRefused, match="cannot become"):
        await move(PatientState.NOT_ACTIVATED)
    closed = await move(PatientState.CLOSED, NOW + 5)
    assert (closed.record_is_open, closed.box_is_open, closed.closed_at) == (False, False, NOW + 5)
    assert await move(PatientState.CLOSED, NOW + 9) == closed
    assert (await move(PatientState.ACTIVATED)).closed_at is None
    with pytest.raises(PatientRefused, match="no patient"):
        await database.write(lambda uow: set_patient_state(uow, CHILD, PatientState.CLOSED, NOW))


async def test_a_representative_acts_for_a_child(database: Database, vault: Vault) -> None:
    parent = await add(database, vault)
    child = await add(database, vault, CHILD, birth_date="2012-01-02", sex="M")
    for _ in range(2):
        await database.write(lambda uow: add_representative(uow, child.owner_id, parent.owner_id))
    assert await database.read(lambda c: represented_by(c, parent.owner_id)) == [child]
    assert await database.read(lambda c: representatives_of(c, child.owner_id)) == [parent]
    assert await database.read(lambda c: represented_by(c, child.owner_id)) == []
    with pytest.raises(PatientRefused):
        await database.write(lambda uow: add_representative(uow, child.owner_id, child.owner_id))


async def test_neither_traits_nor_password_show_in_a_repr(database: Database, vault: Vault) -> None:
    made = await add(database, vault)
    await database.write(lambda uow: set_patient_password(uow, ADULT, "another"))
    for secret in (ADULT, "DESSAI", "JEANNE", "1980", "argon2"):
        assert secret not in repr(made)
