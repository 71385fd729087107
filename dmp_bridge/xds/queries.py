"""The stored queries of ITI-18: what is asked, as conditions for the desk and tests of what it finds."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from dmp_bridge import ebrim
from dmp_bridge.dossier.forms import DocumentQuery
from dmp_bridge.dossier.life import Status
from dmp_bridge.ebrim import Cx, parse_cx
from dmp_bridge.record import described
from dmp_bridge.xds.like import Pattern
from dmp_bridge.xds.parameters import Code, Parameters
from dmp_bridge.xds.registry_errors import ErrorCode, Failed
from dmp_bridge.xml import local_name

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from lxml import etree

    from dmp_bridge.codes import Coded
    from dmp_bridge.entry import DocumentEntry
    from dmp_bridge.record import Document

STATUSES: Mapping[str, Status] = {
    "urn:oasis:names:tc:ebxml-regrep:StatusType:Approved": Status.APPROVED,
    "urn:oasis:names:tc:ebxml-regrep:StatusType:Deprecated": Status.DEPRECATED,
    "urn:asip:ci-sis:2010:StatusType:Archived": Status.ARCHIVED,
    "urn:asip:ci-sis:2010:StatusType:Deleted": Status.DELETED,
}
STATUS_URNS: Mapping[Status, str] = {status: urn for urn, status in STATUSES.items()}
MOST_LEAVES = 1000
MOST_REFERENCES = 10_000
_MOST_PATTERNS = 10
_LONGEST_PATTERN = 256
_PREFIX = "$XDSDocumentEntry"


class ReturnType(StrEnum):
    """How objects are told: whole, or by their id alone."""

    LEAF_CLASS = "LeafClass"
    OBJECT_REF = "ObjectRef"


@dataclass(frozen=True, slots=True)
class FindDocuments:
    """Documents of a patient. `documents` is what the desk answers by; `meets` what is asked beyond it."""

    patient: Cx = field(repr=False)
    documents: DocumentQuery
    meets: Callable[[Document], bool]


@dataclass(frozen=True, slots=True)
class FindSubmissionSets:
    """Submission sets of a patient; times in epoch milliseconds, from and before."""

    patient: Cx = field(repr=False)
    source_ids: tuple[str, ...]
    submitted: tuple[int | None, int | None]
    author: str
    content_types: tuple[Code, ...]


@dataclass(frozen=True, slots=True)
class GetDocuments:
    """Documents by their identifiers."""

    entry_uuids: tuple[str, ...]
    unique_ids: tuple[str, ...]
    with_associations: bool


@dataclass(frozen=True, slots=True)
class GetAssociations:
    """Associations of the objects with these entryUUIDs."""

    entry_uuids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class GetSubmissionSets:
    """Submission sets that brought one of the documents with these entryUUIDs or refer to it."""

    entry_uuids: tuple[str, ...]


Query = FindDocuments | FindSubmissionSets | GetDocuments | GetAssociations | GetSubmissionSets


@dataclass(frozen=True, slots=True)
class Asked:
    """A stored query and how it is to be answered."""

    query: Query
    return_type: ReturnType


# ref: DMP-F33
def read_query(request: etree._Element) -> Asked:
    """The query of an AdhocQueryRequest element. Raises Failed."""
    options = [child for child in request if local_name(child) == "ResponseOption"]
    queries = [child for child in request if local_name(child) == "AdhocQuery"]
    if len(options) != 1 or len(queries) != 1:
        raise Failed(ErrorCode.REGISTRY, "Une requête a un ResponseOption et un AdhocQuery.")
    try:
        return_type = ReturnType(options[0].get("returnType", ""))
    except ValueError as error:
        raise Failed(ErrorCode.REGISTRY, "Le returnType est LeafClass ou ObjectRef.") from error
    reader = _READERS.get(queries[0].get("id", "").strip().lower())
    if reader is None:
        raise Failed(
            ErrorCode.UNKNOWN_QUERY, "Cette requête n'est pas connue.", queries[0].get("id", "")[:100]
        )
    return Asked(reader(Parameters.read(queries[0]), return_type), return_type)


def most(return_type: ReturnType) -> int:
    """How many objects one answer holds at most."""
    return MOST_LEAVES if return_type is ReturnType.LEAF_CLASS else MOST_REFERENCES


def _find_documents(given: Parameters, return_type: ReturnType) -> FindDocuments:
    patient = _patient(given, f"{_PREFIX}PatientId")
    types = given.any_of(f"{_PREFIX}Type")
    documents = DocumentQuery(
        statuses=_statuses(given),
        class_codes=_plain(given.codes(f"{_PREFIX}ClassCode")),
        type_codes=_plain(given.codes(f"{_PREFIX}TypeCode")),
        format_codes=_plain(given.codes(f"{_PREFIX}FormatCode")),
        facility_codes=_plain(given.codes(f"{_PREFIX}HealthcareFacilityTypeCode")),
        setting_codes=_plain(given.codes(f"{_PREFIX}PracticeSettingCode")),
        event_codes=_first(given.code_groups(f"{_PREFIX}EventCodeList")),
        reference_ids=_references(given),
        created=given.span(f"{_PREFIX}CreationTime"),
        service_if_known=given.span(f"{_PREFIX}ServiceStartTime"),
        # Of on-demand documents there are none, nor is there a document with the number 0.
        ids=() if not types or ebrim.STABLE_DOCUMENT in types else (0,),
        limit=most(return_type),
    )
    return FindDocuments(patient, documents, _tests(given))


def _find_by_reference(given: Parameters, return_type: ReturnType) -> FindDocuments:
    if not given.has(_REFERENCES):
        raise Failed(ErrorCode.MISSING_PARAMETER, f"Le paramètre {_REFERENCES} manque.", _REFERENCES)
    return _find_documents(given, return_type)


def _find_submission_sets(given: Parameters, _: ReturnType) -> FindSubmissionSets:
    patient = _patient(given, "$XDSSubmissionSetPatientId")
    statuses = given.required_any_of("$XDSSubmissionSetStatus")
    is_none = STATUS_URNS[Status.APPROVED] not in statuses
    return FindSubmissionSets(
        patient,
        given.any_of("$XDSSubmissionSetSourceId"),
        # A submission set is approved from the first moment on, and for ever.
        (0, 0) if is_none else given.span("$XDSSubmissionSetSubmissionTime"),
        given.one("$XDSSubmissionSetAuthorPerson")[:_LONGEST_PATTERN],
        given.codes("$XDSSubmissionSetContentType"),
    )


def _get_documents(given: Parameters, _: ReturnType) -> GetDocuments:
    return _by_identifier(given, with_associations=False)


def _get_documents_and_associations(given: Parameters, _: ReturnType) -> GetDocuments:
    return _by_identifier(given, with_associations=True)


def _by_identifier(given: Parameters, *, with_associations: bool) -> GetDocuments:
    by_uuid, by_unique_id = f"{_PREFIX}EntryUUID", f"{_PREFIX}UniqueId"
    chosen = given.exactly_one_of((by_uuid, by_unique_id))
    values = given.any_of(chosen)
    return GetDocuments(
        entry_uuids=values if chosen == by_uuid else (),
        unique_ids=values if chosen == by_unique_id else (),
        with_associations=with_associations,
    )


def _get_associations(given: Parameters, _: ReturnType) -> GetAssociations:
    return GetAssociations(given.required_any_of("$uuid"))


def _get_submission_sets(given: Parameters, _: ReturnType) -> GetSubmissionSets:
    return GetSubmissionSets(given.required_any_of("$uuid"))


_REFERENCES = f"{_PREFIX}ReferenceIdList"
_READERS: Mapping[str, Callable[[Parameters, ReturnType], Query]] = {
    "urn:uuid:14d4debf-8f97-4251-9a74-a90016b0af0d": _find_documents,
    "urn:uuid:12941a89-e02e-4be5-967c-ce4bfc8fe492": _find_by_reference,
    "urn:uuid:f26abbcb-ac74-4422-8a30-edb644bbc1a9": _find_submission_sets,
    "urn:uuid:5c4f972b-d56b-40ac-a5fc-c8ca9b40b9d4": _get_documents,
    "urn:uuid:bab9529a-4a10-40b3-a01f-f68a615d247a": _get_documents_and_associations,
    "urn:uuid:a7ae438b-4bc2-4642-93e9-be891f7bb155": _get_associations,
    "urn:uuid:51224314-5390-4169-9b91-b1980040715a": _get_submission_sets,
}
"""The stored queries that are known, by their id (IHE ITI TF-2 §3.18.4.1.2.4)."""


def _patient(given: Parameters, name: str) -> Cx:
    patient = parse_cx(given.required(name))
    if patient is None:
        raise Failed(ErrorCode.REGISTRY, f"Le paramètre {name} n'est pas un identifiant (CX).", name)
    return patient


def _statuses(given: Parameters) -> tuple[str, ...]:
    name = f"{_PREFIX}Status"
    known = tuple(STATUSES[each].value for each in given.required_any_of(name) if each in STATUSES)
    if not known:  # a status that is not understood is as if it were not there (§3.18.4.1.2.3.6)
        raise Failed(ErrorCode.MISSING_PARAMETER, f"Le paramètre {name} manque.", name)
    return known


def _plain(codes: tuple[Code, ...]) -> tuple[str, ...]:
    return tuple(each.code for each in codes)


def _first(groups: tuple[tuple[Code, ...], ...]) -> tuple[str, ...]:
    """What the desk looks for by its index; the other groups are tested on what it finds."""
    return _plain(groups[0]) if groups else ()


def _references(given: Parameters) -> tuple[str, ...]:
    groups = given.all_of(_REFERENCES)
    return tuple(cx.value for text in groups[0] if (cx := parse_cx(text)) is not None) if groups else ()


def _tests(given: Parameters) -> Callable[[Document], bool]:
    """What a document must meet that the desk has no condition for: schemes, "and", patterns, the time of the end."""
    schemed = {name: given.codes(f"{_PREFIX}{name}") for name in _CODED}
    grouped = {name: given.code_groups(f"{_PREFIX}{name}") for name in _SEVERAL}
    references = given.all_of(_REFERENCES)
    since, before = given.span(f"{_PREFIX}ServiceStopTime")
    patterns = given.any_of(f"{_PREFIX}AuthorPerson")
    if len(patterns) > _MOST_PATTERNS or any(len(each) > _LONGEST_PATTERN for each in patterns):
        raise Failed(ErrorCode.REGISTRY, "Les modèles d'auteur sont trop nombreux ou trop longs.")
    authors = [Pattern(each) for each in patterns]
    is_plain = not (
        any(each.scheme for codes in schemed.values() for each in codes)
        or any(grouped.values())
        or references
        or authors
        or since is not None
        or before is not None
    )

    def meets(found: Document) -> bool:
        if is_plain:
            return True
        entry = described(found)
        stop = entry.service_stop_time
        return (
            all(_meets_code(_CODED[name](entry), codes) for name, codes in schemed.items())
            and all(
                any(
                    wanted.matches(each.code, each.system)
                    for each in _SEVERAL[name](entry)
                    for wanted in group
                )
                for name, groups in grouped.items()
                for group in groups
            )
            and all(
                any(_same_reference(each.cx, wanted) for each in entry.reference_ids for wanted in group)
                for group in references
            )
            # A time that an entry does not tell decides nothing (§3.18.4.1.2.3.3.1).
            and (stop is None or since is None or stop >= since)
            and (stop is None or before is None or stop < before)
            and (
                not authors
                or any(pattern.matches(each.person.xcn) for each in entry.authors for pattern in authors)
            )
        )

    return meets


_CODED: Mapping[str, Callable[[DocumentEntry], Coded | None]] = {
    "ClassCode": lambda entry: entry.class_code,
    "TypeCode": lambda entry: entry.type_code,
    "FormatCode": lambda entry: entry.format_code,
    "HealthcareFacilityTypeCode": lambda entry: entry.healthcare_facility_type_code,
    "PracticeSettingCode": lambda entry: entry.practice_setting_code,
}
_SEVERAL: Mapping[str, Callable[[DocumentEntry], tuple[Coded, ...]]] = {
    "EventCodeList": lambda entry: entry.event_codes,
    "ConfidentialityCode": lambda entry: entry.confidentiality_codes,
}


def _meets_code(found: Coded | None, wanted: tuple[Code, ...]) -> bool:
    return not wanted or (
        found is not None and any(each.matches(found.code, found.system) for each in wanted)
    )


def _same_reference(found: str, wanted: str) -> bool:
    """Whether two CXi name the same: value and authority, and the type where it is asked for."""
    left, right = parse_cx(found), parse_cx(wanted)
    if left is None or right is None or left.value != right.value:
        return False
    kind = wanted.split("^")[4:5]
    return right.oid in ("", left.oid) and (not kind or kind[0] in ("", *found.split("^")[4:5]))
