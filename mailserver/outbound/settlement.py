"""The one transaction that ends an attempt: who is done, who waits on, what the sender is told, what is claimed next."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from sqlalchemy import bindparam, delete, select, update

from foundation import trail
from foundation.vault import BlobDamaged, BlobNotFound
from mailserver.delivery.notify import Action, Notice
from mailserver.outbound.claims import Claim, claim_next, tried_at
from mailserver.outbound.content import header_of
from mailserver.outbound.queue import queue_owner
from mailserver.outbound.tables import (
    Stage,
    outbound_delivery,
    outbound_domain,
    outbound_message,
    outbound_recipient,
)
from mailserver.outbound.verdict import Verdict, codes, is_final, told_of, told_of_relay, verdict_on, words_of
from mailserver.tracking import journal
from mailserver.tracking.journal import Setback

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from foundation.clock import Clock
    from foundation.database import Database, UnitOfWork
    from foundation.settings import Settings
    from foundation.vault import Vault
    from mailserver.delivery.notify import PreparedNotice, Reported
    from mailserver.outbound.claims import Claimed
    from mailserver.outbound.outcome import Failure, Outcome
    from mailserver.outbound.schedule import Schedule
    from mailserver.outbound.verdict import Fate

_D = outbound_delivery.c
_R = outbound_recipient.c
_WHOLE_BYTES = 64 * 1024
_RETURNED_BYTES = 1024 * 1024

_DELETE_DELIVERY = delete(outbound_delivery).where(
    _D.message_id == bindparam("key"), _D.domain == bindparam("of")
)
_ANY_LEFT = select(_D.domain).where(_D.message_id == bindparam("key")).limit(1)
_DELETE_MESSAGE = delete(outbound_message).where(outbound_message.c.id == bindparam("key"))
_DELETE_RECIPIENT = delete(outbound_recipient).where(
    _R.message_id == bindparam("key"), _R.domain == bindparam("of"), _R.address == bindparam("who")
)
_DEFER = (
    update(outbound_delivery)
    .where(_D.message_id == bindparam("key"), _D.domain == bindparam("of"))
    .values(
        claimed_by=None,
        next_at=bindparam("at"),
        attempts=bindparam("tries"),
        code=bindparam("cause"),
        reply=bindparam("said"),
    )
)
_DEFER_RECIPIENT = (
    update(outbound_recipient)
    .where(_R.message_id == bindparam("key"), _R.domain == bindparam("of"), _R.address == bindparam("who"))
    .values(code=bindparam("cause"), reply=bindparam("said"))
)
_WARNED = (
    update(outbound_delivery)
    .where(_D.message_id == bindparam("key"), _D.domain == bindparam("of"), _D.stage == Stage.WAITING)
    .values(stage=Stage.WARNED)
)
_UNCLAIM = (
    update(outbound_delivery)
    .where(_D.message_id == bindparam("key"), _D.domain == bindparam("of"))
    .values(claimed_by=None)
)
_BACK_OFF = (
    update(outbound_domain)
    .where(outbound_domain.c.domain == bindparam("of"))
    .values(
        failures=bindparam("count"), next_at=bindparam("at"), code=bindparam("cause"), reply=bindparam("said")
    )
)


class AlreadySettled(Exception):
    """The message is not in the queue any more: an end that is written twice would free a body of somebody else."""


class Reports(Protocol):
    """Writes reports to senders; `mailserver.delivery.notify.Reporter`."""

    async def prepare(self, notice: Notice) -> PreparedNotice: ...
    def put(self, uow: UnitOfWork, prepared: PreparedNotice) -> None: ...
    async def discard(self, prepared: PreparedNotice) -> None: ...


class Counts(Protocol):
    """Counts attempts; `foundation.metrics.Metrics`."""

    def outbound(self, outcome: str, code: str = "", recipients: int = 1) -> None: ...


@dataclass(frozen=True, slots=True)
class Backoff:
    """A domain that nobody is to be sent to before `until`; a cause of None: it is well again."""

    failures: int
    until: int
    cause: Failure | None


WELL_AGAIN = Backoff(0, 0, None)


@dataclass(frozen=True, slots=True)
class Settlement:
    """An attempt that ended, ready for its transaction."""

    claimed: Claimed
    verdict: Verdict
    next_at: int
    notices: tuple[PreparedNotice, ...]
    backoff: Backoff | None


class Settler:
    """Ends attempts for one operator."""

    def __init__(
        self,
        database: Database,
        vault: Vault,
        clock: Clock,
        settings: Settings,
        schedule: Schedule,
        reports: Reports,
        counts: Counts | None = None,
    ) -> None:
        self._database = database
        self._vault = vault
        self._clock = clock
        self._retries_untrusted = settings.outbound.untrusted == "retry"
        self._schedule = schedule
        self._reports = reports
        self._counts = counts
        self._owner: int | None = None

    async def owner(self) -> int:
        """Under whose key the bodies of the queue lie."""
        if self._owner is None:
            self._owner = await self._database.write(lambda uow: queue_owner(uow, self._vault))
        return self._owner

    def verdict(self, claimed: Claimed, outcome: Outcome) -> Verdict:
        """What becomes of everybody, now."""
        oldest = self._schedule.expired_before(self._clock.millis())
        return verdict_on(
            claimed,
            outcome,
            retries_untrusted=self._retries_untrusted,
            is_expired=claimed.arrived_at <= oldest,
        )

    def is_final(self, failure: Failure) -> bool:
        """Whether this will not be tried again."""
        return is_final(failure.refusal, retries_untrusted=self._retries_untrusted)

    async def settle(
        self,
        claimed: Claimed,
        verdict: Verdict,
        *,
        backoff: Backoff | None = None,
        following: Callable[[UnitOfWork], Claim] | None = None,
    ) -> Claim:
        """Ends an attempt and gives what `following` claims in the same transaction.

        With a `backoff` the domain waits, and the message with it.
        """
        now = self._clock.millis()
        if verdict.at_once:
            next_at = now
        elif backoff is not None and backoff.cause is not None:
            next_at = backoff.until
        else:
            next_at = self._schedule.retry_at(now, claimed.attempts + 1)
        notices = await self._notices(claimed, verdict, now)
        settlement = Settlement(claimed, verdict, next_at, notices, backoff)

        def unit(uow: UnitOfWork) -> Claim:
            self.write(uow, settlement)
            return following(uow) if following is not None else Claim(None, has_more=False)

        try:
            return await self._database.write(unit)
        except Exception:
            # Not for a cancellation: the writer may have committed rows that name these files.
            for notice in notices:
                await self._reports.discard(notice)
            raise

    async def warn(self, claimed: Claimed, verdict: Verdict) -> None:
        """Tells the sender once that a message is late; nothing else changes."""
        at = await self._tried_at(claimed, verdict)
        reported = told_of(verdict, Action.DELAYED, verdict.deferred, at)
        prepared = await self._notice(claimed, Action.DELAYED, reported) if reported else None

        def unit(uow: UnitOfWork) -> None:
            names = {"key": claimed.message_id, "of": claimed.domain}
            uow.run(_WARNED, names)
            uow.run(_UNCLAIM, names)
            if prepared is not None:
                self._reports.put(uow, prepared)

        try:
            await self._database.write(unit)
        except Exception:
            if prepared is not None:
                await self._reports.discard(prepared)
            raise

    def write(self, uow: UnitOfWork, settlement: Settlement) -> None:
        """All that an ended attempt changes, inside a transaction."""
        claimed, verdict = settlement.claimed, settlement.verdict
        names: dict[str, int | str] = {"key": claimed.message_id, "of": claimed.domain}
        if verdict.deferred:
            self._keep(uow, settlement, names)
        elif uow.run(_DELETE_DELIVERY, names).rowcount:
            if uow.run(_ANY_LEFT, {"key": claimed.message_id}).first() is None:
                uow.run(_DELETE_MESSAGE, {"key": claimed.message_id})
                self._vault.release(uow, queue_owner(uow, self._vault), claimed.blob_id)
        else:
            raise AlreadySettled(claimed.queue_id)
        for notice in settlement.notices:
            self._reports.put(uow, notice)
        self._trace(uow, claimed, verdict)
        self._track(uow, claimed, verdict)
        uow.after_commit(lambda: self._count(verdict))
        back = settlement.backoff
        if back is not None:
            uow.run(
                _BACK_OFF,
                {
                    "of": claimed.domain,
                    "count": back.failures,
                    "at": back.until,
                    "cause": back.cause.refusal.code if back.cause is not None else None,
                    "said": back.cause.reply if back.cause is not None else None,
                },
            )

    def _keep(self, uow: UnitOfWork, settlement: Settlement, names: dict[str, int | str]) -> None:
        claimed, verdict = settlement.claimed, settlement.verdict
        last = verdict.deferred[-1].failure
        attempts = claimed.attempts + (0 if verdict.at_once else 1)
        kept = uow.run(
            _DEFER,
            {
                **names,
                "at": settlement.next_at,
                "tries": attempts,
                "cause": last.refusal.code,
                "said": last.reply,
            },
        )
        if not kept.rowcount:
            raise AlreadySettled(claimed.queue_id)
        gone = [*verdict.sent, *(fate.waiting for fate in verdict.failed)]
        uow.run_each(_DELETE_RECIPIENT, [{**names, "who": each.recipient.address} for each in gone])
        if not verdict.is_for_all or any(fate.waiting.code for fate in verdict.deferred):
            uow.run_each(
                _DEFER_RECIPIENT,
                [
                    {
                        **names,
                        "who": fate.waiting.recipient.address,
                        "cause": fate.failure.refusal.code,
                        "said": fate.failure.reply,
                    }
                    for fate in verdict.deferred
                ],
            )

    def _trace(self, uow: UnitOfWork, claimed: Claimed, verdict: Verdict) -> None:
        """A row for each thing that happened, whatever the number of recipients; ids and the domain only."""
        happened = [("message.sent", "sent", len(verdict.sent))] if verdict.sent else []
        happened += [("message.bounced", code, count) for code, count in codes(verdict.failed).items()]
        happened += [("message.deferred", code, count) for code, count in codes(verdict.deferred).items()]
        for action, outcome, recipients in happened:
            trail.append(
                uow,
                action,
                actor="system",
                subject=f"queue:{claimed.queue_id}",
                outcome=outcome,
                detail={"domain": claimed.domain, "recipients": recipients},
                clock=self._clock,
            )

    def _track(self, uow: UnitOfWork, claimed: Claimed, verdict: Verdict) -> None:
        """Tells the history of the message what its sender sees; a report has no sender."""
        if not claimed.sender:
            return
        now, queue_id = self._clock.millis(), claimed.queue_id
        if verdict.sent:
            addresses = [each.recipient.address for each in verdict.sent]
            journal.accepted(uow, queue_id, addresses, verdict.server, now, confirms=verdict.confirms)
        if verdict.failed:
            journal.failed(uow, queue_id, _setbacks(verdict.failed), now)
        if verdict.deferred and not verdict.at_once:
            journal.delayed(uow, queue_id, _setbacks(verdict.deferred), now)

    def _count(self, verdict: Verdict) -> None:
        if self._counts is None:
            return
        if verdict.sent:
            self._counts.outbound("sent", recipients=len(verdict.sent))
        for code, count in codes(verdict.failed).items():
            self._counts.outbound("bounced", code, count)
        for code, count in codes(verdict.deferred).items():
            self._counts.outbound("deferred", code, count)

    async def _notices(self, claimed: Claimed, verdict: Verdict, now: int) -> tuple[PreparedNotice, ...]:
        at = await self._tried_at(claimed, verdict) if verdict.failed else None
        told = (
            (Action.FAILED, told_of(verdict, Action.FAILED, verdict.failed, at)),
            (Action.RELAYED, told_of_relay(verdict, now)),
        )
        return tuple([await self._notice(claimed, action, reported) for action, reported in told if reported])

    async def _tried_at(self, claimed: Claimed, verdict: Verdict) -> int | None:
        if verdict.was_tried:
            return self._clock.millis()
        return await self._database.read(lambda connection: tried_at(connection, claimed))

    async def _notice(
        self, claimed: Claimed, action: Action, reported: tuple[Reported, ...]
    ) -> PreparedNotice:
        is_whole = claimed.ret == "FULL" and action is Action.FAILED
        return await self._reports.prepare(
            Notice(
                to=claimed.sender,
                action=action,
                recipients=reported,
                queue_id=claimed.queue_id,
                arrived_at=claimed.arrived_at,
                content=await self._returned(claimed, whole=is_whole) if claimed.sender else b"",
                envid=claimed.envid,
                ret=claimed.ret,
                retried_until=(
                    self._schedule.expires_at(claimed.arrived_at) if action is Action.DELAYED else None
                ),
            )
        )

    async def _returned(self, claimed: Claimed, *, whole: bool) -> bytes:
        """As much of the message as a report quotes."""
        owner = await self.owner()
        try:
            if claimed.size <= (_RETURNED_BYTES if whole else _WHOLE_BYTES):
                return await self._vault.read(owner, claimed.blob_id)
            start = [block async for block in self._vault.stream(owner, claimed.blob_id, 0, _WHOLE_BYTES)]
        except (BlobDamaged, BlobNotFound):
            return b""  # the sender is told all the same
        return header_of(b"".join(start))


def _setbacks(fates: Iterable[Fate]) -> list[Setback]:
    return [
        Setback(fate.waiting.recipient.address, fate.failure.refusal.code, words_of(fate.failure))
        for fate in fates
    ]


def next_of(domain: str, name: str, now: int) -> Callable[[UnitOfWork], Claim]:
    """What `settle` may be asked to claim."""
    return lambda uow: claim_next(uow, domain, name, now)
