"""Who is behind a request for an operator page, and what they still have to show."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from starlette.responses import HTMLResponse, RedirectResponse

from mailserver.signin import second_factor
from portal import sessions
from portal.operators.accounts import operator_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from sqlalchemy import Connection
    from starlette.requests import Request
    from starlette.responses import Response

    from foundation.database import UnitOfWork
    from portal.context import PortalContext
    from portal.operators.accounts import OperatorAccount
    from portal.pages import Pages
    from portal.sessions import Session

    OperatorEndpoint = Callable[[Request, "OperatorVisit"], Awaitable[Response]]
    Endpoint = Callable[[Request], Awaitable[Response]]

HOME = "/operateur/"
CODE = "/operateur/code"
FACTOR = "/operateur/second-facteur"
_SAID = "said"


@dataclass(frozen=True, slots=True)
class OperatorVisit:
    """A signed-in operator. `has_factor` says whether a second factor is theirs, the session whether it was shown."""

    session: Session
    account: OperatorAccount
    has_factor: bool

    @property
    def actor(self) -> str:
        """Who is there, as the trail names them."""
        return self.account.actor

    def awaited(self, *, is_required: bool) -> str | None:
        """The page where a second factor is still to be shown, or to be set up; None where nothing is."""
        if self.has_factor:
            return None if self.session.strength.is_strong else CODE
        return FACTOR if is_required else None


def find(connection: Connection, token: str | None, now: int) -> OperatorVisit | None:
    """Who holds a session's token (`now`: epoch ms); None where it has ended, or the account is another by now."""
    session = sessions.find(connection, token, now)
    account = operator_of(connection, session.owner_id) if session is not None else None
    if session is None or account is None or not account.may_sign_in:
        return None
    if session.credential != credential_of(account):
        return None
    return OperatorVisit(session, account, second_factor.is_enrolled(connection, account.owner_id))


def credential_of(account: OperatorAccount) -> bytes:
    """A digest of what is stored about a password: with another one its sessions end."""
    return hashlib.sha256(account.password_hash.encode()).digest()


class OperatorFrame:
    """Shows pages to operators, for one portal."""

    def __init__(self, context: PortalContext, pages: Pages) -> None:
        self._context = context
        self._pages = pages
        self.is_factor_required = context.settings.accounts.operator_second_factor == "required"

    async def page(
        self, visit: OperatorVisit, template: str, values: Mapping[str, Any], *, status: int = 200
    ) -> HTMLResponse:
        """A page of an operator, with the sentence that `say` left for it."""
        said = visit.session.pocket.get(_SAID)
        if said is not None:
            await self._context.database.write(lambda uow: _forget(uow, visit.session))
        may_go_on = visit.awaited(is_required=self.is_factor_required) is None
        told = {"visit": visit, "said": said, "may_go_on": may_go_on, **values}
        return HTMLResponse(self._pages.render(template, told), status)

    def signed_in(self, endpoint: OperatorEndpoint) -> Endpoint:
        """The endpoint for operators who have shown all that is asked; others are sent to where they belong."""

        async def page(request: Request, visit: OperatorVisit) -> Response:
            awaited = visit.awaited(is_required=self.is_factor_required)
            return RedirectResponse(awaited, 303) if awaited is not None else await endpoint(request, visit)

        return self.half_signed_in(page)

    def half_signed_in(self, endpoint: OperatorEndpoint) -> Endpoint:
        """The endpoint for operators whose password was right, whatever else is still asked of them."""

        async def page(request: Request) -> Response:
            token = request.cookies.get(sessions.COOKIE)
            visit = self._context.operator(token)
            if visit is None:
                return self._pages.turned_away(token)
            now = self._context.clock.millis()
            if visit.session.wants_touch(now):
                await self._context.database.write(lambda uow: sessions.touch(uow, visit.session, now))
            return await endpoint(request, visit)

        return page


def say(uow: UnitOfWork, session: Session, sentence: str) -> None:
    """Leaves a sentence for the next page of a session."""
    pocket = sessions.pocket_of(uow.connection, session)
    sessions.fill_pocket(uow, session, {**pocket, _SAID: sentence})


def _forget(uow: UnitOfWork, session: Session) -> None:
    pocket = sessions.pocket_of(uow.connection, session)
    pocket.pop(_SAID, None)
    sessions.fill_pocket(uow, session, pocket)
