from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from dmp_bridge.dossier import consents, minority, relations
from dmp_bridge.dossier.consents import Consent, ConsentKind, ConsentRefused, consents_of
from dmp_bridge.dossier.minority import GuardianshipKind
from dmp_bridge.dossier.relations import RelationKind
from dmp_bridge.dossier.standing import standing_of
from tests.dmp_bridge.dossier.people import (
    DOCTOR,
    HOSPITAL,
    NURSE,
    STRUCTURE,
    add,
    as_patient,
    as_representative,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from directory.patients import Patient
    from dmp_bridge.dossier.caller import Caller
    from dmp_bridge.rights.question import Standing
    from foundation.clock import FixedClock
    from foundation.database import Database, UnitOfWork
    from foundation.vault import Vault


@pytest.fixture
async def patient(database: Database, vault: Vault, clock: FixedClock) -> Patient:
    return await add(database, vault, clock)


@pytest.fixture
def stand(database: Database, patient: Patient, clock: FixedClock) -> Callable[[Caller], Standing]:
    return lambda caller: database.read_now(
        lambda connection: standing_of(connection, patient, caller, clock.millis())
    )


async def test_nobody_stands_towards_no_record(database: Database, clock: FixedClock) -> None:
    found = database.read_now(lambda connection: standing_of(connection, None, DOCTOR, clock.millis()))
    assert found.state is None
    assert not found.is_authorised


async def test_a_declared_authorisation_holds_until_its_end(
    database: Database, patient: Patient, clock: FixedClock, stand: Callable[[Caller], Standing]
) -> None:
    end = clock.millis() + 1000
    await database.write(
        lambda uow: relations.declare(
            uow, patient.owner_id, RelationKind.AUTHORISED, DOCTOR.id, DOCTOR.id, clock.millis(), until=end
        )
    )
    assert stand(DOCTOR).is_authorised
    assert not stand(NURSE).is_authorised
    clock.advance(timedelta(seconds=1))
    assert not stand(DOCTOR).is_authorised


async def test_an_authorisation_of_a_structure_is_that_of_its_people(
    database: Database, patient: Patient, clock: FixedClock, stand: Callable[[Caller], Standing]
) -> None:
    await database.write(
        lambda uow: relations.declare(
            uow, patient.owner_id, RelationKind.AUTHORISED, HOSPITAL, "operator", clock.millis()
        )
    )
    assert stand(DOCTOR).is_authorised
    assert not stand(NURSE).is_authorised


# ref: DMP-F22
async def test_what_was_said_to_a_structure_holds_for_its_people(
    database: Database, patient: Patient, clock: FixedClock, stand: Callable[[Caller], Standing]
) -> None:
    def say(value: Consent, at: int) -> Callable[[UnitOfWork], bool]:
        return lambda uow: consents.record(
            uow, patient.owner_id, ConsentKind.CONSULTATION, value, HOSPITAL, at, structure_id=HOSPITAL
        )

    now = clock.millis()
    await database.write(say(Consent.CONSENTS, now - 3000))
    assert stand(DOCTOR).is_authorised
    assert not stand(NURSE).is_authorised
    await database.write(say(Consent.CONSENTS_NOT, now - 1000))
    assert not stand(DOCTOR).is_authorised
    assert not await database.write(say(Consent.CONSENTS_NOT, now - 1000))
    await database.write(say(Consent.CONSENTS, now - 2000))
    assert not stand(DOCTOR).is_authorised, "a word that arrives late does not undo a later one"
    await database.write(
        lambda uow: relations.declare(
            uow, patient.owner_id, RelationKind.AUTHORISED, DOCTOR.id, DOCTOR.id, now
        )
    )
    assert stand(DOCTOR).is_authorised, "what was agreed with the person outweighs it"


# ref: DMP-F22
async def test_an_opposition_to_feeding_holds_where_it_was_said(
    database: Database, patient: Patient, clock: FixedClock, stand: Callable[[Caller], Standing]
) -> None:
    def say(value: Consent, structure_id: str, reason: str = "") -> Callable[[UnitOfWork], bool]:
        return lambda uow: consents.record(
            uow,
            patient.owner_id,
            ConsentKind.FEEDING,
            value,
            "patient:1",
            clock.millis(),
            structure_id=structure_id,
            reason=reason,
        )

    await database.write(say(Consent.OPPOSED, HOSPITAL))
    assert stand(DOCTOR).feeding_is_opposed
    assert stand(STRUCTURE).feeding_is_opposed
    assert not stand(NURSE).feeding_is_opposed
    clock.advance(timedelta(seconds=1))
    await database.write(say(Consent.NOT_OPPOSED, HOSPITAL))
    assert not stand(DOCTOR).feeding_is_opposed
    with pytest.raises(ConsentRefused, match="motif"):
        await database.write(say(Consent.OPPOSED, ""))
    await database.write(say(Consent.OPPOSED, "", "Mon entourage travaille ici."))
    assert stand(DOCTOR).feeding_is_opposed
    assert stand(NURSE).feeding_is_opposed


async def test_a_word_is_kept_with_who_said_it_and_when_and_never_changed(
    database: Database, patient: Patient, clock: FixedClock
) -> None:
    for value in (Consent.DENY, Consent.PERMIT, Consent.PERMIT):
        await _say(database, patient, ConsentKind.CENTRE_15, value, clock.millis())
        clock.advance(timedelta(minutes=1))
    history = database.read_now(lambda connection: consents_of(connection, patient.owner_id))
    start = clock.millis() - 180_000
    assert [(row.value, row.actor, row.at - start) for row in history.rows] == [
        (Consent.DENY, "patient:1", 0),
        (Consent.PERMIT, "patient:1", 60_000),
    ]
    with pytest.raises(ConsentRefused):
        await database.write(
            lambda uow: consents.record(
                uow, patient.owner_id, ConsentKind.CENTRE_15, Consent.OPPOSED, "x", clock.millis()
            )
        )


# ref: DMP-F25
async def test_emergencies_are_open_until_opposed_and_masked_documents_once_allowed(
    database: Database, patient: Patient, clock: FixedClock, stand: Callable[[Caller], Standing]
) -> None:
    before = stand(DOCTOR)
    assert (before.may_centre_15, before.may_bris_de_glace, before.masked_in_emergency) == (True, True, False)
    for kind, value in (
        (ConsentKind.CENTRE_15, Consent.DENY),
        (ConsentKind.MASKED_IN_EMERGENCY, Consent.PERMIT),
    ):
        await _say(database, patient, kind, value, clock.millis())
    after = stand(DOCTOR)
    assert (after.may_centre_15, after.may_bris_de_glace, after.masked_in_emergency) == (False, True, True)


# ref: DMP-F26
async def test_blocking_ends_what_was_declared_and_is_lifted_by_the_patient(
    database: Database, patient: Patient, clock: FixedClock, stand: Callable[[Caller], Standing]
) -> None:
    owner, now = patient.owner_id, clock.millis()
    await database.write(lambda uow: relations.set_attending(uow, owner, DOCTOR.id, "patient:1", now))
    await database.write(
        lambda uow: relations.declare(uow, owner, RelationKind.TEAM, DOCTOR.id, DOCTOR.id, now)
    )
    assert stand(DOCTOR).is_attending
    assert await database.write(lambda uow: relations.block(uow, owner, DOCTOR.id, "patient:1", now))
    assert not await database.write(lambda uow: relations.block(uow, owner, DOCTOR.id, "patient:1", now))
    blocked = stand(DOCTOR)
    assert (blocked.is_blocked, blocked.is_attending, blocked.is_authorised) == (True, False, False)
    await database.write(lambda uow: relations.unblock(uow, owner, DOCTOR.id, "patient:1", now))
    assert not stand(DOCTOR).is_blocked
    assert not stand(DOCTOR).is_authorised
    kinds = [each.kind for each in database.read_now(lambda c: relations.history_of(c, owner))]
    assert sorted(kinds) == [RelationKind.ATTENDING, RelationKind.BLOCKED, RelationKind.TEAM]


async def test_a_blocked_structure_shuts_its_people_out(
    database: Database, patient: Patient, clock: FixedClock, stand: Callable[[Caller], Standing]
) -> None:
    await database.write(
        lambda uow: relations.block(uow, patient.owner_id, HOSPITAL, "patient:1", clock.millis())
    )
    assert stand(DOCTOR).is_blocked
    assert not stand(NURSE).is_blocked


async def test_there_is_one_attending_doctor(
    database: Database, patient: Patient, clock: FixedClock, stand: Callable[[Caller], Standing]
) -> None:
    owner, now = patient.owner_id, clock.millis()
    other = replace(DOCTOR, id="899900000037")
    await database.write(lambda uow: relations.set_attending(uow, owner, DOCTOR.id, "patient:1", now))
    await database.write(lambda uow: relations.set_attending(uow, owner, other.id, "patient:1", now))
    assert not stand(DOCTOR).is_attending
    assert stand(other).is_attending


# ref: DMP-F20
async def test_a_parent_stands_for_a_child_and_not_for_an_adult(
    database: Database, vault: Vault, clock: FixedClock
) -> None:
    parent = await add(database, vault, clock)
    child = await add(database, vault, clock, "1120599999001", birth_date="2012-05-14")
    adult = await add(database, vault, clock, "1510999999001", birth_date="1951-09-01")

    def theirs(holder: Patient, caller: Caller) -> bool:
        return database.read_now(lambda c: standing_of(c, holder, caller, clock.millis())).is_theirs

    assert theirs(child, as_patient(child))
    assert not theirs(child, as_patient(parent))
    assert not theirs(child, as_representative(parent))
    for holder in (child, adult):
        await _represent(database, holder, parent, clock.millis())
    assert theirs(child, as_representative(parent))
    assert not theirs(adult, as_representative(parent)), "parental authority is over minors"


@pytest.mark.parametrize(
    ("kind", "stands"), [(GuardianshipKind.TUTELLE, True), (GuardianshipKind.CURATELLE, False)]
)
async def test_a_tutor_stands_for_a_protected_adult_and_a_curator_does_not(
    database: Database, vault: Vault, clock: FixedClock, kind: GuardianshipKind, *, stands: bool
) -> None:
    guardian = await add(database, vault, clock)
    adult = await add(database, vault, clock, "1510999999001", birth_date="1951-09-01")
    until = clock.millis() + 1000
    await database.write(
        lambda uow: minority.represent(
            uow, adult.owner_id, guardian.owner_id, kind, "operator", clock.millis(), until=until
        )
    )
    found = database.read_now(lambda c: standing_of(c, adult, as_representative(guardian), clock.millis()))
    assert (found.is_theirs, found.is_protected) == (stands, stands)
    clock.advance(timedelta(seconds=1))
    later = database.read_now(lambda c: standing_of(c, adult, as_representative(guardian), clock.millis()))
    assert (later.is_theirs, later.is_protected) == (False, False)


# ref: DMP-F20
async def test_a_guardian_whose_time_is_over_stands_for_nobody_beside_another_one(
    database: Database, vault: Vault, clock: FixedClock
) -> None:
    former, present = await add(database, vault, clock), await add(database, vault, clock, "1600123456789")
    adult = await add(database, vault, clock, "1510999999001", birth_date="1951-09-01")
    child = await add(database, vault, clock, "1120599999001", birth_date="2012-05-14")
    end = clock.millis() + 1000
    for holder, kind in ((adult, GuardianshipKind.TUTELLE), (child, GuardianshipKind.PARENTAL)):
        await _represent(database, holder, former, clock.millis(), kind, until=end)
        await _represent(database, holder, present, clock.millis(), kind)

    def standing(person: Patient) -> list[bool]:
        caller, now = as_representative(person), clock.millis()
        return database.read_now(
            lambda c: [standing_of(c, each, caller, now).is_theirs for each in (adult, child)]
        )

    assert standing(former) == standing(present) == [True, True]
    clock.advance(timedelta(seconds=1))
    assert (standing(former), standing(present)) == ([False, False], [True, True])


async def _say(database: Database, patient: Patient, kind: ConsentKind, value: Consent, at: int) -> None:
    await database.write(lambda uow: consents.record(uow, patient.owner_id, kind, value, "patient:1", at))


async def _represent(
    database: Database,
    holder: Patient,
    guardian: Patient,
    at: int,
    kind: GuardianshipKind = GuardianshipKind.PARENTAL,
    *,
    until: int | None = None,
) -> None:
    await database.write(
        lambda uow: minority.represent(
            uow, holder.owner_id, guardian.owner_id, kind, "operator", at, until=until
        )
    )
