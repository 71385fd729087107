from __future__ import annotations

import base64
import hashlib

import pytest

from dmp_bridge.archive import unpack
from dmp_bridge.xdm import Package, PackageFault, PackageRefused, is_package, read_package
from tests.dmp_bridge.builders import cda, entry, metadata, xdm, zipped
from tests.shared_data import shared

CDA = cda()
ROOT = "IHE_XDM/SUBSET01/"


def package(files: dict[str, bytes]) -> Package:
    return read_package(unpack(zipped(files)))


def one(files: dict[str, bytes]) -> tuple[str, PackageFault | None]:
    (document,) = package(files).documents
    return document.name, document.fault


def test_a_tidy_package_gives_its_documents() -> None:
    found = read_package(unpack(xdm(CDA, cda(unique_id="1.2.3")))).documents
    assert [(document.name, document.subset, document.fault) for document in found] == [
        ("DOC00001.XML", "IHE_XDM/SUBSET01", None),
        ("DOC00002.XML", "IHE_XDM/SUBSET01", None),
    ]
    assert found[0].data == CDA


# ref: DMP-F3
@pytest.mark.parametrize(
    ("files", "name"),
    [
        (
            {"wrapper/IHE_XDM/S/METADATA.XML": metadata(entry("D.XML", CDA)), "wrapper/IHE_XDM/S/D.XML": CDA},
            "D.XML",
        ),
        ({"ihe_xdm/s/metadata.xml": metadata(entry("D.XML", CDA)), "ihe_xdm/s/d.xml": CDA}, "d.xml"),
        ({ROOT + "METADATA.XML": metadata(entry("DOC.XML", CDA)), ROOT + "Doc.xml": CDA}, "Doc.xml"),
        ({ROOT + "METADATA.XML": metadata(entry("D.XML", CDA, uri="")), ROOT + "Any.xml": CDA}, "Any.xml"),
        (
            {
                ROOT + "METADATA.XML": metadata(entry("D.XML", CDA, uri="")),
                ROOT + "Any.xml": CDA,
                ROOT + "Other.xml": b"<a/>",
                ROOT + "CDA.xsl": b"<x/>",
            },
            "Any.xml",
        ),
        ({ROOT + "METADATA.XML": metadata(entry("D", CDA, uri="./D/D.XML")), ROOT + "D/D.XML": CDA}, "D.XML"),
        (
            {
                ROOT + "METADATA.XML": metadata(entry("D", CDA, uri="../COMMON/D.XML")),
                "IHE_XDM/COMMON/D.XML": CDA,
            },
            "D.XML",
        ),
        (
            {ROOT + "METADATA.XML": metadata(entry("D", CDA, uri="DOC%2001.XML")), ROOT + "DOC 01.XML": CDA},
            "DOC 01.XML",
        ),
        (
            {
                ROOT + "METADATA.XML": metadata(entry("D", CDA, uri="DOC%2001.XML")),
                ROOT + "DOC%2001.XML": CDA,
            },
            "DOC%2001.XML",
        ),
        ({"IHE_XDM/S1METADATA.XML": metadata(entry("D.XML", CDA)), "IHE_XDM/S1D.XML": CDA}, "S1D.XML"),
        (
            {
                "__MACOSX/" + ROOT + "._METADATA.XML": b"\x00\x05",
                ROOT + ".METADATA.XML.swp": b"swap",
                ROOT + ".svn/text-base/METADATA.XML": b"broken",
                ROOT + "METADATA.XML": metadata(entry("D.XML", CDA)),
                ROOT + ".DS_Store": b"\x00",
                ROOT + "D.XML": CDA,
            },
            "D.XML",
        ),
    ],
)
def test_untidy_packages_are_read(files: dict[str, bytes], name: str) -> None:
    assert one(files) == (name, None)


# ref: DMP-F5
@pytest.mark.parametrize(
    "uri", ["IHE_XDM/SUBSET01/D.XML", "/ihe_xdm/subset01/d.xml", "IHE_XDM\\SUBSET01\\D.XML"]
)
def test_a_uri_from_the_root_is_understood(uri: str) -> None:
    files = {ROOT + "METADATA.XML": metadata(entry("D", CDA, uri=uri)), ROOT + "D.XML": CDA}
    assert one(files) == ("D.XML", None)


@pytest.mark.parametrize("uri", ["SUBSET01/D.XML", "IHE_XDM/SUBSET01/D.XML", "Envoi/IHE_XDM/SUBSET01/D.XML"])
def test_a_uri_from_any_folder_above_is_understood(uri: str) -> None:
    folder = "Envoi/IHE_XDM/SUBSET01/"
    files = {folder + "METADATA.XML": metadata(entry("D", CDA, uri=uri)), folder + "D.XML": CDA}
    assert one(files) == ("D.XML", None)


def test_a_name_in_an_unknown_code_page_is_found_by_the_hash() -> None:
    files = {ROOT + "METADATA.XML": metadata(entry("D", CDA, uri="RÉSUMÉ.XML")), ROOT + "RΘSUMΘ.XML": CDA}
    assert one(files) == ("RΘSUMΘ.XML", None)
    files[ROOT + "METADATA.XML"] = metadata(entry("D", CDA, uri="RESUME.XML"))
    assert one(files) == ("RESUME.XML", PackageFault.MISSING_FILE)


def test_accents_may_be_written_in_two_ways() -> None:
    taken_apart, composed = "Re\u0301sume\u0301.XML", "R\u00e9sum\u00e9.xml"
    files = {ROOT + "METADATA.XML": metadata(entry("D", CDA, uri=composed)), ROOT + taken_apart: CDA}
    assert one(files) == (taken_apart, None)


def test_a_hash_in_base64_is_compared_too() -> None:
    digest = base64.b64encode(hashlib.sha1(CDA).digest()).decode()
    for sha1, fault in (
        (digest, None),
        (digest[::-1], PackageFault.WRONG_HASH),
        ("*" * 28, PackageFault.WRONG_HASH),
    ):
        described = metadata(entry("D.XML", CDA, sha1=sha1))
        assert one({ROOT + "METADATA.XML": described, ROOT + "D.XML": CDA})[1] is fault


def test_what_a_file_manager_leaves_is_no_document() -> None:
    left = {ROOT + name: b"x" for name in ("Thumbs.db", "desktop.ini", "D.bak", ".DS_Store")}
    files = {
        ROOT + "METADATA.XML": metadata(entry("D.XML", CDA, uri="", sha1="")),
        ROOT + "D.XML": CDA,
        **left,
    }
    assert one(files) == ("D.XML", None)


def test_an_upper_case_hash_is_accepted() -> None:

    digest = hashlib.sha1(CDA).hexdigest().upper()
    assert (
        one({ROOT + "METADATA.XML": metadata(entry("D.XML", CDA, sha1=digest)), ROOT + "D.XML": CDA})[1]
        is None
    )


# ref: DMP-F5
def test_one_changed_byte_is_seen() -> None:
    files = {ROOT + "METADATA.XML": metadata(entry("D.XML", CDA)), ROOT + "D.XML": CDA[:-1] + b" "}
    assert one(files)[1] is PackageFault.WRONG_HASH
    files[ROOT + "D.XML"] = CDA + b" "
    assert one(files)[1] is PackageFault.WRONG_SIZE


@pytest.mark.parametrize(
    ("uri", "fault"),
    [
        ("ABSENT.XML", PackageFault.MISSING_FILE),
        ("../../../../etc/passwd", PackageFault.OUTSIDE_FILE),
        ("..\\..\\..\\x", PackageFault.OUTSIDE_FILE),
        ("%2e%2e/%2e%2e/%2e%2e/x", PackageFault.OUTSIDE_FILE),
        ("../..", PackageFault.MISSING_FILE),
    ],
)
def test_a_uri_stays_inside_the_archive(uri: str, fault: PackageFault) -> None:
    assert one({ROOT + "METADATA.XML": metadata(entry("D", CDA, uri=uri)), ROOT + "D.XML": CDA})[1] is fault


def test_a_package_packed_twice_is_filed_once() -> None:
    files = {ROOT + "METADATA.XML": metadata(entry("D.XML", CDA)), ROOT + "D.XML": CDA}
    doubled = files | {"copy/" + name: data for name, data in files.items()}
    (document,) = package(doubled).documents
    assert document.subset == "IHE_XDM/SUBSET01"


def test_two_subsets_may_use_the_same_file_name() -> None:
    other = cda(unique_id="1.2.3")
    found = package(
        {
            "IHE_XDM/S1/METADATA.XML": metadata(entry("D.XML", CDA)),
            "IHE_XDM/S1/D.XML": CDA,
            "IHE_XDM/S2/METADATA.XML": metadata(entry("D.XML", other, unique_id="1.2.3")),
            "IHE_XDM/S2/D.XML": other,
        }
    ).documents
    assert [(document.data, document.fault) for document in found] == [(CDA, None), (other, None)]


@pytest.mark.parametrize(
    ("files", "fault"),
    [
        ({"SUBSET01/METADATA.XML": metadata(entry("D.XML", CDA))}, PackageFault.NO_FOLDER),
        ({ROOT + "D.XML": CDA}, PackageFault.NO_METADATA),
        ({ROOT + "METADATA.XML": b"<broken"}, PackageFault.UNREADABLE_METADATA),
        (
            {
                ROOT + "METADATA.XML": metadata(entry("D.XML", CDA)),
                ROOT + "D.XML": CDA,
                "IHE_XDM/S2/METADATA.XML": b"<!DOCTYPE a><a/>",
            },
            PackageFault.UNREADABLE_METADATA,
        ),
    ],
)
def test_a_package_without_readable_metadata_is_refused(files: dict[str, bytes], fault: PackageFault) -> None:
    with pytest.raises(PackageRefused) as caught:
        package(files)
    assert caught.value.fault is fault


# ref: DMP-F1
def test_a_package_is_known_by_its_content_or_its_name() -> None:
    assert is_package(unpack(xdm(CDA)), "documents.zip")
    assert is_package(unpack(zipped({"a.txt": b"a"})), "IHE_XDM.ZIP")
    assert not is_package(unpack(zipped({"a.txt": b"a", "__MACOSX/IHE_XDM/x": b""})), "photos.zip")


SHARED_TRUTH: dict[str, list[tuple[str, str]]] = {
    "nist/C32_Sample1_in_XDM.zip": [("C32_SAMPLE1.XML", "")],
    "nist/C32_Sample2_in_XDM.zip": [("C32_SAMPLE2.XML", "")],
    "nist/CCDA_Ambulatory_in_XDM.zip": [("CCDA_Ambulatory.xml", "")],
    "nist/CCDA_Inpatient_in_XDM.zip": [("CCDA_Inpatient.xml", "")],
    "nist/CCR_Sample1_in_XDM.zip": [("CCR_SAMPLE1.XML", "")],
    "nist/CCR_Sample2_in_XDM.zip": [("CCR_SAMPLE2.XML", "")],
    "nist/lynn-xdm.zip": [("DOC0001.XML", "")],
    "nist/toolkit-Ccda.zip": [("CCDA_AMBULATORY.XML", "")],
    "nist/toolkit-xdm.zip": [("doc.txt", "")],
    "nist/toolkit-xdm_minimal.zip": [("doc.txt", "")],
    "direct/xd-common-samplexdm.zip": [("Document01.xml", "")],
    "direct/xd-xdm.zip": [("SUBSET01871efced-488f-4699-b38d-015791e7ef04.txt", "")],
}


# ref: DMP-F3
@pytest.mark.parametrize("name", sorted(SHARED_TRUTH))
def test_the_packages_of_other_programs_are_read(name: str) -> None:
    archive = unpack(shared("xdm", *name.split("/")).read_bytes())
    assert is_package(archive, "anything.zip")
    found = read_package(archive).documents
    assert [(document.name, document.fault or "") for document in found] == SHARED_TRUTH[name]


def test_every_shared_package_is_in_the_table() -> None:
    folder = shared("xdm")
    assert {str(path.relative_to(folder)) for path in folder.glob("*/*.zip")} == set(SHARED_TRUTH)


def test_an_unpacked_package_of_two_subsets_is_read() -> None:
    folder = shared("xdm", "nist-11965")
    files = {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    found = package(files).documents
    # The line ends of these files were changed after their metadata were written: every size is wrong.
    assert [(document.subset, document.name, document.fault) for document in found] == [
        ("IHE_XDM/SUBSET001", "CDA.XML", PackageFault.WRONG_SIZE),
        ("IHE_XDM/SUBSET002", "CDA_1.XML", PackageFault.WRONG_SIZE),
        ("IHE_XDM/SUBSET002", "CDA_2.XML", PackageFault.WRONG_SIZE),
    ]
