"""A "connexion secrète" is a minor's own: nobody else has one, whatever a way in says of them."""

from __future__ import annotations

import pytest

from directory.patients import PatientState
from dmp_bridge.rights.decide import decide
from dmp_bridge.rights.question import Asker, Question, Standing
from dmp_bridge.rights.vocabulary import OwnAct, Reason, Role


# ref: DMP-F20
@pytest.mark.parametrize("act", [OwnAct.READ, OwnAct.FEED, OwnAct.READ_TRACES, OwnAct.CONSENT])
@pytest.mark.parametrize(
    ("role", "is_minor", "reason"),
    [
        (Role.PATIENT, True, None),
        (Role.PATIENT, False, Reason.INVALID),
        (Role.REPRESENTATIVE, True, Reason.INVALID),
        (Role.REPRESENTATIVE, False, Reason.INVALID),
    ],
)
def test_a_secret_connection_is_a_minors_own(
    role: Role, is_minor: bool, reason: Reason | None, act: OwnAct
) -> None:
    standing = Standing(state=PatientState.ACTIVATED, is_theirs=True, is_minor=is_minor)
    asked = Question(asker=Asker(role=role, is_secret=True), standing=standing, act=act)
    assert decide(asked) is reason
