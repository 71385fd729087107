"""Writes CDA R2 documents in the French profile (CI-SIS Structuration minimale): N1 around a file, N3 of narrative."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from html import escape
from typing import TYPE_CHECKING
from xml.sax.saxutils import quoteattr

from dmp_bridge import codes
from dmp_bridge.cda import N1_TEMPLATE
from dmp_bridge.cda_elements import NAMESPACE
from dmp_bridge.codes import Place
from dmp_bridge.hl7_time import format_cda_time
from dmp_bridge.mapping import read_with_entry
from dmp_bridge.sniff import FileType

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from dmp_bridge.entry import DocumentEntry

N1_TYPES = frozenset({FileType.PDF, FileType.TEXT, FileType.RTF, FileType.JPEG, FileType.TIFF})
"""What a level 1 document may wrap (Structuration minimale §3.7.2)."""
_SUMMARY_MODEL = "1.2.250.1.213.1.1.1.29"
_DOCTOR = "G15_10"


@dataclass(frozen=True, slots=True)
class Patient:
    """The traits of a qualified INS; ``birth_date`` is ``YYYYMMDD``, ``birthplace`` a COG INSEE code.

    ``local_id`` is the patient's number in a structure, as (OID of its authority, number).
    """

    ins: str = field(repr=False)
    oid: str
    birth_name: str = field(repr=False)
    first_names: str = field(repr=False)
    birth_date: str = field(repr=False)
    sex: str
    birthplace: str = "75056"
    local_id: tuple[str, str] | None = field(default=None, repr=False)

    @property
    def first_name(self) -> str:
        """The first of the first names."""
        return self.first_names.partition(" ")[0]


@dataclass(frozen=True, slots=True)
class Author:
    """A professional (PS_IdNat: 8 and the RPPS) and the structure (Struct_IdNat: 1 and the FINESS, 3 the SIRET)."""

    id: str
    family: str
    given: str
    specialty_code: str
    specialty: str
    institution_id: str
    institution: str


@dataclass(frozen=True, slots=True)
class Draft:
    """A document to write. ``unique_id`` and ``set_id`` are OIDs; times are aware."""

    unique_id: str
    set_id: str
    version_number: int
    type_code: str
    title: str
    created_at: datetime
    service_at: datetime
    patient: Patient
    author: Author
    replaces: str | None = None
    confidentiality: str = "N"
    facility: str = "SA07"
    practice_setting: str = "AMBULATOIRE"
    service_until: datetime | None = None
    event_codes: tuple[codes.Coded, ...] = ()


@dataclass(frozen=True, slots=True)
class Section:
    """A titled section; each paragraph is plain text."""

    title: str
    paragraphs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Written:
    """A finished document and the metadata its own header gives."""

    entry: DocumentEntry
    data: bytes = field(repr=False)


# ref: DMP-F16
def write_n1(draft: Draft, body: bytes, media_type: str = FileType.PDF.value) -> Written:
    """A level 1 document around a file of one of `N1_TYPES`."""
    encoded = base64.encodebytes(body).decode("ascii")
    component = (
        f'<nonXMLBody><text mediaType={_q(media_type)} representation="B64">{encoded}</text></nonXMLBody>'
    )
    return _written(draft, N1_TEMPLATE, component)


def write_n3(draft: Draft, sections: Sequence[Section], template: str = _SUMMARY_MODEL) -> Written:
    """A level 3 document of narrative sections, under the model ``template``."""
    components = "".join(
        f"<component><section><title>{escape(section.title)}</title><text>"
        + "".join(f"<paragraph>{escape(paragraph)}</paragraph>" for paragraph in section.paragraphs)
        + "</text></section></component>"
        for section in sections
    )
    return _written(draft, template, f"<structuredBody>{components}</structuredBody>")


def _written(draft: Draft, template: str, component: str) -> Written:
    data = _document(draft, template, component)
    return Written(read_with_entry(data)[1], data)


def _document(draft: Draft, template: str, component: str) -> bytes:
    kind = codes.document_type(draft.type_code)
    label = kind.label if kind is not None else draft.type_code
    created, served = format_cda_time(draft.created_at), format_cda_time(draft.service_at)
    patient, author = draft.patient, draft.author
    local = "" if patient.local_id is None else _id(*patient.local_id)
    replaced = (
        f'<relatedDocument typeCode="RPLC"><parentDocument><id root={_q(draft.replaces)}/></parentDocument></relatedDocument>'
        if draft.replaces
        else ""
    )
    organization = (
        f"{_id(codes.STRUCTURE_OID, author.institution_id)}<name>{escape(author.institution)}</name>"
    )
    person = (
        _id(codes.PROFESSIONAL_OID, author.id)
        + f'<code code={_q(author.specialty_code)} displayName={_q(author.specialty)} codeSystem="1.2.250.1.213.1.1.4.5"/>'
        '<addr nullFlavor="NAV"/><telecom nullFlavor="NAV"/>'
        f"<assignedPerson><name><given>{escape(author.given)}</given><family>{escape(author.family)}</family>"
        f"{'<suffix>DR</suffix>' if author.specialty_code.startswith(_DOCTOR) else ''}</name></assignedPerson>"
    )
    setting = _code("standardIndustryClassCode", codes.place(Place.PRACTICE_SETTING, draft.practice_setting))
    until = draft.service_until
    high = "" if until is None else f'<high value="{format_cda_time(until)}"/>'
    events = [_code("code", each) for each in draft.event_codes] or [""]
    return f"""<?xml version="1.0" encoding="UTF-8"?>
<ClinicalDocument xmlns="{NAMESPACE}">
<realmCode code="FR"/>
<typeId root="2.16.840.1.113883.1.3" extension="POCD_HD000040"/>
<templateId root="2.16.840.1.113883.2.8.2.1"/>
<templateId root="1.2.250.1.213.1.1.1.1"/>
<templateId root={_q(template)}/>
<id root={_q(draft.unique_id)}/>
<code code={_q(draft.type_code)} displayName={_q(label)} codeSystem="{codes.type_system(draft.type_code)}"/>
<title>{escape(draft.title)}</title>
<effectiveTime value="{created}"/>
<confidentialityCode code={_q(draft.confidentiality)} codeSystem="{codes.CONFIDENTIALITY_SYSTEM}"/>
<languageCode code="fr-FR"/>
<setId root={_q(draft.set_id)}/>
<versionNumber value="{draft.version_number}"/>
<recordTarget><patientRole>{_id(patient.oid, patient.ins)}{local}
<addr nullFlavor="NAV"/><telecom nullFlavor="NAV"/>
<patient><name><family qualifier="BR">{escape(patient.birth_name)}</family>
<given>{escape(patient.first_names)}</given><given qualifier="BR">{escape(patient.first_name)}</given></name>
<administrativeGenderCode code={_q(patient.sex)} codeSystem="2.16.840.1.113883.5.1"/>
<birthTime value={_q(patient.birth_date)}/>
<birthplace><place><addr><county>{escape(patient.birthplace)}</county></addr></place></birthplace></patient></patientRole></recordTarget>
<author><time value="{created}"/><assignedAuthor>{person}
<representedOrganization>{organization}</representedOrganization></assignedAuthor></author>
<custodian><assignedCustodian><representedCustodianOrganization>{organization}</representedCustodianOrganization></assignedCustodian></custodian>
<legalAuthenticator><time value="{created}"/><signatureCode code="S"/><assignedEntity>{person}
<representedOrganization>{organization}</representedOrganization></assignedEntity></legalAuthenticator>
<documentationOf><serviceEvent>{events[0]}<effectiveTime><low value="{served}"/>{high}</effectiveTime>
<performer typeCode="PRF"><assignedEntity>{person}<representedOrganization>{organization}{setting}</representedOrganization>
</assignedEntity></performer></serviceEvent></documentationOf>
{"".join(f"<documentationOf><serviceEvent>{each}</serviceEvent></documentationOf>" for each in events[1:])}
{replaced}<componentOf><encompassingEncounter><effectiveTime><low value="{served}"/></effectiveTime><location><healthCareFacility>
{_code("code", codes.place(Place.FACILITY, draft.facility))}
</healthCareFacility></location></encompassingEncounter></componentOf>
<component>{component}</component>
</ClinicalDocument>
""".encode()


def _id(root: str, extension: str) -> str:
    return f"<id root={_q(root)} extension={_q(extension)}/>"


def _code(name: str, code: codes.Coded) -> str:
    return f"<{name} code={_q(code.code)} displayName={_q(code.display or code.code)} codeSystem={_q(code.system)}/>"


def _q(text: str) -> str:
    return quoteattr(text)
