"""The patient's documents: the list by category, one document with its preview, and its download."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from markupsafe import Markup
from starlette.responses import HTMLResponse
from starlette.routing import Route

from dmp_bridge import codes, record
from dmp_bridge.cda import CdaRefused
from dmp_bridge.record import Origin, Status
from dmp_bridge.render import render_narrative
from foundation.vault import BlobDamaged, BlobNotFound
from portal import downloads, shown
from portal.guard import PREVIEW_POLICY
from portal.pages import not_found
from portal.threads import OLD_VERSION, document_date, type_label

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection
    from starlette.requests import Request
    from starlette.responses import Response

    from dmp_bridge.record import Document
    from portal.context import PortalContext, Visit
    from portal.pages import Pages

_TEXT_BYTES = 1024 * 1024
_VERSIONS = 50
_XML = frozenset({"application/xml", "application/xslt+xml", "text/xml"})


@dataclass(frozen=True, slots=True)
class _Line:
    id: int
    title: str = field(repr=False)
    type: str
    dates: tuple[_Day, ...]
    size: str
    origin: tuple[str, ...] = field(repr=False)


@dataclass(frozen=True, slots=True)
class _Day:
    """A day of a document's life: « établi le », its ISO form for machines, its words."""

    label: str
    iso: str
    words: str


@dataclass(frozen=True, slots=True)
class _Version:
    id: int
    number: int
    date: str
    state: str


@dataclass(frozen=True, slots=True)
class _Group:
    code: str
    label: str
    documents: tuple[_Line, ...]


class DocumentPages:
    """`/patient/documents` and below."""

    def __init__(self, context: PortalContext, pages: Pages) -> None:
        self._context = context
        self._pages = pages

    def routes(self) -> list[Route]:
        """The routes of documents."""
        signed_in = self._pages.signed_in
        one = "/patient/documents/{document}"
        return [
            Route("/patient/documents", signed_in(self.list), methods=["GET"]),
            Route(one, signed_in(self.show), methods=["GET"]),
            Route(f"{one}/content", signed_in(self.content), methods=["GET"]),
            Route(f"{one}/preview", signed_in(self.preview), methods=["GET"]),
        ]

    async def list(self, request: Request, visit: Visit) -> Response:
        """Every document the patient may see, by category."""
        documents = await self._context.database.read(
            lambda connection: record.list_documents(connection, visit.owner_id)
        )
        return self._pages.patient(visit, "documents.html", {"groups": _groups(documents)})

    async def show(self, request: Request, visit: Visit) -> Response:
        """One document: what it is, and a preview where a browser can show it."""
        document = await self._document(request, visit)
        preview = _preview_of(document)
        others = await self._context.database.read(lambda connection: _other_versions(connection, document))
        text = ""
        if preview == "text":
            text = (await self._read(visit, document))[:_TEXT_BYTES].decode("utf-8", "replace")
        return self._pages.patient(
            visit,
            "document.html",
            {
                "document": document,
                "about": _about(document),
                "states": _states(document),
                "versions": others,
                "preview": preview,
                "text": text,
            },
        )

    async def content(self, request: Request, visit: Visit) -> Response:
        """The document as a download."""
        document = await self._document(request, visit)
        name = downloads.named(document.title, document.media_type)
        return downloads.attachment(await self._read(visit, document), name, document.media_type)

    async def preview(self, request: Request, visit: Visit) -> Response:
        """What the preview shows: a PDF or picture as it is, a CDA as the safe HTML of its narrative."""
        document = await self._document(request, visit)
        kind = _preview_of(document)
        if kind not in {"image", "narrative", "pdf"}:
            raise not_found()
        data = await self._read(visit, document)
        if kind != "narrative":
            return downloads.preview(data, document.media_type)
        try:
            narrative = await asyncio.to_thread(render_narrative, data)
        except CdaRefused as error:
            raise not_found() from error
        page = self._pages.render(
            "narrative.html",
            # Made by dmp_bridge.render out of escaped text and its own list of elements.
            {"title": document.title, "narrative": Markup(narrative)},  # noqa: S704
        )
        response = HTMLResponse(page)
        response.headers["Content-Security-Policy"] = f"{PREVIEW_POLICY}; sandbox"
        response.headers["X-Frame-Options"] = "SAMEORIGIN"
        return response

    async def _document(self, request: Request, visit: Visit) -> Document:
        wanted = downloads.number(request, "document")
        found = await self._context.database.read(
            lambda connection: record.document(connection, visit.owner_id, wanted)
        )
        if found is None:
            raise not_found()
        return found

    async def _read(self, visit: Visit, document: Document) -> bytes:
        try:
            return await self._context.vault.read(
                visit.owner_id, document.display_blob_id or document.blob_id
            )
        except (BlobNotFound, BlobDamaged) as error:
            raise not_found() from error


def _groups(documents: Sequence[Document]) -> list[_Group]:
    labels = codes.categories()
    found: dict[str, list[_Line]] = {code: [] for code in labels}
    for document in documents:
        code = document.category if document.category in labels else "AUTR_DOC"
        found[code].append(_line(document))
    return [_Group(code, labels[code], tuple(lines)) for code, lines in found.items() if lines]


def _line(document: Document) -> _Line:
    if document.origin is Origin.PATIENT:
        origin: tuple[str, ...] = ("Ajouté par vous",)
    else:
        origin = (document.author_name, document.author_specialty, document.institution)
    return _Line(
        document.id,
        document.title,
        type_label(document),
        _days(document),
        shown.size(document.size),
        tuple(dict.fromkeys(part for part in origin if part)),
    )


def _other_versions(connection: Connection, document: Document) -> list[_Version]:
    """The other versions that the patient may see, the highest first."""
    if document.set_id is None:
        return []
    return [
        _Version(
            each.id,
            each.version_number,
            shown.date_of(document_date(each)),
            "version actuelle" if each.status is Status.APPROVED else "ancienne version",
        )
        for each in record.versions(connection, document.owner_id, document.set_id)
        if each.id != document.id and not each.invisible_to_patient
    ][:_VERSIONS]


def _days(document: Document) -> tuple[_Day, ...]:
    """The day of the act, and the day the document was written where it is another one."""
    days = [("", document_date(document))]
    if document.creation_at is not None:
        days.append(("établi le", document.creation_at))
    made = [_Day(label, shown.machine_time(at)[:10], shown.date_of(at)) for label, at in days]
    made = [day for day in made if day.iso]
    return tuple(made if len({day.iso for day in made}) > 1 else made[:1])


def _about(document: Document) -> list[tuple[str, str]]:
    by_patient = document.origin is Origin.PATIENT
    author = ", ".join(part for part in (document.author_name, document.author_specialty) if part)
    versioned = document.set_id is not None and document.version_number > 0
    rows = [
        ("Type", type_label(document)),
        ("Catégorie", codes.categories().get(document.category, "Autres documents")),
        ("Date", ", ".join(" ".join(filter(None, (day.label, day.words))) for day in _days(document))),
        ("Version", str(document.version_number) if versioned else ""),
        ("Auteur", "" if by_patient else author),
        ("Établissement", "" if by_patient else document.institution),
        ("Ajouté par vous le" if by_patient else "Ajouté le", shown.full_moment(document.filed_at)),
    ]
    return [(label, value) for label, value in rows if value]


def _states(document: Document) -> list[str]:
    states = []
    if document.status is Status.DEPRECATED:
        states.append(OLD_VERSION)
    if document.masked_to_professionals:
        states.append("Masqué aux professionnels de santé")
    if document.invisible_to_representatives:
        states.append("Non visible par les représentants légaux")
    if document.origin is Origin.PATIENT:
        states.append("Ajouté par vous")
    return states


def _preview_of(document: Document) -> str:
    if document.media_type == downloads.PDF:
        return "pdf"
    if document.media_type in downloads.IMAGES:
        return "image"
    if document.media_type == "text/plain":
        return "text"
    return "narrative" if document.media_type in _XML else ""
