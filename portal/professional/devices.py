"""Where a professional is signed in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.routing import Route

from portal.session_list import MEANS, SessionList

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from portal.context import PortalContext
    from portal.professional.frame import Frame
    from portal.professional.visit import Visit

DEVICES = "/pro/appareils"


class DevicePages:
    """`/pro/appareils`."""

    def __init__(self, context: PortalContext, frame: Frame) -> None:
        self._frame = frame
        self._list = SessionList(context, "bal")

    def routes(self) -> list[Route]:
        signed_in = self._frame.signed_in
        return [
            Route(DEVICES, signed_in(self.list), methods=["GET"]),
            Route(f"{DEVICES}/fin", signed_in(self._list.end_all), methods=["POST"]),
            Route(f"{DEVICES}/{{id}}/fin", signed_in(self.end_one), methods=["POST"]),
        ]

    async def list(self, request: Request, visit: Visit) -> Response:
        """The live sessions of who is there, in whichever box they are."""
        values = {"entries": self._list.entries(visit), "means": MEANS, "path": DEVICES}
        return await self._frame.page(visit, "professional/devices.html", values)

    async def end_one(self, request: Request, visit: Visit) -> Response:
        """Ends one session."""
        return await self._list.end_one(request, visit, DEVICES)
