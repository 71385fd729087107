"""The patient's messages: the list of conversations, one conversation, and the answer to it."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING

from starlette.responses import HTMLResponse, RedirectResponse
from starlette.routing import Route

from dmp_bridge import codes
from mailserver import conversations
from mailserver.envelope import Refused
from mailserver.reading_receipt import Choice
from mailserver.refusals import EXCHANGE_ENDED
from mailserver.uploads import ALLOWED, Upload
from portal import forms
from portal.door import UploadDoor
from portal.downloads import number, number_of_query
from portal.pages import not_found
from portal.reading import MailReader
from portal.threads import Receipt, read_messages

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request
    from starlette.responses import Response

    from mailserver.conversations import Conversation, Item
    from mailserver.refusals import Refusal
    from portal.context import PortalContext, Visit
    from portal.forms import Form
    from portal.live import Live
    from portal.pages import Pages

PAGE = 50
FRAGMENT = 10
LONGEST_TEXT = 50_000
_OVERHEAD = 256 * 1024  # the text of the answer and the headers


@dataclass(frozen=True, slots=True)
class _Problem:
    """Why the form itself is not taken, before anything is handed in."""

    sentence: str
    advice: str


_PROBLEMS: Mapping[forms.Problem, _Problem] = {
    forms.Problem.TOO_MANY_FILES: _Problem(
        f"Un message porte au plus {forms.FILES} documents.", "Envoyez les autres dans un second message."
    ),
    forms.Problem.UNREADABLE_FILE: _Problem(
        "Un de vos documents n’a pas pu être lu.", "Donnez-lui un nom plus court, puis recommencez."
    ),
}


_CHOICES: Mapping[str, Choice] = {choice.value: choice for choice in Choice}
_NOTICES: Mapping[tuple[str, str], str] = {
    ("envoi", "fait"): "Votre message est envoyé.",
    ("accuse", "sent"): "L’accusé de lecture est envoyé.",
    ("accuse", "withheld"): "Aucun accusé de lecture n’est envoyé.",
}


class ConversationPages:
    """`/patient/conversations` and below."""

    def __init__(self, context: PortalContext, pages: Pages, live: Live) -> None:
        self._context = context
        self._pages = pages
        self._live = live
        self._reader = MailReader(context.vault)
        limits = context.settings.limits
        self._door = UploadDoor(limits.message_memory_bytes, largest=limits.message_bytes + _OVERHEAD)

    def routes(self) -> list[Route]:
        """The routes of the messages; those that a script asks for do not keep a session alive."""
        signed_in, watching = self._pages.signed_in, self._pages.watching
        one = "/patient/conversations/{conversation}"
        return [
            Route("/patient/conversations", signed_in(self.list), methods=["GET"]),
            Route("/patient/conversations/fragment", watching(self.list_fragment), methods=["GET"]),
            Route("/patient/events", watching(self._live.answer), methods=["GET"]),
            Route(one, signed_in(self.show), methods=["GET"]),
            Route(f"{one}/fragment", watching(self.fragment), methods=["GET"]),
            Route(f"{one}/events", watching(self.events), methods=["GET"]),
            Route(f"{one}/messages", signed_in(self.answer), methods=["POST"]),
            Route(f"{one}/messages/{{mail}}/receipt", signed_in(self.receipt), methods=["POST"]),
        ]

    async def list(self, request: Request, visit: Visit) -> Response:
        """The conversations, the newest first, fifty a page."""
        before = number_of_query(request, "avant")
        values = await self._list(visit, before)
        return self._pages.patient(visit, "conversations.html", {**values, "live": before is None})

    async def list_fragment(self, request: Request, visit: Visit) -> Response:
        """The first page of the list alone, for the live page."""
        return HTMLResponse(self._pages.render("conversations_list.html", await self._list(visit, None)))

    async def _list(self, visit: Visit, before: int | None) -> dict[str, object]:
        view = self._context.view()
        found = await self._context.database.read(
            lambda connection: conversations.list_conversations(
                connection, visit.owner_id, limit=PAGE + 1, before=before, view=view
            )
        )
        page = found[:PAGE]
        return {"conversations": page, "next": page[-1].id if len(found) > PAGE else None}

    async def show(self, request: Request, visit: Visit) -> Response:
        """One conversation; looking at it marks it read."""
        notice = next(
            (
                sentence
                for (name, value), sentence in _NOTICES.items()
                if request.query_params.get(name) == value
            ),
            None,
        )
        return await self._page(
            request, visit, await self._conversation(request, visit), {"notice": notice}, status=200
        )

    async def _page(
        self,
        request: Request,
        visit: Visit,
        conversation: Conversation,
        values: dict[str, object],
        *,
        status: int,
    ) -> Response:
        before = number_of_query(request, "avant")
        items, older = _slice(conversation.items, before)
        if before is None:
            await self._mark_read(visit, conversation)
        closed = await self._closed(visit, conversation)
        return self._pages.patient(
            visit,
            "conversation.html",
            {
                "notice": None,
                "refusal": None,
                "draft": "",
                "nonce": secrets.token_urlsafe(16),
                "files_lost": False,
                **values,
                "conversation": conversation,
                "messages": await read_messages(
                    self._context, self._reader, visit.owner_id, conversation, items
                ),
                "older": older,
                "newer": before is not None,
                "before": before,
                "live": before is None,
                "closed": closed,
                "categories": codes.patient_categories(),
                "limit": upload_limit(self._context),
                "most_files": forms.FILES,
                "longest_text": LONGEST_TEXT,
                "extensions": tuple(ALLOWED),
            },
            status=status,
        )

    async def fragment(self, request: Request, visit: Visit) -> Response:
        """The last messages alone, for the live page."""
        conversation = await self._conversation(request, visit)
        await self._mark_read(visit, conversation)
        messages = await read_messages(
            self._context, self._reader, visit.owner_id, conversation, conversation.items[-FRAGMENT:]
        )
        return HTMLResponse(
            self._pages.render(
                "conversation_items.html",
                {
                    "messages": messages,
                    "visit": visit,
                    "conversation": conversation,
                    "before": None,
                    "categories": codes.patient_categories(),
                },
            )
        )

    async def events(self, request: Request, visit: Visit) -> Response:
        """The wake-ups of the conversation's owner."""
        await self._conversation(request, visit)
        return await self._live.answer(request, visit)

    async def answer(self, request: Request, visit: Visit) -> Response:
        """Sends an answer: 303 back when it is on disk, else the page with the reason and the draft."""
        conversation = await self._conversation(request, visit)
        async with self._door.entered(request, visit.session.token_hash):
            form = await forms.read_own_answer(request, visit)
            text = form.get("text").replace("\r\n", "\n")
            refusal: Refusal | _Problem | None = _problem(form, text)
            if refusal is None:
                refusal = await self._hand_in(visit, conversation, text, form)
        if refusal is None:
            return RedirectResponse(f"/patient/conversations/{conversation.id}?envoi=fait", 303)
        # Read again: the professional may have ended the exchange in the meantime.
        conversation = await self._conversation(request, visit)
        return await self._page(
            request,
            visit,
            conversation,
            {
                "refusal": refusal,
                "draft": text,
                "files_lost": bool(form.files) or form.problem is not None,
            },
            status=422,
        )

    async def receipt(self, request: Request, visit: Visit) -> Response:
        """Sends the reading receipt that a message asks for, or notes that it is not sent; the first choice stands."""
        conversation = await self._conversation(request, visit)
        mail_id = number(request, "mail")
        form = await forms.read_own_form(request, visit)
        wanted = _CHOICES.get(form.get("choice"))
        items = tuple(item for item in conversation.items if item.mail_id == mail_id)
        shown = await read_messages(self._context, self._reader, visit.owner_id, conversation, items)
        if wanted is None or not shown or shown[0].receipt is Receipt.NONE:
            raise not_found()
        choice = await self._context.receipts.decide(visit.patient, mail_id, wanted)
        if choice is None:
            raise not_found()
        before = number_of_query(request, "avant")
        page = f"&avant={before}" if before is not None else ""
        back = f"/patient/conversations/{conversation.id}?accuse={choice.value}{page}#message-{mail_id}"
        return RedirectResponse(back, 303)

    async def _hand_in(
        self, visit: Visit, conversation: Conversation, text: str, form: Form
    ) -> Refusal | None:
        uploads = [Upload(file.filename, file.media_type, file.data) for file in form.files]
        async with self._door.writing(sum(len(upload.data) for upload in uploads)):
            result = await self._context.desk.answer(
                visit.patient, conversation.id, text, uploads, nonce=form.get("nonce")
            )
        return result.refusal if isinstance(result, Refused) else None

    async def _conversation(self, request: Request, visit: Visit) -> Conversation:
        wanted = number(request, "conversation")
        view = self._context.view()
        found = await self._context.database.read(
            lambda connection: conversations.conversation(connection, visit.owner_id, wanted, view=view)
        )
        if found is None:
            raise not_found()
        return found

    async def _mark_read(self, visit: Visit, conversation: Conversation) -> None:
        if conversation.unread:
            await self._context.database.write(
                lambda uow: conversations.mark_read(uow, visit.owner_id, conversation.id)
            )

    async def _closed(self, visit: Visit, conversation: Conversation) -> str | None:
        refusal: Refusal | None = await self._context.database.read(
            lambda connection: conversations.may_reply(connection, visit.owner_id, conversation.id)
        )
        if refusal == EXCHANGE_ENDED:
            return f"{conversation.counterpart.name} a mis fin à vos échanges."
        return refusal.sentence if refusal is not None else None


def _problem(form: Form, text: str) -> _Problem | None:
    if len(text) > LONGEST_TEXT:
        return _Problem(
            f"Votre message compte {len(text)} caractères ; il ne doit pas en dépasser {LONGEST_TEXT}.",
            "Raccourcissez-le, ou partagez-le en plusieurs messages.",
        )
    return _PROBLEMS[form.problem] if form.problem is not None else None


def upload_limit(context: PortalContext) -> int:
    """Bytes of documents that one answer may carry, in whole megabytes: base64 makes 78 octets of 57."""
    return (context.settings.limits.message_bytes - _OVERHEAD) * 57 // 78 // 1_000_000 * 1_000_000


def _slice(items: tuple[Item, ...], before: int | None) -> tuple[tuple[Item, ...], int | None]:
    """A page of items that ends before the mail `before`, and where the page before it would end."""
    end = len(items)
    if before is not None:
        end = next((index for index, item in enumerate(items) if item.mail_id == before), 0)
    start = max(0, end - PAGE)
    return items[start:end], items[start].mail_id if start else None
