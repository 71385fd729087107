"""The bridge: takes the attachments of a patient's mail into the record, or says why not."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Self

from directory.bals import BalType, find_bal
from directory.patients import find_patient, patient_of
from dmp_bridge import record
from dmp_bridge.codes import ErrorCode
from dmp_bridge.deletion import delete
from dmp_bridge.dossier import notices, traces
from dmp_bridge.dossier.caller import Caller
from dmp_bridge.dossier.case import case_of_owner
from dmp_bridge.dossier.feeding import UNKNOWN_TYPE
from dmp_bridge.dossier.notices import NoticeEvent
from dmp_bridge.examiner import Examiner
from dmp_bridge.filing import (
    OPERATOR,
    Arrival,
    Structured,
    Traits,
    Verdict,
    admit,
    document_values,
    judge,
    refused,
    sha1,
)
from dmp_bridge.findings import Kind, unexamined
from dmp_bridge.lots import join
from dmp_bridge.offer import OfferAccepted, OfferDesk, OfferRefused
from dmp_bridge.record import State
from dmp_bridge.report import REPORT_JOB, Report, compose, settles
from dmp_bridge.rights.vocabulary import Action, Reason, Role
from dmp_bridge.shelf import Depositor, Shelf
from dmp_bridge.sniff import FileType
from foundation import jobs, trail
from foundation.mime.mss_headers import MssHeaders, read_mss_headers
from foundation.mime.notifications import Notification, is_report, notified
from foundation.vault import BlobNotFound

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from sqlalchemy import Connection

    from directory.patients import Patient
    from dmp_bridge.findings import Clinical, Finding
    from dmp_bridge.record import Filing
    from dmp_bridge.shelf import Sealed
    from foundation.clock import Clock
    from foundation.database import Database, UnitOfWork
    from foundation.jobs import Job
    from foundation.mime.mss_headers import AttachedCda
    from foundation.settings import Settings
    from foundation.vault import Vault

__all__ = ["Bridge", "Examined", "Mail", "OfferAccepted", "OfferRefused", "Outcome"]


_NO_MSS = MssHeaders()
_OPERATOR = Caller(role=Role.OPERATOR, id=OPERATOR, channel="cli")
_NAMES_NOBODY = "Ce fichier ne nomme aucun patient : il n'est pas classé."


class NotSealed(Exception):
    """The record changed between the preparation and the unit of work; the job is done again."""


@dataclass(frozen=True, slots=True)
class Mail:
    """The mail whose attachments are filed, as the job "bridge" names it.

    ``notified`` is who asks to be told also of success, by an MDN; ``queue`` the mail server's own name of the mail.
    """

    owner_id: int
    mail_id: int
    blob_id: int
    sender: str
    message_id: str | None
    notified: str | None = None
    queue: str | None = None
    mss: MssHeaders = _NO_MSS


@dataclass(frozen=True, slots=True)
class Examined:
    """What the bridge made of one mail, for whoever keeps the history of messages.

    ``refused`` is the code told to the sender; ``is_integrated``: every clinical document is in the record.
    ``documents`` are what the X-MSS fields are held against, None where an archive could not be opened.
    """

    owner_id: int
    queue: str
    mss: MssHeaders
    documents: tuple[AttachedCda, ...] | None
    refused: ErrorCode | None
    is_integrated: bool


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one attachment; ``sentence`` is French."""

    part: str
    item: int
    filename: str = field(repr=False)
    state: State
    code: ErrorCode | None
    sentence: str
    document_id: int | None

    @classmethod
    def of(cls, finding: Finding, verdict: Verdict, document_id: int | None) -> Self:
        return cls(
            finding.part,
            finding.item,
            finding.filename,
            verdict.state,
            verdict.code,
            verdict.sentence,
            document_id,
        )


class _Hidden:
    """What of one mail the patient must not see: documents, the parts that hold them, and their copies."""

    def __init__(self) -> None:
        self._parts: set[str] = set()
        self._documents: set[str] = set()

    def note(self, finding: Finding, verdict: Verdict) -> None:
        if finding.hidden or verdict.hidden:
            self._parts.add(finding.part)
        clinical = finding.clinical
        if clinical is not None and (clinical.invisible_to_patient or verdict.hidden):
            self._documents.add(clinical.unique_id)

    def covers(self, finding: Finding) -> bool:
        return finding.part in self._parts or finding.copy_of in self._documents

    def may_be_named(self, finding: Finding) -> bool:
        return finding.clinical is None or finding.clinical.unique_id not in self._documents


class Bridge:
    """From the attachments of a mail to the patient's record. `close` ends its worker processes."""

    def __init__(
        self,
        database: Database,
        vault: Vault,
        clock: Clock,
        settings: Settings,
        *,
        tell: Callable[[UnitOfWork, Examined], None] | None = None,
    ) -> None:
        """`tell` is called inside the transaction that files a mail the mail server has named."""
        self._database = database
        self._vault = vault
        self._clock = clock
        self._tell = tell
        self._structured = Structured(settings.bridge.structured)
        self._traits = Traits(settings.bridge.traits)
        self._examiner = Examiner(settings.bridge)
        # A patient who clicks does not wait behind the mails that are being examined.
        self._clicks = Examiner(settings.bridge)
        self._shelf = Shelf(vault, clock)
        self._offers = OfferDesk(database, vault, clock, self._clicks, self._shelf, self._traits)
        self._patient_domain = settings.patient_domain

    async def close(self) -> None:
        """Ends the worker processes."""
        await self._examiner.close()
        await self._clicks.close()

    async def examine(self, message: bytes) -> tuple[Finding, ...]:
        """What the attachments of an RFC 5322 message are; a message that cannot be examined is refused (906)."""
        return await self._examiner.examine_message(message)

    async def handle(self, job: Job) -> Callable[[UnitOfWork], None]:
        """The handler of the job "bridge": examines and seals now, files in the unit that is returned."""
        mail = mail_of(job)
        try:
            message = await self._vault.read(mail.owner_id, mail.blob_id)
        except BlobNotFound:
            return _nothing  # the mail was deleted before its turn came
        if is_report(message):
            return _nothing  # what a report gives back is no letter to the patient
        mss = read_mss_headers(message[: message.find(b"\r\n\r\n") + 2])
        mail = replace(mail, notified=notified(message, mail.sender), mss=mss)
        findings = await self.examine(message)
        sealed = await self._seal(mail, findings)

        def unit(uow: UnitOfWork) -> None:
            self.file(uow, mail, findings, sealed)

        return unit

    # ref: DMP-F13
    def given_up(self, uow: UnitOfWork, job: Job) -> None:
        """The job "bridge" failed for the last time: the mail is refused (906), and its sender told of it."""
        self.file(uow, mail_of(job), (unexamined(),), {})

    def file(
        self,
        uow: UnitOfWork,
        mail: Mail,
        findings: Sequence[Finding],
        sealed: Mapping[tuple[str, int], Sealed],
    ) -> tuple[Outcome, ...]:
        """Writes documents, versions, filing rows and trail in one unit; run twice it changes nothing more.

        Raises NotSealed when a document is to be filed that was not sealed beforehand.
        """
        caller = _sender(uow.connection, mail.sender)
        arrival = self._arrival(uow.connection, mail, caller)
        outcomes: list[Outcome] = []
        hidden = _Hidden()
        by_unique_id: dict[str, int] = {}
        for finding in findings:
            verdict = judge(uow.connection, arrival, finding)
            document_id = verdict.document_id
            if verdict.state is State.FILED and document_id is None:
                ready = sealed.get((finding.part, finding.item))
                if ready is None:
                    raise NotSealed
                document_id = self._store(uow, mail, caller, finding, verdict, ready)
            if verdict.state in (State.FILED, State.DUPLICATE) and document_id is not None:
                join(uow, document_id, finding.lots, now=self._clock.millis())
            if verdict.state is State.DELETED and document_id is not None:
                delete(uow, caller, document_id, self._clock)
            if verdict.state is State.REFUSED and finding.clinical is not None and verdict.reason is not None:
                self._note(uow, mail, caller, verdict, None)
            hidden.note(finding, verdict)
            if finding.clinical is not None and document_id is not None:
                by_unique_id[finding.clinical.unique_id] = document_id
            outcomes.append(Outcome.of(finding, verdict, document_id))
        rows = [
            self._row(mail, finding, outcome, by_unique_id, hidden)
            for finding, outcome in zip(findings, outcomes, strict=True)
        ]
        record.replace_filings(uow, mail.owner_id, mail.mail_id, rows)
        for outcome in outcomes:
            self._trace(uow, mail, outcome)
        results = [
            (finding.kind.value, outcome.state) for finding, outcome in zip(findings, outcomes, strict=True)
        ]
        any_refused = any(state is State.REFUSED for _, state in results)
        if (mail.sender and any_refused) or (mail.notified is not None and settles(results)):
            # The time makes a repeated report the same message, byte for byte.
            jobs.enqueue(uow, REPORT_JOB, payload_of(mail) | {"at": self._clock.millis()})
        if self._tell is not None and mail.queue is not None:
            codes = [outcome.code for outcome in outcomes if outcome.state is State.REFUSED]
            self._tell(
                uow,
                Examined(
                    mail.owner_id,
                    mail.queue,
                    mail.mss,
                    described(findings),
                    (codes[0] or ErrorCode.OTHER) if codes else None,
                    is_integrated=not any_refused and settles(results),
                ),
            )
        uow.publish(f"owner:{mail.owner_id}")
        return tuple(outcomes)

    async def report(self, job: Job) -> Report | Notification | None:
        """What the sender is told after a job "bridge-report"; None when there is nothing to send."""
        mail = mail_of(job)
        try:
            message = await self._vault.read(mail.owner_id, mail.blob_id)
        except BlobNotFound:
            return None

        def query(connection: Connection) -> tuple[list[Filing], Patient | None]:
            found = record.filings_of(connection, mail.owner_id, [mail.mail_id])
            return found.get(mail.mail_id, []), patient_of(connection, mail.owner_id)

        filings, patient = await self._database.read(query)
        recipients = () if patient is None else (f"{patient.ins}@{self._patient_domain}",)
        # The attachments of a large message are looked for in all of it.
        return await asyncio.to_thread(
            compose,
            message,
            filings,
            sender=mail.sender,
            message_id=mail.message_id,
            recipients=recipients,
        )

    async def accept_offer(
        self, owner_id: int, filing_id: int, *, title: str = "", category: str = "", date: str = ""
    ) -> OfferAccepted | OfferRefused:
        """Files an offered attachment as the patient asks: title ≤ 128, a patient's category, `YYYY-MM-DD`.

        A plain file needs all three. A clinical document keeps its own words where none are given, and its date.
        """
        return await self._offers.accept(owner_id, filing_id, title=title, category=category, date=date)

    async def deposit(self, findings: Sequence[Finding]) -> tuple[Outcome, ...]:
        """Files clinical documents that no mail brought, each into the record of the patient it names.

        A plain file names nobody and is left alone. One unit of work for all of them.
        """
        sealed = {
            (finding.part, finding.item): await self._shelf.seal(finding)
            for finding in findings
            if finding.clinical is not None
        }
        outcomes = await self._database.write(
            lambda uow: tuple(self._deposit(uow, finding, sealed) for finding in findings)
        )
        for finding, outcome in zip(findings, outcomes, strict=True):
            unused = sealed.get((finding.part, finding.item))
            if unused is not None and outcome.state is not State.FILED:
                await self._shelf.discard(unused)
        return outcomes

    def _deposit(
        self, uow: UnitOfWork, finding: Finding, sealed: Mapping[tuple[str, int], Sealed]
    ) -> Outcome:
        patient = find_patient(uow.connection, finding.ins) if finding.ins else None
        mail = Mail(patient.owner_id if patient is not None else 0, 0, 0, "", None)
        arrival = replace(self._arrival(uow.connection, mail, _OPERATOR), mail_id=None)
        if finding.kind in (Kind.PLAIN, Kind.KEPT):
            verdict = Verdict(State.KEPT, _NAMES_NOBODY)
        else:
            arrival = replace(arrival, structured=Structured.FILE)
            verdict = judge(uow.connection, arrival, finding)
            if verdict.state is State.OFFERED:
                verdict = _by_hand(uow.connection, arrival, finding)
        document_id = verdict.document_id
        if verdict.state is State.FILED and document_id is None:
            ready = sealed[finding.part, finding.item]
            document_id = self._store(uow, mail, _OPERATOR, finding, verdict, ready)
            uow.publish(f"owner:{mail.owner_id}")
        elif verdict.state is State.DELETED and document_id is not None:
            delete(uow, _OPERATOR, document_id, self._clock)
        elif verdict.reason is not None:
            self._note(uow, mail, _OPERATOR, verdict, None)
        if verdict.state in (State.FILED, State.DUPLICATE) and document_id is not None:
            join(uow, document_id, finding.lots, now=self._clock.millis())
        trail.append(
            uow,
            f"document.{verdict.state.value}",
            actor="operator",
            subject=f"patient:{mail.owner_id}" if patient is not None else "unknown",
            outcome=verdict.code.value if verdict.code is not None else "ok",
            detail={"document": document_id},
            clock=self._clock,
        )
        return Outcome.of(finding, verdict, document_id)

    def _arrival(self, connection: Connection, mail: Mail, caller: Caller) -> Arrival:
        patient = patient_of(connection, mail.owner_id)
        refusal = None
        if patient is not None:
            case = case_of_owner(connection, caller, mail.owner_id, self._clock.millis())
            refusal = case.refusal(Action.FEED)
        return Arrival(patient, mail.mail_id, mail.sender, self._structured, self._traits, refusal=refusal)

    async def _seal(self, mail: Mail, findings: Sequence[Finding]) -> dict[tuple[str, int], Sealed]:
        """Seals what is going to be filed as far as the record tells now; nothing is sealed to be refused."""

        def expected(connection: Connection) -> list[Finding]:
            arrival = self._arrival(connection, mail, _sender(connection, mail.sender))
            return [
                finding
                for finding in findings
                if (verdict := judge(connection, arrival, finding)).state is State.FILED
                and verdict.document_id is None
            ]

        return {
            (finding.part, finding.item): await self._shelf.seal(finding)
            for finding in await self._database.read(expected)
        }

    def _store(
        self,
        uow: UnitOfWork,
        mail: Mail,
        caller: Caller,
        finding: Finding,
        verdict: Verdict,
        sealed: Sealed,
    ) -> int:
        assert finding.clinical is not None
        document_id, _ = self._shelf.put(
            uow,
            sealed,
            document_values(finding, finding.clinical, verdict),
            entry=finding.clinical.entry,
            owner_id=mail.owner_id,
            mail_id=mail.mail_id,
            sender=mail.sender,
            depositor=Depositor(caller.id, caller.structure_id),
            verdict=verdict,
        )
        self._note(uow, mail, caller, verdict, document_id)
        notices.leave(
            uow,
            mail.owner_id,
            NoticeEvent.DOCUMENT_ADDED,
            now=self._clock.millis(),
            document_id=document_id,
            caller=caller,
        )
        return document_id

    def _note(
        self, uow: UnitOfWork, mail: Mail, caller: Caller, verdict: Verdict, document_id: int | None
    ) -> None:
        """The trace in the record itself, beside that in the history of the mail."""
        traces.append(
            uow,
            caller,
            Action.FEED,
            owner_id=mail.owner_id or None,
            document_id=document_id,
            reason=verdict.reason,
            clock=self._clock,
        )

    def _row(
        self,
        mail: Mail,
        finding: Finding,
        outcome: Outcome,
        by_unique_id: Mapping[str, int],
        hidden: _Hidden,
    ) -> dict[str, object]:
        document_id = by_unique_id.get(finding.copy_of) if finding.copy_of else outcome.document_id
        clinical = finding.clinical if hidden.may_be_named(finding) else None
        return filing_row(mail, finding, outcome, document_id, clinical, self._clock.millis()) | {
            "hidden": hidden.covers(finding)
        }

    # ref: DMP-F27, DMP-F43
    def _trace(self, uow: UnitOfWork, mail: Mail, outcome: Outcome) -> None:
        # IHE ITI-32 asks for an audit of every import, refused ones too; ids only.
        trail.append(
            uow,
            f"document.{outcome.state.value}",
            actor="system",
            subject=f"mail:{mail.mail_id}",
            outcome=outcome.code.value if outcome.code is not None else "ok",
            detail={"owner": mail.owner_id, "part": outcome.part, "document": outcome.document_id},
            clock=self._clock,
        )


def filing_row(
    mail: Mail, finding: Finding, outcome: Outcome, document_id: int | None, named: Clinical | None, at: int
) -> dict[str, object]:
    """What became of one attachment, as a row; `named` is the document whose title may be told."""
    return {
        "owner_id": mail.owner_id,
        "mail_id": mail.mail_id,
        "mail_blob_id": mail.blob_id,
        "part": finding.part[:64],
        "item": finding.item,
        "filename": finding.filename[:256],
        "media_type": finding.media_type[:100],
        "size": finding.size,
        "kind": finding.kind.value,
        "state": outcome.state.value,
        "code": None if outcome.code is None else outcome.code.value,
        "sentence": outcome.sentence,
        "document_id": document_id,
        "title": None if named is None else named.title[:128],
        "category": None if named is None else named.category[:16],
        "hidden": False,
        "sender": mail.sender[:320],
        "at": at,
    }


def _sender(connection: Connection, address: str) -> Caller:
    """Whoever sent a mail, as far as this operator knows: the holder of a hosted box, or an address."""
    box = find_bal(connection, address) if address else None
    idnat = box.idnat if box is not None and box.idnat else ""
    is_person = box is None or box.type is BalType.PER
    return Caller(
        role=Role.PROFESSIONAL if is_person else Role.STRUCTURE, id=idnat, name=address, channel="mail"
    )


def _by_hand(connection: Connection, arrival: Arrival, finding: Finding) -> Verdict:
    """The verdict on what a mail would offer to its patient: without a mail nobody is asked, as in a deposit."""
    assert finding.clinical is not None
    if finding.clinical.class_code is None:
        return refused(Reason.INVALID, UNKNOWN_TYPE)
    return admit(connection, arrival, finding.clinical, sha1(finding.data))


def mail_of(job: Job) -> Mail:
    """The mail that a job names."""
    payload = job.payload
    return Mail(
        owner_id=payload["owner_id"],
        mail_id=payload["mail_id"],
        blob_id=payload["blob_id"],
        sender=payload.get("sender") or "",
        message_id=payload.get("message_id"),
        queue=payload.get("queue"),
    )


def described(findings: Sequence[Finding]) -> tuple[AttachedCda, ...] | None:
    """What the X-MSS fields are held against; None where nobody can tell what is in an archive."""
    shut = {FileType.ZIP.value, ""}
    if any(each.kind is Kind.REFUSED and each.cda is None and each.media_type in shut for each in findings):
        return None
    return tuple(each.cda for each in findings if each.cda is not None)


def payload_of(mail: Mail) -> dict[str, object]:
    """What a job on this mail bears."""
    return {
        "owner_id": mail.owner_id,
        "mail_id": mail.mail_id,
        "blob_id": mail.blob_id,
        "sender": mail.sender,
        "message_id": mail.message_id,
    }


def _nothing(_uow: UnitOfWork) -> None:
    return None
