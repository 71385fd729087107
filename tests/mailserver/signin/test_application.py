from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import select

from mailserver.signin import application
from mailserver.signin.application import ApplicationPassword, ApplicationRefused, Scope

if TYPE_CHECKING:
    from directory.bals import Bal
    from tests.mailserver.place import Place

PEER = "192.0.2.7"
DAY_MS = 24 * 3600 * 1000


async def make(place: Place, bal: Bal, **values: Any) -> tuple[ApplicationPassword, str]:
    fields: dict[str, Any] = {
        "name": "Thunderbird",
        "scopes": {Scope.IMAP, Scope.SMTP},
        "now": place.clock.millis(),
        "expires_at": None,
        **values,
    }
    return await place.database.write(lambda uow: application.make(uow, bal.owner_id, **fields))


def find(place: Place, bal: Bal, plain: str) -> ApplicationPassword | None:
    return place.database.read_now(lambda connection: application.find(connection, bal.owner_id, plain))


def list_of(place: Place, bal: Bal) -> list[ApplicationPassword]:
    return place.database.read_now(lambda connection: application.list_of(connection, bal.owner_id))


async def test_one_is_shown_once_and_found_however_it_is_typed(place: Place, marie: Bal) -> None:
    made, plain = await make(place, marie)
    assert re.fullmatch(r"[0-9a-hjkmnp-tv-z]{4}(-[0-9a-hjkmnp-tv-z]{4}){6}", plain)
    spaced = plain.replace("-", " ")
    for typed in (
        plain,
        plain.upper(),
        spaced,
        plain.replace("-", ""),
        plain.replace("0", "O").replace("1", "l"),
    ):
        assert find(place, marie, typed) == made
    assert list_of(place, marie) == [made]


async def test_neither_the_table_nor_a_repr_holds_the_secret(place: Place, marie: Bal) -> None:
    made, plain = await make(place, marie)
    (row,) = place.database.read_now(
        lambda connection: connection.execute(select(application.application_password)).all()
    )
    for text in (repr(row), repr(made)):
        assert plain not in text
        assert plain.replace("-", "") not in text


async def test_a_wrong_one_an_empty_one_and_one_of_another_box_are_not_found(
    place: Place, marie: Bal
) -> None:
    _, plain = await make(place, marie)
    paul = await place.add("paul")
    assert find(place, paul, plain) is None
    for typed in ("", "-" * 50, plain[:-1], plain + "0", "x" * 100_000, "é\ud800"):
        assert find(place, marie, typed) is None


async def test_one_ends_at_its_time_and_is_still_found(place: Place, marie: Bal) -> None:
    end = place.clock.millis() + DAY_MS
    made, plain = await make(place, marie, expires_at=end)
    assert made.holds(end - 1)
    assert not made.holds(end)
    assert find(place, marie, plain) == made
    assert place.database.read_now(lambda c: application.still_holds(c, made.id, end - 1))
    assert not place.database.read_now(lambda c: application.still_holds(c, made.id, end))


async def test_a_revoked_one_does_not_hold_and_is_revoked_once(place: Place, marie: Bal) -> None:
    made, plain = await make(place, marie)
    now = place.clock.millis()

    async def revoke(owner_id: int) -> bool:
        return await place.database.write(lambda uow: application.revoke(uow, owner_id, made.id, now))

    paul = await place.add("paul")
    assert not await revoke(paul.owner_id)
    assert await revoke(marie.owner_id)
    assert not await revoke(marie.owner_id)
    found = find(place, marie, plain)
    assert found is not None
    assert found.revoked_at == now
    assert not found.holds(now)
    assert not place.database.read_now(lambda c: application.still_holds(c, made.id, now))


async def test_all_of_a_box_are_revoked_and_none_of_another(place: Place, marie: Bal) -> None:
    paul = await place.add("paul")
    _, kept = await make(place, paul)
    for _ in range(3):
        await make(place, marie)
    now = place.clock.millis()
    assert await place.database.write(lambda uow: application.revoke_all(uow, marie.owner_id, now)) == 3
    assert not any(each.holds(now) for each in list_of(place, marie))
    other = find(place, paul, kept)
    assert other is not None
    assert other.holds(now)


@pytest.mark.parametrize(
    "values",
    [
        {"name": " "},
        {"name": "n" * 65},
        {"name": "a\x00b"},
        {"name": "a\u202eb"},
        {"scopes": ()},
        {"expires_at": 1},
    ],
)
async def test_a_bad_name_no_use_and_a_past_end_are_refused(
    place: Place, marie: Bal, values: dict[str, Any]
) -> None:
    with pytest.raises(ApplicationRefused):
        await make(place, marie, **values)
    assert list_of(place, marie) == []


async def test_a_box_has_so_many_live_ones_and_no_more(place: Place, marie: Bal) -> None:
    for _ in range(application.MOST_LIVE):
        made, _ = await make(place, marie)
    with pytest.raises(ApplicationRefused, match="32"):
        await make(place, marie)
    now = place.clock.millis()
    await place.database.write(lambda uow: application.revoke(uow, marie.owner_id, made.id, now))
    await make(place, marie)


async def test_those_that_ended_long_ago_leave_the_list_with_the_next_one(place: Place, marie: Bal) -> None:
    await make(place, marie, name="Ancien", expires_at=place.clock.millis() + DAY_MS)
    place.clock.advance(timedelta(days=90))
    await make(place, marie, name="Deuxième")
    assert [each.name for each in list_of(place, marie)] == ["Ancien", "Deuxième"]
    place.clock.advance(timedelta(days=2))
    await make(place, marie, name="Troisième")
    assert [each.name for each in list_of(place, marie)] == ["Deuxième", "Troisième"]


async def test_a_use_is_noted_once_an_hour_or_a_minute_later_from_elsewhere(place: Place, marie: Bal) -> None:
    made, plain = await make(place, marie)
    now = place.clock.millis()
    assert application.wants_note(made, PEER, now)
    await place.database.write(lambda uow: application.note_use(uow, made.id, PEER, now))
    found = find(place, marie, plain)
    assert found is not None
    assert (found.last_used_at, found.last_peer) == (now, PEER)
    assert not application.wants_note(found, PEER, now + 3_599_999)
    assert application.wants_note(found, PEER, now + 3_600_000)
    assert not application.wants_note(found, "192.0.2.8", now + 59_999)
    assert application.wants_note(found, "192.0.2.8", now + 60_000)
