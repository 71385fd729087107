"""What is left to who closed the own record: to reopen it, to take it along, to have it deleted; behind a sign-in of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.responses import RedirectResponse
from starlette.routing import Route

from dmp_bridge.dossier.caller import Caller
from dmp_bridge.dossier.closing import ClosingRefused
from dmp_bridge.dossier.forms import Denied
from dmp_bridge.rights.vocabulary import Role
from portal import sessions
from portal.context import PATIENT_HOME
from portal.forms import read_own_form
from portal.pages import not_found
from portal.patient_record.leaving import CLOSED
from portal.signin import Refused

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.requests import Request
    from starlette.responses import Response

    from dmp_bridge.dossier.own_desk import OwnDesk
    from portal.context import PortalContext, Visit
    from portal.pages import Pages
    from portal.patient_record.leaving import Exports
    from portal.signin import SignInPages

    ClosedEndpoint = Callable[[Request, Visit, Caller], Awaitable[Response]]


class ClosedPages:
    """`/patient/espace-ferme` and below."""

    def __init__(
        self, context: PortalContext, pages: Pages, sign_in: SignInPages, own: OwnDesk, exports: Exports
    ) -> None:
        self._context = context
        self._pages = pages
        self._sign_in = sign_in
        self._own = own
        self._exports = exports

    def routes(self) -> list[Route]:
        inside = self._inside
        return [
            Route(CLOSED, inside(self.show), methods=["GET"]),
            Route(f"{CLOSED}/session", self.begin, methods=["POST"]),
            Route(f"{CLOSED}/reouverture", inside(self.reopen), methods=["POST"]),
            Route(f"{CLOSED}/suppression", inside(self.ask_deletion), methods=["POST"]),
            Route(f"{CLOSED}/export", inside(self.export), methods=["POST"]),
            Route(f"{CLOSED}/sortie", inside(self.end), methods=["POST"]),
        ]

    async def begin(self, request: Request) -> Response:
        """Signs in to these pages alone: 303 and a cookie, or the form with the reason."""
        opened = await self._sign_in.open_closed(request)
        if isinstance(opened, Refused):
            return self._form(refusal=opened.sentence, status=opened.status)
        response = RedirectResponse(CLOSED, 303)
        sessions.set_cookie(response, opened)
        return response

    # ref: DMP-F21
    async def show(self, request: Request, visit: Visit, caller: Caller) -> Response:
        """What the archive is, until when, and what may be done."""
        closing = await self._own.closing(caller, visit.patient.ins)
        values = {"seat": visit, "closing": closing, "state": visit.patient.state.value, "path": CLOSED}
        return self._pages.anonymous("patient_record/closed.html", values)

    async def reopen(self, request: Request, visit: Visit, caller: Caller) -> Response:
        """Opens the record again: 303 to the first page, in the same session."""
        await read_own_form(request, visit)
        await self._own.reopen(caller, visit.patient.ins)
        return RedirectResponse(PATIENT_HOME, 303)

    async def ask_deletion(self, request: Request, visit: Visit, caller: Caller) -> Response:
        """Has the archive deleted."""
        await read_own_form(request, visit)
        try:
            await self._own.ask_deletion(caller, visit.patient.ins)
        except ClosingRefused:
            raise not_found() from None
        return RedirectResponse(CLOSED, 303)

    async def export(self, request: Request, visit: Visit, caller: Caller) -> Response:
        """The whole record as a zip."""
        await read_own_form(request, visit)
        return await self._exports.answer(caller, visit.patient.ins)

    async def end(self, request: Request, visit: Visit, caller: Caller) -> Response:
        """Signs out."""
        await read_own_form(request, visit)
        await self._context.database.write(lambda uow: sessions.end(uow, visit.session.token))
        response = RedirectResponse("/?motif=sortie", 303)
        sessions.drop_cookie(response)
        return response

    def _inside(self, endpoint: ClosedEndpoint) -> Callable[[Request], Awaitable[Response]]:
        async def page(request: Request) -> Response:
            token = request.cookies.get(sessions.COOKIE)
            visit = self._context.closed_visit(token)
            if visit is None:
                home = self._context.home_of(token)
                return RedirectResponse(home, 303) if home is not None else self._form()
            caller = Caller(
                role=Role.PATIENT,
                id=f"patient:{visit.owner_id}",
                name=visit.patient.name,
                channel="portal",
                owner_id=visit.owner_id,
            )
            try:
                return await endpoint(request, visit, caller)
            except Denied:
                raise not_found() from None

        return page

    def _form(self, *, refusal: str | None = None, status: int = 200) -> Response:
        values = {"refusal": refusal, "path": CLOSED}
        return self._pages.anonymous("patient_record/closed_sign_in.html", values, status=status)
