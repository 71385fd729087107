"""The frame around every page of a professional: who may see it, the navigation, and the sentence of what was done."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from starlette.responses import HTMLResponse, RedirectResponse

from foundation import trail
from portal import sessions
from portal.pages import EXPIRED, not_found

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from starlette.requests import Request
    from starlette.responses import Response

    from foundation.database import UnitOfWork
    from portal.context import PortalContext
    from portal.pages import Pages
    from portal.professional.visit import Visit
    from portal.sessions import Session

    ProfessionalEndpoint = Callable[[Request, Visit], Awaitable[Response]]
    Endpoint = Callable[[Request], Awaitable[Response]]

SAID = "said"
"""Under which a session keeps the sentence for its next page."""


class Frame:
    """Shows pages to professionals, for one portal."""

    def __init__(self, context: PortalContext, pages: Pages) -> None:
        self._context = context
        self._pages = pages

    async def page(
        self, visit: Visit, template: str, values: Mapping[str, Any], *, status: int = 200
    ) -> HTMLResponse:
        """A page of a signed-in professional, with the sentence that `say` left for it.

        Templates extend `professional/frame.html` and may set `section`.
        """
        said = (await self.take(visit, SAID)).get(SAID)
        shown = {"visit": visit, "said": said, **values}
        # A message to a thousand recipients makes half a megabyte of HTML.
        return HTMLResponse(await asyncio.to_thread(self._pages.render, template, shown), status)

    def signed_in(self, endpoint: ProfessionalEndpoint) -> Endpoint:
        """The endpoint for professionals with a live session; everybody else is sent to where they belong."""

        async def page(request: Request) -> Response:
            token = request.cookies.get(sessions.COOKIE)
            visit = self._context.professional(token)
            if visit is None:
                return self._pages.turned_away(token)
            now = self._context.clock.millis()
            if visit.session.wants_touch(now):
                await self._context.database.write(lambda uow: sessions.touch(uow, visit.session, now))
            return await endpoint(request, visit)

        return page

    async def take(self, visit: Visit, *names: str) -> dict[str, Any]:
        """What the session kept under these names, which it forgets: a secret is shown once."""
        if not visit.session.pocket.keys() & set(names):
            return {}

        def unit(uow: UnitOfWork) -> dict[str, Any]:
            pocket = sessions.pocket_of(uow.connection, visit.session)
            taken = {name: pocket.pop(name) for name in names if name in pocket}
            sessions.fill_pocket(uow, visit.session, pocket)
            return taken

        return await self._context.database.write(unit)


def say(uow: UnitOfWork, session: Session, sentence: str, **kept: Any) -> None:
    """Leaves a sentence, and other values, for the next page of a session."""
    pocket = sessions.pocket_of(uow.connection, session)
    sessions.fill_pocket(uow, session, {**pocket, SAID: sentence, **kept})


def trace(
    uow: UnitOfWork,
    visit: Visit,
    action: str,
    outcome: str,
    context: PortalContext,
    **detail: str | int | bool | None,
) -> None:
    """A row of the trail: what who is there did to the box that is open."""
    trail.append(
        uow,
        action,
        actor=visit.actor,
        subject=f"bal:{visit.owner_id}",
        outcome=outcome,
        detail=detail,
        clock=context.clock,
    )


def only_bearer(visit: Visit) -> None:
    """Raises 404 for a delegate: what opens the structure's box is not theirs to change."""
    if visit.person is not None:
        raise not_found()


def renewed(session: Session | None, to: str) -> Response:
    """303, with the cookie of a session that got a new token; to the sign-in page where it had ended."""
    response = RedirectResponse(to if session is not None else EXPIRED, 303)
    if session is not None:
        sessions.set_cookie(response, session)
    else:
        sessions.drop_cookie(response)
    return response
