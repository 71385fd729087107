"""A document is brought by one lot, and later ones refer to it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from directory.patients import PatientState
from dmp_bridge.dossier import closing, registry
from dmp_bridge.dossier.desk import Change, Denied, DocumentQuery, Submission, SubmissionQuery
from dmp_bridge.rights.vocabulary import Action, Reason
from tests.dmp_bridge.builders import PDF
from tests.dmp_bridge.dossier.wards import (
    DOCTOR,
    INS,
    NURSE,
    OTHER_DOCTOR,
    STRUCTURE,
    Ward,
    add,
    deposit,
    document,
    reason_of,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dmp_bridge.dossier.caller import Caller
    from dmp_bridge.dossier.desk import Deposit, Filed

LATER = "1.7.2"


async def refer(
    ward: Ward,
    *names: str,
    deposits: tuple[Deposit, ...] = (),
    caller: Caller = DOCTOR,
    unique_id: str = LATER,
) -> Sequence[Filed]:
    submission = Submission(ins=INS, deposits=deposits, references=names, unique_id=unique_id)
    return await ward.desk.feed(caller, submission)


async def members(ward: Ward, caller: Caller | None = None) -> dict[str, set[str]]:
    """The uniqueIds of the documents of each lot, by its own."""
    found = await ward.desk.submissions(caller or ward.patient, INS, SubmissionQuery())
    return {lot.unique_id: {each.unique_id for each in documents} for lot, documents in found}


# ref: DMP-F11
@pytest.mark.parametrize("by", ["unique_id", "entry_uuid"])
async def test_a_lot_refers_to_a_document_that_an_earlier_one_brought(ward: Ward, by: str) -> None:
    (first,) = await ward.feed(unique_id="1.7.1")
    other = deposit(document(unique_id="1.2.9", set_id=None))
    for is_new in (True, False):
        filed, referred = await refer(ward, getattr(first, by), deposits=(other,))
        assert (filed.is_new, referred.is_new) == (is_new, False)
        assert referred.document_id == first.document_id
        assert referred.membership is not None
        assert (referred.membership.unique_id, referred.membership.is_new) == (LATER, is_new)
    assert await members(ward) == {"1.7.1": {first.unique_id}, LATER: {first.unique_id, "1.2.9"}}
    (found,) = await ward.documents(unique_ids=(first.unique_id,))
    assert first.membership is not None
    assert found.submission_id == first.membership.number
    assert {each.unique_id for each in await ward.documents(submission_ids=(LATER,))} == {
        first.unique_id,
        "1.2.9",
    }


async def test_a_lot_may_refer_to_documents_and_bring_none(ward: Ward) -> None:
    (first,) = await ward.feed(unique_id="1.7.1")
    (referred,) = await refer(ward, first.unique_id)
    assert referred.membership is not None
    assert referred.membership.is_new
    assert await members(ward) == {"1.7.1": {first.unique_id}, LATER: {first.unique_id}}
    assert [each.document_id for each in await ward.traces(actions=(Action.FEED.value,))] == [
        first.document_id
    ] * 2


async def test_what_is_sent_again_in_another_lot_is_a_reference_of_that(ward: Ward) -> None:
    (first,) = await ward.feed(unique_id="1.7.1")
    (again,) = await ward.feed(unique_id=LATER)
    assert (again.document_id, again.is_new) == (first.document_id, False)
    (found,) = await ward.documents()
    assert first.membership is not None
    assert found.submission_id == first.membership.number
    assert await members(ward) == {"1.7.1": {first.unique_id}, LATER: {first.unique_id}}


async def test_a_lot_that_is_there_takes_nothing_else_in(ward: Ward) -> None:
    (first,) = await ward.feed(unique_id="1.7.1")
    plain = deposit(PDF, media_type="application/pdf", title="Lettre", type_code="11488-4")
    await ward.feed(plain, unique_id=LATER)
    assert await reason_of(refer(ward, first.unique_id)) is Reason.DUPLICATE
    assert await reason_of(ward.feed(unique_id=LATER)) is Reason.DUPLICATE
    assert len((await members(ward))[LATER]) == 1


async def test_what_the_caller_may_not_know_of_is_referred_to_by_nobody(ward: Ward) -> None:
    (masked,) = await ward.feed(deposit(visibilities=frozenset({"MASQUE_PS"})))
    await ward.authorise(NURSE)
    for caller, name in (
        (NURSE, masked.unique_id),
        (replace(STRUCTURE, id="1990000019", structure_id="1990000019"), masked.entry_uuid),
        (DOCTOR, "1.2.3.4"),
        (DOCTOR, "urn:uuid:00000000-0000-4000-8000-000000000000"),
    ):
        with pytest.raises(Denied) as refused:
            await refer(ward, name, caller=caller)
        assert refused.value.reason is Reason.NO_DOCUMENT
    assert await members(ward) == {told: {masked.unique_id} for told in await members(ward)}
    assert len(await members(ward)) == 1


async def test_a_document_of_another_record_is_not_there_to_be_referred_to(ward: Ward) -> None:
    ins = "160012345678992"
    now = ward.clock.millis()
    await ward.database.write(lambda uow: add(uow, ward.vault, now, ins=ins))
    (first,) = await ward.feed()
    with pytest.raises(Denied) as refused:
        await ward.desk.feed(
            DOCTOR, Submission(ins=ins, deposits=(), references=(first.entry_uuid,), unique_id=LATER)
        )
    assert refused.value.reason is Reason.NO_DOCUMENT


async def test_a_replaced_document_is_referred_to_no_more_and_a_deleted_one_is_not_there(ward: Ward) -> None:
    (first,) = await ward.feed(unique_id="1.7.1")
    await refer(ward, first.unique_id)
    newer = document(unique_id="1.2.250.1.999.1.2", version=2, replaces=first.unique_id)
    (second,) = await ward.feed(deposit(newer))
    assert await reason_of(refer(ward, first.unique_id, unique_id="1.7.3")) is Reason.STATE
    # The lot that had it before is the same lot still.
    (again,) = await refer(ward, first.unique_id)
    assert again.membership is not None
    assert not again.membership.is_new
    await ward.desk.change(DOCTOR, second.document_id, Change.DELETE)
    assert await reason_of(refer(ward, second.unique_id, unique_id="1.7.3")) is Reason.NO_DOCUMENT


async def test_a_lot_of_too_many_references_is_refused(ward: Ward) -> None:
    assert await reason_of(refer(ward, *map(str, range(51)))) is Reason.INVALID
    assert await reason_of(refer(ward)) is Reason.INVALID


async def test_a_lot_of_which_only_a_reference_may_be_known_is_told_with_it_alone(ward: Ward) -> None:
    (shown,) = await ward.feed(unique_id="1.7.1")
    masked = deposit(document(unique_id="1.2.9", set_id=None), visibilities=frozenset({"MASQUE_PS"}))
    await refer(ward, shown.unique_id, deposits=(masked,))
    await ward.authorise(OTHER_DOCTOR)
    assert await members(ward, OTHER_DOCTOR) == {"1.7.1": {shown.unique_id}, LATER: {shown.unique_id}}


async def test_an_archive_that_is_deleted_takes_its_references_along(ward: Ward) -> None:
    (first,) = await ward.feed(unique_id="1.7.1")
    await refer(ward, first.unique_id)
    now = ward.clock.millis()
    await ward.database.write(
        lambda uow: closing.change_state(uow, INS, PatientState.CLOSED, "operator", now)
    )
    far = now + timedelta(days=4000) // timedelta(milliseconds=1)
    while not await ward.database.write(lambda uow: closing.purge(uow, ward.vault, ward.owner_id, far)):
        pass
    left = await ward.database.read(
        lambda connection: registry.submissions_of(connection, ward.owner_id, SubmissionQuery())
    )
    assert left == []


async def test_the_documents_of_a_lot_are_found_by_its_number(ward: Ward) -> None:
    (first,) = await ward.feed(unique_id="1.7.1")
    (referred,) = await refer(ward, first.unique_id)
    assert referred.membership is not None
    found = await ward.documents(lots=(referred.membership.number,))
    assert [each.id for each in found] == [first.document_id]
    sets = await ward.desk.submissions(ward.patient, INS, SubmissionQuery(document_ids=(first.document_id,)))
    assert {lot.unique_id for lot, _ in sets} == {"1.7.1", LATER}
    assert (await ward.desk.search(ward.patient, INS, DocumentQuery(lots=(10_000,)))).documents == ()
