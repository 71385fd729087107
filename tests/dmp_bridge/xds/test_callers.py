"""From an assertion to a caller: what the card, the structure and the directory each vouch for."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from certs.names import NameMalformed
from dmp_bridge.rights.vocabulary import Mode, Role
from dmp_bridge.xds.callers import Callers, structures_of
from dmp_bridge.xds.soap import Fault, SubCode
from dmp_bridge.xds.vihf import read_vihf
from foundation.settings import RecordSettings
from tests.dmp_bridge.dossier.wards import document
from tests.dmp_bridge.xds.assertions import DOCTOR, STRUCTURE, Claims, der, signed
from tests.dmp_bridge.xds.messages import Provided, find_documents
from tests.dmp_bridge.xds.place import PEOPLE, Directory, settings_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from certs.pki import Issued
    from dmp_bridge.dossier.caller import Caller
    from dmp_bridge.xds.certificates import Certificates
    from foundation.clock import FixedClock
    from tests.dmp_bridge.xds.conftest import Cards
    from tests.dmp_bridge.xds.place import Place


@pytest.fixture
def call(
    certificates: Certificates, cards: Cards, clock: FixedClock, tmp_path: Path
) -> Callable[[Claims, Issued, Issued], Caller]:
    structures = structures_of(settings_of(tmp_path, cards).record.structures)
    callers = Callers(certificates, structures, Directory(dict(PEOPLE)))

    def called(claims: Claims, signer: Issued, connected: Issued) -> Caller:
        vihf = read_vihf(signed(claims, signer), certificates, clock.now(), RecordSettings())
        return callers.caller(vihf, der(connected))

    return called


def test_a_card_makes_a_professional(
    call: Callable[[Claims, Issued, Issued], Caller], cards: Cards, claims: Claims
) -> None:
    told = replace(claims, purpose="centre_15", motive="Régulation")
    caller = call(told, cards.doctor, cards.doctor)
    assert (caller.role, caller.id, caller.name) == (Role.PROFESSIONAL, DOCTOR, "MAX LIBRE")
    assert (caller.profession, caller.skill, caller.structure_id) == ("10", "SM26", STRUCTURE)
    assert (caller.mode, caller.motive, caller.channel) == (Mode.CENTRE_15, "Régulation", "xds")
    assert not caller.is_vouched_for


@pytest.mark.parametrize("skills", [(), (("C41", "1.2.250.1.71.4.2.5"),)])
def test_a_doctor_has_the_skill_that_the_directory_knows(
    call: Callable[[Claims, Issued, Issued], Caller],
    cards: Cards,
    claims: Claims,
    skills: tuple[tuple[str, str], ...],
) -> None:
    told = replace(claims, roles=(("10", "1.2.250.1.71.1.2.7"), *skills))
    with pytest.raises(Fault) as raised:
        call(told, cards.doctor, cards.doctor)
    assert raised.value.subcode is SubCode.FAILED_AUTHENTICATION


def test_a_structure_is_who_it_is_and_a_person_is_its_word(
    call: Callable[[Claims, Issued, Issued], Caller], cards: Cards, claims: Claims
) -> None:
    indirect = call(replace(claims, mode="INDIRECTE"), cards.hospital_signature, cards.hospital)
    assert (indirect.role, indirect.id, indirect.structure_id) == (Role.STRUCTURE, STRUCTURE, STRUCTURE)
    assert indirect.profession == ""
    reinforced = replace(claims, mode="INDIRECTE_RENFORCEE")
    person = call(reinforced, cards.hospital_signature, cards.hospital)
    assert (person.role, person.id, person.profession) == (Role.PROFESSIONAL, DOCTOR, "10")
    assert person.is_vouched_for
    wrong = replace(reinforced, roles=(("60", "1.2.250.1.71.1.2.7"),))
    with pytest.raises(Fault) as raised:
        call(wrong, cards.hospital_signature, cards.hospital)
    assert raised.value.subcode is SubCode.FAILED_AUTHENTICATION


def test_an_employee_is_one_of_the_structure_of_the_connection(
    call: Callable[[Claims, Issued, Issued], Caller], cards: Cards, claims: Claims
) -> None:
    secretary = replace(claims, roles=(("SECRETARIAT_MEDICAL", "1.2.250.1.213.1.1.4.6"),))
    caller = call(secretary, cards.doctor, cards.hospital)
    assert (caller.role, caller.id, caller.structure_id) == (Role.EMPLOYEE, DOCTOR, STRUCTURE)
    with pytest.raises(Fault):
        call(secretary, cards.doctor, cards.doctor)


def test_a_name_that_is_none_is_told_to_the_operator() -> None:
    with pytest.raises(NameMalformed, match=r"record\.structures"):
        structures_of({"no name": "1"})


async def test_nobody_feeds_under_the_word_of_a_structure_alone(place: Place) -> None:
    reinforced = place.software(
        place.cards.hospital, place.cards.hospital_signature, mode="INDIRECTE_RENFORCEE"
    )
    refused = await reinforced.provide(Provided(document()))
    assert refused.outcome == "Failure"
    assert (await place.doctor.provide(Provided(document()))).outcome == "Success"
    assert len((await reinforced.query(find_documents())).entries) == 1
