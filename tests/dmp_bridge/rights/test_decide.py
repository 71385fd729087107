from __future__ import annotations

from dataclasses import replace
from itertools import product

import pytest

from directory.patients import PatientState
from dmp_bridge.rights.decide import decide
from dmp_bridge.rights.professions import SHIPPED, Professions
from dmp_bridge.rights.question import Asker, DocumentFacts, Question, Standing
from dmp_bridge.rights.vocabulary import Action, Mode, OwnAct, Reason, Role

DOCTOR = Asker(role=Role.PROFESSIONAL, profession="10", skill="SM26")
NURSE = Asker(role=Role.PROFESSIONAL, profession="60")
OCCUPATIONAL = Asker(role=Role.PROFESSIONAL, profession="10", skill="C41")
EMPLOYEE = Asker(role=Role.EMPLOYEE)
STRUCTURE = Asker(role=Role.STRUCTURE)
PATIENT = Asker(role=Role.PATIENT)
PARENT = Asker(role=Role.REPRESENTATIVE)
OPERATOR = Asker(role=Role.OPERATOR)
OPEN = Standing(state=PatientState.ACTIVATED)
TEAM = replace(OPEN, is_authorised=True)
ATTENDING = replace(OPEN, is_attending=True)
OWN = replace(OPEN, is_theirs=True)
REPORT = DocumentFacts(type_code="11488-4", status="approved")
EVERY_DUTY = [
    pytest.param(mode, opposed, masked, allowed, id=f"{mode.value}-{opposed}-{masked}-{allowed}")
    for mode, opposed, masked, allowed in product(Mode, (False, True), (False, True), (False, True))
]


def ask(
    asker: Asker,
    act: Action | OwnAct,
    standing: Standing = TEAM,
    document: DocumentFacts | None = REPORT,
    professions: Professions = SHIPPED,
) -> Reason | None:
    return decide(Question(asker=asker, standing=standing, act=act, document=document), professions)


# ref: DMP-F25
@pytest.mark.parametrize(("mode", "opposed", "masked", "allowed"), EVERY_DUTY)
def test_an_emergency_opens_what_the_patient_did_not_oppose(
    mode: Mode, *, opposed: bool, masked: bool, allowed: bool
) -> None:
    """`opposed` is the opposition to this mode, `allowed` whether masked documents are open in an emergency."""
    standing = replace(
        OPEN,
        is_authorised=mode is Mode.NORMAL and not opposed,
        may_bris_de_glace=not (mode is Mode.BRIS_DE_GLACE and opposed),
        may_centre_15=not (mode is Mode.CENTRE_15 and opposed),
        masked_in_emergency=allowed,
    )
    answer = ask(
        replace(DOCTOR, mode=mode, has_motive=True), Action.READ, standing, replace(REPORT, is_masked=masked)
    )
    if opposed:
        assert answer is (Reason.NOT_AUTHORISED if mode is Mode.NORMAL else Reason.EMERGENCY_OPPOSED)
    elif masked and (mode is Mode.NORMAL or not allowed):
        assert answer is Reason.MASKED
    else:
        assert answer is None


@pytest.mark.parametrize(
    ("mode", "standing"),
    [
        (Mode.BRIS_DE_GLACE, replace(OPEN, may_centre_15=False)),
        (Mode.CENTRE_15, replace(OPEN, may_bris_de_glace=False)),
    ],
)
def test_each_emergency_is_opposed_by_itself_and_wants_a_motive(mode: Mode, standing: Standing) -> None:
    entering = replace(DOCTOR, mode=mode)
    assert ask(replace(entering, has_motive=True), Action.SEARCH, standing) is None
    assert ask(entering, Action.SEARCH, standing) is Reason.MOTIVE_MISSING


# ref: DMP-F26
@pytest.mark.parametrize("mode", list(Mode))
@pytest.mark.parametrize("asker", [DOCTOR, NURSE], ids=["doctor", "nurse"])
def test_a_blocked_professional_never_enters(asker: Asker, mode: Mode) -> None:
    standing = replace(TEAM, is_blocked=True, is_attending=True, masked_in_emergency=True)
    entering = replace(asker, mode=mode, has_motive=True)
    for act in (Action.READ, Action.SEARCH, Action.WEB_ACCESS, Action.READ_ADMINISTRATIVE, Action.MASK):
        assert ask(entering, act, standing) is Reason.BLOCKED
    assert ask(entering, Action.READ, standing, replace(REPORT, is_own=True)) is Reason.BLOCKED
    assert ask(entering, Action.FIND_REFERENCE, standing) is Reason.BLOCKED
    assert ask(entering, Action.DECLARE_AUTHORISED, standing, None) is Reason.BLOCKED


def test_the_duty_to_feed_and_the_own_documents_stay_with_a_blocked_professional() -> None:
    standing = replace(OPEN, is_blocked=True)
    assert ask(DOCTOR, Action.FEED, standing) is None
    assert ask(DOCTOR, Action.DELETE, standing, replace(REPORT, is_own=True)) is None


def test_without_authorisation_nothing_is_read_and_feeding_goes_on() -> None:
    for act in (Action.SEARCH, Action.READ, Action.WEB_ACCESS, Action.LIST_PROFESSIONALS, Action.MASK):
        assert ask(DOCTOR, act, OPEN) is Reason.NOT_AUTHORISED
    for act in (Action.FEED, Action.TEST_EXISTENCE, Action.DECLARE_AUTHORISED, Action.READ_ADMINISTRATIVE):
        assert ask(DOCTOR, act, OPEN) is None
    assert ask(DOCTOR, Action.READ, ATTENDING) is None


# ref: DMP-F22
@pytest.mark.parametrize(
    ("asker", "act"),
    [
        (DOCTOR, Action.FEED),
        (STRUCTURE, Action.FEED),
        (EMPLOYEE, Action.FEED_AS_EMPLOYEE),
        (OPERATOR, Action.FEED),
    ],
)
def test_an_opposition_to_feeding_stops_everybody_but_the_patient(asker: Asker, act: Action) -> None:
    assert ask(asker, act, OPEN) is None
    assert ask(asker, act, replace(OPEN, feeding_is_opposed=True)) is Reason.FEEDING_OPPOSED
    assert ask(PATIENT, OwnAct.FEED, replace(OWN, feeding_is_opposed=True)) is None


def test_a_structure_feeds_finds_its_own_reference_and_deletes_its_own() -> None:
    own = replace(REPORT, is_of_own_structure=True)
    for asker in (STRUCTURE, EMPLOYEE):
        assert ask(asker, Action.FIND_REFERENCE, OPEN, own) is None
        assert ask(asker, Action.FIND_REFERENCE, OPEN) is Reason.NO_DOCUMENT
        assert ask(asker, Action.DELETE, OPEN, own) is None
        assert ask(asker, Action.DELETE, OPEN) is Reason.NOT_OWN
        for act in (Action.SEARCH, Action.READ, Action.MASK, Action.LIST_PROFESSIONALS):
            assert ask(asker, act, TEAM, own) is Reason.ROLE


def test_an_occupational_doctor_searches_and_reads_nothing() -> None:
    assert ask(OCCUPATIONAL, Action.SEARCH) is None
    assert ask(OCCUPATIONAL, Action.SEARCH, TEAM, replace(REPORT, is_masked=True)) is Reason.MASKED
    assert ask(OCCUPATIONAL, Action.READ) is Reason.ROLE
    assert ask(OCCUPATIONAL, Action.MASK) is None


def test_the_depositor_keeps_what_is_masked_and_the_attending_doctor_sees_it() -> None:
    masked = replace(REPORT, is_masked=True)
    assert ask(NURSE, Action.READ, TEAM, masked) is Reason.MASKED
    assert ask(NURSE, Action.READ, TEAM, replace(masked, is_own=True)) is None
    assert ask(DOCTOR, Action.READ, ATTENDING, masked) is None
    assert ask(replace(DOCTOR, mode=Mode.BRIS_DE_GLACE, has_motive=True), Action.READ, ATTENDING, masked) is (
        Reason.MASKED
    )


def test_nobody_learns_of_a_masked_document_by_changing_it() -> None:
    masked = replace(REPORT, is_masked=True)
    for act in (Action.UNMASK, Action.ARCHIVE, Action.DELETE):
        assert ask(NURSE, act, TEAM, masked) is Reason.MASKED
        assert ask(NURSE, act, TEAM, replace(masked, is_own=True)) is None


def test_own_documents_are_cared_for_without_authorisation() -> None:
    own = replace(REPORT, is_own=True)
    for act in (Action.MASK, Action.UNMASK, Action.ARCHIVE, Action.DELETE):
        assert ask(DOCTOR, act, OPEN, own) is None
    assert ask(DOCTOR, Action.READ, OPEN, own) is Reason.NOT_AUTHORISED


def test_the_profession_is_asked_for_documents_of_others() -> None:
    psychiatric = replace(REPORT, type_code="68599-0")
    assert ask(NURSE, Action.READ, TEAM, psychiatric) is Reason.PROFESSION
    assert ask(NURSE, Action.SEARCH, TEAM, psychiatric) is Reason.PROFESSION
    assert ask(NURSE, Action.READ, TEAM, replace(psychiatric, is_own=True)) is None
    assert ask(NURSE, Action.READ, TEAM, psychiatric, Professions({("60", "68599-0"): True})) is None


# ref: DMP-F20
def test_in_a_secret_connection_only_what_representatives_cannot_see_is_deposited() -> None:
    secret, minor = replace(DOCTOR, is_secret=True), replace(TEAM, is_minor=True)
    hidden = replace(REPORT, is_unseen_by_representatives=True)
    assert ask(secret, Action.FEED, minor, hidden) is None
    assert ask(secret, Action.FEED, minor) is Reason.UNSEEN_ONLY
    assert ask(secret, Action.FEED, TEAM, hidden) is Reason.INVALID


TRUTH = [
    pytest.param(masked, unseen, by_representatives, id=f"{masked}-{unseen}-{by_representatives}")
    for masked, unseen, by_representatives in product((False, True), repeat=3)
]


# ref: DMP-F18
@pytest.mark.parametrize(("masked", "unseen", "by_representatives"), TRUTH)
def test_each_visibility_shows_a_document_to_whom_it_is_for(
    *, masked: bool, unseen: bool, by_representatives: bool
) -> None:
    document = replace(
        REPORT, is_masked=masked, is_unseen=unseen, is_unseen_by_representatives=by_representatives
    )
    emergency = replace(DOCTOR, mode=Mode.BRIS_DE_GLACE, has_motive=True)
    may_masked = replace(OPEN, masked_in_emergency=True)
    child = replace(OWN, is_minor=True)
    sees = {
        "professional": ask(NURSE, Action.READ, TEAM, document),
        "author": ask(NURSE, Action.READ, TEAM, replace(document, is_own=True)),
        "attending": ask(DOCTOR, Action.READ, ATTENDING, document),
        "emergency": ask(emergency, Action.READ, OPEN, document),
        "emergency, masked allowed": ask(emergency, Action.READ, may_masked, document),
        "patient": ask(PATIENT, OwnAct.READ, OWN, document),
        "parent": ask(PARENT, OwnAct.READ, child, document),
        "structure": ask(STRUCTURE, Action.READ, TEAM, document),
    }
    assert {reader: refused is None for reader, refused in sees.items()} == {
        "professional": not masked,
        "author": True,
        "attending": True,
        "emergency": not masked,
        "emergency, masked allowed": True,
        "patient": not unseen,
        "parent": not unseen and not by_representatives,
        "structure": False,
    }
    fed = ask(DOCTOR, Action.FEED, TEAM, document)
    assert fed is (Reason.COMBINATION if masked and unseen else None)


def test_masking_what_the_patient_cannot_see_is_refused() -> None:
    assert ask(DOCTOR, Action.MASK, TEAM, replace(REPORT, is_unseen=True)) is Reason.COMBINATION


def test_patients_delete_their_own_documents_alone() -> None:
    assert ask(PATIENT, OwnAct.DELETE, OWN, replace(REPORT, is_of_patient=True)) is None
    assert ask(PATIENT, OwnAct.DELETE, OWN) is Reason.NOT_OWN
    assert ask(PATIENT, OwnAct.MASK, OWN) is None
    assert ask(PATIENT, OwnAct.MASK, OWN, replace(REPORT, is_unseen=True)) is Reason.UNSEEN
    assert ask(PATIENT, OwnAct.READ, OWN, replace(REPORT, status="deleted")) is Reason.NO_DOCUMENT
    assert ask(PATIENT, OwnAct.READ, OWN, replace(REPORT, status="archived")) is None


def test_nobody_has_anything_of_the_record_of_a_stranger() -> None:
    for act in OwnAct:
        assert ask(PATIENT, act, OPEN, None) is Reason.NO_RECORD
        assert ask(PARENT, act, replace(OPEN, is_minor=True), None) is Reason.NO_RECORD
        assert ask(DOCTOR, act, TEAM, None) is Reason.ROLE
    for action in Action:
        assert ask(PATIENT, action, OWN) is Reason.ROLE
        assert ask(PARENT, action, OWN) is Reason.ROLE


def test_a_minor_reveals_a_secret_and_a_parent_cannot() -> None:
    hidden = replace(REPORT, is_unseen_by_representatives=True)
    child = replace(OWN, is_minor=True)
    assert ask(PATIENT, OwnAct.REVEAL_TO_REPRESENTATIVES, child, hidden) is None
    assert ask(PARENT, OwnAct.REVEAL_TO_REPRESENTATIVES, child, hidden) is Reason.ROLE


def test_an_operator_carries_out_orders_and_reads_nothing() -> None:
    for act in (
        OwnAct.CONSENT,
        OwnAct.BLOCK,
        OwnAct.CLOSE,
        OwnAct.EXPORT,
        Action.FEED,
        Action.TEST_EXISTENCE,
    ):
        assert ask(OPERATOR, act, OPEN) is None
    for act in (OwnAct.READ, OwnAct.DELETE, OwnAct.MASK, Action.READ, Action.SEARCH, Action.DELETE):
        assert ask(OPERATOR, act, OPEN) is Reason.ROLE
    assert ask(OPERATOR, Action.FEED, Standing(state=None)) is Reason.NO_RECORD
