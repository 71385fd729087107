from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from directory.patients import PatientState, add_representative, patient_of
from dmp_bridge.dossier import traces
from dmp_bridge.dossier.closing import ClosingRefused
from dmp_bridge.dossier.consents import Consent, ConsentKind
from dmp_bridge.dossier.forms import Denied
from dmp_bridge.dossier.minority import GuardianshipKind
from dmp_bridge.dossier.notices import NoticeEvent, notices_of
from dmp_bridge.dossier.own_desk import OwnDesk
from dmp_bridge.dossier.preferences import Preferences
from dmp_bridge.dossier.relations import RelationKind
from dmp_bridge.dossier.timers import Timers
from dmp_bridge.rights.vocabulary import Reason
from tests.dmp_bridge.dossier.people import DOCTOR, NURSE, OPERATOR, add, as_patient, as_representative

if TYPE_CHECKING:
    from directory.patients import Patient
    from foundation.clock import FixedClock
    from foundation.database import Database
    from foundation.vault import Vault


@pytest.fixture
async def patient(database: Database, vault: Vault, clock: FixedClock) -> Patient:
    return await add(database, vault, clock)


@pytest.fixture
async def child(database: Database, vault: Vault, clock: FixedClock, patient: Patient) -> Patient:
    """A minor whom `patient` represents."""
    made = await add(database, vault, clock, "1120599999001", birth_date="2012-05-14")
    await database.write(lambda uow: add_representative(uow, made.owner_id, patient.owner_id))
    return made


@pytest.fixture
def desk(database: Database, clock: FixedClock) -> OwnDesk:
    return OwnDesk(database, clock)


def traced(database: Database, patient: Patient) -> list[tuple[str, str, str]]:
    found = database.read_now(lambda c: traces.traces_of(c, patient.owner_id, traces.TraceQuery()))
    return [(each.action, each.outcome, each.caller_id) for each in found][::-1]


async def test_a_patient_blocks_names_and_withdraws_and_each_act_is_traced(
    database: Database, patient: Patient, desk: OwnDesk
) -> None:
    me = as_patient(patient)
    assert await desk.set_attending(me, DOCTOR.id, name=DOCTOR.name)
    assert await desk.block(me, NURSE.id, name=NURSE.name)
    assert {(each.kind, each.subject_id) for each in await desk.relations(me)} == {
        (RelationKind.ATTENDING, DOCTOR.id),
        (RelationKind.BLOCKED, NURSE.id),
    }
    assert await desk.unblock(me, NURSE.id)
    assert await desk.withdraw(me, RelationKind.ATTENDING, DOCTOR.id)
    assert await desk.relations(me) == []
    assert len(await desk.relations(me, history=True)) == 2
    who = f"patient:{patient.owner_id}"
    assert traced(database, patient)[:4] == [
        ("set-attending", "ok", who),
        ("block", "ok", who),
        ("list-professionals", "ok", who),
        ("unblock", "ok", who),
    ]


async def test_what_was_said_has_its_author_and_the_others_learn_of_it(
    database: Database, patient: Patient, child: Patient, desk: OwnDesk
) -> None:
    parent, minor = as_representative(patient), as_patient(child)
    assert await desk.say(parent, ConsentKind.CENTRE_15, Consent.DENY, ins=child.ins)
    assert not await desk.say(minor, ConsentKind.CENTRE_15, Consent.DENY)
    (row,) = (await desk.consents(minor)).rows
    assert (row.actor, row.value) == (parent.id, Consent.DENY)
    assert [each.event for each in await desk.notices(minor)] == [NoticeEvent.CONSENT_CHANGED]
    assert await desk.notices(parent, child.ins) == []


async def test_nobody_acts_in_the_record_of_a_stranger_and_the_attempt_is_traced(
    database: Database, patient: Patient, child: Patient, desk: OwnDesk
) -> None:
    for caller in (as_patient(patient), as_representative(child), DOCTOR):
        with pytest.raises(Denied) as denied:
            await desk.block(
                caller, NURSE.id, ins=child.ins if caller.owner_id == patient.owner_id else patient.ins
            )
        assert denied.value.reason in {Reason.NO_RECORD, Reason.ROLE}
    outcomes = [outcome for _, outcome, _ in (*traced(database, child), *traced(database, patient))]
    assert sorted(outcomes) == ["no-record", "no-record", "role"]


async def test_an_unknown_ins_is_refused_and_traced_without_it(database: Database, desk: OwnDesk) -> None:
    with pytest.raises(Denied) as denied:
        await desk.close(OPERATOR, "123456789012345")
    assert denied.value.reason is Reason.NO_RECORD


async def test_wishes_are_of_the_person_who_asks(patient: Patient, child: Patient, desk: OwnDesk) -> None:
    parent = as_representative(patient)
    await desk.set_preferences(parent, Preferences(email="parent@exemple.fr"), ins=child.ins)
    assert (await desk.preferences(as_patient(patient))).email == "parent@exemple.fr"
    assert (await desk.preferences(as_patient(child))).email == ""


# ref: DMP-F21
async def test_a_patient_closes_asks_for_deletion_and_reopens(
    database: Database, patient: Patient, desk: OwnDesk, clock: FixedClock
) -> None:
    me = as_patient(patient)
    with pytest.raises(Denied):
        await desk.ask_deletion(me)
    assert (await desk.close(me)).state is PatientState.CLOSED
    for act in (desk.close(me), desk.block(me, DOCTOR.id), desk.say(me, ConsentKind.CENTRE_15, Consent.DENY)):
        with pytest.raises(Denied) as denied:
            await act
        assert denied.value.reason is Reason.NO_RECORD
    closing = await desk.ask_deletion(me)
    assert closing.deletion_asked_by == me.id
    assert await desk.ask_deletion(me) == closing
    clock.advance(timedelta(days=3))
    assert (await desk.reopen(me)).state is PatientState.ACTIVATED
    assert await desk.block(me, DOCTOR.id)


async def test_a_representative_closes_and_the_holder_is_told(
    database: Database, patient: Patient, child: Patient, desk: OwnDesk
) -> None:
    await desk.close(as_representative(patient), child.ins)
    told = database.read_now(lambda c: notices_of(c, child.owner_id))
    assert [each.event for each in told] == [NoticeEvent.RECORD_CLOSED]
    closed = database.read_now(lambda c: patient_of(c, child.owner_id))
    assert closed is not None
    assert closed.state is PatientState.CLOSED


# ref: DMP-F20
async def test_operators_alone_write_down_guardians(
    patient: Patient, child: Patient, desk: OwnDesk, database: Database, vault: Vault, clock: FixedClock
) -> None:
    adult = await add(database, vault, clock, "1510999999001", birth_date="1951-09-01")
    for caller in (as_patient(adult), replace(as_patient(adult), channel="portal")):
        with pytest.raises(Denied) as denied:
            await desk.represent(caller, patient.ins, GuardianshipKind.TUTELLE, ins=adult.ins)
        assert denied.value.reason is Reason.ROLE
    await desk.represent(OPERATOR, patient.ins, GuardianshipKind.TUTELLE, ins=adult.ins)
    guardian = as_representative(patient)
    assert await desk.block(guardian, NURSE.id, ins=adult.ins)
    assert await desk.end_representation(OPERATOR, patient.ins, ins=adult.ins)
    with pytest.raises(Denied):
        await desk.unblock(guardian, NURSE.id, ins=adult.ins)


async def test_a_deletion_that_happened_cannot_be_asked_again(
    database: Database, vault: Vault, patient: Patient, desk: OwnDesk, clock: FixedClock
) -> None:
    me = as_patient(patient)
    await desk.close(me)
    await desk.ask_deletion(me)
    clock.advance(timedelta(days=31))
    await Timers(database, vault, clock).look()
    with pytest.raises(ClosingRefused):
        await desk.ask_deletion(me)
