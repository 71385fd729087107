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
    from directory.annuaire.kept import Kept
    from directory.annuaire.plans import Way
    from directory.annuaire.shelves import Shelf
    from foundation.driver import dbapi

R = TypeVar("R")
_CHECKED_EVERY = 128
_AT_ONCE = 100
_AT_FIRST = 100
"""Rows read before it is known whether more are wanted, where nobody says how many will be."""
_AT_MOST = 4096
_KEPT_AT_ONCE = 500


class Engine(Generic[R]):
    """The rows of one shelf in one database, in the order of their keys.

    `in_order` says that places rise with the keys; where they do not, rows are sorted. `only` bounds all that is
    found. Rows that are `kept` are not read again.
    """

    def __init__(
        self,
        connection: dbapi.Connection,
        budget: Budget,
        schema: str,
        shelf: Shelf,
        *,
        make: Callable[[tuple[Any, ...]], R],
        judge: Callable[[Condition], Callable[[R], bool]],
        in_order: bool = True,
        only: Clause | None = None,
        kept: Kept[int, R] | None = None,
    ) -> None:
        self._connection = connection
        self._budget = budget
        self._schema = schema
        self._shelf = shelf
        self._make = make
        self._judge = judge
        self._in_order = in_order
        self._only = only
        self._kept = kept

    def found(self, condition: Condition, way: Way, *, after: str = "", at_first: int = 0) -> Iterator[R]:
        """The rows behind `after` that meet the condition, found as they are taken, most likely `at_first`."""
        rows = self._candidates(way, after, at_first or _AT_FIRST)
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
        judge = self._judge(condition)
        for number, row in enumerate(rows):
            if number % _CHECKED_EVERY == 0:
                self._budget.check()
            if judge(row):
                yield row

    def _candidates(self, way: Way, after: str, at_first: int) -> Iterator[R]:
        if isinstance(way, Union):
            return self._merged([self._stream(plan, after, at_first) for plan in way.plans])
        return self._stream(way, after, at_first)

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

    def _stream(self, plan: Plan, after: str, at_first: int) -> Iterator[R]:
        if plan.keys is not None:
            return self._named(plan, plan.keys, after)
        if self._kept is not None:
            return self._in_place(plan, after, at_first)
        source, values = self._source(plan, after)
        order = self._place(plan) if self._in_order else f"m.{self._shelf.key}"
        rows = self._connection.execute(f"SELECT {self._columns} {source} ORDER BY {order}", values)
        return map(self._make, rows)

    @property
    def _columns(self) -> str:
        return ", ".join(f"m.{name}" for name in self._shelf.told)

    def _place(self, plan: Plan) -> str:
        """What rows are ordered by."""
        if plan.match:
            return "i.rowid"
        # "+" keeps SQLite from looking at all rows in order where it can find the few and sort them
        return "+m.place" if plan.keyed else "m.place"

    def at(self, places: Sequence[int]) -> dict[int, R]:
        """The rows at some places; those that nobody kept are read from the file."""
        assert self._kept is not None
        rows = self._kept.of(places)
        if len(rows) < len(places):
            read = self._read([place for place in places if place not in rows])
            if len(read) <= _KEPT_AT_ONCE:
                self._kept.keep(read)  # a look at a thousand leaves the others what they have
            rows.update(read)
        return rows

    def _in_place(self, plan: Plan, after: str, at_first: int) -> Iterator[R]:
        """The rows in the order of their places, many at a time."""
        behind, seen = 0, 0
        while True:
            at_once = max(at_first, min(seen, _AT_MOST))
            places = self._places(plan, after, behind, at_once)
            rows = self.at(places)
            yield from [rows[place] for place in places]
            if len(places) < at_once:
                return
            behind, seen = places[-1], seen + len(places)

    # One row of JSON for all there is to say: between two rows SQLite gives way to the other threads.

    def _places(self, plan: Plan, after: str, behind: int, at_most: int) -> list[int]:
        source, values = self._source(plan, after, behind)
        found = (
            f"SELECT {self._place(plan).strip('+')} AS place {source} ORDER BY {self._place(plan)} LIMIT ?"
        )
        statement = f"SELECT json_group_array(place) FROM ({found})"
        (told,) = self._connection.execute(statement, (*values, at_most)).fetchone()
        return sorted(json.loads(told))

    def _read(self, places: Sequence[int]) -> dict[int, R]:
        statement = (
            f"SELECT json_group_array(json_array(m.place, {self._columns}))"
            f" FROM {self._schema}.{self._shelf.table} m WHERE m.place IN (SELECT value FROM json_each(?))"
        )
        (told,) = self._connection.execute(statement, (json.dumps(places),)).fetchone()
        return {row[0]: self._make(row[1:]) for row in json.loads(told)}

    def _named(self, plan: Plan, keys: Sequence[str], after: str) -> Iterator[R]:
        """The rows of some keys, a hundred at a time."""
        start = bisect_right(keys, after.lower()) if after else 0
        for first in range(start, len(keys), _AT_ONCE):
            some = json.dumps(keys[first : first + _AT_ONCE])
            clause = Clause(f"m.{self._shelf.key} IN (SELECT value FROM json_each(?))", (some,))
            yield from self._stream(replace(plan, keys=None, where=(clause, *plan.where)), "", _AT_ONCE)

    def _source(self, plan: Plan, after: str = "", behind: int = 0) -> tuple[str, tuple[str | int, ...]]:
        """FROM and WHERE, with their parameters; `behind` is a place."""
        table, key = f"{self._schema}.{self._shelf.table}", self._shelf.key
        where = [*plan.where, *([self._only] if self._only is not None else [])]
        source, place = f"FROM {table} m", "m.place"
        if plan.match:
            join = f" CROSS JOIN {table} m ON m.place = i.rowid" if where or not self._kept else ""
            source, place = f"FROM {table}_index i{join}", "i.rowid"
            where.insert(0, Clause(f"i.{self._shelf.table}_index MATCH ?", (plan.match,)))
        if behind:
            where.append(Clause(f"{place} > ?", (behind,)))
        elif after and self._in_order:
            last = f"(SELECT place FROM {table} WHERE {key} <= ? ORDER BY {key} DESC LIMIT 1)"
            where.append(Clause(f"{place} > coalesce({last}, 0)", (after,)))
        elif after:
            where.append(Clause(f"m.{key} > ?", (after,)))
        told = " AND ".join(clause.sql for clause in where)
        values = tuple(value for clause in where for value in clause.values)
        return f"{source} WHERE {told}" if told else source, values
