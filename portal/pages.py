"""Pages as answers: templates with what every page shows, errors in one French sentence, and the door to a patient's pages."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.exceptions import HTTPException
from starlette.responses import HTMLResponse, RedirectResponse

from mailserver.conversations import unread_count
from portal import sessions, shown

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from starlette.requests import Request
    from starlette.responses import Response

    from portal.context import PortalContext, Visit

    PatientEndpoint = Callable[[Request, Visit], Awaitable[Response]]
    Endpoint = Callable[[Request], Awaitable[Response]]

EXPIRED = "/?motif=session"
WRONG = "Identifiant ou mot de passe incorrect."
"""Said of every sign-in that fails: it tells neither which accounts exist nor whose they are."""

SENTENCES: Mapping[int, tuple[str, str]] = {
    400: ("Demande illisible", "Votre navigateur a envoyé une demande que nous n’avons pas pu lire."),
    403: (
        "Formulaire périmé",
        "Ce formulaire n’est plus valable : revenez à la page précédente, rechargez-la et recommencez.",
    ),
    404: ("Page introuvable", "Cette page n’existe pas ou n’existe plus."),
    405: ("Action impossible", "Cette action n’est pas possible sur cette page."),
    408: ("Envoi interrompu", "Votre envoi s’est interrompu : vérifiez votre connexion et recommencez."),
    413: ("Envoi trop volumineux", "Votre envoi dépasse la taille autorisée : retirez des documents."),
    429: ("Trop de demandes", "Trop de demandes en même temps : réessayez dans quelques instants."),
    503: (
        "Trop d’envois en ce moment",
        "Votre message n’est pas envoyé, car trop de documents arrivent en ce moment : réessayez dans une minute.",
    ),
    500: (
        "Incident technique",
        "Un incident nous empêche d’afficher cette page : réessayez dans quelques minutes.",
    ),
}
"""Every error a page may answer, as a title and one sentence."""


class Pages:
    """Renders templates for one portal."""

    def __init__(self, context: PortalContext) -> None:
        self._context = context
        self._templates = Environment(
            loader=PackageLoader("portal"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._templates.filters.update(
            plain=shown.plain,
            size=shown.size,
            date=shown.date_of,
            full_moment=shown.full_moment,
            long_day=shown.long_day,
            birth_day=shown.birth_day,
            machine_time=shown.machine_time,
            moment=lambda millis: shown.moment(millis, context.clock.millis()),
        )
        self._templates.globals["sandbox"] = context.settings.sandbox
        self._templates.globals["psc"] = context.psc is not None
        self._templates.globals["has_records"] = context.records is not None

    def render(self, template: str, values: Mapping[str, Any]) -> str:
        """The text of a template that is no whole page."""
        return self._templates.get_template(template).render(values)

    def anonymous(self, template: str, values: Mapping[str, Any], *, status: int = 200) -> HTMLResponse:
        """A page for somebody who is not signed in."""
        return HTMLResponse(self.render(template, {"visit": None, **values}), status)

    def patient(
        self, visit: Visit, template: str, values: Mapping[str, Any], *, status: int = 200
    ) -> HTMLResponse:
        """A page of a signed-in patient, with the number of unread messages in its navigation."""
        unread = self._context.database.read_now(lambda connection: unread_count(connection, visit.owner_id))
        return HTMLResponse(self.render(template, {"visit": visit, "unread": unread, **values}), status)

    def error(self, status: int, own: Mapping[int, str] | None = None) -> HTMLResponse:
        """A page that says in one sentence what went wrong; 500 for a status that has no sentence.

        `own` are sentences that fit a place better than those for the whole portal.
        """
        status = status if status in SENTENCES else 500
        title, sentence = SENTENCES[status]
        if own is not None:
            sentence = own.get(status, sentence)
        return self.anonymous(
            "error.html", {"title": title, "sentence": sentence, "status": status}, status=status
        )

    def sign_in(
        self,
        *,
        notice: str | None = None,
        refusal: str | None = None,
        username: str = "",
        status: int = 200,
        retry_seconds: int | None = None,
        is_shut: bool = False,
    ) -> HTMLResponse:
        """The sign-in page, with why somebody is there or was not let in; `is_shut`: for a closed space."""
        values = {"notice": notice, "refusal": refusal, "username": username, "is_shut": is_shut}
        response = self.anonymous("signin.html", values, status=status)
        if retry_seconds is not None:
            response.headers["Retry-After"] = str(retry_seconds)
        return response

    def turned_away(self, token: str | None) -> Response:
        """For who may not see a page: to their own pages where they have some, else to the sign-in page."""
        home = self._context.home_of(token)
        if home is not None:
            return RedirectResponse(home, 303)
        response = RedirectResponse(EXPIRED if token is not None else "/", 303)
        sessions.drop_cookie(response)
        return response

    def signed_in(self, endpoint: PatientEndpoint) -> Endpoint:
        """The endpoint for patients with a live session; everybody else is sent to the sign-in page."""

        async def page(request: Request) -> Response:
            token = request.cookies.get(sessions.COOKIE)
            visit = self._context.visit(token)
            if visit is None:
                return self.turned_away(token)
            await self._touch(visit)
            return await endpoint(request, visit)

        return page

    def watching(self, endpoint: PatientEndpoint) -> Endpoint:
        """As `signed_in` for requests a script makes by itself: they do not keep an idle session alive."""

        async def page(request: Request) -> Response:
            visit = self._context.visit(request.cookies.get(sessions.COOKIE))
            if visit is None:
                # An EventSource that ends up on an HTML page does not try again.
                return RedirectResponse(EXPIRED, 303)
            return await endpoint(request, visit)

        return page

    async def _touch(self, visit: Visit) -> None:
        now = self._context.clock.millis()
        if visit.session.wants_touch(now):
            await self._context.database.write(lambda uow: sessions.touch(uow, visit.session, now))


def not_found() -> HTTPException:
    """The answer for what does not exist and for what is somebody else's: the two are not told apart."""
    return HTTPException(HTTPStatus.NOT_FOUND)


def check_origin(request: Request) -> None:
    """Raises 403 when a browser says that another site made it send this (RFC 6454 §7, Fetch Metadata)."""
    origin = request.headers.get("origin")
    if origin is not None:
        own = f"{request.url.scheme}://{request.headers.get('host', '')}"
        if origin.lower() != own.lower():
            raise HTTPException(HTTPStatus.FORBIDDEN)
    elif request.headers.get("sec-fetch-site", "same-origin") not in {"same-origin", "none"}:
        raise HTTPException(HTTPStatus.FORBIDDEN)
