"""What the patient is told of the record, and how: the list of notices, and the wishes."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from dmp_bridge.dossier.preferences import PreferenceRefused
from portal.forms import read_own_form
from portal.patient_record.words import EVENTS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import Route

    from dmp_bridge.dossier.own_desk import OwnDesk
    from dmp_bridge.dossier.preferences import Preferences
    from portal.patient_record.reception import Inside, Reception

NOTICES: Final = "/avis"
TOLD: Final[Mapping[str, str]] = {
    "told_of_documents": "Un document est ajouté ou modifié",
    "told_of_access": "Un professionnel consulte le dossier",
    "told_of_consents": "Une autorisation ou un choix est enregistré ou modifié",
}
LONGEST_ADDRESS: Final = 254


class NoticePages:
    """`…/avis`."""

    def __init__(self, reception: Reception, own: OwnDesk) -> None:
        self._reception = reception
        self._own = own

    def routes(self) -> list[Route]:
        both = self._reception.both
        return [*both(NOTICES, self.show), *both(NOTICES, self.keep, ("POST",))]

    # ref: DMP-F28
    async def show(self, request: Request, inside: Inside) -> Response:
        """The notices, and the form of the wishes."""
        return await self._page(inside, await self._own.preferences(inside.caller, inside.ins))

    # ref: DMP-F28
    async def keep(self, request: Request, inside: Inside) -> Response:
        """Keeps the wishes; a representative has wishes of their own."""
        form = await read_own_form(request, inside)
        former = await self._own.preferences(inside.caller, inside.ins)
        told = {name: form.get(name) == "1" for name in TOLD}
        wished = replace(former, email=form.get("email").strip(), **told)
        try:
            await self._own.set_preferences(inside.caller, wished, ins=inside.ins)
        except PreferenceRefused as refused:
            return await self._page(inside, wished, refusal=str(refused), status=422)
        return await self._reception.done(inside, "Vos préférences sont enregistrées.", inside.base + NOTICES)

    async def _page(
        self, inside: Inside, wished: Preferences, *, refusal: str | None = None, status: int = 200
    ) -> Response:
        found = await self._own.notices(inside.caller, inside.ins)
        values: dict[str, Any] = {
            "notices": [(each, EVENTS[each.event]) for each in found],
            "wished": wished,
            "told": {name: (words, getattr(wished, name)) for name, words in TOLD.items()},
            "longest": LONGEST_ADDRESS,
            "refusal": refusal,
        }
        return await self._reception.page(inside, "patient_record/notices.html", values, status=status)
