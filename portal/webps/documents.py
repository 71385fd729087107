"""The documents of a record: the list with its filters, one document with its preview, and its download."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from starlette.routing import Route

from dmp_bridge import codes
from dmp_bridge.dossier.denials import DENIALS
from dmp_bridge.dossier.forms import Denied
from dmp_bridge.dossier.life import Status
from dmp_bridge.record import Origin
from dmp_bridge.visibility import Visibility
from foundation.clock import to_paris
from portal import downloads
from portal.previews import TEXT_BYTES, has_structured_original, preview_of, previewed
from portal.record_words import states_of
from portal.webps.acts import ACTS
from portal.webps.document import about, by_class, line
from portal.webps.filters import ALSO, PAGE, Asked
from portal.webps.reception import RECORDS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request
    from starlette.responses import Response

    from dmp_bridge.dossier.desk import Desk
    from dmp_bridge.dossier.forms import Content
    from foundation.clock import Clock
    from portal.pages import Pages
    from portal.webps.reception import Inside, Reception

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
        number = downloads.number(request, "document")
        found = await self._desk.surroundings(inside.caller, inside.ins, number)
        document, refusal = found.document, ""
        preview, text = preview_of(document), ""
        if preview == "text":
            try:
                content = await self._desk.read(inside.caller, document.id, display=True, ins=inside.ins)
                text = content.data[:TEXT_BYTES].decode("utf-8", "replace")
            except Denied as denied:
                preview, refusal = "", DENIALS[denied.reason].sentence
        values = {
            "document": document,
            "about": about(document),
            "states": states_of(document),
            "warnings": [words for each, words in _WARNINGS.items() if each in document.visibilities],
            "versions": [line(each) for each in found.versions],
            "lot": [line(each) for each in found.lot],
            "preview": preview,
            "text": text,
            "refusal": refusal,
            "is_structured": has_structured_original(document),
            "acts": {slug: act for slug, act in ACTS.items() if act.change in found.changes},
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
        """What the preview shows: what a person is to see first; with `forme=origine` what was deposited."""
        is_original = request.query_params.get("forme") == "origine"
        return await previewed(self._pages, await self._read(request, inside, display=not is_original))

    async def _read(self, request: Request, inside: Inside, *, display: bool) -> Content:
        number = downloads.number(request, "document")
        return await self._desk.read(inside.caller, number, display=display, ins=inside.ins)
