"""A package that keeps the rules, and packages with one fault each: exactly that fault is told."""

from __future__ import annotations

import io
import zipfile
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dmp_bridge.archive import ArchiveLimits
from dmp_bridge.check.document_rules_table import DOCUMENT_RULES
from dmp_bridge.check.report import ALONE, Verdict
from dmp_bridge.check.xdm_rules import examine_archive
from tests.dmp_bridge.check.packages import (
    DOCUMENT,
    DRAFT,
    FOLDER,
    METADATA,
    broken,
    examine,
    faults,
    files,
    n1,
    n3,
    swap,
    with_document,
    zipped,
)

if TYPE_CHECKING:
    from collections.abc import Callable


def test_a_package_that_keeps_the_rules_has_no_fault() -> None:
    findings = examine(
        files(n1(), n3(replace(DRAFT, unique_id="1.2.250.1.999.1.2.1", set_id="1.2.250.1.999.1.2")))
    )
    assert faults(findings) == []
    told = {finding.rule for finding in findings if finding.verdict is Verdict.HOLDS}
    # What is about a loose PDF and the official kit is not seen on a package.
    assert told == set(DOCUMENT_RULES) - {
        "PDF-LISIBLE", "ECO.2.1.5", "ECO.2.1.6", "PDF-COPIE", "KIT-XSD", "KIT-SCHEMATRON", "META-PROFIL",
        "META-RE",
    }  # fmt: skip


def test_every_finding_is_of_a_known_rule_and_says_what_to_do() -> None:
    content = files()
    del content["README.TXT"]
    content["IHE_XDM/SUBSET01/.DS_Store"] = b"x"
    for finding in examine(content):
        assert finding.rule in DOCUMENT_RULES
        assert finding.says.endswith(".")
        assert bool(finding.advice) is (finding.verdict is Verdict.FAILS)


Content = dict[str, bytes]


def rename(old: str, new: str) -> Callable[[Content], Content]:
    return lambda content: {name.replace(old, new): data for name, data in content.items()}


def add(name: str, data: bytes = b"x") -> Callable[[Content], Content]:
    return lambda content: {**content, name: data}


def remove(name: str) -> Callable[[Content], Content]:
    return lambda content: {each: data for each, data in content.items() if each != name}


# ref: F25
@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (remove("README.TXT"), [("XDM-RACINE", "README.TXT")]),
        (remove("INDEX.HTM"), [("XDM-RACINE", "INDEX.HTM")]),
        (remove(DOCUMENT), [("XDM-URI", f"{METADATA} Document01")]),
        (add(DOCUMENT, b"<a/>"), None),
        (rename("DOC00001.XML", "Doc00001.xml"), None),
        (rename("README.TXT", "readme.txt"), [("XDM-NOMS", "readme.txt")]),
        (add("IHE_XDM/SUBSET01/PIECE JOINTE.PDF"), [("XDM-NOMS", f"{FOLDER}PIECE JOINTE.PDF")]),
        (add("IHE_XDM/SUBSET01/STYLE.XSL"), []),
        (rename("SUBSET01", "SUBSET0000001"), [("XDM-NOMS", "IHE_XDM/SUBSET0000001/")]),
        (rename("IHE_XDM/", "PAQUET/IHE_XDM/"), None),
        (add("__MACOSX/IHE_XDM/._A"), [("XDM-RESTES", "__MACOSX/")]),
        (add(f"{FOLDER}.DS_Store"), [("XDM-RESTES", f"{FOLDER}.DS_Store")]),
        (add(f"{FOLDER}DOC00001.XML~"), [("XDM-RESTES", f"{FOLDER}DOC00001.XML~")]),
        (rename("IHE_XDM/SUBSET01/", "IHE_XDM/SUBSET01"), None),
        (rename("IHE_XDM/", "DOCUMENT/"), [("XDM-DOSSIER", "IHE_XDM.zip")]),
        (remove(METADATA), [("XDM-LOT", "IHE_XDM")]),
        (add("../dehors.pdf"), [("XDM-SUR", "../dehors.pdf")]),
        (add("/etc/passwd"), [("XDM-SUR", "/etc/passwd")]),
        (add("C:\\x.pdf"), [("XDM-SUR", "C:\\x.pdf")]),
        (add(METADATA, b"<a"), [("META-LISIBLE", f"{METADATA}")]),
    ],
)  # fmt: skip
def test_one_fault_in_the_tree_is_told_at_its_place(
    change: Callable[[Content], Content], expected: list[tuple[str, str]] | None
) -> None:
    found = faults(examine(change(files())))
    if expected is not None:
        assert found == expected
    else:
        assert found


def test_another_document_than_the_announced_one_is_told_by_its_size() -> None:
    assert broken(examine({**files(), DOCUMENT: n3().data})) == ["XDM-TAILLE"]


def test_a_changed_byte_is_told_by_its_hash() -> None:
    content = files()
    content[DOCUMENT] = content[DOCUMENT].replace(b"Marcel", b"Marcal", 1)
    assert faults(examine(content)) == [("XDM-HASH", f"{METADATA} Document01")]


def test_a_uri_in_other_letters_than_the_file_is_told_beside_the_name() -> None:
    found = examine(rename("DOC00001.XML", "Doc00001.xml")(files()))
    assert broken(found) == ["XDM-CASSE", "XDM-NOMS"]


def test_a_wrapper_folder_is_told_once() -> None:
    content = {f"PAQUET/{name}": data for name, data in files().items()}
    assert faults(examine(content)) == [("XDM-DOSSIER", "PAQUET/")]


def test_a_second_copy_of_the_package_is_told_once() -> None:
    content = files()
    content.update({f"COPIE/{name}": data for name, data in files().items()})
    assert faults(examine(content)) == [("XDM-UNIQUE", "COPIE/")]


def test_a_lost_slash_is_told_for_the_metadata() -> None:
    found = faults(examine(rename("IHE_XDM/SUBSET01/", "IHE_XDM/SUBSET01")(files())))
    assert ("XDM-LOT", "IHE_XDM/SUBSET01METADATA.XML") in found


def test_two_submission_sets_sent_in_the_same_second_are_told() -> None:
    content = files()
    other = files(n1(replace(DRAFT, unique_id="1.2.250.1.999.1.9.1", set_id="1.2.250.1.999.1.9")))
    for name, data in other.items():
        if name.startswith(FOLDER):
            content[name.replace("SUBSET01", "SUBSET02")] = data
    assert faults(examine(content)) == [("XDM-LOT", "IHE_XDM/SUBSET02/METADATA.XML")]


@pytest.mark.parametrize("uri", ["../../../../etc/passwd", "DOC00009.XML"])
def test_a_uri_that_leads_nowhere_is_told(uri: str) -> None:
    content = files()
    content[METADATA] = swap(">DOC00001.XML<", f">{uri}<")(content[METADATA])
    assert faults(examine(content)) == [("XDM-URI", f"{METADATA} Document01")]


def test_a_document_that_is_no_cda_is_a_fault_in_a_french_package() -> None:
    assert broken(examine(with_document(files(), b"<?xml version='1.0'?><a/>"))) == ["CDA-RACINE"]
    assert broken(examine(with_document(files(), b"bonjour"))) == ["CDA-LISIBLE"]


def test_an_ordinary_zip_is_not_judged_as_a_package() -> None:
    findings = examine_archive("photos.zip", zipped({"Photo 1.png": b"x"}), ALONE)
    assert faults(findings) == []
    assert [each.rule for each in findings if each.verdict is Verdict.NOT_APPLICABLE] == ["XDM-DOSSIER"]


def encrypted() -> bytes:
    data = bytearray(zipped(files()))
    at = data.find(b"PK\x01\x02")
    while at >= 0:
        data[at + 8] |= 1
        at = data.find(b"PK\x01\x02", at + 4)
    return bytes(data)


def contradictory() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as opened, pytest.warns(UserWarning, match="Duplicate"):
        opened.writestr(DOCUMENT, b"a")
        opened.writestr(DOCUMENT, b"b")
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("data", "word"),
    [
        (b"bonjour", "lisible"),
        (zipped(files())[:-40], "lisible"),
        (encrypted(), "mot de passe"),
        (contradictory(), "même nom"),
        (zipped({f"{FOLDER}A.XML": b"\x00" * 50_000_000}), "compressée"),
    ],
    ids=["no zip", "cut", "encrypted", "contradictory", "bomb"],
)
def test_an_archive_that_cannot_be_opened_is_one_finding(data: bytes, word: str) -> None:
    findings = examine_archive("IHE_XDM.zip", data, ALONE)
    assert [finding.rule for finding in findings] == ["XDM-ZIP"]
    assert word in findings[0].says


@given(st.binary(max_size=400))
def test_any_bytes_for_an_archive_are_one_finding(data: bytes) -> None:
    assert [each.rule for each in examine_archive("IHE_XDM.zip", data, ALONE)] == ["XDM-ZIP"]


@given(st.integers(0, 2000), st.binary(min_size=1, max_size=8))
def test_a_package_damaged_anywhere_is_told_and_never_raises(at: int, noise: bytes) -> None:
    content = files()
    metadata = content[METADATA]
    content[METADATA] = metadata[:at] + noise + metadata[at + len(noise) :]
    assert all(finding.rule in DOCUMENT_RULES for finding in examine(content))


def test_the_same_file_twice_is_told() -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as opened, pytest.warns(UserWarning, match="Duplicate"):
        for name, data in [*files().items(), ("README.TXT", files()["README.TXT"])]:
            opened.writestr(name, data)
    found = faults(examine_archive("IHE_XDM.zip", buffer.getvalue(), ALONE))
    assert found == [("XDM-UNIQUE", "README.TXT")]


def test_a_hundred_thousand_entries_are_refused_before_they_are_read() -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as opened:
        for number in range(100_000):
            opened.writestr(zipfile.ZipInfo(f"IHE_XDM/A/{number}"), b"")
    findings = examine_archive("IHE_XDM.zip", buffer.getvalue(), ALONE)
    assert [finding.rule for finding in findings] == ["XDM-ZIP"]


def test_hundreds_of_announced_documents_are_one_fault() -> None:
    content = files()
    entry = b"<rim:ExtrinsicObject id='d' mimeType='text/xml'/>"
    content[METADATA] = content[METADATA].replace(b"<rim:Association ", entry * 300 + b"<rim:Association ", 1)
    assert faults(examine(content)) == [("META-LISIBLE", METADATA)]


def test_a_hundred_and_more_submission_sets_are_read_or_told() -> None:
    content = files()
    content.update({f"IHE_XDM/S{number}/METADATA.XML": content[METADATA] for number in range(105)})
    content["IHE_XDM/S999/METADATA.XML"] = b"<a"
    assert "META-LISIBLE" in broken(examine(content))


def test_the_limits_of_the_caller_count() -> None:
    limits = ArchiveLimits(total_bytes=1000)
    assert [each.rule for each in examine_archive("IHE_XDM.zip", zipped(files()), ALONE, limits)] == [
        "XDM-ZIP"
    ]


def test_thousands_of_odd_names_are_told_in_a_few_lines() -> None:
    content = files()
    content.update({f"IHE_XDM/SUBSET01/image {number}.png": b"" for number in range(900)})
    found = faults(examine(content))
    assert [rule for rule, _ in found] == ["XDM-NOMS"]
