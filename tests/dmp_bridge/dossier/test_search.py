from __future__ import annotations

import time
from dataclasses import fields, replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import update

from dmp_bridge import record
from dmp_bridge.codes import Coded
from dmp_bridge.dossier import registry
from dmp_bridge.dossier.case import case_of, seen_by
from dmp_bridge.dossier.desk import Change, DocumentQuery
from dmp_bridge.dossier.search import find
from dmp_bridge.entry import DocumentEntry, Identifier
from dmp_bridge.rights.vocabulary import Reason
from dmp_bridge.tables import document as table
from tests.dmp_bridge.builders import PDF
from tests.dmp_bridge.dossier.wards import (
    DOCTOR,
    INS,
    OTHER_DOCTOR,
    deposit,
    document,
    reason_of,
)

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from dmp_bridge.dossier.caller import Caller
    from foundation.database import UnitOfWork
    from tests.dmp_bridge.dossier.wards import Ward

_GIVEN = {
    "id",
    "logical_id",
    "entry_uuid",
    "metadata_version",
    "act_at",
    "facility_code",
    "setting_code",
    "entry",
    "invisible_since",
    "announced_at",
    "revealed_at",
    "filed_at",
    "changed_at",
}


async def fill(ward: Ward, count: int) -> None:
    """A record of many documents of many authors, one act per second, without their bytes."""
    await ward.feed()
    (model,) = await ward.documents()
    values = {each.name: getattr(model, each.name) for each in fields(model) if each.name not in _GIVEN}
    values |= {"status": "approved", "origin": "professional", "set_id": None}
    entry, start = record.described(model), model.act_at

    def unit(uow: UnitOfWork) -> None:
        for index in range(count - 1):
            mine = {
                "unique_id": f"1.2.3.{index}",
                "service_start_at": start + (index + 1) * 1000,
                "author_id": f"1.2.250.1.71.4.2.1^8{index % 100:010}",
            }
            registry.enter(uow, {**values, **mine}, entry, actor="8", at=1)

    await ward.database.write(unit)


async def test_a_record_of_five_thousand_documents_is_listed_in_fifty_milliseconds(ward: Ward) -> None:
    await fill(ward, 5000)
    await ward.authorise(DOCTOR)

    def spent(caller: Caller, statuses: tuple[str, ...]) -> float:
        """Processor time, since other tests may run beside."""
        query = DocumentQuery(limit=50, statuses=statuses)

        def look(connection: Connection) -> float:
            start = time.thread_time()
            case = case_of(connection, caller, INS, ward.clock.millis())
            found = find(connection, ward.owner_id, query, case.own, seen_by(case))
            assert (len(found.documents), found.total, found.are_more) == (50, 5000, True)
            return time.thread_time() - start

        return ward.database.read_now(look)

    for caller in (ward.patient, DOCTOR):
        for statuses in (("approved",), ()):
            assert min(spent(caller, statuses) for _ in range(5)) < 0.05


async def test_pages_join_without_a_gap_and_end(ward: Ward) -> None:
    await fill(ward, 25)
    found: list[int] = []
    after: tuple[int, int] | None = None
    for _ in range(3):
        page = await ward.desk.search(ward.patient, INS, DocumentQuery(limit=10, after=after))
        assert page.total == 25
        assert page.are_more is (len(found) < 15)
        found += [each.id for each in page.documents]
        after = (page.documents[-1].act_at, page.documents[-1].id)
    assert found == [each.id for each in await ward.documents()]
    assert len(set(found)) == 25


# ref: DMP-F32
async def test_each_condition_finds_its_document_and_no_other(ward: Ward) -> None:
    entry = DocumentEntry(
        event_codes=(Coded("ZBQK002", "1.2.250.1.213.2.5"),),
        reference_ids=(Identifier("2024-17", "1.2.3", "urn:ihe:iti:xds:2013:accession"),),
        format_code=Coded("urn:ihe:rad:PDF"),
        practice_setting_code=Coded("ETABLISSEMENT"),
        healthcare_facility_type_code=Coded("SA01"),
        service_start_time=1_000_000,
        creation_time=2_000_000,
    )
    plain = deposit(PDF, media_type="application/pdf", type_code="18748-4", unique_id="1.2.5", entry=entry)
    await ward.feed(unique_id="1.7.1")
    ward.clock.advance(timedelta(hours=1))
    (wanted,) = await ward.feed(plain, caller=replace(OTHER_DOCTOR, name="Aimée %_CAMUS"), unique_id="1.7.2")
    (found,) = await ward.documents(ids=(wanted.document_id,))
    for conditions in (
        {"unique_ids": ("1.2.5",)},
        {"entry_uuids": (found.entry_uuid,)},
        {"logical_ids": (found.logical_id,)},
        {"class_codes": (found.class_code,)},
        {"type_codes": ("18748-4",)},
        {"format_codes": (found.format_code,)},
        {"facility_codes": ("SA01",)},
        {"setting_codes": ("ETABLISSEMENT",)},
        {"event_codes": ("ZBQK002",)},
        {"reference_ids": ("2024-17",)},
        {"author": "%_camus"},
        {"author": OTHER_DOCTOR.id},
        {"submission_ids": ("1.7.2",)},
        {"service": (1_000_000, 1_000_001)},
        {"created": (2_000_000, 2_000_001)},
        {"filed": (ward.clock.millis(), None)},
        {"changed": (ward.clock.millis(), None)},
    ):
        assert [each.id for each in await ward.documents(**conditions)] == [wanted.document_id], conditions
    for nothing in (
        {"author": "a%m"},
        {"event_codes": ("2024-17",)},
        {"type_codes": ("x",)},
        {"service": (None, 1)},
    ):
        assert await ward.documents(**nothing) == [], nothing


async def test_documents_are_found_by_their_visibility(ward: Ward) -> None:
    (filed,) = await ward.feed()
    assert len(await ward.documents(visibilities=("N",))) == 1
    assert await ward.documents(visibilities=("MASQUE_PS", "V")) == []
    await ward.desk.change(ward.patient, filed.document_id, Change.MASK)
    assert len(await ward.documents(visibilities=("MASQUE_PS",))) == 1


async def test_what_the_caller_may_not_know_of_is_neither_listed_nor_counted(ward: Ward) -> None:
    await ward.feed(
        deposit(visibilities=frozenset({"MASQUE_PS"})), deposit(document(unique_id="1.2.9", set_id="1.2.8"))
    )
    await ward.authorise(DOCTOR, OTHER_DOCTOR)
    assert (await ward.desk.search(DOCTOR, INS, DocumentQuery())).total == 2
    found = await ward.desk.search(OTHER_DOCTOR, INS, DocumentQuery(limit=1))
    assert (len(found.documents), found.total, found.are_more) == (1, 1, False)


async def test_only_current_documents_are_found_unless_others_are_asked_for(ward: Ward) -> None:
    (filed,) = await ward.feed()
    await ward.desk.change(DOCTOR, filed.document_id, Change.ARCHIVE)
    assert await ward.documents() == []
    assert len(await ward.documents(statuses=("archived", "deprecated"))) == 1
    assert len(await ward.documents(statuses=())) == 1


@pytest.mark.parametrize("name", ["ids", "unique_ids", "event_codes", "submission_ids", "entry_uuids"])
async def test_a_condition_of_too_many_values_is_refused(ward: Ward, name: str) -> None:
    values: tuple[object, ...] = tuple(range(1001))
    if name != "ids":
        values = tuple(str(each) for each in values)
    query = DocumentQuery(**{name: values})  # type: ignore[arg-type]
    assert await reason_of(ward.desk.search(ward.patient, INS, query)) is Reason.INVALID


async def test_a_document_that_tells_no_time_of_service_meets_any_where_that_is_asked(ward: Ward) -> None:
    (filed,) = await ward.feed()
    (found,) = await ward.documents()
    assert found.service_start_at is not None
    past, future = (None, found.service_start_at), (found.service_start_at + 1, None)
    for span in (past, future):
        assert await ward.documents(service_if_known=span) == []
    await ward.database.write(
        lambda uow: uow.execute(
            update(table).where(table.c.id == filed.document_id).values(service_start_at=None)
        )
    )
    for span in (past, future):
        assert len(await ward.documents(service_if_known=span)) == 1
        assert await ward.documents(service=span) == []
