"""Taking the whole record along, and closing it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from starlette.exceptions import HTTPException
from starlette.responses import RedirectResponse, StreamingResponse

from dmp_bridge.dossier.closing import ARCHIVED_YEARS, REFLECTION_DAYS
from portal import downloads
from portal.forms import read_own_form
from portal.patient_record.reception import RELATIVES

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import Route

    from dmp_bridge.dossier.caller import Caller
    from dmp_bridge.dossier.export_desk import ExportDesk
    from dmp_bridge.dossier.own_desk import OwnDesk
    from portal.patient_record.reception import Inside, Reception

RECORD: Final = "/dossier"
CLOSED: Final = "/patient/espace-ferme"
_NOT_CONFIRMED: Final = "Cochez la case pour confirmer la fermeture."
_ZIP: Final = "application/zip"
_MOST_AT_ONCE: Final = 4
_RETRY_AFTER: Final = {"retry-after": "60"}


class Exports:
    """Whole records on their way out: one of a person at a time, and few in all."""

    def __init__(self, desk: ExportDesk) -> None:
        self._desk = desk
        self._busy: set[str] = set()

    # ref: DMP-F41
    async def answer(self, caller: Caller, ins: str) -> Response:
        """The zip as a download; 429 while another one of this person, or too many, are going out. May raise Denied."""
        if caller.id in self._busy or len(self._busy) >= _MOST_AT_ONCE:
            raise HTTPException(429, headers=_RETRY_AFTER)
        pieces = await self._desk.export(caller, ins)
        response = StreamingResponse(self._sent(caller.id, pieces), media_type=_ZIP)
        response.headers["Content-Disposition"] = downloads.disposition("dossier.zip")
        return response

    async def _sent(self, who: str, pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        self._busy.add(who)
        try:
            async for piece in pieces:
                yield piece
        finally:
            self._busy.discard(who)


class LeavingPages:
    """`…/dossier` and below."""

    def __init__(self, reception: Reception, own: OwnDesk, exports: Exports) -> None:
        self._reception = reception
        self._own = own
        self._exports = exports

    def routes(self) -> list[Route]:
        both, post = self._reception.both, ("POST",)
        return [
            *both(RECORD, self.show),
            *both(f"{RECORD}/export", self.export, post),
            *both(f"{RECORD}/fermeture", self.close, post),
        ]

    async def show(self, request: Request, inside: Inside) -> Response:
        """What may be done with the record as a whole."""
        return await self._page(inside)

    async def export(self, request: Request, inside: Inside) -> Response:
        """The whole record as a zip."""
        await read_own_form(request, inside)
        return await self._exports.answer(inside.caller, inside.ins)

    # ref: DMP-F21
    async def close(self, request: Request, inside: Inside) -> Response:
        """Closes it: 303 to what can be done with a closed one."""
        form = await read_own_form(request, inside)
        if form.get("confirm") != "1":
            return await self._page(inside, refusal=_NOT_CONFIRMED, status=422)
        await self._own.close(inside.caller, inside.ins)
        return RedirectResponse(CLOSED if inside.is_own else f"{RELATIVES}/{inside.patient.owner_id}", 303)

    async def _page(self, inside: Inside, *, refusal: str | None = None, status: int = 200) -> Response:
        values = {"refusal": refusal, "years": ARCHIVED_YEARS, "days": REFLECTION_DAYS}
        return await self._reception.page(inside, "patient_record/record.html", values, status=status)
