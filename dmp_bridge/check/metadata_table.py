"""Which metadata a METADATA.XML must hold (IHE ITI TF-3 table 4.3.1-3 "XDM MC"; CI-SIS, lot et fiche DMP)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Kept(StrEnum):
    """Where ebRIM 3.0 keeps a metadata attribute of an object."""

    ATTRIBUTE = "attribute"
    SLOT = "Slot"
    NAME = "Name"
    IDENTIFIER = "ExternalIdentifier"
    CLASSIFICATION = "Classification"
    AUTHOR = "Classification authorPerson"


class Need(StrEnum):
    """How much a profile wants an attribute."""

    REQUIRED = "R"
    IF_KNOWN = "RE"
    FREE = "O"


@dataclass(frozen=True, slots=True)
class Attribute:
    """One attribute: its XDS name, where it stands (slot name or UUID of its scheme), who needs it."""

    name: str
    kept: Kept
    key: str
    ihe: Need
    french: Need


_R, _RE, _O = Need.REQUIRED, Need.IF_KNOWN, Need.FREE

DOCUMENT: tuple[Attribute, ...] = (
    Attribute("entryUUID", Kept.ATTRIBUTE, "id", _R, _R),
    Attribute("objectType", Kept.ATTRIBUTE, "objectType", _R, _R),
    Attribute("mimeType", Kept.ATTRIBUTE, "mimeType", _R, _R),
    Attribute("uniqueId", Kept.IDENTIFIER, "urn:uuid:2e82c1f6-a085-4c72-9da3-8640a32e42ab", _R, _R),
    Attribute("URI", Kept.SLOT, "URI", _R, _R),
    Attribute("size", Kept.SLOT, "size", _R, _R),
    Attribute("hash", Kept.SLOT, "hash", _R, _R),
    Attribute("patientId", Kept.IDENTIFIER, "urn:uuid:58a6f841-87b3-4a3e-92fd-a8ffeff98427", _RE, _R),
    Attribute("sourcePatientId", Kept.SLOT, "sourcePatientId", _RE, _R),
    Attribute("creationTime", Kept.SLOT, "creationTime", _RE, _R),
    Attribute("languageCode", Kept.SLOT, "languageCode", _RE, _R),
    Attribute("serviceStartTime", Kept.SLOT, "serviceStartTime", _RE, _R),
    Attribute("serviceStopTime", Kept.SLOT, "serviceStopTime", _RE, _RE),
    Attribute("legalAuthenticator", Kept.SLOT, "legalAuthenticator", _O, _R),
    Attribute("title", Kept.NAME, "Name", _O, _R),
    Attribute("author", Kept.AUTHOR, "urn:uuid:93606bcf-9494-43ec-9b4e-a7748d1a838d", _RE, _R),
    Attribute("classCode", Kept.CLASSIFICATION, "urn:uuid:41a5887f-8865-4c09-adf7-e362475b143a", _RE, _R),
    Attribute("typeCode", Kept.CLASSIFICATION, "urn:uuid:f0306f51-975f-434e-a61c-c59651d33983", _RE, _R),
    Attribute(
        "confidentialityCode", Kept.CLASSIFICATION, "urn:uuid:f4f85eac-e6cb-4883-b524-f2705394840f", _RE, _R
    ),
    Attribute("formatCode", Kept.CLASSIFICATION, "urn:uuid:a09d5840-386c-46f2-b5ad-9c3699a4309d", _RE, _R),
    Attribute(
        "healthcareFacilityTypeCode",
        Kept.CLASSIFICATION,
        "urn:uuid:f33fb8ac-18af-42cc-ae0e-ed0b0bdb91e1",
        _RE,
        _R,
    ),
    Attribute(
        "practiceSettingCode", Kept.CLASSIFICATION, "urn:uuid:cccf5598-8b07-4b77-a05e-ae952c785ead", _RE, _R
    ),
)

SUBMISSION_SET: tuple[Attribute, ...] = (
    Attribute("uniqueId", Kept.IDENTIFIER, "urn:uuid:96fdda7c-d067-4183-912e-bf5ee74998a8", _R, _R),
    Attribute("sourceId", Kept.IDENTIFIER, "urn:uuid:554ac39e-e3fe-47fe-b233-965d2a147832", _R, _R),
    Attribute("submissionTime", Kept.SLOT, "submissionTime", _R, _R),
    Attribute("patientId", Kept.IDENTIFIER, "urn:uuid:6b5aea1a-874d-4603-a4bc-96a0a7b38446", _RE, _R),
    Attribute("author", Kept.AUTHOR, "urn:uuid:a7058bb9-b4e4-4307-ba5b-e3f0ab85e12d", _RE, _R),
    Attribute(
        "contentTypeCode", Kept.CLASSIFICATION, "urn:uuid:aa543740-bdda-424e-8c96-df4873be8500", _RE, _R
    ),
)

# Associations of DocumentEntries and the rest of ebRIM that the rules name.
SUBMISSION_SET_NODE = "urn:uuid:a54d6aa5-d40d-43f9-88c5-b4633d873bdd"
HAS_MEMBER = "urn:oasis:names:tc:ebxml-regrep:AssociationType:HasMember"
RIM = "urn:oasis:names:tc:ebxml-regrep:xsd:rim:3.0"
LCM = "urn:oasis:names:tc:ebxml-regrep:xsd:lcm:3.0"
RIM_21 = "urn:oasis:names:tc:ebxml-regrep:rim:xsd:2.1"
REGISTRY = "urn:oasis:names:tc:ebxml-regrep:"
