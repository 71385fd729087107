"""What a patient may attach to an answer: the file types of Mon espace santé, told by name and by content."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_MAX_NAME = 120
_MAX_EXTENSION = 5


@dataclass(frozen=True, slots=True)
class Upload:
    """A file as the browser sent it: its name and type are claims."""

    filename: str = field(repr=False)
    media_type: str
    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class FileType:
    """A type that may be attached: how it is announced, and how its files begin (empty: plain text)."""

    media_type: str
    signatures: tuple[bytes, ...]


_JPEG = FileType("image/jpeg", (b"\xff\xd8\xff",))
_TIFF = FileType("image/tiff", (b"II*\0", b"MM\0*"))

ALLOWED: Mapping[str, FileType] = MappingProxyType(
    {
        "jpg": _JPEG,
        "jpeg": _JPEG,
        "tiff": _TIFF,
        "png": FileType("image/png", (b"\x89PNG\r\n\x1a\n",)),
        "txt": FileType("text/plain", ()),
        "pdf": FileType("application/pdf", (b"%PDF-",)),
        "rtf": FileType("application/rtf", (b"{\\rtf",)),
        "doc": FileType("application/msword", (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", b"{\\rtf")),
    }
)
"""By extension, as the picker of the official application offers them."""


def file_type(upload: Upload) -> FileType | None:
    """The type of a file whose name is allowed and whose content is what the name says; None for others."""
    _, dot, extension = safe_name(upload.filename).rpartition(".")
    found = ALLOWED.get(extension.lower()) if dot and len(extension) <= _MAX_EXTENSION else None
    if found is None:
        return None
    if not found.signatures:
        return found if b"\0" not in upload.data else None
    return found if upload.data.startswith(found.signatures) else None


def safe_name(filename: str) -> str:
    """The last part of a path, without characters that cannot be seen or that turn the reading direction."""
    last = filename.replace("\\", "/").rpartition("/")[2]
    seen = "".join(" " if unicodedata.category(each)[0] in "CZ" else each for each in last[:4096])
    name = " ".join(seen.replace('"', "'").split())
    if len(name) <= _MAX_NAME:
        return name
    stem, dot, extension = name.rpartition(".")
    return stem[: _MAX_NAME - 1 - len(extension)] + dot + extension if dot else name[:_MAX_NAME]
