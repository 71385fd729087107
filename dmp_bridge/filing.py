"""Decides what becomes of each finding in one patient's record (ANS, integration of documents, dmp.md §4.6)."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from directory.bals import find_bal
from dmp_bridge import record
from dmp_bridge.codes import PROFESSIONAL_OID, STRUCTURE_OID, ErrorCode
from dmp_bridge.dossier import registry
from dmp_bridge.dossier.denials import DENIALS
from dmp_bridge.dossier.life import Status
from dmp_bridge.findings import Clinical, Finding, Kind
from dmp_bridge.record import Document, Origin, State
from dmp_bridge.rights.vocabulary import Reason

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from directory.patients import Patient
    from dmp_bridge.dossier.registry import Awaited

_FILED = "Document ajouté à votre dossier."
_FILED_OLDER = "Version antérieure d'un document de votre dossier, conservée avec lui."
_DUPLICATE = "Ce document figure déjà dans votre dossier."
_OFFERED = "Vous pouvez ajouter ce fichier à vos documents de santé."
_OFFERED_DOCUMENT = (
    "Les documents reçus ne sont pas versés d'office au dossier : vous pouvez ajouter celui-ci vous-même."
)
_OFFERED_RESTRICTED = "Ce document est à diffusion restreinte : il n'est ajouté que si vous le demandez."
_OFFERED_OUTSIDE = (
    "Ce type de document n'est pas versé d'office au dossier : vous pouvez l'ajouter vous-même."
)
_UNSEEN = "Un document non visible par le patient ne peut pas être envoyé à l'adresse du patient lui-même."
_NOT_ADDED = "Ce document n'est pas ajouté au dossier."
_COPY = "Copie lisible d'un document joint au même message."
_CLOSED = "Le dossier du patient n'est pas ouvert."
_OTHER_PATIENT = "L'INS du document n'est pas celui du destinataire."
_OTHER_TRAITS = "L'identité du document n'est pas celle du destinataire."
_TOLD_TRAITS = "Le nom, la date de naissance ou le sexe y diffèrent des vôtres : signalez-le à son auteur."
_OTHER_BYTES = "Un autre document porte déjà cet identifiant."
_SAME_VERSION = "Cette version du document a déjà été reçue avec un autre contenu."
OPERATOR = "operator"
_OTHER_AUTHOR = "Le document à remplacer ou à supprimer a un autre auteur et vient d'une autre structure."
_DELETED = "Document supprimé du dossier à la demande de son auteur."
_NOT_THE_LAST = "Le document à supprimer n'est pas la dernière version de ce document au dossier."


class Traits(StrEnum):
    """What happens when the INS is the patient's and the name, birth date or sex is not (`bridge.traits`)."""

    REFUSE = "refuse"
    TELL = "tell"


class Structured(StrEnum):
    """What to do with a good clinical document: file it at once, or leave the patient to decide."""

    FILE = "file"
    OFFER = "offer"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What to do with one finding. For FILED: the status it takes and the documents it deprecates.

    What is ``hidden`` is a document that the patient must not see; ``awaited`` are associations that came before
    it. ``code`` is why a mail is refused, ``reason`` the same in the words of the desk.
    """

    state: State
    sentence: str
    code: ErrorCode | None = None
    status: Status = Status.APPROVED
    supersedes: tuple[int, ...] = ()
    document_id: int | None = None
    hidden: bool = False
    reason: Reason | None = None
    awaited: tuple[Awaited, ...] = ()


@dataclass(frozen=True, slots=True)
class Arrival:
    """By which mail a finding came (None: by none, somebody deposits it at the desk), and how it is judged.

    ``depositors`` are the identifiers under which whoever deposits is signed in; empty for an operator, who
    vouches for what is deposited. ``refusal`` is why the record takes no document in, decided before.
    """

    patient: Patient | None
    mail_id: int | None
    sender: str
    structured: Structured
    traits: Traits = Traits.REFUSE
    depositors: frozenset[str] = frozenset()
    refusal: Reason | None = None


@dataclass(frozen=True, slots=True)
class Claim:
    """What a document says of its author, and who brought it."""

    author_id: str
    institution_id: str
    sender: str
    depositors: frozenset[str]
    is_of_patient: bool = False

    @property
    def signed(self) -> frozenset[str]:
        """Author and institution, as the document has them."""
        return frozenset({self.author_id[:64], self.institution_id[:64]} - {""})


# ref: DMP-F10
def judge(connection: Connection, arrival: Arrival, finding: Finding) -> Verdict:
    """The verdict on one finding as the record stands in this transaction."""
    if finding.kind is Kind.REFUSED:
        return Verdict(State.REFUSED, finding.sentence, finding.code or ErrorCode.OTHER)
    if finding.kind is Kind.KEPT:
        return Verdict(State.KEPT, finding.sentence)
    if finding.kind is Kind.COPY:
        return Verdict(State.COPY, _COPY)
    if finding.hidden and finding.clinical is None:
        return Verdict(State.KEPT, _NOT_ADDED)
    patient = arrival.patient
    if patient is None or not patient.record_is_open:
        if finding.clinical is None:
            return Verdict(State.KEPT, _CLOSED)
        return refused(Reason.NO_RECORD, _CLOSED)
    if finding.clinical is None:
        return Verdict(State.OFFERED, _OFFERED)
    # ref: DMP-F22
    if arrival.refusal is not None:
        return refused(arrival.refusal, DENIALS[arrival.refusal].sentence)
    clinical = finding.clinical
    if finding.deletes:
        return judge_deletion(connection, arrival, clinical)
    verdict = admit(connection, arrival, clinical, sha1(finding.data))
    if verdict.state is not State.FILED or verdict.document_id is not None:
        return verdict
    if clinical.invisible_to_patient:
        # What a professional still has to announce is filed unseen, or not at all: never offered.
        fits = clinical.class_code is not None and clinical.confidentiality == "N"
        return verdict if fits else Verdict(State.KEPT, _NOT_ADDED)
    if (reason := _not_at_once(arrival, clinical)) is not None:
        told = f"{reason} {_TOLD_TRAITS}" if verdict.sentence.endswith(_TOLD_TRAITS) else reason
        return Verdict(State.OFFERED, told)
    return verdict


# ref: F45
def admit(connection: Connection, arrival: Arrival, clinical: Clinical, digest: str) -> Verdict:
    """Whether a clinical document may stand in this open record at all: FILED, DUPLICATE or REFUSED.

    FILED with a ``document_id`` is the document that the same mail filed before.
    """
    assert arrival.patient is not None
    patient = arrival.patient
    # The OID is not compared: NIR and NIA never share a number, and test documents come under a third OID.
    if clinical.patient.ins != patient.ins:
        return refused(Reason.OTHER_PATIENT, _OTHER_PATIENT)
    is_same_person = _same_person(clinical, patient)
    if not is_same_person and arrival.traits is Traits.REFUSE:
        return refused(Reason.OTHER_PATIENT, _OTHER_TRAITS)
    if arrival.mail_id is not None and clinical.invisible_to_patient:
        # Professionals exchange such a document among themselves; the patient's own box shows it (dmp.md §2.6).
        return replace(refused(Reason.UNSEEN, _UNSEEN), hidden=True)
    verdict = _version(connection, arrival, clinical, digest)
    if verdict.state is State.FILED and not is_same_person:
        verdict = replace(verdict, sentence=f"{verdict.sentence} {_TOLD_TRAITS}")
    return verdict


# ref: DMP-F12
def judge_deletion(connection: Connection, arrival: Arrival, clinical: Clinical) -> Verdict:
    """Whether the document that was sent to be deleted is: its last version, by its author or their structure.

    ``document_id`` is what is to be deleted; what was deleted before is DELETED as well.
    """
    assert arrival.patient is not None
    if clinical.patient.ins != arrival.patient.ins:
        return refused(Reason.OTHER_PATIENT, _OTHER_PATIENT)
    known = record.document_by_unique_id(connection, arrival.patient.owner_id, clinical.unique_id)
    if known is None or known.status is Status.DEPRECATED:
        return refused(Reason.STATE, _NOT_THE_LAST)
    if not _may_replace(connection, _claim(arrival, clinical), _claim_of(known)):
        return refused(Reason.NOT_OWN, _OTHER_AUTHOR)
    return Verdict(State.DELETED, _DELETED, document_id=known.id)


def _not_at_once(arrival: Arrival, clinical: Clinical) -> str | None:
    """Why the patient is asked before a document is filed, None when he is not."""
    if clinical.class_code is None:
        return _OFFERED_OUTSIDE
    if clinical.confidentiality != "N":
        return _OFFERED_RESTRICTED
    return _OFFERED_DOCUMENT if arrival.structured is Structured.OFFER else None


_CODES: dict[Reason, ErrorCode] = {
    Reason.NO_RECORD: ErrorCode.UNKNOWN_PATIENT,
    Reason.FEEDING_OPPOSED: ErrorCode.UNKNOWN_PATIENT,
    Reason.OTHER_PATIENT: ErrorCode.OTHER_PATIENT,
    Reason.DUPLICATE: ErrorCode.VERSION,
    Reason.OTHER_CONTENT: ErrorCode.VERSION,
    Reason.NOT_OWN: ErrorCode.AUTHOR,
    Reason.STATE: ErrorCode.VERSION,
}
"""What the sender of a mail is told for a reason of the desk; 906 for every other (dmp.md §4.6)."""


def refused(reason: Reason, sentence: str) -> Verdict:
    """A refusal by the desk, and the code of it that the sender of a mail is told."""
    return Verdict(State.REFUSED, sentence, _CODES.get(reason, ErrorCode.OTHER), reason=reason)


# ref: DMP-F11
def _version(connection: Connection, arrival: Arrival, clinical: Clinical, digest: str) -> Verdict:
    """Duplicates and versions (CI-SIS Structuration minimale §3.5.5.10): id first, then set and version."""
    assert arrival.patient is not None
    owner_id = arrival.patient.owner_id
    known = record.document_by_unique_id(connection, owner_id, clinical.unique_id)
    if known is not None:
        if known.sha1 != digest:
            return refused(Reason.OTHER_CONTENT, _OTHER_BYTES)
        if known.invisible_to_patient and arrival.mail_id is not None:
            # The record knows better than a mail that forgot the flag.
            return replace(refused(Reason.UNSEEN, _UNSEEN), hidden=True)
        same_mail = known.mail_id == arrival.mail_id
        return Verdict(
            State.FILED if same_mail else State.DUPLICATE,
            _FILED if same_mail else _DUPLICATE,
            document_id=known.id,
        )
    of_set = record.versions(connection, owner_id, clinical.set_id) if clinical.set_id else []
    replaced = [
        found
        for target in clinical.replaces
        if (found := registry.resolve(connection, owner_id, target)) is not None
    ]
    others = {each.id: each for each in (*of_set, *replaced)}
    claim = _claim(arrival, clinical)
    if not all(_may_replace(connection, claim, _claim_of(each)) for each in others.values()):
        return refused(Reason.NOT_OWN, _OTHER_AUTHOR)
    if any(each.version_number == clinical.version_number for each in of_set):
        return refused(Reason.DUPLICATE, _SAME_VERSION)
    awaited = tuple(
        each
        for each in registry.awaited_by(connection, owner_id, (clinical.unique_id,))
        if _may_replace(connection, _claim_of(each.source), claim)
    )
    later = [each for each in of_set if each.version_number > clinical.version_number]
    later += [each.source for each in awaited if each.kind in registry.REPLACING]
    is_late = any(clinical.invisible_to_patient or not each.invisible_to_patient for each in later)
    passed = {each.id for each in later}
    # A version that the patient must not see takes nothing from him that he sees.
    current = tuple(
        each.id
        for each in others.values()
        if each.status in (Status.APPROVED, Status.ARCHIVED)
        and each.id not in passed
        and (each.invisible_to_patient or not clinical.invisible_to_patient)
    )
    if is_late:
        # It is kept, and never takes the place of the later version; what it replaces is two versions old.
        return Verdict(
            State.FILED, _FILED_OLDER, status=Status.DEPRECATED, supersedes=current, awaited=awaited
        )
    return Verdict(State.FILED, _FILED, supersedes=current, awaited=awaited)


def _claim(arrival: Arrival, clinical: Clinical) -> Claim:
    return Claim(
        clinical.author_id,
        clinical.institution_id,
        arrival.sender,
        arrival.depositors,
        is_of_patient=any(each.startswith("patient:") for each in arrival.depositors),
    )


def _claim_of(found: Document) -> Claim:
    return Claim(
        found.author_id,
        found.institution_id,
        found.sender,
        frozenset({found.depositor_id, found.depositor_structure} - {"", OPERATOR}),
        found.origin is Origin.PATIENT,
    )


# ref: DMP-F12
def _may_replace(connection: Connection, new: Claim, old: Claim) -> bool:
    """A document is replaced by its author or the author's structure (error 901), a patient's own by that patient.

    What a document claims, anybody can write: a mail must also come from the box that sent the former one, or
    from one whose holder is the author or the structure of the former one; at the desk, the signed-in person or
    structure must be.
    """
    if old.is_of_patient or new.is_of_patient:
        return old.is_of_patient and new.is_of_patient and bool(old.depositors & new.depositors)
    if new.sender:
        if old.signed and not new.signed & old.signed:
            return False
        holder = _identifiers_of(connection, new.sender)
        return new.sender.lower() == old.sender.lower() or bool(_stands_in(old) & holder)
    if new.depositors:
        return bool(_stands_in(old) & new.depositors)
    return bool(old.signed & new.signed)  # the operator vouches for what he deposits


def _stands_in(claim: Claim) -> frozenset[str]:
    """The national identifiers of who signed and who deposited."""
    return claim.depositors | {
        each.partition("^")[2]
        for each in claim.signed
        if each.partition("^")[0] in (PROFESSIONAL_OID, STRUCTURE_OID)
    }


def _identifiers_of(connection: Connection, sender: str) -> frozenset[str]:
    """As what the holder of a hosted box is known: a professional or a structure."""
    box = find_bal(connection, sender)
    return frozenset({box.idnat} if box is not None and box.idnat else ())


def _same_person(clinical: Clinical, patient: Patient) -> bool:
    traits = clinical.patient
    if words(traits.birth_name) != words(patient.birth_name) or traits.birth_date != patient.birth_date:
        return False
    if traits.sex in ("M", "F") and patient.sex in ("M", "F") and traits.sex != patient.sex:
        return False
    given, known = words(traits.first_given or traits.first_names), words(patient.first_names)
    shared = min(len(given), len(known))
    return shared > 0 and given[:shared] == known[:shared]


def words(name: str) -> tuple[str, ...]:
    """A name as its plain words: no accents, hyphens or apostrophes, upper case (RNIV 2 spelling)."""
    plain = "".join(
        character for character in unicodedata.normalize("NFKD", name) if not unicodedata.combining(character)
    )
    return tuple(re.findall(r"[A-Z0-9]+", plain.upper().replace("Œ", "OE").replace("Æ", "AE")))


# ref: DMP-F8
def document_values(finding: Finding, clinical: Clinical, verdict: Verdict) -> dict[str, Any]:
    """The columns of a clinical document that its own words give."""
    shown = finding.display.media_type if finding.display is not None else finding.media_type
    return {
        "unique_id": clinical.unique_id[:256],
        "set_id": clinical.set_id[:256] if clinical.set_id else None,
        "version_number": clinical.version_number,
        "status": verdict.status.value,
        "origin": Origin.PROFESSIONAL.value,
        "title": clinical.title[:128],
        "type_code": clinical.type_code,
        "class_code": clinical.class_code,
        "category": clinical.category,
        "format_code": clinical.format_code,
        "confidentiality": clinical.confidentiality,
        "masked_to_professionals": clinical.masked_to_professionals,
        "invisible_to_patient": clinical.invisible_to_patient,
        "invisible_to_representatives": clinical.invisible_to_representatives,
        "language": clinical.language[:16],
        "creation_at": clinical.created_at,
        "service_start_at": clinical.service_start_at,
        "service_stop_at": clinical.service_stop_at,
        "author_id": clinical.author_id[:64],
        "author_name": clinical.author_name[:256],
        "author_specialty": clinical.author_specialty[:256],
        "institution": clinical.institution[:256],
        "institution_id": clinical.institution_id[:64],
        "size": len(finding.data),
        "sha1": sha1(finding.data),
        "media_type": shown,
        "mime_type": finding.media_type,
    }


def sha1(data: bytes) -> str:
    """The hash XDS names a document by (IHE ITI TF-3 §4.2.3.2.10); integrity here is the vault's work."""
    return hashlib.sha1(data, usedforsecurity=False).hexdigest()
