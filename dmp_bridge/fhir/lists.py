"""Tells a submission set as a List (IHE MHD ITI-66; PDSm SubmissionSetComprehensive)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dmp_bridge.fhir import systems
from dmp_bridge.fhir.document_references import subject
from foundation.fhir.resources import instant

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dmp_bridge.dossier.registry import SubmissionSet
    from dmp_bridge.entry import Identifier
    from dmp_bridge.record import Document
    from foundation.fhir.resources import Resource


def submission_list(
    submission: SubmissionSet, documents: Sequence[Document], patient: Identifier
) -> Resource:
    """The resource; only the documents that the caller may see are its entries."""
    told: Resource = {
        "resourceType": "List",
        "id": str(submission.id),
        "meta": {
            "versionId": "1",
            "lastUpdated": instant(submission.submitted_at),
            "profile": [systems.SUBMISSION_PROFILE],
        },
        "identifier": [
            {"use": "usual", "system": systems.URI, "value": systems.uri_of(submission.unique_id)},
            {"use": "official", "system": systems.URI, "value": submission.entry_uuid},
        ],
        "status": "current",
        "mode": "working",
        "code": {"coding": [{"system": systems.LIST_TYPES, "code": "submissionset"}]},
        "subject": subject(patient),
        "date": instant(submission.submitted_at),
        "source": {"identifier": {"value": submission.depositor_id}},
    }
    extensions: list[Resource] = []
    if submission.content_type:
        code = {"coding": [{"code": submission.content_type}]}
        extensions.append({"url": systems.DESIGNATION_TYPE, "valueCodeableConcept": code})
    if submission.source_id:
        source = {"system": systems.URI, "value": systems.uri_of(submission.source_id)}
        extensions.append({"url": systems.SOURCE_ID, "valueIdentifier": source})
    if extensions:
        told["extension"] = extensions
    if submission.title:
        told["title"] = submission.title
    if submission.depositor_name:
        told["source"]["display"] = submission.depositor_name
    if documents:
        told["entry"] = [{"item": {"reference": f"DocumentReference/{each.id}"}} for each in documents]
    return told
