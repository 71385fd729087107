from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from directory.psc.pending import MOST, Pending
from directory.psc.relying_party import Begun

if TYPE_CHECKING:
    from foundation.clock import FixedClock


def begun(state: str) -> Begun:
    return Begun("https://psc.test/auth", state, "nonce", "verifier")


def test_a_request_is_given_back_once(clock: FixedClock) -> None:
    pending = Pending(clock)
    request = begun("state")
    pending.add(request)
    assert pending.take("state", "state") is request
    assert pending.take("state", "state") is None


def test_only_the_browser_that_made_a_request_finishes_it(clock: FixedClock) -> None:
    pending = Pending(clock)
    pending.add(begun("victim"))
    pending.add(begun("thief"))
    assert pending.take("victim", "thief") is None
    assert pending.take("victim", "") is None
    assert pending.take("victim", "victim") is not None


def test_an_unknown_state_is_none(clock: FixedClock) -> None:
    assert Pending(clock).take("", "") is None
    assert Pending(clock).take("\ud800", "\ud800") is None


def test_a_request_ends_after_ten_minutes(clock: FixedClock) -> None:
    pending = Pending(clock)
    pending.add(begun("one"))
    pending.add(begun("two"))
    clock.advance(timedelta(minutes=9, seconds=59))
    assert pending.take("one", "one") is not None
    clock.advance(timedelta(seconds=1))
    assert pending.take("two", "two") is None


def test_old_requests_are_forgotten_and_the_oldest_make_room(clock: FixedClock) -> None:
    pending = Pending(clock)
    pending.add(begun("old"))
    clock.advance(timedelta(minutes=10))
    pending.add(begun("new"))
    assert len(pending) == 1
    for number in range(MOST):
        pending.add(begun(str(number)))
    assert len(pending) == MOST
    assert pending.take("new", "new") is None
