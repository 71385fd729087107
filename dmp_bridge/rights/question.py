"""What has to be known to decide whether somebody may do something with a record: plain facts, no database."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from dmp_bridge.rights.vocabulary import Mode, Role

if TYPE_CHECKING:
    from directory.patients import PatientState
    from dmp_bridge.rights.vocabulary import Action, OwnAct


@dataclass(frozen=True, slots=True, kw_only=True)
class Asker:
    """The side of the caller: `profession` TRE_G15, `skill` TRE_R38."""

    role: Role
    profession: str = ""
    skill: str = ""
    mode: Mode = Mode.NORMAL
    has_motive: bool = False
    is_secret: bool = False
    is_vouched_for: bool = False
    """Authentification indirecte renforcée (AIR): the structure says who it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How the record stands, and the caller towards it.

    `is_authorised`: declared with the consent of the patient and still valid, or presumed as a member of the care
    team that informed the patient. The `may_` words are what the patient has not opposed.
    """

    state: PatientState | None
    """None where there is no such patient."""
    is_theirs: bool = False
    """The caller is the holder, or represents the holder today."""
    is_minor: bool = False
    is_protected: bool = False
    """Under guardianship (tutelle)."""
    is_blocked: bool = False
    is_authorised: bool = False
    is_attending: bool = False
    feeding_is_opposed: bool = False
    may_centre_15: bool = True
    may_bris_de_glace: bool = True
    masked_in_emergency: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentFacts:
    """One document, as the rules see it. `status` is approved, deprecated, archived or deleted."""

    type_code: str
    status: str
    is_masked: bool = False
    is_unseen: bool = False
    is_unseen_by_representatives: bool = False
    is_own: bool = False
    """Its author or depositor is the caller."""
    is_of_own_structure: bool = False
    is_of_patient: bool = False
    """Deposited by the patient: class 90, DOCPAT, EXPPAT."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """May this asker do this with this record, or with this document of it?"""

    asker: Asker
    standing: Standing
    act: Action | OwnAct
    document: DocumentFacts | None = None
