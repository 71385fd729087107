"""Files what the patient asks for: « Ajouter à mes documents de santé », a plain file or a clinical document."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import date as calendar_date
from datetime import datetime, time
from typing import TYPE_CHECKING, Any

from directory.patients import patient_of
from dmp_bridge import codes, record
from dmp_bridge.dossier import traces
from dmp_bridge.dossier.caller import Caller
from dmp_bridge.entry import DocumentEntry
from dmp_bridge.filing import Arrival, Structured, Traits, Verdict, admit, document_values, sha1
from dmp_bridge.findings import OFFER_BYTES, Clinical, Finding, Kind
from dmp_bridge.lots import join
from dmp_bridge.record import Filing, Origin, State, Status
from dmp_bridge.rights.vocabulary import OwnAct, Role
from dmp_bridge.shelf import Depositor
from foundation import trail
from foundation.clock import PARIS, to_millis, to_paris
from foundation.vault import BlobNotFound

if TYPE_CHECKING:
    from dmp_bridge.examiner import Examiner
    from dmp_bridge.shelf import Sealed, Shelf
    from foundation.clock import Clock
    from foundation.database import Database, UnitOfWork
    from foundation.vault import Vault

_TITLE_LENGTH = 128

FILED_BY_PATIENT = "Document ajouté à votre dossier par vous-même."
_NO_TITLE = "Donnez au document un titre de 128 caractères au plus."
_NO_CATEGORY = "Choisissez une catégorie de la liste."
_NO_DATE = "Donnez la date du document, au plus tard aujourd'hui."
_NOT_OFFERED = "Ce fichier n'est pas proposé pour vos documents de santé."
_GONE = "Ce fichier n'est plus disponible : le message a été supprimé."
_TOO_LARGE = "Ce fichier dépasse 5 Mo et ne peut pas être ajouté."
_CLOSED = "Votre dossier n'est pas ouvert."


@dataclass(frozen=True, slots=True)
class OfferAccepted:
    """The document is in the record."""

    document_id: int


@dataclass(frozen=True, slots=True)
class OfferRefused:
    """Nothing was filed; the sentence is French and says what to do."""

    sentence: str


@dataclass(frozen=True, slots=True)
class _Words:
    """What the patient chose for a clinical document; None leaves the document's own word."""

    title: str | None
    category: str | None


@dataclass(frozen=True, slots=True)
class _Wish:
    """Under what the patient files a plain file, already checked."""

    title: str
    category: str
    type_code: str
    class_code: str
    at: int


@dataclass(frozen=True, slots=True)
class _Material:
    """The bytes to file, sealed, and the finding they come from."""

    finding: Finding
    sealed: Sealed


# ref: DMP-F29
class OfferDesk:
    """Accepts offers. A second acceptance of the same offer gives the same document."""

    def __init__(
        self,
        database: Database,
        vault: Vault,
        clock: Clock,
        examiner: Examiner,
        shelf: Shelf,
        traits: Traits,
    ) -> None:
        self._database = database
        self._vault = vault
        self._clock = clock
        self._examiner = examiner
        self._shelf = shelf
        self._traits = traits

    async def accept(
        self, owner_id: int, filing_id: int, *, title: str = "", category: str = "", date: str = ""
    ) -> OfferAccepted | OfferRefused:
        """Reads the mail again, checks that the file is the one that was offered, and files it.

        A plain file needs all three words. A clinical document has its own: title and category are only what
        the patient would rather have ("" leaves them), and its date stands.
        """
        row = await self._database.read(lambda connection: record.filing(connection, owner_id, filing_id))
        settled = _settled(row)
        if settled is not None:
            return settled
        assert row is not None
        is_plain = row.kind == Kind.PLAIN.value
        wish = self._check(title, category, date) if is_plain else _words(title, category, own=row.category)
        if isinstance(wish, OfferRefused):
            return wish
        material = await self._material(row)
        if isinstance(material, OfferRefused):
            return material
        answer, unused = await self._database.write(lambda uow: self._file(uow, row, wish, material))
        if unused is not None:
            await self._shelf.discard(unused.sealed)
        return answer

    def _check(self, title: str, category: str, date: str) -> _Wish | OfferRefused:
        title = " ".join(title.split())
        if not title or len(title) > _TITLE_LENGTH or not title.isprintable():
            return OfferRefused(_NO_TITLE)
        kind = codes.patient_type(category)
        if kind is None or kind.class_code is None:
            return OfferRefused(_NO_CATEGORY)
        try:
            day = calendar_date.fromisoformat(date)
        except ValueError:
            return OfferRefused(_NO_DATE)
        if day > to_paris(self._clock.now()).date() or day.year < 1900:
            return OfferRefused(_NO_DATE)
        at = to_millis(datetime.combine(day, time(), PARIS))
        return _Wish(title, category, kind.code, kind.class_code, at)

    async def _material(self, row: Filing) -> _Material | OfferRefused:
        try:
            message = await self._vault.read(row.owner_id, row.mail_blob_id)
        except BlobNotFound:
            return OfferRefused(_GONE)
        for finding in await self._examiner.examine_message(message):
            if (finding.part, finding.item) == (row.part, row.item):
                break
        else:
            return OfferRefused(_GONE)
        # The number of a deleted mail's blob may have gone to another mail: it must be the very file offered.
        if (finding.filename[:256], finding.size) != (row.filename, row.size) or not finding.data:
            return OfferRefused(_GONE)
        if (finding.clinical is None) is not (row.kind == Kind.PLAIN.value):
            return OfferRefused(_GONE)
        if finding.clinical is None and len(finding.data) > OFFER_BYTES:
            return OfferRefused(_TOO_LARGE)
        return _Material(finding, await self._shelf.seal(finding))

    def _file(
        self, uow: UnitOfWork, row: Filing, wish: _Wish | _Words, material: _Material
    ) -> tuple[OfferAccepted | OfferRefused, _Material | None]:
        """The answer, and the material where the record did not take it."""
        settled = _settled(record.filing(uow.connection, row.owner_id, row.id))
        if settled is not None:
            return settled, material
        patient = patient_of(uow.connection, row.owner_id)
        if patient is None or not patient.box_is_open:
            return OfferRefused(_CLOSED), material
        finding = material.finding
        if isinstance(wish, _Wish):
            plain = self._plain(finding, wish)
            filed = self._store(uow, row, material, plain, DocumentEntry(), Verdict(State.FILED, ""))
            return self._accepted(uow, row, filed), None
        if not patient.record_is_open:
            return OfferRefused(_CLOSED), material
        clinical = finding.clinical
        assert clinical is not None
        arrival = Arrival(patient, row.mail_id, row.sender, Structured.FILE, self._traits)
        verdict = admit(uow.connection, arrival, clinical, sha1(finding.data))
        if verdict.state is State.REFUSED:
            return OfferRefused(verdict.sentence), material
        if verdict.document_id is not None:
            return self._accepted(uow, row, verdict.document_id), material
        values = _clinical(finding, clinical, verdict, wish)
        return self._accepted(
            uow, row, self._store(uow, row, material, values, clinical.entry, verdict)
        ), None

    def _plain(self, finding: Finding, wish: _Wish) -> dict[str, Any]:
        """The columns of a file that bears no metadata: it is the patient's own, of no set and no author."""
        return {
            "unique_id": f"2.25.{uuid.uuid4().int}",
            "set_id": None,
            "version_number": 1,
            "status": Status.APPROVED.value,
            "origin": Origin.PATIENT.value,
            "title": wish.title,
            "type_code": wish.type_code,
            "class_code": wish.class_code,
            "category": wish.category,
            "format_code": codes.format_of_media_type(finding.media_type),
            "confidentiality": "N",
            "masked_to_professionals": False,
            "invisible_to_patient": False,
            "invisible_to_representatives": False,
            "language": "fr-FR",
            "creation_at": self._clock.millis(),
            "service_start_at": wish.at,
            "service_stop_at": None,
            "author_id": "",
            "author_name": "",
            "author_specialty": "",
            "institution": "",
            "institution_id": "",
            "size": len(finding.data),
            "sha1": sha1(finding.data),
            "media_type": finding.media_type,
            "mime_type": finding.media_type,
        }

    def _store(
        self,
        uow: UnitOfWork,
        row: Filing,
        material: _Material,
        values: dict[str, Any],
        entry: DocumentEntry,
        verdict: Verdict,
    ) -> int:
        caller = Caller(
            role=Role.PATIENT, id=f"patient:{row.owner_id}", owner_id=row.owner_id, channel="portal"
        )
        document_id, _ = self._shelf.put(
            uow,
            material.sealed,
            values,
            entry=entry,
            owner_id=row.owner_id,
            mail_id=row.mail_id,
            sender=row.sender,
            depositor=Depositor(caller.id),
            verdict=verdict,
        )
        join(uow, document_id, material.finding.lots, now=self._clock.millis())
        traces.append(
            uow, caller, OwnAct.FEED, owner_id=row.owner_id, document_id=document_id, clock=self._clock
        )
        return document_id

    def _accepted(self, uow: UnitOfWork, row: Filing, document_id: int) -> OfferAccepted:
        record.settle_filing(
            uow, row.id, state=State.FILED, sentence=FILED_BY_PATIENT, document_id=document_id
        )
        trail.append(
            uow,
            "document.filed",
            actor=f"patient:{row.owner_id}",
            subject=f"mail:{row.mail_id}",
            outcome="ok",
            detail={"owner": row.owner_id, "part": row.part, "document": document_id},
            clock=self._clock,
        )
        uow.publish(f"owner:{row.owner_id}")
        return OfferAccepted(document_id)


def _words(title: str, category: str, *, own: str | None) -> _Words | OfferRefused:
    title = " ".join(title.split())
    if len(title) > _TITLE_LENGTH or not title.isprintable():
        return OfferRefused(_NO_TITLE)
    if category and category != own and codes.patient_type(category) is None:
        return OfferRefused(_NO_CATEGORY)
    return _Words(title or None, category or None)


def _clinical(finding: Finding, clinical: Clinical, verdict: Verdict, words: _Words) -> dict[str, Any]:
    """The document's own columns under the words the patient chose."""
    values = document_values(finding, clinical, verdict)
    if words.title is not None:
        values["title"] = words.title
    if words.category is not None:
        values["category"] = words.category
    return values


def _settled(row: Filing | None) -> OfferAccepted | OfferRefused | None:
    """The answer when there is nothing left to do, None for an offer that stands."""
    if row is None:
        return OfferRefused(_NOT_OFFERED)
    if row.state is State.FILED and row.document_id is not None:
        return OfferAccepted(row.document_id)
    return None if row.state is State.OFFERED else OfferRefused(_NOT_OFFERED)
