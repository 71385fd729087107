"""From whom a document is hidden. Of what a whole message says the strictest word counts, wherever it stands."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from dmp_bridge.entry import confidentiality_codes

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from dmp_bridge.findings import Finding


class Visibility(StrEnum):
    """Whom a document is hidden from (TRE_A07-StatutVisibiliteDocument)."""

    MASKED = "MASQUE_PS"
    UNSEEN = "INVISIBLE_PATIENT"
    UNSEEN_BY_REPRESENTATIVES = "INVISIBLE_REPRESENTANTS_LEGAUX"


VISIBILITIES: Final = frozenset(each.value for each in Visibility)


@dataclass(frozen=True, slots=True)
class Marks:
    """What ties a finding to others (identifiers and SHA-1 of what it is or shows) and the flags it bears."""

    keys: tuple[str, ...] = ()
    flags: frozenset[str] = frozenset()


def flag(code: str) -> str:
    """A code of confidentiality or visibility as programs write it: ``invisible_patient^^1.2.250…`` too."""
    return code.strip().split("^", 1)[0].strip().upper()


def is_unseen(codes: Iterable[str]) -> bool:
    """True when one of the codes hides the document from the patient (TRE_A07-StatutVisibiliteDocument)."""
    return any(flag(code) == Visibility.UNSEEN for code in codes)


def confidentiality(flags: frozenset[str]) -> str:
    """The strictest of N, R and V; a value nobody knows is not taken for N."""
    levels = flags - VISIBILITIES
    if "V" in levels:
        return "V"
    return "R" if levels - {"N"} else "N"


def identifier_key(unique_id: str) -> str:
    """The key of a uniqueId: producers write an extension after a circumflex or after a dot."""
    return f"id:{unique_id.strip().replace('^', '.').lower()}"


# ref: DMP-F18
def unite(marked: Sequence[tuple[Finding, Marks]]) -> list[Finding]:
    """Every finding under the flags of all that are the same document, by identifier or by content.

    Whole parts are hidden: a package cannot be given without the document in it that must stay unseen.
    """
    groups = _Groups()
    for _, marks in marked:
        groups.join(marks.keys)
    flags: dict[str, set[str]] = {}
    for _, marks in marked:
        if marks.keys:
            flags.setdefault(groups.of(marks.keys[0]), set()).update(marks.flags)
    united = [
        frozenset(flags[groups.of(marks.keys[0])]) if marks.keys else marks.flags for _, marks in marked
    ]
    hidden = {
        finding.part
        for (finding, _), all_of in zip(marked, united, strict=True)
        if Visibility.UNSEEN in all_of
    }
    return [
        replace(_under(finding, all_of), hidden=finding.part in hidden)
        for (finding, _), all_of in zip(marked, united, strict=True)
    ]


def _under(finding: Finding, flags: frozenset[str]) -> Finding:
    if finding.clinical is None:
        return finding
    level = confidentiality(flags)
    visibilities = (each.value for each in Visibility if each in flags)
    clinical = replace(
        finding.clinical,
        entry=replace(
            finding.clinical.entry, confidentiality_codes=confidentiality_codes(level, *visibilities)
        ),
        confidentiality=level,
        masked_to_professionals=Visibility.MASKED in flags,
        invisible_to_patient=Visibility.UNSEEN in flags,
        invisible_to_representatives=Visibility.UNSEEN_BY_REPRESENTATIVES in flags,
    )
    return replace(finding, clinical=clinical)


class _Groups:
    """Keys that name the same document, joined as they are met; a forest flattened on the way."""

    def __init__(self) -> None:
        self._above: dict[str, str] = {}

    def of(self, key: str) -> str:
        while (above := self._above.get(key, key)) != key:
            self._above[key] = self._above.get(above, above)
            key = above
        return key

    def join(self, keys: tuple[str, ...]) -> None:
        for key in keys:
            self._above.setdefault(key, key)
            self._above[self.of(key)] = self.of(keys[0])
