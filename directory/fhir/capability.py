"""The CapabilityStatement: said from the tables that the service itself reads."""

from __future__ import annotations

from typing import Any

from directory.fhir import systems
from directory.fhir.access import HEADER
from directory.fhir.parameters import (
    INCLUDES,
    KNOWN_INCLUDES,
    KNOWN_REVERSE_INCLUDES,
    PARAMETERS,
    REVERSE_INCLUDES,
)
from directory.fhir.systems import ResourceType
from foundation.fhir.body import MEDIA_TYPE
from foundation.fhir.capability import CONDITIONAL_PATCH, parameter_told, statement

_PATCH = {
    ResourceType.PRACTITIONER: "BAL PER (RPPS seul) et CAB, par FHIRPath Patch sur telecom ; aussi ?identifier=système|valeur.",
    ResourceType.PRACTITIONER_ROLE: "BAL PER (RPPS et structure), par FHIRPath Patch sur telecom ; aussi ?practitioner.identifier=…&organization.identifier=….",
    ResourceType.ORGANIZATION: "BAL ORG et APP, par FHIRPath Patch sur telecom ; aussi ?identifier=système|valeur.",
}


def capability_statement(base: str, generated_at: int) -> dict[str, Any]:
    """FHIR R4 CapabilityStatement of this instance; `generated_at` is the age of its data (epoch milliseconds)."""
    rest = {
        "documentation": "_type à la racine, Bundles batch de lectures, pages par jeton opaque.",
        "security": {"description": f"Clé d'API dans l'en-tête {HEADER}."},
        "resource": [_resource(kind) for kind in ResourceType],
        "interaction": [{"code": "batch"}, {"code": "search-system"}],
    }
    return statement(base, "Annuaire des BAL MSSanté", generated_at, rest, patch_formats=[MEDIA_TYPE])


def _resource(kind: ResourceType) -> dict[str, Any]:
    includes = [*INCLUDES[kind], *sorted(each for each in KNOWN_INCLUDES if each.startswith(f"{kind}:"))]
    reverse = list(REVERSE_INCLUDES[kind])
    if kind is ResourceType.ORGANIZATION:
        reverse += sorted(KNOWN_REVERSE_INCLUDES)
    told: dict[str, Any] = {
        "extension": [{"url": CONDITIONAL_PATCH, "valueBoolean": True}],
        "type": kind.value,
        "profile": systems.PROFILES[kind][0],
        "interaction": [
            {"code": "read"},
            {"code": "search-type"},
            {"code": "patch", "documentation": _PATCH[kind]},
        ],
        "versioning": "versioned-update",
        "readHistory": False,
        "conditionalRead": "full-support",
        "searchParam": [parameter_told(each) for each in PARAMETERS[kind].values()],
    }
    if includes:
        told["searchInclude"] = ["*", *includes]
    if reverse:
        told["searchRevInclude"] = reverse
    return told
