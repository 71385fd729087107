"""The transaction of a delivery: every local copy and every consequence of a message, or nothing."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from directory.bals import BalState
from foundation import jobs, trail
from foundation.identifiers import Address
from mailserver import conversations
from mailserver.conversations import Received
from mailserver.delivery import absence_answer, integration, robot
from mailserver.delivery.notify import Action, Notice, Reported
from mailserver.delivery.recipients import (
    PATIENT_CAUSES,
    Hosting,
    Resolution,
    Robot,
    Target,
    canonical,
    reach,
    resolve,
)
from mailserver.delivery.report import Undelivered
from mailserver.envelope import Origin
from mailserver.outbound.queue import OutboundMail, enqueue, queue_owner
from mailserver.refusals import ACCOUNT_SUSPENDED, SENDER_NOT_OWNED, TOO_BIG, Refusal
from mailserver.store.append import INBOX, Appended, NewMail, append
from mailserver.store.tables import Flag

if TYPE_CHECKING:
    from collections.abc import Callable

    from foundation.clock import Clock
    from foundation.database import UnitOfWork
    from foundation.settings import Settings
    from foundation.vault import SealedBlob, Vault
    from mailserver.delivery.notify import PreparedNotice, Reporter
    from mailserver.delivery.prepare import Prepared
    from mailserver.delivery.receipts import Claim, Receipts
    from mailserver.delivery.recipients import TrustedSpace
    from mailserver.delivery.tracked import Tracker
    from mailserver.envelope import Envelope, RecipientDsn

BRIDGE_JOB = "bridge"
SENT = "Sent"
PATIENT_MESSAGE_BYTES = 25 * 1024 * 1024
"""What Mon espace santé takes, whatever this operator's own limit is (ENS v1.3 §6)."""
_REPORTED = PATIENT_CAUSES | {TOO_BIG}


class Rejected(Exception):
    """Raised inside the transaction of a delivery to undo it: nothing is stored."""

    def __init__(self, refusal: Refusal, recipient: str | None = None) -> None:
        super().__init__(refusal.code)
        self.refusal = refusal
        self.recipient = recipient


class Untold(Exception):
    """The sender is to be told something else than the attempt expected; nothing was written."""

    def __init__(self, notices: tuple[Notice, ...]) -> None:
        super().__init__()
        self.notices = notices


@dataclass(frozen=True, slots=True)
class SentCopy:
    """A copy for the writer's own Sent folder, and what else belongs to the same transaction.

    `record` may raise Rejected.
    """

    owner_id: int
    record: Callable[[UnitOfWork, Appended], None]


@dataclass(frozen=True, slots=True)
class Delivery:
    """One attempt to deliver one message; `notices` is what its sender is told in the same transaction."""

    envelope: Envelope
    prepared: Prepared
    claim: Claim
    sealed: SealedBlob = field(repr=False)
    sent: SentCopy | None
    notices: tuple[PreparedNotice, ...] = ()
    in_name_of: int | None = None
    """The owner of the box in whose name somebody else sends it, as the transaction finds it."""

    @property
    def actor(self) -> str:
        """Who is named in the trail."""
        if self.envelope.principal is not None:
            return f"bal:{self.envelope.principal.bearer_id}"
        if self.sent is not None:
            return f"patient:{self.sent.owner_id}"
        return "system" if self.envelope.origin is Origin.HOUSE else "peer"


class LocalDelivery:
    """Writes deliveries. Its methods run inside transactions and touch nothing of the event loop's."""

    def __init__(
        self,
        settings: Settings,
        vault: Vault,
        receipts: Receipts,
        reporter: Reporter,
        tracker: Tracker,
        clock: Clock,
        trust: TrustedSpace | None,
    ) -> None:
        self._hosting = Hosting(settings)
        self._reports = settings.patients.undeliverable == "report"
        self._vault = vault
        self._receipts = receipts
        self._reporter = reporter
        self._tracker = tracker
        self._clock = clock
        self._trust = trust

    def run(self, uow: UnitOfWork, delivery: Delivery, freed: list[bytes]) -> tuple[int, ...]:
        """Delivers; returns the owners who got a copy. Raises Rejected, Untold or AlreadyDelivered."""
        resolution = self._resolve(uow, delivery)
        delivery = _in_whose_name(delivery, resolution)
        notices = self._notices(delivery, resolution)
        if notices != tuple(prepared.notice for prepared in delivery.notices):
            raise Untold(notices)
        self._receipts.write(uow, delivery.claim, freed)
        forwards = integration.forwards(uow.connection, delivery.prepared, resolution)
        owners = (
            *(target.owner_id for target in resolution.targets),
            *(forward.owner_id for forward in forwards),
        )
        holders = owners if delivery.sent is None else (*owners, delivery.sent.owner_id)
        if resolution.remote:
            holders = (*holders, queue_owner(uow, self._vault))
        if holders:
            prepared = delivery.prepared
            blob_id = self._vault.store(uow, delivery.sealed, holders)
            new = NewMail(blob_id, len(prepared.content), prepared.rendering, prepared.at)
            for target in resolution.targets:
                self._deliver(uow, delivery, target, new, resolution)
            for forward in forwards:
                self._forward(uow, delivery, forward, new)
            if resolution.remote:
                self._enqueue(uow, delivery, blob_id, resolution)
            if delivery.sent is not None:
                kept = append(uow, delivery.sent.owner_id, SENT, replace(new, flags=int(Flag.SEEN)))
                delivery.sent.record(uow, kept)
        else:
            self._vault.drop(uow, delivery.sealed)
        if resolution.robots:
            taken = robot.take(uow, delivery.envelope, delivery.prepared, resolution.robots[0])
            self._trace_queued(uow, delivery, "message.taken", "to-answer" if taken else "no-answer")
        for notice in delivery.notices:
            self._reporter.put(uow, notice, actor=delivery.actor)
        for one in resolution.undelivered:
            if not _wants(one.asked, "FAILURE"):
                self._trace_queued(uow, delivery, "message.dropped", one.refusal.code)
        self._tracker.taken(uow, delivery, resolution)
        return owners

    def _resolve(self, uow: UnitOfWork, delivery: Delivery) -> Resolution:
        envelope = delivery.envelope
        principal = envelope.principal
        own = principal.address if principal is not None else None
        resolution = resolve(
            uow.connection,
            self._hosting,
            envelope.recipients,
            beyond=reach(envelope.origin, self._trust),
            also=(own, delivery.prepared.box, canonical(envelope.sender), delivery.prepared.reply_to),
            dsn=envelope.dsn,
        )
        if envelope.origin is not Origin.HOUSE:
            resolution = resolution.without_full()
        if own is not None:
            box = resolution.boxes.get(own)
            if box is None or box.state is not BalState.ACTIVE:
                raise Rejected(ACCOUNT_SUSPENDED)
        if len(envelope.content) > PATIENT_MESSAGE_BYTES:
            too_big = tuple(
                Undelivered(target.address, TOO_BIG, target.asked)
                for target in resolution.targets
                if target.is_patient
            )
            resolution = replace(
                resolution,
                targets=tuple(target for target in resolution.targets if not target.is_patient),
                undelivered=resolution.undelivered + too_big,
            )
        if resolution.undelivered:
            self._check_undelivered(envelope, resolution)
        return resolution

    def _check_undelivered(self, envelope: Envelope, resolution: Resolution) -> None:
        """Refuses the whole where nobody gets it, or where its sender could not be told who does not."""
        by_rule = self._reports and all(one.refusal in _REPORTED for one in resolution.undelivered)
        if not (resolution.reaches_somebody or by_rule) or not self._can_be_told(envelope.sender, resolution):
            first = resolution.undelivered[0]
            raise Rejected(first.refusal, first.recipient)

    def _can_be_told(self, sender: str, resolution: Resolution) -> bool:
        """Whether a report finds its way: never to the null reverse-path (RFC 5321 §6.1)."""
        address = Address.parse(sender)
        if address is None:
            return False
        if self._hosting.holds(address.domain):
            box = resolution.boxes.get(str(address))
            return box is not None and box.state is not BalState.CLOSED
        listed = reach(Origin.HOUSE, self._trust)
        return not isinstance(listed, Refusal) and address.domain in listed

    # ref: F14
    def _notices(self, delivery: Delivery, resolution: Resolution) -> tuple[Notice, ...]:
        """What the sender is told at once: who does not get the message, and who got it where that was asked."""
        envelope = delivery.envelope
        if not (resolution.undelivered or envelope.dsn.by_recipient) or not envelope.sender:
            return ()
        failed = tuple(
            Reported(one.recipient, one.refusal, one.asked.orcpt)
            for one in resolution.undelivered
            if _wants(one.asked, "FAILURE")
        )
        takers: tuple[Target | Robot, ...] = (*resolution.targets, *resolution.robots)
        delivered = tuple(
            Reported(one.address, orcpt=one.asked.orcpt) for one in takers if "SUCCESS" in one.asked.notify
        )
        return tuple(
            Notice(
                envelope.sender,
                action,
                recipients,
                delivery.prepared.queue_id,
                delivery.prepared.at,
                delivery.prepared.content,
                envelope.dsn.envid,
                envelope.dsn.ret,
            )
            for action, recipients in ((Action.FAILED, failed), (Action.DELIVERED, delivered))
            if recipients
        )

    def _enqueue(self, uow: UnitOfWork, delivery: Delivery, blob_id: int, resolution: Resolution) -> None:
        envelope, prepared = delivery.envelope, delivery.prepared
        sender = Address.parse(envelope.sender)
        reverse_path = f"{sender.local}@{sender.domain}" if sender is not None else envelope.sender
        mail = OutboundMail(
            prepared.queue_id,
            reverse_path,
            blob_id,
            len(prepared.content),
            prepared.at,
            envelope.dsn.ret,
            envelope.dsn.envid,
            # Asked for by programs that do not need it: what is plain ASCII goes to every peer (RFC 6531 §3.3).
            envelope.utf8 and not (reverse_path.isascii() and prepared.header.kept.isascii()),
        )
        enqueue(uow, mail, resolution.remote)
        self._trace_queued(uow, delivery, "message.queued", "queued")

    def _deliver(
        self, uow: UnitOfWork, delivery: Delivery, target: Target, new: NewMail, resolution: Resolution
    ) -> None:
        appended = append(uow, target.owner_id, INBOX, new)
        self._tracker.came_back(uow, delivery, target.owner_id)
        if target.is_patient:
            self._converse(uow, delivery.prepared, target, appended, resolution)
            if delivery.prepared.has_attachments:
                payload = {
                    "owner_id": target.owner_id,
                    "mail_id": appended.mail_id,
                    "blob_id": new.blob_id,
                    "sender": delivery.envelope.sender,
                    "message_id": new.rendering.message_id,
                    "queue": delivery.prepared.queue_id,
                }
                jobs.enqueue(uow, BRIDGE_JOB, payload)
        else:
            absence_answer.take(uow, delivery.envelope, delivery.prepared, target, resolution)
            if resolution.boxes[target.address].deposits:
                integration.leave_job(uow, delivery, appended, new.blob_id, target.owner_id, target.owner_id)
        self._trace(uow, delivery, appended, "message.delivered", target.owner_id)

    # ref: DMP-F13
    def _forward(
        self, uow: UnitOfWork, delivery: Delivery, forward: integration.Forward, new: NewMail
    ) -> None:
        appended = append(uow, forward.owner_id, INBOX, new)
        integration.leave_job(uow, delivery, appended, new.blob_id, forward.owner_id, forward.passed_by)
        self._trace(uow, delivery, appended, "message.forwarded", forward.owner_id)

    def _converse(
        self, uow: UnitOfWork, prepared: Prepared, target: Target, appended: Appended, resolution: Resolution
    ) -> None:
        counterpart = self._counterpart(prepared, resolution)
        if counterpart is None:
            return
        rendering = prepared.rendering
        references = rendering.references
        if rendering.in_reply_to is not None and rendering.in_reply_to not in references:
            references = (*references, rendering.in_reply_to)
        received = Received(
            appended.mail_id,
            counterpart,
            rendering.subject,
            rendering.message_id,
            references,
            prepared.at,
            prepared.ending,
            is_automatic=robot.is_automatic_answer(prepared),
        )
        conversations.receive(uow, target.owner_id, received)

    # ref: F32
    def _counterpart(self, prepared: Prepared, resolution: Resolution) -> str | None:
        """The box an answer goes to: the Reply-To of an application's box where there is one (ECO.2.2.5)."""
        reply_to = prepared.reply_to
        author = prepared.author
        if author is None or author.endswith(f"@{self._hosting.patient_domain}"):
            return None
        if reply_to is None:
            return author
        domain = reply_to.rpartition("@")[2]
        if self._hosting.holds(domain):
            return reply_to if reply_to in resolution.boxes else author
        listed = reach(Origin.HOUSE, self._trust)
        return reply_to if isinstance(listed, Refusal) or domain in listed else author

    def _trace(
        self, uow: UnitOfWork, delivery: Delivery, appended: Appended, action: str, owner_id: int
    ) -> None:
        trail.append(
            uow,
            action,
            actor=delivery.actor,
            subject=f"mail:{appended.mail_id}",
            outcome="delivered",
            detail={**_detail(delivery), "owner": owner_id},
            clock=self._clock,
        )

    def _trace_queued(self, uow: UnitOfWork, delivery: Delivery, action: str, outcome: str) -> None:
        trail.append(
            uow,
            action,
            actor=delivery.actor,
            subject=f"queue:{delivery.prepared.queue_id}",
            outcome=outcome,
            detail=_detail(delivery),
            clock=self._clock,
        )


def _in_whose_name(delivery: Delivery, resolution: Resolution) -> Delivery:
    principal, box = delivery.envelope.principal, delivery.prepared.box
    if principal is None or box is None:
        return delivery
    found = resolution.boxes.get(box)
    if found is None or found.state is not BalState.ACTIVE:
        raise Rejected(SENDER_NOT_OWNED)
    return delivery if found.owner_id == principal.bearer_id else replace(delivery, in_name_of=found.owner_id)


def _detail(delivery: Delivery) -> dict[str, str | int]:
    detail: dict[str, str | int] = {
        "queue": delivery.prepared.queue_id,
        "bytes": len(delivery.prepared.content),
    }
    if delivery.in_name_of is not None:
        detail["box"] = delivery.in_name_of
    return detail


def _wants(asked: RecipientDsn, what: str) -> bool:
    """Whether a report of this kind is due; failures are told to whoever asked for nothing (RFC 3461 §4.1)."""
    return not asked.notify or what in asked.notify
