"""The figures of a month about records, told as those of the DMP are."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from directory.patients import PatientState
from dmp_bridge.intake import Bridge
from foundation.jobs import Worker
from mailserver.delivery.local import BRIDGE_JOB
from tests.dmp_bridge.builders import cda, mail, xdm
from tests.mailserver.place import Place, patient_address
from vaguemestre.indicators import Month
from vaguemestre.record_indicators import DOCUMENTS, RECORDS, RecordIndicators, collect

if TYPE_CHECKING:
    from pathlib import Path

    from directory.patients import Patient
    from foundation.clock import FixedClock
    from foundation.database import Database
    from foundation.events import Events
    from foundation.vault import Vault

MARCH, APRIL = "2026-03", "2026-04"


@pytest.fixture
def place(database: Database, vault: Vault, clock: FixedClock, tmp_path: Path) -> Place:
    return Place(database, vault, clock, tmp_path)


async def file(place: Place, events: Events, patient: Patient, **options: Any) -> None:
    number = f"1.2.250.1.999.{options.pop('number')}"
    document = cda(unique_id=f"{number}.1", set_id=number, ins=patient.ins, **options)
    content = mail(
        ("IHE_XDM.zip", "application/zip", xdm(document, ins=patient.ins, unique_id=None)),
        sender="labo@ailleurs.mssante.fr",
        recipient=patient_address(patient),
    )
    await place.receive(
        "labo@ailleurs.mssante.fr",
        patient_address(patient),
        content=b"Date: Thu, 13 Mar 2025 14:54:10 +0100\r\n" + content,
    )
    bridge = Bridge(place.database, place.vault, place.clock, place.settings)
    await Worker(place.database, events, place.clock, {BRIDGE_JOB: bridge.handle}).drain()
    await bridge.close()


async def figures(place: Place, month: str) -> RecordIndicators:
    wanted = Month.parse(month)
    assert wanted is not None
    return await place.database.read(lambda connection: collect(connection, wanted))


async def test_nobody_has_no_share(place: Place) -> None:
    found = await figures(place, MARCH)
    [row] = found.records
    assert tuple(row) == RECORDS
    assert (row["habitants"], row["part_avec_document"], row["documents_par_habitant_et_par_an"]) == (
        0,
        "",
        "",
    )
    assert found.documents == []


# ref: F41
async def test_documents_are_counted_per_inhabitant_and_by_type_and_structure(
    place: Place, events: Events
) -> None:
    dominique = await place.add_patient()
    await place.add_patient("1800175123456", PatientState.NOT_ACTIVATED)
    await place.add_patient("1900175123456", PatientState.OPPOSED)
    await file(place, events, dominique, number=1)
    await file(place, events, dominique, number=2, code="18748-4")
    place.clock.advance(timedelta(days=31))
    await file(place, events, dominique, number=3, institution_id="1990700012")

    [march] = (await figures(place, MARCH)).records
    assert (march["habitants"], march["dossiers_ouverts"], march["habitants_avec_document"]) == (3, 2, 1)
    assert (march["part_avec_document"], march["documents"], march["documents_du_mois"]) == ("33.3", 2, 2)
    found = await figures(place, APRIL)
    [april] = found.records
    assert (april["documents"], april["documents_du_mois"], april["documents_sur_un_an"]) == (3, 1, 3)
    assert april["documents_par_habitant_et_par_an"] == "1.00"
    [row] = found.documents
    assert tuple(row) == DOCUMENTS
    assert (row["type"], row["structure"], row["origine"], row["documents"]) == (
        "11502-2",
        "1990700012",
        "professional",
        1,
    )
    assert row["libelle"]
    assert [(each["type"], each["documents"]) for each in (await figures(place, MARCH)).documents] == [
        ("11502-2", 1),
        ("18748-4", 1),
    ]


async def test_a_year_ends_with_the_month(place: Place, events: Events) -> None:
    patient = await place.add_patient()
    await file(place, events, patient, number=1)
    [last] = (await figures(place, "2027-02")).records
    [after] = (await figures(place, "2027-03")).records
    assert (last["documents_sur_un_an"], after["documents_sur_un_an"]) == (1, 0)
    assert after["documents"] == 1
