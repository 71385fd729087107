"""Writes CDA documents and IHE_XDM packages in the French profile: for the demonstration and the sandbox."""

from __future__ import annotations

import base64
import hashlib
import io
import zipfile
from dataclasses import dataclass, field
from html import escape
from typing import TYPE_CHECKING
from xml.sax.saxutils import quoteattr

from dmp_bridge import codes
from dmp_bridge.hl7_time import format_cda_time, format_dtm

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

_HL7 = "urn:hl7-org:v3"
_FACILITIES = {"SA07": "Cabinet individuel", "SA01": "Etablissement public de santé"}


@dataclass(frozen=True, slots=True)
class Patient:
    """The traits of a qualified INS; ``birth_date`` is ``YYYYMMDD``, ``birthplace`` a COG INSEE code."""

    ins: str = field(repr=False)
    oid: str
    birth_name: str = field(repr=False)
    first_names: str = field(repr=False)
    birth_date: str = field(repr=False)
    sex: str
    birthplace: str = "75056"


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


@dataclass(frozen=True, slots=True)
class Section:
    """A titled section; each paragraph is plain text."""

    title: str
    paragraphs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Written:
    """A finished document with the draft that its metadata repeat."""

    draft: Draft
    data: bytes = field(repr=False)
    format_code: str


def write_n1(draft: Draft, body: bytes, media_type: str = "application/pdf") -> Written:
    """A level 1 document around a file."""
    encoded = base64.encodebytes(body).decode("ascii")
    component = (
        f'<nonXMLBody><text mediaType="{media_type}" representation="B64">{encoded}</text></nonXMLBody>'
    )
    data = _document(draft, "1.3.6.1.4.1.19376.1.2.20", component)
    return Written(draft, data, codes.format_of_media_type(media_type))


def write_n3(draft: Draft, sections: Sequence[Section], template: str = "1.2.250.1.213.1.1.1.29") -> Written:
    """A level 3 document of narrative sections, under the model ``template``."""
    components = "".join(
        f"<component><section><title>{escape(section.title)}</title><text>"
        + "".join(f"<paragraph>{escape(paragraph)}</paragraph>" for paragraph in section.paragraphs)
        + "</text></section></component>"
        for section in sections
    )
    data = _document(draft, template, f"<structuredBody>{components}</structuredBody>")
    return Written(draft, data, codes.format_of_templates((template,)))


# ref: DMP-F16
def write_package(documents: Sequence[Written], *, submission_id: str, source_id: str, at: datetime) -> bytes:
    """An IHE_XDM.zip with one submission set (IHE ITI-32): INDEX.HTM, README.TXT, names of 8.3 characters."""
    names = [f"DOC{number:05}.XML" for number in range(1, len(documents) + 1)]
    author = documents[0].draft.author
    folder = "IHE_XDM/SUBSET01/"
    files: list[tuple[str, bytes]] = [
        (
            "INDEX.HTM",
            _index(
                author, [(folder + name, document) for name, document in zip(names, documents, strict=True)]
            ),
        ),
        ("README.TXT", _readme(author, names)),
        (folder + "METADATA.XML", _metadata(documents, names, submission_id, source_id, at)),
        *((folder + name, document.data) for name, document in zip(names, documents, strict=True)),
    ]
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as package:
        for name, data in files:
            # A fixed date: the same documents give the same package.
            package.writestr(zipfile.ZipInfo(name, at.timetuple()[:6]), data, zipfile.ZIP_DEFLATED)
    return buffer.getvalue()


def _document(draft: Draft, template: str, component: str) -> bytes:
    kind = codes.document_type(draft.type_code)
    label = kind.label if kind is not None else draft.type_code
    created, served = format_cda_time(draft.created_at), format_cda_time(draft.service_at)
    patient, author = draft.patient, draft.author
    first = patient.first_names.split()[0]
    replaced = (
        f'<relatedDocument typeCode="RPLC"><parentDocument><id root="{draft.replaces}"/></parentDocument></relatedDocument>'
        if draft.replaces
        else ""
    )
    organization = f'<id root="{codes.STRUCTURE_OID}" extension={_q(author.institution_id)}/><name>{escape(author.institution)}</name>'
    person = (
        f'<id root="{codes.PROFESSIONAL_OID}" extension={_q(author.id)}/>'
        f'<code code={_q(author.specialty_code)} displayName={_q(author.specialty)} codeSystem="1.2.250.1.213.1.1.4.5"/>'
        '<addr nullFlavor="NAV"/><telecom nullFlavor="NAV"/>'
        f"<assignedPerson><name><given>{escape(author.given)}</given><family>{escape(author.family)}</family>"
        "<suffix>DR</suffix></name></assignedPerson>"
    )
    setting = (
        f'<standardIndustryClassCode code="{draft.practice_setting}" codeSystem="1.2.250.1.213.1.1.4.9"/>'
    )
    return f"""<?xml version="1.0" encoding="UTF-8"?>
<ClinicalDocument xmlns="{_HL7}">
<realmCode code="FR"/>
<typeId root="2.16.840.1.113883.1.3" extension="POCD_HD000040"/>
<templateId root="2.16.840.1.113883.2.8.2.1"/>
<templateId root="1.2.250.1.213.1.1.1.1"/>
<templateId root="{template}"/>
<id root="{draft.unique_id}"/>
<code code={_q(draft.type_code)} displayName={_q(label)} codeSystem="{codes.type_system(draft.type_code)}"/>
<title>{escape(draft.title)}</title>
<effectiveTime value="{created}"/>
<confidentialityCode code="{draft.confidentiality}" codeSystem="{codes.CONFIDENTIALITY_SYSTEM}"/>
<languageCode code="fr-FR"/>
<setId root="{draft.set_id}"/>
<versionNumber value="{draft.version_number}"/>
<recordTarget><patientRole><id root="{patient.oid}" extension={_q(patient.ins)}/>
<addr nullFlavor="NAV"/><telecom nullFlavor="NAV"/>
<patient><name><family qualifier="BR">{escape(patient.birth_name)}</family>
<given>{escape(patient.first_names)}</given><given qualifier="BR">{escape(first)}</given></name>
<administrativeGenderCode code="{patient.sex}" codeSystem="2.16.840.1.113883.5.1"/>
<birthTime value="{patient.birth_date}"/>
<birthplace><place><addr><county>{escape(patient.birthplace)}</county></addr></place></birthplace></patient></patientRole></recordTarget>
<author><time value="{created}"/><assignedAuthor>{person}
<representedOrganization>{organization}</representedOrganization></assignedAuthor></author>
<custodian><assignedCustodian><representedCustodianOrganization>{organization}</representedCustodianOrganization></assignedCustodian></custodian>
<legalAuthenticator><time value="{created}"/><signatureCode code="S"/><assignedEntity>{person}
<representedOrganization>{organization}</representedOrganization></assignedEntity></legalAuthenticator>
<documentationOf><serviceEvent><effectiveTime><low value="{served}"/></effectiveTime>
<performer typeCode="PRF"><assignedEntity>{person}<representedOrganization>{organization}{setting}</representedOrganization>
</assignedEntity></performer></serviceEvent></documentationOf>
{replaced}<componentOf><encompassingEncounter><effectiveTime><low value="{served}"/></effectiveTime><location><healthCareFacility>
<code code="{draft.facility}" displayName={_q(_FACILITIES.get(draft.facility, draft.facility))} codeSystem="1.2.250.1.71.4.2.4"/>
</healthCareFacility></location></encompassingEncounter></componentOf>
<component>{component}</component>
</ClinicalDocument>
""".encode()


def _metadata(
    documents: Sequence[Written], names: Sequence[str], submission_id: str, source_id: str, at: datetime
) -> bytes:
    first = documents[0].draft
    ids = _Ids()
    package = (
        '<rim:RegistryPackage id="SubmissionSet01">'
        + _slot("submissionTime", format_dtm(at))
        + _name(first.title)
        + _author(ids, "urn:uuid:a7058bb9-b4e4-4307-ba5b-e3f0ab85e12d", "SubmissionSet01", first.author)
        + _coded(ids, "urn:uuid:aa543740-bdda-424e-8c96-df4873be8500", "SubmissionSet01",
                 codes.Coded("07", "1.2.250.1.213.2.2", "Consultations soins externes"))
        + f'<rim:Classification id="{ids.next("cla")}" classificationNode="urn:uuid:a54d6aa5-d40d-43f9-88c5-b4633d873bdd" classifiedObject="SubmissionSet01"/>'
        + _identifier(ids, "urn:uuid:6b5aea1a-874d-4603-a4bc-96a0a7b38446", "SubmissionSet01",
                      _cx(first.patient), "XDSSubmissionSet.patientId")
        + _identifier(ids, "urn:uuid:554ac39e-e3fe-47fe-b233-965d2a147832", "SubmissionSet01",
                      source_id, "XDSSubmissionSet.sourceId")
        + _identifier(ids, "urn:uuid:96fdda7c-d067-4183-912e-bf5ee74998a8", "SubmissionSet01",
                      submission_id, "XDSSubmissionSet.uniqueId")
        + "</rim:RegistryPackage>"
    )  # fmt: skip
    entries, associations = "", ""
    for number, (document, name) in enumerate(zip(documents, names, strict=True), 1):
        symbol = f"Document{number:02}"
        entries += _entry(ids, symbol, document, name)
        associations += (
            f'<rim:Association id="as{number:02}" associationType="urn:oasis:names:tc:ebxml-regrep:AssociationType:HasMember"'
            f' sourceObject="SubmissionSet01" targetObject="{symbol}">{_slot("SubmissionSetStatus", "Original")}</rim:Association>'
        )
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        '<lcm:SubmitObjectsRequest xmlns:lcm="urn:oasis:names:tc:ebxml-regrep:xsd:lcm:3.0"'
        ' xmlns:rim="urn:oasis:names:tc:ebxml-regrep:xsd:rim:3.0"><rim:RegistryObjectList>'
        f"{package}{entries}{associations}</rim:RegistryObjectList></lcm:SubmitObjectsRequest>\n"
    ).encode()


def _entry(ids: _Ids, symbol: str, document: Written, name: str) -> str:
    draft = document.draft
    kind = codes.document_type(draft.type_code)
    class_code = kind.class_code if kind is not None and kind.class_code else "10"
    digest = hashlib.sha1(document.data, usedforsecurity=False).hexdigest()
    patient = draft.patient
    classifications = (
        ("urn:uuid:41a5887f-8865-4c09-adf7-e362475b143a",
         codes.Coded(class_code, codes.CLASS_SYSTEM, codes.class_label(class_code))),
        ("urn:uuid:f0306f51-975f-434e-a61c-c59651d33983",
         codes.Coded(draft.type_code, codes.type_system(draft.type_code), kind.label if kind else draft.type_code)),
        ("urn:uuid:f4f85eac-e6cb-4883-b524-f2705394840f",
         codes.Coded(draft.confidentiality, codes.CONFIDENTIALITY_SYSTEM, "Normal")),
        ("urn:uuid:a09d5840-386c-46f2-b5ad-9c3699a4309d",
         codes.Coded(document.format_code, codes.format_system(document.format_code), codes.format_label(document.format_code))),
        ("urn:uuid:f33fb8ac-18af-42cc-ae0e-ed0b0bdb91e1",
         codes.Coded(draft.facility, "1.2.250.1.71.4.2.4", _FACILITIES.get(draft.facility, draft.facility))),
        ("urn:uuid:cccf5598-8b07-4b77-a05e-ae952c785ead",
         codes.Coded(draft.practice_setting, "1.2.250.1.213.1.1.4.9", draft.practice_setting.capitalize())),
    )  # fmt: skip
    return (
        f'<rim:ExtrinsicObject id="{symbol}" mimeType="text/xml" objectType="urn:uuid:7edca82f-054d-47f2-a032-9b2a5b5186c1">'
        + _slot("creationTime", format_dtm(draft.created_at))
        + _slot("hash", digest)
        + _slot("languageCode", "fr-FR")
        + _slot("legalAuthenticator", _xcn(draft.author))
        + _slot("serviceStartTime", format_dtm(draft.service_at))
        + _slot("size", str(len(document.data)))
        + _slot("sourcePatientId", _cx(patient))
        + _slot(
            "sourcePatientInfo",
            f"PID-5|{patient.birth_name}^{patient.first_names.split()[0]}^^^^^L",
            f"PID-7|{patient.birth_date}",
            f"PID-8|{patient.sex}",
        )
        + _slot("URI", name)
        + _name(draft.title)
        + _author(ids, "urn:uuid:93606bcf-9494-43ec-9b4e-a7748d1a838d", symbol, draft.author)
        + "".join(_coded(ids, scheme, symbol, coded) for scheme, coded in classifications)
        + _identifier(ids, "urn:uuid:58a6f841-87b3-4a3e-92fd-a8ffeff98427", symbol,
                      _cx(patient), "XDSDocumentEntry.patientId")
        + _identifier(ids, "urn:uuid:2e82c1f6-a085-4c72-9da3-8640a32e42ab", symbol,
                      draft.unique_id, "XDSDocumentEntry.uniqueId")
        + "</rim:ExtrinsicObject>"
    )  # fmt: skip


class _Ids:
    """Symbolic ids, unique in one METADATA.XML."""

    def __init__(self) -> None:
        self._last = 0

    def next(self, prefix: str) -> str:
        self._last += 1
        return f"{prefix}{self._last}"


def _q(text: str) -> str:
    return quoteattr(text)


def _slot(name: str, *values: str) -> str:
    listed = "".join(f"<rim:Value>{escape(value)}</rim:Value>" for value in values)
    return f'<rim:Slot name="{name}"><rim:ValueList>{listed}</rim:ValueList></rim:Slot>'


def _name(text: str) -> str:
    return f'<rim:Name><rim:LocalizedString xml:lang="FR" charset="UTF8" value={_q(text)}/></rim:Name>'


def _coded(ids: _Ids, scheme: str, symbol: str, coded: codes.Coded) -> str:
    return (
        f'<rim:Classification id="{ids.next("cla")}" classificationScheme="{scheme}" classifiedObject="{symbol}"'
        f" nodeRepresentation={_q(coded.code)}>{_slot('codingScheme', coded.system)}{_name(coded.display)}</rim:Classification>"
    )


def _author(ids: _Ids, scheme: str, symbol: str, author: Author) -> str:
    return (
        f'<rim:Classification id="{ids.next("cla")}" classificationScheme="{scheme}" classifiedObject="{symbol}" nodeRepresentation="">'
        + _slot("authorPerson", _xcn(author))
        + _slot("authorSpecialty", f"{author.specialty_code}^{author.specialty}^1.2.250.1.213.1.1.4.5")
        + _slot(
            "authorInstitution",
            f"{author.institution}^^^^^&{codes.STRUCTURE_OID}&ISO^IDNST^^^{author.institution_id}",
        )
        + "</rim:Classification>"
    )


def _identifier(ids: _Ids, scheme: str, symbol: str, value: str, name: str) -> str:
    return (
        f'<rim:ExternalIdentifier id="{ids.next("ei")}" identificationScheme="{scheme}" registryObject="{symbol}"'
        f" value={_q(value)}>{_name(name)}</rim:ExternalIdentifier>"
    )


def _cx(patient: Patient) -> str:
    return f"{patient.ins}^^^&{patient.oid}&ISO^NH"


def _xcn(author: Author) -> str:
    return f"{author.id}^{author.family}^{author.given}^^^^^^&{codes.PROFESSIONAL_OID}&ISO^D^^^IDNPS"


def _readme(author: Author, names: Sequence[str]) -> bytes:
    tree = "\r\n".join(f"    {name} : document" for name in names)
    return (
        f"Emetteur\r\n  Nom : {author.given} {author.family}\r\n  Organisme : {author.institution}\r\n\r\n"
        "Application\r\n  Nom : Vaguemestre\r\n  Version : 0.1\r\n\r\n"
        "Instructions\r\n  Ouvrir INDEX.HTM, ou importer le dossier IHE_XDM dans un logiciel compatible.\r\n\r\n"
        "Arborescence\r\n  INDEX.HTM : sommaire\r\n  README.TXT : ce fichier\r\n  IHE_XDM/SUBSET01\r\n"
        f"    METADATA.XML : description des documents\r\n{tree}\r\n"
    ).encode()


def _index(author: Author, documents: Sequence[tuple[str, Written]]) -> bytes:
    items = "".join(
        f'<li><a href="{name}">{escape(document.draft.title)}</a></li>' for name, document in documents
    )
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        '<!DOCTYPE html PUBLIC "-//W3C//DTD XHTML Basic 1.1//EN" "http://www.w3.org/TR/xhtml-basic/xhtml-basic11.dtd">\n'
        '<html xmlns="http://www.w3.org/1999/xhtml" xml:lang="fr"><head><title>Documents de santé</title></head>'
        f'<body><h1>{escape(author.institution)}</h1><p><a href="README.TXT">README.TXT</a></p><ul>{items}</ul></body></html>\n'
    ).encode()
