"""What a patient may do with a document that is there: one page asks for each act before it is done."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from dmp_bridge.dossier.life import Change
from portal import downloads
from portal.forms import read_own_form
from portal.pages import not_found
from portal.patient_record.document import document_of, line
from portal.patient_record.documents import DOCUMENTS
from portal.patient_record.words import ACTS

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import Route

    from dmp_bridge.dossier.desk import Desk
    from portal.patient_record.reception import Inside, Reception
    from portal.webps.acts import Act

_NOT_CONFIRMED: Final = "Cochez la case : cet acte est définitif."


class ActPages:
    """`…/documents/{document}/acte/{act}`."""

    def __init__(self, reception: Reception, desk: Desk) -> None:
        self._reception = reception
        self._desk = desk

    def routes(self) -> list[Route]:
        both, path = self._reception.both, f"{DOCUMENTS}/{{document}}/acte/{{act}}"
        return [*both(path, self.ask), *both(path, self.do, ("POST",))]

    # ref: DMP-F20, DMP-F36
    async def ask(self, request: Request, inside: Inside) -> Response:
        """Tells what the act brings about, and asks for it."""
        return await self._ask(request, inside)

    async def do(self, request: Request, inside: Inside) -> Response:
        """Does it, unless the document has changed since it was shown: 303 to the document."""
        act = _act(request)
        form = await read_own_form(request, inside)
        if act.is_final and form.get("confirm") != "1":
            return await self._ask(request, inside, refusal=_NOT_CONFIRMED, status=422)
        version = form.get("version")
        if not (version.isascii() and version.isdecimal() and len(version) <= downloads.LONGEST_NUMBER):
            raise not_found()
        document = await document_of(request, inside, self._desk)
        await self._desk.change(inside.caller, document.id, act.change, version=int(version))
        to = inside.base + DOCUMENTS
        return await self._reception.done(
            inside, act.done, to if act.change is Change.DELETE else f"{to}/{document.id}"
        )

    async def _ask(
        self, request: Request, inside: Inside, *, refusal: str | None = None, status: int = 200
    ) -> Response:
        document = await document_of(request, inside, self._desk)
        values = {
            "act": _act(request),
            "slug": request.path_params["act"],
            "document": document,
            "line": line(inside, document),
            "refusal": refusal,
        }
        return await self._reception.page(inside, "patient_record/act.html", values, status=status)


def _act(request: Request) -> Act:
    act = ACTS.get(str(request.path_params["act"]))
    if act is None:
        raise not_found()
    return act
