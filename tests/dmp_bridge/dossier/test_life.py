from __future__ import annotations

import secrets
from itertools import product
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dmp_bridge import record
from dmp_bridge.dossier.caller import Caller
from dmp_bridge.dossier.desk import Change, Denied, Submission
from dmp_bridge.dossier.life import (
    STATUS_WHEN_REPLACED,
    NotFromThisStatus,
    NotTogether,
    Status,
    after,
    go_together,
)
from dmp_bridge.record import Reader
from dmp_bridge.rights.vocabulary import Reason, Role
from dmp_bridge.visibility import Visibility
from tests.dmp_bridge.dossier.wards import DOCTOR, add, deposit, document, reason_of

if TYPE_CHECKING:
    from tests.dmp_bridge.dossier.wards import Ward

_NONE: frozenset[Visibility] = frozenset()
_ALL = [
    frozenset(each for each, is_set in zip(Visibility, flags, strict=True) if is_set)
    for flags in product((False, True), repeat=3)
]


# ref: DMP-F36
@pytest.mark.parametrize(
    ("change", "status", "expected"),
    [
        (Change.ARCHIVE, Status.APPROVED, Status.ARCHIVED),
        (Change.ARCHIVE, Status.ARCHIVED, Status.ARCHIVED),
        (Change.ARCHIVE, Status.DEPRECATED, None),
        (Change.ARCHIVE, Status.DELETED, None),
        (Change.UNARCHIVE, Status.ARCHIVED, Status.APPROVED),
        (Change.UNARCHIVE, Status.APPROVED, Status.APPROVED),
        (Change.UNARCHIVE, Status.DEPRECATED, None),
        (Change.UNARCHIVE, Status.DELETED, None),
        *((Change.DELETE, status, Status.DELETED) for status in Status),
        *((Change.MASK, status, status) for status in Status if status is not Status.DELETED),
        (Change.MASK, Status.DELETED, None),
        (Change.UNMASK, Status.DELETED, None),
        (Change.SHOW_TO_PATIENT, Status.DELETED, None),
        (Change.REVEAL_TO_REPRESENTATIVES, Status.DELETED, None),
    ],
)
def test_each_act_leads_from_a_status_to_a_status_or_nowhere(
    change: Change, status: Status, expected: Status | None
) -> None:
    if expected is None:
        with pytest.raises(NotFromThisStatus):
            after(status, _NONE, change)
    else:
        assert after(status, _NONE, change)[0] is expected


# ref: DMP-F18
@pytest.mark.parametrize("visibilities", _ALL)
def test_masked_and_unseen_never_stand_together(visibilities: frozenset[Visibility]) -> None:
    assert go_together(visibilities) is not ({Visibility.MASKED, Visibility.UNSEEN} <= visibilities)


# ref: DMP-F20
@pytest.mark.parametrize("visibilities", [each for each in _ALL if go_together(each)])
def test_no_act_hides_again_what_was_shown(visibilities: frozenset[Visibility]) -> None:
    hiding = {Visibility.UNSEEN, Visibility.UNSEEN_BY_REPRESENTATIVES}
    for change in Change:
        try:
            _, found = after(Status.APPROVED, visibilities, change)
        except NotTogether:
            assert (change, Visibility.UNSEEN in visibilities) == (Change.MASK, True)
            continue
        assert found & hiding <= visibilities


async def test_a_change_that_was_made_already_changes_nothing(ward: Ward) -> None:
    (filed,) = await ward.feed()
    first = await ward.desk.change(ward.patient, filed.document_id, Change.MASK, version=1)
    again = await ward.desk.change(ward.patient, filed.document_id, Change.MASK, version=1)
    assert again == first
    assert [each.detail for each in await ward.traces()][1:] == ['{"change": "mask", "version": 2}'] * 2


async def test_a_deleted_document_comes_to_no_other_state(ward: Ward) -> None:
    (filed,) = await ward.feed()
    await ward.authorise(DOCTOR)
    for change in (Change.DELETE, Change.DELETE):
        assert (await ward.desk.change(DOCTOR, filed.document_id, change)).status is Status.DELETED
    for change in (Change.ARCHIVE, Change.UNARCHIVE, Change.MASK, Change.UNMASK):
        assert await reason_of(ward.desk.change(DOCTOR, filed.document_id, change)) is Reason.STATE
    # The same message again files it neither anew nor back.
    (again,) = await ward.feed()
    assert (again.is_new, again.document_id) == (False, filed.document_id)
    assert await ward.documents() == []


async def test_a_hundred_replays_file_once(ward: Ward) -> None:
    both = (
        deposit(document(replaces="1.2.9")),
        deposit(document(unique_id="1.2.9", version=None, set_id=None)),
    )
    for _ in range(50):
        await ward.feed(*both, unique_id="1.7.1")
        await ward.feed(*both[::-1])
    assert len(await ward.documents(statuses=())) == 2
    assert [each.unique_id for each in await ward.documents()] == ["1.2.250.1.999.1.1"]
    for each in await ward.documents(statuses=()):
        assert len(await ward.desk.history(ward.patient, each.id)) <= 2


async def test_numbers_of_documents_leave_gaps_so_that_counting_tells_nothing(ward: Ward) -> None:
    await ward.feed(*(deposit(document(unique_id=f"1.2.7.{each}", set_id=None)) for each in range(9)))
    numbers = sorted(each.id for each in await ward.documents())
    assert len(numbers) == 9
    assert numbers[-1] - numbers[0] > 9


# The model: what the rules make of any series of messages about one chain of three versions, each of which names the
# one before it (RPLC). A message about a document that is not there is refused and leaves nothing.
_VERSIONS = ("1.2.250.1.999.7.1", "1.2.250.1.999.7.2", "1.2.250.1.999.7.3")
_MESSAGES = [("new", index) for index in range(3)] * 3 + [
    (change.value, index)
    for change in (Change.DELETE, Change.MASK, Change.UNMASK, Change.ARCHIVE, Change.UNARCHIVE)
    for index in range(3)
]


class _Model:
    def __init__(self) -> None:
        self.status: dict[int, Status] = {}
        self.masked: dict[int, bool] = {}

    def take(self, word: str, index: int) -> None:
        if word == "new":
            self._file(index)
        elif index in self.status:
            try:
                status, visibilities = after(self.status[index], self._visibilities(index), Change(word))
            except NotFromThisStatus:
                return
            self.status[index], self.masked[index] = status, Visibility.MASKED in visibilities

    def _visibilities(self, index: int) -> frozenset[Visibility]:
        return frozenset({Visibility.MASKED} if self.masked[index] else ())

    def _file(self, index: int) -> None:
        if index in self.status:
            return
        self.status[index] = Status.DEPRECATED if index + 1 in self.status else Status.APPROVED
        former = index - 1
        is_current = self.status.get(former) in (Status.APPROVED, Status.ARCHIVED)
        # What the patient masked stays masked in the version that takes its place.
        self.masked[index] = is_current and self.masked[former]
        if former in self.status:
            self.status[former] = STATUS_WHEN_REPLACED[self.status[former]]


def _cda(ins: str, index: int) -> bytes:
    replaces = _VERSIONS[index - 1] if index else None
    return document(ins=ins, unique_id=_VERSIONS[index], set_id=None, version=None, replaces=replaces)


async def _say(ward: Ward, patient: Caller, ins: str, word: str, index: int) -> None:
    """One message: the patient masks and unmasks, the author does the rest."""
    if word == "new":
        await ward.desk.feed(DOCTOR, Submission(ins=ins, deposits=(deposit(_cda(ins, index)),)))
        return
    change = Change(word)
    try:
        found = await ward.desk.reference(DOCTOR, ins, _VERSIONS[index])
        caller = patient if change in (Change.MASK, Change.UNMASK) else DOCTOR
        await ward.desk.change(caller, found.id, change)
    except Denied as denied:
        assert denied.reason in (Reason.NO_DOCUMENT, Reason.STATE)


# ref: DMP-F11, DMP-F36
@settings(
    max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], database=None
)
@given(messages=st.lists(st.sampled_from(_MESSAGES), min_size=3, max_size=12))
async def test_any_order_and_repetition_of_messages_ends_in_the_state_the_rules_give(
    ward: Ward, messages: list[tuple[str, int]]
) -> None:
    ins = f"1{secrets.randbelow(10**14):014}"  # a record of its own for each series
    now = ward.clock.millis()
    owner_id = await ward.database.write(lambda uow: add(uow, ward.vault, now, ins=ins))
    patient = Caller(role=Role.PATIENT, id=f"patient:{owner_id}", owner_id=owner_id)
    model = _Model()
    for word, index in messages:
        await _say(ward, patient, ins, word, index)
        model.take(word, index)
    found = await ward.database.read(
        lambda c: record.list_documents(c, owner_id, status=None, reader=Reader.PATIENT)
    )
    kept = {_VERSIONS.index(each.unique_id): (each.status, each.masked_to_professionals) for each in found}
    assert kept == {index: (status, model.masked[index]) for index, status in model.status.items()}
