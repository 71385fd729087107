"""Takes a message from the edge to the disk, and answers only when it is there.

On the disk it lies in boxes of this operator, in the queue for others, or both: one transaction takes it all.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

from mailserver.delivery.local import Delivery, LocalDelivery, Rejected, Untold
from mailserver.delivery.notify import Reporter
from mailserver.delivery.peer_author import peer_author
from mailserver.delivery.prepare import Prepared, prepare
from mailserver.delivery.receipts import AlreadyDelivered, Receipts
from mailserver.delivery.recipients import Hosting, canonical
from mailserver.delivery.trace import check_author, is_safe_path, new_queue_id
from mailserver.delivery.tracked import Tracker
from mailserver.envelope import Accepted, Origin, Refused
from mailserver.refusals import (
    FROM_NOT_OWNED,
    INTERNAL,
    INVALID_ADDRESS,
    NO_RECIPIENT,
    TOO_BIG,
    TOO_MANY_RECIPIENTS,
    Refusal,
)
from mailserver.rules import owned_addresses

if TYPE_CHECKING:
    from foundation.clock import Clock
    from foundation.database import Database
    from foundation.settings import Settings
    from foundation.vault import Vault
    from mailserver.delivery.local import SentCopy
    from mailserver.delivery.receipts import Claim
    from mailserver.delivery.recipients import TrustedSpace
    from mailserver.delivery.tracked import Outcomes
    from mailserver.envelope import Envelope

_LIGHT_BYTES = 32 * 1024
_LIGHT_HEADER_BYTES = 8 * 1024
_LIGHT_DASH_LINES = 24
_ATTEMPTS = 3


class Router:
    """Delivers to the boxes of one operator, and queues for the others that `trust` lists."""

    def __init__(
        self,
        database: Database,
        vault: Vault,
        clock: Clock,
        settings: Settings,
        trust: TrustedSpace | None = None,
        outcomes: Outcomes | None = None,
    ) -> None:
        self._database = database
        self._vault = vault
        self._clock = clock
        self._settings = settings
        self._trust = trust
        self._hosting = Hosting(settings)
        self._receipts = Receipts(database, clock)
        self._reporter = Reporter(vault, clock, settings, trust)
        tracker = Tracker(settings, clock, outcomes)
        self._local = LocalDelivery(settings, vault, self._receipts, self._reporter, tracker, clock, trust)

    async def deliver(self, envelope: Envelope, sent: SentCopy | None = None) -> Accepted | Refused:
        """Delivers to every recipient, or to none; what is accepted is on disk.

        A recipient that cannot be reached any more is told to a local sender by a report; the very same envelope
        sent again because no reply came is accepted without a second copy.
        """
        refusal = self._limits(envelope)
        if refusal is not None:
            return Refused(refusal)
        queue_id = new_queue_id(self._clock.millis())
        arguments = (envelope, queue_id, self._clock.now(), self._settings.hostname)
        if _is_light(envelope.content):
            prepared = prepare(*arguments)
        else:
            prepared = await asyncio.to_thread(prepare, *arguments)
        if isinstance(prepared, Refusal):
            return Refused(prepared)
        refusal = self._author(envelope, prepared)
        if refusal is not None:
            return Refused(refusal)
        claim = await self._receipts.claim(prepared.digest, queue_id)
        try:
            owners = await self._deliver(envelope, prepared, claim, sent)
        except asyncio.CancelledError:
            # The writer may still commit: a retransmission finds the receipt, or no trace at all.
            self._receipts.committed(claim)
            raise
        except AlreadyDelivered:
            owners = ()
        except Rejected as rejected:
            self._receipts.withdraw(claim)
            return Refused(rejected.refusal, rejected.recipient)
        except BaseException:
            self._receipts.withdraw(claim)
            raise
        self._receipts.committed(claim)
        return Accepted(queue_id, owners)

    async def acknowledged(self, accepted: Accepted) -> None:
        """The 250 went out: the same bytes from now on are a new message."""
        self.settled(accepted)

    def settled(self, accepted: Accepted) -> None:
        """As `acknowledged`, for a caller inside the event loop that is no conversation."""
        self._receipts.acknowledge(accepted.queue_id)

    async def close(self) -> None:
        """Writes what was put off; call before the database closes."""
        await self._receipts.close()

    def _limits(self, envelope: Envelope) -> Refusal | None:
        if not envelope.recipients:
            return NO_RECIPIENT
        if len(envelope.recipients) > self._settings.limits.recipients:
            return TOO_MANY_RECIPIENTS
        if len(envelope.content) > self._settings.limits.message_bytes:
            return TOO_BIG
        if not all(is_safe_path(address) for address in (envelope.sender, *envelope.recipients)):
            return INVALID_ADDRESS
        return None

    def _author(self, envelope: Envelope, prepared: Prepared) -> Refusal | None:
        principal = envelope.principal
        if principal is None:
            return (
                prepared.author_refusal
                or self._patient_author(envelope, prepared)
                or self._peer_author(envelope, prepared)
            )
        if prepared.author_refusal is not FROM_NOT_OWNED:
            return prepared.author_refusal
        owned = self._database.read_now(lambda connection: owned_addresses(connection, principal))
        return check_author(prepared.header, prepared.authors, owned)

    def _patient_author(self, envelope: Envelope, prepared: Prepared) -> Refusal | None:
        """Nobody but the patient of the reverse-path writes as a patient: RCPT has judged that one alone.

        What the house writes itself on a patient's behalf, a notification, has the null reverse-path (RFC 8098 §3).
        """
        if envelope.origin is Origin.HOUSE:
            return None
        ending = f"@{self._hosting.patient_domain}"
        named = (*prepared.authors, *prepared.header.sender)
        patients = {author for author in named if author.endswith(ending)}
        return FROM_NOT_OWNED if patients - {canonical(envelope.sender)} else None

    def _peer_author(self, envelope: Envelope, prepared: Prepared) -> Refusal | None:
        listed = self._trust.white_list if self._trust is not None else None
        return peer_author(envelope, prepared, self._hosting, listed if listed is not None else frozenset())

    async def _deliver(
        self, envelope: Envelope, prepared: Prepared, claim: Claim, sent: SentCopy | None
    ) -> tuple[int, ...]:
        sealed = await self._vault.seal(prepared.content)
        delivery = Delivery(envelope, prepared, claim, sealed, sent)
        try:
            for _ in range(_ATTEMPTS):
                try:
                    return await self._attempt(delivery)
                except Untold as untold:
                    await self._discard(delivery)
                    delivery = replace(delivery, notices=())
                    notices = [await self._reporter.prepare(notice) for notice in untold.notices]
                    delivery = replace(delivery, notices=tuple(notices))
            raise Rejected(INTERNAL)
        except Exception:
            # Not for a cancellation: the writer may have committed rows that name these files.
            await self._vault.discard(sealed)
            await self._discard(delivery)
            raise

    async def _attempt(self, delivery: Delivery) -> tuple[int, ...]:
        freed = self._receipts.take_freed()
        try:
            owners = await self._database.write(lambda uow: self._local.run(uow, delivery, freed))
        except BaseException:
            self._receipts.give_back(freed)
            raise
        self._receipts.gone(freed)
        return owners

    async def _discard(self, delivery: Delivery) -> None:
        for prepared in delivery.notices:
            await self._reporter.discard(prepared)


def _is_light(content: bytes) -> bool:
    """Whether a message is surely read in a millisecond or two; any other one leaves the event loop.

    Parts and addresses cost more than bytes: a small message can hold thousands of them.
    """
    return (
        len(content) <= _LIGHT_BYTES
        and 0 <= content.find(b"\r\n\r\n") <= _LIGHT_HEADER_BYTES
        and content.count(b"\n--") <= _LIGHT_DASH_LINES
    )
