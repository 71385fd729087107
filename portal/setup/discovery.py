"""The addresses where mail clients ask for settings before anybody has signed in.

They answer for a domain and never look a mailbox up: nobody learns here which addresses exist.
"""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import TYPE_CHECKING

from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import Route

from foundation.identifiers import host_name
from portal.pages import not_found
from portal.setup import autoconfig, autodiscover
from portal.setup.access import Access, own_name
from portal.setup.autodiscover import Fault

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.requests import Request

    from foundation.clock import Clock
    from foundation.settings import Settings

_LONGEST_QUERY = 2048


# ref: F23
class DiscoveryPages:
    """Mozilla autoconfig and autodiscover."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._access = Access.of(settings)

    def routes(self) -> list[Route]:
        """The addresses that clients know; Outlook writes its own in more than one case."""
        discover = Route("/autodiscover/autodiscover.xml", self._autodiscover, methods=["GET", "POST"])
        discover.path_regex = re.compile(discover.path_regex.pattern, re.IGNORECASE)
        return [
            Route("/.well-known/autoconfig/mail/config-v1.1.xml", self._autoconfig, methods=["GET"]),
            Route("/mail/config-v1.1.xml", self._autoconfig, methods=["GET"]),
            discover,
        ]

    async def _autoconfig(self, request: Request) -> Response:
        """The file for the domain of `emailaddress`, or for the host that was asked; 404 for any other."""
        if len(request.scope["query_string"]) > _LONGEST_QUERY:
            raise HTTPException(HTTPStatus.BAD_REQUEST)
        address = request.query_params.get("emailaddress")
        if address is not None:
            domains = self._hosted(host_name(address.rpartition("@")[2]))
        else:
            domains = self._hosted_at(request.headers.get("host", ""))
        if not domains or not self._access.is_enough:
            raise not_found()
        return Response(
            autoconfig.client_config(self._settings, self._access, domains),
            media_type=autoconfig.CONTENT_TYPE,
        )

    async def _autodiscover(self, request: Request) -> Response:
        """Settings, or the schema's refusal: Outlook reads it only with status 200."""
        asked = autodiscover.asked_address(await request.body())
        if isinstance(asked, Fault):
            answer = autodiscover.refusal(asked, self._settings.hostname, self._clock.now())
        elif not self._hosted(asked.domain) or not self._access.is_enough:
            answer = autodiscover.refusal(Fault.UNKNOWN_ADDRESS, self._settings.hostname, self._clock.now())
        else:
            answer = autodiscover.settings_answer(asked, self._access)
        return Response(answer, media_type=autodiscover.CONTENT_TYPE)

    def _hosted(self, domain: str | None) -> Sequence[str]:
        return (domain,) if domain is not None and domain in self._settings.domains else ()

    def _hosted_at(self, host: str) -> Sequence[str]:
        """The domain a host name stands for; all of them for the server's own name."""
        name = re.sub(r":[0-9]{1,5}\Z", "", host.lower())
        found = self._hosted(name.removeprefix("autoconfig."))
        return self._settings.domains if not found and own_name(self._settings, name) else found
