"""Tells that a record exists and how it stands, as a Patient (TD0.2; dmp.md §4.1)."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from dmp_bridge.fhir import systems
from dmp_bridge.fhir.elements import day_of

if TYPE_CHECKING:
    from directory.patients import Patient
    from dmp_bridge.dossier.forms import Existence
    from foundation.fhir.resources import Resource

_GENDERS = MappingProxyType({"M": "male", "F": "female"})


# ref: DMP-F34
def patient_resource(existence: Existence, patient: Patient, identity: str) -> Resource:
    """What may be told to this caller under this id: the traits only where the desk gives them."""
    extensions: list[Resource] = []
    if not existence.is_active and patient.closed_at is not None:
        extensions.append(
            {
                "url": systems.CLOSURE,
                "extension": [
                    {"url": "dateFermeture", "valueDate": day_of(patient.closed_at)},
                    {
                        "url": "motifFermeture",
                        "valueCodeableConcept": {
                            "coding": [{"system": systems.CLOSURE_REASON, "code": "patient-demande"}]
                        },
                    },
                    {"url": "raisonFermeture", "valueString": "Fermeture par le titulaire ou à sa demande."},
                ],
            }
        )
    extensions += [
        {"url": systems.ATTACHED, "valueBoolean": existence.is_activated},
        {"url": systems.ATTENDING, "valueBoolean": existence.is_attending},
    ]
    told: Resource = {
        "resourceType": "Patient",
        "id": identity,
        "meta": {"profile": [systems.PATIENT_PROFILE]},
        "extension": extensions,
        "identifier": [{"use": "official", "system": f"urn:oid:{patient.ins_oid}", "value": existence.ins}],
        "active": existence.is_active,
    }
    if existence.traits is not None:
        family, given, birth_date, sex = existence.traits
        told["name"] = [{"use": "official", "family": family, "given": given.replace(",", " ").split()}]
        told["gender"] = _GENDERS.get(sex, "unknown")
        if "-00" not in birth_date:  # a lunar date is no date in FHIR
            told["birthDate"] = birth_date
    return told
