"""What every CapabilityStatement says alike, and the search parameters it names (FHIR R4 §2.7)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from foundation.fhir.body import MEDIA_TYPE
from foundation.fhir.resources import instant

if TYPE_CHECKING:
    from collections.abc import Sequence

CONDITIONAL_PATCH = (
    "http://hl7.org/fhir/5.0/StructureDefinition/extension-CapabilityStatement.rest.resource.conditionalPatch"
)


class Kind(StrEnum):
    """How the value of a search parameter is read (FHIR R4 §3.1.1.4)."""

    CODED = "token"
    STRING = "string"
    DATE = "date"
    REFERENCE = "reference"


@dataclass(frozen=True, slots=True)
class SearchParameter:
    """One parameter of one resource."""

    name: str
    kind: Kind
    documentation: str
    definition: str = ""


def statement(
    base: str, description: str, at: int, rest: dict[str, Any], *, patch_formats: Sequence[str]
) -> dict[str, Any]:
    """The CapabilityStatement of one interface; `at` is the age of what it serves (epoch milliseconds)."""
    return {
        "resourceType": "CapabilityStatement",
        "status": "active",
        "date": instant(at),
        "publisher": "Vaguemestre",
        "kind": "instance",
        "software": {"name": "Vaguemestre"},
        "implementation": {"description": description, "url": base},
        "fhirVersion": "4.0.1",
        "format": [MEDIA_TYPE, "json"],
        "patchFormat": list(patch_formats),
        "rest": [{"mode": "server", **rest}],
    }


def parameter_told(parameter: SearchParameter) -> dict[str, Any]:
    """One searchParam."""
    told = {"name": parameter.name, "type": parameter.kind.value, "documentation": parameter.documentation}
    return told | ({"definition": parameter.definition} if parameter.definition else {})
