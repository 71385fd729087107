"""The order in which the rules are asked (dmp.md §4.2): the first that refuses gives the reason."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from dmp_bridge.rights.functional import MATRIX, STARRED, Column, Note, Right, column_of
from dmp_bridge.rights.professions import SHIPPED
from dmp_bridge.rights.states import RecordAct, Who, allows
from dmp_bridge.rights.vocabulary import Action, Mode, OwnAct, Reason, Role

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dmp_bridge.rights.professions import Professions
    from dmp_bridge.rights.question import Asker, DocumentFacts, Question, Standing

_OF_NO_RECORD: Final = frozenset(
    {Action.AUTHENTICATE, Action.LIST_AUTHORISED_RECORDS, Action.FIND_WITHOUT_INS}
)
"""What is done before any record is named."""
_READING: Final = frozenset(
    {
        Action.SEARCH,
        Action.READ,
        Action.READ_MASKED,
        Action.READ_UNSEEN_BY_PATIENT,
        Action.READ_ARCHIVED,
        Action.READ_FORMER,
        Action.READ_DELETED,
    }
)
_FEEDING: Final = frozenset({Action.FEED, Action.FEED_AS_EMPLOYEE})
_CHANGING: Final = frozenset(
    {Action.MASK, Action.UNMASK, Action.SHOW_TO_PATIENT, Action.ARCHIVE, Action.UNARCHIVE, Action.DELETE}
)
_ENTERING: Final = (_READING | _CHANGING | {Action.WEB_ACCESS, Action.LIST_PROFESSIONALS}) - {Action.DELETE}
"""What needs the authorisation of the patient: feeding and deleting what one fed do not (EX 115, EX 166)."""
_SHUT_TO_THE_BLOCKED: Final = _ENTERING | {
    Action.DECLARE_AUTHORISED,
    Action.CEASE_AS_ATTENDING,
    Action.READ_ADMINISTRATIVE,
}
"""What a blocked professional may not do; the duty to feed stays (CSP L1111-15)."""
_AS_RECORD_ACT: Final[Mapping[Action | OwnAct, RecordAct]] = {
    Action.TEST_EXISTENCE: RecordAct.TEST,
    Action.READ_ADMINISTRATIVE: RecordAct.READ,
    Action.FIND_REFERENCE: RecordAct.CHANGE,
    Action.DECLARE_AUTHORISED: RecordAct.DECLARE,
    Action.WITHDRAW_AUTHORISATION: RecordAct.DECLARE,
    Action.CEASE_AS_ATTENDING: RecordAct.DECLARE,
    Action.LIST_PROFESSIONALS: RecordAct.READ,
    Action.WEB_ACCESS: RecordAct.READ,
    **dict.fromkeys(_FEEDING, RecordAct.FEED),
    **dict.fromkeys(_READING, RecordAct.READ),
    **dict.fromkeys(_CHANGING, RecordAct.CHANGE),
    OwnAct.READ: RecordAct.READ,
    OwnAct.FEED: RecordAct.FEED,
    OwnAct.MASK: RecordAct.CHANGE,
    OwnAct.UNMASK: RecordAct.CHANGE,
    OwnAct.REVEAL_TO_REPRESENTATIVES: RecordAct.CHANGE,
    OwnAct.DELETE: RecordAct.CHANGE,
    OwnAct.BLOCK: RecordAct.CONSENT,
    OwnAct.CONSENT: RecordAct.CONSENT,
    OwnAct.READ_TRACES: RecordAct.READ_TRACES,
    OwnAct.EXPORT: RecordAct.EXPORT,
    OwnAct.CLOSE: RecordAct.CLOSE,
    OwnAct.REOPEN: RecordAct.REOPEN,
    OwnAct.ASK_DELETION: RecordAct.ASK_DELETION,
}
_AS_WHO: Final[Mapping[Role, Who]] = {
    Role.PATIENT: Who.PATIENT,
    Role.REPRESENTATIVE: Who.REPRESENTATIVE,
    Role.PROFESSIONAL: Who.PROFESSIONAL,
    Role.EMPLOYEE: Who.PROFESSIONAL,
    Role.STRUCTURE: Who.STRUCTURE,
}
_ORDERS: Final = frozenset(
    {
        OwnAct.BLOCK,
        OwnAct.CONSENT,
        OwnAct.READ_TRACES,
        OwnAct.EXPORT,
        OwnAct.CLOSE,
        OwnAct.REOPEN,
        OwnAct.ASK_DELETION,
    }
)
"""What an operator does on a patient's order."""
_OPERATING: Final = frozenset({Action.TEST_EXISTENCE, Action.FEED, Action.FIND_REFERENCE})
_BY_STATUS: Final[Mapping[str, Action]] = {
    "archived": Action.READ_ARCHIVED,
    "deprecated": Action.READ_FORMER,
    "deleted": Action.READ_DELETED,
}
_ATTENDING: Final = frozenset({Column.ATTENDING_NORMAL, Column.ATTENDING_BRIS_DE_GLACE})


# ref: DMP-F25
def decide(question: Question, professions: Professions = SHIPPED) -> Reason | None:
    """Why it is refused; None where it is allowed.

    With a document, SEARCH asks whether the caller may know of it, FEED whether it may be filed with this
    visibility; without one, reading asks whether the caller may read in this record at all.
    """
    asker, act = question.asker, question.act
    if asker.role is Role.OPERATOR:
        return _operator(question)
    if isinstance(act, OwnAct):
        return _own(question)
    if asker.role not in (Role.PROFESSIONAL, Role.EMPLOYEE, Role.STRUCTURE):
        return Reason.ROLE
    return _matrix(question, act, professions)


def _matrix(question: Question, act: Action, professions: Professions) -> Reason | None:
    asker, standing, document = question.asker, question.standing, question.document
    if act not in _OF_NO_RECORD and not allows(standing.state, Who.PROFESSIONAL, _AS_RECORD_ACT[act]):
        return Reason.NO_RECORD
    # ref: DMP-F26
    if standing.is_blocked and act in _SHUT_TO_THE_BLOCKED:
        return Reason.BLOCKED
    column = column_of(asker, standing)
    if column is None:
        return Reason.ROLE
    right = MATRIX[act][column]
    # Nobody feeds under the word of a structure alone (MDRF-AIR, PDT-INF-606).
    if not right.is_given or (asker.is_vouched_for and act in _FEEDING):
        return Reason.ROLE
    if asker.is_secret and not standing.is_minor and act not in _OF_NO_RECORD:
        return Reason.INVALID
    if act in _FEEDING:
        return _fed(asker, standing, document)
    if act is Action.FIND_REFERENCE and document is not None:
        return _found(question, document, column, professions)
    if act in _ENTERING and not (act in _CHANGING and document is not None and document.is_own):
        refused = _entered(asker, standing)
        if refused is not None:
            return refused
    if document is None:
        return None
    if act in _READING:
        return _read(asker, standing, document, column, professions)
    if act in _CHANGING:
        return _changed(act, standing, document, column, right)
    return None


# ref: DMP-F25
def _entered(asker: Asker, standing: Standing) -> Reason | None:
    """The authorisation: of the patient, or the emergency that stands for it (CSP L1111-17, R1111-46, R1111-48)."""
    if asker.mode is Mode.NORMAL:
        return None if standing.is_authorised or standing.is_attending else Reason.NOT_AUTHORISED
    may = standing.may_centre_15 if asker.mode is Mode.CENTRE_15 else standing.may_bris_de_glace
    if not may:
        return Reason.EMERGENCY_OPPOSED
    return None if asker.has_motive else Reason.MOTIVE_MISSING


def _found(
    question: Question, document: DocumentFacts, column: Column, professions: Professions
) -> Reason | None:
    """A reference is found by who fed it, and by who may read it: it is sought in order to replace or delete."""
    asker, standing = question.asker, question.standing
    if document.is_own or document.is_of_own_structure:
        return None
    if MATRIX[Action.FIND_REFERENCE][column].note is Note.REFERENCE_ONLY:
        return Reason.NO_DOCUMENT
    if standing.is_blocked:
        return Reason.BLOCKED
    return _entered(asker, standing) or _read(asker, standing, document, column, professions)


# ref: DMP-F20, DMP-F22
def _fed(asker: Asker, standing: Standing, document: DocumentFacts | None) -> Reason | None:
    if standing.feeding_is_opposed:
        return Reason.FEEDING_OPPOSED
    if document is None:
        return None
    if document.is_masked and document.is_unseen:
        return Reason.COMBINATION
    if asker.is_secret and not document.is_unseen_by_representatives:
        return Reason.UNSEEN_ONLY
    return None


def _read(
    asker: Asker, standing: Standing, document: DocumentFacts, column: Column, professions: Professions
) -> Reason | None:
    """The document itself: what the matrix says of its state, the masking, then the profession."""
    rights = MATRIX[_BY_STATUS[document.status]] if document.status in _BY_STATUS else None
    if column is not Column.OCCUPATIONAL_DOCTOR:  # it searches, and reads nothing
        if rights is not None and not rights[column].is_given:
            return Reason.ROLE
        if document.is_unseen and not MATRIX[Action.READ_UNSEEN_BY_PATIENT][column].is_given:
            return Reason.ROLE
    if document.is_masked and not _may_see_masked(MATRIX[Action.READ_MASKED][column], standing, document):
        return Reason.MASKED
    if document.is_own or professions.may_consult(asker.profession, document.type_code):
        return None
    return Reason.PROFESSION


def _may_see_masked(right: Right, standing: Standing, document: DocumentFacts) -> bool:
    match right.note:
        case Note.OWN_MASKED:
            return document.is_own
        case Note.IF_THE_PATIENT_ALLOWS:
            return standing.masked_in_emergency
        case _:
            # what the matrix does not let a column read, its author still knows of (CSP R1111-49)
            return right.is_given or document.is_own


def _changed(
    act: Action, standing: Standing, document: DocumentFacts, column: Column, right: Right
) -> Reason | None:
    is_attending = column in _ATTENDING
    if document.is_of_patient and act in STARRED:
        return None if is_attending else Reason.NOT_OWN
    if right.note is Note.OF_THE_STRUCTURE:
        return None if document.is_own or document.is_of_own_structure else Reason.NOT_OWN
    if document.is_masked and not _may_see_masked(MATRIX[Action.READ_MASKED][column], standing, document):
        return Reason.MASKED
    if right.note is Note.OWN and not document.is_own:
        return Reason.NOT_OWN
    if act is Action.MASK and document.is_unseen:
        return Reason.COMBINATION
    return None


def _own(question: Question) -> Reason | None:
    """What the holder and those who represent the holder may do (CSP L1111-19, R1111-49, R1111-50)."""
    asker, standing, act = question.asker, question.standing, question.act
    who = _AS_WHO[asker.role]
    if who not in (Who.PATIENT, Who.REPRESENTATIVE):
        return Reason.ROLE
    if not standing.is_theirs or not allows(standing.state, who, _AS_RECORD_ACT[act]):
        return Reason.NO_RECORD
    # ref: DMP-F20
    if asker.is_secret and (who is Who.REPRESENTATIVE or not standing.is_minor):
        return Reason.INVALID
    if who is Who.REPRESENTATIVE and act is OwnAct.REVEAL_TO_REPRESENTATIVES:
        return Reason.ROLE
    document = question.document
    if document is None:
        return None
    if act is OwnAct.FEED:
        return Reason.COMBINATION if document.is_masked and document.is_unseen else None
    return _of_own_document(act, who, document)


# ref: DMP-F18, DMP-F30
def _of_own_document(act: Action | OwnAct, who: Who, document: DocumentFacts) -> Reason | None:
    if document.is_unseen:
        return Reason.UNSEEN
    if who is Who.REPRESENTATIVE and document.is_unseen_by_representatives:
        return Reason.UNSEEN_BY_REPRESENTATIVES
    if document.status == "deleted":
        return Reason.NO_DOCUMENT
    if act is OwnAct.DELETE and not document.is_of_patient:
        return Reason.NOT_OWN
    return None


def _operator(question: Question) -> Reason | None:
    """An operator deposits and carries out a patient's orders, and reads nothing."""
    act, standing, document = question.act, question.standing, question.document
    if act not in _ORDERS and act not in _OPERATING:
        return Reason.ROLE
    who = Who.PATIENT if act in _ORDERS else Who.STRUCTURE
    if not allows(standing.state, who, _AS_RECORD_ACT[act]):
        return Reason.NO_RECORD
    return _fed(question.asker, standing, document) if act in _FEEDING else None
