"""FHIR R4 resources as JSON: their bytes, their instants, and parts of them."""

from __future__ import annotations

import json
from typing import Any

import msgspec

from foundation.clock import from_millis

Resource = dict[str, Any]

_JSON = msgspec.json.Encoder()
_ALWAYS = frozenset({"resourceType", "id", "meta", "language"})
_SUBSETTED = {"system": "http://terminology.hl7.org/CodeSystem/v3-ObservationValue", "code": "SUBSETTED"}


def encoded(resource: Resource, *, pretty: bool = False) -> bytes:
    """The bytes that go out, UTF-8."""
    if pretty:
        return json.dumps(resource, ensure_ascii=False, indent=2).encode()
    return _JSON.encode(resource)


def instant(millis: int) -> str:
    """A FHIR instant in UTC."""
    return from_millis(millis).isoformat(timespec="milliseconds")


def subsetted(resource: Resource, elements: frozenset[str]) -> Resource:
    """Only these elements and the ones that always stand, marked as a part (FHIR R4 §3.1.1.5.9, _elements)."""
    part = {name: value for name, value in resource.items() if name in _ALWAYS or name in elements}
    part["meta"] = {**resource["meta"], "tag": [_SUBSETTED]}
    return part
