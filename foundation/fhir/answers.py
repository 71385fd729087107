"""What goes back over HTTP: JSON with its validators, long Bundles in pieces made off the event loop."""

from __future__ import annotations

import asyncio
from datetime import datetime
from email.utils import format_datetime
from typing import TYPE_CHECKING

from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from foundation.fhir.body import MEDIA_TYPE
from foundation.fhir.resources import encoded

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping

    from starlette.requests import Request
    from starlette.routing import BaseRoute

    from foundation.fhir.resources import Resource

_TYPE = f"{MEDIA_TYPE}; charset=utf-8"
_CACHE = {"Cache-Control": "private, no-cache"}
_METHODS = ["GET", "POST", "PATCH", "PUT", "DELETE", "OPTIONS"]
BUFFER_BYTES = 64 * 1024


def answered(
    resource: Resource,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
    *,
    pretty: bool = False,
) -> Response:
    """A resource as the whole answer."""
    text = encoded(resource, pretty=pretty)
    return Response(text, status, media_type=_TYPE, headers={**_CACHE, **(headers or {})})


def answered_bytes(text: bytes) -> Response:
    """JSON that is written already."""
    return Response(text, media_type=_TYPE, headers=_CACHE)


def below(base: str, answer: Callable[[Request], Awaitable[Response]]) -> list[BaseRoute]:
    """The routes of an interface that tells methods and paths apart by itself, so that each refusal is FHIR."""
    return [
        Route(base, answer, methods=_METHODS),
        Route(base + "/{path:path}", answer, methods=_METHODS),
    ]


async def streamed(pieces: Iterator[bytes]) -> Response:
    """A Bundle as it is made: what fails before the first 64 KB are full still gets a status of its own."""
    buffers = _buffered(pieces)
    first, is_all = await _next(buffers)
    if is_all:
        return answered_bytes(first)

    async def content() -> AsyncIterator[bytes]:
        piece, is_last = first, False
        while not is_last:
            yield piece
            piece, is_last = await _next(buffers)
        yield piece

    return StreamingResponse(content(), media_type=_TYPE, headers=_CACHE)


async def whole(pieces: Iterator[bytes]) -> bytes:
    """All of a short Bundle."""
    return await asyncio.to_thread(b"".join, pieces)


def _buffered(pieces: Iterator[bytes]) -> Iterator[tuple[bytes, bool]]:
    """The same bytes in buffers of about 64 KB, and whether each is the last one."""
    waiting: list[bytes] = []
    size = 0
    for piece in pieces:
        waiting.append(piece)
        size += len(piece)
        if size >= BUFFER_BYTES:
            yield b"".join(waiting), False
            waiting, size = [], 0
    yield b"".join(waiting), True


async def _next(buffers: Iterator[tuple[bytes, bool]]) -> tuple[bytes, bool]:
    return await asyncio.to_thread(next, buffers)


# Validators (FHIR R4 §3.1.0.1.6, §3.1.0.5)


def validators(resource: Resource) -> dict[str, str]:
    """The headers that name the version of a resource."""
    changed = datetime.fromisoformat(resource["meta"]["lastUpdated"])
    return {"ETag": _etag(resource), "Last-Modified": format_datetime(changed, usegmt=True)}


def is_named(header: str, resource: Resource) -> bool:
    """Whether an If-Match or If-None-Match names the resource as it is, weak or strong."""
    tags = [tag.strip().removeprefix("W/") for tag in header.split(",")]
    return "*" in tags or _etag(resource).removeprefix("W/") in tags


def is_known(request: Request, resource: Resource) -> bool:
    """Whether the client has this version already."""
    tags = request.headers.get("if-none-match")
    return tags is not None and is_named(tags, resource)


def is_strict(request: Request) -> bool:
    """Whether an unknown parameter is an error: unless Prefer: handling=lenient (FHIR R4 §3.1.1.1)."""
    prefer = request.headers.get("prefer", "").lower().replace(" ", "")
    return "handling=lenient" not in prefer.replace(";", ",").split(",")


def _etag(resource: Resource) -> str:
    return f'W/"{resource["meta"]["versionId"]}"'
