from __future__ import annotations

import pytest

from directory.patients import PatientState
from dmp_bridge.rights.decide import decide
from dmp_bridge.rights.question import Asker, Question, Standing
from dmp_bridge.rights.states import STATES, RecordAct, RecordState, Who, allows, state_of
from dmp_bridge.rights.vocabulary import Action, Mode, OwnAct, Reason, Role

P, R, S, H = Who.PROFESSIONAL, Who.REPRESENTATIVE, Who.STRUCTURE, Who.PATIENT
STATES_IN_ORDER = (
    PatientState.NOT_ACTIVATED,
    PatientState.ACTIVATED,
    PatientState.OPPOSED,
    PatientState.CLOSED,
    None,
)
ALLOWED: dict[RecordAct, dict[Who, set[PatientState | None]]] = {
    RecordAct.FEED: {
        H: {PatientState.ACTIVATED},
        R: {PatientState.ACTIVATED},
        P: {PatientState.NOT_ACTIVATED, PatientState.ACTIVATED},
        S: {PatientState.NOT_ACTIVATED, PatientState.ACTIVATED},
    },
    RecordAct.READ: {
        H: {PatientState.ACTIVATED},
        R: {PatientState.ACTIVATED},
        P: {PatientState.NOT_ACTIVATED, PatientState.ACTIVATED},
        S: set(),
    },
    RecordAct.CHANGE: {
        H: {PatientState.ACTIVATED},
        R: {PatientState.ACTIVATED},
        P: {PatientState.NOT_ACTIVATED, PatientState.ACTIVATED},
        S: {PatientState.NOT_ACTIVATED, PatientState.ACTIVATED},
    },
    RecordAct.TEST: {
        H: set(PatientState),
        R: set(PatientState),
        P: {PatientState.NOT_ACTIVATED, PatientState.ACTIVATED, PatientState.CLOSED},
        S: {PatientState.NOT_ACTIVATED, PatientState.ACTIVATED, PatientState.CLOSED},
    },
    RecordAct.DECLARE: {
        H: set(),
        R: set(),
        P: {PatientState.NOT_ACTIVATED, PatientState.ACTIVATED},
        S: set(),
    },
    RecordAct.CONSENT: {who: {PatientState.NOT_ACTIVATED, PatientState.ACTIVATED} for who in (H, R, P, S)},
    RecordAct.READ_TRACES: {
        H: {PatientState.ACTIVATED},
        R: {PatientState.ACTIVATED},
        P: {PatientState.NOT_ACTIVATED, PatientState.ACTIVATED},
        S: set(),
    },
    RecordAct.EXPORT: {
        H: {PatientState.ACTIVATED, PatientState.CLOSED},
        R: {PatientState.ACTIVATED},
        P: set(),
        S: set(),
    },
    RecordAct.CLOSE: {
        H: {PatientState.NOT_ACTIVATED, PatientState.ACTIVATED},
        R: {PatientState.NOT_ACTIVATED, PatientState.ACTIVATED},
        P: set(),
        S: set(),
    },
    RecordAct.REOPEN: {
        H: {PatientState.OPPOSED, PatientState.CLOSED},
        R: {PatientState.OPPOSED, PatientState.CLOSED},
        P: set(),
        S: set(),
    },
    RecordAct.ASK_DELETION: {
        H: {PatientState.OPPOSED, PatientState.CLOSED},
        R: {PatientState.OPPOSED, PatientState.CLOSED},
        P: set(),
        S: set(),
    },
}
CELLS = [
    pytest.param(state, who, act, id=f"{act.value}-{who.value}-{state.value if state else 'unknown'}")
    for act in RecordAct
    for who in Who
    for state in STATES_IN_ORDER
]


# ref: DMP-F21
@pytest.mark.parametrize(("state", "who", "act"), CELLS)
def test_each_state_allows_each_act_to_whom_the_law_says(
    state: PatientState | None, who: Who, act: RecordAct
) -> None:
    cell = STATES[state_of(state), who, act]
    assert cell.is_allowed is (state in ALLOWED[act][who])
    assert allows(state, who, act) is cell.is_allowed
    assert cell.source


def test_every_state_role_and_act_has_a_cell() -> None:
    assert len(STATES) == len(RecordState) * len(Who) * len(RecordAct)


@pytest.mark.parametrize(
    ("act", "asker"),
    [
        (Action.READ, Asker(role=Role.PROFESSIONAL, profession="10")),
        (
            Action.READ,
            Asker(role=Role.PROFESSIONAL, profession="10", mode=Mode.BRIS_DE_GLACE, has_motive=True),
        ),
        (Action.READ, Asker(role=Role.PROFESSIONAL, profession="10", mode=Mode.CENTRE_15, has_motive=True)),
        (Action.FEED, Asker(role=Role.PROFESSIONAL, profession="60")),
        (Action.FEED, Asker(role=Role.STRUCTURE)),
        (Action.READ_ADMINISTRATIVE, Asker(role=Role.PROFESSIONAL, profession="10")),
        (OwnAct.READ, Asker(role=Role.PATIENT)),
        (OwnAct.FEED, Asker(role=Role.REPRESENTATIVE)),
    ],
)
def test_opposed_closed_and_unknown_records_look_alike(act: Action | OwnAct, asker: Asker) -> None:
    for state in (PatientState.OPPOSED, PatientState.CLOSED, None):
        standing = Standing(state=state, is_authorised=True, is_theirs=True, is_blocked=True)
        assert decide(Question(asker=asker, standing=standing, act=act)) is Reason.NO_RECORD
    standing = Standing(state=PatientState.ACTIVATED, is_authorised=True, is_theirs=True)
    assert decide(Question(asker=asker, standing=standing, act=act)) is None


# ref: DMP-F34
def test_who_tests_a_closed_record_is_told_that_it_is_closed_and_an_opposed_one_is_none() -> None:
    for asker in (Asker(role=Role.PROFESSIONAL, profession="10"), Asker(role=Role.STRUCTURE)):
        told = [
            decide(Question(asker=asker, standing=Standing(state=state), act=Action.TEST_EXISTENCE))
            for state in (PatientState.CLOSED, PatientState.OPPOSED, None)
        ]
        assert told == [None, Reason.NO_RECORD, Reason.NO_RECORD]


def test_professionals_feed_and_read_what_was_never_activated_and_the_patient_waits() -> None:
    standing = Standing(state=PatientState.NOT_ACTIVATED, is_authorised=True, is_theirs=True)
    doctor = Asker(role=Role.PROFESSIONAL, profession="10")
    for act in (Action.FEED, Action.READ):
        assert decide(Question(asker=doctor, standing=standing, act=act)) is None
    patient = Asker(role=Role.PATIENT)
    for own in (OwnAct.FEED, OwnAct.READ):
        assert decide(Question(asker=patient, standing=standing, act=own)) is Reason.NO_RECORD
