"""The provider's pages, in French and without JavaScript: who there is, the choice, what waits, what went wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.responses import HTMLResponse, RedirectResponse

from portal.pages import check_origin
from vaguemestre.psc.grants import Answer
from vaguemestre.psc.issuer import SOFTWARE
from vaguemestre.psc.messages import OAuthError, browser_parameters
from vaguemestre.psc.people import listed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request
    from starlette.responses import Response

    from foundation.database import Database
    from vaguemestre.fictive import Professional
    from vaguemestre.psc.grants import Grants
    from vaguemestre.psc.people import Listed

_ANSWERS = {"confirmer": Answer.CONFIRMED, "refuser": Answer.DENIED}


class PscPages:
    """Pages over the people of one sandbox."""

    def __init__(
        self,
        issuer: str,
        discovery: str,
        people: Mapping[str, Professional],
        grants: Grants,
        database: Database,
    ) -> None:
        self._people = people
        self._grants = grants
        self._database = database
        self._templates = Environment(
            loader=PackageLoader("vaguemestre.psc"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._templates.globals.update(issuer=issuer, discovery=discovery, software=SOFTWARE)

    def _page(self, template: str, values: Mapping[str, Any], status: int = 200) -> HTMLResponse:
        return HTMLResponse(self._templates.get_template(template).render(values), status)

    async def _listed(self) -> list[Listed]:
        return await self._database.read(lambda connection: listed(connection, self._people))

    async def index(self, request: Request) -> Response:
        """`/psc/`: everybody, and how to get a token."""
        people = await self._listed()
        return self._page("index.html", {"people": people, "somebody": next(iter(self._people))})

    async def slash(self, request: Request) -> Response:
        """`/psc`."""
        return RedirectResponse("/psc/", 303)

    async def choice(
        self, client_id: str, hidden: Mapping[str, str], chosen: str, *, refusal: str, status: int
    ) -> Response:
        """The choice of a professional, `hidden` being the request it answers."""
        values = {
            "people": await self._listed(),
            "client_id": client_id,
            "hidden": hidden,
            "chosen": chosen,
            "refusal": refusal,
        }
        return self._page("choice.html", values, status)

    def refused(self, error: OAuthError) -> Response:
        """Why the browser is not sent anywhere."""
        return self._page("refused.html", {"error": error}, error.status)

    def signed_out(self) -> Response:
        """After a sign-out that leads nowhere else."""
        return self._page("signed_out.html", {})

    async def requests(self, request: Request) -> Response:
        """`/psc/ciba`: the requests that wait for a professional, as the e-CPS on a telephone would show them."""
        return self._page(
            "ciba.html", {"waiting": self._grants.pending(), "people": self._people, "told": ""}
        )

    async def decide(self, request: Request) -> Response:
        """One request is confirmed or refused. Its id, which only its client and this page know, guards the form."""
        check_origin(request)
        try:
            parameters = await browser_parameters(request)
        except OAuthError as error:
            return self.refused(error)
        request_id = parameters.get("auth_req_id", "")
        answer = _ANSWERS.get(parameters.get("decision", ""))
        waiting = next((each for each in self._grants.pending() if each.id == request_id), None)
        if waiting is None or answer is None:
            told, status = "Cette demande n’attend plus : elle a expiré, ou a reçu sa réponse.", 404
        else:
            waiting.answer = answer
            confirmed = answer is Answer.CONFIRMED
            told, status = ("Identification confirmée." if confirmed else "Identification refusée."), 200
        values = {"waiting": self._grants.pending(), "people": self._people, "told": told}
        return self._page("ciba.html", values, status)
