"""The shelves of a record: vaccinations, and the certificates and examinations of a child; and what is new."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.routing import Route

from dmp_bridge.dossier.shelves import CHILDHOOD, VACCINATIONS, standing_on
from portal.webps.document import line
from portal.webps.reception import RECORDS

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from dmp_bridge.dossier.desk import Desk
    from dmp_bridge.dossier.news import NewsDesk
    from dmp_bridge.dossier.shelves import RecordShelf
    from portal.webps.reception import Guest, Inside, Reception


class ShelfPages:
    """`/pro/dossier/{access}/vaccinations`, `…/enfance` and `/pro/dossier/nouveautes`."""

    def __init__(self, reception: Reception, desk: Desk, news: NewsDesk) -> None:
        self._reception = reception
        self._desk = desk
        self._news = news

    def routes(self) -> list[Route]:
        inside = self._reception.inside
        return [
            Route(f"{RECORDS}/nouveautes", self._reception.guest(self.latest), methods=["GET"]),
            Route(f"{RECORDS}/{{access}}/vaccinations", inside(self.vaccinations), methods=["GET"]),
            Route(f"{RECORDS}/{{access}}/enfance", inside(self.childhood), methods=["GET"]),
        ]

    async def latest(self, request: Request, guest: Guest) -> Response:
        """What professionals deposited since the last visit, in the records one is authorised on."""
        found = await self._news.latest(guest.caller, guest.session.created_at)
        lines = [(patient, line(document)) for patient, document in found.documents]
        return await self._reception.page(guest, "webps/latest.html", {"lines": lines, "since": found.since})

    async def vaccinations(self, request: Request, inside: Inside) -> Response:
        """The vaccination record."""
        return await self._shelf(inside, VACCINATIONS, "/vaccinations")

    async def childhood(self, request: Request, inside: Inside) -> Response:
        """The certificates of the 8th day, the 9th and the 24th month, and the compulsory examinations."""
        return await self._shelf(inside, CHILDHOOD, "/enfance")

    async def _shelf(self, inside: Inside, shelf: RecordShelf, here: str) -> Response:
        standing = await standing_on(shelf, self._desk, inside.caller, inside.ins)
        rubrics = [(label, [line(each) for each in documents]) for label, documents in standing]
        values = {"title": shelf.title, "here": here, "shelves": rubrics}
        return await self._reception.page(inside, "webps/shelf.html", values)
