"""The shelves of a record: vaccinations, and the certificates and examinations of a child; and what is new."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from starlette.routing import Route

from dmp_bridge import codes
from dmp_bridge.dossier.forms import DocumentQuery
from portal.webps.document import line
from portal.webps.reception import RECORDS

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from dmp_bridge.dossier.desk import Desk
    from dmp_bridge.dossier.news import NewsDesk
    from portal.webps.reception import Guest, Inside, Reception

_VACCINATIONS: Final = ("11369-6", "87273-9", "96874-3")
_CERTIFICATES: Final = (
    "urn:asip:ci-sis:cse-cs8:2017",
    "urn:asip:ci-sis:cse-cs9:2017",
    "urn:asip:ci-sis:cse-cs24:2017",
)
_EXAMINATIONS: Final = "59283-2"


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
        query = DocumentQuery(type_codes=_VACCINATIONS)
        found = (await self._desk.search(inside.caller, inside.ins, query)).documents
        shelves = [
            (_label(code), [line(each) for each in found if each.type_code == code]) for code in _VACCINATIONS
        ]
        values = {"title": "Carnet de vaccination", "here": "/vaccinations", "shelves": shelves}
        return await self._reception.page(inside, "webps/shelf.html", values)

    async def childhood(self, request: Request, inside: Inside) -> Response:
        """The certificates of the 8th day, the 9th and the 24th month, and the compulsory examinations."""
        by_format = DocumentQuery(format_codes=_CERTIFICATES)
        certificates = (await self._desk.search(inside.caller, inside.ins, by_format)).documents
        by_type = DocumentQuery(type_codes=(_EXAMINATIONS,))
        examinations = (await self._desk.search(inside.caller, inside.ins, by_type)).documents
        shelves = [
            (codes.format_label(code), [line(each) for each in certificates if each.format_code == code])
            for code in _CERTIFICATES
        ]
        shelves.append(
            (
                "Examens obligatoires de l’enfant",
                [line(each) for each in examinations if each.format_code not in _CERTIFICATES],
            )
        )
        values = {"title": "Santé de l’enfant", "here": "/enfance", "shelves": shelves}
        return await self._reception.page(inside, "webps/shelf.html", values)


def _label(type_code: str) -> str:
    kind = codes.document_type(type_code)
    return kind.label if kind is not None else type_code
