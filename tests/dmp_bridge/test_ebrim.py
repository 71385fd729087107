from __future__ import annotations

import pytest

from dmp_bridge.ebrim import Cx, MetadataFault, parse_cx, read_submission
from tests.dmp_bridge.builders import INS, TEST_OID, entry, metadata
from tests.shared_data import shared


# ref: DMP-F4
def test_it_reads_an_entry_in_the_words_of_xds() -> None:
    submission = read_submission(metadata(entry("DOC00001.XML", b"abc", flags=("INVISIBLE_PATIENT",))))
    (found,) = submission.entries
    assert (found.uri, found.size, found.unique_id) == ("DOC00001.XML", 3, "1.2.250.1.999.1.1")
    assert found.hash == "a9993e364706816aba3e25717850c26c9cd0d89d"
    assert found.patient_id == Cx(INS, TEST_OID)
    assert [code.code for code in found.confidentiality_codes] == ["N", "INVISIBLE_PATIENT"]
    assert submission.submission_set is not None
    assert submission.submission_set.unique_id == "1.2.250.1.999.7"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("279^^^&1.2.3&ISO^NH", Cx("279", "1.2.3")),
        ("279^^^&1.2.3&ISO^NH^^20100907", Cx("279", "1.2.3")),
        ("111^^&2.16.4&ISO", Cx("111", "2.16.4")),
        ("Z2004^^^&amp;1.2.840&amp;ISO", Cx("Z2004", "1.2.840")),
        ("Z2004", Cx("Z2004", "")),
        ("^^^&1.2.3&ISO", None),
        ("", None),
        (None, None),
    ],
)
def test_an_identifier_is_read_leniently(text: str | None, expected: Cx | None) -> None:
    assert parse_cx(text) == expected


def test_a_long_uri_cut_in_pieces_is_joined_in_order() -> None:
    data = metadata(entry("x", b"x")).replace(
        b"<rim:Value>x</rim:Value>", b"<rim:Value>2|.XML</rim:Value><rim:Value>1|DOC</rim:Value>"
    )
    assert read_submission(data).entries[0].uri == "DOC.XML"


def test_a_replacement_is_read() -> None:
    association = (
        '<rim:Association associationType="urn:ihe:iti:2007:AssociationType:RPLC" '
        'sourceObject="Document01" targetObject="urn:uuid:old"/>'
    )
    assert read_submission(metadata(entry("x", b"x"), association)).entries[0].replaces == ("urn:uuid:old",)


@pytest.mark.parametrize(
    "data",
    [b"", b"<a/>", b"not xml", metadata(), b"<ExtrinsicObject xmlns='urn:other'/>", b"<!DOCTYPE a><a/>"],
)
def test_what_is_no_submission_is_refused(data: bytes) -> None:
    with pytest.raises(MetadataFault):
        read_submission(data)


# ref: DMP-F4
def test_it_reads_ebrim_2_1() -> None:
    import zipfile

    with zipfile.ZipFile(shared("xdm", "nist", "lynn-xdm.zip")) as opened:
        submission = read_submission(opened.read("IHE_XDM/SUBSET01/METADATA.XML"))
    (found,) = submission.entries
    assert (found.uri, found.size, found.title) == ("DOC0001.XML", 49645, "Physical")
    assert found.patient_id == Cx("XDM-test-1", "1.3.6.1.4.1.21367.2005.3.7")
    assert found.authors[0].specialties == ("patient",)
    assert submission.submission_set is not None
    assert submission.submission_set.unique_id == "1.3.6.1.4.1.21367.2005.3.998.997"


def test_a_flag_beside_its_document_counts() -> None:
    beside = (
        '<rim:Classification classificationScheme="URN:UUID:f4f85eac-e6cb-4883-b524-f2705394840f"'
        ' classifiedObject="Document01" nodeRepresentation="INVISIBLE_PATIENT"/>'
    )
    (found,) = read_submission(metadata(entry("x", b"x"), beside)).entries
    assert [code.code for code in found.confidentiality_codes] == ["N", "INVISIBLE_PATIENT"]


def test_more_packages_than_anybody_sends_are_refused() -> None:
    packages = "".join(f'<rim:RegistryPackage id="P{number}"/>' for number in range(1001))
    with pytest.raises(MetadataFault):
        read_submission(metadata(entry("x", b"x"), packages))
