"""Collects what the rules found on one document, so that each rule that was looked at says something."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dmp_bridge.check.document_rules_table import DOCUMENT_RULES

if TYPE_CHECKING:
    from collections.abc import Iterable

    from dmp_bridge.check.report import Finding, Weight

MAX_FAULTS = 20
"""Faults told per rule and document: a file with thousands has one cause."""

_QUOTED = 120


def quote(text: str) -> str:
    """A value as a finding shows it: in French quotes, on one line, at most 120 characters."""
    line = "".join(character if character.isprintable() else " " for character in text[: _QUOTED + 1])
    return f"« {line if len(line) <= _QUOTED else line[:_QUOTED] + '…'} »"


class Ledger:
    """The findings on one document. A rule that was opened and has no fault holds.

    The places of faults stand after ``place``, or after ``prefix`` where they tell enough by themselves.
    """

    def __init__(self, place: str, prefix: str | None = None) -> None:
        self._place = place
        self._prefix = place if prefix is None else prefix
        self._opened: dict[str, str] = {}
        self._faults: dict[str, list[Finding]] = {}
        self._left_out: dict[str, int] = {}
        self._others: list[Finding] = []

    def open(self, rule: str, says: str) -> None:
        """Looks at ``rule``; ``says`` is told if no fault of it is found."""
        self._opened.setdefault(rule, says)

    def fault(self, rule: str, place: str, says: str, advice: str, weight: Weight | None = None) -> None:
        """The rule is broken at ``place``, "" for the whole document."""
        found = self._faults.setdefault(rule, [])
        if len(found) < MAX_FAULTS:
            where = f"{self._prefix} {place}".strip() or self._place
            found.append(DOCUMENT_RULES[rule].fails(where, says, advice, weight))
        else:
            self._left_out[rule] = self._left_out.get(rule, 0) + 1

    def aside(self, rule: str, says: str) -> None:
        """The rule does not concern this document."""
        self._others.append(DOCUMENT_RULES[rule].not_applicable(says, self._place))

    def add(self, findings: Iterable[Finding]) -> None:
        """Findings made elsewhere."""
        self._others.extend(findings)

    @property
    def findings(self) -> list[Finding]:
        """Everything found, in the order of the rules, faults only where there are any."""
        told: list[Finding] = []
        for identifier, rule in DOCUMENT_RULES.items():
            faults = self._faults.get(identifier, [])
            told.extend(faults)
            if left_out := self._left_out.get(identifier):
                told.append(
                    rule.fails(
                        self._place,
                        f"{left_out} autres écarts de même nature.",
                        "Corriger la cause commune.",
                        faults[0].weight,
                    )
                )
            if not faults and identifier in self._opened:
                told.append(rule.holds(self._place, self._opened[identifier]))
        return told + self._others
