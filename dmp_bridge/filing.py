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
from dmp_bridge.findings import Clinical, Finding, Kind
from dmp_bridge.record import Document, Origin, State, Status

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from directory.patients import Patient

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
_OTHER_AUTHOR = "Le document à remplacer a un autre auteur et vient d'une autre structure."


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

    What is ``hidden`` is a document that the patient must not see.
    """

    state: State
    sentence: str
    code: ErrorCode | None = None
    status: Status = Status.APPROVED
    supersedes: tuple[int, ...] = ()
    document_id: int | None = None
    hidden: bool = False


@dataclass(frozen=True, slots=True)
class Arrival:
    """By which mail a finding came (None: by none, an operator deposits it), and how it is judged."""

    patient: Patient | None
    mail_id: int | None
    sender: str
    structured: Structured
    traits: Traits = Traits.REFUSE


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
        return _refused(ErrorCode.UNKNOWN_PATIENT, _CLOSED)
    if finding.clinical is None:
        return Verdict(State.OFFERED, _OFFERED)
    clinical = finding.clinical
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
        return _refused(ErrorCode.OTHER_PATIENT, _OTHER_PATIENT)
    is_same_person = _same_person(clinical, patient)
    if not is_same_person and arrival.traits is Traits.REFUSE:
        return _refused(ErrorCode.OTHER_PATIENT, _OTHER_TRAITS)
    if arrival.mail_id is not None and clinical.invisible_to_patient:
        # Professionals exchange such a document among themselves; the patient's own box shows it (dmp.md §2.6).
        return replace(_refused(ErrorCode.OTHER, _UNSEEN), hidden=True)
    verdict = _version(connection, arrival, clinical, digest)
    if verdict.state is State.FILED and not is_same_person:
        verdict = replace(verdict, sentence=f"{verdict.sentence} {_TOLD_TRAITS}")
    return verdict


def _not_at_once(arrival: Arrival, clinical: Clinical) -> str | None:
    """Why the patient is asked before a document is filed, None when he is not."""
    if clinical.class_code is None:
        return _OFFERED_OUTSIDE
    if clinical.confidentiality != "N":
        return _OFFERED_RESTRICTED
    return _OFFERED_DOCUMENT if arrival.structured is Structured.OFFER else None


def _refused(code: ErrorCode, sentence: str) -> Verdict:
    return Verdict(State.REFUSED, sentence, code)


# ref: DMP-F11
def _version(connection: Connection, arrival: Arrival, clinical: Clinical, digest: str) -> Verdict:
    """Duplicates and versions (CI-SIS Structuration minimale §3.5.5.10): id first, then set and version."""
    assert arrival.patient is not None
    owner_id = arrival.patient.owner_id
    known = record.document_by_unique_id(connection, owner_id, clinical.unique_id)
    if known is not None:
        if known.sha1 != digest:
            return _refused(ErrorCode.VERSION, _OTHER_BYTES)
        if known.invisible_to_patient and arrival.mail_id is not None:
            # The record knows better than a mail that forgot the flag.
            return replace(_refused(ErrorCode.OTHER, _UNSEEN), hidden=True)
        same_mail = known.mail_id == arrival.mail_id
        return Verdict(
            State.FILED if same_mail else State.DUPLICATE,
            _FILED if same_mail else _DUPLICATE,
            document_id=known.id,
        )
    of_set = record.versions(connection, owner_id, clinical.set_id) if clinical.set_id else []
    replaced = [
        found
        for unique_id in clinical.replaces
        if (found := record.document_by_unique_id(connection, owner_id, unique_id)) is not None
    ]
    others = {each.id: each for each in (*of_set, *replaced)}
    if not all(_may_follow(connection, arrival, clinical, each) for each in others.values()):
        return _refused(ErrorCode.AUTHOR, _OTHER_AUTHOR)
    if any(each.version_number == clinical.version_number for each in of_set):
        return _refused(ErrorCode.VERSION, _SAME_VERSION)
    if any(
        each.version_number > clinical.version_number
        for each in of_set
        if clinical.invisible_to_patient or not each.invisible_to_patient
    ):
        # It arrives late: it is kept, and never takes the place of the later version.
        return Verdict(State.FILED, _FILED_OLDER, status=Status.DEPRECATED)
    # A version that the patient must not see takes nothing from him that he sees.
    current = tuple(
        each.id
        for each in others.values()
        if each.status is Status.APPROVED and (each.invisible_to_patient or not clinical.invisible_to_patient)
    )
    return Verdict(State.FILED, _FILED, supersedes=current)


# ref: DMP-F12
def _may_follow(connection: Connection, arrival: Arrival, clinical: Clinical, other: Document) -> bool:
    """A document is replaced by its author or the author's structure (error 901), patients' own by nobody.

    What a document claims, anybody can write: a mail must also come from the box that sent the former one, or
    from one whose holder is the author or the structure of the former one.
    """
    if other.origin is Origin.PATIENT:
        return False
    ours = {clinical.author_id[:64], clinical.institution_id[:64]} - {""}
    theirs = {other.author_id, other.institution_id} - {""}
    if theirs and not ours & theirs:
        return False
    if arrival.mail_id is None:
        return bool(theirs)  # the operator vouches for what he deposits
    if not arrival.sender:
        return False
    return arrival.sender.lower() == other.sender.lower() or bool(
        theirs & _identifiers_of(connection, arrival.sender)
    )


def _identifiers_of(connection: Connection, sender: str) -> set[str]:
    """As what the holder of a hosted box may stand in a document: a professional or a structure."""
    box = find_bal(connection, sender)
    if box is None or not box.idnat:
        return set()
    return {f"{oid}^{box.idnat}" for oid in (PROFESSIONAL_OID, STRUCTURE_OID)}


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
    }


def sha1(data: bytes) -> str:
    """The hash XDS names a document by (IHE ITI TF-3 §4.2.3.2.10); integrity here is the vault's work."""
    return hashlib.sha1(data, usedforsecurity=False).hexdigest()
