"""The bodies of the answers: RegistryResponse, AdhocQueryResponse and RetrieveDocumentSetResponse (ebRS 3.0, XDS.b)."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

from dmp_bridge.codes import PROFESSIONAL_OID, STRUCTURE_OID, Coded
from dmp_bridge.entry import Author, Identifier, Organization, Person, SubmissionSet
from dmp_bridge.record import described
from dmp_bridge.writing.registry_objects import (
    HAS_MEMBER,
    RELATIONSHIP,
    Ids,
    association,
    extrinsic_object,
    quoted,
    registry_package,
    writable,
)
from dmp_bridge.xds.provide import XDS
from dmp_bridge.xds.queries import STATUS_URNS, ReturnType
from dmp_bridge.xds.registry_errors import Severity

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from dmp_bridge.dossier import registry
    from dmp_bridge.ebrim import Cx
    from dmp_bridge.record import Document
    from dmp_bridge.xds.mtom import Attachment
    from dmp_bridge.xds.registry_errors import Problem

RIM = "urn:oasis:names:tc:ebxml-regrep:xsd:rim:3.0"
RS = "urn:oasis:names:tc:ebxml-regrep:xsd:rs:3.0"
QUERY = "urn:oasis:names:tc:ebxml-regrep:xsd:query:3.0"
CONTENT_TYPE_SYSTEM = "1.2.250.1.213.2.2"

_STATUS = "urn:oasis:names:tc:ebxml-regrep:ResponseStatusType:"
_SUCCESS, _FAILURE = f"{_STATUS}Success", f"{_STATUS}Failure"
_PARTIAL = "urn:ihe:iti:2007:ResponseStatusType:PartialSuccess"
_PACKAGE = "urn:oasis:names:tc:ebxml-regrep:ObjectType:RegistryObject:RegistryPackage"
_APPROVED = "urn:oasis:names:tc:ebxml-regrep:StatusType:Approved"
_NAMESPACE = uuid.UUID("6f0b3c58-6a4e-5d0e-9b0a-1f6a0c1b7f5d")
"""Under which the ids of the memberships are made, which nobody keeps."""


@dataclass(frozen=True, slots=True)
class Association:
    """One association as it is told: `kind` is the urn of its type."""

    entry_uuid: str
    kind: str
    source: str
    target: str
    status: str = ""
    """SubmissionSetStatus of a membership: Original or Reference."""


@dataclass(frozen=True, slots=True)
class Retrieved:
    """One document of an answer to ITI-43."""

    unique_id: str
    attachment: Attachment


class _Uuids(Ids):
    """Ids of what stands within an object of the registry."""

    def next(self, prefix: str) -> str:
        return f"urn:uuid:{uuid.uuid4()}"


class _Named(Ids):
    """The id that an object has already."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self._name = name

    def next(self, prefix: str) -> str:
        return self._name


def registry_response(problems: Sequence[Problem] = (), *, partial: bool = False) -> str:
    """The answer that tells success, or what went wrong; warnings alone are a success (TF-3 §4.2.4.2)."""
    return f'<rs:RegistryResponse xmlns:rs="{RS}" status="{_status(problems, partial=partial)}">{_errors(problems)}</rs:RegistryResponse>'


def query_response(objects: Iterable[str], problems: Sequence[Problem] = ()) -> str:
    """The answer to a stored query: `objects` are those of the registry, as XML."""
    return (
        f'<query:AdhocQueryResponse xmlns:query="{QUERY}" xmlns:rs="{RS}" xmlns:rim="{RIM}" status="{_status(problems)}">'
        f"{_errors(problems)}<rim:RegistryObjectList>{''.join(objects)}</rim:RegistryObjectList></query:AdhocQueryResponse>"
    )


def retrieve_response(repository: str, documents: Sequence[Retrieved], problems: Sequence[Problem]) -> str:
    """The answer to ITI-43: what could be given, and what went wrong with the rest."""
    given = "".join(
        f"<xds:DocumentResponse><xds:RepositoryUniqueId>{repository}</xds:RepositoryUniqueId>"
        f"<xds:DocumentUniqueId>{_text(each.unique_id)}</xds:DocumentUniqueId>"
        f"<xds:mimeType>{_text(each.attachment.media_type)}</xds:mimeType>"
        f"<xds:Document>{each.attachment.include}</xds:Document></xds:DocumentResponse>"
        for each in documents
    )
    response = registry_response(problems, partial=bool(documents))
    return f'<xds:RetrieveDocumentSetResponse xmlns:xds="{XDS}">{response}{given}</xds:RetrieveDocumentSetResponse>'


class Objects:
    """Tells objects of the registry, whole or by their id, of the record of one patient in one repository."""

    def __init__(self, patient: Cx, repository: str, return_type: ReturnType) -> None:
        self._patient = Identifier(patient.value, patient.oid, "NH")
        self._repository = repository
        self._return_type = return_type

    def document(self, found: Document) -> str:
        """A DocumentEntry, under the number of the patient as it is now (EX_3.1-1055)."""
        if self._return_type is ReturnType.OBJECT_REF:
            return _reference(found.entry_uuid)
        return extrinsic_object(
            _Uuids(),
            replace(described(found), patient_id=self._patient),
            found.entry_uuid,
            slots={"repositoryUniqueId": self._repository},
            attributes={"lid": found.logical_id, "isOpaque": "false", "status": STATUS_URNS[found.status]},
            version=found.metadata_version,
        )

    def submission_set(self, found: registry.SubmissionSet) -> str:
        """A SubmissionSet."""
        if self._return_type is ReturnType.OBJECT_REF:
            return _reference(found.entry_uuid)
        told = SubmissionSet(
            unique_id=found.unique_id,
            source_id=found.source_id,
            submission_time=found.submitted_at,
            patient_id=self._patient,
            title=found.title,
            content_type_code=Coded(found.content_type, CONTENT_TYPE_SYSTEM) if found.content_type else None,
            authors=(depositor_of(found),),
        )
        attributes = {"lid": found.entry_uuid, "objectType": _PACKAGE, "status": _APPROVED}
        return registry_package(_Uuids(), told, found.entry_uuid, attributes=attributes)

    def association(self, told: Association) -> str:
        """An Association."""
        if self._return_type is ReturnType.OBJECT_REF:
            return _reference(told.entry_uuid)
        slots = {"SubmissionSetStatus": told.status} if told.status else {}
        return association(_Named(told.entry_uuid), told.kind, told.source, told.target, slots=slots)


def depositor_of(found: registry.SubmissionSet) -> Author:
    """Who submitted, as an author."""
    is_structure = found.depositor_id == found.depositor_structure
    person = (
        Person()
        if is_structure
        else Person(found.depositor_id, found.depositor_name, "", PROFESSIONAL_OID, "IDNPS")
    )
    name = found.depositor_name if is_structure else ""
    structure = Organization(name, found.depositor_structure, STRUCTURE_OID)
    return Author(person, institutions=(structure,) if found.depositor_structure else ())


def membership(submission: registry.SubmissionSet, document: Document) -> Association:
    """That a set brought a document, or refers to it; its id is always the same."""
    made = uuid.uuid5(_NAMESPACE, f"{submission.entry_uuid} {document.logical_id}")
    status = "Original" if document.submission_id == submission.id else "Reference"
    return Association(f"urn:uuid:{made}", HAS_MEMBER, submission.entry_uuid, document.entry_uuid, status)


def relation(linked: registry.Linked, source: Document, target: Document) -> Association:
    """That a document replaces, transforms, completes or signs another one."""
    return Association(
        linked.entry_uuid, f"{RELATIONSHIP}{linked.kind}", source.entry_uuid, target.entry_uuid
    )


def _reference(entry_uuid: str) -> str:
    return f"<rim:ObjectRef id={quoted(entry_uuid)}/>"


def _status(problems: Sequence[Problem], *, partial: bool = False) -> str:
    if all(each.severity is Severity.WARNING for each in problems):
        return _SUCCESS
    return _PARTIAL if partial else _FAILURE


def _errors(problems: Sequence[Problem]) -> str:
    if not problems:
        return ""
    highest = max((each.severity for each in problems), key=lambda each: each is Severity.ERROR)
    listed = "".join(
        f'<rs:RegistryError errorCode="{each.code}" codeContext={quoted(each.context)} severity="{each.severity}"'
        + (f" location={quoted(each.location)}" if each.location else "")
        + "/>"
        for each in problems
    )
    return f'<rs:RegistryErrorList highestSeverity="{highest}">{listed}</rs:RegistryErrorList>'


def _text(text: str) -> str:
    return escape(writable(text))
