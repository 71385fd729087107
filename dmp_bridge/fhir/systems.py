"""The names FHIR gives to things of the record: code systems, profiles, extensions; OIDs both ways."""

from __future__ import annotations

from functools import lru_cache
from types import MappingProxyType

from dmp_bridge import codes
from foundation.identifiers import INS_OIDS

URI = "urn:ietf:rfc:3986"
_OID, _UUID = "urn:oid:", "urn:uuid:"
_NOS = "https://mos.esante.gouv.fr/NOS/"
_PDSM = "https://interop.esante.gouv.fr/ig/fhir/pdsm/StructureDefinition/"
_DMP = "https://interop.esante.gouv.fr/ig/fhir/dmp/"
_MHD = "https://profiles.ihe.net/ITI/MHD/"
_HL7 = "http://terminology.hl7.org/CodeSystem/"

DOCUMENT_PROFILE = _PDSM + "pdsm-comprehensive-document-reference"
SUBMISSION_PROFILE = _PDSM + "pdsm-submissionset-comprehensive"
PATIENT_PROFILE = "https://hl7.fr/ig/fhir/core/StructureDefinition/fr-core-patient"

IS_ARCHIVED = _PDSM + "pdsm-ext-is-archived"
IS_DELETED = _PDSM + "pdsm-ext-is-deleted"
CLOSURE = _DMP + "StructureDefinition/dmp-fermeture"
CLOSURE_REASON = _DMP + "CodeSystem/dmp-motif-fermeture"
ATTACHED = _DMP + "StructureDefinition/dmp-rattachement-mes"
ATTENDING = _DMP + "StructureDefinition/dmp-medecin-traitant"

LIST_TYPES = _MHD + "CodeSystem/MHDlistTypes"
DESIGNATION_TYPE = _MHD + "StructureDefinition/ihe-designationType"
SOURCE_ID = _MHD + "StructureDefinition/ihe-sourceId"

CONFIDENTIALITY = _HL7 + "v3-Confidentiality"
VISIBILITY = f"{_NOS}TRE_A07-StatutVisibiliteDocument/FHIR/TRE-A07-StatutVisibiliteDocument"
PURPOSE = _HL7 + "v3-ActReason"
AUDIT_EVENT_TYPE = _HL7 + "audit-event-type"
AUDIT_ENTITY_TYPE = _HL7 + "audit-entity-type"
ENTITY_ROLE = _HL7 + "object-role"
PARTICIPATION = _HL7 + "v3-ParticipationType"
CONSENT_SCOPE = _HL7 + "consentscope"
CONSENT_KIND = "urn:vaguemestre:consent"
"""What a Consent of a record is about: codes of our own, as the DMP has none yet."""
RECORD_ACTION = "urn:vaguemestre:record-action"
PROFESSION = f"{_NOS}TRE_G15-ProfessionSante/FHIR/TRE-G15-ProfessionSante"
SKILL = f"{_NOS}TRE_R38-SpecialiteOrdinale/FHIR/TRE-R38-SpecialiteOrdinale"
ACCESS_MODE = "urn:oid:1.2.250.1.213.1.1.4.248"
LOINC = "http://loinc.org"

_SYSTEMS = MappingProxyType(
    {
        codes.LOINC: LOINC,
        "2.16.840.1.113883.6.96": "http://snomed.info/sct",
        codes.CONFIDENTIALITY_SYSTEM: CONFIDENTIALITY,
        codes.VISIBILITY_SYSTEM: VISIBILITY,
        codes.CLASS_SYSTEM: f"{_NOS}TRE_A03-ClasseDocument/FHIR/TRE-A03-ClasseDocument",
        codes.TA_ASIP: f"{_NOS}TRE_A05-TypeDocComplementaire/FHIR/TRE-A05-TypeDocComplementaire",
        codes.IHE_FORMAT_SYSTEM: "http://ihe.net/fhir/ihe.formatcode.fhir/CodeSystem/formatcode",
        codes.ANS_FORMAT_SYSTEM: f"{_NOS}TRE_A06-FormatCodeComplementaire/FHIR/TRE-A06-FormatCodeComplementaire",
        "1.2.250.1.71.4.2.4": f"{_NOS}TRE_R02-SecteurActivite/FHIR/TRE-R02-SecteurActivite",
        "1.2.250.1.213.1.1.4.9": f"{_NOS}TRE_A01-CadreExercice/FHIR/TRE-A01-CadreExercice",
        "1.2.250.1.213.1.1.4.5": f"{_NOS}TRE_A02-ProfessionSavFaire-CISIS/FHIR/TRE-A02-ProfessionSavFaire-CISIS",
    }
)
_OIDS = MappingProxyType({url: oid for oid, url in _SYSTEMS.items()})


@lru_cache(maxsize=1024)
def url_of(oid: str) -> str:
    """The system of codes or identifiers with this OID; what is no OID stays, as an absolute URI or nothing."""
    if oid in _SYSTEMS:
        return _SYSTEMS[oid]
    if is_oid(oid):
        return _OID + oid
    return oid if ":" in oid else ""


def oid_of(url: str) -> str:
    """The OID of a system; a URL nobody has an OID for stays as it is."""
    if url in _OIDS:
        return _OIDS[url]
    return url.removeprefix(_OID)


def uri_of(identifier: str) -> str:
    """`urn:oid:…` for a uniqueId, which may bear an extension behind ``^``; a uuid as it is."""
    return identifier if ":" in identifier else _OID + identifier


def identifier_of(uri: str) -> str:
    """The uniqueId of `urn:oid:…`; a `urn:uuid:` stays."""
    return uri.removeprefix(_OID)


def is_uuid(text: str) -> bool:
    return text.startswith(_UUID)


def is_oid(text: str) -> bool:
    """Whether this is an OID: at least two numbers with dots between."""
    numbers = text.split(".")
    return (
        len(numbers) > 1 and len(text) <= 128 and all(each.isascii() and each.isdecimal() for each in numbers)
    )


def is_ins_system(url: str) -> bool:
    """Whether this is the system of an INS: NIR, NIA, and those of test patients."""
    return url.removeprefix(_OID) in INS_OIDS
