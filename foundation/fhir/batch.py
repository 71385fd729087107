"""Bundles of type batch that read: what each entry asks for, and what they are answered with (FHIR R4 §3.1.0.11)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from foundation.fhir.answers import answered_bytes
from foundation.fhir.body import pairs_of
from foundation.fhir.outcome import Refused
from foundation.fhir.resources import encoded

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from starlette.responses import Response

MOST_ENTRIES = 20


def entries_of(bundle: Mapping[str, Any]) -> list[Any]:
    """The entries of a batch; raises Refused (400)."""
    entries = bundle.get("entry", [])
    if bundle.get("resourceType") != "Bundle" or bundle.get("type") != "batch":
        raise Refused(400, "structure", "Le corps est un Bundle de type batch.")
    if not isinstance(entries, list) or len(entries) > MOST_ENTRIES:
        raise Refused(400, "too-costly", f"Un batch a au plus {MOST_ENTRIES} requêtes.")
    return entries


def read_of(entry: Any, base: str) -> tuple[list[str], list[tuple[str, str]]]:
    """The path below `base` and the parameters of what an entry reads; raises Refused (400, 404, 405)."""
    wanted = entry.get("request") if isinstance(entry, dict) else None
    url = wanted.get("url") if isinstance(wanted, dict) else None
    if not isinstance(wanted, dict) or not isinstance(url, str):
        raise Refused(400, "structure", "Une entrée a une requête : method et url.")
    if wanted.get("method") != "GET":
        raise Refused(405, "not-supported", "Un batch ne fait que lire : la méthode est GET.")
    try:
        parts = urlsplit(url.removeprefix(base))
    except ValueError as error:
        raise Refused(400, "value", "L'adresse d'une requête n'est pas lisible.") from error
    if parts.netloc:
        raise Refused(404, "not-supported", "Cette adresse n'est pas de ce service.")
    return [part for part in parts.path.split("/") if part], pairs_of(parts.query)


def read(resource: bytes) -> bytes:
    """An entry that was read."""
    return b'{"resource":%s,"response":{"status":"200 OK"}}' % resource


def not_read(refused: Refused) -> bytes:
    """An entry that was refused; the others go on."""
    return encoded({"response": {"status": str(refused.status), "outcome": refused.outcome}})


def batch_response(entries: Sequence[bytes]) -> Response:
    """The Bundle that answers."""
    text = b'{"resourceType":"Bundle","type":"batch-response"'
    if entries:
        text += b',"entry":[' + b",".join(entries) + b"]"
    return answered_bytes(text + b"}")
