"""People of the tests of the patient's will: a patient, a child and a parent, professionals, a structure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import insert

from directory.patients import Patient, PatientState, add_patient
from dmp_bridge import record
from dmp_bridge.dossier.caller import Caller
from dmp_bridge.dossier.tables import document_revision
from dmp_bridge.rights.vocabulary import Role
from dmp_bridge.tables import document
from foundation.identifiers import OID_TEST, ins_key

if TYPE_CHECKING:
    from foundation.clock import FixedClock
    from foundation.database import Database, UnitOfWork
    from foundation.vault import Vault

HOSPITAL = "1750000018"
DOCTOR = Caller(
    role=Role.PROFESSIONAL, id="899900000011", name="Dr Anne Roy", profession="10", structure_id=HOSPITAL
)
NURSE = Caller(role=Role.PROFESSIONAL, id="899900000029", name="Luc Petit", profession="60")
STRUCTURE = Caller(role=Role.STRUCTURE, id=HOSPITAL, structure_id=HOSPITAL)
OPERATOR = Caller(role=Role.OPERATOR, id="operator", channel="cli")


def as_patient(patient: Patient) -> Caller:
    return Caller(role=Role.PATIENT, id=f"patient:{patient.owner_id}", owner_id=patient.owner_id)


def as_representative(parent: Patient) -> Caller:
    return Caller(role=Role.REPRESENTATIVE, id=f"patient:{parent.owner_id}", owner_id=parent.owner_id)


async def add(
    database: Database,
    vault: Vault,
    clock: FixedClock,
    number: str = "2790351215189",
    *,
    birth_date: str = "1979-03-28",
    state: PatientState = PatientState.ACTIVATED,
) -> Patient:
    """A patient; `number` is the INS without its key."""

    def unit(uow: UnitOfWork) -> Patient:
        return add_patient(
            uow,
            vault,
            ins=number + ins_key(number),
            ins_oid=OID_TEST,
            birth_name="Pat Trois",
            first_names="Dominique Marie",
            birth_date=birth_date,
            sex="F",
            state=state,
            password_hash=None,
            now=clock.millis(),
        )

    return await database.write(unit)


async def file(
    database: Database,
    vault: Vault,
    patient: Patient,
    now: int,
    unique_id: str = "1.2.3",
    *,
    data: bytes = b"a report",
    unseen: bool = False,
    by_representatives: bool = False,
) -> int:
    """A document of a professional in the record, as the registry enters it."""
    sealed = await vault.seal(data)

    def unit(uow: UnitOfWork) -> int:
        values: dict[str, Any] = {
            column.name: "" if not column.nullable else None
            for column in document.columns
            if column.name != "id"
        }
        values |= {
            "owner_id": patient.owner_id,
            "unique_id": unique_id,
            "version_number": 1,
            "status": "approved",
            "origin": record.Origin.PROFESSIONAL.value,
            "title": "Compte rendu",
            "type_code": "11488-4",
            "confidentiality": "N",
            "masked_to_professionals": False,
            "invisible_to_patient": unseen,
            "invisible_to_representatives": by_representatives,
            "size": len(data),
            "blob_id": vault.store(uow, sealed, (patient.owner_id,)),
            "mail_id": 0,
            "filed_at": now,
            "changed_at": now,
            "act_at": now,
            "metadata_version": 1,
            "entry": "{}",
            "entry_uuid": f"urn:uuid:{unique_id}",
            "logical_id": f"urn:uuid:{unique_id}",
            "invisible_since": now if unseen else None,
        }
        document_id = uow.run(insert(document), values).inserted_id
        uow.execute(
            insert(document_revision),
            {
                "document_id": document_id,
                "metadata_version": 1,
                "owner_id": patient.owner_id,
                "entry_uuid": f"urn:uuid:{unique_id}",
                "status": "approved",
                "masked_to_professionals": False,
                "invisible_to_patient": unseen,
                "invisible_to_representatives": by_representatives,
                "actor": "test",
                "at": now,
            },
        )
        return document_id

    return await database.write(unit)
