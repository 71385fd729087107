"""The life of a hosted box: created, active from its first sign-in, suspended, closed; and what a year of silence brings.

The rules alone: `vaguemestre.lifecycle` carries them out.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from directory.bals import DAY_MILLIS, BalState

if TYPE_CHECKING:
    from directory.bals import Bal
    from foundation.settings import LifecycleSettings

INACTIVE = "inactivity"
"""The reason of a suspension that nobody but the calendar decided."""


class Stage(StrEnum):
    """Where a box stands in its life."""

    CREATED = "created"
    """Nobody has signed in yet."""
    ACTIVE = "active"
    WARNED = "warned"
    """Active, and its bearer is told that it will be suspended."""
    SUSPENDED = "suspended"
    CLOSED = "closed"


class Step(StrEnum):
    """What comes next by itself."""

    WARN = "warn"
    SUSPEND = "suspend"
    CLOSE = "close"


@dataclass(frozen=True, slots=True)
class Next:
    """A step and when it is due, epoch ms."""

    step: Step
    at: int


def stage_of(bal: Bal, used_at: int | None) -> Stage:
    """The stage of a box that was last signed in to at `used_at`, by its bearer or by a delegate (epoch ms)."""
    if bal.state is BalState.CLOSED:
        return Stage.CLOSED
    if bal.state is BalState.SUSPENDED:
        return Stage.SUSPENDED
    if bal.warned_at is not None and not _is_over(bal, used_at):
        return Stage.WARNED
    return Stage.ACTIVE if used_at is not None else Stage.CREATED


# ref: F39
def next_step(bal: Bal, used_at: int | None, rules: LifecycleSettings) -> Next | None:
    """What the calendar will do with a box, or None (CNIL AU-037).

    A year counts from the last sign-in, the last opposition, the making or the return of the box, whichever is
    latest. A sign-in after the warning makes it void.
    """
    if bal.state is BalState.SUSPENDED:
        if not rules.close_days or bal.reason != INACTIVE:
            return None
        return Next(Step.CLOSE, bal.changed_at + rules.close_days * DAY_MILLIS)
    if bal.state is BalState.CLOSED or not rules.inactive_days:
        return None
    if bal.warned_at is not None and not _is_over(bal, used_at):
        return Next(Step.SUSPEND, bal.warned_at + rules.notice_days * DAY_MILLIS)
    since = max(bal.created_at, bal.changed_at, used_at or 0, bal.kept_at or 0)
    return Next(Step.WARN, since + rules.inactive_days * DAY_MILLIS)


def _is_over(bal: Bal, used_at: int | None) -> bool:
    """Whether the warning is void: somebody was there after it."""
    return bal.warned_at is not None and used_at is not None and used_at >= bal.warned_at
