"""The transaction of a delivery: every local copy and every consequence of a message, or nothing."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from directory.bals import BalState
from foundation import jobs, trail
from mailserver import conversations
from mailserver.conversations import Received
from mailserver.delivery.recipients import Hosting, Resolution, Target, canonical, resolve
from mailserver.delivery.report import Undelivered
from mailserver.refusals import ACCOUNT_SUSPENDED, TOO_BIG, Refusal
from mailserver.store.append import INBOX, Appended, NewMail, append
from mailserver.store.tables import Flag

if TYPE_CHECKING:
    from collections.abc import Callable

    from foundation.clock import Clock
    from foundation.database import UnitOfWork
    from foundation.vault import SealedBlob, Vault
    from mailserver.delivery.prepare import Prepared
    from mailserver.delivery.receipts import Claim, Receipts
    from mailserver.envelope import Envelope
    from mailserver.imap.structure import Rendering

BRIDGE_JOB = "bridge"
SENT = "Sent"
PATIENT_MESSAGE_BYTES = 25 * 1024 * 1024
"""What Mon espace santé takes, whatever this operator's own limit is (ENS v1.3 §6)."""


class Rejected(Exception):
    """Raised inside the transaction of a delivery to undo it: nothing is stored."""

    def __init__(self, refusal: Refusal, recipient: str | None = None) -> None:
        super().__init__(refusal.code)
        self.refusal = refusal
        self.recipient = recipient


class Undeliverable(Exception):
    """Some recipients are not as the attempt expected; nothing was written."""

    def __init__(self, resolution: Resolution) -> None:
        super().__init__()
        self.resolution = resolution


@dataclass(frozen=True, slots=True)
class SentCopy:
    """A copy for the writer's own Sent folder, and what else belongs to the same transaction.

    `record` may raise Rejected.
    """

    owner_id: int
    record: Callable[[UnitOfWork, Appended], None]


@dataclass(frozen=True, slots=True)
class ReportMail:
    """A report ready to be stored in the sender's INBOX."""

    owner_id: int
    undelivered: tuple[Undelivered, ...]
    sealed: SealedBlob = field(repr=False)
    rendering: Rendering = field(repr=False)


@dataclass(frozen=True, slots=True)
class Delivery:
    """One attempt to deliver one message; `report` is for the recipients known to be out of reach."""

    envelope: Envelope
    prepared: Prepared
    claim: Claim
    sealed: SealedBlob = field(repr=False)
    sent: SentCopy | None
    report: ReportMail | None

    @property
    def actor(self) -> str:
        """Who is named in the trail."""
        if self.envelope.principal is not None:
            return f"bal:{self.envelope.principal.owner_id}"
        return f"patient:{self.sent.owner_id}" if self.sent is not None else "peer"


class LocalDelivery:
    """Writes deliveries. Its methods run inside transactions and touch nothing of the event loop's."""

    def __init__(self, hosting: Hosting, vault: Vault, receipts: Receipts, clock: Clock) -> None:
        self._hosting = hosting
        self._vault = vault
        self._receipts = receipts
        self._clock = clock

    def run(self, uow: UnitOfWork, delivery: Delivery, freed: list[bytes]) -> tuple[int, ...]:
        """Delivers; returns the owners who got a copy. Raises Rejected, Undeliverable or AlreadyDelivered."""
        resolution = self._resolve(uow, delivery)
        report = delivery.report
        if resolution.undelivered != (report.undelivered if report is not None else ()):
            raise Undeliverable(resolution)
        self._receipts.write(uow, delivery.claim, freed)
        owners = tuple(target.owner_id for target in resolution.targets)
        holders = owners if delivery.sent is None else (*owners, delivery.sent.owner_id)
        if holders:
            prepared = delivery.prepared
            blob_id = self._vault.store(uow, delivery.sealed, holders)
            new = NewMail(blob_id, len(prepared.content), prepared.rendering, prepared.at)
            for target in resolution.targets:
                self._deliver(uow, delivery, target, new, resolution)
            if delivery.sent is not None:
                kept = append(uow, delivery.sent.owner_id, SENT, replace(new, flags=int(Flag.SEEN)))
                delivery.sent.record(uow, kept)
        if report is not None:
            self._tell(uow, delivery, report)
        return owners

    def _resolve(self, uow: UnitOfWork, delivery: Delivery) -> Resolution:
        envelope = delivery.envelope
        principal = envelope.principal
        own = principal.address if principal is not None else None
        resolution = resolve(
            uow.connection,
            self._hosting,
            envelope.recipients,
            also=(own, canonical(envelope.sender), delivery.prepared.reply_to),
        )
        if own is not None:
            box = resolution.boxes.get(own)
            if box is None or box.state is not BalState.ACTIVE:
                raise Rejected(ACCOUNT_SUSPENDED)
        if len(envelope.content) > PATIENT_MESSAGE_BYTES:
            too_big = tuple(
                Undelivered(target.address, TOO_BIG) for target in resolution.targets if target.is_patient
            )
            resolution = replace(
                resolution,
                targets=tuple(target for target in resolution.targets if not target.is_patient),
                undelivered=resolution.undelivered + too_big,
            )
        return resolution

    def _deliver(
        self, uow: UnitOfWork, delivery: Delivery, target: Target, new: NewMail, resolution: Resolution
    ) -> None:
        appended = append(uow, target.owner_id, INBOX, new)
        if target.is_patient:
            self._converse(uow, delivery.prepared, target, appended, resolution)
            if delivery.prepared.has_attachments:
                payload = {
                    "owner_id": target.owner_id,
                    "mail_id": appended.mail_id,
                    "blob_id": new.blob_id,
                    "sender": delivery.envelope.sender,
                    "message_id": new.rendering.message_id,
                }
                jobs.enqueue(uow, BRIDGE_JOB, payload)
        self._trace(uow, delivery, "message.delivered", appended, "delivered")

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
        )
        conversations.receive(uow, target.owner_id, received)

    def _counterpart(self, prepared: Prepared, resolution: Resolution) -> str | None:
        """The box an answer goes to: the Reply-To of an application's box where there is one (ECO.2.2.5)."""
        reply_to = prepared.reply_to
        author = prepared.author
        if author is None or author.endswith(f"@{self._hosting.patient_domain}"):
            return None
        if reply_to is None:
            return author
        is_here = self._hosting.holds(reply_to.rpartition("@")[2])
        return reply_to if reply_to in resolution.boxes or not is_here else author

    def _tell(self, uow: UnitOfWork, delivery: Delivery, report: ReportMail) -> None:
        blob_id = self._vault.store(uow, report.sealed, (report.owner_id,))
        new = NewMail(blob_id, report.sealed.size, report.rendering, delivery.prepared.at)
        appended = append(uow, report.owner_id, INBOX, new)
        for one in report.undelivered:
            self._trace(uow, delivery, "message.reported", appended, one.refusal.code)

    def _trace(
        self, uow: UnitOfWork, delivery: Delivery, action: str, appended: Appended, outcome: str
    ) -> None:
        trail.append(
            uow,
            action,
            actor=delivery.actor,
            subject=f"mail:{appended.mail_id}",
            outcome=outcome,
            detail={"queue": delivery.prepared.queue_id, "bytes": len(delivery.prepared.content)},
            clock=self._clock,
        )
