from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from mailserver.imap.derived import Derived
from mailserver.imap.masks import chosen, full, mask_of, mask_of_slices

places = st.sets(st.integers(0, 39))


@given(places, places)
def test_sets_of_places_are_joined_as_numbers(left: set[int], right: set[int]) -> None:
    first, second = (mask_of(place in each for place in range(40)) for each in (left, right))
    for made, meant in ((first & second, left & right), (first | second, left | right)):
        assert set(chosen(range(40), made, 40)) == meant
    assert set(chosen(range(40), full(40) ^ first, 40)) == set(range(40)) - left
    assert first.bit_count() == len(left)


def test_slices_become_a_set() -> None:
    assert list(chosen("abcdef", mask_of_slices([(0, 2), (4, 5)], 6), 6)) == ["a", "b", "e"]
    assert mask_of_slices([], 0) == full(0) == 0


def test_what_was_worked_out_holds_for_the_same_array_only() -> None:
    derived, uids = Derived(), [1, 2, 3]
    derived.keep(7, "order", uids, "kept", 10)
    assert derived.get(7, "order", uids) == "kept"
    assert derived.get(7, "order", [1, 2, 3]) is None
    assert derived.get(8, "order", uids) is None
    assert derived.get_of_beginning(7, "order", [1, 2, 3, 4]) == "kept"
    assert derived.get_of_beginning(7, "order", [1, 3, 4]) is None
    assert derived.get_of_beginning(7, "order", [1, 2]) is None


def test_what_was_longest_not_asked_for_goes_first() -> None:
    derived, uids = Derived(capacity=20), [1]
    derived.keep(1, "a", uids, "a", 10)
    derived.keep(1, "b", uids, "b", 10)
    assert derived.get(1, "a", uids) == "a"
    derived.keep(1, "c", uids, "c", 10)
    assert [derived.get(1, name, uids) for name in "abc"] == ["a", None, "c"]
    derived.keep(1, "d", uids, "d", 21)
    assert derived.get(1, "d", uids) is None
