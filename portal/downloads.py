"""Bytes handed to a browser: under a safe type, a name that cannot break a header, and never run."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

from starlette.responses import Response

from portal.guard import PREVIEW_POLICY
from portal.pages import not_found
from portal.shown import plain

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request

PDF = "application/pdf"
IMAGES = frozenset({"image/gif", "image/jpeg", "image/png"})
"""Pictures that every browser shows and none runs; SVG is a program, TIFF is not shown."""

EXTENSIONS: Mapping[str, str] = {
    PDF: "pdf",
    "application/msword": "doc",
    "application/rtf": "rtf",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": "docx",
    "application/xml": "xml",
    "application/xslt+xml": "xml",
    "application/zip": "zip",
    "image/gif": "gif",
    "image/jpeg": "jpg",
    "image/png": "png",
    "image/svg+xml": "svg",
    "image/tiff": "tif",
    "text/plain": "txt",
    "text/rtf": "rtf",
    "text/xml": "xml",
}
_SERVED_AS_THEMSELVES = frozenset({PDF, "application/zip", "image/tiff", "text/plain"}) | IMAGES
_OPAQUE = "application/octet-stream"
_KINDS: Mapping[str, str] = {
    "pdf": "PDF",
    "doc": "Document Word",
    "docx": "Document Word",
    "gif": "Image GIF",
    "jpg": "Image JPEG",
    "png": "Image PNG",
    "rtf": "Texte RTF",
    "svg": "Image SVG",
    "tif": "Image TIFF",
    "txt": "Texte",
    "xml": "Document structuré",
    "zip": "Archive ZIP",
}
_NOT_IN_NAMES = str.maketrans(dict.fromkeys('/\\:*?"<>|%', "_"))
LONGEST_NUMBER = 15


def kind_of(media_type: str, filename: str = "") -> str:
    """A media type in words, « PDF », « Image JPEG »; the name decides when the type says nothing."""
    _, dot, ending = filename.rpartition(".")
    extension = EXTENSIONS.get(media_type) or (ending.lower() if dot else "")
    return _KINDS.get(extension, "Fichier")


def attachment(data: bytes, filename: str, media_type: str) -> Response:
    """A download; what a browser might run or misread goes out as bytes without a meaning (RFC 6266, RFC 8187)."""
    safe = media_type if media_type in _SERVED_AS_THEMSELVES else _OPAQUE
    response = Response(data, media_type=None)
    # Set here, because Response would promise a charset for text that nobody has checked.
    response.headers["Content-Type"] = safe
    response.headers["Content-Disposition"] = disposition(filename)
    return response


def preview(data: bytes, media_type: str) -> Response:
    """The same bytes inside our own page: a PDF or a picture, framed by nobody else."""
    response = Response(data, media_type=media_type)
    response.headers["Content-Security-Policy"] = PREVIEW_POLICY
    response.headers["X-Frame-Options"] = "SAMEORIGIN"
    response.headers["Content-Disposition"] = "inline"
    return response


def disposition(filename: str) -> str:
    """`attachment` with the name in ASCII for old clients and in UTF-8 for the others."""
    name = plain(filename).translate(_NOT_IN_NAMES).strip(" .") or "document"
    ascii_name = name.encode("ascii", "replace").decode("ascii").replace("?", "_")
    return f"attachment; filename=\"{ascii_name}\"; filename*=UTF-8''{quote(name, safe='')}"


def named(title: str, media_type: str) -> str:
    """A file name for a document that has only a title."""
    extension = EXTENSIONS.get(media_type, "")
    return f"{title}.{extension}" if extension else title


def number(request: Request, name: str) -> int:
    """An id of the path; 404 for what can be none (the database has 64 bits)."""
    text = str(request.path_params[name])
    if not text.isascii() or not text.isdecimal() or len(text) > LONGEST_NUMBER:
        raise not_found()
    return int(text)


def number_of_query(request: Request, name: str) -> int | None:
    """An id of the query; None when it is missing or can be none."""
    text = request.query_params.get(name, "")
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= LONGEST_NUMBER else None
