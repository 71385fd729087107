"""Deposits what mails bring to the software of a structure: into records, into its own system, and says so once."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from directory.bals import BalState, bal_of
from directory.integration import integration_of
from dmp_bridge import record
from dmp_bridge.codes import ErrorCode
from dmp_bridge.deletion import delete
from dmp_bridge.deposit_messages import TAKEN, Planned, Writer, plan
from dmp_bridge.deposit_rules import is_refusal, rule, with_promise
from dmp_bridge.dossier import notices, traces
from dmp_bridge.dossier.notices import NoticeEvent
from dmp_bridge.dossier.standing import structure_of
from dmp_bridge.filing import Traits, document_values
from dmp_bridge.findings import unexamined
from dmp_bridge.hl7.outbox import Outbox, left_of
from dmp_bridge.intake import Examined, NotSealed, Outcome, described, filing_row, mail_of, payload_of
from dmp_bridge.lots import join
from dmp_bridge.record import Origin, State
from dmp_bridge.report import Report, compose, returning, settles
from dmp_bridge.rights.vocabulary import Action
from dmp_bridge.shelf import Depositor, Shelf
from foundation import jobs, trail
from foundation.mime.mss_headers import MssHeaders, read_mss_headers
from foundation.mime.notifications import Notification, is_answer, notified, subject_of
from foundation.vault import BlobNotFound

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from sqlalchemy import Connection

    from directory.bals import Bal
    from dmp_bridge.deposit_rules import Ruling
    from dmp_bridge.findings import Finding
    from dmp_bridge.hl7.destinations import Destination
    from dmp_bridge.hl7.outbox import Outgoing
    from dmp_bridge.intake import Mail
    from dmp_bridge.shelf import Sealed
    from foundation.clock import Clock
    from foundation.database import Database, UnitOfWork
    from foundation.jobs import Job
    from foundation.settings import Settings
    from foundation.vault import Vault

    Key = tuple[str, int]

DEPOSIT_REPORT_JOB: Final = "deposit-report"
"""Payload: that of the job "deposit", `notified` and `held`: whether the mail is kept until its sender was told."""

_REFUSED_BY_SYSTEM: Final = "Le système de l'établissement n'a pas pris le document."


class Deposits:
    """The handlers of the jobs of boxes that deposit; `outbox` is what goes on to the structures' own systems."""

    def __init__(
        self,
        database: Database,
        vault: Vault,
        clock: Clock,
        settings: Settings,
        examine: Callable[[bytes], Awaitable[tuple[Finding, ...]]],
        *,
        destinations: Mapping[str, Destination],
        tell: Callable[[UnitOfWork, Examined], None] | None = None,
    ) -> None:
        """`tell` is called inside the transaction in which the outcome of a mail is known."""
        self._database = database
        self._vault = vault
        self._clock = clock
        self._examine = examine
        self._tell = tell
        self._shelf = Shelf(vault, clock)
        self._traits = Traits(settings.bridge.traits)
        self._patient_domain = settings.patient_domain
        self._writer = Writer(settings.record.hl7_application, is_test=settings.sandbox)
        self.outbox = Outbox(database, vault, clock, destinations, self._settled)

    async def close(self) -> None:
        """Closes the connections to other systems."""
        await self.outbox.close()

    # ref: DMP-F13, F44
    async def handle(self, job: Job) -> Callable[[UnitOfWork], None]:
        """The handler of the job "deposit": examines and seals now, files in the unit that is returned."""
        mail = mail_of(job)
        try:
            message = await self._vault.read(mail.owner_id, mail.blob_id)
        except BlobNotFound:
            return _nothing  # the mail was deleted before its turn came
        subject = subject_of(message)
        if not mail.sender or is_answer(message) or is_refusal(subject):
            return _nothing  # what a system answers is no document for another one
        mss = read_mss_headers(message[: message.find(b"\r\n\r\n") + 2])
        mail = replace(mail, notified=notified(message, mail.sender), mss=mss)
        findings = with_promise(await self._examine(message), subject)

        def query(connection: Connection) -> tuple[Bal | None, list[Ruling], list[Planned | None]]:
            box = self._box(connection, mail.owner_id)
            if box is None:
                return None, [], []
            rulings = [self._rule(connection, box, mail, finding) for finding in findings]
            if not self.outbox.serves(box.address):
                return box, rulings, [None] * len(rulings)
            return box, rulings, plan(connection, findings, rulings)

        box, rulings, plans = await self._database.read(query)
        if box is None:
            return _nothing
        sealed = {
            (finding.part, finding.item): await self._shelf.seal(finding)
            for finding, ruling in zip(findings, rulings, strict=True)
            if ruling.verdict.state is State.FILED and ruling.verdict.document_id is None
        }
        letter = await self._writer.letter(self._database, message, mail, box) if any(plans) else None
        written = {
            (finding.part, finding.item): (told, await self._vault.seal(data))
            for finding, planned in zip(findings, plans, strict=True)
            if planned is not None and letter is not None
            for told, data in [
                self._writer.write(
                    planned, finding, mail, letter, box, _payload(mail, job), self._clock.now()
                )
            ]
        }

        def unit(uow: UnitOfWork) -> None:
            # One after the other: what stands twice in a mail is a duplicate of itself, and versions follow each other.
            outcomes = [
                self._carry_out(uow, mail, finding, self._rule(uow.connection, box, mail, finding), sealed)
                for finding in findings
            ]
            for unused in sealed.values():
                self._drop(uow, unused)
            self._keep(uow, mail, findings, outcomes)
            taken = {(each.part, each.item) for each in outcomes if each.state in TAKEN}
            pending = [
                self.outbox.put(uow, box.address, told, blob)
                for key, (told, blob) in written.items()
                if key in taken
            ]
            self._end(uow, mail, job, findings, outcomes, is_pending=any(pending))

        return unit

    # ref: DMP-F13
    def given_up(self, uow: UnitOfWork, job: Job) -> None:
        """The job "deposit" failed for the last time: the mail is refused (906), and its sender told of it."""
        mail = mail_of(job)
        box = self._box(uow.connection, mail.owner_id)
        if box is None or not mail.sender:
            return
        finding = unexamined()
        ruling = self._rule(uow.connection, box, mail, finding)
        outcomes = [Outcome.of(finding, ruling.verdict, None)]
        self._keep(uow, mail, [finding], outcomes)
        self._end(uow, mail, job, [finding], outcomes, is_pending=False)

    async def report(self, job: Job) -> tuple[Report | Notification | None, str]:
        """What the sender of a mail is told after a job "deposit-report", and the address of the box that tells it."""
        mail = mail_of(job)
        try:
            message = await self._vault.read(mail.owner_id, mail.blob_id)
        except BlobNotFound:
            return None, ""
        if is_refusal(subject_of(message)):
            return None, ""  # another system's answer, whose examination was given up

        def query(connection: Connection) -> tuple[list[record.Filing], Bal | None]:
            found = record.filings_of(connection, mail.owner_id, [mail.mail_id])
            return found.get(mail.mail_id, []), bal_of(connection, mail.owner_id)

        filings, box = await self._database.read(query)
        if box is None:
            return None, ""
        told = await asyncio.to_thread(
            compose,
            message,
            filings,
            sender=mail.sender,
            message_id=mail.message_id,
            recipients=(box.address,),
        )
        if isinstance(told, Report):
            told = await asyncio.to_thread(returning, told, message, filings)
        return told, box.address

    def reported(self, uow: UnitOfWork, job: Job) -> None:
        """The sender was told, or cannot be: the mail is held no longer."""
        if job.payload.get("held"):
            self._vault.release(uow, job.payload["owner_id"], job.payload["blob_id"])

    def _box(self, connection: Connection, owner_id: int) -> Bal | None:
        box = bal_of(connection, owner_id)
        if box is None or box.state is BalState.CLOSED or not integration_of(connection, owner_id).deposits:
            return None
        return box

    def _rule(self, connection: Connection, box: Bal, mail: Mail, finding: Finding) -> Ruling:
        return rule(
            connection,
            box,
            mail.sender,
            finding,
            now=self._clock.millis(),
            traits=self._traits,
            patient_domain=self._patient_domain,
        )

    def _carry_out(
        self, uow: UnitOfWork, mail: Mail, finding: Finding, ruling: Ruling, sealed: dict[Key, Sealed]
    ) -> Outcome:
        """Does what the ruling says, and writes its trace into the record."""
        verdict, caller, patient = ruling.verdict, ruling.caller, ruling.patient
        document_id = verdict.document_id
        if verdict.state is State.FILED and document_id is None:
            document_id = self._store(uow, mail, finding, ruling, sealed)
        elif verdict.state is State.DELETED and document_id is not None:
            delete(uow, caller, document_id, self._clock)
        elif verdict.reason is not None:
            traces.append(
                uow,
                caller,
                Action.DELETE if finding.deletes else Action.FEED,
                owner_id=patient.owner_id if patient is not None else None,
                reason=verdict.reason,
                clock=self._clock,
            )
        if verdict.state in (State.FILED, State.DUPLICATE) and document_id is not None:
            join(uow, document_id, finding.lots, now=self._clock.millis())
        return Outcome.of(finding, verdict, document_id)

    def _store(
        self, uow: UnitOfWork, mail: Mail, finding: Finding, ruling: Ruling, sealed: dict[Key, Sealed]
    ) -> int:
        ready = sealed.pop((finding.part, finding.item), None)
        caller, patient, clinical = ruling.caller, ruling.patient, finding.clinical
        if ready is None:
            raise NotSealed
        assert patient is not None
        assert clinical is not None
        values = document_values(finding, clinical, ruling.verdict) | {"origin": Origin.STRUCTURE.value}
        document_id, _ = self._shelf.put(
            uow,
            ready,
            values,
            entry=clinical.entry,
            owner_id=patient.owner_id,
            mail_id=0,
            sender=mail.sender,
            depositor=Depositor(caller.id, structure_of(caller)),
            verdict=ruling.verdict,
        )
        traces.append(
            uow,
            caller,
            Action.FEED,
            owner_id=patient.owner_id,
            document_id=document_id,
            clock=self._clock,
        )
        notices.leave(
            uow,
            patient.owner_id,
            NoticeEvent.DOCUMENT_ADDED,
            now=self._clock.millis(),
            document_id=document_id,
            caller=caller,
        )
        uow.publish(f"owner:{patient.owner_id}")
        return document_id

    def _keep(
        self, uow: UnitOfWork, mail: Mail, findings: Sequence[Finding], outcomes: Sequence[Outcome]
    ) -> None:
        """Keeps what became of each attachment, for the report and for the trail."""
        at = self._clock.millis()
        of_document = {
            finding.clinical.unique_id: outcome.document_id
            for finding, outcome in zip(findings, outcomes, strict=True)
            if finding.clinical is not None
        }
        rows = [
            filing_row(
                mail,
                finding,
                outcome,
                of_document.get(finding.copy_of) if finding.copy_of else outcome.document_id,
                finding.clinical,
                at,
            )
            for finding, outcome in zip(findings, outcomes, strict=True)
        ]
        record.replace_filings(uow, mail.owner_id, mail.mail_id, rows)
        for outcome in outcomes:
            trail.append(
                uow,
                f"document.{outcome.state.value}",
                actor=f"bal:{mail.owner_id}",
                subject=f"mail:{mail.mail_id}",
                outcome=outcome.code.value if outcome.code is not None else "ok",
                detail={"owner": mail.owner_id, "part": outcome.part, "document": outcome.document_id},
                clock=self._clock,
            )

    def _end(
        self,
        uow: UnitOfWork,
        mail: Mail,
        job: Job,
        findings: Sequence[Finding],
        outcomes: Sequence[Outcome],
        *,
        is_pending: bool,
    ) -> None:
        """Tells the sender, now or once the structure's own system has answered; counts the X-MSS fields now."""
        payload = _payload(mail, job)
        if is_pending:
            # A mail program may delete the mail while its other system is asked.
            self._vault.grant(uow, mail.blob_id, mail.owner_id)
            code, is_integrated = None, False
        else:
            self._answer(uow, payload)
            code, is_integrated = _told(
                [
                    (finding.kind.value, outcome.state, outcome.code)
                    for finding, outcome in zip(findings, outcomes, strict=True)
                ]
            )
        if self._tell is not None and mail.queue is not None:
            box = int(payload["box"])
            self._tell(uow, Examined(box, mail.queue, mail.mss, described(findings), code, is_integrated))

    def _settled(self, uow: UnitOfWork, outgoing: Outgoing) -> None:
        """The structure's own system has answered: its refusal is that of the document, and the last one is told."""
        if outgoing.code is not None:
            record.refuse_filing(
                uow,
                outgoing.owner_id,
                outgoing.mail_id,
                (outgoing.part, outgoing.item),
                code=outgoing.code,
                sentence=_REFUSED_BY_SYSTEM,
            )
        if left_of(uow.connection, outgoing.owner_id, outgoing.mail_id):
            return
        payload = outgoing.payload
        filings = record.filings_of(uow.connection, outgoing.owner_id, [outgoing.mail_id])
        rows = filings.get(outgoing.mail_id, [])
        if not self._answer(uow, payload | {"held": True}):
            self._vault.release(uow, outgoing.owner_id, payload["blob_id"])
        if self._tell is not None and payload.get("queue"):
            code, is_integrated = _told(
                [(row.kind, row.state, ErrorCode(row.code) if row.code else None) for row in rows]
            )
            examined = Examined(payload["box"], payload["queue"], MssHeaders(), None, code, is_integrated)
            self._tell(uow, examined)

    def _answer(self, uow: UnitOfWork, payload: Mapping[str, Any]) -> bool:
        """Leaves the job that tells the sender, where there is something to tell."""
        owner_id, mail_id = payload["owner_id"], payload["mail_id"]
        rows = record.filings_of(uow.connection, owner_id, [mail_id]).get(mail_id, [])
        results = [(row.kind, row.state) for row in rows]
        is_refused = any(state is State.REFUSED for _, state in results)
        if not is_refused and not (payload["notified"] and settles(results)):
            return False
        # The time makes a repeated report the same message, byte for byte.
        jobs.enqueue(uow, DEPOSIT_REPORT_JOB, {**payload, "at": self._clock.millis()})
        return True

    def _drop(self, uow: UnitOfWork, unused: Sealed) -> None:
        for blob in filter(None, (unused.original, unused.display)):
            self._vault.drop(uow, blob)


def _payload(mail: Mail, job: Job) -> dict[str, Any]:
    return {
        **payload_of(mail),
        "queue": mail.queue,
        "box": job.payload.get("box", mail.owner_id),
        "notified": mail.notified is not None,
    }


def _told(results: Sequence[tuple[str, State, ErrorCode | None]]) -> tuple[ErrorCode | None, bool]:
    """The code of the first refusal, and whether every clinical document is where it was sent."""
    codes = [code for _, state, code in results if state is State.REFUSED]
    if codes:
        return codes[0] or ErrorCode.OTHER, False
    return None, settles((kind, state) for kind, state, _ in results)


def _nothing(_uow: UnitOfWork) -> None:
    return None
