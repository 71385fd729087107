"""Where somebody is signed in, and the end of it: one session, or all of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.responses import RedirectResponse
from starlette.routing import Route

from foundation import trail
from portal import sessions
from portal.forms import read_own_form
from portal.pages import not_found
from portal.sessions import Strength

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request
    from starlette.responses import Response

    from foundation.database import UnitOfWork
    from portal.context import PortalContext, Visit
    from portal.forms import Visitor
    from portal.pages import Pages
    from portal.sessions import Entry

MEANS: Mapping[Strength, str] = {
    Strength.PASSWORD: "mot de passe",
    Strength.TOTP: "mot de passe et second facteur",
    Strength.PSC: "Pro Santé Connect",
}
PATIENT_DEVICES = "/patient/appareils"
_GONE = "/?motif=sortie"


class SessionList:
    """The sessions of who is there, and what ends them; `kind` names them in the trail (patient, bal)."""

    def __init__(self, context: PortalContext, kind: str) -> None:
        self._context = context
        self._kind = kind

    def entries(self, visitor: Visitor) -> list[Entry]:
        """The live sessions, the last used first."""
        now = self._context.clock.millis()
        return self._context.database.read_now(
            lambda connection: sessions.list_of(connection, visitor.session.bearer_id, now)
        )

    async def end_one(self, request: Request, visitor: Visitor, back: str) -> Response:
        """Ends the session of the path; 404 for one that is somebody else's or over."""
        await read_own_form(request, visitor)
        wanted = request.path_params["id"]

        def unit(uow: UnitOfWork) -> None:
            if not sessions.end_one(uow, visitor.session.bearer_id, wanted):
                raise not_found()
            self._trace(uow, visitor, "one")

        await self._context.database.write(unit)
        return RedirectResponse(back, 303) if wanted != visitor.session.id else _left()

    async def end_all(self, request: Request, visitor: Visitor) -> Response:
        """Ends every session, this one too."""
        await read_own_form(request, visitor)

        def unit(uow: UnitOfWork) -> None:
            sessions.end_all(uow, visitor.session.bearer_id)
            self._trace(uow, visitor, "all")

        await self._context.database.write(unit)
        return _left()

    def _trace(self, uow: UnitOfWork, visitor: Visitor, outcome: str) -> None:
        who = f"{self._kind}:{visitor.session.bearer_id}"
        trail.append(
            uow, "session.revoked", actor=who, subject=who, outcome=outcome, clock=self._context.clock
        )


def _left() -> Response:
    response = RedirectResponse(_GONE, 303)
    sessions.drop_cookie(response)
    return response


class PatientSessionPages:
    """`/patient/appareils`."""

    def __init__(self, context: PortalContext, pages: Pages) -> None:
        self._pages = pages
        self._list = SessionList(context, "patient")

    def routes(self) -> list[Route]:
        signed_in = self._pages.signed_in
        return [
            Route(PATIENT_DEVICES, signed_in(self.list), methods=["GET"]),
            Route(f"{PATIENT_DEVICES}/fin", signed_in(self._list.end_all), methods=["POST"]),
            Route(f"{PATIENT_DEVICES}/{{id}}/fin", signed_in(self.end_one), methods=["POST"]),
        ]

    async def list(self, request: Request, visit: Visit) -> Response:
        """Where the patient is signed in."""
        values = {"entries": self._list.entries(visit), "means": MEANS, "path": PATIENT_DEVICES}
        return self._pages.patient(visit, "devices.html", values)

    async def end_one(self, request: Request, visit: Visit) -> Response:
        """Ends one session."""
        return await self._list.end_one(request, visit, PATIENT_DEVICES)
