from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from directory.patients import PatientState
from dmp_bridge.dossier.caller import Caller
from dmp_bridge.dossier.care_desk import CareDesk, Said
from dmp_bridge.dossier.consents import Consent, ConsentKind, ConsentRefused
from dmp_bridge.dossier.forms import Denied
from dmp_bridge.dossier.standing import standing_of
from dmp_bridge.hl7.adt import MAX_BYTES, AdtRefused, read_admission
from dmp_bridge.rights.decide import decide
from dmp_bridge.rights.question import Asker, Question
from dmp_bridge.rights.vocabulary import Action, Reason, Role
from foundation.clock import from_millis, to_paris
from tests.dmp_bridge.dossier.people import add
from tests.shared_data import shared

if TYPE_CHECKING:
    from directory.patients import Patient
    from dmp_bridge.hl7.adt import Admission
    from foundation.clock import FixedClock
    from foundation.database import Database
    from foundation.vault import Vault

INS = "279035121518989"
OID = "1.2.250.1.213.1.4.10"
STRUCTURE = "1000897406"


def message(
    zfa: str = "ZFA|ACTIF|20240306111154|||||||INO|20240306111154|IC|20240306111154",
    *,
    pid3: str = f"000003^^^CHU&1&N^PI~{INS}^^^ASIP-SANTE-INS-NIR&{OID}&ISO^INS^^20101207",
    pid32: str = "VALI",
    name: str = "PAT-TROIS^DOMINIQUE^DOMINIQUE^^^^L",
    kind: str = "ADT^A01^ADT_A01",
    end: str = "\r",
) -> bytes:
    """An admission with what these tests turn."""
    pid = ["PID", "1", "", pid3, "", name, "", "19790328", "F", *[""] * 23, pid32, "20240306111153"]
    lines = [
        rf"MSH|^~\&|GAM|CHU|DPI|CHU|20240306111154||{kind}|3975|D|2.5^FRA^2.11|||||FRA|UNICODE UTF-8",
        "EVN||20240306111154||||20240306110000",
        "|".join(pid),
        "PV1|1|I|^^^CHU-X&000897406&M^O",
        zfa,
    ]
    return end.join(line for line in lines if line).encode()


@pytest.mark.parametrize("end", ["\r", "\n", "\r\n"])
def test_an_admission_says_who_where_what_and_when(end: str) -> None:
    read = read_admission(message(end=end))
    assert (read.ins, read.birth_name, read.birth_date, read.sex) == (INS, "PAT-TROIS", "1979-03-28", "F")
    assert (read.structure_id, read.record_status, read.control_id) == (STRUCTURE, "ACTIF", "3975")
    assert (read.feeding, read.consultation) == ("INO", "IC")
    assert to_paris(from_millis(read.feeding_at)).isoformat() == "2024-03-06T11:11:54+01:00"
    assert INS not in repr(read)
    assert "PAT" not in repr(read)


def test_a_word_without_a_date_has_that_of_the_message() -> None:
    read = read_admission(message("ZFA|ACTIF||||||||IO||NA|"))
    assert (read.feeding, read.consultation) == ("IO", "NA")
    assert to_paris(from_millis(read.consultation_at)).isoformat() == "2024-03-06T11:11:54+01:00"


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"", "n’est pas un message"),
        (b"MSH|^~\\&|", "n’est pas une admission"),
        (message(kind="MDM^T02"), "n’est pas une admission"),
        (message(""), "ne dit rien"),
        (message(pid32="PROV"), "pas validée"),
        (message(pid32=""), "pas validée"),
        (message(pid3="000003^^^CHU&1&N^PI"), "un INS et un seul"),
        (message(pid3=f"{INS}^^^X&9.9.9&ISO^INS"), "un INS et un seul"),
        (message(pid3=f"{INS}^^^X&{OID}&ISO^INS~151119999900395^^^X&{OID}&ISO^INS"), "un INS et un seul"),
        (message("ZFA|ACTIF||||||||OUI||IC|"), "ZFA-9 a une valeur inconnue"),
        (message("ZFA|ACTIF||||||||INO||YES|"), "ZFA-11 a une valeur inconnue"),
        (message().replace(b"20240306111154", b""), "n’est pas daté"),
        (b"MSH|^~\\&|" + b"x" * MAX_BYTES, "dépasse 1 Mo"),
    ],
)
def test_what_cannot_be_kept_is_refused_in_one_sentence(data: bytes, sentence: str) -> None:
    with pytest.raises(AdtRefused, match=sentence):
        read_admission(data)


@given(st.binary(max_size=300), st.integers(0, 400))
def test_anything_else_is_refused_and_never_breaks(noise: bytes, place: int) -> None:
    whole = message()
    for data in (noise, whole[:place] + noise + whole[place:], whole[:place]):
        try:
            read_admission(data)
        except AdtRefused as refused:
            assert str(refused)


SAMPLES = {
    "ConsentementConsultation_NonOppositionAlimentation.er7": ("INO", "IC", True, True),
    "NonConsentementConsultation_NonOppositionAlimentation.er7": ("INO", "INC", True, False),
    "NonConsentementConsultation_OppositionAlimentation.er7": ("IO", "INC", False, False),
    "NonRecueillieConsentementConsultation_NonOppositionAlimentation.er7": ("INO", "NA", True, False),
    "NonRecueillieConsentementConsultation_NonRecueillieOppositionAlimentation.er7": (
        "NA",
        "NA",
        True,
        False,
    ),
}


@pytest.fixture
async def patient(database: Database, vault: Vault, clock: FixedClock) -> Patient:
    return await add(database, vault, clock)


async def note(database: Database, clock: FixedClock, admission: Admission) -> int:
    sender = Caller(role=Role.STRUCTURE, id=STRUCTURE, structure_id=STRUCTURE, channel="hl7")
    said = [
        Said(ConsentKind.FEEDING, Consent(admission.feeding), admission.feeding_at),
        Said(ConsentKind.CONSULTATION, Consent(admission.consultation), admission.consultation_at),
    ]
    return await CareDesk(database, clock).note(sender, admission.ins, said)


def answers(database: Database, patient: Patient, clock: FixedClock) -> tuple[Reason | None, Reason | None]:
    """Why a doctor of the hospital may not feed, and may not read."""
    doctor = Caller(role=Role.PROFESSIONAL, id="899900000011", profession="10", structure_id=STRUCTURE)
    standing = database.read_now(lambda c: standing_of(c, patient, doctor, clock.millis()))
    asker = Asker(role=Role.PROFESSIONAL, profession="10")
    feed, read = (
        decide(Question(asker=asker, standing=standing, act=act)) for act in (Action.FEED, Action.READ)
    )
    return feed, read


# ref: DMP-F22
@pytest.mark.parametrize("name", SAMPLES)
async def test_the_samples_of_pam_france_decide_who_feeds_and_reads(
    name: str, database: Database, patient: Patient, clock: FixedClock
) -> None:
    feeding, consultation, may_feed, may_read = SAMPLES[name]
    admission = read_admission(shared("hl7v2", name).read_bytes())
    assert (admission.feeding, admission.consultation) == (feeding, consultation)
    assert admission.is_of(replace(patient, birth_name="PAT-TROIS"))
    assert not admission.is_of(replace(patient, birth_date="1979-03-29"))
    assert not admission.is_of(replace(patient, birth_name="AUTRE"))
    assert not admission.is_of(replace(patient, sex="M"))
    assert await note(database, clock, admission) == 2
    assert answers(database, patient, clock) == (
        None if may_feed else Reason.FEEDING_OPPOSED,
        None if may_read else Reason.NOT_AUTHORISED,
    )
    assert await note(database, clock, admission) == 0, "the same message again says nothing new"


async def test_not_asked_lifts_no_opposition(database: Database, patient: Patient, clock: FixedClock) -> None:
    opposed = read_admission(message("ZFA|ACTIF||||||||IO|20240306111154|IC|20240306111154"))
    later = read_admission(message("ZFA|ACTIF||||||||NA|20240307111154|NA|20240307111154"))
    await note(database, clock, opposed)
    assert answers(database, patient, clock) == (Reason.FEEDING_OPPOSED, None)
    await note(database, clock, later)
    assert answers(database, patient, clock) == (Reason.FEEDING_OPPOSED, Reason.NOT_AUTHORISED)


async def test_messages_out_of_order_end_as_in_order(
    database: Database, patient: Patient, clock: FixedClock
) -> None:
    first = read_admission(message("ZFA|ACTIF||||||||IO|20240306111154|INC|20240306111154"))
    second = read_admission(message("ZFA|ACTIF||||||||INO|20240308111154|IC|20240308111154"))
    for each in (second, first, second):
        await note(database, clock, each)
    assert answers(database, patient, clock) == (None, None)


async def test_a_word_of_tomorrow_is_not_kept_as_the_last_one_of_every_day(
    database: Database, patient: Patient, clock: FixedClock
) -> None:
    await note(
        database, clock, read_admission(message("ZFA|ACTIF||||||||IO|20260306111154|IC|20260306111154"))
    )
    ahead = read_admission(message("ZFA|ACTIF||||||||INO|20990306111154|IC|20260306111154"))
    with pytest.raises(ConsentRefused, match="avenir"):
        await note(database, clock, ahead)
    assert answers(database, patient, clock) == (Reason.FEEDING_OPPOSED, None)


async def test_nothing_is_noted_of_a_closed_record(
    database: Database, vault: Vault, clock: FixedClock
) -> None:
    await add(database, vault, clock, state=PatientState.CLOSED)
    with pytest.raises(Denied) as denied:
        await note(database, clock, read_admission(message()))
    assert denied.value.reason is Reason.NO_RECORD
