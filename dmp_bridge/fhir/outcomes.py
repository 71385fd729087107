"""Each refusal of the desk as FHIR tells it: its HTTP status, the code of an issue, the sentence and what to do."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from dmp_bridge.dossier.denials import DENIALS, UNTOLD
from dmp_bridge.rights.vocabulary import Reason
from foundation.fhir.outcome import Refused

if TYPE_CHECKING:
    from dmp_bridge.dossier.forms import Denied

ISSUES = MappingProxyType(
    {
        Reason.NO_RECORD: "not-found",
        Reason.FEEDING_OPPOSED: "suppressed",
        Reason.BLOCKED: "forbidden",
        Reason.NOT_AUTHORISED: "forbidden",
        Reason.EMERGENCY_OPPOSED: "forbidden",
        Reason.MOTIVE_MISSING: "required",
        Reason.ROLE: "forbidden",
        Reason.PROFESSION: "forbidden",
        Reason.MASKED: "not-found",
        Reason.UNSEEN: "not-found",
        Reason.UNSEEN_BY_REPRESENTATIVES: "not-found",
        Reason.NOT_OWN: "forbidden",
        Reason.IRREVERSIBLE: "business-rule",
        Reason.COMBINATION: "business-rule",
        Reason.UNSEEN_ONLY: "business-rule",
        Reason.STATE: "conflict",
        Reason.STALE: "conflict",
        Reason.NO_DOCUMENT: "not-found",
        Reason.DUPLICATE: "duplicate",
        Reason.OTHER_CONTENT: "duplicate",
        Reason.INTEGRITY: "value",
        Reason.OTHER_PATIENT: "value",
        Reason.INVALID: "invalid",
    }
)
"""The issue-type of each reason (FHIR R4 §2.29.3)."""


# ref: DMP-F35
def refused(denied: Denied) -> Refused:
    """The refusal as it goes out: one sentence, then what can be done."""
    # Who must not know of a document is told the same, to the letter, as of one that is not there.
    reason = Reason.NO_DOCUMENT if denied.reason in UNTOLD else denied.reason
    denial = DENIALS[reason]
    detail = denied.detail if reason is denied.reason else ""
    parts = (detail or denial.sentence, denial.advice)
    return Refused(denial.http, ISSUES[reason], " ".join(each for each in parts if each))
