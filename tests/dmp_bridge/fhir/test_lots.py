"""Lots as FHIR tells them: those that came by mail, and what ITI-65 answers of a List."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dmp_bridge.intake import Bridge
from foundation.jobs import Job
from foundation.settings import from_values
from tests.dmp_bridge.builders import cda, mail, xdm
from tests.dmp_bridge.dossier.wards import INS
from tests.dmp_bridge.fhir.place import PATIENT

if TYPE_CHECKING:
    from pathlib import Path

    import httpx2

    from tests.dmp_bridge.fhir.place import Place


# ref: DMP-F31
async def test_a_package_that_came_by_mail_is_found_as_a_lot(
    fhir: Place, doctor: httpx2.AsyncClient, tmp_path: Path
) -> None:
    ward = fhir.ward
    message = mail(("IHE_XDM.zip", "application/zip", xdm(cda(ins=INS), lot="1.2.250.1.999.70", ins=INS)))
    sealed = await ward.vault.seal(message)
    blob_id = await ward.database.write(lambda uow: ward.vault.store(uow, sealed, (ward.owner_id,)))
    told = {"owner_id": ward.owner_id, "mail_id": 1, "blob_id": blob_id, "sender": "", "message_id": None}
    bridge = Bridge(ward.database, ward.vault, ward.clock, from_values(tmp_path, {}))
    try:
        await ward.database.write(await bridge.handle(Job(1, "bridge", told, 1)))
    finally:
        await bridge.close()
    answer = await doctor.get("List", params={"patient.identifier": PATIENT, "code": "submissionset"})
    (found,) = [each["resource"] for each in answer.json()["entry"]]
    assert found["identifier"][0]["value"] == "urn:oid:1.2.250.1.999.70"
    (member,) = found["entry"]
    assert (await doctor.get(member["item"]["reference"])).status_code == 200
