"""The same random commands on our server and on Dovecot: the same state, and answers that mean the same.

`IMAP_DIFFERENTIAL=5000` sets how many sequences are tried; failures are shortened and remembered by hypothesis.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings

from tests.interop.differential_steps import (
    Message,
    Step,
    first_messages,
    sequences,
)

if TYPE_CHECKING:
    from tests.interop.differential_pair import Pair

pytestmark = pytest.mark.interop

SHORT = 120
EXAMPLES = int(os.environ.get("IMAP_DIFFERENTIAL", str(SHORT)))


@pytest.mark.timeout(7200)
@settings(
    max_examples=EXAMPLES,
    derandomize=EXAMPLES == SHORT,  # the same sequences each time; a longer run looks for others
    deadline=None,
    report_multiple_bugs=False,
    suppress_health_check=[
        HealthCheck.function_scoped_fixture,
        HealthCheck.too_slow,
        HealthCheck.data_too_large,
    ],
)
@given(first=first_messages, steps=sequences)
def test_random_commands_have_the_same_effect_as_on_dovecot(
    pair: Pair, first: list[Message], steps: list[Step]
) -> None:
    pair.begin(first)
    for step in steps:
        if pair.can_run(step):
            pair.both(step)
    pair.compare_everything()
    pair.end()
