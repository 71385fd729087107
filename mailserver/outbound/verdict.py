"""Decides, from what a server did with a message, what becomes of each recipient and what the sender is told."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from mailserver.delivery.notify import Action, Reported
from mailserver.outbound.outcome import OF_TRUST, Failure
from mailserver.refusals import QUEUE_EXPIRED, REFUSALS, Refusal

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from mailserver.outbound.claims import Claimed, Waiting
    from mailserver.outbound.outcome import Outcome


@dataclass(frozen=True, slots=True)
class Fate:
    """One recipient and why it was not reached."""

    waiting: Waiting
    failure: Failure


@dataclass(frozen=True, slots=True)
class Verdict:
    """What becomes of everybody a message was for. Those who are in none of the first three were not decided on."""

    sent: tuple[Waiting, ...] = ()
    failed: tuple[Fate, ...] = ()
    deferred: tuple[Fate, ...] = ()
    server: str | None = None
    confirms: bool = True
    is_for_all: bool = True
    """Whether one cause put off everybody, so that no recipient has a cause of its own."""
    was_tried: bool = True
    """False for what is decided without another attempt."""

    @property
    def at_once(self) -> bool:
        """The server took as many as it takes at a time: the others are not late, they are next."""
        return bool(self.sent and self.deferred) and all(fate.failure.at_once for fate in self.deferred)


def verdict_on(claimed: Claimed, outcome: Outcome, *, retries_untrusted: bool, is_expired: bool) -> Verdict:
    """Sorts the recipients of a message by what the attempt came to."""
    sent: list[Waiting] = []
    failed: list[Fate] = []
    deferred: list[Fate] = []
    for waiting in claimed.waiting:
        failure = outcome.results[waiting.recipient.address]
        if failure is None:
            sent.append(waiting)
        elif is_final(failure.refusal, retries_untrusted=retries_untrusted):
            failed.append(Fate(waiting, failure))
        elif is_expired:
            failed.append(Fate(waiting, expired(failure)))
        else:
            deferred.append(Fate(waiting, failure))
    causes = {fate.failure for fate in deferred}
    return Verdict(
        tuple(sent),
        tuple(failed),
        tuple(deferred),
        outcome.server,
        outcome.confirms,
        is_for_all=not sent and not failed and len(causes) <= 1,
    )


def expired(last: Failure | None) -> Failure:
    """That time is up, with the last cause in the sentence."""
    if last is None:
        return Failure(QUEUE_EXPIRED)
    cause = last.refusal.sentence
    sentence = f"{QUEUE_EXPIRED.sentence} Dernier motif : {cause[:1].lower()}{cause[1:]}"
    return Failure(replace(QUEUE_EXPIRED, sentence=sentence), last.reply)


def last_failure(claimed: Claimed, waiting: Waiting, domain: Failure | None) -> Failure | None:
    """Why a recipient is still waiting: its own cause, else the message's, else that of the whole domain."""
    return known(waiting.code, waiting.reply) or known(claimed.code, claimed.reply) or domain


def known(code: str | None, reply: str | None) -> Failure | None:
    """A failure as the queue remembers it."""
    refusal = REFUSALS.get(code or "")
    return Failure(refusal, reply) if refusal is not None else None


def told_of(verdict: Verdict, action: Action, fates: Iterable[Fate], at: int | None) -> tuple[Reported, ...]:
    """The recipients of a notice: those whose sender wants to hear of `action` (RFC 3461 §4.1)."""
    return tuple(
        Reported(
            fate.waiting.recipient.address,
            fate.failure.refusal,
            fate.waiting.recipient.dsn.orcpt,
            words_of(fate.failure),
            verdict.server,
            at,
        )
        for fate in fates
        if wants(fate.waiting, action)
    )


def told_of_relay(verdict: Verdict, at: int) -> tuple[Reported, ...]:
    """Those whose sender wants to hear of success, from us because the server will not say it (RFC 3461 §5.2.2)."""
    if verdict.confirms:
        return ()
    return tuple(
        Reported(waiting.recipient.address, None, waiting.recipient.dsn.orcpt, None, verdict.server, at)
        for waiting in verdict.sent
        if wants(waiting, Action.RELAYED)
    )


_WORD_OF = {Action.FAILED: "FAILURE", Action.DELAYED: "DELAY", Action.RELAYED: "SUCCESS"}


def wants(waiting: Waiting, action: Action) -> bool:
    """Whether the sender wants to hear of this; who asked for nothing hears of failures and delays."""
    notify = waiting.recipient.dsn.notify
    return _WORD_OF[action] in notify if notify else action is not Action.RELAYED


def is_final(refusal: Refusal, *, retries_untrusted: bool) -> bool:
    """Whether another attempt is pointless, or forbidden by the operator's setting."""
    return not refusal.is_temporary and not (retries_untrusted and refusal in OF_TRUST)


def words_of(failure: Failure) -> str | None:
    """What the server itself said; what we saw on the way is for the operator alone."""
    return failure.reply if failure.reply is not None and failure.reply[:3].isdigit() else None


def codes(fates: Sequence[Fate]) -> dict[str, int]:
    """How many recipients each cause has."""
    counts: dict[str, int] = {}
    for fate in fates:
        code = fate.failure.refusal.code
        counts[code] = counts.get(code, 0) + 1
    return counts
