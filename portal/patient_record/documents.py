"""The documents of a record for its patient: the list with its filters, one document with its preview, its download."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from dmp_bridge import codes
from dmp_bridge.dossier.denials import DENIALS
from dmp_bridge.dossier.forms import Denied, DocumentQuery
from dmp_bridge.record import Status
from portal import downloads, shown
from portal.pages import not_found
from portal.patient_record.document import about, document_of, line, states
from portal.patient_record.filters import BY, SHOWN, Asked
from portal.patient_record.words import ACTS
from portal.previews import TEXT_BYTES, preview_of, previewed
from portal.threads import document_date

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import Route

    from dmp_bridge.dossier.desk import Desk
    from dmp_bridge.record import Document
    from portal.pages import Pages
    from portal.patient_record.document import Line
    from portal.patient_record.reception import Inside, Reception

DOCUMENTS: Final = "/documents"
_VERSIONS: Final = 50


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
        document = await document_of(request, inside, self._desk)
        preview, text, refusal = preview_of(document), "", ""
        changes = await self._desk.changes(inside.caller, document.id)
        if preview == "text":
            try:
                content = await self._desk.read(inside.caller, document.id, display=True)
                text = content.data[:TEXT_BYTES].decode("utf-8", "replace")
            except Denied as denied:
                preview, refusal = "", DENIALS[denied.reason].sentence
        values = {
            "document": document,
            "about": about(inside, document),
            "states": states(document),
            "versions": await self._other_versions(inside, document),
            "preview": preview,
            "text": text,
            "refusal": refusal,
            "acts": {slug: act for slug, act in ACTS.items() if act.change in changes},
        }
        return await self._reception.page(inside, "patient_record/document.html", values)

    # ref: DMP-F27
    async def content(self, request: Request, inside: Inside) -> Response:
        """The document as a download."""
        document = await document_of(request, inside, self._desk)
        content = await self._desk.read(inside.caller, document.id, display=True)
        name = downloads.named(content.document.title, content.media_type)
        return downloads.attachment(content.data, name, content.media_type)

    # ref: DMP-F14
    async def preview(self, request: Request, inside: Inside) -> Response:
        """What the preview shows: a PDF or picture as it is, a CDA as the safe HTML of its narrative."""
        document = await document_of(request, inside, self._desk)
        if preview_of(document) in ("", "text"):
            raise not_found()
        return await previewed(self._pages, await self._desk.read(inside.caller, document.id, display=True))

    async def _other_versions(self, inside: Inside, document: Document) -> list[_Version]:
        """The other versions, the highest first."""
        if document.set_id is None:
            return []
        query = DocumentQuery(set_ids=(document.set_id,), statuses=(), limit=_VERSIONS)
        found = await self._desk.search(inside.caller, inside.ins, query)
        others = [each for each in found.documents if each.id != document.id]
        return [
            _Version(
                each.id,
                each.version_number,
                shown.date_of(document_date(each)),
                "version actuelle" if each.status is Status.APPROVED else "ancienne version",
            )
            for each in sorted(others, key=lambda each: (-each.version_number, -each.id))
        ]


def _groups(inside: Inside, documents: Sequence[Document]) -> list[_Group]:
    labels = codes.categories()
    found: dict[str, list[Line]] = {code: [] for code in labels}
    for document in documents:
        code = document.category if document.category in labels else "AUTR_DOC"
        found[code].append(line(inside, document))
    return [_Group(code, labels[code], tuple(lines)) for code, lines in found.items() if lines]
