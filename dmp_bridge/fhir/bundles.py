"""The Bundles that answer: pages of a search, and what became of the entries of a transaction or a batch."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlencode

from foundation.fhir.paging import NEXT_PAGE
from foundation.fhir.resources import encoded, instant

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from dmp_bridge.dossier.forms import Filed
    from dmp_bridge.fhir.transactions import Transaction
    from foundation.fhir.resources import Resource


def searchset(
    resources: Iterable[Resource],
    base: str,
    kind: str,
    pairs: Sequence[tuple[str, str]],
    *,
    total: int | None = None,
    next_token: str = "",
) -> Iterator[bytes]:
    """One page, an entry at a time, so that a long one is made off the event loop."""
    yield b'{"resourceType":"Bundle","type":"searchset"'
    if total is not None:
        yield b',"total":%d' % total
    query = f"?{urlencode(pairs)}" if pairs else ""
    links = [{"relation": "self", "url": f"{base}/{kind}{query}"}]
    if next_token:
        links.append({"relation": "next", "url": f"{base}/{kind}?{NEXT_PAGE}={next_token}"})
    yield b"," + encoded({"link": links})[1:-1]
    is_first = True
    for each in resources:
        url = f"{base}/{kind}/{each['id']}"
        entry = encoded({"fullUrl": url, "resource": each, "search": {"mode": "match"}})
        yield (b',"entry":[' if is_first else b",") + entry
        is_first = False
    yield b"}" if is_first else b"]}"


def transaction_response(transaction: Transaction, filed: Sequence[Filed], at: int) -> Resource:
    """What became of each entry of ITI-65, in their order; `filed` in that of the DocumentReferences, references last."""
    told: list[Resource] = []
    documents = iter(filed)
    for entry in transaction.entries:
        match entry.kind:
            case "DocumentReference":
                each = next(documents)
                response = created("DocumentReference", each.document_id, at, is_new=each.is_new)
            case "Binary":
                each = filed[transaction.contents[entry.full_url]]
                response = created("Binary", each.document_id, at, is_new=each.is_new)
            case "PATCH":
                response = {"status": "200 OK"}
            case _:
                response = _of_list(filed, at)
        told.append({"response": response})
    return {"resourceType": "Bundle", "type": "transaction-response", "entry": told}


def _of_list(filed: Sequence[Filed], at: int) -> Resource:
    """The List that the lot made; the one that holds the first document where nothing of a nameless lot was new."""
    membership = filed[0].membership
    assert membership is not None
    return created("List", membership.number, at, is_new=membership.is_new)


def created(kind: str, number: int, at: int, *, is_new: bool) -> Resource:
    """Where a resource is that was created; 200 where the very same one was there already."""
    if not is_new:
        return {"status": "200 OK", "location": f"{kind}/{number}"}
    return {"status": "201 Created", "location": f"{kind}/{number}", "lastModified": instant(at)}
