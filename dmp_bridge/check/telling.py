"""A report in words: the French names of its verdicts, and the values that JSON and pages show."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from dmp_bridge.check.report import Checked, Verdict, Weight, rank
from dmp_bridge.check.rules_table import RULES

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from dmp_bridge.check.report import Finding, Report

CHECKED: Final[Mapping[Checked, str]] = MappingProxyType(
    {
        Checked.MESSAGE: "message",
        Checked.DISPOSITION_NOTIFICATION: "avis de lecture ou de traitement (MDN)",
        Checked.DELIVERY_NOTIFICATION: "rapport de remise (DSN)",
        Checked.ARCHIVE: "archive IHE_XDM",
        Checked.CDA: "document CDA",
        Checked.PDF: "document PDF",
        Checked.TRANSCRIPT: "échange SMTP ou IMAP",
    }
)
VERDICTS: Final[Mapping[Verdict, str]] = MappingProxyType(
    {Verdict.HOLDS: "tient", Verdict.FAILS: "échoue", Verdict.NOT_APPLICABLE: "sans objet"}
)
_WEIGHTS: Final[Mapping[Weight, str]] = MappingProxyType(
    {Weight.MANDATORY: "", Weight.RECOMMENDED: "recommandé", Weight.NOTE: "à savoir"}
)


_WIDEST: Final = max(map(len, RULES))
_KILO: Final = 1024
_MEGA: Final = 1024 * 1024


def title_of(rule: str) -> str:
    """The title of a rule."""
    known = RULES.get(rule)
    return known.title if known is not None else ""


def source_of(rule: str) -> str:
    """Where a rule is written."""
    known = RULES.get(rule)
    return known.source if known is not None else ""


def verdict_of(finding: Finding) -> str:
    """« tient », « échoue », « échoue (recommandé) », « échoue (à savoir) » or « sans objet »."""
    weight = _WEIGHTS[finding.weight] if finding.verdict is Verdict.FAILS else ""
    return f"{VERDICTS[finding.verdict]} ({weight})" if weight else VERDICTS[finding.verdict]


def size(octets: int) -> str:
    """« 830 octets », « 12 Ko », « 3,4 Mo », « 25 Mo »: a Mo is 1 048 576 octets, as in the limits of the settings."""
    if octets < _KILO:
        return f"{octets} octet{'s' if octets > 1 else ''}"
    if octets < _MEGA // 10:
        return f"{-(-octets // _KILO)} Ko"
    return f"{octets / _MEGA:.1f}".replace(".", ",").removesuffix(",0") + " Mo"


def failures_first(findings: Iterable[Finding]) -> list[Finding]:
    """What breaks, what is advised against, what is worth knowing, then the rest; each in its order."""
    return sorted(findings, key=rank)


def summary(report: Report) -> str:
    """One sentence on the whole: « conforme », or how many mandatory rules fail."""
    broken = len({finding.rule for finding in report.findings if finding.breaks})
    advised = sum(finding.verdict is Verdict.FAILS and not finding.breaks for finding in report.findings)
    if broken:
        said = f"non conforme : {broken} {'règles obligatoires échouent' if broken > 1 else 'règle obligatoire échoue'}"
    else:
        said = "conforme"
    if advised:
        said += f" ; {advised} {'remarques' if advised > 1 else 'remarque'}"
    if report.left_out:
        said += f" ; {report.left_out} autres constats ne sont pas montrés"
    return said


def values(report: Report) -> dict[str, Any]:
    """The report as JSON shows it; `checked`, `verdict` and `weight` are the words of `dmp_bridge.check.report`."""
    return {
        "checked": report.checked.value,
        "conforms": report.conforms,
        "rules": report.rules_source,
        "left_out": report.left_out,
        "findings": [
            {
                "rule": finding.rule,
                "title": title_of(finding.rule),
                "source": source_of(finding.rule),
                "verdict": finding.verdict.value,
                "weight": finding.weight.value,
                "place": finding.place,
                "says": finding.says,
                "advice": finding.advice,
            }
            for finding in report.findings
        ],
    }


def line(finding: Finding) -> str:
    """One line for a terminal: id, verdict, place, what was found and what to do; no control character of a message."""
    text = f"{finding.says} / {finding.advice}" if finding.advice else finding.says
    place = f"{finding.place} : " if finding.place else ""
    whole = f"{finding.rule:<{_WIDEST}}  {verdict_of(finding):<20}  {place}{text}"
    return "".join(character if character.isprintable() else "?" for character in whole)
