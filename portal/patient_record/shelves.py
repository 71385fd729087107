"""The vaccination record, and the certificates and compulsory examinations of a child."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dmp_bridge.dossier.shelves import CHILDHOOD, VACCINATIONS, standing_on
from portal.patient_record.document import line

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import Route

    from dmp_bridge.dossier.desk import Desk
    from dmp_bridge.dossier.shelves import RecordShelf
    from portal.patient_record.reception import Inside, Reception


class ShelfPages:
    """`…/vaccinations` and `…/enfance`."""

    def __init__(self, reception: Reception, desk: Desk) -> None:
        self._reception = reception
        self._desk = desk

    def routes(self) -> list[Route]:
        both = self._reception.both
        return [*both("/vaccinations", self.vaccinations), *both("/enfance", self.childhood)]

    async def vaccinations(self, request: Request, inside: Inside) -> Response:
        """The vaccination record."""
        return await self._shelf(inside, VACCINATIONS, "/vaccinations")

    async def childhood(self, request: Request, inside: Inside) -> Response:
        """The certificates of the 8th day, the 9th and the 24th month, and the other examinations."""
        return await self._shelf(inside, CHILDHOOD, "/enfance")

    async def _shelf(self, inside: Inside, shelf: RecordShelf, here: str) -> Response:
        standing = await standing_on(shelf, self._desk, inside.caller, inside.ins)
        rubrics = [(label, [line(inside, each) for each in documents]) for label, documents in standing]
        values = {"title": shelf.title, "here": here, "rubrics": rubrics}
        return await self._reception.page(inside, "patient_record/shelf.html", values)
