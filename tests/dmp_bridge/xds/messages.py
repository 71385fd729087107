"""The messages that installed DMP software sends, and what it understands of the answers."""

from __future__ import annotations

import hashlib
import uuid
from dataclasses import dataclass, field
from email.message import Message
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote
from xml.sax.saxutils import escape, quoteattr

from lxml import etree

from tests.dmp_bridge.xds.assertions import INS_CX

if TYPE_CHECKING:
    import httpx2

SOAP = "http://www.w3.org/2003/05/soap-envelope"
WSA = "http://www.w3.org/2005/08/addressing"
WSSE = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd"
RIM = "urn:oasis:names:tc:ebxml-regrep:xsd:rim:3.0"
RS = "urn:oasis:names:tc:ebxml-regrep:xsd:rs:3.0"
XDS = "urn:ihe:iti:xds-b:2007"
XOP = "http://www.w3.org/2004/08/xop/include"
LCM = "urn:oasis:names:tc:ebxml-regrep:xsd:lcm:3.0"
QUERY = "urn:oasis:names:tc:ebxml-regrep:xsd:query:3.0"
REPOSITORY_ID = "1.2.250.1.999.213.2"
APPROVED = "urn:oasis:names:tc:ebxml-regrep:StatusType:Approved"
DEPRECATED = "urn:oasis:names:tc:ebxml-regrep:StatusType:Deprecated"
ARCHIVED = "urn:asip:ci-sis:2010:StatusType:Archived"
DELETED = "urn:asip:ci-sis:2010:StatusType:Deleted"
FIND_DOCUMENTS = "urn:uuid:14d4debf-8f97-4251-9a74-a90016b0af0d"
FIND_BY_REFERENCE = "urn:uuid:12941a89-e02e-4be5-967c-ce4bfc8fe492"
FIND_SETS = "urn:uuid:f26abbcb-ac74-4422-8a30-edb644bbc1a9"
GET_DOCUMENTS = "urn:uuid:5c4f972b-d56b-40ac-a5fc-c8ca9b40b9d4"
GET_BOTH = "urn:uuid:bab9529a-4a10-40b3-a01f-f68a615d247a"
GET_ASSOCIATIONS = "urn:uuid:a7ae438b-4bc2-4642-93e9-be891f7bb155"
GET_SETS = "urn:uuid:51224314-5390-4169-9b91-b1980040715a"

PROVIDE = "urn:ihe:iti:2007:ProvideAndRegisterDocumentSet-b"
RETRIEVE = "urn:ihe:iti:2007:RetrieveDocumentSet"
STORED_QUERY = "urn:ihe:iti:2007:RegistryStoredQuery"
UPDATE = "urn:ihe:iti:2010:UpdateDocumentSet"
_BODIES = {
    f"{{{RS}}}RegistryResponse": "rs.xsd",
    f"{{{QUERY}}}AdhocQueryResponse": "query.xsd",
    f"{{{XDS}}}RetrieveDocumentSetResponse": "xds.xsd",
}


@dataclass(frozen=True, slots=True)
class Provided:
    """One document of a lot."""

    data: bytes
    unique_id: str = "1.2.250.1.999.1.1"
    symbol: str = "Document01"
    flags: tuple[str, ...] = ()
    patient: str = INS_CX
    replaces: str = ""
    format_code: str = "urn:ihe:iti:xds-sd:pdf:2008"
    sha1: str | None = None
    size: int | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer: HTTP status, the element in its body, its parts by Content-ID."""

    status: int
    body: etree._Element
    relates_to: str
    action: str
    parts: dict[str, bytes] = field(repr=False)

    @property
    def outcome(self) -> str:
        """Success, Failure or PartialSuccess."""
        told = self.body.get("status") or self.body[0].get("status") or ""
        return told.rpartition(":")[2]

    @property
    def errors(self) -> list[str]:
        return [each.get("errorCode", "") for each in self.body.iter(f"{{{RS}}}RegistryError")]

    @property
    def fault(self) -> tuple[str, str]:
        """The code and subcode of a SOAP fault."""
        values = [each.text or "" for each in self.body.iter(f"{{{SOAP}}}Value")]
        return values[0].partition(":")[2], values[1].partition(":")[2] if len(values) > 1 else ""

    @property
    def entries(self) -> list[etree._Element]:
        return list(self.body.iter(f"{{{RIM}}}ExtrinsicObject"))

    @property
    def unique_ids(self) -> set[str]:
        return {identifier(each, "2e82c1f6-a085-4c72-9da3-8640a32e42ab") for each in self.entries}

    @property
    def documents(self) -> dict[str, bytes]:
        """The documents of an answer to ITI-43, by their uniqueId."""
        found = {}
        for each in self.body.iter(f"{{{XDS}}}DocumentResponse"):
            include = each.find(f".//{{{XOP}}}Include")
            assert include is not None
            name = unquote(include.get("href", "").removeprefix("cid:"))
            found[each.findtext(f"{{{XDS}}}DocumentUniqueId", "")] = self.parts[name]
        return found


def envelope(action: str, payload: str, assertion: etree._Element | None, *, message_id: str = "") -> bytes:
    """A request; without an assertion nobody says who asks."""
    security = "" if assertion is None else etree.tostring(assertion, encoding="unicode")
    name = message_id or f"urn:uuid:{uuid.uuid4()}"
    return (
        f'<soap:Envelope xmlns:soap="{SOAP}"><soap:Header>'
        f'<MessageID xmlns="{WSA}">{name}</MessageID><To xmlns="{WSA}"/>'
        f'<ReplyTo mustUnderstand="true" xmlns="{WSA}"><Address>{WSA}/anonymous</Address></ReplyTo>'
        f'<Action mustUnderstand="true" xmlns="{WSA}">{action}</Action>'
        f'<wsse:Security xmlns:wsse="{WSSE}">{security}</wsse:Security>'
        f"</soap:Header><soap:Body>{payload}</soap:Body></soap:Envelope>"
    ).encode()


def related(root: bytes, parts: dict[str, bytes]) -> tuple[bytes, str]:
    """A multipart/related body, as SoapUI writes it, and its Content-Type."""
    boundary = "----=_Part_9_20030738.1554380517598"
    head = (
        f'--{boundary}\r\nContent-Type: application/xop+xml; charset=UTF-8; type="application/soap+xml"\r\n'
        "Content-Transfer-Encoding: 8bit\r\nContent-ID: <rootpart@soapui.org>\r\n\r\n"
    ).encode()
    body = head + root + b"\r\n"
    for name, data in parts.items():
        body += (
            f"--{boundary}\r\nContent-Type: text/xml\r\nContent-Transfer-Encoding: binary\r\nContent-ID: <{name}>\r\n\r\n"
        ).encode()
        body += data + b"\r\n"
    content_type = (
        'multipart/related; type="application/xop+xml"; start="<rootpart@soapui.org>"; '
        f'start-info="application/soap+xml"; boundary="{boundary}"'
    )
    return body + f"--{boundary}--\r\n".encode(), content_type


def read_answer(response: httpx2.Response) -> Answer:
    """What came back; every body that has a schema is held against it."""
    message = Message()
    message["Content-Type"] = response.headers["content-type"]
    parts: dict[str, bytes] = {}
    data = response.content
    if message.get_content_type() == "multipart/related":
        boundary = b"--" + str(message.get_param("boundary")).encode()
        for piece in data.split(boundary)[1:-1]:
            head, _, content = piece.removeprefix(b"\r\n").partition(b"\r\n\r\n")
            name = head.partition(b"Content-ID: <")[2].partition(b">")[0].decode()
            parts[name] = content.removesuffix(b"\r\n")
        data = parts.pop(str(message.get_param("start")).strip("<>"))
    root = etree.fromstring(data)
    body = root[1][0]
    schema = _BODIES.get(str(body.tag))
    if schema is not None:
        _schema(schema).assertValid(etree.fromstring(etree.tostring(body)))
    return Answer(
        response.status_code,
        body,
        root.findtext(f".//{{{WSA}}}RelatesTo", ""),
        root.findtext(f".//{{{WSA}}}Action", ""),
        parts,
    )


def provide(
    *documents: Provided,
    set_id: str = "1.2.250.1.999.7",
    patient: str = INS_CX,
    references: tuple[str, ...] = (),
    status: str = "Reference",
) -> tuple[str, dict[str, bytes]]:
    """The payload of ITI-41 and its parts; `references` are the ids of documents that are there already."""
    parts = {f"{each.symbol}@lps": each.data for each in documents}
    contents = "".join(
        f'<x:Document id="{each.symbol}"><i:Include xmlns:i="{XOP}" href="cid:{each.symbol}%40lps"/></x:Document>'
        for each in documents
    )
    members = "".join(
        f'<Association id="as{number}" associationType="urn:oasis:names:tc:ebxml-regrep:AssociationType:HasMember"'
        f' sourceObject="SubmissionSet01" targetObject="{each.symbol}">{slot("SubmissionSetStatus", "Original")}</Association>'
        for number, each in enumerate(documents)
    )
    members += "".join(
        f'<Association id="known{number}" associationType="urn:oasis:names:tc:ebxml-regrep:AssociationType:HasMember"'
        f' sourceObject="SubmissionSet01" targetObject="{each}">{slot("SubmissionSetStatus", status)}</Association>'
        for number, each in enumerate(references)
    )
    replacements = "".join(
        f'<Association id="r{each.symbol}" associationType="urn:ihe:iti:2007:AssociationType:RPLC"'
        f' sourceObject="{each.symbol}" targetObject="{each.replaces}"/>'
        for each in documents
        if each.replaces
    )
    return (
        (
            f'<x:ProvideAndRegisterDocumentSetRequest xmlns:x="{XDS}" xmlns="{RIM}"><l:SubmitObjectsRequest xmlns:l="{LCM}">'
            f"<RegistryObjectList>{package(set_id, patient)}{''.join(map(entry, documents))}{members}{replacements}"
            f"</RegistryObjectList></l:SubmitObjectsRequest>{contents}</x:ProvideAndRegisterDocumentSetRequest>"
        ),
        parts,
    )


def package(set_id: str, patient: str = INS_CX) -> str:
    """The SubmissionSet."""
    return (
        f'<RegistryPackage id="SubmissionSet01">{slot("submissionTime", "20260313135410")}'
        '<Name><LocalizedString xml:lang="FR" charset="UTF8" value="Compte rendu"/></Name>'
        '<Classification id="c1" classificationScheme="urn:uuid:aa543740-bdda-424e-8c96-df4873be8500"'
        f' classifiedObject="SubmissionSet01" nodeRepresentation="04">{slot("codingScheme", "1.2.250.1.213.2.2")}</Classification>'
        '<Classification id="c2" classificationNode="urn:uuid:a54d6aa5-d40d-43f9-88c5-b4633d873bdd" classifiedObject="SubmissionSet01"/>'
        + _external("e1", "6b5aea1a-874d-4603-a4bc-96a0a7b38446", patient)
        + _external("e2", "554ac39e-e3fe-47fe-b233-965d2a147832", "1.2.250.1.999.1.1.7898")
        + _external("e3", "96fdda7c-d067-4183-912e-bf5ee74998a8", set_id)
        + "</RegistryPackage>"
    )


def entry(document: Provided) -> str:
    """The ExtrinsicObject of one document."""
    digest = hashlib.sha1(document.data).hexdigest() if document.sha1 is None else document.sha1
    size = len(document.data) if document.size is None else document.size
    flags = "".join(
        f'<Classification id="f{document.symbol}{flag}" classificationScheme="urn:uuid:f4f85eac-e6cb-4883-b524-f2705394840f"'
        f' classifiedObject="{document.symbol}" nodeRepresentation="{flag}">{slot("codingScheme", "1.2.250.1.213.1.1.4.13")}</Classification>'
        for flag in ("N", *document.flags)
    )
    return (
        f'<ExtrinsicObject id="{document.symbol}" mimeType="text/xml" objectType="urn:uuid:7edca82f-054d-47f2-a032-9b2a5b5186c1">'
        + slot("creationTime", "20260313135410")
        + slot("hash", digest)
        + slot("languageCode", "fr-FR")
        + slot("size", str(size))
        + '<Name><LocalizedString xml:lang="FR" charset="UTF8" value="Un document"/></Name>'
        + flags
        + '<Classification id="t" classificationScheme="urn:uuid:a09d5840-386c-46f2-b5ad-9c3699a4309d"'
        f' classifiedObject="{document.symbol}" nodeRepresentation="{document.format_code}"/>'
        + _external(f"p{document.symbol}", "58a6f841-87b3-4a3e-92fd-a8ffeff98427", document.patient)
        + _external(f"u{document.symbol}", "2e82c1f6-a085-4c72-9da3-8640a32e42ab", document.unique_id)
        + "</ExtrinsicObject>"
    )


def stored_query(query: str, *slots: tuple[str, str], returns: str = "LeafClass") -> str:
    """The payload of ITI-18."""
    given = "".join(slot(name, value) for name, value in slots)
    return (
        f'<q:AdhocQueryRequest xmlns:q="{QUERY}" xmlns="{RIM}"><q:ResponseOption returnComposedObjects="true" returnType="{returns}"/>'
        f'<AdhocQuery id="{query}">{given}</AdhocQuery></q:AdhocQueryRequest>'
    )


def find_documents(*more: tuple[str, str], statuses: str = APPROVED, returns: str = "LeafClass") -> str:
    """FindDocuments for the patient; `statuses` are separated by blanks."""
    listed = ",".join(f"'{each}'" for each in statuses.split())
    return stored_query(
        FIND_DOCUMENTS,
        ("$XDSDocumentEntryPatientId", f"'{INS_CX}'"),
        ("$XDSDocumentEntryStatus", f"({listed})"),
        *more,
        returns=returns,
    )


def retrieve(*unique_ids: str, repository: str = REPOSITORY_ID) -> str:
    """The payload of ITI-43."""
    asked = "".join(
        f"<DocumentRequest><RepositoryUniqueId>{repository}</RepositoryUniqueId>"
        f"<DocumentUniqueId>{each}</DocumentUniqueId></DocumentRequest>"
        for each in unique_ids
    )
    return f'<RetrieveDocumentSetRequest xmlns="{XDS}">{asked}</RetrieveDocumentSetRequest>'


def update_status(entry_uuid: str, original: str, new: str, patient: str = INS_CX) -> str:
    """The payload of ITI-57 that archives, gives back or deletes."""
    return (
        f'<l:SubmitObjectsRequest xmlns:l="{LCM}" xmlns="{RIM}"><RegistryObjectList>{package("1.2.250.1.999.8", patient)}'
        '<Association id="as1" associationType="urn:ihe:iti:2010:AssociationType:UpdateAvailabilityStatus"'
        f' sourceObject="SubmissionSet01" targetObject="{entry_uuid}">{slot("OriginalStatus", original)}{slot("NewStatus", new)}'
        "</Association></RegistryObjectList></l:SubmitObjectsRequest>"
    )


def update_metadata(found: etree._Element, *, add: str = "", remove: str = "", version: str = "") -> str:
    """The payload of ITI-57 that sends an entry back as it was found, with one visibility more or less."""
    changed = etree.fromstring(etree.tostring(found))
    told = changed.find(f"{{{RIM}}}VersionInfo")
    assert told is not None
    scheme = "urn:uuid:f4f85eac-e6cb-4883-b524-f2705394840f"
    codes = [each for each in changed if each.get("classificationScheme") == scheme]
    for each in codes:
        if each.get("nodeRepresentation") == remove:
            changed.remove(each)
    if add:
        more = etree.fromstring(etree.tostring(codes[0]))
        more.set("nodeRepresentation", add)
        more.set("id", f"urn:uuid:{uuid.uuid4()}")
        codes[0].addnext(more)
    changed.set("id", "Document01")
    return (
        f'<l:SubmitObjectsRequest xmlns:l="{LCM}" xmlns="{RIM}"><RegistryObjectList>{package("1.2.250.1.999.9")}'
        '<Association id="as1" associationType="urn:oasis:names:tc:ebxml-regrep:AssociationType:HasMember"'
        ' sourceObject="SubmissionSet01" targetObject="Document01">'
        f"{slot('SubmissionSetStatus', 'Original')}{slot('PreviousVersion', version or told.get('versionName', ''))}</Association>"
        f"{etree.tostring(changed, encoding='unicode')}</RegistryObjectList></l:SubmitObjectsRequest>"
    )


def slot(name: str, *values: str) -> str:
    listed = "".join(f"<Value>{escape(value)}</Value>" for value in values)
    return f'<Slot name="{name}"><ValueList>{listed}</ValueList></Slot>'


def identifier(found: etree._Element, scheme: str) -> str:
    """An ExternalIdentifier of an object."""
    for each in found.iter(f"{{{RIM}}}ExternalIdentifier"):
        if each.get("identificationScheme") == f"urn:uuid:{scheme}":
            return each.get("value", "")
    return ""


def codes_of(found: etree._Element, scheme: str) -> list[str]:
    """The codes of an entry under a classification scheme."""
    return [
        each.get("nodeRepresentation", "")
        for each in found
        if each.get("classificationScheme") == f"urn:uuid:{scheme}"
    ]


def visibilities(found: etree._Element) -> list[str]:
    return codes_of(found, "f4f85eac-e6cb-4883-b524-f2705394840f")


def _external(name: str, scheme: str, value: str) -> str:
    return f'<ExternalIdentifier id="{name}" identificationScheme="urn:uuid:{scheme}" registryObject="x" value={quoteattr(value)}/>'


@cache
def _schema(name: str) -> etree.XMLSchema:
    return etree.XMLSchema(etree.parse(str(Path(__file__).parent.parent / "schemas" / name)))
