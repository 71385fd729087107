"""What the calendar makes of a box nobody signs in to, day by day."""

from __future__ import annotations

from typing import Any

import pytest

from directory.bals import DAY_MILLIS, Bal, BalState, BalType
from directory.lifecycle import INACTIVE, Next, Stage, Step, next_step, stage_of
from foundation.settings import LifecycleSettings

BORN = 1_000 * DAY_MILLIS
RULES = LifecycleSettings()


def box(**values: Any) -> Bal:
    fields = {"state": BalState.ACTIVE, "password_hash": None, "red_list": False, **values}
    return Bal(1, "a@b.fr", BalType.PER, "A", None, created_at=BORN, **fields)


@pytest.mark.parametrize(
    ("bal", "used", "stage"),
    [
        (box(), None, Stage.CREATED),
        (box(), BORN + 1, Stage.ACTIVE),
        (box(warned_at=BORN + 5), None, Stage.WARNED),
        (box(warned_at=BORN + 5), BORN + 1, Stage.WARNED),
        (box(warned_at=BORN + 5), BORN + 6, Stage.ACTIVE),
        (box(state=BalState.SUSPENDED), BORN + 6, Stage.SUSPENDED),
        (box(state=BalState.CLOSED), BORN + 6, Stage.CLOSED),
    ],
)
def test_a_box_stands_somewhere(bal: Bal, used: int | None, stage: Stage) -> None:
    assert stage_of(bal, used) is stage


# ref: F39
@pytest.mark.parametrize(
    ("bal", "used", "since"),
    [
        (box(), None, BORN),
        (box(), BORN + 7, BORN + 7),
        (box(kept_at=BORN + 8), BORN + 7, BORN + 8),
        (box(changed_at=BORN + 9), BORN + 7, BORN + 9),
        (box(warned_at=BORN + 5), BORN + 6, BORN + 6),
    ],
)
def test_a_year_counts_from_the_last_sign_of_life(bal: Bal, used: int | None, since: int) -> None:
    assert next_step(bal, used, RULES) == Next(Step.WARN, since + 365 * DAY_MILLIS)


def test_behind_the_warning_comes_the_suspension() -> None:
    warned = box(warned_at=BORN + 400 * DAY_MILLIS)
    assert next_step(warned, BORN, RULES) == Next(Step.SUSPEND, BORN + 430 * DAY_MILLIS)


def test_the_end_comes_only_where_it_is_so_set_and_nobody_else_suspended_the_box() -> None:
    suspended = box(state=BalState.SUSPENDED, reason=INACTIVE, changed_at=BORN)
    assert next_step(suspended, None, RULES) is None
    rules = LifecycleSettings(close_days=90)
    assert next_step(suspended, None, rules) == Next(Step.CLOSE, BORN + 90 * DAY_MILLIS)
    by_somebody = box(state=BalState.SUSPENDED, reason="Départ", changed_at=BORN)
    assert next_step(by_somebody, None, rules) is None


def test_nothing_comes_by_itself_to_a_closed_box_or_where_it_is_not_wanted() -> None:
    assert next_step(box(state=BalState.CLOSED), None, RULES) is None
    assert next_step(box(), None, LifecycleSettings(inactive_days=0)) is None
