"""What is told around a document: its versions, its lot, the steps that lead on; and never another record's."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from dmp_bridge.dossier.desk import Denied, DocumentQuery
from dmp_bridge.dossier.life import Change
from dmp_bridge.rights.vocabulary import Action, Reason
from tests.dmp_bridge.dossier.wards import DOCTOR, INS, NURSE, deposit, document

if TYPE_CHECKING:
    from tests.dmp_bridge.dossier.wards import Ward

OTHER = "160012345678992"


async def test_versions_stand_the_newest_first_and_the_lot_beside_them(ward: Ward) -> None:
    await ward.authorise(DOCTOR)
    (first,) = await ward.feed(deposit())
    second = deposit(document(unique_id="1.2.250.1.999.1.2", version=2, replaces="1.2.250.1.999.1.1"))
    beside = deposit(document(unique_id="1.2.250.1.999.9", set_id=None))
    newer, other = await ward.feed(second, beside)
    found = await ward.desk.surroundings(DOCTOR, INS, newer.document_id)
    assert [each.id for each in found.versions] == [first.document_id]
    assert [each.id for each in found.lot] == [other.document_id]
    assert Change.DELETE in found.changes
    assert Change.UNMASK not in found.changes
    former = await ward.desk.surroundings(DOCTOR, INS, first.document_id)
    assert [each.id for each in former.versions] == [newer.document_id]


async def test_what_the_caller_may_not_know_of_is_not_beside_anything(ward: Ward) -> None:
    await ward.authorise(NURSE)
    shown = deposit(document(unique_id="1.2.250.1.999.8", set_id=None))
    masked = deposit(
        document(unique_id="1.2.250.1.999.9", set_id=None), visibilities=frozenset({"MASQUE_PS"})
    )
    filed, hidden = await ward.feed(shown, masked)
    found = await ward.desk.surroundings(NURSE, INS, filed.document_id)
    assert found.lot == ()
    with pytest.raises(Denied) as refused:
        await ward.desk.surroundings(NURSE, INS, hidden.document_id)
    assert refused.value.reason is Reason.MASKED
    assert found.changes == frozenset({Change.MASK})


async def test_a_document_of_another_record_is_none_of_this_one(ward: Ward) -> None:
    await ward.authorise(DOCTOR)
    (filed,) = await ward.feed(deposit())
    for ask in (
        lambda: ward.desk.surroundings(DOCTOR, OTHER, filed.document_id),
        lambda: ward.desk.read(DOCTOR, filed.document_id, ins=OTHER),
    ):
        with pytest.raises(Denied) as refused:
            await ask()
        assert refused.value.reason is Reason.NO_DOCUMENT
    content = await ward.desk.read(DOCTOR, filed.document_id, ins=INS)
    assert content.data


async def test_hidden_documents_are_left_out_of_a_search_where_that_is_asked(ward: Ward) -> None:
    await ward.authorise(DOCTOR)
    await ward.feed(deposit(visibilities=frozenset({"MASQUE_PS"})))
    everything = await ward.desk.search(DOCTOR, INS, DocumentQuery())
    without = await ward.desk.search(DOCTOR, INS, DocumentQuery(but_not=("MASQUE_PS",)))
    assert (len(everything.documents), len(without.documents)) == (1, 0)


async def test_one_trace_tells_of_a_document_and_what_is_around_it(ward: Ward) -> None:
    await ward.authorise(DOCTOR)
    (filed,) = await ward.feed(deposit())
    await ward.desk.surroundings(DOCTOR, INS, filed.document_id)
    told = await ward.traces(actions=(Action.SEARCH.value,))
    assert [each.document_id for each in told] == [filed.document_id]
