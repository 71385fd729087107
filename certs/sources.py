"""Fetches a list from where it is published: HTTPS under one's own authorities, HTTP for CRLs, or a file."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from certs.tls import Trust, client_context

if TYPE_CHECKING:
    from collections.abc import Collection

_CONNECT_SECONDS, _SILENT_SECONDS = 10.0, 20.0
_LONGEST = 180.0
_REDIRECTS = 3
_SCHEMES = ("https", "http", "file")


class SourceUnreachable(Exception):
    """A list cannot be fetched; the text is one sentence."""


class SourceTooLarge(SourceUnreachable):
    """What is there is larger than the limit."""


async def fetch(
    url: str, *, schemes: Collection[str], authorities: Path, limit: int, longest: float = _LONGEST
) -> bytes:
    """The octets behind a URL, at most `limit`, within `longest` seconds. Raises SourceUnreachable.

    A redirect is followed only from HTTPS to HTTPS, or from HTTP to either; the server's certificate must come
    from `authorities` and name the host.
    """
    try:
        async with asyncio.timeout(longest):
            for _ in range(_REDIRECTS + 1):
                scheme = urlsplit(url).scheme
                if scheme not in schemes or scheme not in _SCHEMES:
                    raise SourceUnreachable(f"{url} is not fetched: only {', '.join(schemes)} URLs are.")
                if scheme == "file":
                    return await asyncio.to_thread(_read, url, limit)
                answer = await _get(url, authorities, limit)
                if isinstance(answer, bytes):
                    return answer
                schemes = ("https",) if scheme == "https" else ("https", "http")
                url = answer.location
    except TimeoutError as error:
        raise SourceUnreachable(f"{url} did not answer whole within {longest:.0f} seconds.") from error
    except ValueError as error:
        raise SourceUnreachable(f"{url} is no URL.") from error
    raise SourceUnreachable(f"{url} redirects more than {_REDIRECTS} times.")


class _Redirect:
    def __init__(self, location: str) -> None:
        self.location = location


async def _get(url: str, authorities: Path, limit: int) -> bytes | _Redirect:
    import httpx2  # a tenth of a second that only a fetch has to wait

    context = client_context(Trust(authorities))
    timeout = httpx2.Timeout(_SILENT_SECONDS, connect=_CONNECT_SECONDS)
    headers = {"Accept-Encoding": "identity", "User-Agent": "vaguemestre"}
    try:
        async with (
            httpx2.AsyncClient(verify=context, timeout=timeout, headers=headers) as client,
            client.stream("GET", url) as response,
        ):
            if response.is_redirect:
                return _Redirect(str(response.url.join(response.headers["location"])))
            if response.status_code != 200:
                raise SourceUnreachable(f"{url} answers {response.status_code}.")
            if response.headers.get("content-encoding", "identity") != "identity":
                raise SourceUnreachable(f"{url} answers in an encoding that was not asked for.")
            declared = response.headers.get("content-length", "")
            if declared.isdecimal() and int(declared) > limit:
                raise _too_large(url, limit)
            content = bytearray()
            async for piece in response.aiter_raw():
                content += piece
                if len(content) > limit:
                    raise _too_large(url, limit)
            return bytes(content)
    except (httpx2.HTTPError, httpx2.InvalidURL) as error:
        raise SourceUnreachable(f"{url} cannot be fetched: {_reason(error)}.") from error


def read_file(path: Path, limit: int) -> bytes:
    """A file of at most `limit` octets. Raises SourceUnreachable."""
    try:
        with path.open("rb") as file:
            content = file.read(limit + 1)
    except OSError as error:
        raise SourceUnreachable(f"{path} cannot be read: {error.strerror}.") from error
    if len(content) > limit:
        raise _too_large(str(path), limit)
    return content


def path_of(url: str) -> Path | None:
    """The path of a file URL on this host (RFC 8089 §2); None for any other URL."""
    parts = urlsplit(url)
    if parts.scheme != "file" or parts.netloc not in ("", "localhost"):
        return None
    return Path(unquote(parts.path))


def _read(url: str, limit: int) -> bytes:
    path = path_of(url)
    if path is None:
        raise SourceUnreachable(f"{url} names another host: a file URL is file:///path.")
    if path.exists() and not path.is_file():
        raise SourceUnreachable(f"{path} is not a file.")  # a pipe would be waited for
    return read_file(path, limit)


def _too_large(url: str, limit: int) -> SourceTooLarge:
    return SourceTooLarge(f"{url} is larger than {limit // 1024 // 1024} MB.")


def _reason(error: Exception) -> str:
    text = " ".join(str(error).split()).rstrip(".")
    return text or type(error).__name__
