"""One change in the header or the body of a CDA, one fault with its XPath."""

from __future__ import annotations

import base64
import time
from dataclasses import replace

import pytest

from dmp_bridge.check.cda_rules import examine_cda
from dmp_bridge.check.report import ALONE, Finding, Verdict, Weight
from tests.dmp_bridge.builders import cda as foreign_builder
from tests.dmp_bridge.check.packages import DRAFT, INS, broken, faults, n1, n3, swap

SETTING = "performer/assignedEntity/representedOrganization/standardIndustryClassCode"
WRAPPED = (
    '<xsl:stylesheet xmlns:xsl="http://www.w3.org/1999/XSL/Transform" version="1.0">{extra}'
    '<d:Contenu xmlns:d="urn:x">{cda}</d:Contenu></xsl:stylesheet>'
)


def examine(data: bytes) -> list[Finding]:
    return examine_cda("DOC.XML", data, ALONE)


def test_documents_of_the_profile_have_no_fault() -> None:
    assert faults(examine(n1().data)) == []
    assert faults(examine(n3().data)) == []
    replacing = replace(DRAFT, version_number=2, replaces="1.2.250.1.999.1.1.0")
    assert faults(examine(n1(replacing).data)) == []


@pytest.mark.parametrize(
    ("old", "new", "rule", "path"),
    [
        ('realmCode code="FR"', 'realmCode code="UK"', "CDA-REALM", "realmCode/@code"),
        ('<realmCode code="FR"/>', "", "CDA-REALM", "realmCode"),
        ("POCD_HD000040", "POCD_HD000041", "CDA-TYPEID", "typeId/@extension"),
        ('<typeId root="2.16.840.1.113883.1.3"', '<typeId root="2.16"', "CDA-TYPEID", "typeId/@root"),
        ('<templateId root="2.16.840.1.113883.2.8.2.1"/>', '<templateId root="1.2.3"/>', "CDA-MODELES", "templateId"),
        ('<templateId root="1.2.250.1.213.1.1.1.1"/>', '<templateId root="1.2.3"/>', "CDA-MODELES", "templateId"),
        ('<templateId root="1.3.6.1.4.1.19376.1.2.20"/>', '<templateId root="1.2.3"/>', "CDA-MODELES", "templateId"),
        ("<id root=", '<templateId root="1.2.3"/><id root=', "CDA-MODELES", "templateId"),
        ('<id root="1.2.250.1.999.1.1.1"/>', "", "CDA-ID", "id"),
        ('<id root="1.2.250.1.999.1.1.1"/>', '<id nullFlavor="UNK"/>', "CDA-ID", "id/@nullFlavor"),
        ('<id root="1.2.250.1.999.1.1.1"/>', '<id root="1.2.250.01"/>', "CDA-ID", "id/@root"),
        ('<id root="1.2.250.1.999.1.1.1"/>', '<id root="1.2.250" extension="A"/>', "CDA-ID", "id/@extension"),
        ('<code code="11502-2"', '<code code="99999-9"', "CDA-TYPE", "code/@code"),
        ('codeSystem="2.16.840.1.113883.6.1"', 'codeSystem="1.2"', "CDA-TYPE", "code/@codeSystem"),
        ("<title>Résultats de biologie</title>", "<title> </title>", "CDA-TITRE", "title"),
        ("<title>Résultats de biologie</title>", f"<title>{'a' * 129}</title>", "CDA-TITRE", "title"),
        ("<title>Résultats de biologie</title>", "", "CDA-TITRE", "title"),
        ('<effectiveTime value="20260313145410+0100"', '<effectiveTime value="20260313145410"', "CDA-DATE",
         "effectiveTime/@value"),
        ('<effectiveTime value="20260313145410+0100"', '<effectiveTime value="20261313145410+0100"', "CDA-DATE",
         "effectiveTime/@value"),
        ('<confidentialityCode code="N"', '<confidentialityCode code="U"', "CDA-CONF", "confidentialityCode/@code"),
        ('<languageCode code="fr-FR"', '<languageCode code="FR-fr"', "CDA-LANGUE", "languageCode/@code"),
        ('<setId root="1.2.250.1.999.1.1"/>', "", "CDA-VERSION", "setId"),
        ('<versionNumber value="1"/>', "", "CDA-VERSION", "versionNumber"),
        ('<versionNumber value="1"/>', '<versionNumber value="1.0"/>', "CDA-VERSION", "versionNumber/@value"),
        ('<family qualifier="BR">', "<family>", None, ""),
        ('<author><time value="20260313145410+0100"/>', "<author>", "CDA-AUTEUR", "author[1]/time/@value"),
        ('<assignedAuthor><id root="1.2.250.1.71.4.2.1" extension="801234534765"/>', "<assignedAuthor>", "CDA-AUTEUR",
         "author[1]/assignedAuthor/id"),
        ('<representedCustodianOrganization><id root="1.2.250.1.71.4.2.2"',
         '<representedCustodianOrganization><id root="1.2"', "CDA-CONSERVATION",
         "custodian/assignedCustodian/representedCustodianOrganization/id/@root"),
        ('<signatureCode code="S"/>', "", "CDA-RESPONSABLE", "legalAuthenticator/signatureCode/@code"),
        ('<assignedEntity><id root="1.2.250.1.71.4.2.1" extension="801234534765"/>',
         '<assignedEntity><id nullFlavor="UNK"/>', "CDA-RESPONSABLE", "legalAuthenticator/assignedEntity/id"),
        ('<low value="20260313145410+0100"/>', '<low value="20260313"/>', "CDA-ACTE",
         "documentationOf[1]/serviceEvent/effectiveTime/low/@value"),
        ('<standardIndustryClassCode code="AMBULATOIRE" displayName="Ambulatoire" codeSystem="1.2.250.1.213.1.1.4.9"/>', "", "CDA-ACTE",
         f"documentationOf[1]/serviceEvent/{SETTING}"),
        ('codeSystem="1.2.250.1.213.1.1.4.9"', 'codeSystem="1.2"', "CDA-ACTE",
         f"documentationOf[1]/serviceEvent/{SETTING}/@codeSystem"),
        ('codeSystem="1.2.250.1.71.4.2.4"', 'codeSystem="1.2"', "CDA-PRISE-EN-CHARGE",
         "componentOf/encompassingEncounter/location/healthCareFacility/code/@codeSystem"),
        ('<telecom nullFlavor="NAV"/>', '<telecom nullFlavor="OTH"/>', "CDA-NULL",
         "recordTarget/patientRole/telecom/@nullFlavor"),
        ('<author><time value="20260313145410+0100"', '<author><time value="20260313145410"', "CDA-DATES",
         "author/time/@value"),
        ('mediaType="application/pdf"', 'mediaType="application/msword"', "CDA-CORPS", "component/nonXMLBody/text/@mediaType"),
        ('mediaType="application/pdf"', 'mediaType="image/jpeg"', "CDA-CORPS", "component/nonXMLBody/text/@mediaType"),
        ('representation="B64"', "", "CDA-CORPS", "component/nonXMLBody/text/@representation"),
        ('representation="B64">', 'representation="B64">%%', "CDA-CORPS", "component/nonXMLBody/text"),
    ],
)  # fmt: skip
def test_one_change_is_one_fault(old: str, new: str, rule: str | None, path: str) -> None:
    found = faults(examine(swap(old, new)(n1().data)))
    if rule is None:
        assert {each for each, _ in found} == {"CDA-PATIENT", "INS-TRAITS"}
    else:
        assert found == [(rule, f"DOC.XML /ClinicalDocument/{path}")]


@pytest.mark.parametrize(
    "name", ["recordTarget", "custodian", "legalAuthenticator", "documentationOf", "componentOf", "author"]
)
def test_a_whole_element_that_is_missing_is_one_fault_of_its_rule(name: str) -> None:
    data = n1().data.decode()
    start, end = data.index(f"<{name}>"), data.index(f"</{name}>") + len(name) + 3
    found = faults(examine((data[:start] + data[end:]).encode()))
    assert (f"DOC.XML /ClinicalDocument/{name}") in [place for _, place in found]
    assert len(found) == (2 if name == "recordTarget" else 1)


def test_an_element_too_many_is_told() -> None:
    data = swap('<versionNumber value="1"/>', '<versionNumber value="1"/><versionNumber value="2"/>')(
        n1().data
    )
    assert faults(examine(data)) == [("CDA-VERSION", "DOC.XML /ClinicalDocument/versionNumber")]


# ref: SC.CDA/INT.18
@pytest.mark.parametrize(
    ("typed", "parent", "expected"),
    [
        ("APND", '<id root="1.2.3"/>', ["/ClinicalDocument/relatedDocument/@typeCode"]),
        ("RPLC", "", ["/ClinicalDocument/relatedDocument/parentDocument/id"]),
        ("XFRM", '<id root="1.2.3"/>', []),
    ],
)
def test_a_link_to_another_document_is_complete(typed: str, parent: str, expected: list[str]) -> None:
    related = (
        f'<relatedDocument typeCode="{typed}"><parentDocument>{parent}</parentDocument></relatedDocument>'
    )
    data = n1(replace(DRAFT, version_number=2)).data.replace(
        b"<componentOf>", f"{related}<componentOf>".encode()
    )
    assert [place for _, place in faults(examine(data))] == [f"DOC.XML {each}" for each in expected]


# ref: SC.CDA/INT.18
def test_a_replacement_that_is_still_version_one_is_worth_mending() -> None:
    found = examine(n1(replace(DRAFT, replaces="1.2.3")).data)
    (finding,) = [each for each in found if each.verdict is Verdict.FAILS]
    assert (finding.rule, finding.weight) == ("CDA-VERSION", Weight.RECOMMENDED)


def test_the_null_flavor_of_the_official_samples_is_a_note() -> None:
    found = examine(swap('<telecom nullFlavor="NAV"/>', '<telecom nullFlavor="NA"/>')(n1().data))
    (finding,) = [each for each in found if each.verdict is Verdict.FAILS]
    assert (finding.rule, finding.weight) == ("CDA-NULL", Weight.NOTE)


def test_another_encoding_than_utf8_is_told() -> None:
    data = n1().data.decode().replace('encoding="UTF-8"', 'encoding="ISO-8859-1"').encode("latin-1")
    assert faults(examine(data)) == [("CDA-LISIBLE", "DOC.XML /?xml/@encoding")]


def test_a_document_of_another_country_is_one_line() -> None:
    data = (
        n1()
        .data.replace(b'code="FR"', b'code="US"')
        .replace(b"1.2.250.", b"1.2.840.")
        .replace(b".2.8.2.1", b".10.20")
    )
    found = examine(data)
    assert faults(found) == []
    assert [each.rule for each in found if each.verdict is Verdict.NOT_APPLICABLE] == ["CDA-PROFIL"]
    assert not any(each.rule.startswith("INS") for each in found)


def wrapped(extra: str = "") -> bytes:
    document = n3().data.decode().partition("?>")[2]
    return WRAPPED.format(extra=extra, cda=document).encode()


def test_a_document_that_shows_itself_is_judged_by_the_document_inside() -> None:
    assert faults(examine(wrapped())) == []
    found = examine(wrapped().replace(b'languageCode code="fr-FR"', b'languageCode code="en"'))
    assert faults(found) == [("CDA-LANGUE", "DOC.XML /ClinicalDocument/languageCode/@code")]


def test_a_document_that_shows_itself_may_hold_no_script_and_no_link_outside() -> None:
    assert faults(examine(wrapped("<script>alert(1)</script>"))) == [("CDA-SUR", "DOC.XML /")]
    assert faults(examine(wrapped('<img src="https://elsewhere.example/a.png"/>'))) == [
        ("CDA-SUR", "DOC.XML /img/@src")
    ]
    assert faults(examine(wrapped('<img src="#logo"/>'))) == []


def test_a_style_sheet_from_elsewhere_is_worth_mending() -> None:
    found = [each for each in examine(foreign_builder()) if each.rule == "CDA-SUR"]
    assert [(each.verdict, each.weight) for each in found] == [(Verdict.FAILS, Weight.RECOMMENDED)]


@pytest.mark.parametrize(
    ("data", "rule"),
    [
        (b"", "CDA-LISIBLE"),
        (b"%PDF-1.4", "CDA-LISIBLE"),
        (b"<a", "CDA-LISIBLE"),
        (b"<html/>", "CDA-RACINE"),
        (b"<ClinicalDocument/>", "CDA-RACINE"),
        (b'<!DOCTYPE a [<!ENTITY b "bbbb"><!ENTITY c "&b;&b;">]><a>&c;</a>', "CDA-LISIBLE"),
        (b'<?xml version="1.0" encoding="UTF-16"?><a/>', "CDA-LISIBLE"),
        (b"<a>" * 100_000, "CDA-LISIBLE"),
        (b'<ClinicalDocument xmlns="urn:hl7-org:v3">' * 250 + b"</ClinicalDocument>" * 250, "CDA-LISIBLE"),
        (
            WRAPPED.format(extra="", cda='<ClinicalDocument xmlns="urn:hl7-org:v3"/>' * 2).encode(),
            "CDA-RACINE",
        ),
    ],
)
def test_what_is_no_document_is_one_fault(data: bytes, rule: str) -> None:
    assert rule in broken(examine(data))
    assert len(faults(examine(data))) <= 2


def test_an_empty_document_of_the_profile_is_told_element_by_element() -> None:
    found = faults(
        examine(b'<ClinicalDocument xmlns="urn:hl7-org:v3"><realmCode code="FR"/></ClinicalDocument>')
    )
    assert len(found) == 20


def test_a_document_of_twenty_five_megabytes_is_judged_in_seconds() -> None:
    body = b"%PDF-1.4\n" + b"x" * 18_000_000 + b"%%EOF"
    data = swap("</nonXMLBody>", "</nonXMLBody><!-- -->")(n1(body=body).data)
    assert len(data) > 24_000_000
    started = time.process_time()
    assert faults(examine(data)) == []
    assert time.process_time() - started < 10


def test_a_header_of_hundreds_of_thousands_of_faults_is_told_in_a_few_lines() -> None:
    bad = '<informant><relatedEntity nullFlavor="OTH"/></informant>' * 100_000
    data = n1().data.replace(b"<custodian>", bad.encode() + b"<custodian>")
    started = time.process_time()
    found = examine(data)
    assert time.process_time() - started < 10
    assert broken(found) == ["CDA-NULL"]
    assert len(faults(found)) == 21


def test_no_finding_repeats_the_body() -> None:
    secret = base64.b64encode(b"%PDF-1.4\nsecret\n%%EOF").decode()
    data = n1(body=b"%PDF-1.4\nsecret\n%%EOF").data.replace(b"B64", b"B65")
    assert all(secret not in each.says and INS not in repr(each) for each in examine(data))
