"""The documents of a record for its patient: the list with its filters, one document with its preview, its download."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from dmp_bridge import codes
from dmp_bridge.dossier.denials import DENIALS
from dmp_bridge.dossier.forms import Denied
from dmp_bridge.record import Status
from portal import downloads, shown
from portal.patient_record.document import about, line, states
from portal.patient_record.filters import BY, SHOWN, Asked
from portal.patient_record.words import ACTS
from portal.previews import TEXT_BYTES, has_structured_original, preview_of, previewed
from portal.threads import document_date

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import Route

    from dmp_bridge.dossier.desk import Desk
    from dmp_bridge.dossier.forms import Content
    from dmp_bridge.record import Document
    from portal.pages import Pages
    from portal.patient_record.document import Line
    from portal.patient_record.reception import Inside, Reception

DOCUMENTS: Final = "/documents"


@dataclass(frozen=True, slots=True)
class _Group:
    code: str
    label: str
    documents: tuple[Line, ...]


@dataclass(frozen=True, slots=True)
class _Version:
    id: int
    number: int
    date: str
    state: str


class DocumentPages:
    """`…/documents` and below."""

    def __init__(self, pages: Pages, reception: Reception, desk: Desk) -> None:
        self._pages = pages
        self._reception = reception
        self._desk = desk

    def routes(self) -> list[Route]:
        both, one = self._reception.both, f"{DOCUMENTS}/{{document}}"
        return [
            *both(DOCUMENTS, self.search),
            *both(one, self.show),
            *both(f"{one}/content", self.content),
            *both(f"{one}/preview", self.preview),
        ]

    # ref: DMP-F38
    async def search(self, request: Request, inside: Inside) -> Response:
        """The documents that meet the filters, by category, the newest act first in each."""
        asked = Asked.read(request.query_params)
        found = await self._desk.search(inside.caller, inside.ins, asked.query)
        values = {
            "groups": _groups(inside, found.documents),
            "total": found.total,
            "following": asked.following(found.documents[-1]) if found.are_more else None,
            "asked": asked,
            "shown": SHOWN,
            "by": BY,
            "categories": codes.categories(),
        }
        return await self._reception.page(inside, "patient_record/documents.html", values)

    async def show(self, request: Request, inside: Inside) -> Response:
        """One document: what it is, what may be done with it, and a preview where a browser can show it."""
        number = downloads.number(request, "document")
        found = await self._desk.surroundings(inside.caller, inside.ins, number)
        document = found.document
        preview, text, refusal = preview_of(document), "", ""
        if preview == "text":
            try:
                content = await self._desk.read(inside.caller, number, display=True, ins=inside.ins)
                text = content.data[:TEXT_BYTES].decode("utf-8", "replace")
            except Denied as denied:
                preview, refusal = "", DENIALS[denied.reason].sentence
        values = {
            "document": document,
            "about": about(inside, document),
            "states": states(document),
            "versions": [_version(each) for each in found.versions],
            "preview": preview,
            "text": text,
            "refusal": refusal,
            "is_structured": has_structured_original(document),
            "acts": {slug: act for slug, act in ACTS.items() if act.change in found.changes},
        }
        return await self._reception.page(inside, "patient_record/document.html", values)

    # ref: DMP-F27
    async def content(self, request: Request, inside: Inside) -> Response:
        """The document as a download; `forme=origine` as it was deposited."""
        is_original = request.query_params.get("forme") == "origine"
        content = await self._read(request, inside, display=not is_original)
        name = downloads.named(content.document.title, content.media_type)
        return downloads.attachment(content.data, name, content.media_type)

    # ref: DMP-F14
    async def preview(self, request: Request, inside: Inside) -> Response:
        """What the preview shows: a PDF or picture as it is, a CDA as the safe HTML of its narrative."""
        return await previewed(self._pages, await self._read(request, inside, display=True))

    async def _read(self, request: Request, inside: Inside, *, display: bool) -> Content:
        number = downloads.number(request, "document")
        return await self._desk.read(inside.caller, number, display=display, ins=inside.ins)


def _version(document: Document) -> _Version:
    return _Version(
        document.id,
        document.version_number,
        shown.date_of(document_date(document)),
        "version actuelle" if document.status is Status.APPROVED else "ancienne version",
    )


def _groups(inside: Inside, documents: Sequence[Document]) -> list[_Group]:
    labels = codes.categories()
    found: dict[str, list[Line]] = {code: [] for code in labels}
    for document in documents:
        code = document.category if document.category in labels else "AUTR_DOC"
        found[code].append(line(inside, document))
    return [_Group(code, labels[code], tuple(lines)) for code, lines in found.items() if lines]
