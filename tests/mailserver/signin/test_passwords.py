from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from directory.bals import BalState, bal_of, set_password, set_state
from foundation import trail
from foundation.passwords import hash_password
from mailserver.envelope import Principal, Refused
from mailserver.refusals import ACCOUNT_SUSPENDED, LOCKED_OUT, WRONG_PASSWORD
from mailserver.signin.application import Scope
from mailserver.signin.brake import (
    FAILURES_OF_A_PAIR,
    FAILURES_OF_A_PEER,
    FAILURES_OF_AN_ACCOUNT,
    MOST_FAILURES_OF_AN_ACCOUNT,
    forget,
)
from mailserver.signin.desk import SignIn
from tests.mailserver.place import DOMAIN, Place, principal_of

if TYPE_CHECKING:
    from pathlib import Path

    from directory.bals import Bal
    from foundation.clock import FixedClock
    from foundation.database import Database
    from foundation.vault import Vault

PASSWORD = "correct horse battery staple"
PEER = "192.0.2.7"


@pytest.fixture
def place(database: Database, vault: Vault, clock: FixedClock, tmp_path: Path) -> Place:
    return Place(database, vault, clock, tmp_path)


@pytest.fixture
def pauses() -> list[float]:
    return []


@pytest.fixture
def sign_in(place: Place, pauses: list[float]) -> SignIn:
    async def pause(seconds: float) -> None:
        pauses.append(seconds)

    return SignIn(place.database, place.clock, place.settings, pause=pause)


@pytest.fixture
async def marie(place: Place) -> Bal:
    return await place.add("marie", password_hash=await hash_password(PASSWORD))


async def wrong(sign_in: SignIn, login: str, times: int, peer: str = PEER) -> None:
    for number in range(times):
        assert await sign_in.password(login, f"wrong {number}", peer=peer, scope=Scope.IMAP) == Refused(
            WRONG_PASSWORD
        )


async def test_the_right_password_gives_the_principal(sign_in: SignIn, marie: Bal) -> None:
    for login in (marie.address, f" {marie.address.upper()} "):
        assert await sign_in.password(login, PASSWORD, peer=PEER, scope=Scope.IMAP) == principal_of(marie)


async def test_a_box_remembers_the_day_of_its_last_sign_in(sign_in: SignIn, place: Place, marie: Bal) -> None:
    def last() -> int | None:
        found = place.database.read_now(lambda connection: bal_of(connection, marie.owner_id))
        assert found is not None
        return found.last_sign_in_at

    await wrong(sign_in, marie.address, 1)
    assert last() is None
    await sign_in.password(marie.address, PASSWORD, peer=PEER, scope=Scope.IMAP)
    first = place.clock.millis()
    assert last() == first
    for hours, day in ((1, first), (24, first + 25 * 3600 * 1000)):
        place.clock.advance(timedelta(hours=hours))
        await sign_in.password(marie.address, PASSWORD, peer=PEER, scope=Scope.IMAP)
        assert last() == day


async def test_a_wrong_password_an_unknown_box_and_a_box_without_one_sound_the_same(
    sign_in: SignIn, place: Place, marie: Bal
) -> None:
    robot = await place.add("robot", type="APP")
    for login in (marie.address, robot.address, f"nobody@{DOMAIN}", "", "x" * 5000, "a\0b@c.fr", "é@\ud800"):
        assert await sign_in.password(login, "wrong", peer=PEER, scope=Scope.IMAP) == Refused(WRONG_PASSWORD)


async def test_a_closed_box_sounds_like_an_unknown_one(sign_in: SignIn, place: Place, marie: Bal) -> None:
    await place.shut(marie)
    assert await sign_in.password(marie.address, PASSWORD, peer=PEER, scope=Scope.IMAP) == Refused(
        WRONG_PASSWORD
    )


async def test_only_who_knows_the_password_learns_that_a_box_is_suspended(
    sign_in: SignIn, place: Place, marie: Bal
) -> None:
    await place.suspend(marie)
    assert await sign_in.password(marie.address, PASSWORD, peer=PEER, scope=Scope.IMAP) == Refused(
        ACCOUNT_SUSPENDED
    )
    assert await sign_in.password(marie.address, "wrong", peer=PEER, scope=Scope.IMAP) == Refused(
        WRONG_PASSWORD
    )


async def test_each_wrong_password_waits_longer_for_its_answer(
    sign_in: SignIn, pauses: list[float], marie: Bal
) -> None:
    await wrong(sign_in, marie.address, FAILURES_OF_A_PAIR)
    assert pauses == [0.5, 1.0, 2.0, 4.0, 4.0]


async def test_after_five_wrong_passwords_even_the_right_one_waits_a_quarter_of_an_hour(
    sign_in: SignIn, place: Place, marie: Bal
) -> None:
    await wrong(sign_in, marie.address, FAILURES_OF_A_PAIR)
    assert await sign_in.password(marie.address, PASSWORD, peer=PEER, scope=Scope.IMAP) == Refused(LOCKED_OUT)
    place.clock.advance(timedelta(minutes=15, seconds=1))
    assert isinstance(await sign_in.password(marie.address, PASSWORD, peer=PEER, scope=Scope.IMAP), Principal)


async def test_a_guesser_elsewhere_does_not_lock_the_bearer_out(sign_in: SignIn, marie: Bal) -> None:
    await wrong(sign_in, marie.address, FAILURES_OF_A_PAIR, peer="198.51.100.1")
    assert isinstance(await sign_in.password(marie.address, PASSWORD, peer=PEER, scope=Scope.IMAP), Principal)


async def test_a_box_that_does_not_exist_is_locked_like_one_that_does(sign_in: SignIn) -> None:
    await wrong(sign_in, f"nobody@{DOMAIN}", FAILURES_OF_A_PAIR)
    assert await sign_in.password(f"nobody@{DOMAIN}", "x", peer=PEER, scope=Scope.IMAP) == Refused(LOCKED_OUT)


async def test_the_spellings_of_an_address_are_one_account(sign_in: SignIn, marie: Bal) -> None:
    full_stops = ("\u3002", "\uff0e", "\uff61", ".")  # all separate labels (RFC 3490 §3.1)
    for full_stop in full_stops:
        await wrong(sign_in, marie.address.replace(".", full_stop), 1)
    await wrong(sign_in, marie.address, FAILURES_OF_A_PAIR - len(full_stops))
    for full_stop in full_stops:
        again = await sign_in.password(
            marie.address.replace(".", full_stop), PASSWORD, peer=PEER, scope=Scope.IMAP
        )
        assert again == Refused(LOCKED_OUT)


async def test_guesses_from_everywhere_close_the_account_to_who_guesses_and_to_nobody_else(
    sign_in: SignIn, marie: Bal
) -> None:
    for number in range(FAILURES_OF_AN_ACCOUNT):
        await wrong(sign_in, marie.address, 1, peer=f"198.51.100.{number}")
    again = await sign_in.password(marie.address, PASSWORD, peer="198.51.100.3", scope=Scope.IMAP)
    assert again == Refused(LOCKED_OUT)
    assert isinstance(await sign_in.password(marie.address, PASSWORD, peer=PEER, scope=Scope.IMAP), Principal)


async def test_after_a_hundred_guesses_only_addresses_that_opened_the_account_before_are_heard(
    sign_in: SignIn, marie: Bal
) -> None:
    assert isinstance(await sign_in.password(marie.address, PASSWORD, peer=PEER, scope=Scope.IMAP), Principal)
    for number in range(MOST_FAILURES_OF_AN_ACCOUNT):
        await wrong(sign_in, marie.address, 1, peer=f"198.51.100.{number}")
    elsewhere = await sign_in.password(marie.address, PASSWORD, peer="203.0.113.9", scope=Scope.IMAP)
    assert elsewhere == Refused(LOCKED_OUT)
    assert isinstance(await sign_in.password(marie.address, PASSWORD, peer=PEER, scope=Scope.IMAP), Principal)


async def test_an_address_that_opened_the_account_a_month_ago_is_a_stranger_again(
    sign_in: SignIn, place: Place, marie: Bal
) -> None:
    await sign_in.password(marie.address, PASSWORD, peer=PEER, scope=Scope.IMAP)
    place.clock.advance(timedelta(days=31))
    for number in range(MOST_FAILURES_OF_AN_ACCOUNT):
        await wrong(sign_in, marie.address, 1, peer=f"198.51.100.{number}")
    late = await sign_in.password(marie.address, PASSWORD, peer=PEER, scope=Scope.IMAP)
    assert late == Refused(LOCKED_OUT)


async def test_one_address_that_tries_every_box_is_heard_no_more_but_where_it_opened_one(
    sign_in: SignIn, place: Place, marie: Bal
) -> None:
    paul = await place.add("paul", password_hash=marie.password_hash)
    await sign_in.password(paul.address, PASSWORD, peer=PEER, scope=Scope.IMAP)
    for number in range(FAILURES_OF_A_PEER):
        await wrong(sign_in, f"box{number}@{DOMAIN}", 1)
    assert await sign_in.password(marie.address, PASSWORD, peer=PEER, scope=Scope.IMAP) == Refused(LOCKED_OUT)
    assert isinstance(await sign_in.password(paul.address, PASSWORD, peer=PEER, scope=Scope.IMAP), Principal)
    other = await sign_in.password(marie.address, PASSWORD, peer="203.0.113.9", scope=Scope.IMAP)
    assert isinstance(other, Principal)


async def test_the_addresses_of_one_ipv6_network_are_one_address(sign_in: SignIn, marie: Bal) -> None:
    for number in range(FAILURES_OF_A_PAIR):
        await wrong(sign_in, marie.address, 1, peer=f"2001:db8::{number}")
    same = await sign_in.password(marie.address, PASSWORD, peer="2001:db8::ffff", scope=Scope.IMAP)
    assert same == Refused(LOCKED_OUT)
    other = await sign_in.password(marie.address, PASSWORD, peer="2001:db8:0:1::1", scope=Scope.IMAP)
    assert isinstance(other, Principal)


async def test_of_guesses_at_once_no_more_are_heard_than_one_after_the_other(
    sign_in: SignIn, marie: Bal
) -> None:
    answers = await asyncio.gather(
        *(
            sign_in.password(marie.address, f"wrong {number}", peer=PEER, scope=Scope.IMAP)
            for number in range(200)
        )
    )
    assert answers.count(Refused(WRONG_PASSWORD)) == FAILURES_OF_A_PAIR
    assert answers.count(Refused(LOCKED_OUT)) == 200 - FAILURES_OF_A_PAIR


async def test_who_stops_waiting_takes_nobodys_turn(sign_in: SignIn, marie: Bal) -> None:
    tries = [
        asyncio.create_task(sign_in.password(marie.address, PASSWORD, peer=PEER, scope=Scope.IMAP))
        for _ in range(40)
    ]
    await asyncio.sleep(0)
    for waiting in tries[10:30]:
        waiting.cancel()
    answers = await asyncio.gather(*tries, return_exceptions=True)
    assert sum(isinstance(answer, Principal) for answer in answers) >= 20
    assert not any(isinstance(answer, Refused) for answer in answers)
    assert isinstance(await sign_in.password(marie.address, PASSWORD, peer=PEER, scope=Scope.IMAP), Principal)


async def test_nobody_waits_on_when_those_before_are_through(sign_in: SignIn, marie: Bal) -> None:
    for number in range(FAILURES_OF_AN_ACCOUNT):
        await wrong(sign_in, marie.address, 1, peer=f"198.51.100.{number}")
    brake, peers = sign_in.brake, [f"203.0.113.{number}" for number in range(4)]
    first = [await brake.begin(marie.address, peer) for peer in peers]
    waiting = [asyncio.create_task(brake.begin(marie.address, peer)) for peer in peers[2:]]
    await asyncio.sleep(0)
    for attempts in (first[:2], first[2:]):  # two are woken at once, and each has to wait once more
        for attempt in attempts:
            assert attempt is not None
            brake.release(attempt)
        for _ in range(4):
            await asyncio.sleep(0)
    assert None not in await asyncio.wait_for(asyncio.gather(*waiting), 5)


async def test_the_operator_lets_everybody_try_again(sign_in: SignIn, place: Place, marie: Bal) -> None:
    await wrong(sign_in, marie.address, FAILURES_OF_A_PAIR)
    assert await place.database.write(lambda uow: forget(uow, marie.address))
    assert isinstance(await sign_in.password(marie.address, PASSWORD, peer=PEER, scope=Scope.IMAP), Principal)
    assert not await place.database.write(lambda uow: forget(uow, marie.address))


async def test_the_right_password_clears_what_was_counted(sign_in: SignIn, marie: Bal) -> None:
    for _ in range(3):
        await wrong(sign_in, marie.address, FAILURES_OF_A_PAIR - 1)
        assert isinstance(
            await sign_in.password(marie.address, PASSWORD, peer=PEER, scope=Scope.IMAP), Principal
        )


async def test_failures_count_for_every_process(sign_in: SignIn, place: Place, marie: Bal) -> None:
    await wrong(sign_in, marie.address, FAILURES_OF_A_PAIR)
    other = SignIn(place.database, place.clock, place.settings)
    assert await other.password(marie.address, PASSWORD, peer=PEER, scope=Scope.IMAP) == Refused(LOCKED_OUT)


async def test_a_changed_password_closes_the_old_one_at_once(
    sign_in: SignIn, place: Place, marie: Bal
) -> None:
    from directory.bals import set_password

    assert isinstance(await sign_in.password(marie.address, PASSWORD, peer=PEER, scope=Scope.IMAP), Principal)
    new = await hash_password("another")
    await place.database.write(lambda uow: set_password(uow, marie.address, new))
    assert await sign_in.password(marie.address, PASSWORD, peer=PEER, scope=Scope.IMAP) == Refused(
        WRONG_PASSWORD
    )
    assert isinstance(
        await sign_in.password(marie.address, "another", peer=PEER, scope=Scope.IMAP), Principal
    )


# ref: ECO.4.1.1
async def test_every_sign_in_leaves_a_trace_without_login_or_password(
    sign_in: SignIn, place: Place, marie: Bal
) -> None:
    await sign_in.password(marie.address, PASSWORD, peer=PEER, scope=Scope.IMAP)
    await sign_in.password(marie.address, "wrong", peer=PEER, scope=Scope.IMAP)
    await sign_in.password(f"nobody@{DOMAIN}", "wrong", peer=PEER, scope=Scope.IMAP)
    rows = place.database.read_now(lambda connection: list(trail.rows(connection)))
    assert [(row.action, row.subject, row.outcome) for row in rows] == [
        ("signin.accepted", f"bal:{marie.owner_id}", "accepted"),
        ("signin.refused", f"bal:{marie.owner_id}", WRONG_PASSWORD.code),
        ("signin.refused", "unknown", WRONG_PASSWORD.code),
    ]
    for row in rows:
        assert marie.address not in repr(row)
        assert "wrong" not in repr(row)


async def test_many_sign_ins_at_once_are_all_answered(sign_in: SignIn, marie: Bal) -> None:
    answers = await asyncio.gather(
        *(sign_in.password(marie.address, PASSWORD, peer=PEER, scope=Scope.IMAP) for _ in range(20))
    )
    assert all(isinstance(answer, Principal) for answer in answers)


async def test_a_session_holds_until_the_box_is_suspended_closed_or_has_another_password(
    sign_in: SignIn, place: Place, marie: Bal
) -> None:
    principal = await sign_in.password(marie.address, PASSWORD, peer=PEER, scope=Scope.IMAP)
    assert isinstance(principal, Principal)
    assert sign_in.still_holds(principal)
    await place.database.write(lambda uow: set_state(uow, marie.address, BalState.SUSPENDED, 0))
    assert not sign_in.still_holds(principal)
    await place.database.write(lambda uow: set_state(uow, marie.address, BalState.ACTIVE, 0))
    assert sign_in.still_holds(principal)
    await place.database.write(lambda uow: set_password(uow, marie.address, "$argon2id$another"))
    assert not sign_in.still_holds(principal)
