"""The words of the rights: who asks, in which mode, for what, and why it is refused."""

from __future__ import annotations

from enum import StrEnum


class Role(StrEnum):
    """As what somebody stands before a record."""

    PATIENT = "patient"
    REPRESENTATIVE = "representative"
    """The holder of parental authority over a minor, or the guardian (tutelle) of a protected adult."""
    PROFESSIONAL = "professional"
    EMPLOYEE = "employee"
    """A person of a structure who is no professional: the CPE card."""
    STRUCTURE = "structure"
    """A certificate of an organisation: indirect authentication."""
    OPERATOR = "operator"


class Mode(StrEnum):
    """The access mode (VIHF purposeofuse, OID 1.2.250.1.213.1.1.4.248)."""

    NORMAL = "normal"
    BRIS_DE_GLACE = "bris_de_glace"
    CENTRE_15 = "centre_15"


class Action(StrEnum):
    """The 26 actions of the functional matrix (CNAM, PDT-INF-526 v1.8), in its order."""

    AUTHENTICATE = "TD0.1"
    TEST_EXISTENCE = "TD0.2"
    DECLARE_AUTHORISED = "TD0.3-declare"
    WITHDRAW_AUTHORISATION = "TD0.3-withdraw"
    CEASE_AS_ATTENDING = "TD0.3-cease-mt"
    LIST_AUTHORISED_RECORDS = "TD0.4"
    FIND_WITHOUT_INS = "TD0.5"
    WEB_ACCESS = "TD0.9"
    READ_ADMINISTRATIVE = "TD1.3a"
    LIST_PROFESSIONALS = "TD1.6"
    FEED = "TD2.1"
    FEED_AS_EMPLOYEE = "TD2.2"
    SEARCH = "TD3.1"
    FIND_REFERENCE = "TD3.1-reference"
    READ = "TD3.2"
    READ_MASKED = "TD3.2-masked"
    READ_UNSEEN_BY_PATIENT = "TD3.2-unseen"
    READ_ARCHIVED = "TD3.2-archived"
    READ_FORMER = "TD3.2-former"
    READ_DELETED = "TD3.2-deleted"
    MASK = "TD3.3a-mask"
    UNMASK = "TD3.3a-unmask"
    SHOW_TO_PATIENT = "TD3.3b"
    ARCHIVE = "TD3.3d-archive"
    UNARCHIVE = "TD3.3d-unarchive"
    DELETE = "TD3.3c"


class OwnAct(StrEnum):
    """What the law gives the patient beside the matrix of the professionals (CSP L1111-19, R1111-36, R1111-49)."""

    READ = "read"
    FEED = "feed"
    MASK = "mask"
    UNMASK = "unmask"
    REVEAL_TO_REPRESENTATIVES = "reveal-to-representatives"
    DELETE = "delete"
    BLOCK = "block"
    CONSENT = "consent"
    READ_TRACES = "traces"
    EXPORT = "export"
    CLOSE = "close"
    REOPEN = "reopen"
    ASK_DELETION = "ask-deletion"


class Reason(StrEnum):
    """Why something is refused; the table of denials says it in words."""

    NO_RECORD = "no-record"
    """No such patient, opposed or closed; who may not know which, is told the same."""
    FEEDING_OPPOSED = "feeding-opposed"
    BLOCKED = "blocked"
    NOT_AUTHORISED = "not-authorised"
    EMERGENCY_OPPOSED = "emergency-opposed"
    MOTIVE_MISSING = "motive-missing"
    ROLE = "role"
    """The functional matrix has "non" for this act."""
    PROFESSION = "profession"
    """The profession may not consult this type of document."""
    MASKED = "masked"
    UNSEEN = "unseen"
    UNSEEN_BY_REPRESENTATIVES = "unseen-by-representatives"
    NOT_OWN = "not-own"
    IRREVERSIBLE = "irreversible"
    COMBINATION = "combination"
    UNSEEN_ONLY = "unseen-only"
    """In a "connexion secrète" only documents invisible to representatives may be deposited."""
    STATE = "state"
    """The document is not in a state from which this act leads on."""
    STALE = "stale"
    """Somebody changed the document meanwhile."""
    NO_DOCUMENT = "no-document"
    DUPLICATE = "duplicate"
    """The version of a set, or the submission, is there already with something else in it."""
    OTHER_CONTENT = "other-content"
    """Another document bears this uniqueId."""
    INTEGRITY = "integrity"
    """Size or hash are not those announced."""
    OTHER_PATIENT = "other-patient"
    INVALID = "invalid"
