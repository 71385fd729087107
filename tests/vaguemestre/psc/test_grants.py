from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from vaguemestre.psc.grants import Shelf

if TYPE_CHECKING:
    from foundation.clock import FixedClock


def test_a_value_holds_until_its_time(clock: FixedClock) -> None:
    shelf: Shelf[str] = Shelf(clock)
    shelf.put("a", "un", 60)
    clock.advance(timedelta(seconds=59))
    assert shelf.get("a") == "un"
    clock.advance(timedelta(seconds=1))
    assert shelf.get("a") is None
    assert shelf.take("a") is None
    assert shelf.values() == []


def test_a_value_is_taken_once(clock: FixedClock) -> None:
    shelf: Shelf[str] = Shelf(clock)
    shelf.put("a", "un", 60)
    assert shelf.take("a") == "un"
    assert shelf.take("a") is None


def test_a_full_shelf_forgets_what_was_put_first(clock: FixedClock) -> None:
    shelf: Shelf[int] = Shelf(clock, size=3)
    for number in range(5):
        shelf.put(str(number), number, 60)
    assert shelf.values() == [2, 3, 4]
    assert len(shelf) == 3


def test_what_has_expired_leaves_when_something_comes(clock: FixedClock) -> None:
    shelf: Shelf[int] = Shelf(clock)
    for number in range(5):
        shelf.put(str(number), number, 60)
    clock.advance(timedelta(seconds=60))
    shelf.put("5", 5, 60)
    assert len(shelf) == 1
