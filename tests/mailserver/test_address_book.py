"""Whom a box has to do with: from what it sent and received, and whom its bearer keeps."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from mailserver import address_book
from mailserver.address_book import Correspondent, TooManyFavourites, author_of, correspondents
from mailserver.envelope import Accepted
from tests.mailserver.place import DOMAIN, PATIENTS, Place, Space, patient_address

if TYPE_CHECKING:
    from pathlib import Path

    from directory.bals import Bal
    from foundation.clock import FixedClock
    from foundation.database import Database
    from foundation.vault import Vault

LEA = "lea@pair.mssante.fr"


@pytest.fixture
def place(database: Database, vault: Vault, clock: FixedClock, tmp_path: Path) -> Place:
    return Place(database, vault, clock, tmp_path, trust=Space.of("pair.mssante.fr"))


def listed(place: Place, bal: Bal) -> list[Correspondent]:
    return place.database.read_now(
        lambda connection: correspondents(connection, bal.owner_id, apart_from=PATIENTS)
    )


async def test_recent_ones_are_those_written_to_and_heard_from_the_last_first(place: Place) -> None:
    marie, paul = await place.add("marie"), await place.add("paul")
    patient = await place.add_patient()
    assert isinstance(await place.send(marie, paul.address, patient_address(patient)), Accepted)
    place.clock.advance(timedelta(minutes=1))
    assert isinstance(await place.receive(LEA, marie.address, message_id="<2@pair>"), Accepted)
    assert [(each.address, each.is_favourite) for each in listed(place, marie)] == [
        (LEA, False),
        (paul.address, False),
    ]
    assert [each.address for each in listed(place, paul)] == [marie.address]


async def test_those_that_are_kept_come_first_and_once(place: Place) -> None:
    marie, paul = await place.add("marie"), await place.add("paul")
    await place.send(marie, paul.address)
    for _ in range(2):
        await place.database.write(
            lambda uow: address_book.keep(uow, marie.owner_id, paul.address.upper(), 1)
        )
    await place.database.write(lambda uow: address_book.keep(uow, marie.owner_id, LEA, 1))
    assert [(each.address, each.is_favourite, bool(each.last_at)) for each in listed(place, marie)] == [
        (LEA, True, False),
        (paul.address, True, True),
    ]
    assert listed(place, paul)[0].is_favourite is False
    assert await place.database.write(lambda uow: address_book.drop(uow, marie.owner_id, LEA))
    assert not await place.database.write(lambda uow: address_book.drop(uow, marie.owner_id, LEA))
    assert [each.address for each in listed(place, marie)] == [paul.address]


async def test_a_box_keeps_so_many_and_no_more(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    marie = await place.add("marie")
    monkeypatch.setattr(address_book, "MOST_FAVOURITES", 1)
    await place.database.write(lambda uow: address_book.keep(uow, marie.owner_id, LEA, 1))
    await place.database.write(lambda uow: address_book.keep(uow, marie.owner_id, LEA, 1))
    with pytest.raises(TooManyFavourites):
        await place.database.write(lambda uow: address_book.keep(uow, marie.owner_id, f"x@{DOMAIN}", 1))
    assert [each.address for each in listed(place, marie)] == [LEA]


@pytest.mark.parametrize(
    ("envelope", "author"),
    [
        (b'("date" "subject" (("N" NIL "Lea" "Pair.mssante.fr")) NIL)', LEA),
        (b'(NIL NIL ((NIL NIL "lea" "pair.mssante.fr")) NIL)', LEA),
        (b'("d" {9}\r\n(("a" "b" ((NIL NIL "lea" "pair.mssante.fr")) NIL)', LEA),
        (b'("d" "a \\" ((\\\\" (({3}\r\n\xc3\xa9" NIL "lea" "pair.mssante.fr")) NIL)', LEA),
        (b'("d" "s" NIL NIL)', None),
        (b'("d" "s" ((NIL NIL "group" NIL)(NIL NIL NIL NIL)) NIL)', None),
        (b'("d" "s" ((NIL NIL "not a" "local")) NIL)', None),
        (b'("d" "s" ((NIL NIL "a" "MISSING_DOMAIN")) NIL)', None),
        (b"", None),
        (b"(", None),
        (b'("d', None),
        (b'("d" "s" ((NIL NIL "a', None),
        (b'("d" {999999999}\r\n', None),
    ],
)
def test_the_author_is_read_from_what_imap_stored(envelope: bytes, author: str | None) -> None:
    assert author_of(envelope) == author
