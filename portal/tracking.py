"""What became of the messages of a box: for its professional as pages, for software as JSON."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from starlette.responses import JSONResponse
from starlette.routing import Route

from dmp_bridge.codes import ErrorCode
from mailserver.refusals import REFUSALS
from mailserver.tracking import view
from mailserver.tracking.view import PAGE, Filter, Stage
from portal.callers import Caller, Callers
from portal.pages import not_found
from portal.professional.frame import Frame

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import Connection
    from starlette.requests import Request
    from starlette.responses import Response

    from mailserver.tracking.view import Message, Recipient
    from portal.context import PortalContext
    from portal.pages import Pages
    from portal.professional.visit import Visit

TRACKING: Final = "/pro/suivi"
STAGES: Final[Mapping[Stage, str]] = {
    Stage.RECEIVED: "Reçu de votre logiciel",
    Stage.CHECKED: "Vérifié",
    Stage.QUEUED: "En attente d’envoi",
    Stage.DELAYED: "Retardé",
    Stage.ACCEPTED: "Pris par l’autre opérateur",
    Stage.DELIVERED: "Remis dans la boîte",
    Stage.FILED: "Intégré au dossier",
    Stage.READ: "Lu",
    Stage.REFUSED: "Refusé par le dossier",
    Stage.FAILED: "Non distribué",
}
FILTERS: Final[Mapping[Filter, str]] = {
    Filter.ALL: "Tous",
    Filter.WAITING: "En attente",
    Filter.PROBLEM: "À regarder",
    Filter.READ: "Lus ou intégrés",
}
_UNKNOWN: Final = {"code": "not_found", "message": "Ce message n'est pas suivi ici.", "advice": ""}
_MAX_NUMBER: Final = 15


@dataclass(frozen=True, slots=True)
class _Line:
    """A message as it is listed: how many recipients are at which stage."""

    message: Message
    states: tuple[str, ...]


# ref: SC.MSS/UX.37
class TrackingPages:
    """`/messages/{id}/status` for software, `/pro/suivi` for people."""

    def __init__(self, context: PortalContext, pages: Pages) -> None:
        self._context = context
        self._callers = Callers(context)
        self._frame = Frame(context, pages)

    def routes(self) -> list[Route]:
        signed_in = self._frame.signed_in
        return [
            # A Message-ID may hold slashes, which arrive decoded.
            Route("/messages/{id:path}/status", self.status, methods=["GET"]),
            Route(TRACKING, signed_in(self.list), methods=["GET"]),
            Route(f"{TRACKING}/{{id}}", signed_in(self.show), methods=["GET"]),
        ]

    async def status(self, request: Request) -> Response:
        """The newest message of the caller's box with this queue id or Message-ID; 404 for any other, known or not."""
        caller = await self._callers.identify(request)
        if not isinstance(caller, Caller):
            return caller
        name = request.path_params["id"]

        def answer(connection: Connection) -> Response:
            found = view.find(connection, name, caller.owner_id)
            return (
                JSONResponse(view.as_json(found[0]))
                if found
                else JSONResponse(_UNKNOWN, HTTPStatus.NOT_FOUND)
            )

        return await self._context.database.read(answer)

    async def list(self, request: Request, visit: Visit) -> Response:
        """The messages that the open box sent, newest first."""
        wanted = request.query_params.get("etat", Filter.ALL)
        shown = Filter(wanted) if wanted in set(Filter) else Filter.ALL
        before = _number(request.query_params.get("avant", ""))
        found = await self._context.database.read(
            lambda connection: view.list_sent(connection, visit.owner_id, shown, before=before)
        )
        values = {
            "lines": [_Line(each, _states(each)) for each in found],
            "filters": FILTERS,
            "shown": shown,
            "next": found[-1].id if len(found) == PAGE else None,
            "days": self._context.settings.tracking.days,
        }
        return await self._frame.page(visit, "professional/tracking.html", values)

    async def show(self, request: Request, visit: Visit) -> Response:
        """One message of the open box, recipient by recipient."""
        name = request.path_params["id"]
        found = await self._context.database.read(
            lambda connection: view.find(connection, name, visit.owner_id)
        )
        if not found:
            raise not_found()
        message = found[0]
        values = {
            "message": message,
            "stages": STAGES,
            "reasons": {each.address: _reason(each) for each in message.recipients},
        }
        return await self._frame.page(visit, "professional/tracked.html", values)


def _states(message: Message) -> tuple[str, ...]:
    """« Lu », or with several recipients « Remis dans la boîte : 2 », in the order of stages."""
    stages = [each.stage for each in message.recipients]
    if len(stages) == 1:
        return (STAGES[stages[0]],)
    return tuple(f"{words} : {stages.count(stage)}" for stage, words in STAGES.items() if stage in stages)


def _reason(recipient: Recipient) -> str:
    """Why a recipient was not reached, or a record refused, in the words of the tables; "" where nothing went wrong."""
    if recipient.stage is Stage.REFUSED:
        code = next((each for each in ErrorCode if each == recipient.record_code), None)
        return f"Erreur {code.value} : {code.label}" if code is not None else ""
    refusal = REFUSALS.get(recipient.code or "")
    return f"{refusal.sentence} {refusal.advice} ({refusal.code})" if refusal is not None else ""


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= _MAX_NUMBER else None
