"""Puts many rows into a table with few statements: between two of them another thread takes over, and keeps the turn."""

from __future__ import annotations

from itertools import chain, islice
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from foundation.driver import dbapi

_MOST_VALUES = 30_000
"""Of one statement; SQLite's own bound is 32 766."""


def insert(connection: dbapi.Connection, into: str, width: int, rows: Iterable[Sequence[object]]) -> None:
    """Inserts rows of `width` values; `into` are the words before VALUES."""
    places = f"({', '.join('?' * width)})"
    left = iter(rows)
    while some := list(islice(left, _MOST_VALUES // width)):
        statement = f"{into} VALUES {', '.join([places] * len(some))}"
        connection.execute(statement, list(chain.from_iterable(some)))
