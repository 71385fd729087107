"""The first page of a professional, the choice of the box that is open, and the way out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.responses import RedirectResponse
from starlette.routing import Route

from directory.bals import BalType, note_sign_in
from foundation import trail
from mailserver.signin import second_factor
from mailserver.store import acl
from mailserver.store.rights import Right
from portal import sessions
from portal.context import PROFESSIONAL_HOME
from portal.forms import read_own_form
from portal.pages import not_found
from portal.professional import visit as visits
from portal.professional.frame import renewed, say, trace
from portal.professional.leaving import leave, own_origin
from portal.professional.psc import ID_TOKEN
from portal.session_list import MEANS
from portal.sessions import Strength

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request
    from starlette.responses import Response

    from foundation.database import UnitOfWork
    from portal.context import PortalContext
    from portal.pages import Pages
    from portal.professional.frame import Frame
    from portal.professional.visit import Visit
    from portal.sessions import Session

TYPES: Mapping[BalType, str] = {
    BalType.PER: "Boîte personnelle",
    BalType.ORG: "Boîte d’une organisation",
    BalType.APP: "Boîte d’un logiciel",
    BalType.CAB: "Boîte d’un cabinet",
}


class HomePages:
    """`/pro/`, `/pro/boites`, `/pro/delegations` and `/pro/sortie`."""

    def __init__(self, context: PortalContext, pages: Pages, frame: Frame) -> None:
        self._context = context
        self._pages = pages
        self._frame = frame

    def routes(self) -> list[Route]:
        signed_in = self._frame.signed_in
        return [
            Route("/pro", _home, methods=["GET"]),
            Route(PROFESSIONAL_HOME, signed_in(self.home), methods=["GET"]),
            Route("/pro/boites", signed_in(self.choose), methods=["GET"]),
            Route("/pro/boites", signed_in(self.open), methods=["POST"]),
            Route("/pro/delegations", signed_in(self.delegations), methods=["GET"]),
            Route("/pro/sortie", signed_in(self.leave), methods=["POST"]),
        ]

    async def home(self, request: Request, visit: Visit) -> Response:
        """Which box is open, how, and what can be done with it."""
        has_factor, others = self._context.database.read_now(
            lambda connection: (
                second_factor.is_enrolled(connection, visit.owner_id),
                len(visits.openings(connection, visit)) - 1,
            )
        )
        values = {
            "type": TYPES[visit.bal.type],
            "means": MEANS[visit.session.strength],
            "has_factor": has_factor,
            "others": others,
        }
        return await self._frame.page(visit, "professional/home.html", values)

    async def choose(self, request: Request, visit: Visit) -> Response:
        """The boxes that may be opened without a new sign-in."""
        openings = self._context.database.read_now(lambda connection: visits.openings(connection, visit))
        return await self._frame.page(
            visit, "professional/boxes.html", {"openings": openings, "types": TYPES}
        )

    async def open(self, request: Request, visit: Visit) -> Response:
        """Turns the session to another box; forms made for the one before are worth nothing then."""
        address = (await read_own_form(request, visit)).get("address")

        def unit(uow: UnitOfWork) -> Session | None:
            openings = visits.openings(uow.connection, visit)
            wanted = next((each for each in openings if each.bal.address == address), None)
            if wanted is None:
                raise not_found()
            person_id = wanted.person.owner_id if wanted.person is not None else None
            turned = sessions.renew(uow, visit.session, owner_id=wanted.bal.owner_id, person_id=person_id)
            if turned is not None:
                note_sign_in(uow, turned.owner_id, self._context.clock.millis())
                trail.append(
                    uow,
                    "session.turned",
                    actor=f"bal:{turned.bearer_id}",
                    subject=f"bal:{turned.owner_id}",
                    outcome="opened",
                    clock=self._context.clock,
                )
                say(uow, turned, f"Vous êtes dans la boîte {wanted.bal.address}.")
            return turned

        return renewed(await self._context.database.write(unit), PROFESSIONAL_HOME)

    async def delegations(self, request: Request, visit: Visit) -> Response:
        """Who else may open this box; the operator says who."""
        members = self._context.database.read_now(lambda connection: acl.members(connection, visit.owner_id))
        listed = [(member.address, _words(member.rights)) for member in members]
        return await self._frame.page(visit, "professional/delegations.html", {"members": listed})

    async def leave(self, request: Request, visit: Visit) -> Response:
        """Signs out, at Pro Santé Connect as well where the session came from there."""
        await read_own_form(request, visit)
        id_token = visit.session.pocket.get(ID_TOKEN)

        def unit(uow: UnitOfWork) -> None:
            sessions.end(uow, visit.session.token)
            trace(uow, visit, "session.ended", "left", self._context)

        await self._context.database.write(unit)
        response: Response = RedirectResponse("/?motif=sortie", 303)
        if visit.session.strength is Strength.PSC and self._context.psc is not None:
            there = await self._context.psc.logout_url(f"{own_origin(request)}/", id_token=id_token)
            if there is not None:
                response = leave(self._pages, request, there, "Vous quittez Pro Santé Connect")
        sessions.drop_cookie(response)
        return response


async def _home(request: Request) -> Response:
    return RedirectResponse(PROFESSIONAL_HOME, 303)


def _words(rights: frozenset[Right]) -> str:
    if Right.ADMINISTER in rights:
        return "lit, écrit et gère les accès"
    if rights & {Right.INSERT, Right.WRITE, Right.DELETE_MESSAGES}:
        return "lit et écrit"
    return "lit"
