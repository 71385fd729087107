"""Reads the header and the body of a CDA R2 document in the French profile (CI-SIS Structuration minimale)."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from dmp_bridge.cda_elements import (
    NAMESPACE,
    attribute,
    child,
    children,
    coded,
    identifier,
    path,
    qualified,
    text,
    time,
)
from dmp_bridge.codes import Coded, format_of_media_type, format_of_templates
from dmp_bridge.compression import inflate
from dmp_bridge.hl7_time import parse_birth_date
from dmp_bridge.xml import XmlFault, parse
from foundation.identifiers import INS_OIDS, Ins

if TYPE_CHECKING:
    from lxml import etree

N1_TEMPLATE = "1.3.6.1.4.1.19376.1.2.20"
PDF_COPY_TEMPLATE = "1.2.250.1.213.1.1.2.243"
_Q = f"{{{NAMESPACE}}}"
_ACTIVE = frozenset(
    {"script", "iframe", "frame", "object", "embed", "applet", "form", "base", "import", "include"}
)
_MEDIA_TYPES = {
    "application/rtf": "text/rtf",
    "application/x-pdf": "application/pdf",
    "image/jpg": "image/jpeg",
    "image/tif": "image/tiff",
}
"""Other names that producers give the media types of JDV_J60."""
_LINKS = frozenset({"href", "src", "action", "formaction", "data", "background", "srcset", "poster"})


class RootKind(StrEnum):
    """How the ClinicalDocument is wrapped (CI-SIS Structuration minimale §3.3)."""

    PLAIN = "plain"
    SELF_PRESENTABLE = "self_presentable"
    SIGNED = "signed"


class Level(StrEnum):
    """Of the body: N1 wraps a file, N3 is sections with narrative."""

    N1 = "N1"
    N3 = "N3"
    NONE = "none"


class CdaFault(StrEnum):
    """Why the bytes are not taken as a clinical document."""

    NOT_XML = "not_xml"
    NOT_CDA = "not_cda"
    SEVERAL = "several"
    NO_ID = "no_id"
    NO_CODE = "no_code"
    UNREADABLE_BODY = "unreadable_body"
    ACTIVE_CONTENT = "active_content"


SENTENCES: dict[CdaFault, str] = {
    CdaFault.NOT_XML: "Le document XML n'est pas lisible.",
    CdaFault.NOT_CDA: "Le fichier XML n'est pas un document CDA.",
    CdaFault.SEVERAL: "Le fichier contient plusieurs documents CDA.",
    CdaFault.NO_ID: "Le document CDA n'a pas d'identifiant.",
    CdaFault.NO_CODE: "Le document CDA n'a pas de type.",
    CdaFault.UNREADABLE_BODY: "Le corps du document CDA n'est pas lisible.",
    CdaFault.ACTIVE_CONTENT: "Le document auto-présentable contient du code actif, ce que le DMP interdit.",
}


class CdaRefused(Exception):
    """The bytes are not a clinical document the bridge reads; ``fault`` says why, ``faults`` all that was found.

    ``rest`` is what could be read all the same, with empty places.
    """

    def __init__(self, *faults: CdaFault, rest: CdaDocument | None = None) -> None:
        super().__init__(faults[0].value)
        self.fault = faults[0]
        self.faults = faults
        self.rest = rest


@dataclass(frozen=True, slots=True)
class PatientIdentity:
    """The traits of recordTarget; ``ins`` only when its authority is one of the INS."""

    ins: str | None
    ins_oid: str | None
    birth_name: str
    first_names: str
    first_given: str
    birth_date: str | None
    sex: str | None

    @property
    def is_complete(self) -> bool:
        """Matricule, OID, birth name, first given name, birth date and sex (Réf#2 ECO.2.4.2)."""
        return all((self.ins, self.ins_oid, self.has_traits))

    @property
    def has_traits(self) -> bool:
        """Birth name, first given name, birth date and sex."""
        given = self.first_given or self.first_names
        return all((self.birth_name, given, self.birth_date, self.sex))


@dataclass(frozen=True, slots=True)
class CdaAuthor:
    """One author: identifier, name as shown, profession and structure; identifiers are ``root^extension``."""

    id: str
    name: str
    specialty: str
    institution: str
    institution_id: str


@dataclass(frozen=True, slots=True)
class Attached:
    """A file inside the document."""

    media_type: str
    data: bytes


@dataclass(frozen=True, slots=True)
class CdaDocument:
    """The header of one ClinicalDocument and what a person looks at; times in epoch milliseconds."""

    root: RootKind
    level: Level
    unique_id: str
    id_extension: str
    set_id: str | None
    version_number: int | None
    code: Coded
    title: str
    effective_at: int | None
    service_start_at: int | None
    service_stop_at: int | None
    language: str
    confidentialities: tuple[str, ...]
    """One in the profile; some producers write the visibilities behind it."""
    patient: PatientIdentity
    authors: tuple[CdaAuthor, ...]
    custodian: str
    facility: Coded | None
    practice_setting: Coded | None
    replaces: tuple[str, ...]
    names_several_patients: bool
    template_ids: tuple[str, ...]
    format_code: str
    # The wrapped file of an N1, the PDF copy of an N3 that has one (to be shown first), else None.
    display: Attached | None

    @property
    def confidentiality(self) -> str:
        """The first, N where none is told."""
        return self.confidentialities[0]


# ref: DMP-F6
def read_cda(data: bytes) -> CdaDocument:
    """The document in ``data``; `read_document` after `find_document`."""
    return read_document(*find_document(data))


def read_document(root: RootKind, element: etree._Element) -> CdaDocument:
    """What a ClinicalDocument tells; ``CdaRefused`` when it is none or cannot be filed by its own words.

    What the profile demands and a receiver can do without (a title, a custodian) is left empty: to refuse a
    document for more or other elements than its model is an error (Structuration minimale §3.4.2).
    """
    faults: list[CdaFault] = []
    if root is RootKind.SELF_PRESENTABLE and _has_active_content(element.getroottree().getroot()):
        faults.append(CdaFault.ACTIVE_CONTENT)
    identity = child(element, "id")
    unique_id, extension = (
        ("", "")
        if identity is None
        else (identity.get("root", "").strip(), identity.get("extension", "").strip())
    )
    if not unique_id:
        faults.append(CdaFault.NO_ID)
    code = coded(child(element, "code"))
    if code is None:
        faults.append(CdaFault.NO_CODE)
        code = Coded("")
    templates = tuple(each.get("root", "") for each in children(element, "templateId")[:50])
    try:
        level, display = _body(element)
    except CdaRefused as unreadable:
        faults += unreadable.faults
        level, display = Level.N1, None
    # The format follows the bytes that are there: an N1 is known by its nonXMLBody, not by its template alone.
    is_file = level is Level.N1 and display is not None
    start, stop, setting = _service(element)
    document = CdaDocument(
        root=root,
        level=level,
        unique_id=f"{unique_id}^{extension}" if extension else unique_id,
        id_extension=extension,
        set_id=identifier(child(element, "setId")),
        version_number=_version(child(element, "versionNumber")),
        code=code,
        title=text(child(element, "title"))[:128] or code.display,
        effective_at=time(child(element, "effectiveTime")),
        service_start_at=start,
        service_stop_at=stop,
        language=attribute(child(element, "languageCode"), "code"),
        confidentialities=_confidentialities(element),
        patient=_patient(element),
        authors=tuple(_author(author) for author in children(element, "author")[:20]),
        custodian=text(
            path(element, "custodian", "assignedCustodian", "representedCustodianOrganization", "name")
        ),
        facility=coded(
            path(element, "componentOf", "encompassingEncounter", "location", "healthCareFacility", "code")
        ),
        practice_setting=setting,
        replaces=_replaces(element),
        names_several_patients=_names_several_patients(element),
        template_ids=templates,
        format_code=format_of_media_type(display.media_type)
        if is_file and display is not None
        else format_of_templates(templates),
        display=display,
    )
    if faults:
        raise CdaRefused(*faults, rest=document)
    return document


def find_document(data: bytes) -> tuple[RootKind, etree._Element]:
    """The ClinicalDocument in ``data`` and how it is wrapped; ``CdaRefused`` when there is not exactly one."""
    try:
        root = parse(data)
    except XmlFault:
        raise CdaRefused(CdaFault.NOT_XML) from None
    if root.tag == f"{_Q}ClinicalDocument":
        return RootKind.PLAIN, root
    if root.tag in (
        "{http://www.w3.org/1999/XSL/Transform}stylesheet",
        "{http://www.w3.org/1999/XSL/Transform}transform",
    ):
        kind = RootKind.SELF_PRESENTABLE
        _refuse_scripts(root)
    elif root.tag == "{http://www.w3.org/2000/09/xmldsig#}Signature":
        kind = RootKind.SIGNED
    else:
        raise CdaRefused(CdaFault.NOT_CDA)
    found = list(root.iter(f"{_Q}ClinicalDocument"))
    if len(found) != 1:
        raise CdaRefused(CdaFault.SEVERAL if found else CdaFault.NOT_CDA)
    return kind, found[0]


def _refuse_scripts(root: etree._Element) -> None:
    """The DMP forbids scripts in self-presentable documents (EX 50); nobody runs the style sheet here."""
    for element in root.iter():
        if isinstance(element.tag, str) and element.tag.rpartition("}")[2].lower() == "script":
            raise CdaRefused(CdaFault.ACTIVE_CONTENT)


# ref: DMP-F39
def _has_active_content(root: etree._Element) -> bool:
    """Whatever else acts or leads elsewhere in a style sheet (EX 50): what is filed goes on to others."""
    for element in root.iter():
        tag = element.tag
        if not isinstance(tag, str) or tag.startswith(_Q):
            continue
        name = tag.rpartition("}")[2].lower()
        made = element.get("name", "").strip().lower() if name in ("element", "attribute") else ""
        if {name, made} & _ACTIVE or made.startswith("on"):
            return True
        for attribute_name, value in element.items():
            plain = attribute_name.rpartition("}")[2].lower()
            if plain.startswith("on") or (plain in _LINKS and _leads_out(value)):
                return True
    return False


def _leads_out(address: str) -> bool:
    """Any address but a place in the document itself, a mailbox or a picture that is written out."""
    plain = "".join(address.split()).lower()
    return bool(plain) and not plain.startswith(
        ("#", "{", "mailto:", "tel:", "data:image/png", "data:image/jpeg", "data:image/gif")
    )


def _confidentialities(element: etree._Element) -> tuple[str, ...]:
    codes = (attribute(each, "code") for each in children(element, "confidentialityCode")[:10])
    return tuple(code for code in codes if code) or ("N",)


def _version(element: etree._Element | None) -> int | None:
    value = attribute(element, "value")
    return int(value) if len(value) <= 9 and value.isascii() and value.isdigit() else None


def _service(element: etree._Element) -> tuple[int | None, int | None, Coded | None]:
    """Start, end and setting of the main act: the first whose performer tells its setting (§3.5.5.19)."""
    events = [child(holder, "serviceEvent") for holder in children(element, "documentationOf")[:50]]
    found = [event for event in events if event is not None]
    settings = [
        coded(
            path(event, "performer", "assignedEntity", "representedOrganization", "standardIndustryClassCode")
        )
        for event in found
    ]
    main = next((index for index, setting in enumerate(settings) if setting is not None), 0)
    if not found:
        return None, None, None
    when = child(found[main], "effectiveTime")
    start = time(child(when, "low")) or time(when)
    return start, time(child(when, "high")), settings[main]


def _replaces(element: etree._Element) -> tuple[str, ...]:
    found = []
    for related in children(element, "relatedDocument")[:10]:
        parent = identifier(path(related, "parentDocument", "id"))
        if related.get("typeCode") == "RPLC" and parent:
            found.append(parent)
    return tuple(found)


def _patient(element: etree._Element) -> PatientIdentity:
    role = path(element, "recordTarget", "patientRole")
    ins: Ins | None = None
    for given in children(role, "id")[:20]:
        root = attribute(given, "root")
        if root in INS_OIDS and ins is None:
            ins = Ins.parse(given.get("extension", ""), oid=root)
    patient = child(role, "patient")
    name = child(patient, "name")
    families, givens = children(name, "family")[:20], children(name, "given")[:20]
    return PatientIdentity(
        ins=None if ins is None else ins.value,
        ins_oid=None if ins is None else ins.oid,
        birth_name=qualified(families, "BR") or qualified(families, None),
        first_names=qualified(givens, None) or qualified(givens, "BR"),
        first_given=qualified(givens, "BR"),
        birth_date=parse_birth_date(attribute(child(patient, "birthTime"), "value")),
        sex=attribute(child(patient, "administrativeGenderCode"), "code") or None,
    )


def _names_several_patients(element: etree._Element) -> bool:
    """A second recordTarget or a second INS: whose document it is must not depend on which one is read."""
    roles = [role for target in children(element, "recordTarget") for role in children(target, "patientRole")]
    named = {
        given.get("extension", "").strip().upper()
        for role in roles
        for given in children(role, "id")
        if given.get("root", "").strip() in INS_OIDS
    }
    return len(roles) > 1 or len(named) > 1


def _author(author: etree._Element) -> CdaAuthor:
    assigned = child(author, "assignedAuthor")
    organization = child(assigned, "representedOrganization")
    name = _person(path(assigned, "assignedPerson", "name"))
    if not name:
        device = child(assigned, "assignedAuthoringDevice")
        name = text(child(device, "softwareName")) or text(child(device, "manufacturerModelName"))
    return CdaAuthor(
        id=identifier(child(assigned, "id")) or "",
        name=name,
        specialty=attribute(child(assigned, "code"), "displayName"),
        institution=text(child(organization, "name")),
        institution_id=identifier(child(organization, "id")) or "",
    )


def _person(name: etree._Element | None) -> str:
    """« Dr Marie MARTIN »: the title, the first given name and the family name, in this order."""
    if name is None:
        return ""
    family = text(child(name, "family"))
    if not family:
        return text(name)
    title = "Dr" if text(child(name, "suffix")).upper() == "DR" else ""
    return " ".join(part for part in (title, text(child(name, "given")), family) if part)


# ref: SC.CDA/VISU.03
def _body(element: etree._Element) -> tuple[Level, Attached | None]:
    component = child(element, "component")
    wrapped = path(component, "nonXMLBody", "text")
    if wrapped is not None:
        return Level.N1, _attached(wrapped)
    structured = child(component, "structuredBody")
    if structured is None or child(structured, "component") is None:
        return Level.NONE, None
    for template in structured.iter(f"{_Q}templateId"):
        section = template.getparent()
        if template.get("root") != PDF_COPY_TEMPLATE or section is None:
            continue
        for media in section.iter(f"{_Q}observationMedia"):
            value = child(media, "value")
            if value is not None:
                return Level.N3, _attached(value)
    return Level.N3, None


def _attached(element: etree._Element) -> Attached:
    told = element.get("mediaType", "").partition(";")[0].strip().lower()[:100]
    media_type = _MEDIA_TYPES.get(told, told)
    content = (element.text or "").strip()
    method = attribute(element, "compression").upper()
    try:
        # What is no text, or was compressed, can only be in base64, whether its producer says so or not.
        if method or attribute(element, "representation").upper() == "B64" or not _is_text(media_type):
            # Line breaks and blanks between the groups are usual; anything else is damage.
            data = base64.b64decode("".join(content.split()), validate=True)
        else:
            data = content.encode("utf-8")
        if method:
            data = inflate(data, method)
    except (binascii.Error, ValueError):
        raise CdaRefused(CdaFault.UNREADABLE_BODY) from None
    if not data:
        raise CdaRefused(CdaFault.UNREADABLE_BODY)
    return Attached(media_type, data)


def _is_text(media_type: str) -> bool:
    return not media_type or media_type.startswith("text/")
