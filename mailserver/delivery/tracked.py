"""What a delivery tells of itself: to the sender of the message it takes, and of the message that a report is about."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from foundation.mime.mss_headers import judge
from mailserver.delivery.status import xtext
from mailserver.envelope import Origin
from mailserver.tracking import answers, journal, months
from mailserver.tracking.answers import Witness
from mailserver.tracking.journal import Addressee, Submitted
from mailserver.tracking.tables import Awaited

if TYPE_CHECKING:
    from collections.abc import Mapping

    from foundation.clock import Clock
    from foundation.database import UnitOfWork
    from foundation.mime.mss_headers import MssHeader, Outcome
    from foundation.settings import Settings
    from mailserver.delivery.local import Delivery
    from mailserver.delivery.recipients import Resolution
    from mailserver.envelope import RecipientDsn

_HOUR_MILLIS = 3600 * 1000
_MAX_SUBJECT = 200
_MAX_MESSAGE_ID = 998


class Outcomes(Protocol):
    """Counts what X-MSS fields are worth; `foundation.metrics.Metrics`."""

    def mss_header(self, header: str, outcome: str) -> None: ...


class Tracker:
    """Keeps the history of messages for one operator. Its methods run inside the transaction of a delivery."""

    def __init__(self, settings: Settings, clock: Clock, outcomes: Outcomes | None = None) -> None:
        self._wait = settings.tracking.alert_hours * _HOUR_MILLIS
        self._clock = clock
        self._outcomes = outcomes

    def taken(self, uow: UnitOfWork, delivery: Delivery, resolution: Resolution) -> None:
        """A message is delivered or queued for everybody it can reach; one from elsewhere is its own operator's."""
        envelope, prepared = delivery.envelope, delivery.prepared
        if envelope.origin is Origin.SUBMISSION and envelope.principal is not None:
            sent_by = envelope.principal.bearer_id if delivery.in_name_of is not None else None
            owner_id = delivery.in_name_of or envelope.principal.owner_id
        elif delivery.sent is not None:
            sent_by, owner_id = None, delivery.sent.owner_id
        else:
            return
        outcomes = None if prepared.has_attachments else judge(prepared.mss, ())
        nil = self._count(uow, delivery, resolution, outcomes)
        if prepared.header.is_report:
            return  # nobody waits for news of a receipt
        asks = Awaited.DISPOSITION if prepared.header.asks_for_disposition else Awaited.NOTHING
        addressees = _addressees(resolution, asks, prepared.at)
        rendering = prepared.rendering
        message_id = rendering.message_id
        journal.submitted(
            uow,
            Submitted(
                owner_id,
                prepared.queue_id,
                message_id if message_id is None or len(message_id) <= _MAX_MESSAGE_ID else None,
                xtext(envelope.dsn.envid) if envelope.dsn.envid is not None else None,
                rendering.subject[:_MAX_SUBJECT],
                len(prepared.content),
                prepared.at,
                self._clock.millis(),
                nil,
                outcomes is not None,
                prepared.at + self._wait if any(each.awaits for each in addressees) else None,
                sent_by,
            ),
            addressees,
        )

    def came_back(self, uow: UnitOfWork, delivery: Delivery, owner_id: int) -> None:
        """A report was put into a box: it may be about a message that this box sent."""
        envelope, prepared = delivery.envelope, delivery.prepared
        if prepared.report is None:
            return
        witness = Witness(
            frozenset(prepared.authors), envelope.speaks_for, is_peer=envelope.origin is Origin.PEER
        )
        answers.arrived(uow, owner_id, prepared.report, witness, prepared.at)

    def _count(
        self,
        uow: UnitOfWork,
        delivery: Delivery,
        resolution: Resolution,
        outcomes: Mapping[MssHeader, Outcome] | None,
    ) -> str:
        """Counts the message among those of its box's domain; under which NIL. A patient's has none."""
        prepared = delivery.prepared
        if prepared.box is None:
            return ""
        nil = months.count_sent(
            uow,
            months.Sent(
                prepared.at,
                prepared.box.rpartition("@")[2],
                resolution.boxes[prepared.box].type,
                months.nil_of(prepared.mss),
                len(prepared.content),
                len(resolution.undelivered),
                outcomes,
            ),
        )
        if outcomes is not None and self._outcomes is not None:
            counts = self._outcomes
            uow.after_commit(lambda: count(counts, outcomes))
        return nil


def count(counts: Outcomes, outcomes: Mapping[MssHeader, Outcome]) -> None:
    """Shows in the metrics what the fields of one message were worth."""
    for header, outcome in outcomes.items():
        counts.mss_header(header.value, outcome.value)


def _addressees(resolution: Resolution, asks: Awaited, at: int) -> list[Addressee]:
    return [
        *(Addressee(each.address, each.owner_id, asks, delivered_at=at) for each in resolution.targets),
        *(
            Addressee(each.address, awaits=asks | _delivery_report(each.dsn), queued_at=at)
            for each in resolution.remote
        ),
        *(Addressee(each.address, delivered_at=at) for each in resolution.robots),
        *(Addressee(each.recipient, failed_at=at, code=each.refusal.code) for each in resolution.undelivered),
    ]


def _delivery_report(asked: RecipientDsn) -> Awaited:
    return Awaited.DELIVERY if "SUCCESS" in asked.notify else Awaited.NOTHING
