"""How rows are found: by the trigram index, by other indexes, or by looking at all; and how such ways combine."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

FEW = 2_000
"""Rows found by a key that are looked at one by one rather than by asking the trigram index as well."""


@dataclass(frozen=True, slots=True)
class Clause:
    """A condition on the columns of `m`, with its parameters."""

    sql: str
    values: tuple[str | int, ...] = ()

    @property
    def judged(self) -> Clause:
        """The same where no index may be used for it: SQLite does not know which of several finds the fewest."""
        return Clause(f"+({self.sql})", self.values)


@dataclass(frozen=True, slots=True)
class Plan:
    """One statement. What it finds meets the condition when `exact`, else it has to be judged row by row.

    `match` is an expression of FTS5, `where` all have to hold; `keyed` when one of them finds rows by an index.
    `keys`, where there are some, name the rows, in order. `size` is about how many rows are found.
    """

    size: int
    match: str = ""
    where: tuple[Clause, ...] = ()
    keyed: bool = False
    exact: bool = True
    keys: Sequence[str] | None = None


@dataclass(frozen=True, slots=True)
class Union:
    """Several statements; rows found by any of them."""

    plans: tuple[Plan, ...]

    @property
    def size(self) -> int:
        return sum(plan.size for plan in self.plans)

    @property
    def exact(self) -> bool:
        return all(plan.exact for plan in self.plans)


Way = Plan | Union
NOTHING = Plan(0, where=(Clause("0"),), keyed=True)


class Terms(Protocol):
    """The trigrams of an index."""

    def documents(self, term: str) -> int:
        """About how many rows hold it, 0 when none does."""
        ...

    def starting(self, prefix: str, at_most: int) -> Sequence[str]:
        """Those that begin with `prefix`, `at_most` of them."""
        ...


class CountedTerms:
    """The trigrams of a finished index, in memory."""

    def __init__(self, rows: Iterable[tuple[str, int]]) -> None:
        self._documents: Mapping[str, int] = dict(rows)
        self._sorted = sorted(self._documents)

    def documents(self, term: str) -> int:
        return self._documents.get(term, 0)

    def starting(self, prefix: str, at_most: int) -> Sequence[str]:
        first = bisect_left(self._sorted, prefix)
        return [term for term in self._sorted[first : first + at_most] if term.startswith(prefix)]


def everything(rows: int, *, exact: bool = True) -> Plan:
    """Looks at each of `rows` rows."""
    return Plan(rows, exact=exact)


def all_of(ways: Sequence[Way]) -> Way:
    """Rows that every way finds: by the ways that find the fewest; the others may be left to judging."""
    if any(way.size == 0 and way.exact for way in ways):
        return NOTHING
    if len(ways) == 1:
        return ways[0]
    plans = [way for way in ways if isinstance(way, Plan)]
    unions = [way for way in ways if isinstance(way, Union)]
    combined = _combined(plans) if plans else None
    smallest = min(unions, key=lambda union: union.size, default=None)
    if smallest is not None and (combined is None or smallest.size < combined.size):
        return Union(tuple(replace(plan, exact=plan.exact and len(ways) == 1) for plan in smallest.plans))
    assert combined is not None
    return replace(combined, exact=combined.exact and not unions)


def any_of(ways: Sequence[Way]) -> Way:
    """Rows that one of the ways finds."""
    if len(ways) == 1:
        return ways[0] if ways[0].size or not ways[0].exact else NOTHING
    plans = [
        plan
        for way in ways
        for plan in (way.plans if isinstance(way, Union) else (way,))
        if plan.size or not plan.exact
    ]
    if not plans:
        return NOTHING
    scans = [plan for plan in plans if not plan.match and not plan.where and plan.keys is None]
    if scans:
        # one look at every row finds what the others would
        return scans[0] if len(plans) == 1 else Plan(scans[0].size, exact=False)
    plans = _seen_at_once(plans)
    indexed = [plan for plan in plans if plan.match and not plan.where]
    others = [plan for plan in plans if not plan.match or plan.where]
    made = list(others)
    if indexed:
        made.insert(
            0,
            Plan(
                sum(plan.size for plan in indexed),
                match=_joined(" OR ", [plan.match for plan in indexed]),
                exact=all(plan.exact for plan in indexed),
            ),
        )
    return made[0] if len(made) == 1 else Union(tuple(made))


def _seen_at_once(plans: list[Plan]) -> list[Plan]:
    """One look at all rows for those that need one, which then finds as well what others would by their index."""
    plain = [plan for plan in plans if plan.where and not plan.match and plan.keys is None and plan.exact]
    if len(plain) < 2 or all(plan.keyed for plan in plain):
        return plans
    told = " OR ".join("(" + " AND ".join(clause.sql for clause in plan.where) + ")" for plan in plain)
    values = tuple(value for plan in plain for clause in plan.where for value in clause.values)
    look = Plan(sum(plan.size for plan in plain), where=(Clause(f"+({told})", values),))
    return [look, *(plan for plan in plans if plan not in plain)]


def _combined(plans: Sequence[Plan]) -> Plan:
    driver = min(plans, key=lambda plan: plan.size)
    where = tuple(
        clause if plan is driver or not driver.keyed else clause.judged
        for plan in plans
        for clause in plan.where
    )
    matches = [plan for plan in plans if plan.match]
    named = [plan for plan in plans if plan.keys is not None]
    exact = all(plan.exact for plan in plans)
    if driver.keys is not None:
        left = len(named) > 1 or bool(matches)
        return Plan(driver.size, where=where, keyed=True, exact=exact and not left, keys=driver.keys)
    exact = exact and not named
    if driver.keyed and not driver.match and driver.size <= FEW:
        return Plan(driver.size, where=where, keyed=True, exact=exact and not matches)
    match = _joined(" AND ", [plan.match for plan in matches])
    return Plan(driver.size, match, where, any(plan.keyed for plan in plans), exact)


def _joined(operator: str, parts: Sequence[str]) -> str:
    distinct = list(dict.fromkeys(parts))
    return distinct[0] if len(distinct) == 1 else f"({operator.join(distinct)})" if distinct else ""


def phrase(text: str) -> str:
    """A string of FTS5."""
    return '"' + text.replace('"', '""') + '"'


def terms_or(terms: Iterable[str]) -> str:
    """Any of some terms."""
    return _joined(" OR ", [phrase(term) for term in terms])
