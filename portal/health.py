"""What a machine that watches the service asks: is it well, and how much of everything was there."""

from __future__ import annotations

import ipaddress
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import literal, select
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from foundation.metrics import CONTENT_TYPE
from foundation.settings import SettingsError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from starlette.requests import Request

    from portal.context import PortalContext

_ANYTHING = select(literal(1))
_HOUR = timedelta(hours=1)


class HealthPages:
    """`/health` for everybody, `/metrics` for the networks of the settings; neither says anything about a person."""

    def __init__(self, context: PortalContext) -> None:
        """Raises SettingsError when `metrics_from` names no network."""
        self._context = context
        self._networks = _networks(context.settings.metrics_from)

    def routes(self) -> list[Route]:
        return [
            Route("/health", self._health, methods=["GET"]),
            Route("/metrics", self._metrics, methods=["GET"]),
        ]

    async def _health(self, request: Request) -> Response:
        """200 while mail is served: an alarm is for the operator to look at, not for a balancer to act on."""
        context = self._context
        context.database.read_now(lambda connection: connection.execute(_ANYTHING).scalar())
        told: dict[str, Any] = {}
        alarms = [*context.directory_alarms()]
        if context.trust is not None:
            told["white_list_age_hours"] = round(context.trust.age() / _HOUR, 1)
            alarms = [*context.trust.alarms(), *alarms]
        return JSONResponse({"status": "alarm" if alarms else "ok", **told, "alarms": alarms})

    async def _metrics(self, request: Request) -> Response:
        # The address of the socket: what a header says of another one is the client's own word.
        if request.client is None or not self._may_read(request.client.host):
            raise HTTPException(403)
        if self._context.metrics is None:
            raise HTTPException(404)
        return Response(self._context.metrics.render(), media_type=CONTENT_TYPE)

    def _may_read(self, host: str) -> bool:
        try:
            address = ipaddress.ip_address(host.partition("%")[0])
        except ValueError:
            return False
        mapped = getattr(address, "ipv4_mapped", None)
        return any((mapped or address) in network for network in self._networks)


def _networks(texts: Iterable[str]) -> tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...]:
    networks = []
    for text in texts:
        try:
            networks.append(ipaddress.ip_network(text, strict=False))
        except ValueError as error:
            raise SettingsError(f"metrics_from: {text} is no network such as 192.0.2.0/24") from error
    return tuple(networks)
