"""What a browser shows of a document without opening it elsewhere."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from markupsafe import Markup
from starlette.responses import HTMLResponse

from dmp_bridge.cda import CdaRefused
from dmp_bridge.render import render_narrative
from portal import downloads
from portal.guard import PREVIEW_POLICY
from portal.pages import not_found

if TYPE_CHECKING:
    from starlette.responses import Response

    from dmp_bridge.dossier.forms import Content
    from dmp_bridge.record import Document
    from portal.pages import Pages

TEXT_BYTES: Final = 1024 * 1024
XML: Final = frozenset({"application/xml", "application/xslt+xml", "text/xml"})


def preview_of(document: Document) -> str:
    """How a browser can show it: pdf, image, text, narrative, or not at all."""
    if document.media_type == downloads.PDF:
        return "pdf"
    if document.media_type in downloads.IMAGES:
        return "image"
    if document.media_type == "text/plain":
        return "text"
    return "narrative" if document.media_type in XML else ""


def has_structured_original(document: Document) -> bool:
    """Whether a readable copy is shown in place of a CDA."""
    return document.mime_type in XML and document.media_type not in XML


# ref: DMP-F14
async def previewed(pages: Pages, content: Content) -> Response:
    """A PDF or picture as it is, a CDA as the safe HTML of its narrative; 404 for anything else."""
    if content.media_type in {downloads.PDF, *downloads.IMAGES}:
        return downloads.preview(content.data, content.media_type)
    if content.media_type not in XML:
        raise not_found()
    try:
        narrative = await asyncio.to_thread(render_narrative, content.data)
    except CdaRefused as error:
        raise not_found() from error
    page = pages.render(
        "narrative.html",
        # Made by dmp_bridge.render out of escaped text and its own list of elements.
        {"title": content.document.title, "narrative": Markup(narrative)},  # noqa: S704
    )
    response = HTMLResponse(page)
    response.headers["Content-Security-Policy"] = f"{PREVIEW_POLICY}; sandbox"
    response.headers["X-Frame-Options"] = "SAMEORIGIN"
    return response
