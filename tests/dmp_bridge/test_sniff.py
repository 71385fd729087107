from __future__ import annotations

import pytest

from dmp_bridge.sniff import FileType, name_lies, sniff


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"%PDF-1.4\n", FileType.PDF),
        (b"\xef\xbb\xbf  \n%PDF-1.7\n", FileType.PDF),
        (b"PK\x03\x04rest", FileType.ZIP),
        (b"PK\x05\x06" + b"\x00" * 18, FileType.ZIP),
        (b'<?xml version="1.0"?><a/>', FileType.XML),
        (b"\xef\xbb\xbf\n<?xml version='1.0'?><a/>", FileType.XML),
        (b'<ClinicalDocument xmlns="urn:hl7-org:v3"/>', FileType.XML),
        (b"\xff\xd8\xff\xe0JFIF", FileType.JPEG),
        (b"\x89PNG\r\n\x1a\nrest", FileType.PNG),
        (b"II*\x00rest", FileType.TIFF),
        (b"MM\x00*rest", FileType.TIFF),
        (b"{\\rtf1 bonjour}", FileType.RTF),
        ("Bonjour à tous\r\n".encode(), FileType.TEXT),
        ("Bonjour à tous".encode("cp1252"), FileType.TEXT),
        (b"", FileType.EMPTY),
        (b"MZ\x90\x00\x03", FileType.UNKNOWN),
        (b"MZ\x00 this holds %PDF-1.4 further on", FileType.UNKNOWN),
        (b"\x7fELF\x02\x01", FileType.UNKNOWN),
        (b"text and then \x00 a nought", FileType.UNKNOWN),
    ],
)
def test_the_type_is_told_by_the_bytes(data: bytes, expected: FileType) -> None:
    assert sniff(data) is expected


# ref: DMP-F29
@pytest.mark.parametrize(
    ("name", "found", "lies"),
    [
        ("compte-rendu.pdf", FileType.PDF, False),
        ("COMPTE-RENDU.PDF", FileType.UNKNOWN, True),
        ("photo.jpg", FileType.PNG, True),
        ("photo.pdf", FileType.PNG, True),
        ("notes.txt", FileType.XML, False),
        ("notes", FileType.PDF, False),
        ("archive.zip", FileType.PDF, True),
    ],
)
def test_a_name_that_promises_another_type_lies(name: str, found: FileType, lies: bool) -> None:
    assert name_lies(name, found) is lies
