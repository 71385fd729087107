"""What a conformity check says: one finding per rule and place, in French, as plain values."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dmp_bridge.cda import CdaDocument
    from dmp_bridge.check.subject import Traits

INTERNAL_RULES = "règles internes"
MOST_FINDINGS = 1000
"""What one report tells: 200 packages full of faults would make tens of thousands, which nobody reads."""


class Verdict(StrEnum):
    """What became of a rule at one place."""

    HOLDS = "holds"
    FAILS = "fails"
    NOT_APPLICABLE = "not_applicable"


class Weight(StrEnum):
    """What a failure means: not conforming, worth mending, or only worth knowing."""

    MANDATORY = "mandatory"
    RECOMMENDED = "recommended"
    NOTE = "note"


class Checked(StrEnum):
    """What was checked, recognised by its content."""

    MESSAGE = "message"
    DISPOSITION_NOTIFICATION = "disposition_notification"
    DELIVERY_NOTIFICATION = "delivery_notification"
    ARCHIVE = "archive"
    CDA = "cda"
    PDF = "pdf"
    TRANSCRIPT = "transcript"


@dataclass(frozen=True, slots=True)
class Finding:
    """What one rule found at one place.

    ``rule`` is the id of a requirement (`ECO.2.1.3`), ``place`` where (`Subject`, `IHE_XDM/SUBSET01/METADATA.XML
    Document01 hash`); ``says`` is what was found and ``advice`` what to do, both French. They may quote the message
    that was checked, so they go to whoever asked and nowhere else.
    """

    rule: str
    verdict: Verdict
    place: str = field(repr=False)
    says: str = field(repr=False)
    advice: str = field(repr=False)
    weight: Weight

    @property
    def breaks(self) -> bool:
        """Whether what was checked does not conform because of it."""
        return self.verdict is Verdict.FAILS and self.weight is Weight.MANDATORY


@dataclass(frozen=True, slots=True)
class Rule:
    """One requirement that can be seen: its id, its title in French, where it is written, what a failure means."""

    id: str
    title: str
    source: str
    weight: Weight = Weight.MANDATORY

    def holds(self, place: str, says: str) -> Finding:
        """The rule is met at ``place``."""
        return Finding(self.id, Verdict.HOLDS, place, says, "", self.weight)

    def fails(self, place: str, says: str, advice: str, weight: Weight | None = None) -> Finding:
        """The rule is broken at ``place``; ``weight`` where this fault weighs less than the rule."""
        return Finding(self.id, Verdict.FAILS, place, says, advice, weight or self.weight)

    def not_applicable(self, says: str, place: str = "") -> Finding:
        """The rule does not concern what was checked, or cannot be seen on it: ``says`` why."""
        return Finding(self.id, Verdict.NOT_APPLICABLE, place, says, "", self.weight)


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the message says around the files attached to it; nothing for a file that was given alone.

    ``names`` are the attachments' names as sent, ``documents`` the CDA of the message, alone or in a package (a PDF
    is compared with the one it copies), ``traits`` the patient as METADATA.XML and the CDA name them, ``matricules``
    the local parts of the patients' addresses it goes to. The ``X-MSS-*`` values are as written, None when the field
    is absent.
    """

    in_message: bool = False
    names: tuple[str, ...] = field(default=(), repr=False)
    documents: tuple[CdaDocument, ...] = field(default=(), repr=False)
    traits: tuple[Traits, ...] = field(default=(), repr=False)
    matricules: tuple[str, ...] = field(default=(), repr=False)
    subject: str | None = field(default=None, repr=False)
    codecda: str | None = None
    ins: str | None = None
    nil: str | None = None
    mes: str | None = None


ALONE = Surroundings()


@dataclass(frozen=True, slots=True)
class Report:
    """The findings on one file, and by which rules they were made: built-in, or `kit ANS …`.

    ``left_out`` counts findings that are not told, see `shortened`.
    """

    checked: Checked
    findings: tuple[Finding, ...]
    rules_source: str = INTERNAL_RULES
    left_out: int = 0

    @property
    def conforms(self) -> bool:
        """Whether no mandatory rule fails."""
        return not any(finding.breaks for finding in self.findings)


def shortened(report: Report) -> Report:
    """The report with at most MOST_FINDINGS, in their order: what breaks goes before what is advised, then the rest."""
    found = report.findings
    if len(found) <= MOST_FINDINGS:
        return report
    weightiest = sorted(range(len(found)), key=lambda number: rank(found[number]))[:MOST_FINDINGS]
    kept = tuple(found[number] for number in sorted(weightiest))
    return replace(report, findings=kept, left_out=len(found) - MOST_FINDINGS)


def rank(finding: Finding) -> int:
    """What is told first: what breaks (0), what is recommended (1), what is worth knowing (2), then the rest (3)."""
    if finding.verdict is not Verdict.FAILS:
        return 3
    return (Weight.MANDATORY, Weight.RECOMMENDED, Weight.NOTE).index(finding.weight)
