"""Pages that follow one another in one view, tokens nobody else can make or use, and Bundles that need no memory."""

from __future__ import annotations

import tracemalloc
from typing import TYPE_CHECKING

import pytest

from directory.annuaire.model import Mailbox, Person, Structure
from directory.bals import BalType
from directory.fhir.bundle import Asked, SearchSet
from directory.fhir.paging import PageTokens, Position
from directory.fhir.query import Query, parse
from directory.fhir.systems import ResourceType
from directory.fhir.written import Written
from foundation.fhir.outcome import Refused
from tests.directory.fhir.place import BASE, OTHER_KEY, Place, found, place, refusal, valid
from tests.directory.memory import MemoryView

if TYPE_CHECKING:
    from collections.abc import Sequence

    import httpx2

    from directory.annuaire.conditions import Condition
    from foundation.clock import FixedClock


def many(count: int) -> MemoryView:
    people = [
        Person(f"8{number:011d}", "8", f"{number:011d}", last_name="EXEMPLE", first_name="ANNE")
        for number in range(count)
    ]
    boxes = [
        Mailbox(f"p{number}@medecin.mssante.fr", BalType.PER, idnat=f"8{number:011d}")
        for number in range(count)
    ]
    return MemoryView(boxes, people, generation="g1")


def next_of(bundle: dict[str, list[dict[str, str]]]) -> str | None:
    return next((link["url"] for link in bundle["link"] if link["relation"] == "next"), None)


async def pages(client: httpx2.AsyncClient, path: str) -> list[list[str]]:
    told = []
    url: str | None = f"{BASE}/{path}"
    while url is not None:
        bundle = valid((await client.get(url)).json())
        told.append(found(bundle))
        url = next_of(bundle)
    return told


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 6, 7, 8])
async def test_pages_hold_every_match_once(clock: FixedClock, count: int) -> None:
    async with place(None, clock, view=many(7)).client() as client:
        told = await pages(client, f"Practitioner?family=exemple&_count={count}")
    assert [len(page) for page in told] == [count] * (7 // count) + [7 % count] * (7 % count > 0)
    assert len({each for page in told for each in page}) == 7


async def test_pages_go_over_several_types(client: httpx2.AsyncClient) -> None:
    whole = await pages(client, "?_type=Practitioner,PractitionerRole,Organization")
    assert len(whole) == 1
    for count in range(1, 9):
        told = await pages(client, f"?_type=Practitioner,PractitionerRole,Organization&_count={count}")
        assert [each for page in told for each in page] == whole[0]


async def test_a_structure_is_found_by_the_boxes_that_it_bears(clock: FixedClock) -> None:
    boxes = [
        Mailbox(f"{name}@demo.mssante.fr", BalType.ORG, structure_id=structure_id)
        for name, structure_id in (("a", "1990780017"), ("b", "F990780017"), ("c", "1990780017"))
    ]
    view = MemoryView(boxes, places=[Structure("F990780017", idnat="1990780017")], generation="g1")
    async with place(None, clock, view=view).client() as client:
        for count in (1, 50):
            told = await pages(client, f"Organization?mailbox-mss:contains=demo&_count={count}")
            assert told == [["001-F990780017"]]
        assert await pages(client, "Organization?mailbox-mss=b") == [[]]


async def test_a_page_is_of_fifty_unless_said_otherwise(clock: FixedClock) -> None:
    async with place(None, clock, view=many(51)).client() as client:
        assert [len(page) for page in await pages(client, "Practitioner")] == [50, 1]


async def test_the_total_goes_with_the_token(clock: FixedClock) -> None:
    async with place(None, clock, view=many(5)).client() as client:
        first = (await client.get("/Practitioner?_count=2&_total=accurate")).json()
        second = (await client.get(next_of(first) or "")).json()
        assert first["total"] == second["total"] == 5
        plain = (await client.get(next_of((await client.get("/Practitioner?_count=4")).json()) or "")).json()
        assert "total" not in plain


async def test_pages_stay_in_the_generation_they_began_with(clock: FixedClock) -> None:
    served = place(None, clock, view=many(5))
    async with served.client() as client:
        url = next_of((await client.get("/Practitioner?_count=2")).json()) or ""
        served.annuaire.base.generation = "g2"
        served.annuaire.kept.add("g1")
        assert (await client.get(url)).status_code == 200
        served.annuaire.kept.clear()
        assert refusal(await client.get(url), 410) == "expired"


async def test_a_token_is_of_this_service_and_this_caller(clock: FixedClock) -> None:
    served = place(None, clock, view=many(5))
    async with served.client() as client, served.client(OTHER_KEY) as other:
        url = next_of((await client.get("/Practitioner?_count=2")).json()) or ""
        assert (await client.get(url)).status_code == 200
        assert refusal(await other.get(url), 400) == "value"
        token = url.partition("=")[2]
        middle = len(token) // 2
        changed = token[:middle] + ("A" if token[middle] != "A" else "B") + token[middle + 1 :]
        for wrong in (changed, token[:-4], "", "x", "é", "A" * 20_000, "..", token + "A"):
            refusal(await client.get(f"/?_page_token={wrong}"), 400)
        assert refusal(await client.get(f"{url}&family=x"), 400) == "value"
        assert refusal(await client.get(f"{url}&_page_token={token}"), 400) == "value"
        assert refusal(await client.get(f"/Organization?_page_token={token}"), 400) == "value"
        assert (await client.get(f"/Practitioner?_page_token={token}&_format=json")).status_code == 200


def test_a_token_tells_nothing_of_the_search() -> None:
    tokens = PageTokens(b"m" * 32)
    query = parse([ResourceType.PRACTITIONER], [("family", "EXEMPLE")], strict=True)
    token = tokens.seal("demo", "g1", query, Position(0, "8999"), 12)
    assert "EXEMPLE" not in token
    opened = tokens.open("demo", token)
    assert opened.pairs == (("family", "EXEMPLE"),)
    assert (opened.position, opened.total) == (Position(0, "8999"), 12)
    assert "EXEMPLE" not in repr(opened)
    with pytest.raises(Refused):
        PageTokens(b"n" * 32).open("demo", token)


async def test_a_view_that_is_too_slow_is_told_as_such(fhir: Place, client: httpx2.AsyncClient) -> None:
    from directory.annuaire.view import TooSlow

    def slow(condition: Condition, limit: int, *, after: str = "") -> Sequence[Person]:
        raise TooSlow("Trop long.")

    fhir.annuaire.base.persons = slow  # type: ignore[method-assign, assignment]
    assert refusal(await client.get("/Practitioner"), 503) == "too-costly"


class Endless(MemoryView):
    """Ten thousand persons who are made when they are asked for."""

    def persons(self, condition: Condition, limit: int, *, after: str = "") -> list[Person]:
        start = int(after[1:] or 0) + 1 if after else 0
        return [
            Person(f"8{number:011d}", "8", f"{number:011d}", last_name="EXEMPLE", first_name="ANNE")
            for number in range(start, min(start + limit, 10_001))
        ]

    def mailboxes_of_person(self, idnat: str) -> list[Mailbox]:
        return [Mailbox(f"p{idnat}@medecin.mssante.fr", BalType.PER, idnat=idnat)]


def test_ten_thousand_rows_are_written_without_holding_them() -> None:
    asked = Asked(BASE, "demo", PageTokens(b"k" * 32), Written())
    page = SearchSet(Endless(generation="g1"), Query((ResourceType.PRACTITIONER,), count=10_000), asked)
    tracemalloc.start()
    try:
        size = sum(len(piece) for piece in page.pieces())
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert size > 9_000_000
    assert peak < 5_000_000


async def test_a_long_bundle_arrives_whole(clock: FixedClock) -> None:
    view = Endless(generation="g1")
    async with place(None, clock, view=view).client() as client:
        bundle = (await client.get("/Practitioner?_count=2000")).json()
    assert len(bundle["entry"]) == 2000
    assert next_of(bundle) is not None
