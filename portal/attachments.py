"""Attachments of a patient's messages: downloading one, and filing one into the own documents."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from sqlalchemy import bindparam, select
from starlette.responses import RedirectResponse
from starlette.routing import Route

from dmp_bridge import record
from dmp_bridge.intake import OfferRefused
from foundation.mime.bodies import TooLarge, decode_body
from foundation.mime.headers import attachments
from foundation.mime.scanner import scan
from foundation.vault import BlobDamaged, BlobNotFound
from mailserver.conversations import conversation_item
from mailserver.store.tables import mail
from portal import shown
from portal.downloads import attachment, number
from portal.forms import read_own_form
from portal.pages import not_found

if TYPE_CHECKING:
    from sqlalchemy import Connection
    from starlette.requests import Request
    from starlette.responses import Response

    from dmp_bridge.record import Filing
    from portal.context import PortalContext, Visit
    from portal.pages import Pages

_LARGEST = 200 * 1024 * 1024
_LONGEST_TITLE = 128
_LONGEST_EXTENSION = 5
_BLOB = select(mail.c.blob_id).where(mail.c.id == bindparam("mail"), mail.c.owner_id == bindparam("owner"))
_CONVERSATION = select(conversation_item.c.conversation_id).where(
    conversation_item.c.mail_id == bindparam("mail"), conversation_item.c.owner_id == bindparam("owner")
)


class AttachmentPages:
    """`/patient/messages/…/parts/…` and `/patient/filings/…/accept`."""

    def __init__(self, context: PortalContext, pages: Pages) -> None:
        self._context = context
        self._pages = pages

    def routes(self) -> list[Route]:
        """The routes of attachments."""
        signed_in = self._pages.signed_in
        return [
            Route("/patient/messages/{mail}/parts/{part}", signed_in(self.download), methods=["GET"]),
            Route("/patient/filings/{filing}/accept", signed_in(self.accept), methods=["POST"]),
        ]

    async def download(self, request: Request, visit: Visit) -> Response:
        """One listed attachment of one of the patient's mails; 404 also for one that holds a hidden document."""
        mail_id, wanted = number(request, "mail"), str(request.path_params["part"])

        def query(connection: Connection) -> int | None:
            filings = record.filings_of(connection, visit.owner_id, [mail_id]).get(mail_id, ())
            if any(row.hidden and row.part == wanted for row in filings):
                return None
            names = {"mail": mail_id, "owner": visit.owner_id}
            blob_id: int | None = connection.execute(_BLOB, names).scalar()
            return blob_id

        blob_id = await self._context.database.read(query)
        if blob_id is None:
            raise not_found()
        try:
            data = await self._context.vault.read(visit.owner_id, blob_id)
        except (BlobNotFound, BlobDamaged) as error:
            raise not_found() from error
        found = await asyncio.to_thread(_part, data, wanted)
        if found is None:
            raise not_found()
        return attachment(*found)

    async def accept(self, request: Request, visit: Visit) -> Response:
        """Files an offered attachment under the chosen category, then shows the conversation again."""
        filing_id = number(request, "filing")
        form = await read_own_form(request, visit)
        category = form.get("category")

        def query(connection: Connection) -> tuple[Filing, int] | None:
            row = record.filing(connection, visit.owner_id, filing_id)
            if row is None:
                return None
            names = {"mail": row.mail_id, "owner": visit.owner_id}
            conversation: int | None = connection.execute(_CONVERSATION, names).scalar()
            return (row, conversation) if conversation is not None else None

        found = await self._context.database.read(query)
        if found is None:
            raise not_found()
        row, conversation = found
        back = f"/patient/conversations/{conversation}#message-{row.mail_id}"
        answer = await self._context.bridge.accept_offer(
            visit.owner_id,
            filing_id,
            title=title_of(row.filename) if row.title is None else title_from(row.title),
            category=category,
            date=shown.machine_time(row.at)[:10],
        )
        if isinstance(answer, OfferRefused):
            return self._pages.patient(
                visit, "refused.html", {"sentence": answer.sentence, "back": back}, status=422
            )
        return RedirectResponse(back, 303)


def title_of(filename: str) -> str:
    """The title under which a file is kept: its name without the extension, words for underscores."""
    name = shown.plain(filename)
    stem, dot, extension = name.rpartition(".")
    title = stem if dot and stem and len(extension) <= _LONGEST_EXTENSION else name
    return title_from(title.replace("_", " "))


def title_from(text: str) -> str:
    """A text in the form that a title may have: one line of at most 128 characters."""
    title = "".join(character if character.isprintable() else " " for character in text)
    return " ".join(title.split())[:_LONGEST_TITLE].strip() or "Document"


def _part(data: bytes, wanted: str) -> tuple[bytes, str, str] | None:
    for each in attachments(data, scan(data)):
        if (each.part.number or "1") == wanted:
            try:
                return decode_body(data, each.part, _LARGEST), each.filename, each.media_type
            except TooLarge:
                return None
    return None
