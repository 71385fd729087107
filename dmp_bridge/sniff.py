"""Says what a file is by its bytes, and whether its name tells the truth."""

from __future__ import annotations

from enum import StrEnum
from pathlib import PurePosixPath

_CONTROLS = bytes((*range(9), *range(14, 27), *range(28, 32)))


class FileType(StrEnum):
    """The kinds of file the bridge tells apart; the value is the media type it uses for them."""

    PDF = "application/pdf"
    ZIP = "application/zip"
    XML = "text/xml"
    JPEG = "image/jpeg"
    PNG = "image/png"
    TIFF = "image/tiff"
    RTF = "text/rtf"
    TEXT = "text/plain"
    APPLE_DOUBLE = "application/applefile"
    EMPTY = "application/x-empty"
    UNKNOWN = "application/octet-stream"


OFFERED = frozenset({FileType.PDF, FileType.JPEG, FileType.PNG, FileType.TIFF, FileType.RTF, FileType.TEXT})
"""What a person can look at, and so may be asked to keep."""


_MAGIC: tuple[tuple[bytes, FileType], ...] = (
    (b"PK\x03\x04", FileType.ZIP),
    (b"PK\x05\x06", FileType.ZIP),
    (b"\x00\x05\x16\x07", FileType.APPLE_DOUBLE),
    (b"\xff\xd8\xff", FileType.JPEG),
    (b"\x89PNG\r\n\x1a\n", FileType.PNG),
    (b"II*\x00", FileType.TIFF),
    (b"MM\x00*", FileType.TIFF),
    (b"{\\rtf", FileType.RTF),
)

_BY_SUFFIX: dict[str, FileType] = {
    ".pdf": FileType.PDF,
    ".zip": FileType.ZIP,
    ".xml": FileType.XML,
    ".cda": FileType.XML,
    ".jpg": FileType.JPEG,
    ".jpeg": FileType.JPEG,
    ".png": FileType.PNG,
    ".tif": FileType.TIFF,
    ".tiff": FileType.TIFF,
    ".rtf": FileType.RTF,
    ".txt": FileType.TEXT,
}

_SPACE = b" \t\r\n"
_TEXT_SAMPLE = 65_536
_PDF_HEADER_WITHIN = 1024


def sniff(data: bytes) -> FileType:
    """The type of ``data`` by its first bytes; ``UNKNOWN`` for anything else, programs included."""
    if not data:
        return FileType.EMPTY
    for magic, found in _MAGIC:
        if data.startswith(magic):
            return found
    # Readers accept a PDF whose header stands in the first kilobyte (ISO 32000-1 annex H.3.4.1).
    if data.startswith(b"%PDF-") or _is_late_pdf(data):
        return FileType.PDF
    if not _is_text(data):
        return FileType.UNKNOWN
    head = data[:_TEXT_SAMPLE].removeprefix(b"\xef\xbb\xbf").lstrip(_SPACE)
    if head.startswith((b"<?xml", b"<!--", b"<ClinicalDocument")) or _opens_a_namespaced_element(head):
        return FileType.XML
    return FileType.TEXT


def name_lies(filename: str, found: FileType) -> bool:
    """True when the suffix of ``filename`` is one the bridge knows and promises another type than the bytes."""
    promised = _BY_SUFFIX.get(PurePosixPath(filename.lower()).suffix)
    if promised is None or promised is found:
        return False
    return not (promised is FileType.TEXT and found is FileType.XML)


def name_fits(filename: str, found: FileType) -> bool:
    """True when ``filename`` ends as a file of this type does, or has no extension at all.

    By its extension the patient's computer chooses what opens the file: a script is text by its bytes.
    """
    suffix = PurePosixPath(filename.lower().rstrip(". ")).suffix
    return not suffix or _BY_SUFFIX.get(suffix) is found


def _is_late_pdf(data: bytes) -> bool:
    return b"%PDF-" in data[:_PDF_HEADER_WITHIN] and not data.startswith((b"MZ", b"\x7fELF", b"#!"))


def _is_text(data: bytes) -> bool:
    sample = data[:_TEXT_SAMPLE]
    return len(sample.translate(None, _CONTROLS)) == len(sample)


def _opens_a_namespaced_element(head: bytes) -> bool:
    return head.startswith(b"<") and b"xmlns" in head[:2048]
