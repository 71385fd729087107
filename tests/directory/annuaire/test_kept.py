"""Rows that were found lately."""

from __future__ import annotations

from directory.annuaire.kept import Kept


def test_what_was_kept_is_found_by_its_place() -> None:
    kept: Kept[int, str] = Kept(4)
    kept.keep({1: "one", 2: "two"})
    assert kept.of([2, 3, 1]) == {2: "two", 1: "one"}


def test_what_nobody_looks_for_gives_way_and_what_is_looked_for_stays() -> None:
    kept: Kept[int, int] = Kept(4)
    kept.keep({0: 0, 99: 99})
    for place in range(1, 30):
        assert kept.of([99]) == {99: 99}
        kept.keep({place: place})
    assert kept.of([0, 1, 2]) == {}
    assert len(kept.of(range(100))) <= 8


def test_what_weighs_much_makes_others_give_way_sooner() -> None:
    kept: Kept[str, bytes] = Kept(100, len)
    kept.keep({"small": b"-"})
    kept.keep({"large": b"-" * 99})
    assert kept.of(["small", "large"]).keys() == {"small", "large"}
    kept.keep({"larger": b"-" * 150})
    kept.keep({"largest": b"-" * 150})
    assert kept.of(["small", "large", "larger", "largest"]).keys() == {"largest"}
