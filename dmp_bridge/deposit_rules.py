"""What becomes of a document that a mail brought to a box that deposits (ANS, integration of documents, dmp.md §4.6)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from directory.bals import BalType, find_bal
from directory.integration import is_structure
from directory.patients import find_patient
from dmp_bridge.codes import ErrorCode
from dmp_bridge.dossier.caller import Caller
from dmp_bridge.dossier.case import case_of_owner
from dmp_bridge.dossier.denials import DENIALS
from dmp_bridge.dossier.feeding import UNKNOWN_TYPE, refusal_of
from dmp_bridge.filing import (
    Arrival,
    Structured,
    Traits,
    Verdict,
    admit,
    judge,
    judge_deletion,
    refused,
    sha1,
)
from dmp_bridge.findings import Finding, Kind
from dmp_bridge.record import State
from dmp_bridge.rights.vocabulary import Action, Reason, Role
from foundation.mime.packages import PACKAGE_SUBJECT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection

    from directory.bals import Bal
    from directory.patients import Patient

NAMES_NOBODY: Final = "Ce fichier ne nomme aucun patient : il n'est pas classé."
_NO_RECORD: Final = "Le patient est inconnu, ou son dossier n'est pas ouvert."
_FROM_PATIENT: Final = "Un patient ne dépose pas de document par l'adresse d'un établissement."
_NO_DOCUMENT: Final = "Le message annonce un document de santé et n'en contient pas de lisible."
_TOLD: Final = {
    State.FILED: "Document ajouté au dossier du patient.",
    State.DUPLICATE: "Ce document figure déjà au dossier du patient.",
}
_KO_SUBJECTS: Final = ("[KO Intégration système", "[Erreur d'intégration", "[Erreur d’intégration")


@dataclass(frozen=True, slots=True)
class Ruling:
    """The verdict on one document, as whom it is deposited, and in whose record (None: in nobody's)."""

    verdict: Verdict
    caller: Caller
    patient: Patient | None = None


def is_refusal(subject: str) -> bool:
    """Whether a mail is another system's word that a document of ours was not taken: it is no document for us."""
    return subject.startswith(_KO_SUBJECTS)


def with_promise(findings: Sequence[Finding], subject: str) -> tuple[Finding, ...]:
    """The findings, and a refusal (906) where the subject announces a document and there is none."""
    documents = (Kind.CDA, Kind.XDM_DOCUMENT, Kind.REFUSED)
    if not subject.startswith(PACKAGE_SUBJECT) or any(each.kind in documents for each in findings):
        return tuple(findings)
    missing = Finding("", 0, "", "", 0, Kind.REFUSED, _NO_DOCUMENT, code=ErrorCode.OTHER)
    return (*findings, missing)


def depositor(connection: Connection, box: Bal, sender: str) -> Caller:
    """As whom a mail to `box` deposits: the professional or structure that sent it where this operator knows them.

    Else the structure of the box does, whose software vouches for what it takes in (indirect authentication).
    """
    known = find_bal(connection, sender)
    if known is not None and known.type is BalType.PER and known.idnat:
        return Caller(
            role=Role.PROFESSIONAL,
            id=known.idnat,
            name=known.name,
            structure_id=box.idnat or "",
            structure_name=box.name,
            channel="mail",
        )
    holder = known if known is not None and is_structure(known) else box
    return Caller(
        role=Role.STRUCTURE,
        id=holder.idnat or "",
        name=holder.name,
        structure_id=holder.idnat or "",
        structure_name=holder.name,
        channel="mail",
    )


# ref: DMP-F10, DMP-F11, DMP-F12
def rule(
    connection: Connection,
    box: Bal,
    sender: str,
    finding: Finding,
    *,
    now: int,
    traits: Traits,
    patient_domain: str,
) -> Ruling:
    """The ruling on one finding as the records stand in this transaction."""
    caller = depositor(connection, box, sender)
    clinical = finding.clinical
    arrival = Arrival(None, None, sender, Structured.FILE, traits)
    if clinical is None:
        if finding.kind in (Kind.REFUSED, Kind.KEPT, Kind.COPY):
            return Ruling(judge(connection, arrival, finding), caller)
        return Ruling(Verdict(State.KEPT, NAMES_NOBODY), caller)
    if sender.lower().endswith(f"@{patient_domain}"):
        return Ruling(refused(Reason.ROLE, _FROM_PATIENT), caller)
    patient = find_patient(connection, clinical.patient.ins or "")
    if patient is None or not patient.record_is_open:
        return Ruling(refused(Reason.NO_RECORD, _NO_RECORD), caller, patient)
    case = case_of_owner(connection, caller, patient.owner_id, now)
    arrival = replace(arrival, patient=patient)
    reason = refusal_of(case, Action.DELETE if finding.deletes else Action.FEED, clinical)
    if reason is not None:
        return Ruling(refused(reason, DENIALS[reason].sentence), caller, patient)
    if finding.deletes:
        return Ruling(judge_deletion(connection, arrival, clinical), caller, patient)
    if clinical.class_code is None:
        return Ruling(refused(Reason.INVALID, UNKNOWN_TYPE), caller, patient)
    verdict = admit(connection, arrival, clinical, sha1(finding.data))
    if verdict.state in _TOLD:
        verdict = replace(verdict, sentence=_TOLD[verdict.state])
    return Ruling(verdict, caller, patient)
