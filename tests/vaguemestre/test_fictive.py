from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import pytest

import mailserver.store.tables  # noqa: F401 - declares its tables
from directory.annuaire.annuaire import Annuaire
from directory.annuaire.build import Imported, Importer
from directory.annuaire.conditions import Everything, Words
from directory.bals import BalRefused, BalType, find_bal, list_bals
from directory.correspondents import correspondent
from directory.patients import PatientState, find_patient, list_patients, represented_by
from foundation.identifiers import OID_TEST, Address, Finess, Ins, Rpps, Siret
from foundation.passwords import PasswordMemory
from foundation.settings import Settings
from mailserver.signin.choosing import Choosing
from tests.shared_data import shared
from vaguemestre.fictive import BALS, CAST, DOMAINS, PATIENTS, PROFESSIONALS, create_people
from vaguemestre.fictive_extracts import ACTIVITY_COLUMNS, MAILBOX_COLUMNS, write_extracts

if TYPE_CHECKING:
    from pathlib import Path

    from foundation.clock import FixedClock
    from foundation.database import Database
    from foundation.vault import Vault


def test_every_number_is_fictive_and_has_the_right_key() -> None:
    for professional in PROFESSIONALS:
        rpps = Rpps.parse(professional.rpps)
        assert rpps is not None
        assert rpps.checked
        assert rpps.value.startswith("999")
        structure = professional.structure
        siret = Siret.parse(structure.siret)
        assert siret is not None
        assert siret.checked
        assert siret.value.startswith("999")
        for number in filter(None, (structure.finess, structure.finess_legal)):
            finess = Finess.parse(number)
            assert finess is not None
            assert finess.checked
            assert finess.value.startswith("9907")
    assert len({professional.rpps for professional in PROFESSIONALS}) == len(PROFESSIONALS) == 11
    structures = {professional.structure for professional in PROFESSIONALS}
    assert len({structure.siret for structure in structures}) == len(structures)


def test_every_ins_has_the_right_key_and_the_traits_it_is_made_of() -> None:
    public = {"279035121518989", "221042545611404"}  # of the ANS's example documents
    for patient in PATIENTS:
        ins = Ins.parse(patient.ins, oid=OID_TEST)
        assert ins is not None
        assert ins.key_is_right or ins.value == "221042545611404"  # so the ANS published it
        year, month, _ = patient.birth_date.split("-")
        assert ins.value[:5] == {"M": "1", "F": "2"}[patient.sex] + year[2:] + month
        assert ins.value in public or ins.value[5:10] == "99999"
    assert {patient.ins for patient in PATIENTS} >= public


def test_the_cases_the_rules_need_are_there() -> None:
    assert {patient.state for patient in PATIENTS} == set(PatientState)
    adults = {patient.ins for patient in PATIENTS if not patient.minor}
    for minor in (patient for patient in PATIENTS if patient.minor):
        assert minor.representative in adults
    assert {bal.type for bal in BALS} == set(BalType)
    assert {bal.address.partition("@")[2] for bal in BALS} == set(DOMAINS)
    for bal in BALS:
        assert str(Address.parse(bal.address)) == bal.address
        assert (bal.professional is not None) == (bal.type in {BalType.PER, BalType.CAB})
    assert any(bal.red_list for bal in BALS)
    assert [bal.type for bal in BALS if bal.has_second_factor] == [BalType.PER]
    assert {bal.professional for bal in BALS if bal.professional} == set(PROFESSIONALS)


def test_the_columns_are_the_official_ones() -> None:
    for name, columns, ending in (
        ("Extraction_Correspondance_MSSante_FICTIF.txt", MAILBOX_COLUMNS, "\n"),
        ("PS_LibreAcces_Personne_activite_FICTIF.txt", ACTIVITY_COLUMNS, "|\n"),
    ):
        with shared("directory", name).open(encoding="utf-8") as file:
            assert file.readline() == "|".join(columns) + ending


# ref: F37
async def test_the_extracts_go_through_the_importer_without_a_bad_line(
    database: Database, clock: FixedClock, tmp_path: Path
) -> None:
    folder = tmp_path / "directory"
    for path in write_extracts(folder, BALS):
        (outcome,) = Importer(folder, clock).load(path)
        assert isinstance(outcome, Imported), outcome
        assert (outcome.part.bad_lines, outcome.part.duplicates) == (0, 0)
    annuaire = await Annuaire.open(folder, database, clock)
    try:
        view = annuaire.view()
        published = {box.address for box in view.page(Everything(), 1000)}
        assert len(view.persons(Everything(), 1000)) == len(PROFESSIONALS)
        hidden = {bal.address for bal in BALS} - published
        assert {bal.type for bal in BALS if bal.address in hidden} == {BalType.APP, BalType.CAB, BalType.ORG}
        assert {bal.address for bal in BALS if bal.red_list} <= hidden
        found = view.mailboxes(Words("neurologie le mans"), 10)
        assert [box.common_names[0] for box in found] == [
            "CAMILLE ROUSSEL",
            "NEUROLOGIE, CENTRE HOSPITALIER DE DEMONSTRATION",
        ]
        lefevre = await database.read(
            lambda c: correspondent(c, view, "helene.lefevre@liberal-demo.mssante.fr")
        )
        assert lefevre.line == "Dr Hélène LEFÈVRE, Médecin, Médecine générale, CABINET DU DR LEFEVRE"
    finally:
        await annuaire.close()


async def test_everybody_is_made_with_a_password_of_their_own(
    database: Database, vault: Vault, clock: FixedClock, tmp_path: Path
) -> None:
    numbers = itertools.count()
    choosing = Choosing(Settings(home=tmp_path))
    people = await create_people(database, vault, clock, CAST, choosing, lambda: f"mot-{next(numbers)}")
    assert [made.bal for made in people.bals] == list(BALS)
    assert [made.patient for made in people.patients] == list(PATIENTS)
    bals = await database.read(lambda c: list_bals(c))
    patients = await database.read(lambda c: list_patients(c))
    assert (len(bals), len(patients)) == (len(BALS), len(PATIENTS))
    assert len({made.password for made in (*people.bals, *people.patients)}) == len(bals) + len(patients)
    last = people.bals[-1]
    bal = await database.read(lambda c: find_bal(c, last.bal.address))
    assert bal is not None
    assert bal.owner_id == last.owner_id
    memory = PasswordMemory()
    assert await memory.verify(bal.password_hash, last.password)
    assert not await memory.verify(bal.password_hash, people.bals[0].password)
    thomas = await database.read(lambda c: find_patient(c, PATIENTS[0].ins))
    parent = await database.read(lambda c: find_patient(c, PATIENTS[1].ins))
    assert thomas is not None
    assert parent is not None
    assert thomas.is_minor(clock.now().date())
    assert (thomas.name, parent.name) == ("Thomas MERCIER", "Valerie MERCIER")
    assert await database.read(lambda c: represented_by(c, parent.owner_id)) == [thomas]
    assert last.password not in repr(last)


async def test_people_are_made_all_or_none(
    database: Database, vault: Vault, clock: FixedClock, tmp_path: Path
) -> None:
    choosing = Choosing(Settings(home=tmp_path))
    await create_people(database, vault, clock, CAST, choosing, lambda: "mot")
    with pytest.raises(BalRefused, match="exists already"):
        await create_people(database, vault, clock, CAST, choosing, lambda: "mot")
    assert len(await database.read(lambda c: list_bals(c))) == len(BALS)
