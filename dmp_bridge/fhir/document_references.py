"""Tells a document of a record as a DocumentReference (dmp.md §2.3; PDSm ComprehensiveDocumentReference)."""

from __future__ import annotations

import base64
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from dmp_bridge.entry import Identifier, confidentiality_codes
from dmp_bridge.fhir import systems
from dmp_bridge.fhir.people import Contained
from dmp_bridge.record import Status
from dmp_bridge.visibility import Visibility
from foundation.fhir.resources import instant

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from dmp_bridge.codes import Coded
    from dmp_bridge.entry import DocumentEntry
    from dmp_bridge.record import Document
    from foundation.fhir.resources import Resource

STATUS = MappingProxyType(
    {
        Status.APPROVED: "current",
        Status.ARCHIVED: "current",
        Status.DEPRECATED: "superseded",
        Status.DELETED: "superseded",
    }
)
"""The availabilityStatus in FHIR; archived and deleted are told by extensions (PDSm 3.1.1, mise à jour)."""
RELATIONS = MappingProxyType({"RPLC": "replaces", "XFRM": "transforms", "APND": "appends", "signs": "signs"})


def document_reference(
    document: Document,
    entry: DocumentEntry,
    patient: Identifier,
    targets: Mapping[tuple[int, str], int],
    base: str,
    custodian: str,
) -> Resource:
    """The resource; `patient` is the INS and its OID, `base` the address of the service, `custodian` who keeps it.

    `targets` has the ids of related documents by the id of this one and the name it gives them.
    Its id stays as long as the document does: a change of the metadata gives another entryUUID and versionId only.
    """
    contained = Contained()
    told: Resource = {
        "resourceType": "DocumentReference",
        "id": str(document.id),
        "meta": {
            "versionId": str(document.metadata_version),
            "lastUpdated": instant(document.changed_at),
            "profile": [systems.DOCUMENT_PROFILE],
        },
        "extension": list(_extensions(document)),
        "masterIdentifier": _uri(document.unique_id),
        "identifier": [
            {"use": "official", **_uri(document.entry_uuid)},
            {"use": "usual", **_uri(document.logical_id)},
        ],
        "status": STATUS[document.status],
        "type": concept(entry.type_code, document.type_code),
        "category": [concept(entry.class_code, document.class_code or "")],
        "subject": subject(patient),
        "author": [contained.author(each) for each in entry.authors],
        "custodian": {"display": custodian},
        "relatesTo": list(_relations(document, entry, targets)),
        "securityLabel": security_labels(document),
        "content": [{"attachment": _attachment(document, base)}],
        "context": _context(document, entry, contained, patient),
    }
    if document.creation_at is not None:
        told["date"] = instant(document.creation_at)
    if entry.legal_authenticator is not None:
        told["authenticator"] = contained.practitioner(entry.legal_authenticator)
    if entry.comments:
        told["description"] = entry.comments
    if document.format_code:
        told["content"][0]["format"] = coding(entry.format_code, document.format_code)
    told["contained"] = contained.resources
    return {name: value for name, value in told.items() if value not in ([], {})}


def security_labels(document: Document) -> list[Resource]:
    """N (or R, V) first, then the visibilities that are not open (dmp.md §2.6)."""
    hidden = document.visibilities
    codes = confidentiality_codes(
        document.confidentiality, *(each.value for each in Visibility if each in hidden)
    )
    return [{"coding": [coding(each)]} for each in codes]


def coding(code: Coded | None, bare: str = "") -> Resource:
    """A Coding; the bare code where nothing more is known of it."""
    if code is None:
        return {"code": bare}
    told = {"system": systems.url_of(code.system), "code": code.code, "display": code.display}
    return {name: value for name, value in told.items() if value}


def concept(code: Coded | None, bare: str = "") -> Resource:
    """A CodeableConcept of one coding."""
    return {"coding": [coding(code, bare)]} if code is not None or bare else {}


def subject(patient: Identifier) -> Resource:
    """The patient as a reference by the INS (PDSm)."""
    return {"reference": f"Patient?identifier=urn:oid:{patient.oid}|{patient.value}"}


def identifier(value: Identifier) -> Resource:
    """An Identifier."""
    system = systems.url_of(value.oid)
    return {**({"system": system} if system else {}), "value": value.value}


def _uri(name: str) -> Resource:
    return {"system": systems.URI, "value": systems.uri_of(name)}


def _extensions(document: Document) -> Iterator[Resource]:
    yield {"url": systems.IS_ARCHIVED, "valueBoolean": document.status is Status.ARCHIVED}
    if document.status is Status.DELETED:
        yield {"url": systems.IS_DELETED, "valueBoolean": True}


def _relations(
    document: Document, entry: DocumentEntry, targets: Mapping[tuple[int, str], int]
) -> Iterator[Resource]:
    for each in entry.relations:
        if each.kind in RELATIONS:
            target: Resource = {"identifier": _uri(each.target)}
            if (known := targets.get((document.id, each.target))) is not None:
                target["reference"] = f"DocumentReference/{known}"
            yield {"code": RELATIONS[each.kind], "target": target}


def _attachment(document: Document, base: str) -> Resource:
    told: dict[str, Any] = {
        "contentType": document.mime_type,
        "language": document.language,
        "url": f"{base}/Binary/{document.id}",
        "size": document.size,
        "hash": base64.b64encode(bytes.fromhex(document.sha1)).decode(),
        "title": document.title,
    }
    if document.creation_at is not None:
        told["creation"] = instant(document.creation_at)
    return {name: value for name, value in told.items() if value != ""}


def _context(document: Document, entry: DocumentEntry, contained: Contained, patient: Identifier) -> Resource:
    period = {
        name: instant(at)
        for name, at in (("start", document.service_start_at), ("end", document.service_stop_at))
        if at is not None
    }
    told: Resource = {
        "event": [concept(each) for each in entry.event_codes],
        "period": period,
        "facilityType": concept(entry.healthcare_facility_type_code, document.facility_code),
        "practiceSetting": concept(entry.practice_setting_code, document.setting_code),
        "sourcePatientInfo": contained.patient(entry.source_patient, entry.source_patient_id or patient),
        "related": [{"identifier": identifier(each)} for each in entry.reference_ids],
    }
    return {name: value for name, value in told.items() if value}
