"""Who is the author of a document, as docs/rights.md says it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from dmp_bridge.dossier import relations
from dmp_bridge.dossier.desk import Change
from dmp_bridge.dossier.relations import RelationKind
from dmp_bridge.rights.vocabulary import Reason
from tests.dmp_bridge.dossier.wards import (
    ATTENDING,
    DOCTOR,
    NURSE,
    OTHER_DOCTOR,
    STRUCTURE,
    deposit,
    document,
    reason_of,
)

if TYPE_CHECKING:
    from dmp_bridge.dossier.caller import Caller
    from tests.dmp_bridge.dossier.wards import Ward

SECOND = (
    '<author><time value="20260313145410+0100"/><assignedAuthor><id root="1.2.250.1.71.4.2.1" extension="{}"/>'
    "</assignedAuthor></author><custodian>"
)
# A colleague of another house: what the author's structure may do is another rule.
ALONE = replace(DOCTOR, structure_id="", structure_name="")


def by_two(second: Caller) -> bytes:
    """A CDA of DOCTOR, with another author behind."""
    return document().replace(b"<custodian>", SECOND.format(second.id).encode(), 1)


async def masked(ward: Ward, data: bytes, depositor: Caller) -> int:
    """A document that the patient masks; the doctors and the nurse are authorised."""
    (filed,) = await ward.feed(deposit(data), caller=depositor)
    await ward.desk.change(ward.patient, filed.document_id, Change.MASK)
    return filed.document_id


async def seen(ward: Ward, caller: Caller) -> bool:
    return bool(await ward.documents(caller))


async def test_the_first_author_sees_a_masked_document_and_the_second_does_not(ward: Ward) -> None:
    await ward.authorise(DOCTOR, OTHER_DOCTOR, NURSE)
    await masked(ward, by_two(OTHER_DOCTOR), STRUCTURE)
    assert await seen(ward, ALONE)
    assert not await seen(ward, OTHER_DOCTOR)
    assert not await seen(ward, NURSE)


async def test_who_deposited_it_is_its_author_beside_the_first(ward: Ward) -> None:
    await ward.authorise(DOCTOR, OTHER_DOCTOR)
    number = await masked(ward, document(), OTHER_DOCTOR)
    assert await seen(ward, OTHER_DOCTOR)
    assert await seen(ward, ALONE)
    assert await reason_of(ward.desk.change(OTHER_DOCTOR, number, Change.UNMASK)) is None


async def test_a_structure_is_no_author_and_deletes_what_is_its_own(ward: Ward) -> None:
    number = await masked(ward, document(), STRUCTURE)
    assert await reason_of(ward.documents(STRUCTURE)) is Reason.ROLE
    assert await reason_of(ward.desk.change(STRUCTURE, number, Change.UNMASK)) is Reason.ROLE
    assert await reason_of(ward.desk.change(STRUCTURE, number, Change.DELETE)) is None


async def test_a_colleague_of_the_authors_structure_is_not_the_author(ward: Ward) -> None:
    colleague = replace(DOCTOR, id=OTHER_DOCTOR.id)
    await ward.authorise(colleague)
    await masked(ward, document(), DOCTOR)
    assert not await seen(ward, colleague)


async def test_the_author_of_a_new_version_is_the_one_it_names(ward: Ward) -> None:
    await ward.authorise(DOCTOR, OTHER_DOCTOR)
    await masked(ward, document(), STRUCTURE)
    newer = document(unique_id="1.2.250.1.999.1.2", version=2, author_id=OTHER_DOCTOR.id)
    await ward.feed(deposit(newer), caller=STRUCTURE)
    (current,) = await ward.documents(OTHER_DOCTOR)
    assert current.unique_id == "1.2.250.1.999.1.2"
    assert current.masked_to_professionals
    assert not await seen(ward, ALONE)


@pytest.mark.parametrize("change", [Change.UNMASK, Change.ARCHIVE, Change.DELETE])
async def test_an_author_without_authorisation_changes_and_does_not_read(ward: Ward, change: Change) -> None:
    number = await masked(ward, document(), STRUCTURE)
    assert await reason_of(ward.documents(ALONE)) is Reason.NOT_AUTHORISED
    assert await reason_of(ward.desk.read(ALONE, number)) is not None
    assert await reason_of(ward.desk.change(ALONE, number, change)) is None


async def test_of_a_blocked_author_deletion_is_left(ward: Ward) -> None:
    number = await masked(ward, document(), STRUCTURE)
    now = ward.clock.millis()
    await ward.database.write(
        lambda uow: relations.declare(uow, ward.owner_id, RelationKind.BLOCKED, ALONE.id, ALONE.id, now)
    )
    for change in (Change.UNMASK, Change.ARCHIVE):
        assert await reason_of(ward.desk.change(ALONE, number, change)) is not None
    assert await reason_of(ward.desk.change(ALONE, number, Change.DELETE)) is None


async def test_who_masks_without_being_the_author_loses_it_from_sight(ward: Ward) -> None:
    await ward.authorise(OTHER_DOCTOR)
    await ward.attend()
    (filed,) = await ward.feed(deposit(document()), caller=STRUCTURE)
    assert await reason_of(ward.desk.change(OTHER_DOCTOR, filed.document_id, Change.MASK)) is None
    assert not await seen(ward, OTHER_DOCTOR)
    assert await seen(ward, ATTENDING)
