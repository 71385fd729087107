from __future__ import annotations

from foundation.crowd import Crowd


def test_one_address_cannot_take_all_the_room() -> None:
    crowd = Crowd(5, 2)
    assert [crowd.enter("a") for _ in range(3)] == [True, True, False]
    assert [crowd.enter("b") for _ in range(2)] == [True, True]


def test_the_room_is_for_all_addresses_together() -> None:
    crowd = Crowd(3, 2)
    assert [crowd.enter(address) for address in "abcd"] == [True, True, True, False]


def test_who_leaves_makes_room_and_is_not_remembered() -> None:
    crowd = Crowd(1, 1)
    assert crowd.enter("a")
    assert not crowd.enter("b")
    crowd.leave("a")
    assert crowd.enter("b")
    crowd.leave("b")
    assert not crowd._by_origin


def test_who_was_refused_is_not_counted() -> None:
    crowd = Crowd(10, 1)
    assert crowd.enter("a")
    assert [crowd.enter("a") for _ in range(20)] == [False] * 20
    assert [crowd.enter(f"{number}") for number in range(9)] == [True] * 9


def test_it_tells_a_full_house_from_a_crowded_address() -> None:
    crowd = Crowd(2, 1)
    crowd.enter("a")
    assert not crowd.enter("a")
    assert not crowd.is_full
    crowd.enter("b")
    assert crowd.is_full
    crowd.leave("a")
    assert not crowd.is_full
