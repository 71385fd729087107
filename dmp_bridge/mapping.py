"""Tells the XDS metadata of a CDA document from its header (CI-SIS, links between the header and XDS metadata)."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from dmp_bridge import codes
from dmp_bridge.cda import CdaDocument, RootKind, find_document, read_document
from dmp_bridge.cda_elements import attribute, child, children, coded, path, qualified, text
from dmp_bridge.codes import Coded, Place
from dmp_bridge.entry import (
    DEVICE_NAME,
    Author,
    DocumentEntry,
    Identifier,
    Organization,
    PatientName,
    Person,
    Relation,
    SourcePatient,
    confidentiality_codes,
)
from foundation.identifiers import INS_OIDS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lxml import etree

ORDER = "urn:ihe:iti:xds:2013:order"
ACCESSION = "urn:ihe:iti:xds:2013:accession"
STUDY = "urn:ihe:iti:xds:2016:studyInstanceUID"
_DICOM = "1.2.840.10008.2.16.4"
_PS3_20 = "{urn:dicom-org:ps3-20}"
_MANY = 50
_INS_TYPE = "NH"
_LOCAL_TYPE = "PI"
_RELATIONS = frozenset({"RPLC", "XFRM", "APND"})


# ref: DMP-F8
def read_with_entry(data: bytes) -> tuple[CdaDocument, DocumentEntry]:
    """The document in ``data`` and its metadata; raises ``CdaRefused`` as `read_cda` does."""
    root, element = find_document(data)
    document = read_document(root, element)
    return document, _entry(document, element, data)


def mime_type(root: RootKind) -> str:
    """The mimeType of a CDA: a self-presentable one is a style sheet."""
    return "application/xslt+xml" if root is RootKind.SELF_PRESENTABLE else "text/xml"


def _entry(document: CdaDocument, element: etree._Element, data: bytes) -> DocumentEntry:
    role = path(element, "recordTarget", "patientRole")
    patient_id, source_id = _patient_ids(document, role)
    services = [child(each, "serviceEvent") for each in children(element, "documentationOf")[:_MANY]]
    return DocumentEntry(
        unique_id=document.unique_id,
        mime_type=mime_type(document.root),
        size=len(data),
        hash=hashlib.sha1(data, usedforsecurity=False).hexdigest(),
        title=document.title[:128],
        language_code=document.language,
        creation_time=document.effective_at,
        service_start_time=document.service_start_at,
        service_stop_time=document.service_stop_at,
        patient_id=patient_id,
        source_patient_id=source_id,
        source_patient=_source_patient(document, role),
        authors=tuple(_author(each) for each in children(element, "author")[:20]),
        legal_authenticator=_assigned(path(element, "legalAuthenticator", "assignedEntity")),
        class_code=_class(document.code),
        type_code=_type(document.code),
        format_code=Coded(
            document.format_code,
            codes.format_system(document.format_code),
            codes.format_label(document.format_code),
        ),
        healthcare_facility_type_code=_placed(Place.FACILITY, document.facility),
        practice_setting_code=_placed(Place.PRACTICE_SETTING, document.practice_setting),
        confidentiality_codes=confidentiality_codes(document.confidentiality),
        event_codes=_events(services),
        reference_ids=_references(element, services),
        relations=_relations(element),
    )


def _type(code: Coded) -> Coded:
    kind = codes.document_type(code.code)
    return Coded(code.code, code.system or codes.type_system(code.code), kind.label if kind else code.display)


def _class(code: Coded) -> Coded | None:
    """The class is never read from a document: the type gives it (ASS_X16)."""
    kind = codes.document_type(code.code)
    if kind is None or kind.class_code is None:
        return None
    return Coded(kind.class_code, codes.CLASS_SYSTEM, codes.class_label(kind.class_code))


def _placed(kind: Place, code: Coded | None) -> Coded | None:
    """The code under the label of the official list; as the document tells it where the list has none such."""
    if code is None:
        return None
    known = codes.place(kind, code.code)
    return Coded(code.code, code.system or known.system, known.display or code.display)


def _patient_ids(
    document: CdaDocument, role: etree._Element | None
) -> tuple[Identifier | None, Identifier | None]:
    """patientId (the INS) and sourcePatientId (the first other identifier, else the INS)."""
    patient = document.patient
    ins = Identifier(patient.ins, patient.ins_oid or "", _INS_TYPE) if patient.ins else None
    local = next(
        (
            Identifier(attribute(each, "extension"), attribute(each, "root"), _LOCAL_TYPE)
            for each in children(role, "id")[:20]
            if attribute(each, "root") not in INS_OIDS and attribute(each, "extension")
        ),
        None,
    )
    return ins, local or ins


def _source_patient(document: CdaDocument, role: etree._Element | None) -> SourcePatient:
    name = path(role, "patient", "name")
    families, givens = children(name, "family")[:20], children(name, "given")[:20]
    listed = qualified(givens, None)
    names = []
    # The kinds of a name in CDA and in PID-5: of birth, displayed, of use, not told (CDAHeaderToXDM.xsl of the ANS).
    for qualifier, kind in (("BR", "L"), ("SP", "D"), ("CL", "S"), (None, "U")):
        family = qualified(families, qualifier)
        if family:
            names.append(PatientName(family, qualified(givens, qualifier) or listed, kind))
    return SourcePatient(tuple(names), document.patient.birth_date or "", document.patient.sex or "")


def _author(author: etree._Element) -> Author:
    assigned = child(author, "assignedAuthor")
    specialty = coded(child(assigned, "code"))
    role = child(author, "functionCode")
    named = attribute(role, "displayName") or attribute(role, "code")
    organization = _organization(child(assigned, "representedOrganization"))
    return Author(
        person=_assigned(assigned) or Person(),
        institutions=() if organization is None else (organization,),
        roles=(named,) if named else (),
        specialties=() if specialty is None else (specialty,),
    )


def _assigned(assigned: etree._Element | None) -> Person | None:
    """Whom an assignedAuthor or assignedEntity names: a professional, a device, or the patient."""
    given = child(assigned, "id")
    root, extension = attribute(given, "root"), attribute(given, "extension")
    device = child(assigned, "assignedAuthoringDevice")
    if device is not None:
        model, software = text(child(device, "manufacturerModelName")), text(child(device, "softwareName"))
        kind = "EI" if "/" in extension else "RI"
        return Person(extension or root, model, software, root, kind, DEVICE_NAME)
    name = path(assigned, "assignedPerson", "name")
    families, givens = children(name, "family")[:20], children(name, "given")[:20]
    family = next((found for each in families if (found := text(each))), "") or text(name)
    first = next((found for each in givens if (found := text(each))), "") if families else ""
    if not (extension or family):
        return None
    kinds = {codes.PROFESSIONAL_OID: "IDNPS"} | dict.fromkeys(INS_OIDS, _INS_TYPE)
    return Person(extension, family, first, root, kinds.get(root, ""))


def _organization(element: etree._Element | None) -> Organization | None:
    name, given = text(child(element, "name")), child(element, "id")
    extension = attribute(given, "extension")
    if not (name or extension):
        return None
    return Organization(name, extension, attribute(given, "root") or codes.STRUCTURE_OID)


def _events(services: Iterable[etree._Element | None]) -> tuple[Coded, ...]:
    """The codes of the acts and their translations (imaging: act, modality, region), each once."""
    found: dict[tuple[str, str], Coded] = {}
    for service in services:
        code = child(service, "code")
        for element in [] if code is None else [code, *children(code, "translation")[:_MANY]]:
            each = coded(element)
            if each is not None:
                found.setdefault((each.code, each.system), each)
    return tuple(found.values())[:_MANY]


def _references(element: etree._Element, services: Iterable[etree._Element | None]) -> tuple[Identifier, ...]:
    """The order, its accession number and the imaging study (JDV_J231)."""
    found: dict[Identifier, None] = {}
    for each in children(element, "inFulfillmentOf")[:_MANY]:
        order = child(each, "order")
        if order is None:
            continue
        found.update(dict.fromkeys(_identifiers(children(order, "id"), ORDER)))
        found.update(dict.fromkeys(_identifiers(order.findall(f"{_PS3_20}accessionNumber"), ACCESSION)))
    for service in services:
        # An imaging act is known by a code of DICOM; what identifies it is then the UID of the study.
        if any(each.system == _DICOM for each in _events((service,))):
            found.update(dict.fromkeys(_identifiers(children(service, "id"), STUDY)))
    return tuple(found)[:_MANY]


def _identifiers(elements: Iterable[etree._Element], kind: str) -> list[Identifier]:
    """An II as a CXi: the extension under its root, or a UID alone."""
    found = []
    for each in elements:
        root, extension = attribute(each, "root"), attribute(each, "extension")
        if extension or root:
            found.append(Identifier(extension, root, kind) if extension else Identifier(root, "", kind))
    return found[:_MANY]


def _relations(element: etree._Element) -> tuple[Relation, ...]:
    found = []
    for related in children(element, "relatedDocument")[:10]:
        parent = path(related, "parentDocument", "id")
        root, extension = attribute(parent, "root"), attribute(parent, "extension")
        kind = attribute(related, "typeCode")
        if kind in _RELATIONS and root:
            found.append(Relation(kind, f"{root}^{extension}" if extension else root))
    return tuple(found)
