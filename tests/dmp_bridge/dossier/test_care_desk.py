from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from directory.patients import PatientState
from dmp_bridge.dossier import relations
from dmp_bridge.dossier.caller import Caller
from dmp_bridge.dossier.care_desk import CareDesk, Ground, Said
from dmp_bridge.dossier.consents import Consent, ConsentKind, consents_of
from dmp_bridge.dossier.forms import Denied
from dmp_bridge.dossier.notices import NoticeEvent, notices_of
from dmp_bridge.dossier.relations import RelationKind
from dmp_bridge.dossier.standing import standing_of
from dmp_bridge.rights.vocabulary import Mode, Reason, Role
from tests.dmp_bridge.dossier.people import DOCTOR, HOSPITAL, NURSE, STRUCTURE, add, as_patient

if TYPE_CHECKING:
    from directory.patients import Patient
    from foundation.clock import FixedClock
    from foundation.database import Database
    from foundation.vault import Vault

SECRETARY = Caller(role=Role.EMPLOYEE, id="31234567890123400001", structure_id="312345678901234")
REGULATOR = replace(DOCTOR, mode=Mode.CENTRE_15, motive="Appel au 15")


@pytest.fixture
async def patient(database: Database, vault: Vault, clock: FixedClock) -> Patient:
    return await add(database, vault, clock)


@pytest.fixture
def desk(database: Database, clock: FixedClock) -> CareDesk:
    return CareDesk(database, clock)


def may_read(database: Database, patient: Patient, caller: Caller, clock: FixedClock) -> bool:
    return database.read_now(lambda c: standing_of(c, patient, caller, clock.millis())).is_authorised


@pytest.mark.parametrize(
    ("ground", "kind"), [(Ground.CONSENT, RelationKind.AUTHORISED), (Ground.TEAM, RelationKind.TEAM)]
)
async def test_a_professional_declares_and_withdraws(
    database: Database,
    patient: Patient,
    desk: CareDesk,
    clock: FixedClock,
    ground: Ground,
    kind: RelationKind,
) -> None:
    assert not may_read(database, patient, NURSE, clock)
    declared = await desk.declare(NURSE, patient.ins, ground)
    assert (declared.kind, declared.subject_id, declared.subject_name) == (kind, NURSE.id, NURSE.name)
    assert may_read(database, patient, NURSE, clock)
    informed = database.read_now(lambda c: consents_of(c, patient.owner_id)).was_informed
    assert informed is (ground is Ground.TEAM)
    told = database.read_now(lambda c: notices_of(c, patient.owner_id))
    assert [each.event for each in told] == [NoticeEvent.CONSENT_CHANGED]
    assert await desk.withdraw(NURSE, patient.ins)
    assert not await desk.withdraw(NURSE, patient.ins)
    assert not may_read(database, patient, NURSE, clock)


async def test_a_declaration_ends_by_itself_and_not_in_the_past(
    database: Database, patient: Patient, desk: CareDesk, clock: FixedClock
) -> None:
    await desk.declare(NURSE, patient.ins, Ground.CONSENT, until=clock.millis() + 1000)
    clock.advance(timedelta(seconds=1))
    assert not may_read(database, patient, NURSE, clock)
    with pytest.raises(Denied) as denied:
        await desk.declare(NURSE, patient.ins, Ground.CONSENT, until=clock.millis())
    assert denied.value.reason is Reason.INVALID


async def test_an_employee_declares_for_the_structure(
    database: Database, patient: Patient, desk: CareDesk, clock: FixedClock
) -> None:
    declared = await desk.declare(SECRETARY, patient.ins, Ground.CONSENT)
    assert declared.subject_id == SECRETARY.structure_id
    assert may_read(database, patient, replace(NURSE, structure_id=SECRETARY.structure_id), clock)
    nowhere = replace(SECRETARY, structure_id="")
    with pytest.raises(Denied) as denied:
        await desk.declare(nowhere, patient.ins, Ground.CONSENT)
    assert denied.value.reason is Reason.INVALID


@pytest.mark.parametrize(
    "caller",
    [STRUCTURE, replace(NURSE, mode=Mode.BRIS_DE_GLACE, motive="x"), replace(DOCTOR, skill="SM25")],
    ids=["structure", "emergency", "occupational"],
)
async def test_who_may_not_declare_is_refused(caller: Caller, patient: Patient, desk: CareDesk) -> None:
    with pytest.raises(Denied) as denied:
        await desk.declare(caller, patient.ins, Ground.CONSENT)
    assert denied.value.reason is Reason.ROLE


# ref: DMP-F26
async def test_the_blocked_cannot_declare_themselves_in(
    database: Database, patient: Patient, desk: CareDesk, clock: FixedClock
) -> None:
    await database.write(lambda uow: relations.block(uow, patient.owner_id, NURSE.id, "p", clock.millis()))
    with pytest.raises(Denied) as denied:
        await desk.declare(NURSE, patient.ins, Ground.CONSENT)
    assert denied.value.reason is Reason.BLOCKED


async def test_the_attending_doctor_ceases(
    database: Database, patient: Patient, desk: CareDesk, clock: FixedClock
) -> None:
    with pytest.raises(Denied):
        await desk.cease_as_attending(DOCTOR, patient.ins)
    await database.write(
        lambda uow: relations.set_attending(uow, patient.owner_id, DOCTOR.id, "p", clock.millis())
    )
    assert [each.subject_id for each in await desk.professionals(DOCTOR, patient.ins)] == [DOCTOR.id]
    await desk.cease_as_attending(DOCTOR, patient.ins)
    with pytest.raises(Denied) as denied:
        await desk.professionals(DOCTOR, patient.ins)
    assert denied.value.reason is Reason.NOT_AUTHORISED


# ref: DMP-F22
async def test_a_professional_notes_all_that_was_said_or_nothing(
    database: Database, patient: Patient, desk: CareDesk
) -> None:
    said = [
        Said(ConsentKind.INFORMATION, Consent.TOLD),
        Said(ConsentKind.FEEDING, Consent.OPPOSED, reason="Un proche y travaille."),
    ]
    assert await desk.note(DOCTOR, patient.ins, said) == 2
    rows = database.read_now(lambda c: consents_of(c, patient.owner_id)).rows
    assert {(row.structure_id, row.actor) for row in rows} == {(HOSPITAL, DOCTOR.id)}
    with pytest.raises(Denied) as denied:
        await desk.note(
            DOCTOR,
            patient.ins,
            [
                Said(ConsentKind.CONSULTATION, Consent.CONSENTS),
                Said(ConsentKind.CENTRE_15, Consent.PERMIT),
            ],
        )
    assert denied.value.reason is Reason.ROLE
    assert len(database.read_now(lambda c: consents_of(c, patient.owner_id)).rows) == 2


# ref: DMP-F25
async def test_professionals_list_the_records_open_to_them(
    database: Database, vault: Vault, patient: Patient, desk: CareDesk, clock: FixedClock
) -> None:
    other = await add(database, vault, clock, "1510999999001", birth_date="1951-09-01")
    closed = await add(
        database, vault, clock, "1900999999001", birth_date="1990-09-30", state=PatientState.CLOSED
    )
    for each in (patient, other, closed):
        await _authorise(database, each, NURSE.id, clock.millis())
        clock.advance(timedelta(days=1))
    found = await desk.authorised_records(NURSE)
    assert [each.ins for each in found] == [patient.ins, other.ins]
    later = await desk.authorised_records(NURSE, after=found[0].relation.id)
    assert [each.ins for each in later] == [other.ins]
    since = await desk.authorised_records(NURSE, since=found[1].relation.since)
    assert [each.ins for each in since] == [other.ins]
    assert patient.ins not in repr(found)


async def test_a_structure_lists_by_date_and_an_employee_those_of_the_structure(
    database: Database, patient: Patient, desk: CareDesk, clock: FixedClock
) -> None:
    now = clock.millis()
    for subject in (HOSPITAL, SECRETARY.structure_id):
        await _authorise(database, patient, subject, now)
    with pytest.raises(Denied) as denied:
        await desk.authorised_records(STRUCTURE)
    assert denied.value.reason is Reason.INVALID
    assert len(await desk.authorised_records(STRUCTURE, since=now)) == 1
    assert await desk.authorised_records(STRUCTURE, since=now + 1) == []
    assert len(await desk.authorised_records(SECRETARY)) == 1
    with pytest.raises(Denied):
        await desk.authorised_records(as_patient(patient))


async def test_a_regulator_finds_a_record_by_name_and_date_of_birth(patient: Patient, desk: CareDesk) -> None:
    wanted = {"birth_name": "pat-trois", "first_name": "Dominique", "birth_date": "1979-03-28"}
    assert [each.ins for each in await desk.find_without_ins(REGULATOR, **wanted)] == [patient.ins]
    for wrong in (
        wanted | {"birth_name": "AUTRE"},
        wanted | {"first_name": ""},
        wanted | {"birth_date": "1979-03-29"},
        wanted | {"sex": "M"},
    ):
        assert await desk.find_without_ins(REGULATOR, **wrong) == []
    with pytest.raises(Denied) as denied:
        await desk.find_without_ins(DOCTOR, **wanted)
    assert denied.value.reason is Reason.ROLE
    with pytest.raises(Denied) as denied:
        await desk.find_without_ins(replace(REGULATOR, motive=" "), **wanted)
    assert denied.value.reason is Reason.MOTIVE_MISSING


async def _authorise(database: Database, patient: Patient, subject_id: str, now: int) -> None:
    await database.write(
        lambda uow: relations.declare(uow, patient.owner_id, RelationKind.AUTHORISED, subject_id, "p", now)
    )
