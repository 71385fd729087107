"""The CapabilityStatement: said from the tables that the service itself reads."""

from __future__ import annotations

from types import MappingProxyType
from typing import Any

from dmp_bridge.fhir import systems
from dmp_bridge.fhir.parameters import TABLE
from foundation.fhir.body import JSON_PATCH, MEDIA_TYPE
from foundation.fhir.capability import CONDITIONAL_PATCH, parameter_told, statement

_PROFILES = MappingProxyType(
    {
        "Patient": systems.PATIENT_PROFILE,
        "DocumentReference": systems.DOCUMENT_PROFILE,
        "List": systems.SUBMISSION_PROFILE,
    }
)
INTERACTIONS = MappingProxyType(
    {
        "Patient": {"search-type": "TD0.2 : existence et état du dossier."},
        "DocumentReference": {
            "search-type": "ITI-67 (TD3.1).",
            "read": "Fiche d'un document, avec son ETag.",
            "create": "ITI-105 (TD2.1) : contenu dans la fiche ; relatesTo replaces remplace.",
            "patch": "TD3.3 : status, securityLabel, isArchived, isDeleted ; aussi ?identifier=système|valeur.",
        },
        "Binary": {"read": "ITI-68 (TD3.2) : le fichier tel que déposé, ou la ressource en JSON."},
        "List": {
            "search-type": "ITI-66 : lots de soumission.",
            "read": "Un lot, avec les fiches qu'il apporte ou désigne.",
        },
        "AuditEvent": {"search-type": "Traces : toutes pour le médecin traitant, les siennes pour un autre."},
        "Consent": {
            "search-type": "TD1.6 : professionnels autorisés, médecin traitant, bloqués.",
            "create": "TD0.3 : se déclarer autorisé ou y mettre fin ; noter l'information et l'opposition.",
        },
    }
)
"""What is routed, by resource and interaction."""


def capability_statement(base: str, started_at: int) -> dict[str, Any]:
    """FHIR R4 CapabilityStatement of this instance; `started_at` in epoch milliseconds."""
    rest = {
        "documentation": "Transactions ITI-65 et Bundles batch de lectures à la racine ; pages par jeton opaque.",
        "security": {
            "cors": False,
            "description": "Jeton Pro Santé Connect (Authorization: Bearer) ou certificat de structure ; X-Purpose-Of-Use, X-Access-Motive.",
        },
        "resource": [_resource(kind) for kind in INTERACTIONS],
        "interaction": [{"code": "transaction"}, {"code": "batch"}],
    }
    formats = [MEDIA_TYPE, JSON_PATCH]
    return statement(base, "Dossier du patient (PDSm)", started_at, rest, patch_formats=formats)


def _resource(kind: str) -> dict[str, Any]:
    told: dict[str, Any] = {
        "type": kind,
        "interaction": [
            {"code": code, "documentation": sentence} for code, sentence in INTERACTIONS[kind].items()
        ],
    }
    if kind in _PROFILES:
        told["profile"] = _PROFILES[kind]
    if kind == "DocumentReference":
        told["extension"] = [{"url": CONDITIONAL_PATCH, "valueBoolean": True}]
        told["versioning"] = "versioned-update"
        told["readHistory"] = False
    if kind in TABLE:
        told["searchParam"] = [parameter_told(each) for each in TABLE[kind]]
    return told
