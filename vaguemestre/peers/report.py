"""The verdicts of an audit, as lines for a person or as JSON."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from vaguemestre.peers.matrix import Verdict

_HOLDS, _FAILS = "holds", "FAILS"


def tell(verdicts: Iterable[Verdict], out: TextIO) -> list[Verdict]:
    """Prints each verdict as soon as it is known, and returns them all."""
    told = []
    for verdict in verdicts:
        word = _HOLDS if verdict.holds else _FAILS
        print(f"{verdict.direction:<4} {verdict.case:<15} {word}  {verdict.observed}", file=out, flush=True)
        told.append(verdict)
    return told


def as_json(verdicts: Sequence[Verdict]) -> str:
    return json.dumps([each.as_json() for each in verdicts], ensure_ascii=False, indent=2)


def failures(verdicts: Sequence[Verdict]) -> str | None:
    """One sentence that names what did not hold; None when everything did."""
    failed = [f"{each.case} ({each.direction})" for each in verdicts if not each.holds]
    if not failed:
        return None
    return f"{len(failed)} of {len(verdicts)} cases did not hold: {', '.join(failed)}"
