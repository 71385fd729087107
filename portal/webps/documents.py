"""The documents of a record: the list with its filters, one document with its preview, and its download."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

from markupsafe import Markup
from starlette.responses import HTMLResponse
from starlette.routing import Route

from dmp_bridge import codes
from dmp_bridge.cda import CdaRefused
from dmp_bridge.dossier.denials import DENIALS
from dmp_bridge.dossier.forms import Denied, DocumentQuery
from dmp_bridge.dossier.life import Status, Visibility
from dmp_bridge.dossier.registry import REPLACING
from dmp_bridge.record import Origin
from dmp_bridge.render import render_narrative
from foundation.clock import to_paris
from portal import downloads
from portal.guard import PREVIEW_POLICY
from portal.pages import not_found
from portal.record_words import states_of
from portal.webps.acts import ACTS
from portal.webps.document import XML, about, by_class, document_of, has_structured_original, line, preview_of
from portal.webps.filters import ALSO, PAGE, Asked
from portal.webps.reception import RECORDS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request
    from starlette.responses import Response

    from dmp_bridge.dossier.desk import Desk
    from dmp_bridge.dossier.forms import Content
    from dmp_bridge.record import Document
    from foundation.clock import Clock
    from portal.pages import Pages
    from portal.webps.reception import Inside, Reception

_TEXT_BYTES: Final = 1024 * 1024
_MOST: Final = 50
_WARNINGS: Final[Mapping[Visibility, str]] = {
    Visibility.UNSEEN: (
        "Attention, ce document n’est pas visible du patient : ne lui en parlez pas avant la consultation d’annonce."
    ),
    Visibility.UNSEEN_BY_REPRESENTATIVES: (
        "Attention, ce document n’est pas visible des représentants légaux du patient : ne leur en parlez pas."
    ),
    Visibility.MASKED: (
        "Ce document est masqué aux professionnels de santé : peu d’entre eux le voient comme vous."
    ),
}
"""EX 147: what must be said to who reads it."""


class DocumentPages:
    """`/pro/dossier/{access}/documents` and below."""

    def __init__(self, pages: Pages, reception: Reception, desk: Desk, clock: Clock) -> None:
        self._pages = pages
        self._reception = reception
        self._desk = desk
        self._clock = clock

    def routes(self) -> list[Route]:
        inside = self._reception.inside
        all_of_them = f"{RECORDS}/{{access}}/documents"
        one = f"{all_of_them}/{{document}}"
        return [
            Route(all_of_them, inside(self.search), methods=["GET"]),
            Route(one, inside(self.show), methods=["GET"]),
            Route(f"{one}/contenu", inside(self.content), methods=["GET"]),
            Route(f"{one}/apercu", inside(self.preview), methods=["GET"]),
        ]

    # ref: DMP-F32
    async def search(self, request: Request, inside: Inside) -> Response:
        """The documents that meet the filters, the newest act first."""
        asked = Asked.read(request.query_params, to_paris(self._clock.now()).date())
        found = await self._desk.search(inside.caller, inside.ins, asked.query)
        values = {
            "lines": [line(each) for each in found.documents],
            "total": found.total,
            "following": asked.following(found.documents[-1]) if found.are_more else None,
            "asked": asked,
            "is_filtered": bool(request.query_params),
            "classes": codes.classes(),
            "types": by_class(),
            "also": ALSO,
            "page": PAGE,
        }
        return await self._reception.page(inside, "webps/documents.html", values)

    async def show(self, request: Request, inside: Inside) -> Response:
        """One document: what it is, its states, what may be done with it, and a preview where there can be one."""
        document = await document_of(request, inside, self._desk)
        preview, text, refusal = preview_of(document), "", ""
        changes = await self._desk.changes(inside.caller, document.id)
        if preview == "text":
            try:
                content = await self._desk.read(inside.caller, document.id, display=True)
                text = content.data[:_TEXT_BYTES].decode("utf-8", "replace")
            except Denied as denied:
                preview, refusal = "", DENIALS[denied.reason].sentence
        values = {
            "document": document,
            "about": about(document),
            "states": states_of(document),
            "warnings": [words for each, words in _WARNINGS.items() if each in document.visibilities],
            "versions": await self._versions(inside, document),
            "lot": await self._lot(inside, document),
            "preview": preview,
            "text": text,
            "refusal": refusal,
            "is_structured": has_structured_original(document),
            "acts": {slug: act for slug, act in ACTS.items() if act.change in changes},
            "may_replace": document.status is not Status.DELETED and document.origin is not Origin.PATIENT,
        }
        return await self._reception.page(inside, "webps/document.html", values)

    async def content(self, request: Request, inside: Inside) -> Response:
        """The document as a download; `forme=origine` as it was deposited."""
        is_original = request.query_params.get("forme") == "origine"
        content = await self._read(request, inside, display=not is_original)
        name = downloads.named(content.document.title, content.media_type)
        return downloads.attachment(content.data, name, content.media_type)

    # ref: DMP-F14
    async def preview(self, request: Request, inside: Inside) -> Response:
        """What the preview shows: a PDF or picture as it is, else the safe HTML of a CDA; `forme=origine` that first."""
        wants_original = request.query_params.get("forme") == "origine"
        content = await self._read(request, inside, display=not wants_original)
        if not wants_original and content.media_type in {downloads.PDF, *downloads.IMAGES}:
            return downloads.preview(content.data, content.media_type)
        if content.media_type not in XML:
            raise not_found()
        try:
            narrative = await asyncio.to_thread(render_narrative, content.data)
        except CdaRefused as error:
            raise not_found() from error
        page = self._pages.render(
            "narrative.html",
            # Made by dmp_bridge.render out of escaped text and its own list of elements.
            {"title": content.document.title, "narrative": Markup(narrative)},  # noqa: S704
        )
        response = HTMLResponse(page)
        response.headers["Content-Security-Policy"] = f"{PREVIEW_POLICY}; sandbox"
        response.headers["X-Frame-Options"] = "SAMEORIGIN"
        return response

    async def _read(self, request: Request, inside: Inside, *, display: bool) -> Content:
        document = await document_of(request, inside, self._desk)
        return await self._desk.read(inside.caller, document.id, display=display)

    async def _versions(self, inside: Inside, document: Document) -> list[dict[str, Any]]:
        """Those of its set, and what it replaces or is replaced by: a plain file has no set."""
        linked = await self._desk.associations(inside.caller, inside.ins, (document.id,))
        ends = {
            end
            for each in linked
            if each.kind in REPLACING
            for end in (each.source_id, each.target_id)
            if end is not None
        }
        queries = [DocumentQuery(ids=tuple(ends), statuses=(), limit=_MOST)] if ends else []
        if document.set_id is not None:
            queries.append(DocumentQuery(set_ids=(document.set_id,), statuses=(), limit=_MOST))
        found = {
            each.id: each
            for query in queries
            for each in (await self._desk.search(inside.caller, inside.ins, query)).documents
        }
        found.pop(document.id, None)
        newest_first = sorted(found.values(), key=lambda each: (-each.version_number, -each.filed_at))
        return [line(each) for each in newest_first]

    async def _lot(self, inside: Inside, document: Document) -> list[dict[str, Any]]:
        if document.submission_id is None:
            return []
        query = DocumentQuery(lots=(document.submission_id,), limit=_MOST)
        found = await self._desk.search(inside.caller, inside.ins, query)
        return [line(each) for each in found.documents if each.id != document.id]
