"""Runs the ways a condition was worked out to, and judges what an index only proposes."""

from __future__ import annotations

import json
from bisect import bisect_right
from dataclasses import replace
from heapq import merge
from itertools import islice
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from directory.annuaire.plans import Clause, Plan, Union

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from directory.annuaire.conditions import Condition
    from directory.annuaire.files import Budget
    from directory.annuaire.plans import Way
    from directory.annuaire.shelves import Shelf
    from foundation.driver import dbapi

R = TypeVar("R")
_CHECKED_EVERY = 128
_AT_ONCE = 100


class Engine(Generic[R]):
    """The rows of one shelf in one database, in the order of their keys.

    `in_order` says that places rise with the keys; where they do not, rows are sorted. `only` bounds all that is
    found.
    """

    def __init__(
        self,
        connection: dbapi.Connection,
        budget: Budget,
        schema: str,
        shelf: Shelf,
        *,
        make: Callable[[tuple[Any, ...]], R],
        judge: Callable[[Condition, R], bool],
        in_order: bool = True,
        only: Clause | None = None,
    ) -> None:
        self._connection = connection
        self._budget = budget
        self._schema = schema
        self._shelf = shelf
        self._make = make
        self._judge = judge
        self._in_order = in_order
        self._only = only

    def found(self, condition: Condition, way: Way, *, after: str = "") -> Iterator[R]:
        """The rows behind `after` that meet the condition, found as they are taken."""
        rows = self._candidates(way, after)
        return rows if way.exact else self._judged(condition, rows)

    def count(self, condition: Condition, way: Way, at_most: int) -> int:
        """How many rows meet the condition, up to a bound."""
        if isinstance(way, Plan) and way.exact and way.keys is None:
            source, values = self._source(way)
            statement = f"SELECT count(*) FROM (SELECT 1 {source} LIMIT ?)"
            counted: int = self._connection.execute(statement, (*values, at_most)).fetchone()[0]
            return counted
        return sum(1 for _ in islice(self.found(condition, way), at_most))

    def _judged(self, condition: Condition, rows: Iterator[R]) -> Iterator[R]:
        judge = self._judge
        for number, row in enumerate(rows):
            if number % _CHECKED_EVERY == 0:
                self._budget.check()
            if judge(condition, row):
                yield row

    def _candidates(self, way: Way, after: str) -> Iterator[R]:
        if isinstance(way, Union):
            return self._merged([self._stream(plan, after) for plan in way.plans])
        return self._stream(way, after)

    def _merged(self, streams: list[Iterator[R]]) -> Iterator[R]:
        position = self._shelf.told.index(self._shelf.key)

        def key(row: Any) -> str:
            text: str = row[position]
            return text.lower() if self._shelf.key != "address" else text

        last = None
        for row in merge(*streams, key=key):
            if key(row) != last:
                last = key(row)
                yield row

    def _stream(self, plan: Plan, after: str) -> Iterator[R]:
        if plan.keys is not None:
            return self._named(plan, plan.keys, after)
        source, values = self._source(plan, after)
        if not self._in_order:
            order = f"m.{self._shelf.key}"
        elif plan.match:
            order = "i.rowid"
        else:
            # "+" keeps SQLite from looking at all rows in order where it can find the few and sort them
            order = "+m.place" if plan.keyed else "m.place"
        columns = ", ".join(f"m.{name}" for name in self._shelf.told)
        return map(
            self._make, self._connection.execute(f"SELECT {columns} {source} ORDER BY {order}", values)
        )

    def _named(self, plan: Plan, keys: Sequence[str], after: str) -> Iterator[R]:
        """The rows of some keys, a hundred at a time."""
        start = bisect_right(keys, after.lower()) if after else 0
        for first in range(start, len(keys), _AT_ONCE):
            some = json.dumps(keys[first : first + _AT_ONCE])
            clause = Clause(f"m.{self._shelf.key} IN (SELECT value FROM json_each(?))", (some,))
            yield from self._stream(replace(plan, keys=None, where=(clause, *plan.where)), "")

    def _source(self, plan: Plan, after: str = "") -> tuple[str, tuple[str | int, ...]]:
        """FROM and WHERE, with their parameters."""
        table, key = f"{self._schema}.{self._shelf.table}", self._shelf.key
        where = [*plan.where, *([self._only] if self._only is not None else [])]
        source = f"FROM {table} m"
        place = "m.place"
        if plan.match:
            source = f"FROM {table}_index i CROSS JOIN {table} m ON m.place = i.rowid"
            place = "i.rowid"
            where.insert(0, Clause(f"i.{self._shelf.table}_index MATCH ?", (plan.match,)))
        if after:
            last = f"(SELECT place FROM {table} WHERE {key} <= ? ORDER BY {key} DESC LIMIT 1)"
            where.append(
                Clause(f"{place} > coalesce({last}, 0)" if self._in_order else f"m.{key} > ?", (after,))
            )
        told = " AND ".join(clause.sql for clause in where)
        values = tuple(value for clause in where for value in clause.values)
        return f"{source} WHERE {told}" if told else source, values
