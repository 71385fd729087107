"""Takes a submission in: looks at each document as at those of a mail, then files all of them or none."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from dmp_bridge import codes
from dmp_bridge.cda import PatientIdentity
from dmp_bridge.codes import PROFESSIONAL_OID, ErrorCode
from dmp_bridge.dossier import registry
from dmp_bridge.dossier.forms import Denied, Filed, Membership, SubmissionQuery
from dmp_bridge.dossier.life import Status
from dmp_bridge.dossier.standing import structure_of
from dmp_bridge.entry import Author, DocumentEntry, Organization, Person, Relation, confidentiality_codes
from dmp_bridge.filing import Arrival, Structured, Traits, admit, document_values, sha1
from dmp_bridge.findings import Clinical, Finding, Kind
from dmp_bridge.record import Origin, State
from dmp_bridge.rights.question import DocumentFacts
from dmp_bridge.rights.vocabulary import Action, OwnAct, Reason, Role
from dmp_bridge.shelf import Depositor, Shelf
from dmp_bridge.visibility import Visibility, flag, identifier_key

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sqlalchemy import Connection

    from directory.patients import Patient
    from dmp_bridge.dossier.caller import Caller
    from dmp_bridge.dossier.case import Case
    from dmp_bridge.dossier.forms import Deposit, Submission
    from dmp_bridge.examiner import Examiner
    from dmp_bridge.record import Document
    from dmp_bridge.shelf import Sealed
    from foundation.clock import Clock
    from foundation.database import UnitOfWork
    from foundation.settings import Settings
    from foundation.vault import Vault

MOST_DEPOSITS = 50
_TOO_MANY = "Un lot contient de 1 à 50 documents."
_EMPTY = "Le document est vide."
_NOT_REFERRED = "Un document que le lot désigne n'est pas au dossier."
_DEPRECATED = "Un document que le lot désigne a été remplacé."
_NOT_TAKEN = "Ce format de fichier n'est pas admis au dossier."
_OTHER_ID = "L'identifiant annoncé n'est pas celui du document."
UNKNOWN_TYPE = "Le type du document n'appartient pas aux types admis au dossier."
_UNKNOWN_VISIBILITY = "La confidentialité annoncée n'existe pas."
_NO_TITLE = "Donnez au document un titre de 128 caractères au plus."
_NO_IDENTIFIER = "L'identifiant du document n'est pas un OID ou un UUID."
_TITLE = 128
_UNSEEN_BY_ONESELF = "Vous ne pouvez pas vous cacher un document à vous-même."
_OF_THE_HOLDER = "Seul le titulaire du dossier cache un document à ses représentants légaux."
_LEVELS = frozenset({"N", "R", "V"})
_OF_PATIENT = frozenset(
    {ErrorCode.UNKNOWN_PATIENT, ErrorCode.NO_INS, ErrorCode.OTHER_PATIENT, ErrorCode.INCOMPLETE_INS}
)
_OID = "urn:oid:"
_ORIGINS = {
    Role.PATIENT: Origin.PATIENT,
    Role.REPRESENTATIVE: Origin.PATIENT,
    Role.STRUCTURE: Origin.STRUCTURE,
    Role.EMPLOYEE: Origin.STRUCTURE,
}


@dataclass(frozen=True, slots=True)
class Prepared:
    """One document that was looked at and sealed; a plain file is described once its record is known."""

    deposit: Deposit
    finding: Finding
    sealed: Sealed


class _Lot:
    """The submission set of one submission: the one that is there under its name, or one made at the first need."""

    def __init__(self, case: Case, known: int | None, make: Callable[[], int]) -> None:
        self._case = case
        self._number = known
        self._is_known = known is not None
        self._make = make

    def open(self) -> int:
        """Its number."""
        if self._number is None:
            self._number = self._make()
        return self._number

    def new(self) -> int:
        """Its number, for a document that is not in it yet. Raises Denied where it was closed before."""
        if self._is_known:
            raise self._case.denied(Reason.DUPLICATE)
        return self.open()

    def add(
        self, uow: UnitOfWork, found: Document, make: Callable[[UnitOfWork, Document, int], None]
    ) -> None:
        """Makes a document a member, where there is a set at all. Raises Denied as `new`."""
        if self._number is not None and not registry.is_member(uow.connection, found, self._number):
            make(uow, found, self.new())

    def membership(self, connection: Connection, found: Document) -> Membership:
        """Of a document in this set, or in the one that brought it where nothing of the submission was new."""
        number = self._number if self._number is not None else found.submission_id
        assert number is not None
        query = SubmissionQuery(ids=(number,), limit=1)
        (told,) = registry.submissions_of(connection, found.owner_id, query)
        return Membership(number, told.unique_id, self._number is not None and not self._is_known)


class Reception:
    """Looks at what is deposited, off the event loop, and files it inside a unit of work."""

    def __init__(self, vault: Vault, clock: Clock, examiner: Examiner, settings: Settings) -> None:
        self._clock = clock
        self._examiner = examiner
        self._shelf = Shelf(vault, clock)
        self._traits = Traits(settings.bridge.traits)

    async def prepare(self, caller: Caller, submission: Submission) -> list[Prepared]:
        """Examines and seals every document. Raises Denied where one of them cannot be taken."""
        if not 1 <= len(submission.deposits) + len(submission.references) <= MOST_DEPOSITS:
            raise Denied(Reason.INVALID, _TOO_MANY)
        found = [
            (deposit, finding)
            for deposit in submission.deposits
            for finding in await self._examined(caller, deposit)
        ]
        prepared: list[Prepared] = []
        try:
            for deposit, finding in found:
                prepared.append(Prepared(deposit, finding, await self._shelf.seal(finding)))
        except BaseException:
            await self.discard(prepared)
            raise
        return prepared

    async def discard(self, prepared: Sequence[Prepared]) -> None:
        """Removes what was sealed and then not filed."""
        for each in prepared:
            await self._shelf.discard(each.sealed)

    async def discard_unused(self, prepared: Sequence[Prepared], filed: Sequence[Filed]) -> None:
        """Removes what was sealed for documents that were there already."""
        pairs = zip(prepared, filed[: len(prepared)], strict=True)
        await self.discard([each for each, outcome in pairs if not outcome.is_new])

    # ref: DMP-F11
    def file(
        self,
        uow: UnitOfWork,
        case: Case,
        submission: Submission,
        prepared: Sequence[Prepared],
        act: Action,
    ) -> list[Filed]:
        """Files every document in this unit, then what the references name. Raises Denied at the first that may not be.

        A submission that is there already is the same one: it has the same documents, or is refused (DUPLICATE). A
        new one refers to those that another one brought. Without an identifier and with nothing new it is none.
        """
        connection = uow.connection
        known = registry.submission_named(connection, case.patient.owner_id, submission.unique_id)
        brought = [] if known is None else registry.members_of(connection, known)
        there = {each.sha1: each for each in brought}
        lot = _Lot(case, known, lambda: self._submit(uow, case, submission))
        referred = [_referred(connection, case, each, brought) for each in submission.references]
        filed = []
        for each in prepared:
            # A file without an identifier is known by its bytes.
            again = there.get(sha1(each.finding.data)) if each.finding.clinical is None else None
            filed.append(self._file(uow, case, each, lot, act) if again is None else _there(again))
        documents = [_document(connection, each) for each in filed]
        if submission.unique_id or referred or any(each.submission_id is None for each in documents):
            lot.open()
        for found in documents:
            lot.add(uow, found, registry.join)
        for found in referred:
            lot.add(uow, found, registry.refer)
        return [
            replace(each, membership=lot.membership(connection, found))
            for each, found in zip((*filed, *map(_there, referred)), (*documents, *referred), strict=True)
        ]

    async def _examined(self, caller: Caller, deposit: Deposit) -> list[Finding]:
        if not deposit.data:
            raise Denied(Reason.INVALID, _EMPTY)
        # ref: DMP-F5
        is_other_size = deposit.size is not None and deposit.size != len(deposit.data)
        if is_other_size or (deposit.sha1 and deposit.sha1.lower() != sha1(deposit.data)):
            raise Denied(Reason.INTEGRITY)
        if any(flag(each) not in _LEVELS | set(Visibility) for each in deposit.visibilities):
            raise Denied(Reason.INVALID, _UNKNOWN_VISIBILITY)
        findings = await self._examiner.examine_file("", deposit.data)
        for each in findings:
            if each.kind in (Kind.REFUSED, Kind.KEPT):
                reason = Reason.OTHER_PATIENT if each.code in _OF_PATIENT else Reason.INVALID
                raise Denied(reason, each.sentence or _NOT_TAKEN)
            if each.clinical is None and (
                deposit.entry is None and not deposit.type_code and not deposit.category
            ):
                raise Denied(Reason.INVALID, UNKNOWN_TYPE)
        kept = [each for each in findings if each.kind is not Kind.COPY]
        if not kept:
            raise Denied(Reason.INVALID, _NOT_TAKEN)
        if len(kept) == 1 and kept[0].clinical is not None:
            _agree(deposit, kept[0].clinical)
        return kept

    def _submit(self, uow: UnitOfWork, case: Case, submission: Submission) -> int:
        caller = case.caller
        return registry.submit(
            uow,
            {
                "owner_id": case.patient.owner_id,
                "unique_id": (submission.unique_id or _new_oid())[:256],
                "source_id": submission.source_id[:256],
                "title": submission.title[:256],
                "content_type": submission.content_type[:64],
                "depositor_id": caller.id[:64],
                "depositor_name": caller.name[:256],
                "depositor_structure": structure_of(caller)[:64],
                "submitted_at": self._clock.millis(),
            },
        )

    def _file(self, uow: UnitOfWork, case: Case, prepared: Prepared, lot: _Lot, act: Action) -> Filed:
        clinical = self._clinical(case, prepared)
        _demand(case, act, clinical)
        arrival = Arrival(
            case.patient, None, "", Structured.FILE, self._traits, depositors=_depositors(case.caller)
        )
        verdict = admit(uow.connection, arrival, clinical, sha1(prepared.finding.data))
        if verdict.state is State.REFUSED:
            raise case.denied(verdict.reason or Reason.INVALID, verdict.sentence)
        if verdict.document_id is not None:
            known = registry.document_by_id(uow.connection, verdict.document_id)
            assert known is not None
            return _there(known)
        values = document_values(prepared.finding, clinical, verdict)
        values["origin"] = _ORIGINS.get(case.caller.role, Origin.PROFESSIONAL).value
        document_id, entry_uuid = self._shelf.put(
            uow,
            prepared.sealed,
            values,
            entry=clinical.entry,
            owner_id=case.patient.owner_id,
            mail_id=0,
            sender="",
            depositor=Depositor(case.caller.id, structure_of(case.caller)),
            submission_id=lot.new(),
            entry_uuid=prepared.deposit.entry_uuid,
            verdict=verdict,
        )
        return Filed(document_id, values["unique_id"], entry_uuid, is_new=True)

    def _clinical(self, case: Case, prepared: Prepared) -> Clinical:
        """Under what a document is filed: its own words, and what was said beside it."""
        deposit, clinical = prepared.deposit, prepared.finding.clinical
        if clinical is None:
            clinical = self._described(case, deposit, prepared.finding)
        flags = {flag(each) for each in deposit.visibilities}
        visibilities = {Visibility(each) for each in flags - _LEVELS} | _visibilities(clinical)
        level = max(flags & _LEVELS | {clinical.confidentiality}, key="NRV".find)
        if case.is_own and Visibility.UNSEEN in visibilities:
            raise case.denied(Reason.INVALID, _UNSEEN_BY_ONESELF)
        # ref: DMP-F20
        if case.caller.role is Role.REPRESENTATIVE and Visibility.UNSEEN_BY_REPRESENTATIVES in visibilities:
            raise case.denied(Reason.INVALID, _OF_THE_HOLDER)
        if case.is_own and case.caller.is_secret:
            visibilities |= {Visibility.UNSEEN_BY_REPRESENTATIVES}
        relations = (
            *clinical.entry.relations,
            *(Relation("RPLC", _plain_id(target)) for target in deposit.replaces),
            *(Relation(each.kind, _plain_id(each.target)) for each in deposit.relations),
        )
        replaces = [each.target for each in relations if each.kind in registry.REPLACING]
        return replace(
            clinical,
            confidentiality=level,
            masked_to_professionals=Visibility.MASKED in visibilities,
            invisible_to_patient=Visibility.UNSEEN in visibilities,
            invisible_to_representatives=Visibility.UNSEEN_BY_REPRESENTATIVES in visibilities,
            replaces=tuple(dict.fromkeys((*clinical.replaces, *replaces))),
            entry=replace(
                clinical.entry,
                relations=tuple(dict.fromkeys(relations)),
                confidentiality_codes=confidentiality_codes(
                    level, *(each.value for each in Visibility if each in visibilities)
                ),
            ),
        )

    # ref: DMP-F29, DMP-F30
    def _described(self, case: Case, deposit: Deposit, finding: Finding) -> Clinical:
        """A file that does not speak for itself, as its depositor describes it."""
        entry = deposit.entry or DocumentEntry()
        of_patient = codes.patient_type(deposit.category) if case.is_own else None
        asked = deposit.type_code or (entry.type_code.code if entry.type_code is not None else "")
        kind = of_patient if of_patient is not None and not asked else codes.document_type(asked)
        if kind is None or kind.class_code is None:
            raise case.denied(Reason.INVALID, UNKNOWN_TYPE)
        title = " ".join((deposit.title or entry.title or kind.label).split())
        if not title or len(title) > _TITLE or not title.isprintable():
            raise case.denied(Reason.INVALID, _NO_TITLE)
        unique_id = _plain_id(deposit.unique_id or entry.unique_id) or _new_oid()
        if len(unique_id) > 256 or not unique_id.isprintable():
            raise case.denied(Reason.INVALID, _NO_IDENTIFIER)
        author = entry.authors[0] if entry.authors else _author_of(case)
        structure = author.institutions[0] if author.institutions else Organization()
        format_code = codes.format_of_media_type(finding.media_type)
        if entry.format_code is not None:
            format_code = entry.format_code.code[:128]
        now = self._clock.millis()
        return Clinical(
            unique_id=unique_id,
            set_id=None,
            version_number=1,
            title=title,
            type_code=kind.code,
            class_code=kind.class_code,
            category=(deposit.category if of_patient is not None else "")
            or codes.category(kind.code, kind.class_code),
            format_code=format_code,
            confidentiality="N",
            masked_to_professionals=False,
            invisible_to_patient=False,
            invisible_to_representatives=False,
            language=entry.language_code or "fr-FR",
            level="",
            created_at=entry.creation_time or now,
            service_start_at=deposit.service_at or entry.service_start_time or now,
            service_stop_at=entry.service_stop_time,
            author_id=f"{author.person.oid}^{author.person.id}" if author.person.id else "",
            author_name=f"{author.person.given} {author.person.family}".strip(),
            author_specialty=author.specialties[0].display if author.specialties else "",
            institution=structure.name,
            institution_id=f"{structure.oid}^{structure.id}" if structure.id else "",
            replaces=(),
            patient=_identity_of(case.patient),
            entry=replace(entry, authors=entry.authors or (author,)),
        )


def _referred(connection: Connection, case: Case, name: str, brought: Sequence[Document]) -> Document:
    """The document that a reference names, if the caller may know of it. Raises Denied.

    A current one: but what the submission already had when it was `brought` it has for good.
    """
    found = registry.resolve(connection, case.patient.owner_id, _plain_id(name))
    act = OwnAct.READ if case.is_own else Action.FIND_REFERENCE
    if found is None or found.status is Status.DELETED or case.refusal(act, case.facts(found)) is not None:
        raise case.denied(Reason.NO_DOCUMENT, _NOT_REFERRED)
    if found.status is Status.DEPRECATED and found not in brought:
        raise case.denied(Reason.STATE, _DEPRECATED, document=found)
    return found


def _document(connection: Connection, filed: Filed) -> Document:
    found = registry.document_by_id(connection, filed.document_id)
    assert found is not None
    return found


def _there(known: Document) -> Filed:
    return Filed(known.id, known.unique_id, known.entry_uuid, is_new=False)


def _demand(case: Case, act: Action, clinical: Clinical) -> None:
    if clinical.class_code is None:
        raise case.denied(Reason.INVALID, UNKNOWN_TYPE)
    reason = refusal_of(case, OwnAct.FEED if case.is_own else act, clinical)
    if reason is not None:
        raise case.denied(reason)


def refusal_of(case: Case, act: Action | OwnAct, clinical: Clinical) -> Reason | None:
    """The rules for this very document of the caller's own: its visibility, the secret of a minor; None: allowed."""
    return case.refusal(
        act,
        DocumentFacts(
            type_code=clinical.type_code,
            status=Status.APPROVED.value,
            is_masked=clinical.masked_to_professionals,
            is_unseen=clinical.invisible_to_patient,
            is_unseen_by_representatives=clinical.invisible_to_representatives,
            is_own=True,
            is_of_own_structure=True,
            is_of_patient=case.is_own,
        ),
    )


def _agree(deposit: Deposit, clinical: Clinical) -> None:
    """A CDA bears its own identifier: what is said beside it must be the same."""
    for told in (deposit.unique_id, deposit.entry.unique_id if deposit.entry is not None else ""):
        if told and identifier_key(_plain_id(told)) != identifier_key(clinical.unique_id):
            raise Denied(Reason.INVALID, _OTHER_ID)


def _visibilities(clinical: Clinical) -> set[Visibility]:
    flags = (
        clinical.masked_to_professionals,
        clinical.invisible_to_patient,
        clinical.invisible_to_representatives,
    )
    return {each for each, is_set in zip(Visibility, flags, strict=True) if is_set}


def _depositors(caller: Caller) -> frozenset[str]:
    return (
        frozenset() if caller.role is Role.OPERATOR else frozenset({caller.id, structure_of(caller)} - {""})
    )


def _author_of(case: Case) -> Author:
    """Who deposits a file that names no author is its author."""
    caller, patient = case.caller, case.patient
    structure = structure_of(caller)
    institutions = (Organization(caller.structure_name, structure),) if structure else ()
    if case.is_own:
        return Author(Person(patient.ins, patient.birth_name, patient.first_names, patient.ins_oid, "NH"))
    if caller.role is not Role.PROFESSIONAL:
        return Author(Person(family=caller.name), institutions)
    return Author(Person(caller.id, caller.name, "", PROFESSIONAL_OID, "IDNPS"), institutions)


def _identity_of(patient: Patient) -> PatientIdentity:
    first = patient.first_names.replace(",", " ").split()
    return PatientIdentity(
        patient.ins,
        patient.ins_oid,
        patient.birth_name,
        patient.first_names,
        first[0] if first else "",
        patient.birth_date,
        patient.sex,
    )


def _plain_id(identifier: str) -> str:
    """An OID as documents bear it, without the prefix of a URN."""
    plain = identifier.strip()
    return plain[len(_OID) :] if plain.lower().startswith(_OID) else plain


def _new_oid() -> str:
    return f"2.25.{uuid.uuid4().int}"
