"""One change in METADATA.XML, one fault."""

from __future__ import annotations

import re

import pytest

from dmp_bridge.check.metadata_table import DOCUMENT as DOCUMENT_ATTRIBUTES
from dmp_bridge.check.metadata_table import SUBMISSION_SET, Attribute, Kept, Need
from dmp_bridge.check.report import Verdict, Weight
from tests.dmp_bridge.check.packages import METADATA, examine, faults, files, swap


def without(data: bytes, attribute: Attribute, holder: bytes) -> bytes:
    """The metadata without one attribute of the document or of the submission set."""
    start = data.index(b"<rim:" + holder)
    head, body = data[:start], data[start:]
    key = re.escape(attribute.key.encode())
    patterns = {
        Kept.SLOT: rb'<rim:Slot name="%s">.*?</rim:Slot>' % key,
        Kept.IDENTIFIER: rb'<rim:ExternalIdentifier [^>]*"%s".*?</rim:ExternalIdentifier>' % key,
        Kept.CLASSIFICATION: rb'<rim:Classification [^>]*"%s".*?</rim:Classification>' % key,
        Kept.AUTHOR: rb'<rim:Classification [^>]*"%s".*?</rim:Classification>' % key,
        Kept.NAME: rb"<rim:Name>.*?</rim:Name>",
        Kept.ATTRIBUTE: rb' %s="[^"]*"' % key,
    }
    changed, count = re.subn(patterns[attribute.kept], b"", body, count=1)
    assert count == 1, attribute.name
    return head + changed


def required(table: tuple[Attribute, ...]) -> list[Attribute]:
    return [each for each in table if each.french is Need.REQUIRED and each.name != "entryUUID"]


@pytest.mark.parametrize("attribute", required(DOCUMENT_ATTRIBUTES), ids=lambda each: each.name)
def test_each_required_attribute_of_a_document_is_missed(attribute: Attribute) -> None:
    content = files()
    content[METADATA] = without(content[METADATA], attribute, b"ExtrinsicObject")
    rule = "META-IHE" if attribute.ihe is Need.REQUIRED else "META-FR"
    assert faults(examine(content)) == [(rule, f"{METADATA} Document01 {attribute.name}")]


@pytest.mark.parametrize("attribute", required(SUBMISSION_SET), ids=lambda each: each.name)
def test_each_required_attribute_of_a_submission_set_is_missed(attribute: Attribute) -> None:
    content = files()
    content[METADATA] = without(content[METADATA], attribute, b"RegistryPackage")
    rule = "META-IHE" if attribute.ihe is Need.REQUIRED else "META-FR"
    assert faults(examine(content)) == [(rule, f"{METADATA} SubmissionSet01 {attribute.name}")]


def test_an_attribute_required_when_known_is_worth_a_note_only() -> None:
    notes = [each for each in examine(files()) if each.verdict is Verdict.FAILS]
    assert [(each.rule, each.weight) for each in notes] == [("META-RE", Weight.NOTE)]


@pytest.mark.parametrize(
    ("old", "new", "rule", "place"),
    [
        ("xsd:rim:3.0", "rim:xsd:2.1", "META-EBRIM", "/"),
        ('name="creationTime"><rim:ValueList><rim:Value>20260313135410',
         'name="creationTime"><rim:ValueList><rim:Value>2026-03-13', "META-DATES", "Document01 creationTime"),
        ('name="creationTime"><rim:ValueList><rim:Value>20260313135410',
         'name="creationTime"><rim:ValueList><rim:Value>20260313145410', "META-DATES", "Document01 creationTime"),
        ('name="creationTime"><rim:ValueList><rim:Value>20260313135410',
         'name="creationTime"><rim:ValueList><rim:Value>20260312135410', "META-CDA", "Document01 creationTime"),
        ('name="serviceStartTime"><rim:ValueList><rim:Value>20260313135410',
         'name="serviceStartTime"><rim:ValueList><rim:Value>20250313135410', "META-CDA", "Document01 serviceStartTime"),
        ('name="submissionTime"><rim:ValueList><rim:Value>2026', 'name="submissionTime"><rim:ValueList><rim:Value>26',
         "META-DATES", "SubmissionSet01 submissionTime"),
        ('value="1.2.250.1.999.7"', 'value="1.2.250.01.7"', "META-OID", "SubmissionSet01 sourceId"),
        ('nodeRepresentation="07"', 'nodeRepresentation="07" x="1"', None, ""),
        ('<rim:Value>1.2.250.1.213.2.2<', "<rim:Value>1.2.3<", "META-CODES", "SubmissionSet01 contentTypeCode codingScheme"),
        ("<rim:Value>1.2.250.1.71.4.2.4<", "<rim:Value>1.2.3<", "META-CODES",
         "Document01 healthcareFacilityTypeCode codingScheme"),
        ("<rim:Value>1.2.250.1.213.1.1.4.9<", "<rim:Value>1.2.3<", "META-CODES", "Document01 practiceSettingCode codingScheme"),
        ("<rim:Value>2.16.840.1.113883.6.1<", "<rim:Value>LOINC<", "META-CODES", "Document01 typeCode codingScheme"),
        ('nodeRepresentation="10"', 'nodeRepresentation="77"', "META-CODES", "Document01 classCode"),
        ('nodeRepresentation="10"', 'nodeRepresentation="42"', "META-CODES", "Document01 classCode"),
        ('nodeRepresentation="urn:ihe:iti:xds-sd:pdf:2008"', 'nodeRepresentation="pdf"', "META-CODES", "Document01 formatCode"),
        ('nodeRepresentation="N"', 'nodeRepresentation="U"', None, ""),
        ('AssociationType:HasMember"', 'AssociationType:APND"', "META-LIEN", "Document01"),
        ('associationType="urn:oasis:names:tc:ebxml-regrep:AssociationType:HasMember"', 'associationType="HasMember"',
         "META-LIEN", "Association/@associationType"),
        ('value="1.2.250.1.999.1.1.1"', 'value="1.2.250.1.999.1.1.9"', "META-CDA", "Document01 uniqueId"),
        (">fr-FR<", ">fr-CA<", "META-CDA", "Document01 languageCode"),
    ],
)  # fmt: skip
def test_one_change_of_a_value_is_told_at_its_place(old: str, new: str, rule: str | None, place: str) -> None:
    content = files()
    content[METADATA] = swap(old, new)(content[METADATA])
    found = faults(examine(content))
    if new == 'nodeRepresentation="U"':
        assert sorted(rule for rule, _ in found) == ["META-CDA", "META-CODES"]
    elif rule is None:
        assert found == []
    else:
        assert found == [(rule, f"{METADATA} {place}")]


# ref: DMP-F8
def test_a_type_of_another_document_is_told_against_the_cda() -> None:
    content = files()
    content[METADATA] = swap('nodeRepresentation="11502-2"', 'nodeRepresentation="11488-4"')(
        content[METADATA]
    )
    assert faults(examine(content)) == [("META-CDA", f"{METADATA} Document01 typeCode")]


def test_a_hash_in_capitals_is_worth_mending_and_no_hash_at_all_is_a_fault() -> None:
    content = files()
    metadata = content[METADATA]
    found = re.search(rb'name="hash"><rim:ValueList><rim:Value>(\w+)', metadata)
    assert found is not None
    content[METADATA] = metadata.replace(found[1], found[1].upper())
    (finding,) = [each for each in examine(content) if each.rule == "META-HASH"]
    assert (finding.verdict, finding.weight) == (Verdict.FAILS, Weight.RECOMMENDED)
    content[METADATA] = metadata.replace(found[1], b"zz")
    assert any(each.breaks for each in examine(content) if each.rule == "META-HASH")


def test_an_ampersand_escaped_twice_is_told_where_it_stands() -> None:
    content = files()
    content[METADATA] = content[METADATA].replace(
        b'^^^&amp;1.2.250.1.213.1.4.10&amp;ISO^NH"', b'^^^&amp;amp;1.2.250.1.213.1.4.10&amp;amp;ISO^NH"'
    )
    assert faults(examine(content)) == [
        ("META-ECHAPPEMENT", f"{METADATA} SubmissionSet01 patientId"),
        ("META-ECHAPPEMENT", f"{METADATA} Document01 patientId"),
    ]


# ref: ECO.2.1.2
def test_a_patient_under_another_authority_than_the_ins_is_told() -> None:
    content = files()
    content[METADATA] = content[METADATA].replace(b"1.2.250.1.213.1.4.10", b"1.2.250.1.213.1.4.2")
    found = faults(examine(content))
    assert found[:2] == [
        ("META-OID", f"{METADATA} SubmissionSet01 patientId"),
        ("META-OID", f"{METADATA} Document01 patientId"),
    ]


def test_no_submission_set_and_two_of_them_are_told() -> None:
    content = files()
    metadata = content[METADATA]
    content[METADATA] = swap("classificationNode=", "x=")(metadata)
    assert ("META-IHE", f"{METADATA} RegistryPackage") in faults(examine(content))
    whole = re.search(rb"<rim:RegistryPackage.*?</rim:RegistryPackage>", metadata, re.DOTALL)
    assert whole is not None
    content[METADATA] = metadata.replace(whole[0], whole[0] + whole[0])
    assert faults(examine(content)) == [("META-IHE", f"{METADATA} RegistryPackage")]


@pytest.mark.parametrize(
    "data",
    [
        b"<!DOCTYPE a [<!ENTITY b 'x'>]><a>&b;</a>",
        b"<a>" * 300 + b"</a>" * 300,
        b"",
        b"\x00\xff",
        b"<SubmitObjectsRequest xmlns='urn:oasis:names:tc:ebxml-regrep:xsd:lcm:3.0'/>",
    ],
    ids=["entities", "deep", "empty", "binary", "no document"],
)
def test_metadata_nobody_can_read_is_one_fault(data: bytes) -> None:
    assert faults(examine({**files(), METADATA: data})) == [("META-LISIBLE", f"{METADATA}")]


def test_metadata_of_another_country_is_not_judged_by_the_french_profile() -> None:
    content = files()
    metadata = content[METADATA].replace(b"1.2.250.", b"1.2.840.").replace(b"fr-FR", b"en-US")
    found = examine({**content, METADATA: metadata})
    assert [each.rule for each in found if each.verdict is Verdict.NOT_APPLICABLE] == ["META-PROFIL"]
    assert not {each.rule for each in found} & {"META-FR", "META-CODES"}
