"""Things that are made before they are wanted."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from directory.annuaire.ahead import ahead

if TYPE_CHECKING:
    from collections.abc import Generator


def numbers(made: list[int], most: int = 1_000_000) -> Generator[int, None, None]:
    try:
        for number in range(most):
            made.append(number)
            yield number
    finally:
        made.append(-1)


def test_all_come_in_their_order_from_another_thread() -> None:
    threads: set[int] = set()

    def made() -> Generator[int, None, None]:
        for number in range(50):
            threads.add(threading.get_ident())
            yield number

    with ahead(made()) as items:
        assert list(items) == list(range(50))
    assert threads.isdisjoint({threading.get_ident()})


def test_no_more_are_made_than_were_asked_for_and_the_maker_ends_with_the_taker() -> None:
    made: list[int] = []
    with ahead(numbers(made), 2) as items:
        assert [next(items) for _ in range(10)] == list(range(10))
    assert made[-1] == -1
    assert len(made) <= 15
    assert "ahead" not in {thread.name for thread in threading.enumerate()}


def test_what_making_one_raises_is_raised_where_it_is_wanted() -> None:
    def made() -> Generator[int, None, None]:
        yield 1
        raise LookupError("no more")

    with ahead(made()) as items:
        assert next(items) == 1
        with pytest.raises(LookupError, match="no more"):
            next(items)


def test_a_taker_that_fails_ends_the_maker() -> None:
    made: list[int] = []
    with pytest.raises(ZeroDivisionError), ahead(numbers(made)) as items:
        next(items)
        raise ZeroDivisionError
    assert made[-1] == -1
