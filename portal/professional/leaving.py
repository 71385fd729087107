"""The way from our pages to Pro Santé Connect and back."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from starlette.responses import RedirectResponse

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from portal.pages import Pages


def own_origin(request: Request) -> str:
    """The origin under which a browser has reached us (RFC 6454 §6.2)."""
    return f"{request.url.scheme}://{request.headers.get('host', '')}"


def leave(pages: Pages, request: Request, address: str, title: str) -> Response:
    """Leads a browser that posted a form to another site.

    Our policy lets forms go to ourselves alone, and Chromium applies that to the redirect behind a form as well: to
    another origin a page leads on, by itself and by a link.
    """
    there = urlsplit(address)
    if f"{there.scheme}://{there.netloc}" == own_origin(request):
        return RedirectResponse(address, 303)
    return pages.anonymous("professional/leaving.html", {"address": address, "title": title})
