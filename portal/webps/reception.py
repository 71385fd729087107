"""The way to every page of a record: who asks, which record is open, and the page that says why the desk refuses."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from starlette.responses import RedirectResponse

from dmp_bridge.dossier.denials import DENIALS
from dmp_bridge.dossier.forms import Denied
from dmp_bridge.rights.vocabulary import Reason
from portal.professional.frame import say
from portal.record_words import MODES, RELATIONS
from portal.webps import access as accesses
from portal.webps.who import Obstacle, caller_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from starlette.requests import Request
    from starlette.responses import Response

    from dmp_bridge.dossier.caller import Caller
    from foundation.database import UnitOfWork
    from portal.context import PortalContext
    from portal.professional.frame import Frame
    from portal.professional.visit import Visit
    from portal.sessions import Session
    from portal.webps.access import Access

    Endpoint = Callable[[Request], Awaitable[Response]]
    GuestEndpoint = Callable[[Request, "Guest"], Awaitable[Response]]
    InsideEndpoint = Callable[[Request, "Inside"], Awaitable[Response]]

RECORDS: Final = "/pro/dossier"


@dataclass(frozen=True, slots=True)
class Guest:
    """A professional whom the desk can be told of."""

    visit: Visit
    caller: Caller

    @property
    def session(self) -> Session:
        return self.visit.session


@dataclass(frozen=True, slots=True)
class Inside(Guest):
    """The same with a record open; the caller bears the mode and the motive of the access."""

    access: Access

    @property
    def ins(self) -> str:
        """Whose record it is."""
        return self.access.ins


class Reception:
    """Lets professionals in, for one portal."""

    def __init__(self, context: PortalContext, frame: Frame) -> None:
        self._context = context
        self._frame = frame

    def guest(self, endpoint: GuestEndpoint) -> Endpoint:
        """The endpoint for professionals whose profession is known; others are told what is missing."""

        async def page(request: Request, visit: Visit) -> Response:
            caller = await caller_of(self._context, visit)
            if isinstance(caller, Obstacle):
                return await self._frame.page(visit, "webps/obstacle.html", {"obstacle": caller}, status=403)
            guest = Guest(visit, caller)
            try:
                return await endpoint(request, guest)
            except Denied as denied:
                return await self.refused(guest, denied)

        return self._frame.signed_in(page)

    def inside(self, endpoint: InsideEndpoint) -> Endpoint:
        """The endpoint for who has the record of the path open; others are sent to where records are opened."""

        async def page(request: Request, guest: Guest) -> Response:
            access = accesses.find(guest.session, str(request.path_params["access"]))
            if access is None:
                return RedirectResponse(RECORDS, 303)
            caller = replace(guest.caller, mode=access.mode, motive=access.motive)
            inside = Inside(guest.visit, caller, access)
            try:
                return await endpoint(request, inside)
            except Denied as denied:
                return await self.refused(inside, denied)

        return self.guest(page)

    async def page(
        self, guest: Guest, template: str, values: Mapping[str, Any], *, status: int = 200
    ) -> Response:
        """A page; inside a record it tells the patient's identity, and the emergency as long as there is one."""
        access = guest.access if isinstance(guest, Inside) else None
        shown = {"access": access, "modes": MODES, "relations": RELATIONS, "caller": guest.caller, **values}
        return await self._frame.page(guest.visit, template, shown, status=status)

    async def refused(self, guest: Guest, denied: Denied) -> Response:
        """The page of a refusal: the sentence, what can be done, and where a missing authorisation is declared."""
        denial = DENIALS[denied.reason]
        values = {
            "denial": denial,
            "detail": denied.detail,
            "wants_authorisation": denied.reason is Reason.NOT_AUTHORISED,
        }
        return await self.page(guest, "webps/refused.html", values, status=denial.http)

    async def done(self, guest: Guest, sentence: str, to: str) -> Response:
        """303 to a page that begins with what was done."""

        def unit(uow: UnitOfWork) -> None:
            say(uow, guest.session, sentence)

        await self._context.database.write(unit)
        return RedirectResponse(to, 303)
