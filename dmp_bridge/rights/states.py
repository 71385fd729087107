"""What the state of a record allows to whom, cell by cell, with the legal source of each."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from directory.patients import PatientState

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


class RecordState(StrEnum):
    """How far a record is open, and UNKNOWN where nobody has the INS."""

    NEVER_ACTIVATED = "never-activated"
    ACTIVATED = "activated"
    OPPOSED = "opposed"
    CLOSED = "closed"
    UNKNOWN = "unknown"


class Who(StrEnum):
    """Before the state, roles are four."""

    PATIENT = "patient"
    REPRESENTATIVE = "representative"
    PROFESSIONAL = "professional"
    STRUCTURE = "structure"


class RecordAct(StrEnum):
    """What somebody wants of a record. CONSENT is also a professional's note of what the patient said."""

    FEED = "feed"
    READ = "read"
    CHANGE = "change"
    TEST = "test"
    DECLARE = "declare"
    CONSENT = "consent"
    READ_TRACES = "read-traces"
    EXPORT = "export"
    CLOSE = "close"
    REOPEN = "reopen"
    ASK_DELETION = "ask-deletion"


@dataclass(frozen=True, slots=True)
class Cell:
    """Whether it is allowed, and where that is written."""

    is_allowed: bool
    source: str


_OF_STATE: Final[Mapping[PatientState, RecordState]] = {
    PatientState.NOT_ACTIVATED: RecordState.NEVER_ACTIVATED,
    PatientState.ACTIVATED: RecordState.ACTIVATED,
    PatientState.OPPOSED: RecordState.OPPOSED,
    PatientState.CLOSED: RecordState.CLOSED,
}

_NOT_OPEN: Final[Mapping[RecordState, str]] = {
    RecordState.NEVER_ACTIVATED: "Mon espace santé: no account before the first sign-in of the holder",
    RecordState.OPPOSED: "CSP R1111-28: opposition to the opening, there is no record",
    RecordState.CLOSED: "CSP R1111-36: closed, archived for ten years",
    RecordState.UNKNOWN: "CSP L1111-13-1: no space is open for this person",
}
"""Why something that is allowed elsewhere is not allowed in this state."""

# One letter per state in the order of RecordState: "y" allowed, "-" not.
_ROWS: Final[tuple[tuple[RecordAct, Who, str, str], ...]] = (
    (RecordAct.FEED, Who.PATIENT, "-y---", "CSP L1111-13-1: the holder adds to the own space"),
    (RecordAct.FEED, Who.REPRESENTATIVE, "-y---", "CSP L1111-2, L1111-13-1: in the name of the holder"),
    (RecordAct.FEED, Who.PROFESSIONAL, "yy---", "CSP L1111-15, R1111-42, R1111-47: duty, after information"),
    (RecordAct.FEED, Who.STRUCTURE, "yy---", "CSP L1111-15; PDT-INF-526 note 4: imputed to the structure"),
    (RecordAct.READ, Who.PATIENT, "-y---", "CSP L1111-19: direct access of the holder"),
    (RecordAct.READ, Who.REPRESENTATIVE, "-y---", "CSP L1111-2, R1111-50: but for the secrets of the minor"),
    (RecordAct.READ, Who.PROFESSIONAL, "yy---", "CSP L1111-17, R1111-46: care team or consent"),
    (RecordAct.READ, Who.STRUCTURE, "-----", "PDT-INF-526: indirect authentication reads nothing"),
    (RecordAct.CHANGE, Who.PATIENT, "-y---", "CSP R1111-49: masks and unmasks; deletes own documents"),
    (RecordAct.CHANGE, Who.REPRESENTATIVE, "-y---", "CSP L1111-2, R1111-49: in the name of the holder"),
    (RecordAct.CHANGE, Who.PROFESSIONAL, "yy---", "PDT-INF-526 TD3.3: as the matrix says"),
    (RecordAct.CHANGE, Who.STRUCTURE, "yy---", "PDT-INF-526 note 9: deletes documents of its own"),
    (RecordAct.TEST, Who.PATIENT, "yyyy-", "CSP R1111-28: the holder may know the own state"),
    (RecordAct.TEST, Who.REPRESENTATIVE, "yyyy-", "CSP L1111-2: in the name of the holder"),
    (RecordAct.TEST, Who.PROFESSIONAL, "yy-y-", "PDT-INF-526 TD0.2, dmp-fermeture: a closed record is told"),
    (RecordAct.TEST, Who.STRUCTURE, "yy-y-", "PDT-INF-526 TD0.2, dmp-fermeture: a closed record is told"),
    (RecordAct.DECLARE, Who.PATIENT, "-----", "CSP R1111-46: professionals declare, the patient blocks"),
    (RecordAct.DECLARE, Who.REPRESENTATIVE, "-----", "CSP R1111-46: professionals declare"),
    (RecordAct.DECLARE, Who.PROFESSIONAL, "yy---", "CSP R1111-46: with the consent of the patient"),
    (RecordAct.DECLARE, Who.STRUCTURE, "-----", "PDT-INF-526 TD0.3: not by a certificate"),
    (RecordAct.CONSENT, Who.PATIENT, "yy---", "CSP R1111-46 to R1111-49: consents, objects, blocks"),
    (RecordAct.CONSENT, Who.REPRESENTATIVE, "yy---", "CSP L1111-2: in the name of the holder"),
    (RecordAct.CONSENT, Who.PROFESSIONAL, "yy---", "CSP L1111-15, R1111-47: notes what the patient said"),
    (
        RecordAct.CONSENT,
        Who.STRUCTURE,
        "yy---",
        "IHE PAM France 2.11 ZFA: reports what was said at admission",
    ),
    (RecordAct.READ_TRACES, Who.PATIENT, "-y---", "CSP L1111-19: all traces at any time"),
    (RecordAct.READ_TRACES, Who.REPRESENTATIVE, "-y---", "CSP L1111-2, R1111-50: but for secret ones"),
    (RecordAct.READ_TRACES, Who.PROFESSIONAL, "yy---", "DMP WEBPS 2.6: own ones, the attending doctor all"),
    (RecordAct.READ_TRACES, Who.STRUCTURE, "-----", "PDT-INF-526: indirect authentication reads nothing"),
    (RecordAct.EXPORT, Who.PATIENT, "-y-y-", "RGPD art. 20; CSP R1111-36: a closed one on request"),
    (RecordAct.EXPORT, Who.REPRESENTATIVE, "-y---", "CSP L1111-2, R1111-50: in the name of the holder"),
    (RecordAct.EXPORT, Who.PROFESSIONAL, "-----", "CSP R1111-46: reads what the care needs, no more"),
    (RecordAct.EXPORT, Who.STRUCTURE, "-----", "PDT-INF-526: indirect authentication reads nothing"),
    (RecordAct.CLOSE, Who.PATIENT, "yy---", "CSP R1111-28, R1111-36: at any time"),
    (RecordAct.CLOSE, Who.REPRESENTATIVE, "yy---", "CSP L1111-2, R1111-36: in the name of the holder"),
    (RecordAct.CLOSE, Who.PROFESSIONAL, "-----", "CSP R1111-36: the holder alone"),
    (RecordAct.CLOSE, Who.STRUCTURE, "-----", "CSP R1111-36: the holder alone"),
    (RecordAct.REOPEN, Who.PATIENT, "--yy-", "CSP R1111-28, R1111-36: a new space takes the archive up"),
    (RecordAct.REOPEN, Who.REPRESENTATIVE, "--yy-", "CSP L1111-2, R1111-36: in the name of the holder"),
    (RecordAct.REOPEN, Who.PROFESSIONAL, "-----", "CSP R1111-36: the holder alone"),
    (RecordAct.REOPEN, Who.STRUCTURE, "-----", "CSP R1111-36: the holder alone"),
    (RecordAct.ASK_DELETION, Who.PATIENT, "--yy-", "CSP R1111-36: on express request within three months"),
    (RecordAct.ASK_DELETION, Who.REPRESENTATIVE, "--yy-", "CSP L1111-2, R1111-36: in the holder's name"),
    (RecordAct.ASK_DELETION, Who.PROFESSIONAL, "-----", "CSP R1111-36: the holder alone"),
    (RecordAct.ASK_DELETION, Who.STRUCTURE, "-----", "CSP R1111-36: the holder alone"),
)


def _cells() -> Iterator[tuple[tuple[RecordState, Who, RecordAct], Cell]]:
    for act, who, letters, source in _ROWS:
        for state, letter in zip(RecordState, letters, strict=True):
            by_state = letter == "-" and "y" in letters
            yield (state, who, act), Cell(letter == "y", _NOT_OPEN.get(state, source) if by_state else source)


# ref: DMP-F21
STATES: Final[Mapping[tuple[RecordState, Who, RecordAct], Cell]] = dict(_cells())
"""5 states × 4 roles × 11 acts."""


def state_of(state: PatientState | None) -> RecordState:
    """The state as the rules name it; None where nobody has the INS."""
    return RecordState.UNKNOWN if state is None else _OF_STATE[state]


def allows(state: PatientState | None, who: Who, act: RecordAct) -> bool:
    """Whether the state of the record lets somebody do this at all; other rules may still refuse."""
    return STATES[state_of(state), who, act].is_allowed
