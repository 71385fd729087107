"""The settings page of a professional: the sheet of the open box, its Apple profile and the server's authorities."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.serialization import Encoding
from starlette.responses import Response
from starlette.routing import Route

from portal.pages import not_found
from portal.professional.frame import only_bearer
from portal.setup import mobileconfig
from portal.setup.autoconfig import SHEET_PATH
from portal.setup.sheet import Sheet

if TYPE_CHECKING:
    from starlette.requests import Request

    from foundation.settings import Settings
    from portal.professional.frame import Frame
    from portal.professional.visit import Visit


class SheetPages:
    """`/pro/reglages`."""

    def __init__(self, settings: Settings, frame: Frame) -> None:
        self._settings = settings
        self._frame = frame

    def routes(self) -> list[Route]:
        signed_in = self._frame.signed_in
        return [
            Route(SHEET_PATH, signed_in(self._sheet), methods=["GET"]),
            Route(f"{SHEET_PATH}/autorites.pem", signed_in(self._authorities), methods=["GET"]),
            Route(f"{SHEET_PATH}/{{address}}.mobileconfig", signed_in(self._profile), methods=["GET"]),
        ]

    async def _sheet(self, request: Request, visit: Visit) -> Response:
        """The sheet, to read and to print."""
        sheet = await asyncio.to_thread(Sheet.of, self._settings, visit.bal)
        values = {
            "sections": sheet.sections(),
            "has_profile": sheet.access.is_enough,
            "psc": bool(self._settings.psc.issuer),
        }
        return await self._frame.page(visit, "professional/sheet.html", values)

    async def _authorities(self, request: Request, visit: Visit) -> Response:
        """The authorities above the server's certificate, as a client imports them."""
        sheet = await asyncio.to_thread(Sheet.of, self._settings, visit.bal)
        content = b"".join(each.public_bytes(Encoding.PEM) for each in sheet.authorities)
        return _download(content, "application/x-pem-file", "autorites-mssante.pem")

    async def _profile(self, request: Request, visit: Visit) -> Response:
        """The Apple profile of the open box, for who bears it; 404 for any other address."""
        only_bearer(visit)
        bal = visit.bal
        if request.path_params["address"] != bal.address:
            raise not_found()
        made = await asyncio.to_thread(mobileconfig.mobileconfig, self._settings, bal.address, bal.name)
        if made is None:
            raise not_found()
        return _download(made, mobileconfig.CONTENT_TYPE, "mssante.mobileconfig")


def _download(content: bytes, media_type: str, name: str) -> Response:
    return Response(
        content, media_type=media_type, headers={"Content-Disposition": f'attachment; filename="{name}"'}
    )
