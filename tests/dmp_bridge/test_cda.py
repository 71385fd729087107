from __future__ import annotations

import gzip
import zlib

import pytest

from dmp_bridge.cda import CdaFault, CdaRefused, Level, RootKind, read_cda
from tests.dmp_bridge.builders import INS, PDF, TEST_OID, cda, n1_body, n3_body
from tests.shared_data import shared

XSL = 'xmlns:xsl="http://www.w3.org/1999/XSL/Transform"'


def refused(data: bytes) -> CdaFault:
    with pytest.raises(CdaRefused) as caught:
        read_cda(data)
    return caught.value.fault


def inner(document: bytes) -> bytes:
    return document[document.index(b"<ClinicalDocument") :]


def test_the_header_of_an_n1_is_read() -> None:
    found = read_cda(cda(replaces="1.2.250.1.999.0"))
    assert (found.root, found.level) == (RootKind.PLAIN, Level.N1)
    assert (found.unique_id, found.set_id, found.version_number) == (
        "1.2.250.1.999.1.1",
        "1.2.250.1.999.1",
        1,
    )
    assert (found.code.code, found.title) == ("11502-2", "Compte rendu d'examens biologiques")
    assert found.effective_at == 1773410050000
    assert found.service_start_at == 1773302400000
    assert (found.language, found.confidentiality) == ("fr-FR", "N")
    assert (found.patient.ins, found.patient.ins_oid) == (INS, TEST_OID)
    assert (found.patient.birth_name, found.patient.first_given) == ("PAT-TROIS", "DOMINIQUE")
    assert (found.patient.birth_date, found.patient.sex) == ("1979-03-28", "F")
    assert found.patient.is_complete
    (author,) = found.authors
    assert (author.id, author.name, author.specialty) == (
        "1.2.250.1.71.4.2.1^801234534765",
        "Dr Marcel CAMPARINI",
        "Médecin - Biologie médicale (SM)",
    )
    assert (author.institution, author.institution_id) == (
        "Laboratoire des charmes",
        "1.2.250.1.71.4.2.2^1120459876",
    )
    assert found.facility is not None
    assert found.facility.code == "SA07"
    assert found.practice_setting is not None
    assert found.practice_setting.code == "AMBULATOIRE"
    assert found.replaces == ("1.2.250.1.999.0",)
    assert found.format_code == "urn:ihe:iti:xds-sd:pdf:2008"
    assert found.display is not None
    assert (found.display.media_type, found.display.data) == ("application/pdf", PDF)


# ref: SC.CDA/VISU.03, DMP-F14
def test_an_n3_shows_its_pdf_copy_first() -> None:
    found = read_cda(cda(body=n3_body(pdf=PDF)))
    assert found.level is Level.N3
    assert found.format_code == "urn:ihe:lab:xd-lab:2008"
    assert found.display is not None
    assert found.display.data == PDF
    assert read_cda(cda(body=n3_body())).display is None


def test_a_text_that_is_not_in_base64_is_read_as_it_is() -> None:
    body = '<nonXMLBody><text mediaType="text/plain">Bonjour é</text></nonXMLBody>'
    display = read_cda(cda(body=body)).display
    assert display is not None
    assert display.data == "Bonjour é".encode()


# ref: DMP-F6
@pytest.mark.parametrize(
    ("wrapper", "kind"),
    [
        (
            f'<xsl:stylesheet version="1.0" {XSL}><d:Contenu xmlns:d="urn:d">%s</d:Contenu></xsl:stylesheet>',
            "self_presentable",
        ),
        (
            '<ds:Signature xmlns:ds="http://www.w3.org/2000/09/xmldsig#"><ds:Object>%s</ds:Object></ds:Signature>',
            "signed",
        ),
    ],
)
def test_a_wrapped_document_is_found(wrapper: str, kind: str) -> None:
    found = read_cda(wrapper.encode() % inner(cda()))
    assert (found.root, found.unique_id) == (RootKind(kind), "1.2.250.1.999.1.1")


# ref: DMP-F39
def test_a_self_presentable_document_with_a_script_is_refused() -> None:
    data = f'<xsl:stylesheet version="1.0" {XSL}>%s<xsl:template match="/"><html><SCRIPT/></html></xsl:template></xsl:stylesheet>'
    assert refused(data.encode() % inner(cda())) is CdaFault.ACTIVE_CONTENT


STYLE = (
    '<xsl:stylesheet xmlns:xsl="http://www.w3.org/1999/XSL/Transform" xmlns="http://www.w3.org/1999/xhtml">'
)


# ref: DMP-F39
@pytest.mark.parametrize(
    "active",
    [
        "<script>1</script>",
        "<SCRIPT>1</SCRIPT>",
        '<xsl:element name="script"/>',
        '<xsl:attribute name="onload">1</xsl:attribute>',
        '<body onload="1"/>',
        '<a href="http://elsewhere.example/">x</a>',
        '<a href=" java&#10;script:1">x</a>',
        '<img src="//elsewhere.example/x.png"/>',
        '<img src="data:text/html,x"/>',
        '<link rel="stylesheet" href="style.css"/>',
        "<iframe/>",
        '<xsl:include href="x.xsl"/>',
    ],
)
def test_active_content_around_a_document_is_refused(active: str) -> None:
    wrapped = f"{STYLE}{active}<x>{inner(cda()).decode()}</x></xsl:stylesheet>".encode()
    assert refused(wrapped) is CdaFault.ACTIVE_CONTENT


def test_links_within_the_document_are_no_active_content() -> None:
    harmless = '<a href="#top">x</a><img src="data:image/png;base64,AAAA"/><a href="{$here}">x</a>'
    body = n3_body(("Lien", '<linkHtml href="http://elsewhere.example/">x</linkHtml>'))
    found = read_cda(f"{STYLE}{harmless}<x>{inner(cda(body=body)).decode()}</x></xsl:stylesheet>".encode())
    assert found.root is RootKind.SELF_PRESENTABLE


@pytest.mark.parametrize(
    "change",
    [(' representation="B64"', ""), ('representation="B64"', 'representation="b64"'), ("application/pdf", "application/pdf; name=x.pdf")],
)  # fmt: skip
def test_a_file_is_read_as_its_producer_meant_it(change: tuple[str, str]) -> None:
    found = read_cda(cda(body=n1_body(PDF)).decode().replace(*change).encode())
    assert found.display is not None
    assert (found.display.media_type, found.display.data) == ("application/pdf", PDF)


@pytest.mark.parametrize(
    ("method", "compressed"),
    [("DF", zlib.compress(PDF)[2:-4]), ("ZL", zlib.compress(PDF)), ("gz", gzip.compress(PDF)), ("DF", zlib.compress(PDF))],
)  # fmt: skip
def test_a_compressed_file_is_shown_as_it_was(method: str, compressed: bytes) -> None:
    body = n1_body(compressed).replace("<text", f'<text compression="{method}"')
    found = read_cda(cda(body=body))
    assert found.display is not None
    assert (found.display.data, found.format_code) == (PDF, "urn:ihe:iti:xds-sd:pdf:2008")


@pytest.mark.parametrize(
    ("method", "compressed"),
    [("Z", zlib.compress(PDF)), ("ZL", zlib.compress(PDF)[:-5]), ("DF", PDF), ("ZL", zlib.compress(bytes(70_000_000)))],
)  # fmt: skip
def test_what_cannot_be_decompressed_within_reason_is_refused(method: str, compressed: bytes) -> None:
    body = n1_body(compressed).replace("<text", f'<text compression="{method}"')
    assert refused(cda(body=body)) is CdaFault.UNREADABLE_BODY


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ("image/jpg", "urn:ihe:iti-fr:xds-sd:jpeg:2010"),
        ("application/rtf", "urn:ihe:iti-fr:xds-sd:rtf:2010"),
        ("application/x-pdf", "urn:ihe:iti:xds-sd:pdf:2008"),
    ],
)
def test_the_other_names_of_a_media_type_give_its_format(told: str, expected: str) -> None:
    assert read_cda(cda(body=n1_body(b"x", told))).format_code == expected


def test_an_rtf_on_lines_of_its_own_is_one_still() -> None:
    body = '<nonXMLBody><text mediaType="text/rtf">\n  {\\rtf1 Bonjour}\n</text></nonXMLBody>'
    found = read_cda(cda(body=body))
    assert found.display is not None
    assert found.display.data == rb"{\rtf1 Bonjour}"


def test_every_confidentiality_of_the_header_is_read() -> None:
    one = b'<confidentialityCode code="N"'
    two = cda().replace(one, b'<confidentialityCode code="N"/><confidentialityCode code="INVISIBLE_PATIENT"')
    assert read_cda(two).confidentialities == ("N", "INVISIBLE_PATIENT")
    assert read_cda(cda(confidentiality="")).confidentialities == ("N",)


def test_a_body_without_sections_holds_nothing() -> None:
    assert read_cda(cda(body="<structuredBody/>")).level is Level.NONE


def test_one_name_may_be_of_birth_and_in_use() -> None:
    patient = read_cda(cda().replace(b'qualifier="BR"', b'qualifier="CL BR"')).patient
    assert (patient.birth_name, patient.first_given) == ("PAT-TROIS", "DOMINIQUE")


def test_blanks_around_an_authority_are_not_part_of_it() -> None:
    assert read_cda(cda(oid=f" {TEST_OID} ")).patient.ins == INS


def test_two_documents_in_one_wrapper_are_refused() -> None:
    data = f'<xsl:stylesheet version="1.0" {XSL}>%s%s</xsl:stylesheet>'.encode()
    assert refused(data % (inner(cda()), inner(cda()))) is CdaFault.SEVERAL
    assert refused(f'<xsl:stylesheet version="1.0" {XSL}/>'.encode()) is CdaFault.NOT_CDA


# ref: DMP-F6
@pytest.mark.parametrize(
    ("data", "fault"),
    [
        (b"", CdaFault.NOT_XML),
        (b"<a/>", CdaFault.NOT_CDA),
        (b"<!DOCTYPE a><a/>", CdaFault.NOT_XML),
        (b"<ClinicalDocument/>", CdaFault.NOT_CDA),
        (b'<ClinicalDocument xmlns="urn:hl7-org:v3"/>', CdaFault.NO_ID),
        (b'<ClinicalDocument xmlns="urn:hl7-org:v3"><id root="1.2"/></ClinicalDocument>', CdaFault.NO_CODE),
        (cda(body=n1_body().replace('B64">', 'B64">%%%')), CdaFault.UNREADABLE_BODY),
        (cda(body=n1_body(b"")), CdaFault.UNREADABLE_BODY),
    ],
)
def test_what_cannot_be_filed_is_refused_with_its_reason(data: bytes, fault: CdaFault) -> None:
    assert refused(data) is fault


def test_a_bare_header_is_read_with_what_it_has() -> None:
    found = read_cda(
        b'<ClinicalDocument xmlns="urn:hl7-org:v3"><id root="1.2" extension="x"/><code code="1"/></ClinicalDocument>'
    )
    assert (found.unique_id, found.level, found.patient.ins, found.authors) == ("1.2^x", Level.NONE, None, ())
    assert not found.patient.is_complete


def test_an_identifier_of_another_authority_is_no_ins() -> None:
    assert read_cda(cda(oid="1.2.250.1.213.1.4.2")).patient.ins is None
    assert read_cda(cda(ins="123")).patient.ins is None


def test_the_main_act_is_the_one_that_tells_its_setting() -> None:
    other = b"<documentationOf><serviceEvent><effectiveTime><low value='2001'/></effectiveTime></serviceEvent></documentationOf>"
    data = cda().replace(b"<documentationOf>", other + b"<documentationOf>", 1)
    assert read_cda(data).service_start_at == 1773302400000


# unique id, level, root, type, version, format, whether a file is shown
SHARED_TRUTH: dict[str, tuple[str, str, str, str, int, str, bool]] = {
    "BIO-CR-BIO_2021.01_Auto-Presentable.xml": (
        "1.2.250.1.213.1.1.1.55.2021.1.1", "N3", "self_presentable", "11502-2", 1, "urn:ihe:lab:xd-lab:2008", False),
    "BIO-CR-BIO_2021.01_CDA-R2-Niveau-1.xml": (
        "1.2.250.1.213.1.1.1.55.2021.3.1", "N1", "plain", "11502-2", 1, "urn:ihe:iti:xds-sd:pdf:2008", True),
    "CSE-CS9_2025.01.xml": (
        "1.2.250.1.213.1.1.1.5.2.12345.2", "N3", "plain", "CERT_DECL", 1, "urn:asip:ci-sis:cse-cs9:2017", False),
    "DLU-EHPAD-DLU_2022.01.xml": (
        "1.2.250.1.213.1.1.1.22.2022.1.1", "N3", "plain", "74207-2", 1, "urn:asip:ci-sis:dlu:2015", False),
    "DOC_NON_STRUCTURE_CDA-R2-N1.xml": (
        "1.3.6.1.4.1.19376.1.2.20.12345.1.1", "N1", "plain", "11502-2", 1, "urn:ihe:iti:xds-sd:pdf:2008", True),
    "IMG_CR_IMG_2024.01_CDA-R2-Niveau-1.xml": (
        "1.2.250.1.213.1.1.1.45.2024.2.1", "N1", "plain", "18748-4", 2, "urn:ihe:iti:xds-sd:pdf:2008", True),
    "LDL-SES_2022.01.xml": (
        "1.2.250.1.213.1.1.1.29.2022.1.1", "N3", "plain", "11490-0", 1, "urn:asip:ci-sis:ldl-ses:2017", False),
    "VAC_2023.01.xml": (
        "1.2.250.1.213.1.1.1.37.2023.1.1", "N3", "plain", "11369-6", 1, "urn:asip:ci-sis:vac:2019", False),
    "VSM_1.4_2022.01.xml": (
        "1.2.250.1.213.1.1.1.13.2022.1.1", "N3", "plain", "SYNTH", 1, "urn:asip:ci-sis:vsm:2012", False),
    "eP-MED-DM_2024.01_PosoStruct.xml": (
        "1.2.250.1.213.1.1.1.39.2024.2.1", "N3", "plain", "57833-6", 1, "urn:ihe:pharm:pre:2010", True),
}  # fmt: skip


# ref: DMP-F6
@pytest.mark.parametrize("name", sorted(SHARED_TRUTH))
def test_the_official_examples_are_read(name: str) -> None:
    found = read_cda(shared("cda", name).read_bytes())
    assert (
        found.unique_id,
        found.level.value,
        found.root.value,
        found.code.code,
        found.version_number,
        found.format_code,
        found.display is not None,
    ) == SHARED_TRUTH[name]
    assert found.patient.is_complete
    assert found.authors[0].name.startswith("Dr ")
    assert found.custodian
    assert None not in (found.effective_at, found.service_start_at, found.facility, found.practice_setting)
    if found.display is not None:
        assert found.display.data.startswith(b"%PDF-")


def test_every_official_example_is_in_the_table() -> None:
    assert {path.name for path in shared("cda").iterdir()} == set(SHARED_TRUTH)
