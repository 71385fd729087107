"""In which form the bytes of a document go out (ITI-68): as they were deposited, or as a Binary."""

from __future__ import annotations

import asyncio
import base64
from typing import TYPE_CHECKING

from starlette.responses import Response

from foundation.fhir.body import MEDIA_TYPE
from foundation.fhir.outcome import Refused
from foundation.fhir.resources import encoded

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dmp_bridge.dossier.forms import Content

_XML = frozenset({"text/xml", "application/xml"})
_PIECE = 768 * 1024
"""Octets that are encoded at once, a multiple of three: the interpreter is let go in between."""
_LONGEST = 1000


def wants_binary(accept: str | None, media_type: str) -> bool:
    """Whether the client wants the FHIR resource and not the file; raises Refused (406) where it wants neither."""
    ranges = [each.partition(";")[0].strip() for each in (accept or "*/*")[:_LONGEST].lower().split(",")]
    names = _XML if media_type in _XML else {media_type}
    whole = {"*/*", f"{media_type.partition('/')[0]}/*", *names}
    if MEDIA_TYPE in ranges:
        return True
    if whole.isdisjoint(ranges):
        raise Refused(406, "not-supported", f"Ce document est du type {media_type}.")
    return False


def native(content: Content) -> Response:
    """The document as it was deposited; a browser keeps it as a file."""
    return Response(
        content.data,
        media_type=content.media_type,
        headers={"Content-Disposition": "attachment", "Cache-Control": "private, no-store"},
    )


async def binary(content: Content) -> bytes:
    """The same as a Binary in JSON."""
    return await asyncio.to_thread(b"".join, _pieces(content))


def _pieces(content: Content) -> Iterator[bytes]:
    head = {"resourceType": "Binary", "id": str(content.document.id), "contentType": content.media_type}
    yield encoded(head)[:-1] + b',"data":"'
    for start in range(0, len(content.data), _PIECE):
        yield base64.b64encode(content.data[start : start + _PIECE])
    yield b'"}'
