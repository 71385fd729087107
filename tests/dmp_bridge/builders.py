"""Builds XDM packages, CDA documents and mails by hand, apart from the product's own writer."""

from __future__ import annotations

import base64
import hashlib
import io
import zipfile
from email.message import EmailMessage
from xml.sax.saxutils import escape, quoteattr

INS = "279035121518989"
OTHER_INS = "160012345678990"
TEST_OID = "1.2.250.1.213.1.4.10"
PDF = b"%PDF-1.4\n1 0 obj<</Type/Catalog>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF\n"
PNG = b"\x89PNG\r\n\x1a\n" + b"\x00" * 32

NAMESPACES = (
    'xmlns:lcm="urn:oasis:names:tc:ebxml-regrep:xsd:lcm:3.0"'
    ' xmlns:rim="urn:oasis:names:tc:ebxml-regrep:xsd:rim:3.0"'
)


def cda(
    *,
    unique_id: str = "1.2.250.1.999.1.1",
    set_id: str | None = "1.2.250.1.999.1",
    version: int | None = 1,
    code: str = "11502-2",
    title: str = "Compte rendu d'examens biologiques",
    effective: str = "20260313145410+0100",
    service: str = "20260312090000+0100",
    confidentiality: str = "N",
    ins: str | None = INS,
    oid: str = TEST_OID,
    family: str = "PAT-TROIS",
    given: str = "DOMINIQUE",
    birth: str = "19790328",
    sex: str = "F",
    author_id: str = "801234534765",
    author_family: str = "CAMPARINI",
    institution_id: str = "1120459876",
    replaces: str | None = None,
    body: str | None = None,
) -> bytes:
    identifiers = f'<id extension="{ins}" root="{oid}"/>' if ins else ""
    related = (
        f'<relatedDocument typeCode="RPLC"><parentDocument><id root="{replaces}"/></parentDocument></relatedDocument>'
        if replaces
        else ""
    )
    return f"""<?xml version="1.0" encoding="UTF-8"?>
<?xml-stylesheet type="text/xsl" href="http://elsewhere.example/CDA-FO.xsl"?>
<ClinicalDocument xmlns="urn:hl7-org:v3" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">
<realmCode code="FR"/><typeId root="2.16.840.1.113883.1.3" extension="POCD_HD000040"/>
<templateId root="2.16.840.1.113883.2.8.2.1"/><templateId root="1.2.250.1.213.1.1.1.1"/>
<templateId root="1.2.250.1.213.1.1.1.55"/>
<id root="{unique_id}"/><code code="{code}" displayName="CR" codeSystem="2.16.840.1.113883.6.1"/>
<title>{escape(title)}</title><effectiveTime value="{effective}"/>
<confidentialityCode code="{confidentiality}" codeSystem="2.16.840.1.113883.5.25"/><languageCode code="fr-FR"/>
{f'<setId root="{set_id}"/>' if set_id else ""}{f'<versionNumber value="{version}"/>' if version else ""}
<recordTarget><patientRole>{identifiers}<id extension="1234" root="1.2.3.4"/><patient>
<name><family qualifier="BR">{escape(family)}</family><given>{escape(given)} MARIE</given>
<given qualifier="BR">{escape(given)}</given></name>
<administrativeGenderCode code="{sex}"/><birthTime value="{birth}"/></patient></patientRole></recordTarget>
<author><time value="{effective}"/><assignedAuthor><id root="1.2.250.1.71.4.2.1" extension="{author_id}"/>
<code code="G15_10/SM03" displayName="Médecin - Biologie médicale (SM)"/>
<assignedPerson><name><given>Marcel</given><family>{author_family}</family><suffix>DR</suffix></name></assignedPerson>
<representedOrganization><id root="1.2.250.1.71.4.2.2" extension="{institution_id}"/><name>Laboratoire des charmes</name>
</representedOrganization></assignedAuthor></author>
<custodian><assignedCustodian><representedCustodianOrganization><name>Laboratoire des charmes</name>
</representedCustodianOrganization></assignedCustodian></custodian>
<documentationOf><serviceEvent><effectiveTime><low value="{service}"/></effectiveTime><performer><assignedEntity>
<representedOrganization><standardIndustryClassCode code="AMBULATOIRE" codeSystem="1.2.250.1.213.1.1.4.9"/>
</representedOrganization></assignedEntity></performer></serviceEvent></documentationOf>{related}
<componentOf><encompassingEncounter><location><healthCareFacility><code code="SA07" codeSystem="1.2.250.1.71.4.2.4"/>
</healthCareFacility></location></encompassingEncounter></componentOf>
<component>{n1_body() if body is None else body}</component></ClinicalDocument>""".encode()


def n1_body(data: bytes = PDF, media_type: str = "application/pdf") -> str:
    encoded = base64.encodebytes(data).decode()
    return f'<nonXMLBody><text mediaType="{media_type}" representation="B64">{encoded}</text></nonXMLBody>'


def n3_body(*sections: tuple[str, str], pdf: bytes | None = None) -> str:
    written = "".join(
        f"<component><section><title>{title}</title><text>{text}</text></section></component>"
        for title, text in sections or (("Conclusion", "<paragraph>Tout va bien.</paragraph>"),)
    )
    if pdf is not None:
        written += (
            '<component><section><templateId root="1.2.250.1.213.1.1.2.243"/><title>Copie</title><text/><entry>'
            '<observationMedia><value mediaType="application/pdf" representation="B64">'
            f"{base64.b64encode(pdf).decode()}</value></observationMedia></entry></section></component>"
        )
    return f"<structuredBody>{written}</structuredBody>"


def entry(
    name: str,
    data: bytes,
    *,
    unique_id: str | None = "1.2.250.1.999.1.1",
    ins: str | None = INS,
    oid: str = TEST_OID,
    sha1: str | None = None,
    size: int | None = None,
    uri: str | None = None,
    flags: tuple[str, ...] = (),
    identifier: str = "Document01",
) -> str:
    digest = hashlib.sha1(data).hexdigest() if sha1 is None else sha1
    length = len(data) if size is None else size
    location = name if uri is None else uri
    slots = _slot("hash", digest) + _slot("size", str(length)) + (_slot("URI", location) if location else "")
    classifications = "".join(
        '<rim:Classification classificationScheme="urn:uuid:f4f85eac-e6cb-4883-b524-f2705394840f"'
        f' classifiedObject="{identifier}" nodeRepresentation="{flag}">{_slot("codingScheme", "x")}</rim:Classification>'
        for flag in ("N", *flags)
    )
    identifiers = ""
    if ins:
        identifiers += _identifier("58a6f841-87b3-4a3e-92fd-a8ffeff98427", f"{ins}^^^&{oid}&ISO^NH")
    if unique_id:
        identifiers += _identifier("2e82c1f6-a085-4c72-9da3-8640a32e42ab", unique_id)
    return (
        f'<rim:ExtrinsicObject id="{identifier}" mimeType="text/xml"'
        ' objectType="urn:uuid:7edca82f-054d-47f2-a032-9b2a5b5186c1">'
        f'{slots}<rim:Name><rim:LocalizedString value="Un document"/></rim:Name>{classifications}{identifiers}'
        "</rim:ExtrinsicObject>"
    )


def metadata(*entries: str, lot: str = "1.2.250.1.999.7", about: str = "") -> bytes:
    """``lot`` is the uniqueId of the SubmissionSet, ``about`` the XML of what else it says."""
    return (
        f'<?xml version="1.0" encoding="UTF-8"?><lcm:SubmitObjectsRequest {NAMESPACES}><rim:RegistryObjectList>'
        '<rim:RegistryPackage id="SubmissionSet01">'
        + about
        + _slot("submissionTime", "20260313135410")
        + '<rim:Classification classificationNode="urn:uuid:a54d6aa5-d40d-43f9-88c5-b4633d873bdd"/>'
        + (_identifier("96fdda7c-d067-4183-912e-bf5ee74998a8", lot) if lot else "")
        + "</rim:RegistryPackage>"
        + "".join(entries)
        + "</rim:RegistryObjectList></lcm:SubmitObjectsRequest>"
    ).encode()


def zipped(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as opened:
        for name, data in files.items():
            opened.writestr(name, data)
    return buffer.getvalue()


def xdm(*documents: bytes, lot: str = "1.2.250.1.999.7", about: str = "", **options: object) -> bytes:
    """A tidy package; ``options`` go to the metadata entry of every document."""
    names = [f"DOC{number:05}.XML" for number in range(1, len(documents) + 1)]
    entries = [
        entry(name, data, identifier=name, **options)  # type: ignore[arg-type]
        for name, data in zip(names, documents, strict=True)
    ]
    return zipped(
        {
            "INDEX.HTM": b"<html/>",
            "README.TXT": b"Emetteur",
            "IHE_XDM/SUBSET01/METADATA.XML": metadata(*entries, lot=lot, about=about),
            **{f"IHE_XDM/SUBSET01/{name}": data for name, data in zip(names, documents, strict=True)},
        }
    )


def mail(
    *attachments: tuple[str, str, bytes],
    sender: str = "marie.martin@medecin.mssante.fr",
    recipient: str = f"{INS}@patient.mssante.fr",
    subject: str = "XDM/1.0/DDM+Résultats",
) -> bytes:
    """A message with attachments given as (name, media type, bytes)."""
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = sender, recipient, subject
    message["Message-ID"] = "<m1@medecin.mssante.fr>"
    message.set_content("Bonjour,\n\nVeuillez trouver ci-joint le compte rendu.\n")
    for name, media_type, data in attachments:
        main, _, sub = media_type.partition("/")
        message.add_attachment(data, maintype=main, subtype=sub, filename=name)
    return message.as_bytes().replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")


def _slot(name: str, value: str) -> str:
    return f'<rim:Slot name="{name}"><rim:ValueList><rim:Value>{escape(value)}</rim:Value></rim:ValueList></rim:Slot>'


def _identifier(scheme: str, value: str) -> str:
    return f'<rim:ExternalIdentifier identificationScheme="urn:uuid:{scheme}" value={quoteattr(value)}/>'
