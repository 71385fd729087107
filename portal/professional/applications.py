"""The application passwords of a box: made after a strong sign-in, shown once, ended one by one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from starlette.responses import RedirectResponse
from starlette.routing import Route

from mailserver.signin import application
from mailserver.signin.application import ApplicationRefused, Scope
from portal.downloads import number
from portal.forms import read_own_form
from portal.pages import not_found
from portal.professional.frame import only_bearer, say, trace

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request
    from starlette.responses import Response

    from foundation.database import UnitOfWork
    from mailserver.signin.application import ApplicationPassword
    from portal.context import PortalContext
    from portal.forms import Form
    from portal.professional.frame import Frame
    from portal.professional.visit import Visit

APPLICATIONS = "/pro/compte/applications"
SCOPES: Mapping[Scope, str] = {
    Scope.IMAP: "Lire les messages (IMAP)",
    Scope.SMTP: "Envoyer des messages (SMTP)",
    Scope.LDAP: "Chercher dans l’annuaire (LDAP)",
}
_DAY_MS = 24 * 3600 * 1000
_MADE = "application"
_TOO_WEAK = "Un mot de passe d’application se crée après une identification forte : mettez d’abord en place un second facteur."


@dataclass(frozen=True, slots=True)
class _Line:
    """An application password as it is listed."""

    password: ApplicationPassword
    scopes: tuple[str, ...]
    holds: bool


class ApplicationPages:
    """`/pro/compte/applications`."""

    def __init__(self, context: PortalContext, frame: Frame) -> None:
        self._context = context
        self._frame = frame
        self._most_days = context.settings.accounts.application_password_days

    def routes(self) -> list[Route]:
        signed_in = self._frame.signed_in
        return [
            Route(APPLICATIONS, signed_in(self.list), methods=["GET"]),
            Route(APPLICATIONS, signed_in(self.make), methods=["POST"]),
            Route(f"{APPLICATIONS}/{{id}}/revoquer", signed_in(self.revoke), methods=["POST"]),
        ]

    async def list(self, request: Request, visit: Visit) -> Response:
        """Those of the box, and once the secret of one that was just made."""
        only_bearer(visit)
        made = (await self._frame.take(visit, _MADE)).get(_MADE)
        return await self._page(visit, None, {}, made=made)

    async def make(self, request: Request, visit: Visit) -> Response:
        """Makes one: 303 to the list, which shows it once; else the page with the reason and what was typed."""
        only_bearer(visit)
        form = await read_own_form(request, visit)
        if not visit.is_strong:
            return await self._page(visit, _TOO_WEAK, form.fields, status=403)
        days = self._days(form)
        if days is None:
            sentence = f"Choisissez une durée de 1 à {self._most_days} jours."
            return await self._page(visit, sentence, form.fields, status=422)
        now = self._context.clock.millis()
        scopes = [scope for scope in Scope if form.get(scope.value)]

        def unit(uow: UnitOfWork) -> None:
            made, plain = application.make(
                uow,
                visit.owner_id,
                name=form.get("name"),
                scopes=scopes,
                now=now,
                expires_at=now + days * _DAY_MS,
            )
            shown = {"name": made.name, "secret": plain}
            say(uow, visit.session, "Le mot de passe d’application est créé.", **{_MADE: shown})
            trace(uow, visit, "application_password.made", "made", self._context, id=made.id)

        try:
            await self._context.database.write(unit)
        except ApplicationRefused as refused:
            return await self._page(visit, str(refused), form.fields, status=422)
        return RedirectResponse(APPLICATIONS, 303)

    async def revoke(self, request: Request, visit: Visit) -> Response:
        """Ends one: what is signed in with it is cut off."""
        only_bearer(visit)
        wanted = number(request, "id")
        await read_own_form(request, visit)
        now = self._context.clock.millis()

        def unit(uow: UnitOfWork) -> None:
            if not application.revoke(uow, visit.owner_id, wanted, now):
                raise not_found()
            say(uow, visit.session, "Le mot de passe d’application est révoqué.")
            trace(uow, visit, "application_password.revoked", "revoked", self._context, id=wanted)

        await self._context.database.write(unit)
        return RedirectResponse(APPLICATIONS, 303)

    def _days(self, form: Form) -> int | None:
        text = form.get("days").strip()
        days = int(text) if text.isascii() and text.isdecimal() and len(text) <= 4 else 0
        return days if 1 <= days <= self._most_days else None

    async def _page(
        self,
        visit: Visit,
        refusal: str | None,
        typed: Mapping[str, str],
        *,
        made: Mapping[str, str] | None = None,
        status: int = 200,
    ) -> Response:
        now = self._context.clock.millis()
        found = self._context.database.read_now(
            lambda connection: application.list_of(connection, visit.owner_id)
        )
        lines = [
            _Line(each, tuple(SCOPES[scope] for scope in Scope if scope in each.scopes), each.holds(now))
            for each in reversed(found)
        ]
        values = {
            "refusal": refusal,
            "lines": lines,
            "made": made,
            "scopes": SCOPES,
            "usual": application.USUAL_SCOPES,
            "typed": typed,
            "most_days": self._most_days,
            "longest_name": application.LONGEST_NAME,
        }
        return await self._frame.page(visit, "professional/applications.html", values, status=status)
