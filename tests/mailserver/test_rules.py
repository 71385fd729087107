from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from directory.patients import PatientState
from mailserver.refusals import (
    DOMAIN_NOT_REACHABLE,
    EXCHANGE_ENDED,
    FOREIGN_SENDER_EXPECTED,
    INVALID_ADDRESS,
    INVALID_PATIENT_ADDRESS,
    MAILBOX_CLOSED,
    MAILBOX_SUSPENDED,
    PATIENT_BOX_CLOSED,
    PATIENT_MAY_NOT_BEGIN,
    PATIENT_TO_PATIENT,
    RELAY_DENIED,
    SENDER_NOT_OWNED,
    TRUST_UNAVAILABLE,
    UNKNOWN_MAILBOX,
    UNKNOWN_PATIENT,
    Refusal,
)
from tests.mailserver.place import DOMAIN, PATIENTS, Place, Space, patient_address, principal_of

if TYPE_CHECKING:
    from pathlib import Path

    from foundation.clock import FixedClock
    from foundation.database import Database
    from foundation.vault import Vault

OUTSIDE = "a@ailleurs.mssante.fr"


@pytest.fixture
def place(database: Database, vault: Vault, clock: FixedClock, tmp_path: Path) -> Place:
    return Place(database, vault, clock, tmp_path)


def reporting(database: Database, vault: Vault, clock: FixedClock, home: Path, **patients: str) -> Place:
    return Place(database, vault, clock, home, patients=patients)


async def test_a_signed_in_person_uses_the_address_of_the_box_in_any_case(place: Place) -> None:
    marie = principal_of(await place.add("marie"))
    assert place.rules.sender(marie, marie.address) is None
    assert place.rules.sender(marie, marie.address.upper()) is None


async def test_a_signed_in_person_uses_no_address_of_another(place: Place) -> None:
    marie, paul = principal_of(await place.add("marie")), await place.add("paul")
    for other in (paul.address, OUTSIDE, "not an address", f"279035121518989@{PATIENTS}"):
        assert place.rules.sender(marie, other) is SENDER_NOT_OWNED


async def test_a_person_uses_all_her_personal_boxes_but_not_a_suspended_one(place: Place) -> None:
    idnat = "899999999999"
    marie = principal_of(await place.add("marie", idnat=idnat))
    cabinet = await place.add("cabinet", idnat=idnat)
    team = await place.add("equipe", idnat=idnat, type="ORG")
    assert place.rules.sender(marie, cabinet.address) is None
    assert place.rules.sender(marie, team.address) is SENDER_NOT_OWNED
    await place.suspend(cabinet)
    assert place.rules.sender(marie, cabinet.address) is SENDER_NOT_OWNED


async def test_the_null_path_is_for_everybody(place: Place) -> None:
    marie = principal_of(await place.add("marie"))
    assert place.rules.sender(marie, "") is None
    assert place.rules.sender(None, "") is None


# ref: F10
def test_a_hosted_sender_who_has_not_signed_in_is_refused(place: Place) -> None:
    assert place.rules.sender(None, f"marie@{DOMAIN}") is FOREIGN_SENDER_EXPECTED
    assert place.rules.sender(None, f"279035121518989@{PATIENTS}") is FOREIGN_SENDER_EXPECTED
    assert place.rules.sender(None, OUTSIDE) is None


# ref: F39
async def test_a_box_takes_mail_by_its_state_as_it_is_now(place: Place) -> None:
    marie, paul = principal_of(await place.add("marie")), await place.add("paul")
    assert await place.rules.recipient(marie, marie.address, paul.address.upper()) is None
    await place.suspend(paul)
    assert await place.rules.recipient(marie, marie.address, paul.address) is MAILBOX_SUSPENDED
    await place.shut(paul)
    assert await place.rules.recipient(marie, marie.address, paul.address) is MAILBOX_CLOSED


# ref: F10
@pytest.mark.parametrize(
    ("to", "refusal"),
    [
        (f"nobody@{DOMAIN}", UNKNOWN_MAILBOX),
        (OUTSIDE, DOMAIN_NOT_REACHABLE),
        ("", INVALID_ADDRESS),
        ("nobody", INVALID_ADDRESS),
        (f"27903512151898@{PATIENTS}", INVALID_PATIENT_ADDRESS),
        (f"2790351215189890@{PATIENTS}", INVALID_PATIENT_ADDRESS),
        (f"marie.martin@{PATIENTS}", INVALID_PATIENT_ADDRESS),
        (f"2790351215189-8@{PATIENTS}", INVALID_PATIENT_ADDRESS),
        (f"@{PATIENTS}", INVALID_PATIENT_ADDRESS),
        (f"279035121518989@{PATIENTS}", UNKNOWN_PATIENT),
    ],
)
async def test_an_address_that_leads_nowhere_is_refused_at_once(
    place: Place, to: str, refusal: Refusal
) -> None:
    marie = principal_of(await place.add("marie"))
    assert await place.rules.recipient(marie, marie.address, to) is refusal


# ref: F10
async def test_a_stranger_cannot_relay(place: Place) -> None:
    assert await place.rules.recipient(None, OUTSIDE, "b@example.org") is RELAY_DENIED


# ref: ECO.3.1.5, F28
async def test_the_key_of_the_ins_is_never_the_reason(place: Place) -> None:
    # N08: 279035121518980 has a wrong key; all that may be said is that nobody is known by it.
    marie = principal_of(await place.add("marie"))
    wrong = f"279035121518980@{PATIENTS}"
    assert await place.rules.recipient(marie, marie.address, wrong) is UNKNOWN_PATIENT


# ref: MSS/va1.20, F48
@pytest.mark.parametrize(
    ("state", "refusal"),
    [
        (PatientState.ACTIVATED, None),
        (PatientState.NOT_ACTIVATED, None),
        (PatientState.OPPOSED, PATIENT_BOX_CLOSED),
        (PatientState.CLOSED, PATIENT_BOX_CLOSED),
    ],
)
async def test_a_patient_takes_mail_by_state(
    place: Place, state: PatientState, refusal: Refusal | None
) -> None:
    marie, patient = principal_of(await place.add("marie")), await place.add_patient(state=state)
    assert await place.rules.recipient(marie, marie.address, patient_address(patient)) is refusal


async def test_patients_who_never_signed_in_can_be_set_to_refuse(
    database: Database, vault: Vault, clock: FixedClock, tmp_path: Path
) -> None:
    place = reporting(database, vault, clock, tmp_path, not_activated="refuse")
    marie = principal_of(await place.add("marie"))
    patient = await place.add_patient(state=PatientState.NOT_ACTIVATED)
    to = patient_address(patient)
    assert await place.rules.recipient(marie, marie.address, to) is PATIENT_BOX_CLOSED


async def test_where_reports_are_set_a_local_sender_is_let_through_to_get_one(
    database: Database, vault: Vault, clock: FixedClock, tmp_path: Path
) -> None:
    place = reporting(database, vault, clock, tmp_path, undeliverable="report")
    marie = principal_of(await place.add("marie"))
    for to in (f"279035121518989@{PATIENTS}", f"oops@{PATIENTS}"):
        assert await place.rules.recipient(marie, marie.address, to) is None
    assert await place.rules.recipient(marie, marie.address, f"nobody@{DOMAIN}") is UNKNOWN_MAILBOX


async def test_where_reports_are_set_whom_none_can_reach_is_refused_at_once(
    database: Database, vault: Vault, clock: FixedClock, tmp_path: Path
) -> None:
    place = reporting(database, vault, clock, tmp_path, undeliverable="report")
    marie = principal_of(await place.add("marie"))
    to = f"279035121518989@{PATIENTS}"
    assert await place.rules.recipient(None, OUTSIDE, to) is UNKNOWN_PATIENT
    assert await place.rules.recipient(marie, "", to) is UNKNOWN_PATIENT


# ref: F31
async def test_a_patient_does_not_write_to_a_doctor_first(place: Place) -> None:
    # N10
    marie, patient = await place.add("marie"), await place.add_patient()
    refusal = await place.rules.recipient(None, patient_address(patient), marie.address)
    assert refusal is PATIENT_MAY_NOT_BEGIN


# ref: F31
async def test_a_patient_does_not_write_to_a_patient(place: Place) -> None:
    # N11
    one, other = await place.add_patient(), await place.add_patient("1850578006084")
    refusal = await place.rules.recipient(None, patient_address(one), patient_address(other))
    assert refusal is PATIENT_TO_PATIENT


# ref: F31
async def test_a_patient_writes_to_who_wrote_until_the_exchange_ends(place: Place) -> None:
    marie, patient = await place.add("marie"), await place.add_patient()
    me = patient_address(patient)
    await place.send(marie, me)
    assert await place.rules.recipient(None, me, marie.address) is None
    await place.send(marie, me, subject="[FIN]", message_id="<fin@x>")
    assert await place.rules.recipient(None, me, marie.address) is EXCHANGE_ENDED


async def test_a_listed_domain_is_for_who_signed_in_and_the_list_counts_as_it_is_now(
    database: Database, vault: Vault, clock: FixedClock, tmp_path: Path
) -> None:
    space = Space.of("ailleurs.mssante.fr")
    place = Place(database, vault, clock, tmp_path, trust=space)
    marie = principal_of(await place.add("marie"))
    rules = place.rules
    assert await rules.recipient(marie, marie.address, OUTSIDE) is None
    assert await rules.recipient(marie, marie.address, OUTSIDE.upper()) is None
    assert await rules.recipient(marie, "", OUTSIDE) is None
    assert await rules.recipient(marie, marie.address, "a@autre.mssante.fr") is DOMAIN_NOT_REACHABLE
    assert await rules.recipient(None, "b@autre.mssante.fr", OUTSIDE) is RELAY_DENIED
    space.white_list = frozenset()
    assert await rules.recipient(marie, marie.address, OUTSIDE) is DOMAIN_NOT_REACHABLE
    space.white_list = None
    assert await rules.recipient(marie, marie.address, OUTSIDE) is TRUST_UNAVAILABLE
    assert await rules.recipient(marie, marie.address, marie.address) is None


async def test_a_patient_of_another_operator_is_that_operators_to_judge(
    database: Database, vault: Vault, clock: FixedClock, tmp_path: Path
) -> None:
    place = Place(database, vault, clock, tmp_path, trust=Space.of(PATIENTS), serves_patients=False)
    marie = principal_of(await place.add("marie"))
    patient = f"279035121518989@{PATIENTS}"
    assert await place.rules.recipient(marie, marie.address, patient) is None
    assert await place.rules.recipient(None, patient, marie.address) is None
    assert place.rules.sender(None, patient) is None


async def test_where_reports_are_set_a_listed_sender_gets_one_and_any_other_is_refused(
    database: Database, vault: Vault, clock: FixedClock, tmp_path: Path
) -> None:
    space = Space.of("ailleurs.mssante.fr")
    place = Place(database, vault, clock, tmp_path, trust=space, patients={"undeliverable": "report"})
    to = f"279035121518989@{PATIENTS}"
    assert await place.rules.recipient(None, OUTSIDE, to) is None
    assert await place.rules.recipient(None, "a@autre.mssante.fr", to) is UNKNOWN_PATIENT
    assert await place.rules.recipient(None, "", to) is UNKNOWN_PATIENT
