"""Reads what a request carries: JSON and forms, bounded, and whether client and service speak the same format."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NoReturn
from urllib.parse import parse_qsl

from directory.fhir.outcome import Refused

if TYPE_CHECKING:
    from starlette.requests import Request

MOST_BYTES = 64 * 1024
MEDIA_TYPE = "application/fhir+json"
_MOST_CONTAINERS = 4000
_JSON = frozenset({MEDIA_TYPE, "application/json", "application/json+fhir", "text/json"})
_RANGES = _JSON | {"application/*", "*/*", "text/*"}


async def json_of(request: Request) -> dict[str, Any]:
    """The JSON object a request carries; raises Refused (400, 413, 415)."""
    text = await _bytes(request)
    if not text and "content-type" not in request.headers:
        raise Refused(400, "required", "Le corps manque.")
    _expect(request, _JSON, "Le corps est du type application/fhir+json.")
    if text.count(b"{") + text.count(b"[") > _MOST_CONTAINERS:
        raise Refused(400, "too-costly", "Le corps a trop d'éléments.")
    try:
        found = json.loads(text.decode("utf-8"), object_pairs_hook=_unique, parse_constant=_no_json)
        # an escape may name half a character, which no text that goes on from here could hold
        json.dumps(found, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:
        raise Refused(400, "structure", "Le corps n'est pas du JSON lisible.") from error
    if not isinstance(found, dict):
        raise Refused(400, "structure", "Le corps n'est pas un objet JSON.")
    return found


async def form_of(request: Request) -> list[tuple[str, str]]:
    """The parameters of a posted search; raises Refused (400, 413, 415)."""
    _expect(
        request,
        frozenset({"application/x-www-form-urlencoded"}),
        "Une recherche par POST est du type application/x-www-form-urlencoded.",
    )
    body = await _bytes(request)
    try:
        return pairs_of(body.decode("ascii"))
    except UnicodeDecodeError as error:
        raise Refused(400, "value", "Le formulaire n'est pas lisible.") from error


def pairs_of(query: str) -> list[tuple[str, str]]:
    """The decoded parameters of a query; raises Refused."""
    try:
        return parse_qsl(query, keep_blank_values=True, errors="strict", max_num_fields=1000)
    except ValueError as error:
        raise Refused(400, "value", "Les paramètres ne sont pas lisibles.") from error


def negotiate(accept: str | None) -> None:
    """Raises Refused (406) where a client takes no JSON."""
    ranges = [part.partition(";") for part in (accept or "*/*")[:1000].lower().split(",")]
    if not any(
        name.strip().replace(" ", "+") in _RANGES and "q=0" not in rest.replace(" ", "").split(";")
        for name, _, rest in ranges
    ):
        raise Refused(406, "not-supported", "Seul le format application/fhir+json est servi.")


def _expect(request: Request, types: frozenset[str], sentence: str) -> None:
    name, _, rest = request.headers.get("content-type", "").lower().partition(";")
    charset = rest.replace(" ", "").replace('"', "").partition("charset=")[2].partition(";")[0]
    if name.strip() not in types or charset not in ("", "utf-8", "us-ascii"):
        raise Refused(415, "not-supported", sentence)


async def _bytes(request: Request) -> bytes:
    pieces, size = [], 0
    async for piece in request.stream():
        pieces.append(piece)
        size += len(piece)
        if size > MOST_BYTES:
            raise Refused(413, "too-long", f"Un corps a au plus {MOST_BYTES} octets.")
    return b"".join(pieces)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a name stands twice")  # two readers could each believe another one
    return members


def _no_json(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no JSON")
