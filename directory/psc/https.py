"""Talks to the provider: HTTPS alone, no redirects, no cookies, bounded answers, and the reason when it fails."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import TYPE_CHECKING, Protocol
from urllib.parse import urlsplit

if TYPE_CHECKING:
    import ssl
    from collections.abc import Mapping

    import httpx2

LARGEST = 256 * 1024
LONGEST = 10.0
_CONNECT_SECONDS = 5.0
_CONNECTIONS = 16


class Unreachable(Exception):
    """The provider gives no usable answer; the text is one sentence without personal data."""


@dataclass(frozen=True, slots=True)
class Request:
    """A GET, with a form a POST of it (application/x-www-form-urlencoded), with a `patch` a PATCH of these bytes."""

    url: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    form: Mapping[str, str] | None = field(default=None, repr=False)
    patch: bytes | None = field(default=None, repr=False)

    @property
    def method(self) -> str:
        if self.patch is not None:
            return "PATCH"
        return "GET" if self.form is None else "POST"


@dataclass(frozen=True, slots=True)
class Response:
    """An answer whatever its status; `media_type` is lower case and without parameters."""

    status: int
    media_type: str
    body: bytes = field(repr=False)


class Exchange(Protocol):
    """Carries requests to the provider; tests give their own."""

    async def __call__(self, request: Request) -> Response:
        """The answer. Raises Unreachable."""
        ...

    async def aclose(self) -> None:
        """Closes what is open."""
        ...


def is_https(url: str) -> bool:
    """Whether a text is an https URL with a host, without user, password or fragment."""
    try:
        parts = urlsplit(url)
        return (
            parts.scheme == "https"
            and bool(parts.hostname)
            and "@" not in parts.netloc
            and not parts.fragment
        )
    except ValueError:
        return False


class Https:
    """The real exchange; connections are kept for the next request.

    An answer has at most `largest` bytes. `tls` believes the provider's authorities (`psc.ca_file`) and holds the operator's own certificate, which a
    token endpoint may ask for (RFC 8705 §2).
    """

    def __init__(self, tls: ssl.SSLContext, *, largest: int = LARGEST) -> None:
        self._tls = tls
        self._largest = largest
        self._opened: httpx2.AsyncClient | None = None

    async def __call__(self, request: Request) -> Response:
        if not is_https(request.url):
            raise Unreachable(f"{request.url} is not an https URL.")
        try:
            async with asyncio.timeout(LONGEST):
                return await self._send(request)
        except TimeoutError as error:
            raise Unreachable(f"{request.url} did not answer within {LONGEST:.0f} seconds.") from error

    async def aclose(self) -> None:
        if self._opened is not None:
            await self._opened.aclose()

    def _client(self) -> httpx2.AsyncClient:
        import httpx2  # a tenth of a second that only an exchange has to wait

        if self._opened is None:
            self._opened = httpx2.AsyncClient(
                verify=self._tls,
                timeout=httpx2.Timeout(LONGEST, connect=_CONNECT_SECONDS),
                limits=httpx2.Limits(max_connections=_CONNECTIONS),
                headers={"Accept-Encoding": "identity", "User-Agent": "vaguemestre"},
                # One person's cookie must not go along with the next person's code.
                cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
            )
        return self._opened

    async def _send(self, request: Request) -> Response:
        import httpx2

        try:
            async with self._client().stream(
                request.method,
                request.url,
                headers=dict(request.headers),
                data=request.form,
                content=request.patch,
            ) as response:
                if response.headers.get("content-encoding", "identity") != "identity":
                    raise Unreachable(f"{request.url} answers in an encoding that was not asked for.")
                body = bytearray()
                async for piece in response.aiter_raw():
                    body += piece
                    if len(body) > self._largest:
                        raise Unreachable(f"{request.url} answers more than {self._largest // 1024} KB.")
                media_type = response.headers.get("content-type", "").partition(";")[0].strip().lower()
                return Response(response.status_code, media_type, bytes(body))
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            reason = " ".join(str(error).split()).rstrip(".") or type(error).__name__
            raise Unreachable(f"{request.url} cannot be reached: {reason}.") from error
