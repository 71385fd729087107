"""The order in which the rules are asked (dmp.md §4.2): the first that refuses gives the reason."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dmp_bridge.rights.question import Question
    from dmp_bridge.rights.vocabulary import Reason


def decide(question: Question) -> Reason | None:
    """Why it is refused; None where it is allowed."""
    raise NotImplementedError
