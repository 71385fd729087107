"""A caller before a record: puts the question of the rights and says no in one way."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from directory.patients import find_patient, patient_of
from dmp_bridge.codes import PROFESSIONAL_OID, STRUCTURE_OID
from dmp_bridge.dossier.forms import Denied
from dmp_bridge.dossier.search import Self
from dmp_bridge.dossier.standing import standing_of, structure_of
from dmp_bridge.record import Origin
from dmp_bridge.rights.decide import decide
from dmp_bridge.rights.professions import SHIPPED
from dmp_bridge.rights.question import Asker, DocumentFacts, Question
from dmp_bridge.rights.vocabulary import Action, OwnAct, Reason, Role

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Connection

    from directory.patients import Patient
    from dmp_bridge.dossier.caller import Caller
    from dmp_bridge.dossier.search import Kind
    from dmp_bridge.record import Document
    from dmp_bridge.rights.professions import Professions
    from dmp_bridge.rights.question import Standing

_OWN = frozenset({Role.PATIENT, Role.REPRESENTATIVE})


class Described(Protocol):
    """What the rules ask of a document."""

    @property
    def type_code(self) -> str: ...
    @property
    def status(self) -> str: ...
    @property
    def origin(self) -> str: ...
    @property
    def masked_to_professionals(self) -> bool: ...
    @property
    def invisible_to_patient(self) -> bool: ...
    @property
    def invisible_to_representatives(self) -> bool: ...


@dataclass(frozen=True, slots=True)
class Case:
    """Who asks, for whose record, and how they stand to each other at this moment."""

    caller: Caller
    patient: Patient
    standing: Standing
    own: Self
    professions: Professions = SHIPPED

    @property
    def is_own(self) -> bool:
        """The caller is the patient, or represents the patient."""
        return self.caller.role in _OWN

    def refusal(self, act: Action | OwnAct, document: DocumentFacts | None = None) -> Reason | None:
        """Why this act is refused; None where it is allowed."""
        return decide(
            Question(asker=asker_of(self.caller), standing=self.standing, act=act, document=document),
            self.professions,
        )

    def demand(
        self, act: Action | OwnAct, own_act: OwnAct | None = None, *, document: Document | None = None
    ) -> None:
        """Raises Denied unless the act is allowed; `own_act` is what it is to a patient."""
        asked = own_act if self.is_own and own_act is not None else act
        reason = self.refusal(asked, None if document is None else self.facts(document))
        if reason is not None:
            raise self.denied(reason, document=document)

    def denied(self, reason: Reason, detail: str = "", *, document: Document | None = None) -> Denied:
        """The refusal, with what its trace tells."""
        return Denied(
            reason,
            detail,
            owner_id=self.patient.owner_id,
            document_id=None if document is None else document.id,
        )

    def facts(self, document: Document) -> DocumentFacts:
        """One document as the rules see it."""
        is_own, is_of_own_structure = self.own.owns(document)
        return facts_of(document, is_own=is_own, is_of_own_structure=is_of_own_structure)


def facts_of(document: Described, *, is_own: bool, is_of_own_structure: bool) -> DocumentFacts:
    """A document, or a kind of documents, as the rules see it."""
    return DocumentFacts(
        type_code=document.type_code,
        status=document.status,
        is_masked=document.masked_to_professionals,
        is_unseen=document.invisible_to_patient,
        is_unseen_by_representatives=document.invisible_to_representatives,
        is_own=is_own,
        is_of_own_structure=is_of_own_structure,
        is_of_patient=document.origin == Origin.PATIENT.value,
    )


def asker_of(caller: Caller) -> Asker:
    """The side of the caller."""
    return Asker(
        role=caller.role,
        profession=caller.profession,
        skill=caller.skill,
        mode=caller.mode,
        # blanks and dots say nothing to the patient
        has_motive=any(each.isalpha() for each in caller.motive),
        is_secret=caller.is_secret,
        is_vouched_for=caller.is_vouched_for,
    )


def own_of(caller: Caller) -> Self:
    """Under which identifiers the caller stands in documents."""
    structure = structure_of(caller)
    return Self(
        (caller.id, f"{PROFESSIONAL_OID}^{caller.id}") if caller.id and caller.id != structure else (),
        (structure, f"{STRUCTURE_OID}^{structure}") if structure else (),
    )


def case_of(
    connection: Connection, caller: Caller, ins: str, now: int, professions: Professions = SHIPPED
) -> Case:
    """The record of an INS; a patient who names none means the own one. Raises Denied(NO_RECORD)."""
    if ins:
        patient = find_patient(connection, ins)
    elif caller.role is Role.PATIENT and caller.owner_id is not None:
        patient = patient_of(connection, caller.owner_id)
    else:
        patient = None
    if patient is None:
        raise Denied(Reason.NO_RECORD)
    return Case(caller, patient, standing_of(connection, patient, caller, now), own_of(caller), professions)


def case_of_owner(
    connection: Connection, caller: Caller, owner_id: int, now: int, professions: Professions = SHIPPED
) -> Case:
    """The record of a vault owner."""
    patient = patient_of(connection, owner_id)
    if patient is None:
        raise Denied(Reason.NO_RECORD)
    return Case(caller, patient, standing_of(connection, patient, caller, now), own_of(caller), professions)


def said_of(caller: Caller, action: Action) -> Action | OwnAct:
    """What an act of reading or feeding is called for this caller."""
    if caller.role not in _OWN:
        return action
    return OwnAct.FEED if action in (Action.FEED, Action.FEED_AS_EMPLOYEE) else OwnAct.READ


def seen_by(case: Case) -> Callable[[Kind], bool]:
    """Which kinds of documents the caller may know of."""
    act = said_of(case.caller, Action.SEARCH)

    def sees(kind: Kind) -> bool:
        facts = facts_of(kind, is_own=kind.is_own, is_of_own_structure=kind.is_of_own_structure)
        return case.refusal(act, facts) is None

    return sees
