"""Reads a SubmitObjectsRequest (ebRIM 3.0, and 2.1 as old senders write it) into the words of XDS."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dmp_bridge.codes import Coded
from dmp_bridge.xml import XmlFault, local_name, namespace, parse, recoded
from foundation.mime.entities import decode_references

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lxml import etree

STABLE_DOCUMENT = "urn:uuid:7edca82f-054d-47f2-a032-9b2a5b5186c1"

# Classification schemes and identification schemes of IHE ITI TF-3 §4.2.5.
AUTHOR = "urn:uuid:93606bcf-9494-43ec-9b4e-a7748d1a838d"
CLASS = "urn:uuid:41a5887f-8865-4c09-adf7-e362475b143a"
TYPE = "urn:uuid:f0306f51-975f-434e-a61c-c59651d33983"
CONFIDENTIALITY = "urn:uuid:f4f85eac-e6cb-4883-b524-f2705394840f"
FORMAT = "urn:uuid:a09d5840-386c-46f2-b5ad-9c3699a4309d"
FACILITY = "urn:uuid:f33fb8ac-18af-42cc-ae0e-ed0b0bdb91e1"
PRACTICE = "urn:uuid:cccf5598-8b07-4b77-a05e-ae952c785ead"
EVENT = "urn:uuid:2c6b8cb7-8b2a-4051-b291-b1ae6a575ef4"
DOCUMENT_PATIENT_ID = "urn:uuid:58a6f841-87b3-4a3e-92fd-a8ffeff98427"
DOCUMENT_UNIQUE_ID = "urn:uuid:2e82c1f6-a085-4c72-9da3-8640a32e42ab"
SET_NODE = "urn:uuid:a54d6aa5-d40d-43f9-88c5-b4633d873bdd"
SET_AUTHOR = "urn:uuid:a7058bb9-b4e4-4307-ba5b-e3f0ab85e12d"
SET_CONTENT_TYPE = "urn:uuid:aa543740-bdda-424e-8c96-df4873be8500"
SET_PATIENT_ID = "urn:uuid:6b5aea1a-874d-4603-a4bc-96a0a7b38446"
SET_UNIQUE_ID = "urn:uuid:96fdda7c-d067-4183-912e-bf5ee74998a8"
SET_SOURCE_ID = "urn:uuid:554ac39e-e3fe-47fe-b233-965d2a147832"

_REGISTRIES = ("urn:oasis:names:tc:ebxml-regrep:",)
_MAX_DOCUMENTS = 200
_MAX_OBJECTS = 1000
_DELETED = ":StatusType:Deleted"
_NUMBERED_URI = re.compile(r"(\d{1,3})\|(.*)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Cx:
    """An HL7 CX: an identifier and the OID of the authority that gave it ("" when it names none)."""

    value: str
    oid: str


@dataclass(frozen=True, slots=True)
class Author:
    """One author as the metadata give it: the raw XCN and XON strings."""

    person: str = ""
    institutions: tuple[str, ...] = ()
    roles: tuple[str, ...] = ()
    specialties: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class DocumentEntry:
    """The metadata of one document (IHE ITI TF-3 table 4.2.3.2-1), as written, times as DTM strings."""

    entry_uuid: str
    object_type: str
    mime_type: str
    uri: str | None = None
    unique_id: str | None = None
    patient_id: Cx | None = None
    source_patient_id: Cx | None = None
    source_patient_info: tuple[str, ...] = ()
    hash: str | None = None
    size: int | None = None
    creation_time: str | None = None
    service_start_time: str | None = None
    service_stop_time: str | None = None
    language_code: str | None = None
    legal_authenticator: str | None = None
    title: str = ""
    comments: str = ""
    authors: tuple[Author, ...] = ()
    class_code: Coded | None = None
    type_code: Coded | None = None
    format_code: Coded | None = None
    healthcare_facility_type_code: Coded | None = None
    practice_setting_code: Coded | None = None
    confidentiality_codes: tuple[Coded, ...] = ()
    event_codes: tuple[Coded, ...] = ()
    replaces: tuple[str, ...] = ()
    transforms: tuple[str, ...] = ()
    """The entries of which this one is the same content in another format."""
    asks_deletion: bool = False
    """The document is sent for the former one of its identifier to be deleted (ANS: action D; status Deleted)."""


@dataclass(frozen=True, slots=True)
class SubmissionSet:
    """The act of sending (IHE ITI TF-3 table 4.2.3.3-1)."""

    entry_uuid: str
    unique_id: str | None = None
    source_id: str | None = None
    patient_id: Cx | None = None
    submission_time: str | None = None
    title: str = ""
    content_type_code: Coded | None = None
    authors: tuple[Author, ...] = ()


@dataclass(frozen=True, slots=True)
class Submission:
    """What one METADATA.XML holds.

    `references` are the ids of documents that are there already and that the set refers to, `missing` those it is said
    to bring and does not (IHE ITI TF-3 §4.2.2.1.1).
    """

    submission_set: SubmissionSet | None
    entries: tuple[DocumentEntry, ...]
    references: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()


class MetadataFault(Exception):
    """The bytes are no SubmitObjectsRequest."""


# ref: DMP-F4
def read_submission(data: bytes) -> Submission:
    """The submission in the bytes of a METADATA.XML; ``MetadataFault`` when it cannot be read or has no document."""
    try:
        root = parse(recoded(data))
    except XmlFault as fault:
        raise MetadataFault(str(fault)) from None
    found = submission_of(root)
    if not found.entries:
        raise MetadataFault("no document")
    return found


def submission_of(root: etree._Element) -> Submission:
    """The submission in a tree that holds the objects of a registry; ``MetadataFault`` when there are too many."""
    objects, packages, associations, beside = [], [], [], _Beside()
    for element in root.iter():
        name = local_name(element)
        if name == "ExtrinsicObject" and _is_registry(element):
            objects.append(element)
        elif name == "RegistryPackage" and _is_registry(element):
            packages.append(element)
        elif name == "Association" and _is_registry(element):
            associations.append(element)
        elif name == "Classification" and element.get("classifiedObject"):
            beside.add(element)
    if len(objects) > _MAX_DOCUMENTS:
        raise MetadataFault("too many documents")
    if len(packages) > _MAX_OBJECTS or len(associations) > _MAX_OBJECTS:
        raise MetadataFault("too many objects")
    # ebRIM 2.1 writes the bare words.
    replaced = _targets(associations, ("RPLC", "XFRM_RPLC"))
    transformed = _targets(associations, ("XFRM",))
    deletes_all = any(_asks_deletion(_slots(package), "") for package in packages)
    entries = tuple(
        _entry(
            element,
            replaced.get(element.get("id", ""), ()),
            transformed.get(element.get("id", ""), ()),
            beside.confidentiality(element.get("id", "")),
            asks_deletion=deletes_all,
        )
        for element in objects
    )
    found = next((package for package in packages if _is_submission_set(package, beside)), None)
    if found is None:
        return Submission(None, entries)
    here = {each.get("id", "") for each in (*objects, *packages, *associations)}
    references, missing = _elsewhere(associations, found.get("id", ""), here)
    return Submission(_submission_set(found), entries, references, missing)


def parse_cx(text: str | None) -> Cx | None:
    """A CX read leniently: extra components, a missing circumflex and ``&amp;`` escaped twice are accepted."""
    if not text:
        return None
    plain = decode_references(text) if "&amp;" in text else text
    components = plain.strip().split("^")[:20]
    value = components[0].strip()
    if not value:
        return None
    authority = next((part for part in components[1:] if "&" in part), "")
    oid = next((part for part in authority.split("&")[:4] if part[:1].isdigit() and "." in part), "")
    return Cx(value, oid)


def _is_registry(element: etree._Element) -> bool:
    return namespace(element).startswith(_REGISTRIES)


class _Beside:
    """What classifications say of the object they name: ebRIM 2.1 senders, and some of 3.0, put them beside it."""

    def __init__(self) -> None:
        self.sets: set[str] = set()
        self._confidentiality: dict[str, list[Coded]] = {}

    def add(self, element: etree._Element) -> None:
        classified = element.get("classifiedObject", "")
        if element.get("classificationNode") == SET_NODE:
            self.sets.add(classified)
        code = element.get("nodeRepresentation", "")
        if code and _scheme(element) == CONFIDENTIALITY:
            self._confidentiality.setdefault(classified, []).append(Coded(code[:256]))

    def confidentiality(self, identifier: str) -> tuple[Coded, ...]:
        return tuple(self._confidentiality.get(identifier, ())) if identifier else ()


def _is_submission_set(package: etree._Element, beside: _Beside) -> bool:
    return package.get("id", "") in beside.sets or any(
        child.get("classificationNode") == SET_NODE for child in _children(package, "Classification")
    )


def _scheme(classification: etree._Element) -> str:
    return classification.get("classificationScheme", "").strip().lower()


def _entry(
    element: etree._Element,
    replaces: tuple[str, ...],
    transforms: tuple[str, ...],
    beside: tuple[Coded, ...],
    *,
    asks_deletion: bool,
) -> DocumentEntry:
    slots = _slots(element)
    codes = _classifications(element)
    identifiers = _identifiers(element)
    return DocumentEntry(
        entry_uuid=element.get("id", ""),
        object_type=element.get("objectType", ""),
        mime_type=element.get("mimeType", "").lower(),
        uri=_uri(slots.get("URI", ())),
        unique_id=identifiers.get(DOCUMENT_UNIQUE_ID),
        patient_id=parse_cx(identifiers.get(DOCUMENT_PATIENT_ID)),
        source_patient_id=parse_cx(_first(slots, "sourcePatientId")),
        source_patient_info=slots.get("sourcePatientInfo", ()),
        hash=_first(slots, "hash"),
        size=_size(_first(slots, "size")),
        creation_time=_first(slots, "creationTime"),
        service_start_time=_first(slots, "serviceStartTime"),
        service_stop_time=_first(slots, "serviceStopTime"),
        language_code=_first(slots, "languageCode"),
        legal_authenticator=_first(slots, "legalAuthenticator"),
        title=_localized(element, "Name"),
        comments=_localized(element, "Description"),
        authors=_authors(element, AUTHOR),
        class_code=_one(codes, CLASS),
        type_code=_one(codes, TYPE),
        format_code=_one(codes, FORMAT),
        healthcare_facility_type_code=_one(codes, FACILITY),
        practice_setting_code=_one(codes, PRACTICE),
        confidentiality_codes=_each_once(codes.get(CONFIDENTIALITY, []), beside),
        event_codes=tuple(codes.get(EVENT, ())),
        replaces=replaces,
        transforms=transforms,
        asks_deletion=asks_deletion or _asks_deletion(slots, element.get("status", "")),
    )


# ref: F44
def _asks_deletion(slots: dict[str, tuple[str, ...]], status: str) -> bool:
    """Whether an archive asks for a deletion: by the metadata "action" (D), or by the status that the DMP gives."""
    actions = [
        value
        for name, values in slots.items()
        if name.rpartition(":")[2].lower() == "action"
        for value in values
    ]
    return status.endswith(_DELETED) or any(action.upper() == "D" for action in actions)


def _submission_set(element: etree._Element) -> SubmissionSet:
    slots = _slots(element)
    identifiers = _identifiers(element)
    return SubmissionSet(
        entry_uuid=element.get("id", ""),
        unique_id=identifiers.get(SET_UNIQUE_ID),
        source_id=identifiers.get(SET_SOURCE_ID),
        patient_id=parse_cx(identifiers.get(SET_PATIENT_ID)),
        submission_time=_first(slots, "submissionTime"),
        title=_localized(element, "Name"),
        content_type_code=_one(_classifications(element), SET_CONTENT_TYPE),
        authors=_authors(element, SET_AUTHOR),
    )


def _children(element: etree._Element, name: str) -> Iterator[etree._Element]:
    return (child for child in element if local_name(child) == name)


def _slots(element: etree._Element) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for slot in _children(element, "Slot"):
        values = tuple(
            (value.text or "").strip()[:2048]
            for values in _children(slot, "ValueList")
            for value in _children(values, "Value")
        )
        found.setdefault(slot.get("name", ""), values)
    return found


def _first(slots: dict[str, tuple[str, ...]], name: str) -> str | None:
    return next((value for value in slots.get(name, ()) if value), None)


def _size(text: str | None) -> int | None:
    return int(text) if text and len(text) <= 12 and text.isascii() and text.isdigit() else None


def _uri(values: tuple[str, ...]) -> str | None:
    """The URI slot; a long one may be cut into ``1|…`` ``2|…`` (IHE ITI TF-3 §4.2.3.2.27)."""
    numbered = [match for value in values if (match := _NUMBERED_URI.fullmatch(value))]
    if numbered and len(numbered) == len(values):
        return "".join(part[2] for part in sorted(numbered, key=lambda part: int(part[1]))) or None
    return next((value for value in values if value), None)


def _localized(element: etree._Element, name: str) -> str:
    for holder in _children(element, name):
        for text in _children(holder, "LocalizedString"):
            return text.get("value", "").strip()[:512]
    return ""


def _identifiers(element: etree._Element) -> dict[str, str]:
    return {
        child.get("identificationScheme", ""): child.get("value", "").strip()[:512]
        for child in _children(element, "ExternalIdentifier")
    }


def _classifications(element: etree._Element) -> dict[str, list[Coded]]:
    found: dict[str, list[Coded]] = {}
    for child in _children(element, "Classification"):
        code = child.get("nodeRepresentation", "")
        if code:
            system = _first(_slots(child), "codingScheme") or ""
            coded = Coded(code[:256], system, _localized(child, "Name"))
            found.setdefault(_scheme(child), []).append(coded)
    return found


def _each_once(inside: list[Coded], beside: tuple[Coded, ...]) -> tuple[Coded, ...]:
    """The codes in the entry, and those beside it that it does not repeat."""
    known = {coded.code for coded in inside}
    return (*inside, *(coded for coded in beside if coded.code not in known))


def _one(codes: dict[str, list[Coded]], scheme: str) -> Coded | None:
    return next(iter(codes.get(scheme, ())), None)


def _authors(element: etree._Element, scheme: str) -> tuple[Author, ...]:
    found = []
    for child in _children(element, "Classification"):
        if child.get("classificationScheme") != scheme:
            continue
        slots = _slots(child)
        found.append(
            Author(
                person=_first(slots, "authorPerson") or "",
                institutions=slots.get("authorInstitution", ()),
                roles=slots.get("authorRole", ()),
                # "authorSpeciality" stands in packages of several vendors.
                specialties=slots.get("authorSpecialty") or slots.get("authorSpeciality", ()),
            )
        )
    return tuple(found)


def _elsewhere(
    associations: list[etree._Element], submission_set: str, here: set[str]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The members of the submission set that are not submitted with it: by reference, and by value all the same."""
    told = {
        association.get("targetObject", ""): _first(_slots(association), "SubmissionSetStatus")
        for association in associations
        if association.get("associationType", "").rpartition(":")[2] == "HasMember"
        and association.get("sourceObject") == submission_set
        and association.get("targetObject", "") not in here
    }
    references = tuple(target for target, status in told.items() if status == "Reference")
    return references, tuple(target for target in told if target not in references)


def _targets(associations: list[etree._Element], kinds: tuple[str, ...]) -> dict[str, tuple[str, ...]]:
    """For every document, the ones it is associated to in one of these ways."""
    found: dict[str, list[str]] = {}
    for association in associations:
        kind = association.get("associationType", "").rpartition(":")[2]
        source, target = association.get("sourceObject", ""), association.get("targetObject", "")
        if kind in kinds and source and target:
            found.setdefault(source, []).append(target)
    return {source: tuple(targets) for source, targets in found.items()}
