"""ITI-41: a ProvideAndRegisterDocumentSetRequest as the submission it hands over the desk."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from dmp_bridge.announced import author_of, person_of
from dmp_bridge.dossier.forms import Deposit, Submission
from dmp_bridge.ebrim import MetadataFault, submission_of
from dmp_bridge.entry import DocumentEntry, Identifier, Relation
from dmp_bridge.hl7_time import parse_dtm
from dmp_bridge.visibility import VISIBILITIES
from dmp_bridge.xds.registry_errors import ErrorCode, Failed, Problem, Severity
from dmp_bridge.xml import local_name

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lxml import etree

    from dmp_bridge import ebrim
    from dmp_bridge.ebrim import Cx
    from dmp_bridge.xds.mtom import Received

XDS = "urn:ihe:iti:xds-b:2007"
REQUEST = f"{{{XDS}}}ProvideAndRegisterDocumentSetRequest"
SIGNATURE = "http://www.w3.org/2000/09/xmldsig#"
"""formatCode of the signature of a lot (DSG), the third object of every lot of the DMP."""
_LONGEST = 256


@dataclass(frozen=True, slots=True)
class Provided:
    """A submission, and what of it is not kept."""

    submission: Submission
    warnings: tuple[Problem, ...]


# ref: DMP-F33
def read_provided(request: etree._Element, received: Received, patient: Cx) -> Provided:
    """The submission of a request for the patient of the assertion. Raises Failed, and Fault for a wrong part."""
    metadata = [child for child in request if local_name(child) == "SubmitObjectsRequest"]
    if len(metadata) != 1:
        raise Failed(ErrorCode.REGISTRY_METADATA, "La requête a un SubmitObjectsRequest.")
    try:
        described = submission_of(metadata[0])
    except MetadataFault as error:
        raise Failed(ErrorCode.REGISTRY_METADATA, "Les métadonnées ont trop de documents.") from error
    submitted = described.submission_set
    if submitted is None or not submitted.unique_id:
        raise Failed(
            ErrorCode.REGISTRY_METADATA, "Les métadonnées n'ont pas de SubmissionSet avec son uniqueId."
        )
    _check_patient(submitted.patient_id, patient, submitted.entry_uuid)
    if described.missing:
        sentence = "Le lot annonce un document qu'il ne contient pas."
        raise Failed(ErrorCode.UNRESOLVED, sentence, described.missing[0][:100])
    contents = dict(_contents(request, received))
    if len({entry.entry_uuid for entry in described.entries}) < len(described.entries):
        raise Failed(ErrorCode.REGISTRY_METADATA, "Deux documents portent le même identifiant.")
    deposits: list[Deposit] = []
    warnings: list[Problem] = []
    for entry in described.entries:
        data = contents.pop(entry.entry_uuid, None)
        if data is None:
            raise Failed(ErrorCode.MISSING_DOCUMENT, "Le contenu d'un document manque.", entry.entry_uuid)
        _check_patient(entry.patient_id, patient, entry.entry_uuid)
        if entry.format_code is not None and entry.format_code.code == SIGNATURE:
            sentence = "La signature du lot n'est pas conservée."
            warnings.append(Problem(ErrorCode.NOT_SAVED, sentence, entry.entry_uuid, Severity.WARNING))
        else:
            deposits.append(_deposit(entry, data))
    if contents or received.left:
        raise Failed(
            ErrorCode.MISSING_METADATA,
            "Un contenu n'est celui d'aucun document décrit.",
            next(iter(contents), ""),
        )
    submission = Submission(
        ins=patient.value,
        deposits=tuple(deposits),
        references=described.references,
        unique_id=submitted.unique_id[:_LONGEST],
        source_id=(submitted.source_id or "")[:_LONGEST],
        title=submitted.title[:_LONGEST],
        content_type=submitted.content_type_code.code[:64] if submitted.content_type_code else "",
    )
    return Provided(submission, tuple(warnings))


def _contents(request: etree._Element, received: Received) -> Iterator[tuple[str, bytes]]:
    seen: set[str] = set()
    for element in request:
        if element.tag != f"{{{XDS}}}Document":
            continue
        identifier = element.get("id", "")
        if not identifier or identifier in seen:
            raise Failed(
                ErrorCode.MISSING_METADATA,
                "Un contenu n'a pas d'identifiant, ou celui d'un autre.",
                identifier[:100],
            )
        seen.add(identifier)
        yield identifier, received.content_of(element)


def _check_patient(told: Cx | None, patient: Cx, location: str) -> None:
    if told is None:
        raise Failed(ErrorCode.REGISTRY_METADATA, "Le patient (patientId) manque.", location[:100])
    if told.value != patient.value or (told.oid and patient.oid and told.oid != patient.oid):
        raise Failed(ErrorCode.PATIENT_DIFFERS, "Le patient n'est pas celui du VIHF.", location[:100])


def _deposit(entry: ebrim.DocumentEntry, data: bytes) -> Deposit:
    return Deposit(
        data=data,
        media_type=entry.mime_type,
        unique_id=entry.unique_id or "",
        replaces=entry.replaces,
        visibilities=frozenset(each.code for each in entry.confidentiality_codes) & VISIBILITIES,
        title=entry.title,
        type_code=entry.type_code.code if entry.type_code is not None else "",
        service_at=parse_dtm(entry.service_start_time),
        entry_uuid=entry.entry_uuid if entry.entry_uuid.startswith("urn:uuid:") else "",
        sha1=(entry.hash or "").lower(),
        size=entry.size,
        entry=entry_of(entry, len(data)),
    )


def entry_of(told: ebrim.DocumentEntry, size: int) -> DocumentEntry:
    """What ebRIM says of a document, in the values of the record."""
    patient, source = (
        Identifier(cx.value, cx.oid, kind) if cx is not None else None
        for cx, kind in ((told.patient_id, "NH"), (told.source_patient_id, "PI"))
    )
    return DocumentEntry(
        unique_id=told.unique_id or "",
        mime_type=told.mime_type,
        size=size,
        hash=(told.hash or "").lower(),
        title=told.title,
        comments=told.comments,
        language_code=(told.language_code or "")[:16],
        creation_time=parse_dtm(told.creation_time),
        service_start_time=parse_dtm(told.service_start_time),
        service_stop_time=parse_dtm(told.service_stop_time),
        patient_id=patient,
        source_patient_id=source,
        authors=tuple(author_of(each) for each in told.authors),
        legal_authenticator=person_of(told.legal_authenticator) if told.legal_authenticator else None,
        class_code=told.class_code,
        type_code=told.type_code,
        format_code=told.format_code,
        healthcare_facility_type_code=told.healthcare_facility_type_code,
        practice_setting_code=told.practice_setting_code,
        confidentiality_codes=told.confidentiality_codes,
        event_codes=told.event_codes,
        relations=tuple(Relation("RPLC", target) for target in told.replaces),
    )
